"""
Points off the data, on which a detector of holes is trained. Each sampler maps codes (n, *) and noise to (n, *) negatives.

    prior    r ~ N(0, sigma^2 I), or N(m, diag s^2) of the codes where no sigma is given
    lerp     r = (1 - t) z_i + t z_j, t ~ U(margin, 1 - margin), z_j another code of the batch
    shells   r = z_i + rho s u, u uniform on the sphere, rho ~ U(low, high), s the codes' deviation along each dimension
    whole    r uniform over the box m +- c s of the whole space round the codes
    ball     r uniform in the ball of a given radius round a code, in units of s sqrt(d)
    density  r = z_i + w s xi from a code at the data's edge, the one of several candidates that is furthest from all codes
    mixture  each negative from one of the samplers, by their weights

A detector against LERP points alone learns the middle of the data, not its holes; the mixture is the default. The whole space, a ball,
a density-based edge and the prior are the four boundaries of "fake" latents that were proposed for a latent discriminator; ``BOUNDARIES``
has them by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.fields import unit
from ridgewalk.training.noise import Noise

Negatives = Callable[[Tensor, Noise], Tensor]


@dataclass(frozen=True)
class Prior:
    """Draws of N(0, sigma^2 I); with ``sigma`` None, of a Gaussian with the batch's own mean and deviations."""

    sigma: float | None = None

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        drawn = noise.normal(*z.shape)
        return drawn * self.sigma if self.sigma is not None else z.mean(0) + z.std(0) * drawn


@dataclass(frozen=True)
class LerpPoints:
    """Points on straight lines between codes, at least ``margin`` from either end."""

    margin: float = 0.1

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        """(n, *) -> (n, *); partners are other codes of the same batch."""
        n = z.shape[0]
        shift = 1 + noise.integers(max(1, n - 1), n)
        partner = z[(torch.arange(n, device=z.device) + shift) % n]
        t = self.margin + (1 - 2 * self.margin) * noise.uniform(n, *(1,) * (z.dim() - 1))
        return torch.lerp(z, partner, t)


@dataclass(frozen=True)
class Shells:
    """Codes displaced in a uniform direction by ``low`` to ``high`` times the codes' deviation times sqrt(d)."""

    low: float = 0.3
    high: float = 1.2

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        n = z.shape[0]
        direction = unit(noise.normal(*z.shape))
        radius = self.low + (self.high - self.low) * noise.uniform(n, *(1,) * (z.dim() - 1))
        size = z[0].numel() ** 0.5
        return z + radius * size * z.std(0) * direction


@dataclass(frozen=True)
class Whole:
    """Uniform draws of the box m +- spread s, with the codes' mean m and deviation s along each dimension."""

    spread: float = 4.0

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        return z.mean(0) + self.spread * z.std(0) * (2 * noise.uniform(*z.shape) - 1)


@dataclass(frozen=True)
class Ball:
    """
    Uniform draws of the ball of ``radius`` round each code, in units of the codes' deviation times sqrt(d).

    It holds the code itself: in many dimensions nearly all of the draws lie near its surface, in few they overlap the data.
    """

    radius: float = 1.0

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        n, size = z.shape[0], z[0].numel()
        rho = noise.uniform(n, *(1,) * (z.dim() - 1)) ** (1 / size)
        return z + self.radius * rho * size**0.5 * z.std(0) * unit(noise.normal(*z.shape))


@dataclass(frozen=True)
class DensityShell:
    """
    The edge of the data by k-nearest-neighbour density (after Tao et al. 2023, non-parametric outlier synthesis).

    Of the batch's codes the share ``edge`` with the largest distance to their k-th neighbour are its edge; round one of them
    ``candidates`` points are drawn from N(z_i, (width s)^2), and the one whose k-th nearest code is furthest is kept.
    """

    neighbours: int = 5
    edge: float = 0.3
    width: float = 0.5
    candidates: int = 4

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        n, flat = z.shape[0], z.flatten(1)
        if n <= self.neighbours:
            raise ValueError(f"a density shell needs more than {self.neighbours} codes in a batch; got {n}")
        radius = torch.cdist(flat, flat).kthvalue(self.neighbours + 1, dim=1).values  # the first is the code itself
        edge = radius.topk(max(1, round(self.edge * n))).indices
        start = flat[edge[noise.integers(len(edge), n)]]
        xi = noise.normal(n, self.candidates, flat.shape[1])
        points = start[:, None] + self.width * flat.std(0) * xi
        away = torch.cdist(points.flatten(0, 1), flat).kthvalue(self.neighbours, dim=1).values.view(n, -1)
        return points[torch.arange(n, device=z.device), away.argmax(dim=1)].view_as(z)


@dataclass(frozen=True)
class Mixture:
    """Each negative from one of ``samplers``, drawn by ``weights``."""

    samplers: Sequence[Negatives]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        if (
            len(self.samplers) != len(self.weights)
            or not self.samplers
            or min(self.weights) < 0
            or sum(self.weights) <= 0
        ):
            raise ValueError(
                f"a mixture needs one weight >= 0 for each sampler, not all 0; got {len(self.samplers)} samplers, "
                f"weights {list(self.weights)}"
            )

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        edges = torch.tensor(self.weights, dtype=torch.float64).cumsum(0)
        which = torch.searchsorted(edges / edges[-1], noise.uniform(z.shape[0]).double().cpu(), right=True).to(z.device)
        which = which.clamp_max(len(self.samplers) - 1).view(-1, *(1,) * (z.dim() - 1))
        out = torch.empty_like(z)
        for i, sampler in enumerate(self.samplers):
            out = torch.where(which == i, sampler(z, noise), out)
        return out


def lerp_points(codes: Tensor, count: int = 512) -> Tensor:
    """Points on straight lines between the first ``count`` codes (m, *), the same at every call; forces are compared there."""
    return LerpPoints()(codes[:count], Noise(0, 0, device=codes.device))


def mixture(prior: float = 1.0, lerp: float = 1.0, shells: float = 1.0) -> Mixture:
    """The default mixture of the three samplers, by their weights."""
    return Mixture((Prior(), LerpPoints(), Shells()), (prior, lerp, shells))


BOUNDARIES: Mapping[str, Callable[[], Negatives]] = {
    "whole": Whole,
    "ball": Ball,
    "density": DensityShell,
    "prior": lambda: Prior(1.0),
    "mixture": mixture,
}
"""Samplers of negatives that a recipe can name: the four boundaries, and the mixture that is the default."""
