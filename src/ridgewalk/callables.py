"""
Checks of the functions that a user brings, such as an energy or a decoder.

Any callable serves, so what it returns is checked when it is used: it has to be a tensor with one row for each row of the input, its gradient has to reach
the input where a gradient is needed, and networks inside it are used in eval mode, whatever mode they are in.
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
"""Objects that are looked through for networks in one callable."""

SHIFT = 1e-2
"""How far points are moved, relative to 1 + |z|, to see whether a function without a gradient depends on them."""


def check_rows(value: object, rows: int, what: str = "the function") -> Tensor:
    """
    Returns ``value``, a tensor with ``rows`` rows.

    Args:
        value: what a callable returned.
        rows: number of rows that it was given.
        what: the callable in words, for the error.

    Raises:
        ValueError: if it is no tensor, or has another number of rows.
    """
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{what} returned a {type(value).__name__}; it must return a tensor (n, ...): wrap it, as in "
            "lambda z: vae.decode(z).sample"
        )
    if value.shape[:1] != (rows,):
        raise ValueError(f"{what} over {rows} rows must return as many rows; it returned {tuple(value.shape)}")
    return value


def check_tensor(value: object, what: str) -> Tensor:
    """Returns ``value`` if it is a tensor; otherwise raises ValueError that says what ``what`` is expected to be."""
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{what} must be a tensor; got a {type(value).__name__}: an encoder that returns a distribution or a tuple has to be wrapped, as in "
            "lambda x: vae.encode(x).latent_dist.mode(), and an array converted by torch.as_tensor"
        )
    return value


def gradient(f: Callable[[Tensor], Tensor], z: Tensor, value: Tensor, what: str) -> Tensor:
    """
    D (sum of value) / dz, where ``value`` is f(z) and z a leaf that requires a gradient: of the shape of z.

    A function that does not depend on z has the gradient 0. One that does, without a graph that leads to z, is refused: its gradient is missing, not 0.

    Args:
        f: the function.
        z: where it was evaluated.
        value: f(z).
        what: the function in words, for the error.
    """
    found = torch.autograd.grad(value.sum(), z, allow_unused=True)[0] if value.requires_grad else None
    if found is None:
        refuse_missing_gradient(f, z, value, what)
        return torch.zeros_like(z)
    return found


def refuse_missing_gradient(f: Callable[[Tensor], Tensor], z: Tensor, value: Tensor, what: str) -> None:
    """
    Refuses a function whose value, which autograd does not connect to z, changes when z is moved.

    Args:
        f: the function.
        z: (n, *) where it was evaluated.
        value: f(z).
        what: the function in words, for the error.

    Raises:
        ValueError: if f at a moved z differs from ``value``.
    """
    with torch.no_grad():
        moved = z.detach() + SHIFT * (1 + z.detach().abs())
        other = f(moved)
    if not torch.equal(other.detach(), value.detach()):
        raise ValueError(
            f"{what} is not differentiable in z: its value changes with z, and autograd sees no path from one to the other; "
            "leave out torch.no_grad, detach and numpy inside it"
        )


def check_gradient(f: Callable[[Tensor], Tensor], z: Tensor, value: Tensor, what: str) -> None:
    """Refuses, where gradients are being recorded, a term ``value`` = f(z) of a larger sum that autograd does not connect to z."""
    if torch.is_grad_enabled() and z.requires_grad and not value.requires_grad:
        refuse_missing_gradient(f, z, value, what)


@contextmanager
def evaluation_mode(*functions: object) -> Iterator[None]:
    """
    Puts every network that the functions hold in eval mode, and back in its own mode afterwards.

    Networks are found in modules, bound methods, partial functions, closures, the global names that a function uses, and the attributes of other objects.
    """
    training = [m for m in _networks(functions) if m.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def outside_inference_mode(method: Function) -> Function:
    """Decorates a method over tensors that needs gradients, so that it gives inside ``torch.inference_mode`` what it gives outside."""

    @wraps(method)
    def call(self: Any, *tensors: Any) -> Any:
        if not torch.is_inference_mode_enabled() and not any(_of_inference(t) for t in tensors):
            return method(self, *tensors)
        with torch.inference_mode(False):
            return method(self, *(t.clone() if _of_inference(t) else t for t in tensors))

    return call  # type: ignore[return-value]


def _of_inference(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_inference()


def _networks(functions: Iterable[object]) -> Iterator[nn.Module]:
    """Every module inside the functions, submodules included."""
    waiting, seen = list(functions), set[int]()
    while waiting and len(seen) < MOST_OBJECTS:
        found = waiting.pop(0)
        if id(found) in seen or found is None or isinstance(found, _PLAIN):
            continue
        seen.add(id(found))
        if isinstance(found, nn.Module):
            yield from found.modules()
        else:
            waiting += _inside(found)


_PLAIN = (str, bytes, int, float, complex, Tensor, type, types.ModuleType, torch.device, torch.dtype)


def _inside(found: Any) -> list[object]:
    """What a callable or a container holds."""
    if isinstance(found, types.MethodType):
        return [found.__self__, found.__func__]
    if isinstance(found, partial):
        return [found.func, *found.args, *found.keywords.values()]
    if isinstance(found, types.FunctionType):
        cells = [c.cell_contents for c in found.__closure__ or () if _filled(c)]
        used = [found.__globals__[n] for n in found.__code__.co_names if n in found.__globals__]
        return [*cells, *(found.__defaults__ or ()), *used]
    if isinstance(found, Mapping):
        return list(found.values()) if len(found) <= MOST_OBJECTS else []
    if isinstance(found, list | tuple | set | frozenset):
        return list(found) if len(found) <= MOST_OBJECTS else []
    return list(getattr(found, "__dict__", {}).values())


def _filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
