"""Diagnosis of a trained sensor on codes that neither it nor the model saw in training."""

from dataclasses import dataclass

from torch import Tensor

from ridgewalk.diagnosis.measure import logit_figures, probe_auc
from ridgewalk.diagnosis.verdict import Subject, judge
from ridgewalk.fields import row_norm, score
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.path import chunked
from ridgewalk.thresholds import CHANCE, Verdict


@dataclass(frozen=True, eq=False)
class SensorDiagnosis:
    """
    The state of a sensor, from its logits on held-out points.

    Attributes:
        name: name of the sensor.
        positive: the class whose logit it returns.
        scores: sigmoid(logit) (n,) by group: ``encoded`` data, ``negatives`` (the other side of its task), ``prior`` and ``lerp`` points.
        bce: balanced binary cross-entropy of its task, in nats; chance is ln 2.
        auc: area under the ROC curve of its task.
        calibration_error: expected calibration error.
        reliability: confidence, share of encoded data and number of points of each bin of probability.
        spread: standard deviation of its logits, averaged over encoded data and negatives.
        gradient: (k,) mean gradient norm of the logit at equal steps along LERP paths.
        probe_auc: AUC of a fresh probe on the same task.
        verdict: a word of ``ridgewalk.thresholds``.
        sentence: the verdict in words, with the figures.
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
    verdict: Verdict
    sentence: str

    def figures(self) -> dict[str, float | str]:
        """The figures that are written to tables and JSON files."""
        return {
            "positive": self.positive,
            "bce": self.bce,
            "chance": CHANCE,
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
) -> SensorDiagnosis:
    """
    Diagnoses a sensor on codes that it was not trained on.

    Args:
        name: name of the sensor.
        discriminator: returns logits, positive for ``encoded`` or ``prior``.
        codes: (n, d) held-out encoded data.
        negatives: (n, d) draws of the other side of its task: the prior for a matcher, the mixture for a detector.
        lerp_nodes: (b, k, d) nodes of LERP paths between held-out codes.
        prior: (m, d) draws of the prior.
        seed: seed of the probe.
    """
    points = {"encoded": codes, "negatives": negatives, "prior": prior}
    logits = {group: chunked(discriminator, z) for group, z in points.items()}
    logits["lerp"] = chunked(discriminator, lerp_nodes[:, 1:-1].flatten(0, 1))
    sign = discriminator.data_sign
    found = logit_figures(sign * logits["encoded"], sign * logits["negatives"])
    b, k = lerp_nodes.shape[:2]
    gradient = row_norm(score(discriminator, lerp_nodes.flatten(0, 1))).view(b, k).mean(dim=0)
    probe = probe_auc(codes, negatives, seed)
    other = "the prior" if discriminator.positive == "prior" else "its negatives"
    verdict, sentence = judge(
        Subject(name, "encoded data", other), found, probe, points=min(len(codes), len(negatives))
    )
    return SensorDiagnosis(
        name,
        discriminator.positive,
        {group: v.sigmoid() for group, v in logits.items()},
        found.bce,
        found.auc,
        found.calibration_error,
        found.reliability,
        found.spread,
        gradient,
        probe,
        verdict,
        sentence,
    )
