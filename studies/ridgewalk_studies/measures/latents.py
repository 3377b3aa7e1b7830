"""
Measures of a latent discriminator D_z = sigmoid(l) that is trained on encoded data against draws of a reference r, usually the prior.

    overfitting     BCE on its training points and on held-out images, by the points that it learned as real:
                    the means mu_i, one draw of each q(z|x_i), or fresh draws in every step
    drives          three fields that a walk can climb, of one direction and three sizes:
                    |grad D| = D (1 - D) |grad l|,   |grad log D| = (1 - D) |grad l|,   |grad l|
    levels          D by distance from the data, and the optimal D* = q / (q + r): 1/2 only where q = r
    density fit     an energy E read as a density, exp(-E) / Z, against the exact one

Rows are points. Comparisons use the same points, so that intervals can be paired.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, exp, log

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ridgewalk.energies import AggregatePosterior, DensityRatio, NearestNeighbours, NegativeLogD
from ridgewalk.fields import row_norm, score
from ridgewalk.metrics.ranks import spearman
from ridgewalk.metrics.statistics import LEVEL, Interval, bootstrap_mean
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.path import chunked
from ridgewalk.protocols import Energy
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.training.detectors import SCHEDULE, train_detector
from ridgewalk.training.negatives import Negatives, Prior
from ridgewalk.training.noise import Noise

# ------------------------------------------------------------------------------------------------- overfitting

VARIANTS = ("means", "one draw", "fresh draws")
"""Real points of a training: mu_i; mu_i + s_i eps_i with eps_i drawn once; the same with eps drawn anew in each step."""

PLACES = ("trained on", "held-out draws", "held-out means")
"""Points of evaluation: a detector's own training points (for fresh draws, further draws of the same images), and those of held-out images."""


def bce_rows(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """
    [softplus(-l(z_i)) + softplus(l(r_i))] / 2, whose mean is the balanced binary cross-entropy: (n,), in nats.

    Args:
        discriminator: Function from points to logits, positive for the data's side.
        real: Real points, (n, *).
        fake: As many fake points, (n, *).
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"each real point is paired with a fake one; got shapes {tuple(real.shape)}, {tuple(fake.shape)}"
        )
    return (softplus(-chunked(discriminator, real)) + softplus(chunked(discriminator, fake))) / 2


@dataclass(frozen=True, eq=False)
class Overfitting:
    """
    Detectors of one number of codes, by variant.

    Attributes:
        codes: Number of codes that each was trained on.
        rows: BCE by variant and place, (n,), the mean over seeds.
        by_seed: Mean BCE by variant and place, one for each seed.
        detectors: Detectors of the first seed, by variant.
    """

    codes: int
    rows: Mapping[str, Mapping[str, Tensor]]
    by_seed: Mapping[str, Mapping[str, Sequence[float]]]
    detectors: Mapping[str, Discriminator]

    def gap(self, variant: str, place: str | None = None) -> Tensor:
        """Returns held-out less training BCE, row by row; without a place, on held-out points of the variant's own kind."""
        own = "held-out means" if variant == "means" else "held-out draws"
        return self.rows[variant][place or own] - self.rows[variant]["trained on"]


@dataclass(frozen=True)
class Detectors:
    """
    Settings of the detectors of ``overfitting``, which differ only in their real points.

    Attributes:
        steps: Number of steps of each training, whatever the number of codes (rounded up to whole epochs).
        seeds: Seeds of weights, order and noise.
        variants: The trained variants, some of ``VARIANTS``.
        negatives: The fake points.
        hidden: Widths of the hidden layers.
        batch: Number of rows of one step.
    """

    steps: int
    seeds: Sequence[int]
    variants: Sequence[str] = VARIANTS
    negatives: Negatives = field(default_factory=lambda: Prior(1.0))
    hidden: Sequence[int] = (256, 256, 256)
    batch: int = 512


def overfitting(
    train: AggregatePosterior, held: AggregatePosterior, codes: int, trained: Detectors, rows: int = 4000
) -> Overfitting:
    """
    Trains one detector for each variant and seed, and evaluates all of them at the same points.

    Args:
        train: q(z|x) of the model's images; the first ``codes`` are used.
        held: q(z|x) of other images; of the model's own images if the generalisation of D_z alone is measured, without the encoder's.
        codes: Number of codes to train on.
        trained: Settings of the detectors.
        rows: Largest number of points of a place.
    """
    seeds, variants, negatives = trained.seeds, trained.variants, trained.negatives
    mean, log_variance = train.mean[:codes], train.log_variance[:codes]
    batch = min(trained.batch, len(mean))
    epochs = ceil(trained.steps / (len(mean) // batch))
    n = min(len(mean), len(held.mean), rows)
    total: dict[str, dict[str, Tensor]] = {v: {p: torch.zeros(n) for p in PLACES} for v in variants}
    by_seed: dict[str, dict[str, list[float]]] = {v: {p: [] for p in PLACES} for v in variants}
    first: dict[str, Discriminator] = {}
    for seed in seeds:
        noise = Noise(mixed_seed(seed, Stream.OVERFITTING), len(mean))
        fake = negatives(mean[:n], noise)
        once = train.draw(torch.arange(len(mean)), noise.normal(*mean.shape))
        again = train.draw(torch.arange(n), noise.normal(n, *mean.shape[1:]))
        held_draws = held.draw(torch.arange(n), noise.normal(n, *mean.shape[1:]))
        real = {"means": mean, "one draw": once, "fresh draws": mean}
        own = {"means": mean[:n], "one draw": once[:n], "fresh draws": again}
        for v in variants:
            detector = train_detector(
                real[v],
                negatives,
                hidden=trained.hidden,
                members=1,
                schedule=replace(SCHEDULE, epochs=epochs, batch=batch, seed=seed),
                log_variance=log_variance if v == "fresh draws" else None,
            )
            first.setdefault(v, detector)
            for place, z in zip(PLACES, (own[v], held_draws, held.mean[:n])):
                found = bce_rows(detector, z, fake)
                total[v][place] += found / len(seeds)
                by_seed[v][place].append(float(found.mean()))
    return Overfitting(len(mean), total, by_seed, first)


# ------------------------------------------------------------------------------------------------------ drives


@dataclass(frozen=True, eq=False)
class NegativeD:
    """-sigmoid(l(z)): the energy of a walk that climbs D itself; flat wherever D is near 0 or 1."""

    discriminator: Callable[[Tensor], Tensor]

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return -self.discriminator(z).sigmoid()


DRIVES: Mapping[str, Callable[[Discriminator], Energy]] = {
    "D": NegativeD,
    "log D": NegativeLogD,
    "logit": DensityRatio,
}
"""Energies whose descent climbs D, log D and the logit."""


def drive_norms(discriminator: Discriminator, points: Tensor) -> dict[str, Tensor]:
    """Returns |grad D|, |grad log D| and |grad l| at points (n, *): (n,) each, by the names of ``DRIVES``."""
    return {name: row_norm(score(make(discriminator), points)).flatten() for name, make in DRIVES.items()}


def towards_data(energy: Energy, points: Tensor, codes: Tensor) -> Tensor:
    """
    Cosine between -grad E and the direction to the nearest code: (n,), 0 on average for random directions, 0 where either vanishes.

    Args:
        energy: The energy E that a walk descends.
        points: Points of evaluation, (n, d).
        codes: Codes of data, (m, d).
    """

    def way(z: Tensor) -> Tensor:
        return codes[torch.cdist(z, codes).argmin(dim=1)] - z

    return torch.nn.functional.cosine_similarity(score(energy, points), chunked(way, points, chunk=256), dim=1)


def median(values: Tensor, level: float = LEVEL) -> Interval:
    """
    The median and the interval between two order statistics that holds it with probability at least ``level``, whatever the law.

    The number of n values below the median is binomial (n, 1/2): the interval is [x_(k), x_(n + 1 - k)] with the largest k for which
    P(Bin <= k - 1) <= (1 - level) / 2, and all of [x_(1), x_(n)] where there are too few values even for k = 1.

    Source: David and Nagaraja (2003), Order statistics, section 7.1.
    """
    x = values.detach().double().flatten().sort().values
    n = len(x)
    if n == 0 or x.isnan().any():
        raise ValueError(f"a median needs numbers; got {n} values, {int(x.isnan().sum())} of them NaN")
    from scipy.stats import binom

    k = max(1, int(binom.ppf((1 - level) / 2, n, 0.5)))  # the least k with P(Bin <= k) >= (1 - level) / 2
    return Interval(float(x.quantile(0.5)), float(x[k - 1]), float(x[n - k]), level, n)


# ------------------------------------------------------------------------------------------------------ levels


def nearest_distance(z: Tensor, codes: Tensor, neighbours: int = 1) -> Tensor:
    """Root mean squared distance to the nearest codes: (n, d), (m, d) -> (n,)."""
    return chunked(NearestNeighbours(codes, neighbours), z, chunk=256).sqrt()


def optimal_logit(data: Energy, reference: Energy, z: Tensor) -> Tensor:
    """The optimal logit log q - log r = E_r - E_q at points (n, *): (n,); both energies with their constants, such as two ``AggregatePosterior``."""
    return chunked(reference, z, chunk=256) - chunked(data, z, chunk=256)


def widen(
    mixture: AggregatePosterior, points: Tensor, factors: Sequence[float] = (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6)
) -> tuple[AggregatePosterior, float]:
    """
    The mixture with all deviations times the factor that gives points the highest mean log density, and that factor.

    The mixture of q(z|x) over finitely many images is the density of their codes, not of codes: between narrow components it has holes
    where codes of other images lie. Widened on other images' codes it is the best estimate of its kind of the density of codes.

    Args:
        mixture: Mixture of q(z|x) of the known images.
        points: Draws of q(z|x) of other images, (n, *).
        factors: The factors to choose from.

    Source: Duin (1976), On the choice of smoothing parameters for Parzen estimators (likelihood cross-validation).
    """
    tried = {c: AggregatePosterior(mixture.mean, mixture.log_variance + 2 * log(c)) for c in factors}
    best = min(tried, key=lambda c: float(chunked(tried[c], points, chunk=256).mean()))
    return tried[best], best


@dataclass(frozen=True)
class Level:
    """One part of the points by distance: its range, and the means of values with intervals."""

    low: float
    high: float
    means: Mapping[str, Interval]


def levels(values: Mapping[str, Tensor], distance: Tensor, seed: int, parts: int = 10) -> list[Level]:
    """
    Means of values over parts of equal size, from the nearest points to the furthest.

    Args:
        values: Values by name at the same points, (n,) each.
        distance: Distances of the points, (n,).
        seed: Seed of the intervals.
        parts: Number of parts, at most n / 2.
    """
    if not 1 <= parts <= len(distance) // 2:
        raise ValueError(f"{len(distance)} points make from 1 to {len(distance) // 2} parts of two; got {parts}")
    order = distance.argsort()
    found = []
    for index in order.tensor_split(parts):
        means = {name: bootstrap_mean(v[index], seed) for name, v in values.items()}
        found.append(Level(float(distance[index].amin()), float(distance[index].amax()), means))
    return found


# -------------------------------------------------------------------------------------------------- density fit


@dataclass(frozen=True)
class DensityFit:
    """
    The distance of exp(-E) / Z from an exact density q.

    Attributes:
        total: Z' = integral of exp(-E) over the grid as E stands: 1 if E is minus a log density.
        kl: KL(q || exp(-E) / Z') on the grid, in nats.
        error: mean |log q + E + log Z'| at the samples, in nats.
        correlation: Pearson's correlation of -E and log q at the samples; 0 where E is constant.
        rank: Spearman's correlation of the same.
    """

    total: float
    kl: float
    error: float
    correlation: float
    rank: float


def square_grid(side: float, number: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, float]:
    """Centres of number x number cells of the square [-side, side]^2, (number^2, 2), and the area of a cell."""
    edge = 2 * side / number
    line = (torch.arange(number, dtype=dtype) + 0.5) * edge - side
    return torch.cartesian_prod(line, line), edge**2


def density_fit(energy: Energy, exact: Energy, samples: Tensor, grid: Tensor, cell: float) -> DensityFit:
    """
    Compares an energy's density with an exact one.

    Args:
        energy: E, with or without its constant.
        exact: Minus the exact log density, with its constant.
        samples: Samples of the exact density, (n, 2).
        grid: Centres of cells that hold nearly all of either density, (m, 2).
        cell: Area of one cell.
    """
    e, log_q = chunked(energy, grid, chunk=8192).double(), -chunked(exact, grid, chunk=8192).double()
    log_total = float(torch.logsumexp(-e, 0)) + log(cell)
    kl = float((log_q.exp() * cell * (log_q + e + log_total)).sum())
    at, truth = chunked(energy, samples, chunk=8192).double(), -chunked(exact, samples, chunk=8192).double()
    return DensityFit(exp(log_total), kl, float((truth + at + log_total).abs().mean()), *order(-at, truth))


def order(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Pearson's and Spearman's correlation of (n,) and (n,); 0 where either is constant."""
    x, y = a.double() - a.double().mean(), b.double() - b.double().mean()
    size = float(x.norm() * y.norm())
    if size == 0:
        return 0.0, 0.0
    return float(x @ y) / size, spearman(a, b)


def two_moons(components: int = 24, width: float = 0.12, dtype: torch.dtype = torch.float32) -> AggregatePosterior:
    """
    Two interleaved half circles of radius 1, centred at the origin, as an equal mixture of round Gaussians: its density is exact.

    Args:
        components: Number of components of each moon.
        width: Standard deviation of each component.
        dtype: Data type of the means.
    """
    angle = torch.pi * (torch.arange(components, dtype=dtype) + 0.5) / components
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], 1)
    mean = torch.cat([upper, -upper])
    return AggregatePosterior(mean, torch.full_like(mean, 2 * log(width)))
