"""
What a composite judge can tell: the share of each kind of composite that it takes for real, where it takes nine of ten real things for real.

The *controls* are things that no one takes for real: half-and-half averages, shuffled patches, grey, black, white and noise. A judge can tell on its data if
it accepts at least ``REAL_AT_LEAST`` of held-out real things, and at most ``CONTROL_AT_MOST`` of each control. Where it accepts more, no share of real frames
is given: it would say nothing of the frames.

AUC is that of the judge's logit between held-out real things and composites; it needs no threshold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import torch
from torch import Tensor

from ridgewalk.judging import composites
from ridgewalk.metrics.calibration import auc
from ridgewalk.training.noise import Noise

REAL_AT_LEAST = 0.75
"""Least share of held-out real things that a judge must accept; its threshold is chosen so that it accepts 0.9 of the calibration's."""

CONTROL_AT_MOST = 0.4
"""Largest share of a control that a judge may accept."""

FEWEST = 20
"""Fewest held-out real things that a judge is tried on, and fewest that its threshold is calibrated on."""

STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the other image in the averages of the power curve."""

AVERAGES = "half-and-half averages"
"""Name of the control that is quoted first: (x + y) / 2 of two real things."""

_SEED = 97

VERSION = 1
"""Changes with what is measured, so that figures that were kept are measured again (``kept``)."""


@dataclass(frozen=True)
class Taken:
    """The share of some things that a judge takes for real, and the AUC of its logit between held-out real things and them."""

    share: float
    auc: float


@dataclass(frozen=True)
class Power:
    """
    What a composite judge accepts.

    Attributes:
        judge: its name.
        n: number of held-out real things that it was tried on, and that composites were made of.
        calibration: number of other real things that its threshold was chosen on.
        real: share of the held-out real things that it accepts.
        blur: standard deviation in pixels of the blur that it was tried on; NaN for rows of numbers, which are not blurred.
        softened: share of the held-out real images under this blur that it accepts, which should be about as high as ``real``.
        controls: by control, such as ``half-and-half average`` and ``grey``.
        trained: by kind of composite that it was trained on.
        unseen: by kind of composite that it was not trained on.
        strengths: of averages x + s (y - x), by s.
    """

    judge: str
    n: int
    calibration: int
    real: float
    blur: float
    softened: float
    controls: Mapping[str, Taken]
    trained: Mapping[str, Taken]
    unseen: Mapping[str, Taken]
    strengths: Mapping[float, Taken]

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Power":
        """The power of the JSON values of ``dataclasses.asdict``; KeyError, TypeError or ValueError for others."""
        groups = {g: {n: Taken(**t) for n, t in record[g].items()} for g in ("controls", "trained", "unseen")}
        strengths = {float(s): Taken(**t) for s, t in record["strengths"].items()}
        return cls(**{**record, **groups, "strengths": strengths})

    @property
    def unseen_mean(self) -> float:
        """Mean share that it accepts over the kinds of composites that it was not trained on."""
        return sum(t.share for t in self.unseen.values()) / len(self.unseen) if self.unseen else nan

    @property
    def reasons(self) -> list[str]:
        """Why the judge cannot tell on these data, in clauses; none where it can."""
        if min(self.n, self.calibration) < FEWEST:
            return [
                f"there are {self.calibration} images to calibrate it on and {self.n} to try it on, and each needs {FEWEST}"
            ]
        low = [f"it accepts {self.real:.0%} of real ones"] if self.real < REAL_AT_LEAST else []
        high = [f"{t.share:.0%} of {name}" for name, t in self.controls.items() if t.share > CONTROL_AT_MOST]
        return low + ([f"it accepts {', '.join(high)}, and {self.real:.0%} of real ones"] if high else [])

    def figures(self) -> dict[str, Any]:
        """The power as JSON."""
        return {
            "can_tell": not self.reasons,
            "reasons": self.reasons,
            "tried_on": self.n,
            "calibrated_on": self.calibration,
            "real": self.real,
            "blur": self.blur,
            "softened": self.softened,
            "unseen_mean": self.unseen_mean,
            **{
                group: {str(name): {"share": t.share, "auc": t.auc} for name, t in taken.items()}
                for group, taken in (
                    ("controls", self.controls),
                    ("trained", self.trained),
                    ("unseen", self.unseen),
                    ("strengths", self.strengths),
                )
            },
        }


def controls(x: Tensor) -> dict[str, Tensor]:
    """Things (n, ...) that no one takes for real, by name: averages of neighbours in x (n, ...), and what holds nothing."""
    noise = Noise(_SEED, 0)
    made = {AVERAGES: composites.half_average(x, x.roll(1, dims=0), noise)}
    if 1 not in x.shape[-2:]:
        made["shuffled patches"] = composites.shuffled_patches(x, x, noise)
    made |= {name: torch.full_like(x, level) for name, level in (("grey", 0.5), ("black", 0.0), ("white", 1.0))}
    return made | {"noise": noise.uniform(*x.shape)}


def blur_width(x: Tensor) -> float:
    """The blur that judges of x (n, c, h, w) are tried on, in pixels: a thirty-second of the smaller side, at least 0.5; NaN for rows of numbers."""
    return nan if 1 in x.shape[-2:] else max(min(x.shape[-2:]) / 32, 0.5)


def measure_power(
    name: str, logits: Callable[[Tensor], Tensor], threshold: float, real: Tensor, calibration: int
) -> Power:
    """
    Tries a judge on held-out real things and on composites of them.

    Args:
        name: the judge's name.
        logits: maps things (n, c, h, w) to (n,); higher is more real.
        threshold: logit from which the judge accepts.
        real: held-out real things (n, c, h, w) in [0, 1], of which composites are made; nothing is measured on fewer than ``FEWEST``.
        calibration: number of real things that the threshold was chosen on.
    """
    if min(len(real), calibration) < FEWEST:
        return Power(name, len(real), calibration, nan, nan, nan, {}, {}, {}, {})
    own = logits(real)

    def take(x: Tensor) -> Taken:
        found = logits(x)
        truth = torch.cat([torch.ones(len(own)), torch.zeros(len(found))])
        return Taken(float((found >= threshold).float().mean()), auc(torch.cat([own, found]), truth))

    other, width = real.roll(1, dims=0), blur_width(real)
    trained, unseen = composites.kinds(real.shape[1:])
    return Power(
        name,
        len(real),
        calibration,
        float((own >= threshold).float().mean()),
        width,
        nan if isnan(width) else take(composites.blur(real, width)).share,
        {n: take(x) for n, x in controls(real).items()},
        {n: take(kind(real, other, Noise(_SEED, 2))) for n, kind in trained.items()},
        {n: take(kind(real, other, Noise(_SEED, 3))) for n, kind in unseen.items()},
        {s: take(torch.lerp(real, other, s)) for s in STRENGTHS},
    )
