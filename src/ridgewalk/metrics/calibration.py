"""
A binary discriminator on held-out points: its cross-entropy, how well it orders them, and whether its probabilities are frequencies.

    p = sigmoid(logit), the probability of label 1

Logits and labels are (n,), labels 0 or 1, both present. torchmetrics takes seconds to import, hence within functions.
"""

from dataclasses import replace
from math import log
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk.metrics.statistics import LEVEL, Interval

BINS = 15
"""Equal bins of [0, 1] where no number is given."""


def bce(logits: Tensor, labels: Tensor) -> float:
    """
    1/2 [mean_{y = 1} softplus(-l) + mean_{y = 0} softplus(l)], in nats: binary cross-entropy of balanced classes.

    The classes weigh the same whatever their numbers, so that no constant logit beats the chance level, ln 2.

    Source: Goodfellow et al. (2014), Generative adversarial nets, equation 1, halved.
    """
    logits, y = _checked(logits, labels)
    return float((F.softplus(-logits[y == 1]).mean() + F.softplus(logits[y == 0]).mean()) / 2)


def auc(logits: Tensor, labels: Tensor) -> float:
    """
    P(l+ > l-) + 1/2 P(l+ = l-), the area under the ROC curve: 0.5 at chance.

    Ranks stand for logits, as the sigmoids of large logits are all 1 and would tie. The area is summed in float32:
    right to about 1e-6.

    Source: Hanley and McNeil (1982), The meaning and use of the area under a ROC curve.
    """
    from torchmetrics.functional.classification import binary_auroc

    logits, y = _checked(logits, labels)
    distinct, ranks = logits.unique(return_inverse=True)
    return float(binary_auroc(ranks.to(logits.dtype) / len(distinct), y))


def auc_interval(logits: Tensor, labels: Tensor, level: float = LEVEL) -> Interval:
    """
    The AUC with an interval over held-out points, both classes drawn anew.

        error^2 = var_i (P(l+_i > l-)) / n+  +  var_j (P(l+ > l-_j)) / n-,      ties counting half

    normal on the scale of log(a / (1 - a)), so that it stays within 0 and 1. Where every point is told apart there is no error to go by: the end is
    then that of n points of the smaller class without a miss, (1 - level) / 2 = a^n.

    Args:
        logits: (n,) of points that the discriminator was not trained on, of one discriminator: those of several folds have several scales.
        labels: (n,) 0 or 1, at least 2 of each.
        level: nominal coverage.

    Source: DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating characteristic curves.
    """
    from scipy.stats import norm

    logits, y = _checked(logits, labels)
    up, down = logits[y == 1], logits[y == 0]
    if min(len(up), len(down)) < 2 or not 0 < level < 1:
        raise ValueError(
            f"an interval needs at least 2 points of each label and a level in (0, 1); got {len(up)}, {len(down)}, {level}"
        )
    above, below = _share_below(up, down), 1 - _share_below(down, up)
    area, n = float(above.mean()), min(len(up), len(down))
    error = float(above.var() / len(up) + below.var() / len(down)) ** 0.5
    tail = (1 - level) / 2
    if error == 0:  # all points are told apart, all the wrong way round, or all logits are one
        exact, edge = Interval(area, area, area, level, n), tail ** (1 / n)
        return {1.0: replace(exact, low=edge), 0.0: replace(exact, high=1 - edge)}.get(area, exact)
    centre = log(area / (1 - area))
    reach = float(norm.ppf(1 - tail)) * error / (area * (1 - area))
    low, high = (float(torch.tensor(centre + s * reach, dtype=torch.float64).sigmoid()) for s in (-1, 1))
    return Interval(area, low, high, level, n)


def _share_below(values: Tensor, others: Tensor) -> Tensor:
    """P(other < v) + 1/2 P(other = v) for each of ``values``: (n,), (m,) -> (n,)."""
    others = others.sort().values
    counts = torch.searchsorted(others, values) + torch.searchsorted(others, values, right=True)
    return counts.double() / (2 * len(others))


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """
    sum_m n_m / n |mean p - share of label 1| over the bins m of ``reliability``: from 0, where p is a frequency, to 1.

    Source: Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    """
    from torchmetrics.functional.classification import binary_calibration_error

    p, y = _probabilities(logits, labels)
    return float(binary_calibration_error(p, y, n_bins=bins, norm="l1"))


class Reliability(NamedTuple):
    """
    The points of a reliability curve, bin by bin from p = 0 to 1.

    Attributes:
        confidence: (bins,) mean p, NaN in an empty bin.
        positives: (bins,) share of label 1, NaN in an empty bin; equal to ``confidence`` if p is a frequency.
        size: (bins,) int64, number of rows.
    """

    confidence: Tensor
    positives: Tensor
    size: Tensor


def reliability(logits: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """
    Mean p and share of label 1 over the rows with m / bins <= p < (m + 1) / bins, m = 0 ... bins - 1; the last has 1.

    Source: DeGroot and Fienberg (1983), The comparison and evaluation of forecasters.
    """
    p, y = _probabilities(logits, labels)
    edges = torch.linspace(0, 1, bins + 1, dtype=p.dtype, device=p.device)
    index = torch.bucketize(p, edges[1:-1].contiguous(), right=True)
    size = index.bincount(minlength=bins)
    return Reliability(index.bincount(p, bins) / size, index.bincount(y.to(p.dtype), bins) / size, size)


def _probabilities(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels, and p in float64 held just below 1, which torchmetrics would give a bin of its own: p, labels."""
    logits, y = _checked(logits, labels)
    return logits.sigmoid().clamp_max(1 - torch.finfo(logits.dtype).eps), y


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits in float64 and labels in int64."""
    if logits.dim() != 1 or logits.shape != labels.shape:
        raise ValueError(
            f"logits and labels must share one shape (n,); got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    if logits.isnan().any():
        raise ValueError(f"logits must be numbers; {int(logits.isnan().sum())} of {len(logits)} are NaN")
    present = labels.unique().tolist()
    if present != [0, 1]:
        raise ValueError(f"labels must be 0 and 1, both present; got {present[:5]}")
    return logits.detach().double(), labels.long()
