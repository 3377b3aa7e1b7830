"""
Bootstrap intervals of means over pairs, their differences and ratios, and the agreement of two judges.

    theta   = s(mean of each column)
    theta*  = s(mean of each column over n rows drawn with replacement), the same rows for every column
    [low, high] = the (1 - level) / 2 and (1 + level) / 2 quantiles of theta*

A column has one value for each pair. The values of two finders on the same pairs are resampled together, so that differences between pairs cancel. The draws
depend only on the seed and on the number of rows. Where several models were measured on the same pairs, ``metrics.crossed`` gives the intervals.

A column that is NaN for every pair was not measured, as where a judge cannot tell: its figures are NaN, with NaN for both ends of the interval.

Source: Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 13 (percentile interval).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import isnan, nan
from typing import NamedTuple

import torch
from torch import Tensor

LEVEL = 0.95
"""Default nominal coverage of an interval."""

RESAMPLES = 2000
"""Default number of resamples: between seeds, an end of a 95 % interval then varies by 1.5 % of the width."""

_DRAWS = 2**22
"""Number of values gathered at once: 32 MB."""

Statistic = Callable[[Mapping[str, Tensor]], Tensor]
"""Maps the means of the columns, (r,) each by name, to the statistic (r,), element by element."""


@dataclass(frozen=True)
class Interval:
    """
    An estimate and its interval, by the bootstrap unless stated otherwise.

    Attributes:
        value: the statistic of all rows.
        low: lower end of the interval.
        high: upper end of the interval.
        level: nominal coverage of the interval, such as 0.95.
        n: number of pairs.
        models: number of models, trained with different seeds, over which the interval extends (``metrics.crossed``).
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    models: int = 1

    def __format__(self, form: str) -> str:
        """The value and its interval in the given format, such as "0.52 [0.48, 0.57]"."""
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"


def bootstrap(
    statistic: Statistic,
    columns: Mapping[str, Tensor],
    seed: int,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """
    s(mean_i c_i, ...) with the percentile interval of s(mean_i c*_i, ...).

    Where the statistic of a resample is NaN, such as 0 / 0, it may have any value: it counts as -inf for the lower end and as inf for the upper end.

    Args:
        statistic: maps the means of the columns to the statistic; it is called once, with (1 + resamples,) float64 means of each column.
        columns: (n,) values of each column, over the same pairs in the same order; without NaN, or NaN for every pair.
        seed: seed of the resamples.
        level: nominal coverage of the interval.
        resamples: number of resamples.
    """
    rows, names = stacked(columns), list(columns)
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level must be in (0, 1) and resamples at least 1; got {level} and {resamples}")
    if len(rows) < 2:
        raise ValueError(f"a bootstrap needs at least 2 pairs; got {len(rows)}")
    if rows.isnan().any():
        return Interval(nan, nan, nan, level, len(rows))
    means = torch.cat([rows.mean(dim=0, keepdim=True), _resampled_means(rows, seed, resamples)])
    values = statistic(dict(zip(names, means.unbind(dim=1))))
    if values.shape != (1 + resamples,):
        raise ValueError(
            f"a statistic maps means ({1 + resamples},) each to ({1 + resamples},), element by element; "
            f"it returned {tuple(values.shape)}"
        )
    return percentile_interval(float(values[0]), values[1:], level, len(rows))


def bootstrap_independent(
    statistic: Statistic, samples: Mapping[str, Tensor], seed: int, resamples: int = RESAMPLES
) -> Interval:
    """
    s(mean_i c_i, ...) of samples that are independent of each other: each is (n,) with its own n and is resampled by itself.

    The other arguments are those of ``bootstrap``; ``n`` of the interval is the least of the samples.
    """
    means = {}
    for i, (name, values) in enumerate(samples.items()):
        rows = stacked({name: values})
        if len(rows) < 2:
            raise ValueError(f"a bootstrap needs at least 2 values of each sample; got {len(rows)} of '{name}'")
        if rows.isnan().any():
            return Interval(nan, nan, nan, LEVEL, min(len(v) for v in samples.values()))
        means[name] = torch.cat([rows.mean(dim=0), _resampled_means(rows, seed + i, resamples)[:, 0]])
    found = statistic(means)
    return percentile_interval(float(found[0]), found[1:], LEVEL, min(len(v) for v in samples.values()))


def percentile_interval(
    value: float, replicates: Tensor, level: float, n: int, least: float = -torch.inf, most: float = torch.inf
) -> Interval:
    """The interval between quantiles of ``replicates`` (r,), in which NaN counts as ``least`` for the lower end and as ``most`` for the upper end."""
    low, high = (replicates.nan_to_num(nan=v, posinf=torch.inf, neginf=-torch.inf) for v in (least, most))
    tail = (1 - level) / 2
    return Interval(
        value=value,
        low=float(low.quantile(tail, interpolation="lower")),  # outwards, as inf has no midpoint with a number
        high=float(high.quantile(1 - tail, interpolation="higher")),
        level=level,
        n=n,
    )


def bootstrap_mean(values: Tensor, seed: int, resamples: int = RESAMPLES) -> Interval:
    """mean_i v_i with its interval; ``values`` (n,) has one value for each pair, and the other arguments are those of ``bootstrap``."""
    return bootstrap(lambda mean: mean["values"], {"values": values}, seed, resamples=resamples)


def paired_difference(a: Tensor, b: Tensor, seed: int, resamples: int = RESAMPLES) -> Interval:
    """mean_i (a_i - b_i) with its interval; a, b (n,) over the same pairs in the same order; the other arguments are those of ``bootstrap``."""
    return bootstrap(lambda mean: mean["a"] - mean["b"], {"a": a, "b": b}, seed, resamples=resamples)


def bootstrap_ratio(numerator: Tensor, denominator: Tensor, seed: int, resamples: int = RESAMPLES) -> Interval:
    """mean_i a_i / mean_i b_i with its interval, for a, b (n,) over the same pairs; the other arguments are those of ``bootstrap``."""
    if len(denominator) and not denominator.double().mean():
        raise ValueError("the denominator's mean is 0, so the ratio has no value; report the difference instead")
    columns = {"over": numerator, "under": denominator}
    return bootstrap(lambda mean: mean["over"] / mean["under"], columns, seed, resamples=resamples)


class Agreement(NamedTuple):
    """
    The agreement of two judges' rankings.

    Attributes:
        tau: Kendall's tau-b, from -1 (reversed order) to 1 (the same order).
        reversed: pairs of names that the judges order differently, each with the first judge's higher name first.
    """

    tau: float
    reversed: list[tuple[str, str]]


def rank_agreement(a: Mapping[str, float], b: Mapping[str, float]) -> Agreement:
    """
    tau_b = (C - D) / sqrt((C + D + T_a)(C + D + T_b)), with C pairs of names in the same order, D in opposite order, and T tied by one judge only.

    A tie is not a reversal. Tau is NaN where a judge ties all finders, or where there are fewer than two.

    Args:
        a: value of each finder by the first judge.
        b: value of each finder by the second judge, with the same direction of improvement.

    Source: Kendall (1945), The treatment of ties in ranking problems.
    """
    if set(a) != set(b):
        raise ValueError(f"both judges must rank the same finders; only one has {', '.join(sorted(set(a) ^ set(b)))}")
    if undefined := [name for name in a if isnan(a[name]) or isnan(b[name])]:
        raise ValueError(f"a ranking needs a value for every finder; got NaN for {', '.join(undefined)}")
    swapped = []
    for x, y in combinations(a, 2):
        if (a[x] < a[y] and b[x] > b[y]) or (a[x] > a[y] and b[x] < b[y]):
            swapped.append((x, y) if a[x] > a[y] else (y, x))
    if len(set(a.values())) < 2 or len(set(b.values())) < 2:
        return Agreement(nan, swapped)
    from scipy.stats import kendalltau  # takes a second to import

    return Agreement(float(kendalltau(list(a.values()), [b[name] for name in a]).statistic), swapped)


def stacked(columns: Mapping[str, Tensor]) -> Tensor:
    """The columns as float64 (n, columns) on the CPU, after checks; a column is without NaN, or NaN throughout."""
    if not columns:
        raise ValueError("a bootstrap needs at least one column of values")
    shapes = {name: tuple(c.shape) for name, c in columns.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(f"columns must share one shape (n,), the same pairs in the same order; got {shapes}")
    rows = torch.stack([c.detach().cpu().double() for c in columns.values()], dim=1)
    for name, count in zip(columns, rows.isnan().sum(dim=0).tolist()):
        if 0 < count < len(rows):
            raise ValueError(
                f"'{name}' is NaN for {count} of {len(rows)} pairs; a mean over them has no value: "
                f"drop those pairs from every column and report how many"
            )
    return rows


def _resampled_means(rows: Tensor, seed: int, resamples: int) -> Tensor:
    """Means of the columns over n rows drawn with replacement: (resamples, columns)."""
    n, columns = rows.shape
    generator = torch.Generator().manual_seed(seed)
    means = rows.new_empty(resamples, columns)
    for part in means.split(max(1, _DRAWS // (n * columns))):
        part.copy_(rows[torch.randint(n, (len(part), n), generator=generator)].sum(dim=1) / n)
    return means
