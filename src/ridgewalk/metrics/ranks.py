"""
Spearman's rank correlation of two quantities, with a bootstrap interval over points.

    rho  = corr(rank a, rank b), where tied values share their mean rank
    rho* = the same over n points drawn with replacement and ranked again

A point that is drawn w_i times counts as w_i equal points, so a resample needs no sorting: the mean rank of a value v is

    sum_{a_i < v} w_i + (1 + sum_{a_i = v} w_i) / 2

and rho* is the correlation of these ranks with the weights w.

Source: Spearman (1904), The proof and measurement of association between two things; Efron and Tibshirani (1993), An introduction to the bootstrap,
chapter 13 (percentile interval).
"""

from math import nan

import torch
from torch import Tensor

from ridgewalk.metrics.statistics import LEVEL, RESAMPLES, Interval, percentile_interval

_DRAWS = 2**21
"""Number of values in each of a few arrays at once: 16 MB."""


def ranks(values: Tensor) -> Tensor:
    """Ranks 1 ... n in increasing order, where tied values share their mean rank: (n,) -> float64 (n,); NaN where the values are NaN throughout."""
    from scipy.stats import rankdata

    return torch.from_numpy(rankdata(_column("values", values).numpy()))


def spearman(a: Tensor, b: Tensor) -> float:
    """
    corr(rank a, rank b), from -1 (reversed order) to 1 (the same order); NaN where either is constant, or NaN throughout.

    Args:
        a: (n,) values, n >= 2; inf is allowed, and NaN at every point, as of a judge that cannot tell, but not at some.
        b: (n,) values at the same points in the same order.
    """
    from scipy.stats import spearmanr

    x, y = _pair(a, b)
    if x.isnan().any() or y.isnan().any() or (x == x[0]).all() or (y == y[0]).all():
        return nan
    return float(spearmanr(x.numpy(), y.numpy()).statistic)


def bootstrap_spearman(a: Tensor, b: Tensor, seed: int, level: float = LEVEL, resamples: int = RESAMPLES) -> Interval:
    """
    ``spearman(a, b)`` with its percentile interval over points.

    A resample in which a or b is constant has no correlation; it counts as -1 for the lower end and as 1 for the upper end.

    Args:
        a: (n,) values.
        b: (n,) values at the same points in the same order.
        seed: seed of the resamples.
        level: nominal coverage of the interval.
        resamples: number of resamples.
    """
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level must be in (0, 1) and resamples at least 1; got {level} and {resamples}")
    x, y = _pair(a, b)
    n = len(x)
    if x.isnan().any() or y.isnan().any():
        return Interval(nan, nan, nan, level, n)
    generator = torch.Generator().manual_seed(seed)
    replicates = x.new_empty(resamples)
    order_x, order_y = (v.unique(return_inverse=True)[1] for v in (x, y))
    for part in replicates.split(max(1, _DRAWS // n)):
        drawn = torch.randint(n, (len(part), n), generator=generator)
        times = x.new_zeros(len(part), n).scatter_add_(1, drawn, torch.ones_like(drawn, dtype=x.dtype))
        part.copy_(_correlation(times, _mean_ranks(times, order_x), _mean_ranks(times, order_y)))
    return percentile_interval(spearman(x, y), replicates, level, n, least=-1.0, most=1.0)


def _mean_ranks(times: Tensor, order: Tensor) -> Tensor:
    """Mean rank of each point in each resample, minus (n + 1) / 2: times (r, n), order (n,) -> (r, n)."""
    r, n = times.shape
    equal = times.new_zeros(r, int(order.max()) + 1).index_add_(1, order, times)
    middle = equal.cumsum(dim=1) - equal / 2 - n / 2
    return middle[:, order]


def _correlation(times: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Weighted correlation of ranks with weighted mean 0: (r, n) each -> (r,); NaN where one is constant."""
    xx, yy, xy = ((times * u * v).sum(dim=1) for u, v in ((x, x), (y, y), (x, y)))
    return xy / (xx * yy).sqrt()


def _column(name: str, values: Tensor) -> Tensor:
    if values.dim() != 1 or len(values) == 0:
        raise ValueError(f"{name} must be (n,) with n at least 1; got {tuple(values.shape)}")
    column = values.detach().cpu().double()
    if 0 < (count := int(column.isnan().sum())) < len(column):
        raise ValueError(
            f"{name} must be numbers to be ranked; {count} of {len(column)} are NaN: leave those points out"
        )
    return column


def _pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.shape != b.shape or len(a) < 2:
        raise ValueError(
            f"a rank correlation needs the same points twice, (n,) each with n >= 2; got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    return _column("a", a), _column("b", b)
