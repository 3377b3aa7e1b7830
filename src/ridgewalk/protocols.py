"""
The three protocols that everything here is made of. Start reading here.

An *energy* is low where a point is plausible. Its *score* is minus its gradient (``fields.score``). A *vector field* is a direction at a point and
a time. A *path finder* joins two endpoints. No base class is needed: any callable with the right signature is one.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from ridgewalk.path import Path


@runtime_checkable
class Energy(Protocol):
    """A scalar field that is low where a point is plausible."""

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,); row i of the result depends on row i alone."""
        ...


@runtime_checkable
class VectorField(Protocol):
    """A time-dependent direction: a score, or a correction of one."""

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        """Maps x (n, *) and t () or (n,) to (n, *)."""
        ...


@runtime_checkable
class PathFinder(Protocol):
    """Joins endpoints; the same inputs give the same path."""

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """Maps endpoints (b, *) and (b, *) to a path with nodes (b, k, *)."""
        ...
