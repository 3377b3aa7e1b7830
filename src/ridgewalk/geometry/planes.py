"""
Planes in a latent space: where a picture of it is drawn.

    coordinates(z) = (z - o) A^T          (n, d) -> (n, 2), the foot of the perpendicular from z
    points(uv)     = o + uv A             (n, 2) -> (n, d), exact: coordinates(points(uv)) = uv

with an origin o (d,) and two orthonormal axes A (2, d). Distances within the plane are distances of the latent space.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.fields import normal_part, unit


@dataclass(frozen=True, eq=False)
class Plane:
    """
    A plane of d-dimensional space.

    Attributes:
        origin: (d,), the point with coordinates (0, 0).
        axes: (2, d), orthonormal rows.
    """

    origin: Tensor
    axes: Tensor

    def __post_init__(self) -> None:
        if self.origin.dim() != 1 or self.axes.shape != (2, *self.origin.shape):
            raise ValueError(
                f"a plane needs an origin (d,) and axes (2, d); got {tuple(self.origin.shape)} and {tuple(self.axes.shape)}"
            )
        gram = self.axes @ self.axes.T
        # a matrix product of d terms rounds by some d eps; what is merely rounded passes, what is skew does not
        if not torch.allclose(gram, torch.eye(2).to(gram), atol=1e3 * torch.finfo(gram.dtype).eps):
            raise ValueError(f"a plane's axes must be orthonormal; their products are {gram.tolist()}")

    @classmethod
    def through(cls, a: Tensor, b: Tensor, c: Tensor) -> "Plane":
        """
        The plane through three points (d,): a at the origin, b on the first axis, c on the side of the second.

        Raises:
            ValueError: if the points lie on one line, to within rounding.
        """
        if not a.shape == b.shape == c.shape or a.dim() != 1:
            raise ValueError(
                f"three points of a plane must share shape (d,); got {tuple(a.shape)}, {tuple(b.shape)}, {tuple(c.shape)}"
            )
        first, side = (b - a)[None], (c - a)[None]
        up = normal_part(side, first)
        tolerance = 1e3 * torch.finfo(a.dtype).eps * float(torch.cat([a[None], first, side]).norm(dim=1).amax())
        if not (float(first.norm()) > tolerance and float(up.norm()) > tolerance):
            raise ValueError("three points on one line span no plane; choose another third point")
        first, up = unit(first), unit(up)
        return cls(a, torch.cat([first, unit(normal_part(up, first))]))

    @classmethod
    def principal(cls, codes: Tensor) -> "Plane":
        """
        The plane through the mean of codes (n, d) along the two directions in which they vary most (Pearson 1901).

        Each axis points to where its largest component is positive, so that the same codes give the same picture.

        Raises:
            ValueError: for codes that vary in fewer than two directions.
        """
        if codes.dim() != 2 or codes.shape[1] < 2 or len(codes) < 3:
            raise ValueError(f"a principal plane needs codes (n, d) with n >= 3, d >= 2; got {tuple(codes.shape)}")
        mean = codes.mean(dim=0)
        _, spread, directions = torch.linalg.svd(codes - mean, full_matrices=False)
        if not float(spread[1]) > codes.shape[0] * torch.finfo(codes.dtype).eps * float(spread[0]):
            raise ValueError(f"{len(codes)} codes vary in fewer than two directions, so they span no plane")
        axes = directions[:2]
        signs = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
        return cls(mean, axes * signs)

    @classmethod
    def whole(cls) -> "Plane":
        """Two-dimensional space itself, with its own axes."""
        return cls(torch.zeros(2), torch.eye(2))

    def coordinates(self, z: Tensor) -> Tensor:
        """The projections of z (n, d) on the plane: (n, 2)."""
        return self.project(z - self.origin.to(z))

    def points(self, uv: Tensor) -> Tensor:
        """The points of the plane with coordinates uv (n, 2): (n, d)."""
        return self.origin.to(uv) + uv @ self.axes.to(uv)

    def project(self, v: Tensor) -> Tensor:
        """The part of vectors v (n, d) that lies in the plane, along its axes: (n, 2)."""
        return v @ self.axes.to(v).T

    def distance(self, z: Tensor) -> Tensor:
        """How far z (n, d) are from the plane: (n,)."""
        return (z - self.points(self.coordinates(z))).norm(dim=1)

    def share(self, codes: Tensor) -> float:
        """The share of the variance of codes (n, d) that their projections keep, in [0, 1]."""
        return float(self.coordinates(codes).var(dim=0).sum() / codes.var(dim=0).sum())
