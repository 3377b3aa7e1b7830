"""
Planes in a latent space, on which pictures of the space are drawn.

    coordinates(z) = (z - o) A^T          (n, d) -> (n, 2), the orthogonal projection of z
    points(uv)     = o + uv A             (n, 2) -> (n, d), with coordinates(points(uv)) = uv

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
        # the tolerance admits the rounding errors of a matrix product, but not skew axes
        if not torch.allclose(gram, torch.eye(2).to(gram), atol=1e3 * torch.finfo(gram.dtype).eps):
            raise ValueError(f"a plane's axes must be orthonormal; their products are {gram.tolist()}")

    @classmethod
    def through(cls, a: Tensor, b: Tensor, c: Tensor) -> "Plane":
        """The plane through three points (d,), which must not be on one line: a is the origin, and the axes point towards b and c."""
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

        The largest component of each axis is positive, so that the same codes give the same picture. Codes that vary in fewer than two directions are
        refused.
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
        """The coordinates (n, 2) of the projections of z (n, d) on the plane."""
        return self.project(z - self.origin.to(z))

    def points(self, uv: Tensor) -> Tensor:
        """The points (n, d) of the plane with coordinates uv (n, 2)."""
        return self.origin.to(uv) + uv @ self.axes.to(uv)

    def project(self, v: Tensor) -> Tensor:
        """The components (n, 2) of vectors v (n, d) along the axes."""
        return v @ self.axes.to(v).T

    def distance(self, z: Tensor) -> Tensor:
        """The distances (n,) of z (n, d) from the plane."""
        return (z - self.points(self.coordinates(z))).norm(dim=1)

    def share(self, codes: Tensor) -> float:
        """The share of the variance of codes (n, d) that their projections have, in [0, 1]."""
        return float(self.coordinates(codes).var(dim=0).sum() / codes.var(dim=0).sum())
