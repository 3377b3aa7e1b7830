"""Measures of guided samples of a known density, and of their trajectories."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.diffusion import Flow, PerRows, denoised
from ridgewalk.diffusion.likelihood import Likelihood
from ridgewalk.judging import samples
from ridgewalk.metrics import coverage, densities, statistics
from ridgewalk.metrics.statistics import Interval
from ridgewalk.protocols import VectorField
from ridgewalk.reports import Cell, Column, Table
from ridgewalk.reports.columns import POINTS, SAMPLING
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.diffusion import TrainedDiffusion
from ridgewalk.store.guide import Guide

COLUMNS: Mapping[str, Column] = {
    **{k: POINTS[k] for k in ("kl", "sliced_wasserstein", "precision", "recall", "mode_error", "no_mode")},
    **SAMPLING,
}
"""Columns of a table that compares samples with a known density."""

GAMMAS = (0.0, 0.5, 1.0, 1.5, 2.0)
"""The compared strengths gamma."""

SAMPLES, VALIDATION = 3, 11
"""Seed of the measured samples, common to all ways of sampling, and seed of the samples on which settings are chosen."""

BALLS = 4000
"""Number of samples and of draws from which precision and recall are computed."""


@dataclass(frozen=True, eq=False)
class Way:
    """
    One way of sampling.

    Attributes:
        model: The diffusion.
        score: A score in place of the model's own, or None.
        how: Settings of the sampler; None for the model's own.
        corrector: A score for the corrector alone, or None.
    """

    model: TrainedDiffusion
    score: VectorField | PerRows | None = None
    how: Sampling | None = None
    corrector: VectorField | None = None

    def sample(self, rows: int, seed: int, keep: int = 0) -> Any:
        """Draws samples as ``TrainedDiffusion.sample`` does."""
        return self.model.sample(rows, seed, self.how, keep=keep, score=self.score, corrector_score=self.corrector)


def quality(x: Tensor, density: GaussianMixture, modes: bool = True, seed: int = 0) -> dict[str, float]:
    """Returns every figure of samples (n, d) against their density."""
    found = samples.compare_with_density(x, density, modes, seed)
    n = min(BALLS, len(x))
    balls = coverage.precision_recall(samples.draws(density, n, seed + 7), x[:n].double(), samples.BALL)
    return {**found, "precision": balls.precision, "recall": balls.recall}


def measure_way(way: Way, density: GaussianMixture, rows: int, seed: int, modes: bool = True) -> dict[str, float]:
    """Measures a way of sampling: quality, evaluations, seconds."""
    from time import perf_counter

    began = perf_counter()
    made = way.sample(rows, seed)
    seconds = perf_counter() - began
    return {**quality(made.x, density, modes), "nfe": made.nfe, "seconds": seconds}


def guided_score(model: TrainedDiffusion, guide: Guide, gamma: float = 1.0) -> VectorField:
    """Returns the guided score of a diffusion."""
    score = guide.score(model, gamma)
    assert not isinstance(score, PerRows)
    return score


def nll(model: TrainedDiffusion, score: VectorField, x: Tensor) -> Tensor:
    """Returns minus the log density of data (n, d) under the flow of a score, with its whole divergence: (n,), in nats."""
    flow = Flow(model.denoiser.sde, rtol=1e-4, atol=1e-4)
    like = Likelihood(flow, "exact", prior_deviation=model.denoiser.prior_deviation)
    inner = model.standardiser.to_model(x.float())
    log_q = model.log_likelihood(inner, like, score=score).values.double() - model.standardiser.log_volume(model.shape)
    return -log_q


def arrivals(way: Way, density: GaussianMixture, rows: int, seed: int, states: int = 16) -> dict[str, list[float]]:
    """
    Measures by level how far the law of a sampler's states is from the data's.

    Returns:
        ``level``: sigma / alpha; ``kl``: KL(states || p_t) by cells; ``arrived``: share of states whose E[x_0 | x_t], by the sampler's
        score, lies where the density exceeds that of the thinnest hundredth of the data.
    """
    model = way.model
    made = way.sample(rows, seed, keep=states)
    own, sde = model.density(density), model.denoiser.sde
    score = way.score or model.denoiser.score
    assert not isinstance(score, PerRows)
    dense = own.log_prob(own.sample(20000, torch.Generator().manual_seed(1))[0]).quantile(0.01)
    found: dict[str, list[float]] = {"level": [], "kl": [], "arrived": []}
    for t, x in zip(made.times.tolist(), made.states):
        if not 0 < t < 1:
            continue
        time = torch.tensor(t, dtype=torch.float64)
        noised = own.noised(float(sde.alpha(time)), float(sde.sigma(time)))
        v = model.standardiser.to_model(x)
        with torch.no_grad():
            clean = denoised(score, sde, v, torch.tensor(t))
        cell = samples.CELL * float(noised.variances.min().sqrt())
        found["level"].append(float(sde.level(time)))
        found["kl"].append(densities.kl_by_cells(v.double(), noised.log_prob, cell))
        found["arrived"].append(float((own.log_prob(clean.double()) >= dense).double().mean()))
    return found


@dataclass(eq=False)
class Ledger:
    """Figures of named rows over seeds, with their means for a table and their changes with intervals."""

    rows: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def add(self, name: str, values: Mapping[str, float]) -> None:
        """Adds the figures of one seed to a row."""
        self.rows.setdefault(name, []).append(dict(values))

    def mean(self, name: str) -> dict[str, float]:
        """Returns the means of a row's figures over seeds."""
        every = self.rows[name]
        return {k: sum(v[k] for v in every) / len(every) for k in every[0] if all(k in v for v in every)}

    def values(self, name: str, key: str) -> list[float]:
        """Returns one figure of a row for each seed."""
        return [v[key] for v in self.rows[name]]

    def change(self, name: str, base: str, key: str, against: float = 0.0) -> Interval:
        """
        The mean over seeds of (v - b) / (b - against), each seed against its own base, with Student's interval.

        The interval of one seed is infinite, as the variation between seeds is unknown.
        """
        each = torch.tensor(
            [(v - b) / (b - against) for v, b in zip(self.values(name, key), self.values(base, key))],
            dtype=torch.float64,
        )
        return student(each)

    def difference(self, name: str, base: str, key: str) -> Interval:
        """The mean over seeds of v - b, with Student's interval."""
        each = [v - b for v, b in zip(self.values(name, key), self.values(base, key))]
        return student(torch.tensor(each, dtype=torch.float64))

    def table(self, references: Sequence[str] = (), columns: Mapping[str, Column] = COLUMNS) -> Table:
        """Returns a table of the means over seeds."""
        cells = {}
        for name in self.rows:
            mean = self.mean(name)
            cells[name] = {k: Cell(mean[k]) for k in columns if k in mean}
        used = {k: c for k, c in columns.items() if any(k in row for row in cells.values())}
        return Table(used, cells, tuple(references))


def student(values: Tensor, level: float = statistics.LEVEL) -> Interval:
    """The mean of a few values (n,) with Student's t interval, mean +- t s / n^(1/2); infinite for one value."""
    from scipy.stats import t

    n, mean = len(values), float(values.mean())
    half = float(t.ppf((1 + level) / 2, n - 1) * values.std() / math.sqrt(n)) if n > 1 else math.inf
    return Interval(mean, mean - half, mean + half, level, n)


def format_values(values: Sequence[float], form: str = ".3f") -> str:
    """Formats values as a comma-separated list."""
    return ", ".join(f"{v:{form}}" for v in values)
