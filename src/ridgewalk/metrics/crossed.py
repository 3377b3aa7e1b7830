"""
Intervals of means over pairs that were measured in each of several models, trained with different seeds.

    y_sp = mu + a_s + b_p + e_sp                      s = 1 .. S models, p = 1 .. P pairs, the same pairs in every model
    M_S = P sum_s (y_s. - y)^2 / (S - 1)              mean squares of the models,
    M_P = S sum_p (y_.p - y)^2 / (P - 1)              of the pairs,
    M_E = sum_sp (y_sp - y_s. - y_.p + y)^2           and of what is left, over (S - 1) (P - 1)
    var(y) = E[M_S + M_P - M_E] / (S P)
    h^2 = (t_{S-1}^2 M_S + t_{P-1}^2 max(M_P - M_E, 0)) / (S P)
    [low, high] = [y - h, y + h]                      t_f: the (1 + level) / 2 quantile of Student's law with f degrees of freedom

Each part has the quantile of its own degrees of freedom, so that the interval covers at least as often as its level also where two or five models tell
little of their spread (by simulation 0.94 to 0.99). It is of the mean over models and pairs that might have been drawn, and therefore contains what another
seed of the training would change. A function of several means is linearised: y_sp is the sum over columns of its derivative times the column. Resampling
pairs alone leaves the seeds out, and resampling five models underestimates their spread.

Source: Banerjee (1961), On confidence interval for two-means problem based on separate estimates of variances and tabulated
values of t-table; Searle, Casella and McCulloch (1992), Variance components, chapter 4 (the crossed design with two random factors).
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ridgewalk.metrics import statistics
from ridgewalk.metrics.statistics import LEVEL, Interval, Statistic


def estimate(
    statistic: Statistic, columns: Mapping[str, Tensor], seed: int, models: int = 1, level: float = LEVEL
) -> Interval:
    """
    s(mean of each column) with its interval: over models and pairs, or by the bootstrap over pairs where there is one model.

    Args:
        statistic: maps the means of the columns, (r,) float64 each by name, to the statistic (r,), element by element, differentiably.
        columns: (S P,) values by name, without NaN or NaN throughout: the P pairs of the first model, then the same pairs of the second, and so on.
        seed: seed of the bootstrap, for one model.
        models: number S of models.
        level: nominal coverage of the interval.

    Raises:
        ValueError: for values that are not ``models`` blocks of at least 2 pairs each.
    """
    if models == 1:
        return statistics.bootstrap(statistic, columns, seed, level)
    rows = statistics.stacked(columns)
    pairs, rest = divmod(len(rows), models)
    if models < 1 or rest or pairs < 2:
        raise ValueError(
            f"an interval over models and pairs needs the same pairs, at least 2, of each model; got {len(rows)} values of {models} models"
        )
    if rows.isnan().any():
        return Interval(math.nan, math.nan, math.nan, level, pairs, models)
    means = rows.mean(dim=0).requires_grad_()
    value = statistic(dict(zip(columns, means[None].unbind(dim=1))))
    (slopes,) = torch.autograd.grad(value.sum(), means)
    if not bool(value.isfinite().all() & slopes.isfinite().all()):
        return Interval(float(value.detach()), -math.inf, math.inf, level, pairs, models)
    linear = (rows @ slopes).view(models, pairs)
    half, middle = _half_width(linear, level), float(value.detach())
    return Interval(middle, middle - half, middle + half, level, pairs, models)


def estimate_mean(values: Tensor, seed: int, models: int = 1, share: bool = False) -> Interval:
    """
    The mean of values (S P,) with its interval; ``seed`` and ``models`` are those of ``estimate``.

    Where values are shares, which lie in [0, 1], the interval is cut off there: that of Student's law knows no bounds.
    """
    found = estimate(lambda mean: mean["values"], {"values": values}, seed, models)
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0)) if share else found


def estimate_difference(a: Tensor, b: Tensor, seed: int, models: int = 1) -> Interval:
    """The mean of a - b, (S P,) each over the same models and pairs, with its interval; the other arguments are those of ``estimate``."""
    return estimate(lambda mean: mean["a"] - mean["b"], {"a": a, "b": b}, seed, models)


def _half_width(y: Tensor, level: float) -> float:
    """H of values (S, P)."""
    from scipy.stats import t  # takes a second to import

    s, p = y.shape
    by_model, by_pair, mean = y.mean(dim=1, keepdim=True), y.mean(dim=0, keepdim=True), y.mean()
    of_models = float(p * (by_model - mean).square().sum() / (s - 1))
    of_pairs = float(s * (by_pair - mean).square().sum() / (p - 1))
    left = float((y - by_model - by_pair + mean).square().sum() / ((s - 1) * (p - 1)))
    parts = (s - 1, of_models), (p - 1, max(of_pairs - left, 0.0))
    return math.sqrt(sum(float(t.ppf((1 + level) / 2, freedom)) ** 2 * square / (s * p) for freedom, square in parts))
