"""
Samplers of the reverse SDE, and Langevin correctors.

With s the score at the noisier level t, s < t the cleaner one, a = alpha_t / alpha_s and v = sigma_t^2 - a^2 sigma_s^2:

    Euler-Maruyama      x - (f x - g^2 score) dt + g dt^(1/2) z
    reverse diffusion   (2 - a) x + v score + v^(1/2) z             the forward step's own discretisation, turned round
    ancestral           (x + v score) / a + (v sigma_s^2 / sigma_t^2)^(1/2) z    DDPM's; for VE that of NCSN
    Langevin            x + e score + (2 e)^(1/2) z                  at one level, leaves p_t where it is

Sources: Song et al. (2021), appendices D, E and F, algorithms 1 to 5; Ho et al. (2020), algorithm 2; Song and Ermon (2019), algorithm 1.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ridgewalk import naming
from ridgewalk.diffusion.noise import RowNoise
from ridgewalk.diffusion.sampling import Counted, Level, Sampler, Transition
from ridgewalk.diffusion.sde import SDE
from ridgewalk.protocols import VectorField


@final
class EulerMaruyama(Sampler):
    """The reverse SDE in steps of equal length, of weak order 1."""

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        """X - (f x - g^2 score) dt + g dt^(1/2) z."""
        at, dt = move.noisier, move.gap
        mean = (1 - at.drift * dt) * x + at.diffusion**2 * dt * score(x, at.t)
        return mean + at.diffusion * math.sqrt(dt) * noise.normal()


@final
class ReverseDiffusion(Sampler):
    """The forward step between two levels, turned round."""

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        """(2 - a) x + v score + v^(1/2) z."""
        mean = (2 - move.factor) * x + move.variance * score(x, move.noisier.t)
        return mean + math.sqrt(move.variance) * noise.normal()


@final
class Ancestral(Sampler):
    """The posterior q(x_s | x_t, x_0) at the x_0 that the score expects: DDPM's sampler under VP, NCSN's under VE."""

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        """(x + v score) / a + (v sigma_s^2 / sigma_t^2)^(1/2) z."""
        mean = (x + move.variance * score(x, move.noisier.t)) / move.factor
        spread = math.sqrt(move.variance) * move.cleaner.sigma / move.noisier.sigma
        return mean + spread * noise.normal()


NORMS = ("batch", "level")


@dataclass(frozen=True)
class Langevin:
    """
    A corrector: steps of Langevin dynamics at one level, their size set by a ratio of signal to noise.

        e = 2 a^2 (snr |z| / |score|)^2

    Args:
        snr: the ratio; Song et al. (2021) take 0.16 for CIFAR-10 under VE.
        steps: at each level.
        norms: ``batch``: means of |z| and |score| over the batch, as published (a sample then depends on its batch); ``level``: in their
            place what they are where the score is that of pure noise, |z| / |score| = sigma_t.
    """

    snr: float = 0.16
    steps: int = 1
    norms: str = "batch"

    def __post_init__(self) -> None:
        if not 0 < self.snr < math.inf or self.steps < 0:
            raise ValueError(f"a corrector needs snr above 0 and steps >= 0; got {self.snr} and {self.steps}")
        if self.norms not in NORMS:
            raise ValueError(naming.unknown("norm of the corrector", self.norms, NORMS))

    def __call__(self, score: Counted, x: Tensor, at: Level, factor: float, noise: RowNoise) -> Tensor:
        """X after ``steps`` moves at a level; ``factor`` is a, alpha of this level over that of the next."""
        for _ in range(self.steps):
            s, z = score(x, at.t), noise.normal()
            if self.norms == "level":
                ratio = torch.tensor(at.sigma, dtype=torch.float64)
            else:
                ratio = z.flatten(1).norm(dim=1).mean() / s.flatten(1).norm(dim=1).mean().clamp_min(1e-30)
            e = 2 * (factor * self.snr * ratio) ** 2
            x = x + e * s + (2 * e).sqrt() * z
        return x


@final
@dataclass(frozen=True, eq=False)
class PredictorCorrector(Sampler):
    """
    At each level the corrector, then the predictor to the next: NFE = steps (corrector steps + 1).

    One score serves both, unless ``corrector_score`` gives the corrector another: guidance belongs in both, and the ablations that guide
    one alone pass two.

    Args:
        predictor: ``reverse-diffusion``, ``ancestral`` or ``euler-maruyama``.
        corrector: None for none.
        corrector_score: of the corrector alone.
    """

    predictor: str = "reverse-diffusion"
    corrector: Langevin = Langevin()
    corrector_score: VectorField | None = None

    def __post_init__(self) -> None:
        if self.predictor not in PREDICTORS:
            raise ValueError(naming.unknown("predictor", self.predictor, PREDICTORS))

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        """Corrector at the noisier level, predictor to the cleaner one."""
        x = self._correct(score, x, move.noisier, move.factor, noise)
        return PREDICTORS[self.predictor](self.sde, self.steps).step(score, x, move, noise)

    def finish(self, score: Counted, x: Tensor, at: Level, noise: RowNoise) -> Tensor:
        """Corrector at the last level, then the mean of the data."""
        return Sampler.finish(self, score, self._correct(score, x, at, at.alpha, noise), at, noise)

    def _correct(self, score: Counted, x: Tensor, at: Level, factor: float, noise: RowNoise) -> Tensor:
        if self.corrector_score is None:
            return self.corrector(score, x, at, factor, noise)
        other = Counted(self.corrector_score)
        x = self.corrector(other, x, at, factor, noise)
        score.nfe += other.nfe
        return x


PREDICTORS: dict[str, type[EulerMaruyama] | type[ReverseDiffusion] | type[Ancestral]] = {
    "reverse-diffusion": ReverseDiffusion,
    "ancestral": Ancestral,
    "euler-maruyama": EulerMaruyama,
}


@final
@dataclass(frozen=True, eq=False)
class AnnealedLangevin(Sampler):
    """
    Langevin dynamics at falling levels of noise, with no prediction between them (NCSN's sampler under VE).

    Steps of size 2 (snr sigma_t)^2, in NCSN's terms epsilon sigma_i^2 / sigma_L^2 with epsilon = 4 snr^2 sigma_L^2. Between levels x is scaled by
    alpha_s / alpha_t, so that what there is of the data stays; under VE that is 1. Levels are spaced evenly in log(sigma / alpha).

    Args:
        steps: levels, after the first at t = 1.
        corrections: Langevin steps at each.
        snr: ratio of signal to noise; at 100 levels of 3 steps a variance comes out 1.2 to 1.3 times too large with 0.316, 2.2 to 8 times with 0.16.
        clean: whether the last level's last step is followed by the mean of the data given x (one evaluation more).
    """

    steps: int = 100
    corrections: int = 3
    snr: float = 0.316

    def times(self) -> Tensor:
        """At equal ratios of sigma / alpha, (steps + 1,)."""
        return log_spaced(self.sde, self.end, self.steps)

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        """Scale, then Langevin at the cleaner level."""
        return Langevin(self.snr, self.corrections, "level")(score, x / move.factor, move.cleaner, 1.0, noise)


def log_spaced(sde: SDE, end: float, steps: int) -> Tensor:
    """Times (steps + 1,) from 1 to ``end`` at equal ratios of sigma / alpha, in float64."""
    ends = sde.level(torch.tensor([1.0, end], dtype=torch.float64)).log()
    times = sde.time_of(torch.linspace(float(ends[0]), float(ends[1]), steps + 1, dtype=torch.float64).exp())
    times[0], times[-1] = 1.0, end
    return times
