"""
Quality of a binary discriminator on held-out points: its cross-entropy, its ranking of points, and the calibration of its probabilities.

    p = sigmoid(logit), the probability of label 1

Logits and labels are (n,), and both labels 0 and 1 occur. torchmetrics takes seconds to import, so functions import it when they need it.
"""

from dataclasses import replace
from math import log
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk.metrics.statistics import LEVEL, Interval

BINS = 15
"""Default number of equal bins of [0, 1]."""


def bce(logits: Tensor, labels: Tensor) -> float:
    """
    1/2 [mean_{y = 1} softplus(-l) + mean_{y = 0} softplus(l)]: class-balanced binary cross-entropy in nats; any constant logit scores at least ln 2.

    Source: Goodfellow et al. (2014), Generative adversarial nets, equation 1, halved.
    """
    logits, y = _checked(logits, labels)
    return float((F.softplus(-logits[y == 1]).mean() + F.softplus(logits[y == 0]).mean()) / 2)


def auc(logits: Tensor, labels: Tensor) -> float:
    """
    P(l+ > l-) + 1/2 P(l+ = l-), the area under the ROC curve: 0.5 at chance.

    It is the mean over points of label 1 of the share of points of label 0 below them, whose variance ``auc_interval`` needs.

    Source: Hanley and McNeil (1982), The meaning and use of the area under a ROC curve.
    """
    logits, y = _checked(logits, labels)
    return float(_share_below(logits[y == 1], logits[y == 0]).mean())


def auc_interval(logits: Tensor, labels: Tensor, level: float = LEVEL) -> Interval:
    """
    The AUC with a confidence interval for new points of both classes.

        error^2 = var_i (P(l+_i > l-)) / n+  +  var_j (P(l+ > l-_j)) / n-,      ties counting half

    The interval is normal on the scale log(a / (1 - a)), so it lies within [0, 1]. Where the classes are separated without error, this error is 0; one
    end then solves (1 - level) / 2 = a^n, with n the size of the smaller class.

    Args:
        logits: (n,) logits of one discriminator at points that it was not trained on; different discriminators have different scales.
        labels: (n,) labels 0 or 1, at least 2 of each.
        level: nominal coverage of the interval.

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
    if error == 0:  # the classes are separated, in either order, or all logits are equal
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
    sum_m n_m / n |mean p - share of label 1| over the bins m of ``reliability``; 0 where probabilities equal frequencies, at most 1.

    Source: Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    """
    from torchmetrics.functional.classification import binary_calibration_error

    p, y = _probabilities(logits, labels)
    return float(binary_calibration_error(p, y, n_bins=bins, norm="l1"))


class Reliability(NamedTuple):
    """
    The points of a reliability curve, one for each bin of p.

    Attributes:
        confidence: (bins,) mean of p, NaN in an empty bin.
        positives: (bins,) share of label 1, NaN in an empty bin; it equals ``confidence`` if p is calibrated.
        size: (bins,) int64, number of points.
    """

    confidence: Tensor
    positives: Tensor
    size: Tensor


def reliability(logits: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """
    Mean of p and share of label 1 for the points with m / bins <= p < (m + 1) / bins, m = 0 ... bins - 1; the last bin includes p = 1.

    Source: DeGroot and Fienberg (1983), The comparison and evaluation of forecasters.
    """
    p, y = _probabilities(logits, labels)
    edges = torch.linspace(0, 1, bins + 1, dtype=p.dtype, device=p.device)
    index = torch.bucketize(p, edges[1:-1].contiguous(), right=True)
    size = index.bincount(minlength=bins)
    return Reliability(index.bincount(p, bins) / size, index.bincount(y.to(p.dtype), bins) / size, size)


def _probabilities(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """P in float64, and labels; p stays below 1, which torchmetrics would put into a further bin."""
    logits, y = _checked(logits, labels)
    return logits.sigmoid().clamp_max(1 - torch.finfo(logits.dtype).eps), y


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits in float64 and labels in int64, after checks."""
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
