"""
Intervals by the bootstrap (Efron 1979), and whether two judges agree on an order.

One function resamples: ``bootstrap`` maps means of per-pair columns to a number, over and over on pairs drawn with replacement. Means,
paired differences and ratios of means are statistics of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

Statistic = Callable[[Mapping[str, Tensor]], Tensor]
"""Means of named columns, each of any one shape, to values of that shape."""


@dataclass(frozen=True)
class Interval:
    """A value with its percentile interval at ``level``, over ``n`` pairs."""

    value: float
    low: float
    high: float
    level: float
    n: int


def bootstrap(
    statistic: Statistic, columns: Mapping[str, Tensor], seed: int, level: float = 0.95, resamples: int = 2000, groups: Tensor | None = None
) -> Interval:
    """
    statistic(means of the columns), with a percentile interval over resampled pairs.

    Args:
        statistic: elementwise in its arguments' means, such as a difference or a ratio.
        columns: (n,) each, over the same pairs; all are resampled together.
        seed: of the resampling.
        level: coverage of the interval.
        resamples: number of resamplings.
        groups: (n,) ids; whole groups are resampled, for rows that are not independent (several runs on one pair).

    Raises:
        ValueError: for columns that are empty, of different length, or hold NaN.
    """
    lengths = {name: len(c) for name, c in columns.items()}
    if len(set(lengths.values())) != 1 or min(lengths.values()) < 1:
        raise ValueError(f"columns must be (n,) with one n >= 1; got lengths {lengths}")
    table = torch.stack([c.double().cpu() for c in columns.values()])
    bad = table.isnan().any(dim=1)
    if bad.any():
        name = list(columns)[int(bad.nonzero()[0])]
        raise ValueError(f"column '{name}' holds {int(table[bad][0].isnan().sum())} NaN of {table.shape[1]}; leave those pairs out of every column")
    ids = torch.arange(table.shape[1]) if groups is None else groups.cpu().unique(return_inverse=True)[1]
    m = int(ids.max()) + 1
    # a resampling is how often each group was drawn: its means follow from the groups' sums and sizes
    sums = torch.zeros(len(table), m, dtype=torch.float64).index_add_(1, ids, table)
    sizes = torch.zeros(m, dtype=torch.float64).index_add_(0, ids, torch.ones(len(ids), dtype=torch.float64))
    generator = torch.Generator().manual_seed(seed)
    picked = torch.randint(m, (resamples, m), generator=generator)
    counts = torch.zeros(resamples, m, dtype=torch.float64).scatter_add_(1, picked, torch.ones_like(picked, dtype=torch.float64))
    means = (counts @ sums.T) / (counts @ sizes)[:, None]
    values = statistic(dict(zip(columns, means.T)))
    finite = values[values.isfinite()]  # a ratio whose denominator was resampled to 0 says nothing
    edge = (1 - level) / 2
    low, high = finite.quantile(torch.tensor([edge, 1 - edge], dtype=torch.float64)).tolist() if len(finite) else (float("nan"), float("nan"))
    value = float(statistic(dict(zip(columns, table.mean(dim=1)))))
    return Interval(value, low, high, level, table.shape[1])


def bootstrap_mean(values: Tensor, seed: int, level: float = 0.95, resamples: int = 2000, groups: Tensor | None = None) -> Interval:
    """The mean of (n,) values with its interval."""
    return bootstrap(lambda means: means["value"], {"value": values}, seed, level, resamples, groups)


def paired_difference(a: Tensor, b: Tensor, seed: int, level: float = 0.95, resamples: int = 2000, groups: Tensor | None = None) -> Interval:
    """mean(a - b) over the same pairs, (n,) each, with its interval."""
    return bootstrap(lambda means: means["a"] - means["b"], {"a": a, "b": b}, seed, level, resamples, groups)


def rank_agreement(a: Mapping[str, float], b: Mapping[str, float]) -> tuple[float, list[tuple[str, str]]]:
    """
    Kendall's tau-b of two judges' values for the same things, and the pairs of things that they put in opposite orders.

    tau is nan where a judge gives all things one value.
    """
    if set(a) != set(b) or len(a) < 2:
        raise ValueError(f"both judges must rank the same things, at least two; got {sorted(a)} and {sorted(b)}")
    from scipy.stats import kendalltau

    names = list(a)
    tau = float(kendalltau([a[n] for n in names], [b[n] for n in names]).statistic)
    return tau, [(m, n) for m, n in combinations(names, 2) if (a[m] - a[n]) * (b[m] - b[n]) < 0]
