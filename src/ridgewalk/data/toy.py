"""
Named densities, each a mixture of Gaussians, so that the score is exact at every noise level.

    ring         8 modes on a circle of radius 2 with standard deviation 0.15
    grid         25 modes at {-4, -2, 0, 2, 4}^2 with standard deviation 0.2
    two-modes    4/5 N((5, 5), I) + 1/5 N((-5, -5), I)
    moons        two interleaving half circles of radius 1 with standard deviation 0.1
    swiss-roll   (a cos a, a sin a), a uniform in [3 pi / 2, 9 pi / 2], with standard deviation 0.5
    mixture-16   10 modes in 16 dimensions, means N(0, I), along random axes with standard deviations from 0.1 to 1
    mixture-64   the same in 64 dimensions

The densities are standardised: the mean is 0, and the variance, averaged over dimensions, is 1. One factor scales all dimensions, which keeps shapes;
``density(name).variances`` has the resulting variances.

The modes of ring and grid are ten standard deviations apart. Their sources use deviations of 0.02 and 0.05, to count the modes that a model finds; here a
model is compared with the density everywhere, including its thin regions. A curve is a chain of Gaussians at most one standard deviation apart, so its
relative ripple, about 2 exp(-2 pi^2 (deviation / distance)^2), is below 1e-8.

Source: ring, L. Metz et al., "Unrolled generative adversarial networks" (2017); grid, A. Srivastava et al., "VEEGAN" (2017); two-modes, Y. Song and
S. Ermon, "Generative modeling by estimating gradients of the data distribution" (2019), section 3.2.2; moons and swiss-roll, scikit-learn's curves.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.naming import unknown

SEED = 20_262
"""Seed of the random mixtures; another seed gives other densities."""

MODES = 10
"""Number of components of the random mixtures."""

_MOON = 100  # components of one moon: 0.031 apart, a third of the standard deviation
_ROLL = 300  # components of the roll: at most 0.44 apart, at its outer end, less than the standard deviation 0.5


def ring() -> GaussianMixture:
    """2 (cos, sin)(2 pi k / 8), k = 0 .. 7, with standard deviation 0.15."""
    return GaussianMixture.from_deviations(2 * _circle(torch.arange(8).double() * math.pi / 4), 0.15).standardised()


def grid() -> GaussianMixture:
    """{-4, -2, 0, 2, 4}^2 with standard deviation 0.2; mode 5 i + j is at x_i, y_j."""
    line = torch.arange(-4, 5, 2).double()
    return GaussianMixture.from_deviations(torch.cartesian_prod(line, line), 0.2).standardised()


def two_modes() -> GaussianMixture:
    """4/5 N((5, 5), I) + 1/5 N((-5, -5), I)."""
    means, weights = torch.tensor([[5.0, 5.0], [-5.0, -5.0]]).double(), torch.tensor([0.8, 0.2], dtype=torch.float64)
    return GaussianMixture.from_deviations(means, 1.0, weights).standardised()


def moons() -> GaussianMixture:
    """(cos a, sin a) and (1 - cos a, 1/2 - sin a), a uniform in [0, pi] and thus in length, with standard deviation 0.1."""
    upper = _circle(math.pi * _middles(_MOON))
    lower = torch.tensor([1.0, 0.5]).double() - upper
    return GaussianMixture.from_deviations(torch.cat([upper, lower]), 0.1).standardised()


def swiss_roll() -> GaussianMixture:
    """(a cos a, a sin a), a uniform in [3 pi / 2, 9 pi / 2] and so denser at the inner end, with standard deviation 0.5."""
    angle = 1.5 * math.pi * (1 + 2 * _middles(_ROLL))
    return GaussianMixture.from_deviations(angle[:, None] * _circle(angle), 0.5).standardised()


def random_mixture(dims: int, seed: int = SEED) -> GaussianMixture:
    """10 equal modes in ``dims`` dimensions: means N(0, I), uniformly random axes, and standard deviations 10^-u along them, u uniform in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(MODES, dims, dtype=torch.float64, generator=generator)
    q, r = torch.linalg.qr(torch.randn(MODES, dims, dims, dtype=torch.float64, generator=generator))
    axes = (
        q * r.diagonal(dim1=1, dim2=2).sign()[:, None]
    )  # uniform, and independent of signs in the decomposition (Mezzadri 2007)
    variances = 10 ** (-2 * torch.rand(MODES, dims, dtype=torch.float64, generator=generator))
    return GaussianMixture(means, variances, means.new_full((MODES,), 1 / MODES), axes).standardised()


DENSITIES: Mapping[str, Callable[[], GaussianMixture]] = {
    "ring": ring,
    "grid": grid,
    "two-modes": two_modes,
    "moons": moons,
    "swiss-roll": swiss_roll,
    "mixture-16": partial(random_mixture, 16),
    "mixture-64": partial(random_mixture, 64),
}
"""The densities by name, in float64."""


def density(name: str) -> GaussianMixture:
    """The density called ``name``, in float64."""
    _refuse_unknown(name)
    return DENSITIES[name]()


def classes(name: str) -> tuple[Tensor, tuple[str, ...]]:
    """The class of each component of a named density, int64 (m,), and the class names; each mode and each moon is a class, and the roll is one class."""
    _refuse_unknown(name)
    if name == "moons":
        return torch.arange(2).repeat_interleave(_MOON), ("upper", "lower")
    if name == "swiss-roll":
        return torch.zeros(_ROLL, dtype=torch.int64), ("all",)
    modes = len(DENSITIES[name]())
    return torch.arange(modes), tuple(f"mode {k}" for k in range(modes))


def _refuse_unknown(name: str) -> None:
    if name not in DENSITIES:
        raise ValueError(unknown("density", name, DENSITIES))


def _circle(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def _middles(count: int) -> Tensor:
    """The midpoints of ``count`` equal parts of [0, 1]: (count,)."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count
