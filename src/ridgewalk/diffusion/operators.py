"""
What a measurement sees of data: linear operators A, for inverse problems y = A x + noise.

    mask          y_i = x_i where i is kept, 0 elsewhere      A A^T = I        in-painting
    downsample    y = means over f x f pixels                 A A^T = I / f^2  super-resolution

The rows of each are orthogonal and of one length, A A^T = c I on the measurements that A can make. So the pseudo-inverse is A^+ = A^T / c, and of all
data that agree with y

    project(x, y) = x + A^+ (y - A x)

is the nearest to x.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class LinearOperator(Protocol):
    """A linear map of data (n, *) to measurements (n, *), row by row, with A A^T = ``gain`` I."""

    @property
    def gain(self) -> float:
        """The c of A A^T = c I."""
        ...

    def __call__(self, x: Tensor, /) -> Tensor:
        """A x."""
        ...

    def transpose(self, y: Tensor, /) -> Tensor:
        """A^T y."""
        ...

    def pseudo_inverse(self, y: Tensor, /) -> Tensor:
        """A^+ y, the least data whose measurement is y."""
        ...

    def project(self, x: Tensor, y: Tensor, /) -> Tensor:
        """X + A^+ (y - A x), the data nearest to x whose measurement is y."""
        ...


class OrthogonalRows(ABC):
    """An operator with A A^T = c I; a new one needs A, A^T and c."""

    @property
    @abstractmethod
    def gain(self) -> float:
        """The c of A A^T = c I."""

    @abstractmethod
    def __call__(self, x: Tensor, /) -> Tensor:
        """A x."""

    @abstractmethod
    def transpose(self, y: Tensor, /) -> Tensor:
        """A^T y."""

    def pseudo_inverse(self, y: Tensor, /) -> Tensor:
        """A^T y / c."""
        return self.transpose(y) / self.gain

    def project(self, x: Tensor, y: Tensor, /) -> Tensor:
        """X (n, *) + A^+ (y - A x), for y (n, *) or one for all rows (1, *)."""
        return x + self.pseudo_inverse(residual(self, x, y))


@final
@dataclass(frozen=True, eq=False)
class Mask(OrthogonalRows):
    """
    Keeps some values of a datum and sets the others to 0: A = A^T = A^+.

    A measurement has the shape of its datum. What stands in its hidden places is never read, so that a picture with a hole serves as it is.

    Args:
        keep: bool, true where a value is measured; broadcast against one datum: (h, w) serves every channel of (c, h, w).
    """

    keep: Tensor

    def __post_init__(self) -> None:
        if self.keep.dtype != torch.bool:
            raise ValueError(f"a mask is bool, true where a value is kept; got {self.keep.dtype}")
        kept, size = int(self.keep.sum()), self.keep.numel()
        if kept in (0, size):
            raise ValueError(f"a mask must keep some values and hide some; it keeps {kept} of {size}")

    @property
    def gain(self) -> float:
        """1."""
        return 1.0

    def __call__(self, x: Tensor, /) -> Tensor:
        """X where it is kept, else 0."""
        return torch.where(self._fitting(x), x, torch.zeros_like(x))

    def transpose(self, y: Tensor, /) -> Tensor:
        """Y where it is kept, else 0."""
        return self(y)

    def project(self, x: Tensor, y: Tensor, /) -> Tensor:
        """Y where it is kept, else x: to the last bit, which x + (y - x) is not."""
        _check(y, x)
        return torch.where(self._fitting(x), y, x)

    def _fitting(self, x: Tensor) -> Tensor:
        datum = x.shape[1:]
        try:
            fits = torch.broadcast_shapes(self.keep.shape, datum) == datum
        except RuntimeError:
            fits = False
        if not fits:
            raise ValueError(
                f"a mask of shape {tuple(self.keep.shape)} does not fit data of shape {tuple(datum)}; give it that shape, or one that broadcasts to it"
            )
        return self.keep.to(x.device)


@final
@dataclass(frozen=True)
class Downsample(OrthogonalRows):
    """
    Means over squares of pixels: (n, *, h, w) -> (n, *, h / f, w / f).

    Args:
        factor: f, at least 2; it must divide h and w.
    """

    factor: int

    def __post_init__(self) -> None:
        if self.factor < 2:
            raise ValueError(f"pictures are made smaller by a factor of at least 2; got {self.factor}")

    @property
    def gain(self) -> float:
        """1 / f^2."""
        return 1 / self.factor**2

    def __call__(self, x: Tensor, /) -> Tensor:
        """Means over f x f pixels."""
        f = self.factor
        if x.dim() < 3 or x.shape[-2] % f or x.shape[-1] % f:
            raise ValueError(
                f"a factor of {f} needs pictures (n, *, h, w) with h and w divisible by {f}; got {tuple(x.shape)}: crop or pad them"
            )
        rows, columns = x.shape[-2] // f, x.shape[-1] // f
        return x.unflatten(-1, (columns, f)).unflatten(-3, (rows, f)).mean((-3, -1))

    def transpose(self, y: Tensor, /) -> Tensor:
        """Each pixel repeated f x f times, over f^2."""
        f = self.factor
        return y.repeat_interleave(f, -1).repeat_interleave(f, -2) / f**2


def residual(operator: OrthogonalRows | LinearOperator, x: Tensor, y: Tensor) -> Tensor:
    """Y - A x, for data x (n, *) and measurements y (n, *), or one for all rows (1, *)."""
    seen = operator(x)
    _check(y, seen)
    return y - seen


def _check(y: Tensor, seen: Tensor) -> None:
    """Refuses measurements y that are not shaped as ``seen``, in its rows or in one."""
    if y.shape[1:] != seen.shape[1:] or len(y) not in (1, len(seen)):
        raise ValueError(
            f"measurements must be {tuple(seen.shape)}, or one for all rows {(1, *seen.shape[1:])}; got {tuple(y.shape)}"
        )
