"""
What all samplers share: levels of noise from t = 1 down, a score that is counted, and states that are checked and kept.

A sampler turns noise into samples by a score: ``sampler(score, noise).x``. The score may be any vector field (x, t) -> (n, *):
a denoiser's, an exact one, or a sum of one with guidance. A new sampler needs ``step`` only.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import Tensor

from ridgewalk.callables import evaluation_mode
from ridgewalk.diffusion.noise import RowNoise
from ridgewalk.diffusion.sde import SDE
from ridgewalk.progress import track
from ridgewalk.protocols import VectorField

MAX_STEPS = 100_000

Projection = Callable[[Tensor, float, RowNoise], Tensor]
"""Maps x_t, t and noise to x_t as a condition wants it, t = 0 for finished samples: in-painting by replacement, after each step."""


@dataclass(frozen=True)
class Level:
    """The coefficients of an SDE at one time, as numbers."""

    t: float
    alpha: float
    sigma: float
    drift: float
    diffusion: float

    @property
    def ratio(self) -> float:
        """Sigma / alpha."""
        return self.sigma / self.alpha


@dataclass(frozen=True)
class Transition:
    """
    From the noisier of two levels s < t to the other: x_t given x_s is N(factor x_s, variance I).

    factor = alpha_t / alpha_s,  variance = sigma_t^2 - factor^2 sigma_s^2.
    """

    noisier: Level
    cleaner: Level

    @property
    def factor(self) -> float:
        """alpha_t / alpha_s."""
        return self.noisier.alpha / self.cleaner.alpha

    @property
    def variance(self) -> float:
        """sigma_t^2 - factor^2 sigma_s^2."""
        return max(self.noisier.sigma**2 - (self.factor * self.cleaner.sigma) ** 2, 0.0)

    @property
    def gap(self) -> float:
        """T - s."""
        return self.noisier.t - self.cleaner.t


def levels(sde: SDE, times: Tensor) -> list[Level]:
    """The coefficients at times (k,), all at once in float64."""
    t = times.double()
    columns = (t, sde.alpha(t), sde.sigma(t), sde.drift(t), sde.diffusion_squared(t).sqrt())
    return [Level(*row) for row in zip(*(c.tolist() for c in columns))]


@dataclass(frozen=True, eq=False)
class Sampled:
    """
    What a sampler made.

    Attributes:
        x: the samples (n, *).
        nfe: evaluations of the score on each sample, counted as they were made.
        times: (k,) at which states were kept.
        states: (k, n, *), where any were.
    """

    x: Tensor
    nfe: int
    times: Tensor = field(default_factory=lambda: torch.empty(0))
    states: Tensor = field(default_factory=lambda: torch.empty(0))


class Counted:
    """A score that counts how often it was asked, and is held to the shape of its input."""

    def __init__(self, score: VectorField) -> None:
        self.score, self.nfe = score, 0

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The score at x (n, *) and one time."""
        self.nfe += 1
        s = self.score(x, x.new_full((), t))
        if s.shape != x.shape:
            raise ValueError(
                f"a score maps (n, *) to the same shape; for {tuple(x.shape)} it returned {tuple(s.shape)}"
            )
        return s


@dataclass(frozen=True, eq=False)
class Sampler(ABC):
    """
    The reverse of a diffusion, step by step. A subclass has these fields, and a ``step``; one with more of its own is a frozen dataclass too.

    Args:
        sde: forward diffusion.
        steps: of them all. With ``clean`` the last is ``finish``, so that there are ``steps`` levels; else ``steps`` + 1.
        t_min: the last level; the SDE's own where None.
        clean: whether the last step goes from t_min to the data expected there, so that samples are not ``sigma(t_min)`` too noisy.
        keep: states to keep for a picture of the trajectories, 0 for none.
    """

    sde: SDE
    steps: int = 1000
    _: KW_ONLY
    t_min: float | None = None
    clean: bool = True
    keep: int = 0

    def times(self) -> Tensor:
        """Of the levels: from 1 to t_min, in equal parts."""
        return torch.linspace(1.0, self.end, self.count, dtype=torch.float64)

    @abstractmethod
    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        """X at the cleaner level, from x at the noisier one."""

    def finish(self, score: Counted, x: Tensor, at: Level, noise: RowNoise) -> Tensor:
        """The mean of the data given x at the last level, (x + sigma^2 score) / alpha."""
        return (x + at.sigma**2 * score(x, at.t)) / at.alpha

    @property
    def count(self) -> int:
        """Of the levels."""
        return self.steps if self.clean else self.steps + 1

    @property
    def end(self) -> float:
        """The time of the last level."""
        return self.sde.t_min if self.t_min is None else self.t_min

    def check(self) -> None:
        """Refuses settings that no sampling can run with."""
        if not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"a sampler needs between 1 and {MAX_STEPS} steps; got {self.steps}")
        if self.keep < 0:
            raise ValueError(f"keep says how many states to keep, 0 for none; got {self.keep}")
        self.sde.check_times(1.0, self.end)

    def __call__(
        self, score: VectorField, noise: RowNoise, x: Tensor | None = None, project: Projection | None = None
    ) -> Sampled:
        """
        Samples.

        Args:
            score: grad log p_t, (n, *), () -> (n, *).
            noise: of each sample; its shape and device are those of the samples.
            x: where to start, (n, *), at t = 1; noise of the prior's deviation by default.
            project: what each state is put through, such as in-painting's replacement.

        Raises:
            FloatingPointError: when a state is not finite; names step and time.
        """
        self.check()
        counted = Counted(score)
        if x is not None and x.shape != (noise.rows, *noise.shape):
            raise ValueError(
                f"samples start from x of the noise's shape {(noise.rows, *noise.shape)}; got {tuple(x.shape)}"
            )
        x = self.sde.prior_deviation * noise.normal() if x is None else x.clone()
        grid = levels(self.sde, self.times())
        following = [*grid[1:], None] if self.clean else grid[1:]  # None for the data themselves, at t = 0
        kept: list[tuple[float, Tensor]] = []
        every = max(1, math.ceil(self.steps / self.keep)) if self.keep else 0
        with torch.no_grad(), evaluation_mode(score):
            for i, (at, to) in enumerate(zip(grid, following)):
                below = to.t if to else 0.0
                if every and i % every == 0:
                    kept.append((at.t, x))
                x = (
                    self.finish(counted, x, at, noise)
                    if to is None
                    else self.step(counted, x, Transition(at, to), noise)
                )
                if project is not None:
                    x = project(x, below, noise)
                if not bool(x.isfinite().all()):
                    raise FloatingPointError(
                        f"sampling met values that are not finite at step {i + 1} of {len(following)} (t = {at.t:.3g} to {below:.3g}), in "
                        f"{int((~x.flatten(1).isfinite().all(1)).sum())} of {len(x)} samples: the score has diverged there, or the steps are too few"
                    )
        if every:
            kept.append((below, x))
        return Sampled(x, counted.nfe, *_stacked(kept))


def _stacked(kept: list[tuple[float, Tensor]]) -> tuple[Tensor, Tensor]:
    if not kept:
        return torch.empty(0), torch.empty(0)
    return torch.tensor([t for t, _ in kept], dtype=torch.float64), torch.stack([x for _, x in kept])


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
    Many samples, some at a time, with a progress bar; row i is the same however many are asked for.

    Args:
        sampler: one of ours, or anything called alike.
        score: of all rows, or (where rows have conditions of their own) a ``PerRows``.
        rows: number of samples.
        shape: of one.
        seed: of all; row i's noise is that of (seed, i).
        chunk: samples at once.
        device: where.
        label: of the bar.
    """
    if rows < 1 or chunk < 1:
        raise ValueError(f"at least one sample must be asked for, some at a time; got {rows}, {chunk} at a time")
    parts = []
    for first in track(_firsts(rows, chunk), label, total=math.ceil(rows / chunk)):
        n = min(chunk, rows - first)
        own = score.of(slice(first, first + n)) if isinstance(score, PerRows) else score
        parts.append(sampler(own, RowNoise(seed, n, shape, first, device=device)))
    states = torch.cat([p.states for p in parts], 1) if parts[0].states.numel() else parts[0].states
    return Sampled(torch.cat([p.x for p in parts]), max(p.nfe for p in parts), parts[0].times, states)


@dataclass(frozen=True)
class PerRows:
    """A score whose rows have conditions of their own: ``of(slice)`` is the score for those rows."""

    of: Callable[[slice], VectorField]


def _firsts(rows: int, chunk: int) -> Iterator[int]:
    yield from range(0, rows, chunk)
