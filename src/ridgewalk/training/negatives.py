"""
Points off the data, for a detector of holes to learn from. Each sampler maps codes (n, *) and noise to (n, *) negatives.

    prior    r ~ N(0, sigma^2 I), or N(m, diag s^2) of the codes where no sigma is given
    lerp     r = (1 - t) z_i + t z_j, t ~ U(margin, 1 - margin), z_j another code of the batch
    shells   r = z_i + rho s u, u uniform on the sphere, rho ~ U(low, high), s the codes' deviation along each dimension
    mixture  each negative from one of the samplers, by their weights

A detector against LERP points alone learns the middle of the data, not its holes; the mixture is the default.
"""

from collections.abc import Callable, Sequence
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
        """(n, *) -> (n, *)."""
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
        """(n, *) -> (n, *)."""
        n = z.shape[0]
        direction = unit(noise.normal(*z.shape))
        radius = self.low + (self.high - self.low) * noise.uniform(n, *(1,) * (z.dim() - 1))
        size = z[0].numel() ** 0.5
        return z + radius * size * z.std(0) * direction


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
        """(n, *) -> (n, *)."""
        edges = torch.tensor(self.weights, dtype=torch.float64).cumsum(0)
        which = torch.searchsorted(edges / edges[-1], noise.uniform(z.shape[0]).double().cpu(), right=True).to(z.device)
        which = which.clamp_max(len(self.samplers) - 1).view(-1, *(1,) * (z.dim() - 1))
        out = torch.empty_like(z)
        for i, sampler in enumerate(self.samplers):
            out = torch.where(which == i, sampler(z, noise), out)
        return out


def mixture(prior: float = 1.0, lerp: float = 1.0, shells: float = 1.0) -> Mixture:
    """The default mixture of the three samplers, by their weights."""
    return Mixture((Prior(), LerpPoints(), Shells()), (prior, lerp, shells))
