"""
Linear operators A of inverse problems y = A x + noise.

    mask          y_i = x_i where i is kept, 0 elsewhere      A A^T = I        in-painting
    downsample    y = means over f x f pixels                 A A^T = I / f^2  super-resolution

The rows of each are orthogonal and of equal length, A A^T = c I on the range of A, so that the pseudo-inverse is A^+ = A^T / c. The data
that agree with y and are nearest to x are

    project(x, y) = x + A^+ (y - A x)
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


class LinearOperator(ABC):
    """A linear map A of data (n, *) to measurements (n, *), row by row, with A A^T = ``gain`` I; a new one needs A, A^T and the gain c."""

    @property
    @abstractmethod
    def gain(self) -> float:
        """The factor c of A A^T = c I."""

    @abstractmethod
    def __call__(self, x: Tensor, /) -> Tensor:
        """A x (n, *)."""

    @abstractmethod
    def transpose(self, y: Tensor, /) -> Tensor:
        """A^T y (n, *)."""

    def pseudo_inverse(self, y: Tensor, /) -> Tensor:
        """A^+ y = A^T y / c, the smallest data whose measurement is y."""
        return self.transpose(y) / self.gain

    def project(self, x: Tensor, y: Tensor, /) -> Tensor:
        """The data nearest to x (n, *) whose measurement is y, (n, *) or one for all rows (1, *)."""
        return x + self.pseudo_inverse(residual(self, x, y))


@final
@dataclass(frozen=True, eq=False)
class Mask(LinearOperator):
    """
    Keeps some values of a datum and sets the others to 0: A = A^T = A^+.

    A measurement has the shape of its datum, and its hidden values are never read, so that an image with a hole can be used as it is.

    Args:
        keep: bool, True where a value is measured; it is broadcast to one datum, so that (h, w) applies to every channel of (c, h, w).
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
        return 1.0

    def __call__(self, x: Tensor, /) -> Tensor:
        return torch.where(self._fitting(x), x, torch.zeros_like(x))

    def transpose(self, y: Tensor, /) -> Tensor:
        return self(y)

    def project(self, x: Tensor, y: Tensor, /) -> Tensor:
        """The measured values of y and the hidden values of x, bit for bit, which x + (y - x) is not."""
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
class Downsample(LinearOperator):
    """
    Means over squares of f x f pixels: (n, *, h, w) -> (n, *, h / f, w / f).

    Args:
        factor: f, at least 2, which must divide h and w.
    """

    factor: int

    def __post_init__(self) -> None:
        if self.factor < 2:
            raise ValueError(f"the factor of a downsampling must be at least 2; got {self.factor}")

    @property
    def gain(self) -> float:
        return 1 / self.factor**2

    def __call__(self, x: Tensor, /) -> Tensor:
        f = self.factor
        if x.dim() < 3 or x.shape[-2] % f or x.shape[-1] % f:
            raise ValueError(
                f"a factor of {f} needs images (n, *, h, w) with h and w divisible by {f}; got {tuple(x.shape)}: crop or pad them"
            )
        rows, columns = x.shape[-2] // f, x.shape[-1] // f
        return x.unflatten(-1, (columns, f)).unflatten(-3, (rows, f)).mean((-3, -1))

    def transpose(self, y: Tensor, /) -> Tensor:
        """Repeats each pixel f x f times and divides by f^2."""
        f = self.factor
        return y.repeat_interleave(f, -1).repeat_interleave(f, -2) / f**2


def residual(operator: LinearOperator, x: Tensor, y: Tensor) -> Tensor:
    """The residual y - A x of data x (n, *) and measurements y, (n, *) or one for all rows (1, *)."""
    seen = operator(x)
    _check(y, seen)
    return y - seen


def _check(y: Tensor, seen: Tensor) -> None:
    if y.shape[1:] != seen.shape[1:] or len(y) not in (1, len(seen)):
        raise ValueError(
            f"measurements must be {tuple(seen.shape)}, or one for all rows {(1, *seen.shape[1:])}; got {tuple(y.shape)}"
        )
