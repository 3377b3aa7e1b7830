"""
Is a discriminator that guides a diffusion any good? Level by level, on data and samples that the discriminator did not learn from.

    cross-entropy, calibration    does it tell noised data from noised samples, and does it know how sure it is?
    gain                          E [|m|^2 - |m + g|^2] / d,  m = sigma s(x_t, t) + eps,  g = sigma grad D(x_t, t),  x_t = alpha x + sigma eps
    strength                      -E [m . g] / E |g|^2, the multiple of g that gains most

Cross-entropy sees values and guidance uses gradients. The gain sees those: it is what guiding takes off the denoising error, and so off
E sigma^2 |s + grad D - grad log p_t|^2 / d, the guided score's error, whatever that is. Where it is not above 0 guidance harms.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk.diffusion.guidance import DiscriminatorGuidance, Strengths, TimeRatio
from ridgewalk.diffusion.sde import SDE
from ridgewalk.metrics.calibration import CHANCE, expected_calibration_error
from ridgewalk.protocols import VectorField
from ridgewalk.training.noise import Noise

LEVELS = 10
"""Levels of noise at which a guide is held to account."""

MATTERS = 1e-3
"""Nats by which a cross-entropy must be below chance to be called so: of ten levels one may be below by luck."""

MOST = 2.0
"""The greatest strength that calibration gives a level."""


@dataclass(frozen=True)
class Level:
    """
    What was found at one level of noise.

    Attributes:
        level: sigma / alpha.
        bce: balanced binary cross-entropy, in nats; chance is ln 2.
        bce_error: its standard error.
        calibration: expected calibration error.
        gain: see above.
        gain_error: its standard error.
        strength: see above; 0 for a gradient that is 0.
        strength_error: its standard error, that of E |g|^2 left out.
        gradient_error: E |grad D - (grad log p_t - s)|^2 / E |grad log p_t - s|^2 where grad log p_t is known: 0 right, 1 as good as none.
    """

    level: float
    bce: float
    bce_error: float
    calibration: float
    gain: float
    gain_error: float
    strength: float
    strength_error: float
    gradient_error: float | None = None


@dataclass(frozen=True)
class Account:
    """
    A guide, level by level from little noise to much.

    Attributes:
        levels: what was found at each.
    """

    levels: tuple[Level, ...]

    @property
    def seen(self) -> bool:
        """Whether chance is beaten at any level, by three standard errors and ``MATTERS``."""
        return any(v.bce < CHANCE - max(3 * v.bce_error, MATTERS) for v in self.levels)

    @property
    def harmful(self) -> list[float]:
        """Levels where guiding at full strength raises the denoising error by more than three standard errors."""
        return [v.level for v in self.levels if v.gain < -3 * v.gain_error]

    @property
    def strengths(self) -> Strengths:
        """The strengths that gain most, at most ``MOST``, and 0 where two standard errors reach 0."""
        rising = sorted(self.levels, key=lambda v: v.level)
        values = [min(v.strength, MOST) if v.strength > 2 * v.strength_error else 0.0 for v in rising]
        return Strengths(tuple(v.level for v in rising), tuple(values))

    @property
    def verdict(self) -> str:
        """In a sentence."""
        best = min(self.levels, key=lambda v: v.bce)
        if not self.seen:
            return (
                f"the discriminator is at chance: its held-out cross-entropy is {best.bce:.4f} at best, where ln 2 is {CHANCE:.4f}; "
                "it sees no difference between samples and data, and guiding by it adds noise"
            )
        told = (
            f"held-out cross-entropy {best.bce:.4f} at best (chance {CHANCE:.4f}, at sigma / alpha = {best.level:.2g})"
        )
        gained = sum(v.gain for v in self.levels)
        weak = max(v.strength for v in self.levels)
        if any(v.strength - 2 * v.strength_error > MOST for v in self.levels):
            told += f", but its gradient is too weak, {weak:.0f} times at most: train it longer"
        if self.harmful:
            where = ", ".join(f"{v:.2g}" for v in self.harmful)
            return f"{told}; guiding raises the denoising error at sigma / alpha = {where}, and changes it by {-gained:+.2g} over {len(self.levels)} levels"
        return f"{told}; guiding lowers the denoising error by {gained:.2g} over {len(self.levels)} levels, and raises it at none"

    @classmethod
    def of_json(cls, rows: Sequence[Mapping[str, Any]]) -> "Account":
        """What ``to_json`` made; ValueError for anything else."""
        from pydantic import TypeAdapter

        return cls(TypeAdapter(tuple[Level, ...]).validate_python(tuple(rows)))

    def to_json(self) -> list[dict[str, Any]]:
        """A row a level."""
        return [asdict(v) for v in self.levels]


def held_times(sde: SDE, count: int = LEVELS, first: float = 1e-2, last: float = 0.8) -> Tensor:
    """Times (count,) from ``first`` to ``last`` at equal ratios of sigma / alpha."""
    ends = sde.level(torch.tensor([first, last], dtype=torch.float64)).log()
    return sde.time_of(torch.linspace(float(ends[0]), float(ends[1]), count, dtype=torch.float64).exp())


def account(
    ratio: TimeRatio,
    score: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    x: Tensor,
    y: Tensor,
    times: Tensor,
    seed: int = 0,
    labels: Tensor | None = None,
    truth: VectorField | None = None,
    chunk: int = 1000,
) -> Account:
    """
    Holds a guide to account.

    Args:
        ratio: the discriminator.
        score: that it will guide, under labels or None.
        x: standardised data (n, *) that the discriminator did not learn from. Data that the score learned from make the score look better than it
            is, and so the gain smaller.
        y: standardised samples (n, *) that it did not learn from.
        times: (k,) of the levels.
        seed: of the noise, the same at every level.
        labels: (n,) of data and samples.
        truth: grad log p_t, where it is known.
        chunk: rows at once.
    """
    rows = []
    for t in times.to(x):
        noise = Noise(seed, 0, device=x.device)
        eps, other = noise.normal(*x.shape), noise.normal(*y.shape)
        sigma = float(ratio.sde.sigma(t.double()))
        parts: list[list[Tensor]] = []
        for i in range(0, len(x), chunk):
            own = slice(i, i + chunk)
            told = None if labels is None else labels[own]
            x_t, y_t = ratio.sde.perturb(x[own], t, eps[own]), ratio.sde.perturb(y[own], t, other[own])
            guidance = DiscriminatorGuidance(partial(ratio, labels=told), ratio.sde)
            with torch.no_grad():
                real, fake = ratio(x_t, t, told), ratio(y_t, t, told)
                s, g = score(x_t, t.expand(len(x_t)), told), guidance(x_t, t)
                exact = s if truth is None else truth(x_t.double(), t.double()).to(s)
            m, g_ = sigma * s + eps[own], sigma * g
            columns = (m * g_, g_ * g_, (g - (exact - s)) ** 2, (exact - s) ** 2)
            parts.append([real, fake, *(c.flatten(1).sum(1) for c in columns)])
        real, fake, mg, gg, wrong, whole = (torch.cat(c).double() for c in zip(*parts))
        each = (F.softplus(-real) + F.softplus(fake)) / 2
        gain = -(2 * mg + gg) / x[0].numel()
        n = len(each)
        logits, truths = torch.cat([real, fake]), torch.cat([torch.ones(n), torch.zeros(n)])
        rows.append(
            Level(
                float(ratio.sde.level(t.double())),
                float(each.mean()),
                float(each.std() / n**0.5),
                expected_calibration_error(logits.cpu(), truths.long()),
                float(gain.mean()),
                float(gain.std() / n**0.5),
                float(-mg.mean() / gg.mean()) if float(gg.mean()) > 0 else 0.0,
                float(mg.std() / n**0.5 / gg.mean()) if float(gg.mean()) > 0 else 0.0,
                None if truth is None else float(wrong.mean() / whole.mean()),
            )
        )
    return Account(tuple(rows))
