"""
The common part of all samplers: levels of noise from t = 1 down, a score whose evaluations are counted, and states that are checked and kept.

A sampler turns noise into samples with a score: ``sampler(score, noise).x``. The score may be any vector field (x, t) -> (n, *), such as a denoiser's,
an exact one, or the sum of one with guidance. A new sampler only needs ``step``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import Tensor

from ridgewalk.callables import check_rows, evaluate_copy, evaluation_mode
from ridgewalk.diffusion.noise import RowNoise
from ridgewalk.diffusion.sde import SDE
from ridgewalk.progress import track
from ridgewalk.protocols import VectorField

MAX_STEPS = 100_000

Projection = Callable[[Tensor, float, RowNoise], Tensor]
"""Maps x_t, t and noise to a state that meets a condition, such as in-painting by replacement; t = 0 for finished samples."""


@dataclass(frozen=True)
class NoiseLevel:
    """The coefficients of an SDE at one time, as numbers: alpha, sigma, the drift f and the diffusion g."""

    t: float
    alpha: float
    sigma: float
    drift: float
    diffusion: float

    @property
    def ratio(self) -> float:
        return self.sigma / self.alpha


@dataclass(frozen=True)
class Transition:
    """
    The transition between the noisier level t and the cleaner level s < t: x_t given x_s is N(factor x_s, variance I), where

        factor = alpha_t / alpha_s,    variance = sigma_t^2 - factor^2 sigma_s^2
    """

    noisier: NoiseLevel
    cleaner: NoiseLevel

    @property
    def factor(self) -> float:
        return self.noisier.alpha / self.cleaner.alpha

    @property
    def variance(self) -> float:
        return max(self.noisier.sigma**2 - (self.factor * self.cleaner.sigma) ** 2, 0.0)

    @property
    def gap(self) -> float:
        """The time t - s."""
        return self.noisier.t - self.cleaner.t


def levels(sde: SDE, times: Tensor) -> list[NoiseLevel]:
    """The coefficients of an SDE at times (k,), computed in float64."""
    t = times.double()
    columns = (t, sde.alpha(t), sde.sigma(t), sde.drift(t), sde.diffusion_squared(t).sqrt())
    return [NoiseLevel(*row) for row in zip(*(c.tolist() for c in columns))]


@dataclass(frozen=True, eq=False)
class Sampled:
    """
    Samples, and the states of their trajectories.

    Attributes:
        x: the samples (n, *).
        nfe: number of evaluations of the score on each sample.
        times: (k,) the times of the kept states; empty if none were kept.
        states: (k, n, *) the kept states.
    """

    x: Tensor
    nfe: int
    times: Tensor = field(default_factory=lambda: torch.empty(0))
    states: Tensor = field(default_factory=lambda: torch.empty(0))


class Counted:
    """A score whose evaluations are counted and whose result must have the shape of its input."""

    def __init__(self, score: VectorField) -> None:
        self.score, self.nfe = score, 0

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The score (n, *) at x (n, *) and one time."""
        self.nfe += 1
        s = check_rows(evaluate_copy(lambda at: self.score(at, x.new_full((), t)), x, "the score"), len(x), "the score")
        if s.shape != x.shape:
            raise ValueError(
                f"a score maps (n, *) to the same shape; for {tuple(x.shape)} it returned {tuple(s.shape)}"
            )
        return s


@dataclass(frozen=True, eq=False)
class Sampler(ABC):
    """
    Reverses a diffusion step by step. A subclass has these fields and a ``step``; a subclass with more fields is also a frozen dataclass.

    Args:
        sde: the forward diffusion.
        steps: number of steps. With ``clean`` the last step is ``finish``, so that there are ``steps`` levels, otherwise ``steps`` + 1.
        t_min: time of the last level; the SDE's own if it is None.
        clean: whether the last step goes from t_min to the expected data, so that samples are not ``sigma(t_min)`` too noisy.
        keep: number of states to keep for a picture of the trajectories.
    """

    sde: SDE
    steps: int = 1000
    _: KW_ONLY
    t_min: float | None = None
    clean: bool = True
    keep: int = 0

    def times(self) -> Tensor:
        """The times (count,) of the levels, from 1 to t_min in equal steps."""
        return torch.linspace(1.0, self.end, self.count, dtype=torch.float64)

    @abstractmethod
    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        """Moves x (n, *) from the noisier level to the cleaner one."""

    def finish(self, score: Counted, x: Tensor, at: NoiseLevel, noise: RowNoise) -> Tensor:
        """The mean (n, *) of the data given x at the last level, (x + sigma^2 score) / alpha."""
        return (x + at.sigma**2 * score(x, at.t)) / at.alpha

    @property
    def count(self) -> int:
        """Number of levels."""
        return self.steps if self.clean else self.steps + 1

    @property
    def end(self) -> float:
        """Time of the last level."""
        return self.sde.t_min if self.t_min is None else self.t_min

    def check(self) -> None:
        """Refuses settings that are out of range."""
        if not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"a sampler needs between 1 and {MAX_STEPS} steps; got {self.steps}")
        if self.keep < 0:
            raise ValueError(f"keep is a number of states, at least 0; got {self.keep}")
        self.sde.check_times(1.0, self.end)

    def __call__(
        self, score: VectorField, noise: RowNoise, x: Tensor | None = None, project: Projection | None = None
    ) -> Sampled:
        """
        Draws samples.

        Args:
            score: grad log p_t, which maps (n, *) and () to (n, *).
            noise: the noise of each sample, which determines the shape and the device of the samples.
            x: (n, *) the states at t = 1; noise with the standard deviation of the prior by default.
            project: a map that is applied to each state, such as the replacement of in-painting.

        Raises:
            FloatingPointError: if a state is not finite.
        """
        self.check()
        counted = Counted(score)
        if x is not None and x.shape != (noise.rows, *noise.shape):
            raise ValueError(
                f"samples start from x of the noise's shape {(noise.rows, *noise.shape)}; got {tuple(x.shape)}"
            )
        x = self.sde.prior_deviation * noise.normal() if x is None else x.clone()
        grid = levels(self.sde, self.times())
        following = [*grid[1:], None] if self.clean else grid[1:]  # None stands for the data, at t = 0
        kept: list[tuple[float, Tensor]] = []
        every = max(1, math.ceil(self.steps / self.keep)) if self.keep else 0
        with torch.no_grad(), evaluation_mode(score):
            for i, (at, to) in enumerate(zip(grid, following)):
                below = to.t if to else 0.0
                if every and i % every == 0:
                    kept.append((at.t, x))
                if to is None:
                    x = self.finish(counted, x, at, noise)
                else:
                    x = self.step(counted, x, Transition(at, to), noise)
                if project is not None:
                    x = project(x, below, noise)
                if not bool(x.isfinite().all()):
                    raise FloatingPointError(
                        f"sampling met values that are not finite at step {i + 1} of {len(following)} (t = {at.t:.3g} to {below:.3g}), in "
                        f"{int((~x.flatten(1).isfinite().all(1)).sum())} of {len(x)} samples: the score has diverged there, or the steps are too few"
                    )
        if every:
            kept.append((below, x))
            times = torch.tensor([t for t, _ in kept], dtype=torch.float64)
            return Sampled(x, counted.nfe, times, torch.stack([x for _, x in kept]))
        return Sampled(x, counted.nfe)


def sample(
    sampler: Callable[..., Sampled],
    score: "PerRows | VectorField",
    rows: int,
    shape: tuple[int, ...],
    *,
    seed: int = 0,
    chunk: int = 500,
    device: torch.device | str = "cpu",
    label: str = "sampling",
) -> Sampled:
    """
    Draws many samples in chunks, with a progress bar; sample i does not depend on the number of samples.

    Args:
        sampler: a sampler, or a function with the same signature.
        score: the score of all rows, or a ``PerRows`` if each row has its own condition.
        rows: number of samples.
        shape: shape of one sample.
        seed: seed of the noise; that of row i depends on (seed, i).
        chunk: number of samples that are drawn at once.
        device: device of the samples.
        label: name of the progress bar.
    """
    if rows < 1 or chunk < 1:
        raise ValueError(f"sampling needs at least one sample and chunk >= 1; got {rows} and {chunk}")
    parts = []
    for first in track(range(0, rows, chunk), label):
        n = min(chunk, rows - first)
        own = score.of(slice(first, first + n)) if isinstance(score, PerRows) else score
        parts.append(sampler(own, RowNoise(seed, n, shape, first, device=device)))
    states = torch.cat([p.states for p in parts], 1) if parts[0].states.numel() else parts[0].states
    return Sampled(torch.cat([p.x for p in parts]), max(p.nfe for p in parts), parts[0].times, states)


@dataclass(frozen=True)
class PerRows:
    """A score whose rows have separate conditions: ``of(slice)`` is the score of those rows."""

    of: Callable[[slice], VectorField]
