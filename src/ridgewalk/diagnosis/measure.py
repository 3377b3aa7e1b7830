"""
Figures of a discriminator on points that it was not trained on: what its logits say of both sides, and what there is to see.

A score at chance does not distinguish a dead discriminator from two sides that are alike. A classifier that is trained afresh on the same
points does (``probe_auc``), and so do distances between the sides that no network measured (``distances``).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk.metrics import calibration
from ridgewalk.metrics.calibration import Reliability
from ridgewalk.metrics.transport import sliced_wasserstein
from ridgewalk.seeds import Stream, mixed_seed

PROBED = 1500
"""Largest number of points of each side that the probe is trained and tested on, where no number is given."""


@dataclass(frozen=True, eq=False)
class LogitFigures:
    """
    What a discriminator's logits say of its two sides.

    Attributes:
        positive_mean: mean logit of the positive side.
        positive_std: standard deviation of the positive side's logits.
        negative_mean: mean logit of the negative side.
        negative_std: standard deviation of the negative side's logits.
        spread: mean of the two standard deviations.
        median: median of |logit| over both sides.
        auc: area under the ROC curve; 1/2 is chance.
        bce: balanced binary cross-entropy in nats; ln 2 is chance.
        calibration_error: expected calibration error, from 0 to 1.
        reliability: confidence, share of positives and number of points of each bin of probability.
    """

    positive_mean: float
    positive_std: float
    negative_mean: float
    negative_std: float
    spread: float
    median: float
    auc: float
    bce: float
    calibration_error: float
    reliability: Reliability


def logit_figures(positive: Tensor, negative: Tensor) -> LogitFigures:
    """
    Measures the logits of both sides.

    Args:
        positive: (n,) logits of points of the positive side, which should be high.
        negative: (m,) logits of points of the negative side, which should be low.
    """
    both = torch.cat([positive, negative])
    labels = torch.cat([torch.ones(len(positive)), torch.zeros(len(negative))]).long()
    return LogitFigures(
        float(positive.mean()),
        float(positive.std()),
        float(negative.mean()),
        float(negative.std()),
        float((positive.std() + negative.std()) / 2),
        float(both.abs().median()),
        calibration.auc(both, labels),
        calibration.bce(both, labels),
        calibration.expected_calibration_error(both, labels),
        calibration.reliability(both, labels),
    )


def paired_cross_entropy(positive: Tensor, negative: Tensor) -> tuple[float, float]:
    """
    Balanced binary cross-entropy over pairs of a point of each side, and its standard error over pairs: both in nats.

    Args:
        positive: (n,) logits of the positive side.
        negative: (n,) logits of the negative side.
    """
    each = (F.softplus(-positive) + F.softplus(negative)) / 2
    return float(each.mean()), float(each.std() / len(each) ** 0.5)


def probe_auc(positive: Tensor, negative: Tensor, seed: int, points: int = PROBED) -> float:
    """
    AUC of a classifier that is trained afresh to separate the two sides, by five-fold cross-validation; 1/2 is chance.

    The classifier is a support vector machine with a Gaussian kernel: it has no schedule to choose, and cross-validation makes the most
    of few points.

    Args:
        positive: (n, *) points of one side.
        negative: (m, *) points of the other side.
        seed: seed of the folds.
        points: largest number of points of each side that are used.

    Source: Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    n = min(len(positive), len(negative), points)
    rows = torch.cat([positive[:n], negative[:n]]).flatten(1).cpu().double().numpy()
    labels = np.repeat([1, 0], n)
    folds = StratifiedKFold(5, shuffle=True, random_state=mixed_seed(seed, Stream.PROBE_FOLDS) % 2**32)
    probe = make_pipeline(StandardScaler(), SVC(C=1.0))
    found = cross_val_predict(probe, rows, labels, cv=folds, method="decision_function")
    return calibration.auc(torch.as_tensor(found), torch.as_tensor(labels))


def distances(positive: Tensor, negative: Tensor, seed: int) -> dict[str, float]:
    """
    Distances between the two sides, computed without a network.

    Args:
        positive: (n, d) points of one side.
        negative: (m, d) points of the other side.
        seed: seed of the projections.

    Returns:
        The sliced Wasserstein distance; the largest difference of a dimension's means; and the smallest and the largest ratio of a
        dimension's standard deviations, negative over positive.
    """
    varied = positive.std(dim=0) > 1e-6
    ratio = negative.std(dim=0)[varied] / positive.std(dim=0)[varied] if varied.any() else torch.ones(1)
    return {
        "sliced_wasserstein": sliced_wasserstein(positive, negative, seed=seed),
        "mean_difference": float((positive.mean(dim=0) - negative.mean(dim=0)).abs().max()),
        "deviation_lowest": float(ratio.min()),
        "deviation_highest": float(ratio.max()),
    }
