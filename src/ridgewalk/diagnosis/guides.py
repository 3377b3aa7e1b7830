"""
Diagnosis of a discriminator that guides a diffusion, at each level of noise, on data and samples that it was not trained on.

    cross-entropy, calibration    does it separate noised data from noised samples, and are its probabilities frequencies?
    gain                          E [|m|^2 - |m + g|^2] / d,  m = sigma s(x_t, t) + eps,  g = sigma grad D(x_t, t),  x_t = alpha x + sigma eps
    strength                      -E [m . g] / E |g|^2, the multiple of g that gains most

The cross-entropy depends on the discriminator's values, but guidance uses its gradients, and the gain measures those. The gain is what
guidance takes off the denoising error. Equally it is what guidance takes off E sigma^2 |s + grad D - grad log p_t|^2 / d, the error of
the guided score, although grad log p_t is unknown. Where the gain is not above 0 guidance does harm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ridgewalk.diagnosis.measure import paired_cross_entropy
from ridgewalk.diffusion.guidance import DiscriminatorGuidance, Strengths, TimeRatio
from ridgewalk.diffusion.sde import SDE
from ridgewalk.metrics.calibration import expected_calibration_error
from ridgewalk.protocols import VectorField
from ridgewalk.records import refuse_unknown
from ridgewalk.thresholds import BELOW_CHANCE, CHANCE, Verdict
from ridgewalk.training.noise import Noise

LEVELS = 10
"""Number of noise levels at which a guide is diagnosed."""

MOST = 2.0
"""The largest strength that calibration gives a level."""


@dataclass(frozen=True)
class LevelDiagnosis:
    """
    Figures at one level of noise.

    Attributes:
        level: sigma / alpha.
        bce: balanced binary cross-entropy in nats; chance is ln 2.
        bce_error: standard error of ``bce``.
        calibration: expected calibration error.
        gain: reduction of the denoising error by guidance; see the formula above.
        gain_error: standard error of ``gain``.
        strength: the multiple of the gradient that gains most; 0 where the gradient is 0.
        strength_error: standard error of ``strength``, without the error of E |g|^2.
        gradient_error: E |grad D - (grad log p_t - s)|^2 / E |grad log p_t - s|^2 where grad log p_t is known: 0 is exact, 1 is no better than
            no guidance.
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

    @property
    def verdict(self) -> Verdict:
        """``alive`` if the cross-entropy is below chance by three standard errors and ``BELOW_CHANCE``, otherwise ``at chance``."""
        return "alive" if self.bce < CHANCE - max(3 * self.bce_error, BELOW_CHANCE) else "at chance"


@dataclass(frozen=True)
class GuideDiagnosis:
    """
    Figures of a guide at several levels of noise.

    Attributes:
        levels: the figures of each level.
    """

    levels: tuple[LevelDiagnosis, ...]

    @property
    def verdict(self) -> Verdict:
        """``alive`` if the guide is alive at any level, otherwise ``at chance``."""
        return "alive" if any(v.verdict == "alive" for v in self.levels) else "at chance"

    @property
    def harmful(self) -> list[float]:
        """Levels where guidance at full strength raises the denoising error by more than three standard errors."""
        return [v.level for v in self.levels if v.gain < -3 * v.gain_error]

    @property
    def strengths(self) -> Strengths:
        """The strengths that gain most, at most ``MOST``, and 0 where they are less than two standard errors above 0."""
        rising = sorted(self.levels, key=lambda v: v.level)
        values = [min(v.strength, MOST) if v.strength > 2 * v.strength_error else 0.0 for v in rising]
        return Strengths(tuple(v.level for v in rising), tuple(values))

    @property
    def sentence(self) -> str:
        """The verdict in words, with the figures."""
        best = min(self.levels, key=lambda v: v.bce)
        if self.verdict == "at chance":
            return (
                f"the discriminator is at chance: its held-out cross-entropy is {best.bce:.4f} at best, where ln 2 is {CHANCE:.4f}; "
                "it sees no difference between samples and data, and guidance by it adds noise"
            )
        text = f"the discriminator is alive: held-out cross-entropy {best.bce:.4f} at best (chance {CHANCE:.4f}, at sigma / alpha = {best.level:.2g})"
        gained, count = sum(v.gain for v in self.levels), len(self.levels)
        if any(v.strength - 2 * v.strength_error > MOST for v in self.levels):
            factor = max(v.strength for v in self.levels)
            text += f", but its gradient is too weak, by a factor of up to {factor:.0f}: train it longer"
        if self.harmful:
            where = ", ".join(f"{level:.2g}" for level in self.harmful)
            return f"{text}; guidance raises the denoising error at sigma / alpha = {where}, and changes it by {-gained:+.2g} over {count} levels"
        return f"{text}; guidance lowers the denoising error by {gained:.2g} over {count} levels, and raises it at none"

    @classmethod
    def from_json(cls, rows: Sequence[Mapping[str, Any]]) -> "GuideDiagnosis":
        """
        Reads what ``to_json`` wrote.

        Raises:
            ValueError: for rows of any other form.
        """
        from pydantic import TypeAdapter

        for row in rows:
            refuse_unknown("figure of a level", row, [f.name for f in fields(LevelDiagnosis)])
        return cls(TypeAdapter(tuple[LevelDiagnosis, ...]).validate_python(tuple(rows)))

    def to_json(self) -> list[dict[str, Any]]:
        """The figures, one row for each level."""
        return [asdict(v) for v in self.levels]


def held_times(sde: SDE, count: int = LEVELS, first: float = 1e-2, last: float = 0.8) -> Tensor:
    """Times (count,) from ``first`` to ``last`` at equal ratios of sigma / alpha."""
    ends = sde.level(torch.tensor([first, last], dtype=torch.float64)).log()
    return sde.time_of(torch.linspace(float(ends[0]), float(ends[1]), count, dtype=torch.float64).exp())


@dataclass(frozen=True, eq=False)
class HeldOut:
    """
    Points that a guide's discriminator was not trained on, standardised.

    Attributes:
        data: (n, *) data. If the score was trained on them it looks better than it is, and the gain is measured too small.
        samples: (n, *) samples of the diffusion.
        labels: (n,) classes of both data and samples, or None.
    """

    data: Tensor
    samples: Tensor
    labels: Tensor | None = None


def diagnose(
    ratio: TimeRatio,
    score: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    held_out: HeldOut,
    times: Tensor,
    seed: int = 0,
    truth: VectorField | None = None,
    chunk: int = 1000,
) -> GuideDiagnosis:
    """
    Diagnoses a guide level by level.

    Args:
        ratio: the discriminator.
        score: the score that the discriminator will guide, (x_t, t, labels or None) -> (n, *).
        held_out: data and samples that the discriminator was not trained on.
        times: times (k,) of the levels.
        seed: seed of the noise, which is the same at every level.
        truth: the exact score grad log p_t, where it is known.
        chunk: number of rows computed at once.
    """
    x, y, labels = held_out.data, held_out.samples, held_out.labels
    rows = []
    for t in times.to(x):
        noise = Noise(seed, 0, device=x.device)
        eps_x, eps_y = noise.normal(*x.shape), noise.normal(*y.shape)
        sigma = float(ratio.sde.sigma(t.double()))
        parts: list[list[Tensor]] = []
        for i in range(0, len(x), chunk):
            part = slice(i, i + chunk)
            classes = None if labels is None else labels[part]
            x_t = ratio.sde.perturb(x[part], t, eps_x[part])
            y_t = ratio.sde.perturb(y[part], t, eps_y[part])
            guidance = DiscriminatorGuidance(partial(ratio, labels=classes), ratio.sde)
            with torch.no_grad():
                real, fake = ratio(x_t, t, classes), ratio(y_t, t, classes)
                s, g = score(x_t, t.expand(len(x_t)), classes), guidance(x_t, t)
                exact = s if truth is None else truth(x_t.double(), t.double()).to(s)
            m, sigma_g = sigma * s + eps_x[part], sigma * g
            columns = (m * sigma_g, sigma_g * sigma_g, (g - (exact - s)) ** 2, (exact - s) ** 2)
            parts.append([real, fake, *(c.flatten(1).sum(1) for c in columns)])
        real, fake, mg, gg, wrong, whole = (torch.cat(c).double() for c in zip(*parts))
        bce, bce_error = paired_cross_entropy(real, fake)
        gain, n = -(2 * mg + gg) / x[0].numel(), len(real)
        logits, is_data = torch.cat([real, fake]), torch.cat([torch.ones(n), torch.zeros(n)])
        has_gradient = float(gg.mean()) > 0
        rows.append(
            LevelDiagnosis(
                level=float(ratio.sde.level(t.double())),
                bce=bce,
                bce_error=bce_error,
                calibration=expected_calibration_error(logits.cpu(), is_data.long()),
                gain=float(gain.mean()),
                gain_error=float(gain.std() / n**0.5),
                strength=float(-mg.mean() / gg.mean()) if has_gradient else 0.0,
                strength_error=float(mg.std() / n**0.5 / gg.mean()) if has_gradient else 0.0,
                gradient_error=None if truth is None else float(wrong.mean() / whole.mean()),
            )
        )
    return GuideDiagnosis(tuple(rows))
