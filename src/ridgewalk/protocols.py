"""
The three things that everything here is made of. Start reading here.

An *energy* is low where a point is plausible. Its *score* is minus its gradient (``fields.score``). A *vector field* is
a direction at a point and a time. A *path finder* joins endpoints. None needs a base class: any callable that fits is one.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from ridgewalk.path import Path


@runtime_checkable
class Energy(Protocol):
    """A scalar field, low where a point is plausible."""

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,); row i depends on row i alone."""
        ...


@runtime_checkable
class VectorField(Protocol):
    """A time-dependent direction: a score, or a correction to one."""

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        """Maps x (n, *) and t () or (n,) to (n, *)."""
        ...


@runtime_checkable
class PathFinder(Protocol):
    """Joins endpoints; the same inputs give the same path."""

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """Maps two (b, *) to a path of nodes (b, k, *)."""
        ...
