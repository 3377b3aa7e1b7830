"""
Sensors: training a detector of holes on any model's codes, and saying in a sentence whether a sensor is alive.

A discriminator at chance gives a walk nothing. But a pile of scores at 0.5 alone does not tell a dead sensor from the equilibrium of
an adversarial game: there the encoded data really are indistinguishable from the prior. A freshly trained probe on
held-out codes does tell them apart.
"""

from dataclasses import dataclass
from math import log

import numpy as np
import torch
from torch import Tensor

from ridgewalk.fields import row_norm, score
from ridgewalk.metrics import calibration
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.path import chunked
from ridgewalk.seeds import Stream, mixed_seed

PROBE = 1500
"""Largest number of points of each side that the probe is given."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """
    What a sensor's held-out behaviour says of it.

    Attributes:
        name: of the sensor.
        positive: the class whose logit it returns.
        scores: sigmoid(logit) by group of points: ``encoded``, ``negatives`` (its own task's other side), ``prior``, ``lerp``.
        bce: held-out binary cross-entropy of its task; chance is ln 2.
        auc: area under its ROC curve on the task.
        calibration_error: expected calibration error.
        reliability: confidence, accuracy and count of each bin.
        spread: standard deviation of its logits over encoded data and negatives.
        gradient: mean gradient norm of the logit at equal steps along LERP paths.
        probe_auc: of a classifier trained afresh on the held-out task, cross-validated.
        verdict: one of ``alive``, ``overconfident``, ``saturated``, ``equilibrium``, ``dead``.
        sentence: the verdict in plain words.
    """

    name: str
    positive: str
    scores: dict[str, Tensor]
    bce: float
    auc: float
    calibration_error: float
    reliability: tuple[Tensor, Tensor, Tensor]
    spread: float
    gradient: Tensor
    probe_auc: float
    verdict: str
    sentence: str

    def figures(self) -> dict[str, float | str]:
        """What a table or a JSON file shows of it."""
        return {
            "positive": self.positive,
            "bce": self.bce,
            "chance": log(2),
            "auc": self.auc,
            "calibration_error": self.calibration_error,
            "logit_spread": self.spread,
            "gradient_along_lerp": float(self.gradient.mean()),
            "probe_auc": self.probe_auc,
            "verdict": self.verdict,
            "sentence": self.sentence,
        }


def diagnose(
    name: str,
    discriminator: Discriminator,
    codes: Tensor,
    negatives: Tensor,
    lerp_nodes: Tensor,
    prior: Tensor,
    seed: int = 0,
) -> Diagnosis:
    """
    Measures a sensor on codes that it was not trained on.

    Args:
        name: of the sensor.
        discriminator: logits, positive for ``encoded`` or ``prior``.
        codes: (n, d) held-out encoded data.
        negatives: (n, d) draws of the task's other side: the prior for a matcher, the mixture for a detector.
        lerp_nodes: (b, k, d) nodes of LERP paths between held-out codes.
        prior: (m, d) draws of the prior.
        seed: of the probe.
    """
    logits = {
        g: chunked(discriminator, z) for g, z in {"encoded": codes, "negatives": negatives, "prior": prior}.items()
    }
    logits["lerp"] = chunked(discriminator, lerp_nodes[:, 1:-1].flatten(0, 1))
    sign = -1.0 if discriminator.positive == "prior" else 1.0
    task = sign * torch.cat([logits["encoded"], logits["negatives"]])
    truth = torch.cat([torch.ones(len(codes)), torch.zeros(len(negatives))]).long()
    bce, auc = calibration.bce(task, truth), calibration.auc(task, truth)
    error = calibration.expected_calibration_error(task, truth)
    reliability = calibration.reliability(task, truth)
    b, k = lerp_nodes.shape[:2]
    gradient = row_norm(score(discriminator, lerp_nodes.flatten(0, 1))).view(b, k).mean(dim=0)
    spread = float((logits["encoded"].std() + logits["negatives"].std()) / 2)
    probe = svm_auc(codes, negatives, seed)
    verdict, sentence = _verdict(name, discriminator.positive, spread, auc, bce, probe, float(task.abs().median()))
    scores = {g: v.sigmoid() for g, v in logits.items()}
    return Diagnosis(
        name, discriminator.positive, scores, bce, auc, error, reliability, spread, gradient, probe, verdict, sentence
    )


def svm_auc(codes: Tensor, negatives: Tensor, seed: int) -> float:
    """
    Two-sample test by classification (Lopez-Paz and Oquab 2017): AUC of a classifier trained afresh, by five-fold cross-validation.

    A support vector machine with a Gaussian kernel, on at most ``PROBE`` points of each side: it has no schedule to get wrong, and
    cross-validation makes the most of few codes. 0.5 is chance.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    n = min(len(codes), len(negatives), PROBE)
    points = torch.cat([codes[:n], negatives[:n]]).flatten(1).cpu().double().numpy()
    truth = np.repeat([1, 0], n)
    folds = StratifiedKFold(5, shuffle=True, random_state=mixed_seed(seed, Stream.PROBE_FOLDS) % 2**32)
    probe = make_pipeline(StandardScaler(), SVC(C=1.0))
    return float(roc_auc_score(truth, cross_val_predict(probe, points, truth, cv=folds, method="decision_function")))


def _verdict(
    name: str, positive: str, spread: float, auc: float, bce: float, probe: float, size: float
) -> tuple[str, str]:
    other = "the prior" if positive == "prior" else "its negatives"
    facts = f"held-out BCE {bce:.3f} against {log(2):.3f} at chance, AUC {auc:.2f}, logit spread {spread:.2f}"
    if spread < 0.05 and probe > 0.6:
        return "dead", (
            f"{name} is dead: its score is the same everywhere ({facts}), while a fresh probe tells encoded data from {other} "
            f"with AUC {probe:.2f}. Walks guided by it will equal LERP; train it again, or use a detector."
        )
    if abs(auc - 0.5) < 0.05 and probe < 0.6:
        return "equilibrium", (
            f"{name} is at equilibrium: encoded data and {other} really are alike (a fresh probe reaches AUC {probe:.2f}; {facts}), "
            "so it says little about holes."
        )
    if auc < 0.55:
        return "dead", (
            f"{name} does not see what is there: {facts}, while a fresh probe reaches AUC {probe:.2f}. "
            "Its forces are noise; train it again, or use a detector."
        )
    if bce > log(2) and auc > 0.55:
        return "overconfident", (
            f"{name} is overconfident: it orders points (AUC {auc:.2f}), but its held-out BCE {bce:.3f} is worse than chance "
            f"({log(2):.3f}): it learned its training points by heart, or was trained for another task; train it for fewer epochs, on more data, or anew."
        )
    if size > 5:
        return (
            "saturated",
            f"{name} is saturated: its median |logit| is {size:.1f} ({facts}), so probabilities carry no gradient; use energies of the raw logit.",
        )
    few = ", which learns from the few held-out points alone," if probe < auc else ""
    return "alive", f"{name} is alive: {facts}; a fresh probe{few} reaches AUC {probe:.2f}."
