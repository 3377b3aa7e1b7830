"""
How a game between a discriminator and what it watches stands, read while it is played and at its end.

    collapse      the same score for everything (logits spread by less than 0.05), or scores at chance, where a fresh probe tells the sides well apart
    equilibrium   a narrow peak, and a fresh probe at chance: the sides are alike; points far away still score differently
    healthy       it sees a difference, and its logits are of a size that passes gradients on
    saturated     half of its logits are beyond 5 in size: probabilities of 0 and 1

A score of 0.5 alone does not tell a collapse from an equilibrium. What does is a classifier that is trained afresh on what the
discriminator sees (Lopez-Paz and Oquab 2017); beside it stand distances between the sides that no network measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from time import perf_counter
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ridgewalk.diagnosis.sensors import svm_auc
from ridgewalk.metrics import calibration
from ridgewalk.metrics.transport import sliced_wasserstein
from ridgewalk.training.noise import Noise

VERDICTS = ("collapse", "equilibrium", "healthy", "saturated")

FAR = 4.0
"""Far points are the prior's, pushed out from the middle of both sides to this many times their distance."""

PROBED = 500
"""Largest number of points of each side that the probe is given."""


class Sided(Protocol):
    """An objective whose discriminators' two sides can be asked for."""

    def sides(self, batch: tuple[Tensor, ...], noise: Noise) -> Mapping[str, tuple[nn.Module, Tensor, Tensor]]:
        """By the discriminators' names: the network, and the rows of its positive and of its negative side as it sees them."""
        ...


@dataclass(frozen=True)
class Reading:
    """
    One discriminator at one step.

    Attributes:
        step: of the training.
        name: of the discriminator's network.
        verdict: one of ``VERDICTS``.
        sentence: in plain words, with the figures.
        figures: mean and standard deviation of logits by side, AUC, size of the logits, gradient norm on the negative side, cross-entropy
            and its excess over ln 2, the probe's AUC, sliced Wasserstein distance of the sides, largest difference of a
            dimension's means and smallest and largest ratio of its deviations.
    """

    step: int
    name: str
    verdict: str
    sentence: str
    figures: Mapping[str, float]

    def line(self) -> dict[str, Any]:
        """As it stands in the log."""
        return {
            "step": self.step,
            "reading": self.verdict,
            "name": self.name,
            "sentence": self.sentence,
            **self.figures,
        }


def reading(step: int, name: str, d: nn.Module, positive: Tensor, negative: Tensor, seed: int = 0) -> Reading:
    """
    Reads one discriminator on rows that it was not trained on.

    Args:
        step: of the training.
        name: of its network.
        d: (n, *) -> (n,) logits, in eval mode.
        positive: rows of its positive side, as it sees them.
        negative: as many of the other side.
        seed: of the probe and of the projections.
    """
    leaf = negative.detach().clone().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(d(leaf).sum(), leaf)
    with torch.no_grad():
        up, down = d(positive).float().cpu(), d(negative).float().cpu()
        middle = torch.cat([positive, negative]).mean(dim=0)
        far = d(middle + FAR * (positive - middle)).float().cpu()
    both, truth = torch.cat([up, down]), torch.cat([torch.ones(len(up)), torch.zeros(len(down))]).long()
    p, q = positive.detach().flatten(1).float().cpu(), negative.detach().flatten(1).float().cpu()
    n = min(len(p), len(q), PROBED)
    varied = p.std(dim=0) > 1e-6
    ratio = (q.std(dim=0)[varied] / p.std(dim=0)[varied]) if varied.any() else torch.ones(1)
    figures = {
        "positive_mean": float(up.mean()),
        "positive_std": float(up.std()),
        "negative_mean": float(down.mean()),
        "negative_std": float(down.std()),
        "auc": calibration.auc(both, truth),
        "size": float(both.abs().median()),
        "gradient": float(slope.flatten(1).norm(dim=1).mean()),
        "bce": calibration.bce(both, truth),
        "excess": calibration.bce(both, truth) - log(2),
        "probe_auc": svm_auc(p[:n], q[:n], seed),
        "far": float(far.mean() - both.mean()),
        "sliced_wasserstein": sliced_wasserstein(p, q, seed=seed),
        "mean_difference": float((p.mean(dim=0) - q.mean(dim=0)).abs().max()),
        "deviation_lowest": float(ratio.min()),
        "deviation_highest": float(ratio.max()),
    }
    verdict, sentence = verdict_of(name, figures)
    return Reading(step, name, verdict, f"step {step}: {sentence}", figures)


def verdict_of(name: str, f: Mapping[str, float]) -> tuple[str, str]:
    """The verdict of a reading's figures, and its sentence."""
    spread = (f["positive_std"] + f["negative_std"]) / 2
    facts = (
        f"logits spread by {spread:.2f}, AUC {f['auc']:.2f}, cross-entropy {f['bce']:.3f} ({log(2):.3f} is chance), "
        f"fresh probe AUC {f['probe_auc']:.2f}, gradient {f['gradient']:.2g}"
    )
    if f["size"] > 5:
        return "saturated", (
            f"{name} is saturated: its median |logit| is {f['size']:.1f} ({facts}), so that it passes hardly a gradient on; "
            "lower its learning rate, or add R1, spectral norm or noise on what it sees"
        )
    if spread < 0.05 and f["probe_auc"] > 0.6:
        return "collapse", (
            f"{name} has collapsed: nearly the same score for everything, while the sides differ ({facts}); "
            "begin with weights of PyTorch's own size, and raise its learning rate"
        )
    if abs(f["auc"] - 0.5) < 0.05 and f["probe_auc"] > 0.75:
        return "collapse", (
            f"{name} has collapsed: its scores do not tell the sides apart, and a fresh probe does ({facts}); raise its learning rate"
        )
    if spread < 0.05 and abs(f["far"]) < 0.05:
        return "collapse", (
            f"{name} has collapsed: the same score for everything, points far from both sides as well ({facts}), "
            "though the sides are alike; as a sensor it is dead"
        )
    if f["probe_auc"] <= 0.6 and spread < 0.3:
        return (
            "equilibrium",
            f"{name} is at equilibrium: the sides are alike ({facts}; far points score {f['far']:+.2f})",
        )
    behind = ""
    if f["auc"] < 0.45:
        behind = "; just now it takes one side for the other, which its opponent has learned to bring about"
    elif f["probe_auc"] - f["auc"] > 0.1:
        behind = "; the probe tells the sides apart better, so it lags behind its opponent"
    return "healthy", f"{name} is healthy: {facts}{behind}"


@dataclass(eq=False)
class Inspector:
    """
    Reads all discriminators of a training, on images that take no part in it.

    Args:
        objective: in training.
        batch: held-out rows, as the objective reads them.
        seed: of noise, probes and projections.
    """

    objective: Sided
    batch: Sequence[Tensor]
    seed: int = 0
    seconds: float = 0.0

    def __call__(self, step: int, device: torch.device) -> list[dict[str, Any]]:
        """Lines of the log."""
        began = perf_counter()
        batch = tuple(t.to(device) for t in self.batch)
        noise = Noise(self.seed, 0, device=device)  # the same draws at every step, so that what changes is the game
        found = [
            reading(step, name, d, positive, negative, self.seed).line()
            for name, (d, positive, negative) in self.objective.sides(batch, noise).items()
        ]
        self.seconds += perf_counter() - began
        return found
