"""
Diagnoses of the discriminators of an adversarial training, made on held-out images while it runs and at its end.

Besides the logits of both sides and a fresh probe, points far away are scored: a discriminator whose two sides have become alike scores
them the same, but one that is alive still scores far points differently.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ridgewalk.data import ImageData, part
from ridgewalk.diagnosis.measure import distances, logit_figures, probe_auc
from ridgewalk.diagnosis.verdict import Subject, judge
from ridgewalk.fields import row_norm, score
from ridgewalk.thresholds import CHANCE, Verdict
from ridgewalk.training.noise import Noise

FAR = 4.0
"""Far points are those of the positive side, moved away from the mean of both sides to this many times their distance."""

PROBED = 500
"""Largest number of points of each side that the probe uses: it is trained ten times in a training."""


@runtime_checkable
class TwoSided(Protocol):
    """An objective that gives the two sides of its discriminators."""

    def sides(self, batch: tuple[Tensor, ...], noise: Noise) -> Mapping[str, tuple[nn.Module, Tensor, Tensor]]:
        """Each discriminator's network, and the inputs (n, *) of its positive and of its negative side, by the discriminator's name."""
        ...


@dataclass(frozen=True)
class TrainingDiagnosis:
    """
    The state of one discriminator at one step of its training.

    Attributes:
        step: step of the training, counted from 1.
        name: name of the discriminator's network.
        verdict: a word of ``ridgewalk.thresholds``.
        sentence: the verdict in words, with the figures.
        figures: mean and standard deviation of logits by side, AUC, ``size`` (median |logit|), mean gradient norm on the negative side,
            cross-entropy and its ``excess`` over ln 2, the probe's AUC, the mean logit of far points less that of both sides, and the
            ``distances`` between the sides.
    """

    step: int
    name: str
    verdict: Verdict
    sentence: str
    figures: Mapping[str, float]

    def line(self) -> dict[str, Any]:
        """The line that is written to the log."""
        return {
            "step": self.step,
            "reading": self.verdict,
            "name": self.name,
            "sentence": self.sentence,
            **self.figures,
        }


def diagnose(
    step: int, name: str, discriminator: nn.Module, positive: Tensor, negative: Tensor, seed: int = 0
) -> TrainingDiagnosis:
    """
    Diagnoses one discriminator on points that it was not trained on.

    Args:
        step: step of the training.
        name: name of the discriminator's network.
        discriminator: maps (n, *) to logits (n,), in evaluation mode.
        positive: inputs (n, *) of its positive side.
        negative: inputs (n, *) of its negative side.
        seed: seed of the probe and of the projections.
    """
    gradient = float(row_norm(score(discriminator, negative)).mean())
    with torch.no_grad():
        up, down = discriminator(positive).float().cpu(), discriminator(negative).float().cpu()
        middle = torch.cat([positive, negative]).mean(dim=0)
        far = discriminator(middle + FAR * (positive - middle)).float().cpu()
    logits = logit_figures(up, down)
    p, q = positive.detach().flatten(1).float().cpu(), negative.detach().flatten(1).float().cpu()
    probe, apart = probe_auc(p, q, seed, PROBED), float(far.mean() - torch.cat([up, down]).mean())
    figures = {
        "positive_mean": logits.positive_mean,
        "positive_std": logits.positive_std,
        "negative_mean": logits.negative_mean,
        "negative_std": logits.negative_std,
        "auc": logits.auc,
        "size": logits.median,
        "gradient": gradient,
        "bce": logits.bce,
        "excess": logits.bce - CHANCE,
        "probe_auc": probe,
        "far": apart,
        **distances(p, q, seed),
    }
    verdict, sentence = judge(Subject(name, opponent=True), logits, probe, apart, min(len(up), len(down)))
    return TrainingDiagnosis(step, name, verdict, f"step {step}: {sentence}", figures)


@dataclass(eq=False)
class Inspector:
    """
    Diagnoses all discriminators of a training on held-out images; ``training.loop.fit`` calls it.

    Attributes:
        objective: the objective that is being trained.
        batch: held-out rows, in the form that the objective takes.
        seed: seed of the noise, the probes and the projections.
    """

    objective: TwoSided
    batch: Sequence[Tensor]
    seed: int = 0

    def __call__(self, step: int, device: torch.device) -> list[dict[str, Any]]:
        """Lines for the log, one for each discriminator."""
        batch = tuple(t.to(device) for t in self.batch)
        noise = Noise(self.seed, 0, device=device)  # the same draws at every step, so that only the networks change
        return [
            diagnose(step, name, discriminator, positive, negative, self.seed).line()
            for name, (discriminator, positive, negative) in self.objective.sides(batch, noise).items()
        ]


FEWEST = 20
"""Smallest number of held-out images on which discriminators are diagnosed."""

HELD_OUT = 1000
"""Largest number of held-out images on which discriminators are diagnosed while they are trained."""


def build_inspector(objective: object, data: ImageData, seed: int) -> Inspector | None:
    """The inspector of an adversarial objective on validation images without their labels; None for other objectives, and where images are too few."""
    if not isinstance(objective, TwoSided) or len(data.test) // 10 < FEWEST:  # the role's share of the test images
        return None
    images = part(data, "validation")
    held_out = images.take(torch.arange(min(HELD_OUT, len(images)))).floats()
    return Inspector(objective, (held_out, torch.full((len(held_out),), -1)), seed)
