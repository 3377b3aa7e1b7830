"""
Metrics of a generative model's samples against real data.

Of images, in the features of each judge, which was trained neither on the model's images nor on the real ones that it compares with:

    Frechet distance, kernel distance, precision, recall, density, coverage, and the inception score of the judge's classes

and the share that the composite judge takes for real, which is NaN where it cannot tell.

Of points whose density p is known: KL(model || p) estimated from the samples, the share of each mode and of no mode, sliced Wasserstein
distance and MMD to as many draws of p. The floor is the same of fresh draws of p.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import coverage, densities, inception, kernels, statistics, transport
from ridgewalk.metrics.samples import frechet
from ridgewalk.metrics.statistics import Interval

MODES = ("ring", "grid", "two-modes", "mixture-16", "mixture-64")
"""Names of the densities whose components are modes."""

SPLITS = 10
"""Number of parts of the samples for the inception score: its standard error is that of the mean over the parts."""

CELL = 0.75
"""Side of a cell of the plane, in units of the smallest standard deviation of the density's components."""

BALL = 3
"""k of the k-NN balls of precision and recall (Kynkaanniemi et al. 2019); density and coverage take 5 (Naeem et al. 2020)."""


@dataclass(frozen=True, eq=False)
class GradedImages:
    """
    One judge's grades of a model's images.

    Attributes:
        judge: the judge's name.
        values: intervals by metric; those of precision and recall are over samples and over real images.
    """

    judge: str
    values: Mapping[str, Interval]


def grade(samples: Tensor, judges: Sequence[Judge], seed: int = 0) -> list[GradedImages]:
    """
    Compares images (n, c, h, w) in [0, 1] with each judge's reference images, using as many of each as there are of the fewer.

    Frechet distances can be compared only between equal numbers of samples.
    """
    grades = []
    for judge in judges:
        real = judge.balls[0]
        features = judge.features(samples)
        n = min(len(real), len(features))
        real, features = real[:n], features[:n]
        both = coverage.precision_recall(real, features, BALL)
        dense = coverage.density_coverage(real, features)
        kid = kernels.kid(real, features, subset=min(1000, n), seed=seed)
        values = {
            "frechet": _exact(frechet(real, features), n),
            "kid": _normal(kid.mean, kid.error, n),
            "precision": statistics.bootstrap_mean(both.inside_real.double(), seed),
            "recall": statistics.bootstrap_mean(both.inside_fake.double(), seed),
            "density": _exact(dense.density, n),
            "coverage": _exact(dense.coverage, n),
        }
        values["real"] = statistics.bootstrap_mean(judge.real(samples[:n]), seed)
        if judge.labelled:
            score = inception.inception_score(judge.probabilities(samples[:n]), SPLITS)
            values["classes_score"] = _normal(score.mean, score.std / SPLITS**0.5, n)
        grades.append(GradedImages(judge.name, values))
    return grades


def pooled(grades: Sequence[GradedImages]) -> dict[str, float]:
    """Mean over judges of each metric that all judges give."""
    names = [n for n in grades[0].values if all(n in g.values for g in grades)]
    return {n: sum(g.values[n].value for g in grades) / len(grades) for n in names}


def compare_with_density(samples: Tensor, density: GaussianMixture, modes: bool, seed: int = 0) -> dict[str, float]:
    """
    Compares points with the density that they should have.

    Args:
        samples: samples (n, d) of the model.
        density: the density p.
        modes: whether the density's components are modes, whose shares are measured.
        seed: seed of the draws of p to which distances are measured.
    """
    x = samples.double()
    drawn = draws(density, len(x), seed + 1)
    found = {
        **({"kl": densities.kl_by_cells(x, density.log_prob, _cell(density))} if density.dims == 2 else {}),
        "sliced_wasserstein": transport.sliced_wasserstein(x, drawn, seed=seed),
        "mmd": kernels.mmd(x[:2000], drawn[:2000]),
        "nll_of_data": float(-density.log_prob(x).mean()),
    }
    if modes:
        shares = densities.mode_weights(x, density)
        found |= {"mode_error": shares.error, "no_mode": shares.outside}
    return found


def floor(density: GaussianMixture, rows: int, modes: bool, seed: int = 0) -> dict[str, float]:
    """The metrics of fresh draws of the density itself, which a model's can only beat by chance."""
    return compare_with_density(draws(density, rows, seed + 101), density, modes, seed)


def draws(density: GaussianMixture, rows: int, seed: int) -> Tensor:
    """Draws of the density in float64: (rows, d)."""
    generator = torch.Generator().manual_seed(seed)
    return density.to(torch.float64).sample(rows, generator)[0]


def compare_with_data(samples: Tensor, real: Tensor, seed: int = 0) -> dict[str, float]:
    """Compares points (n, d) with as many held-out points (m, d), where no density is known: sliced Wasserstein distance and MMD."""
    n = min(len(samples), len(real))
    x, y = samples[:n].double(), real[:n].double()
    return {
        "sliced_wasserstein": transport.sliced_wasserstein(x, y, seed=seed),
        "mmd": kernels.mmd(x[:2000], y[:2000]),
    }


def plane(density: GaussianMixture) -> tuple[Any, Any, Any] | None:
    """Grid x (160,), y (160,) and log density (160, 160) over the plane, for the background of a picture; None in other dimensions."""
    if density.dims != 2:
        return None
    half = float(draws(density, 4000, 1).abs().amax()) * 1.4
    line = torch.linspace(-half, half, 160, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    return line.numpy(), line.numpy(), density.to(torch.float64).log_prob(grid).view(160, 160).numpy()


def _cell(density: GaussianMixture) -> float:
    return CELL * float(density.variances.min().sqrt())


def _exact(value: float, rows: int) -> Interval:
    return Interval(value, value, value, 1.0, rows)


def _normal(value: float, error: float, rows: int) -> Interval:
    return Interval(value, value - 1.96 * error, value + 1.96 * error, 0.95, rows)
