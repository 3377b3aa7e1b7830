"""
Samplers of the reverse SDE, and Langevin correctors.

For a noisier level t, a cleaner level s < t, the score at t, a = alpha_t / alpha_s, v = sigma_t^2 - a^2 sigma_s^2 and z ~ N(0, I):

    Euler-Maruyama      x - (f x - g^2 score) dt + g dt^(1/2) z
    reverse diffusion   (2 - a) x + v score + v^(1/2) z                          reverses the discretised forward step
    ancestral           (x + v score) / a + (v sigma_s^2 / sigma_t^2)^(1/2) z    DDPM's sampler; NCSN's for VE
    Langevin            x + e score + (2 e)^(1/2) z                              stays at one level and leaves p_t invariant

Sources: Song et al. (2021), appendices D, E and F, algorithms 1 to 5; Ho et al. (2020), algorithm 2; Song and Ermon (2019), algorithm 1.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ridgewalk import naming
from ridgewalk.diffusion.noise import RowNoise
from ridgewalk.diffusion.sampling import Counted, NoiseLevel, Sampler, Transition
from ridgewalk.protocols import VectorField


@final
class EulerMaruyama(Sampler):
    """The reverse SDE in steps of equal length, of weak order 1."""

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        at, dt = move.noisier, move.gap
        mean = (1 - at.drift * dt) * x + at.diffusion**2 * dt * score(x, at.t)
        return mean + at.diffusion * math.sqrt(dt) * noise.normal()


@final
class ReverseDiffusion(Sampler):
    """The reverse of the forward step between two levels."""

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        mean = (2 - move.factor) * x + move.variance * score(x, move.noisier.t)
        return mean + math.sqrt(move.variance) * noise.normal()


@final
class Ancestral(Sampler):
    """The posterior q(x_s | x_t, x_0) for the expected x_0: DDPM's sampler under VP, NCSN's under VE."""

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        mean = (x + move.variance * score(x, move.noisier.t)) / move.factor
        spread = math.sqrt(move.variance) * move.cleaner.sigma / move.noisier.sigma
        return mean + spread * noise.normal()


NORMS = ("batch", "level")


@dataclass(frozen=True)
class LangevinCorrector:
    """
    Steps of Langevin dynamics at one level, with the step size e = 2 a^2 (snr |z| / |score|)^2.

    Args:
        snr: signal-to-noise ratio; Song et al. (2021) use 0.16 for CIFAR-10 under VE.
        steps: number of steps at each level.
        norms: ``batch`` for means of |z| and |score| over the batch, as published, so that a sample depends on its batch; ``level`` for their ratio
            under pure noise, |z| / |score| = sigma_t.
    """

    snr: float = 0.16
    steps: int = 1
    norms: str = "batch"

    def __post_init__(self) -> None:
        if not 0 < self.snr < math.inf or self.steps < 0:
            raise ValueError(f"a corrector needs snr above 0 and steps >= 0; got {self.snr} and {self.steps}")
        if self.norms not in NORMS:
            raise ValueError(naming.unknown("norm of the corrector", self.norms, NORMS))

    def __call__(self, score: Counted, x: Tensor, at: NoiseLevel, factor: float, noise: RowNoise) -> Tensor:
        """Moves x (n, *) by ``steps`` steps at a level; ``factor`` is a, the ratio of this level's alpha to the next one's."""
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
    Applies the corrector at each level and then the predictor to the next level: NFE = steps (corrector steps + 1).

    Args:
        predictor: ``reverse-diffusion``, ``ancestral`` or ``euler-maruyama``.
        corrector: the Langevin steps at each level.
        corrector_score: a separate score for the corrector, for ablations that guide only one of the two; None for the same score.
    """

    predictor: str = "reverse-diffusion"
    corrector: LangevinCorrector = LangevinCorrector()
    corrector_score: VectorField | None = None

    def __post_init__(self) -> None:
        if self.predictor not in PREDICTORS:
            raise ValueError(naming.unknown("predictor", self.predictor, PREDICTORS))

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        x = self._correct(score, x, move.noisier, move.factor, noise)
        return PREDICTORS[self.predictor](self.sde, self.steps).step(score, x, move, noise)

    def finish(self, score: Counted, x: Tensor, at: NoiseLevel, noise: RowNoise) -> Tensor:
        return Sampler.finish(self, score, self._correct(score, x, at, at.alpha, noise), at, noise)

    def _correct(self, score: Counted, x: Tensor, at: NoiseLevel, factor: float, noise: RowNoise) -> Tensor:
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
    Langevin dynamics at decreasing levels of noise, without a predictor (NCSN's sampler under VE).

    The step size is 2 (snr sigma_t)^2, or epsilon sigma_i^2 / sigma_L^2 with epsilon = 4 snr^2 sigma_L^2 in the notation of NCSN. Between levels x is
    scaled by alpha_s / alpha_t, which is 1 under VE, so that the signal keeps its size. Levels are equally spaced in log(sigma / alpha).

    Args:
        steps: number of levels after the first one at t = 1.
        corrections: number of Langevin steps at each level.
        snr: signal-to-noise ratio; with 100 levels of 3 steps a variance is 1.2 to 1.3 times too large at 0.316, and 2.2 to 8 times at 0.16.
        clean: whether the last step is followed by the mean of the data given x, which takes one more evaluation.
    """

    steps: int = 100
    corrections: int = 3
    snr: float = 0.316

    def times(self) -> Tensor:
        """The times (steps + 1,) of levels that are equally spaced in log(sigma / alpha)."""
        ends = self.sde.level(torch.tensor([1.0, self.end], dtype=torch.float64)).log()
        levels = torch.linspace(float(ends[0]), float(ends[1]), self.steps + 1, dtype=torch.float64).exp()
        times = self.sde.time_of(levels)
        times[0], times[-1] = 1.0, self.end
        return times

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        return LangevinCorrector(self.snr, self.corrections, "level")(score, x / move.factor, move.cleaner, 1.0, noise)
