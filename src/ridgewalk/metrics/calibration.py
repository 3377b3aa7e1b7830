"""
How well a binary discriminator does on held-out points, and whether its probabilities mean what they say.

Everywhere: logits (n,) of the class 1, labels (n,) in {0, 1}. Binary cross-entropy at chance, on balanced classes, is ln 2.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def bce(logits: Tensor, labels: Tensor) -> float:
    """mean [softplus(l) - y l], from the raw logits."""
    return float(F.binary_cross_entropy_with_logits(logits.double(), labels.double()))


def auc(logits: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve: the chance that a point of class 1 gets the larger logit."""
    from torchmetrics.functional.classification import binary_auroc

    return float(binary_auroc(logits, labels))


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """sum over bins of (share of points) |mean label - mean sigmoid(l)| (Naeini et al. 2015)."""
    from torchmetrics.functional.classification import binary_calibration_error

    return float(binary_calibration_error(logits.sigmoid(), labels, n_bins=bins, norm="l1"))


def reliability(logits: Tensor, labels: Tensor, bins: int = 15) -> tuple[Tensor, Tensor, Tensor]:
    """Mean sigmoid(l), mean label and number of points in each of ``bins`` equal bins of sigmoid(l): (bins,) each, nan where a bin is empty."""
    p = logits.double().sigmoid()
    place = (p * bins).long().clamp_max(bins - 1)
    zeros = torch.zeros(bins, dtype=torch.float64, device=p.device)
    counts = zeros.index_add(0, place, torch.ones_like(p))
    return zeros.index_add(0, place, p) / counts, zeros.index_add(0, place, labels.double()) / counts, counts
