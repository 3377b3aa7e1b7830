"""
Checks of the functions that a user passes in, such as an energy or a decoder.

Any callable is accepted, so its result is checked when it is used: it must be a tensor with one row for each row of the input, and where a gradient is
needed autograd must connect it to the input. Networks inside the callable are evaluated in eval mode, whatever mode they are in.
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Function = TypeVar("Function", bound=Callable[..., Any])

MOST_OBJECTS = 200
"""Number of objects inside one callable that are searched for networks."""

SHIFT = 1e-2
"""Distance, relative to 1 + |z|, by which points are moved to test whether a function without a gradient depends on them."""

LEAST_CHANGE = 1e-4
"""Change of a value, relative to 1 + |value|, below which it may be an error of floating point."""


def check_rows(value: object, rows: int, what: str = "the function") -> Tensor:
    """
    Returns ``value`` if it is a tensor with ``rows`` rows.

    Args:
        value: the result of a callable.
        rows: number of rows of the callable's input.
        what: name of the callable in the error message.

    Raises:
        ValueError: if the result is not a tensor or has another number of rows.
    """
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{what} returned a {type(value).__name__}; it must return a tensor (n, ...): wrap it, as in "
            "lambda z: vae.decode(z).sample"
        )
    if value.shape[:1] != (rows,):
        raise ValueError(f"{what} over {rows} rows must return as many rows; it returned {tuple(value.shape)}")
    return value


def check_energy(value: object, z: Tensor, what: str = "the energy") -> Tensor:
    """Returns ``value`` in the dtype of z (n, *) if it is a real floating-point tensor (n,) on the device of z; otherwise raises a ValueError."""
    e = check_rows(value, len(z), what)
    if e.shape != z.shape[:1]:
        raise ValueError(f"an energy maps (n, *) to (n,); for {tuple(z.shape)} it returned {tuple(e.shape)}")
    if not e.is_floating_point() or e.device != z.device:
        raise ValueError(
            f"an energy maps points to real floating-point numbers on their device; {what} returned {e.dtype} on {e.device} for points on {z.device}"
        )
    return e.to(z.dtype)


def check_measurable(value: Tensor, what: str = "the decoder") -> Tensor:
    """Returns ``value`` (n, *) if distances between its rows can be measured: if it is real, floating point and not empty; otherwise raises a ValueError."""
    if not value.is_floating_point() or not value.numel():
        raise ValueError(
            f"distances are measured between real floating-point values; {what} returned {value.dtype} {tuple(value.shape)}"
        )
    return value


def evaluate_copy(f: Callable[[Tensor], Tensor], z: Tensor, what: str) -> Tensor:
    """
    F at a copy of z (n, *), so that an f that works in place, such as one that begins with ``nn.ReLU(inplace=True)``, leaves z as it is.

    Raises:
        ValueError: if f changes its input where autograd does not see it, which makes the gradient wrong.
    """
    copy = z.clone()
    node = copy.grad_fn
    value = f(copy)
    if node is not None and copy.grad_fn is node and copy._version:
        raise ValueError(
            f"{what} changes its input in place inside torch.no_grad, so that its gradient is that of other points; let it work on z.clone()"
        )
    return value


def check_tensor(value: object, what: str) -> Tensor:
    """Returns ``value`` if it is a tensor; otherwise raises a ValueError that calls it ``what``."""
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{what} must be a tensor; got a {type(value).__name__}: an encoder that returns a distribution or a tuple has to be wrapped, as in "
            "lambda x: vae.encode(x).latent_dist.mode(), and an array converted by torch.as_tensor"
        )
    return value


def differentiate(f: Callable[[Tensor], Tensor], z: Tensor, value: Tensor, what: str) -> Tensor:
    """
    Returns the gradient of sum_i f(z_i), which has the shape of z.

    A function that does not depend on z has the gradient 0. One that depends on z although autograd does not connect the two is refused, because its
    gradient is missing and not 0; so is one whose gradient is 0 in all rows although its value rises one way and falls the other, as after rounding.

    Args:
        f: the function.
        z: (n, *), a leaf that requires a gradient.
        value: f(z).
        what: name of the function in the error message.
    """
    slope = torch.autograd.grad(value.sum(), z, allow_unused=True)[0] if value.requires_grad else None
    if slope is None:
        refuse_missing_gradient(f, z, value, what)
        return torch.zeros_like(z)
    if not slope.any():
        _refuse_false_zero(f, z, value, what)
    return slope


def _refuse_false_zero(f: Callable[[Tensor], Tensor], z: Tensor, value: Tensor, what: str) -> None:
    """Raises a ValueError if f, whose gradient at z (n, *) is 0, changes about equally, with opposite signs, when z is moved to either side."""
    with torch.no_grad():
        shift = SHIFT * (1 + z.abs())
        ahead, behind = (f(z.detach() + side * shift) - value for side in (1, -1))
        change = torch.minimum(ahead.abs(), behind.abs())
        linear = (ahead * behind < 0) & (torch.maximum(ahead.abs(), behind.abs()) < 2 * change)
        if bool((linear & (change > LEAST_CHANGE * (1 + value.abs()))).any()):
            raise ValueError(
                f"{what} has the gradient 0 in z although its value changes with z; leave out rounding, thresholds and detach inside it"
            )


def refuse_missing_gradient(f: Callable[[Tensor], Tensor], z: Tensor, value: Tensor, what: str) -> None:
    """Raises a ValueError if ``value`` = f(z), which autograd does not connect to z (n, *), changes when z is moved."""
    with torch.no_grad():
        moved = z.detach() + SHIFT * (1 + z.detach().abs())
        other = f(moved)
    if not torch.equal(other.detach(), value.detach()):
        raise ValueError(
            f"{what} is not differentiable in z: its value changes with z, and autograd sees no path from one to the other; "
            "leave out torch.no_grad, detach and numpy inside it"
        )


def check_gradient(f: Callable[[Tensor], Tensor], z: Tensor, value: Tensor, what: str) -> None:
    """Raises a ValueError if gradients are recorded and ``value`` = f(z), a term of a larger sum, depends on z outside autograd."""
    if torch.is_grad_enabled() and z.requires_grad and not is_connected(value, z):
        refuse_missing_gradient(f, z, value, what)


def is_connected(value: Tensor, z: Tensor) -> bool:
    """Whether the graph of ``value`` contains z."""
    waiting, seen = [value.grad_fn], set[Any]()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if node is z.grad_fn or getattr(node, "variable", None) is z:
            return True
        seen.add(node)
        waiting += [n for n, _ in node.next_functions]
    return False


@contextmanager
def evaluation_mode(*functions: object) -> Iterator[None]:
    """
    Puts every network inside the functions in eval mode, and restores each network's own mode afterwards.

    Networks are found in modules, bound methods, partial functions, closures, the global names that a function uses, and the attributes of other objects.
    """
    training = [m for m in _find_modules(functions) if m.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def outside_inference_mode(method: Function) -> Function:
    """Decorates a method of tensors that needs gradients, so that its result inside ``torch.inference_mode`` is the same as outside."""

    @wraps(method)
    def call(self: Any, *tensors: Any) -> Any:
        if not torch.is_inference_mode_enabled() and not any(_is_inference(t) for t in tensors):
            return method(self, *tensors)
        with torch.inference_mode(False):
            return method(self, *(t.clone() if _is_inference(t) else t for t in tensors))

    return call  # type: ignore[return-value]


def _is_inference(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_inference()


def _find_modules(functions: Iterable[object]) -> Iterator[nn.Module]:
    """Yields every module inside the functions, submodules included."""
    waiting, seen = list(functions), set[int]()
    while waiting and len(seen) < MOST_OBJECTS:
        found = waiting.pop(0)
        if id(found) in seen or found is None or isinstance(found, _PLAIN):
            continue
        seen.add(id(found))
        if isinstance(found, nn.Module):
            yield from found.modules()
        else:
            waiting += _list_contents(found)


_PLAIN = (str, bytes, int, float, complex, Tensor, type, types.ModuleType, torch.device, torch.dtype)


def _list_contents(found: Any) -> list[object]:
    """Returns the objects that a callable or a container holds."""
    if isinstance(found, types.MethodType):
        return [found.__self__, found.__func__]
    if isinstance(found, partial):
        return [found.func, *found.args, *found.keywords.values()]
    if isinstance(found, types.FunctionType):
        cells = [c.cell_contents for c in found.__closure__ or () if _is_filled(c)]
        used = [found.__globals__[n] for n in found.__code__.co_names if n in found.__globals__]
        return [*cells, *(found.__defaults__ or ()), *used]
    if isinstance(found, Mapping | list | tuple | set | frozenset):
        if len(found) > MOST_OBJECTS:
            return []
        return list(found.values() if isinstance(found, Mapping) else found)
    slots = [getattr(found, n, None) for c in type(found).__mro__ for n in _names(vars(c).get("__slots__", ()))]
    return [*getattr(found, "__dict__", {}).values(), *slots]


def _names(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
