"""
The error of a learned score against the exact one, by the density of the data at the point of evaluation.

    relative error at level t    |s(x, t) - grad log p_t(x)| / (mean of |grad log p_t| over x ~ p_t)

at two kinds of points: those of training, x ~ p_t sorted by log p_t(x) into tenths, and points without training, x uniform over a box.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.diffusion.sde import SDE
from ridgewalk.protocols import VectorField

TENTHS = 10


@dataclass(frozen=True, eq=False)
class ScoreError:
    """
    The error of a score at one level of noise.

    Attributes:
        t: The time.
        level: The level sigma / alpha.
        tenths: The (10,) median relative error where p_t is thinnest (first) to densest (last), over draws of p_t.
        outside: median relative error over points of the box that are thinner than all but a thousandth of p_t's own; NaN where there are none.
        mean: Mean over draws of p_t of the squared error over the mean squared score, which training minimises.
    """

    t: float
    level: float
    tenths: Tensor
    outside: float
    mean: float


def score_error(
    score: VectorField, density: GaussianMixture, sde: SDE, times: Sequence[float], rows: int = 20000, seed: int = 0
) -> list[ScoreError]:
    """
    Returns the error of ``score`` at each time.

    Args:
        score: The score learned from data with the law ``density``.
        density: The exact density of the data.
        sde: The forward diffusion.
        times: Times of evaluation, in (0, 1].
        rows: Number of points at each time.
        seed: Seed of the points.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for t in times:
        at = torch.tensor(t, dtype=torch.float64)
        alpha, sigma = float(sde.alpha(at)), float(sde.sigma(at))
        noised = density.to(torch.float64).noised(alpha, sigma)
        x = noised.sample(rows, generator)[0]
        low, high = x.amin(0), x.amax(0)
        centre, half = (low + high) / 2, (high - low) * 0.75
        box = centre + half * (2 * torch.rand(rows, x.shape[1], generator=generator, dtype=torch.float64) - 1)
        exact, log = noised.score(x), noised.log_prob(x)
        size = exact.norm(dim=1).mean()
        wrong = (_at(score, x, t) - exact).norm(dim=1)
        order = log.argsort()
        tenths = torch.stack([part.median() for part in (wrong / size)[order].chunk(TENTHS)])
        thin = box[noised.log_prob(box) < log.quantile(0.001)]
        outside = float("nan")
        if len(thin):
            outside = float(((_at(score, thin, t) - noised.score(thin)).norm(dim=1) / size).median())
        mean = float(wrong.square().mean() / exact.square().sum(1).mean())
        found.append(ScoreError(t, sigma / alpha, tenths, outside, mean))
    return found


def _at(score: VectorField, x: Tensor, t: float) -> Tensor:
    with torch.no_grad():
        return score(x.float(), torch.tensor(t)).double()
