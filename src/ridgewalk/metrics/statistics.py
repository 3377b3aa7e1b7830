"""
Intervals of means over pairs, differences and ratios by the bootstrap, and how far two judges agree.

    theta   = s(mean of each column)
    theta*  = s(mean of each column over n rows drawn with replacement), the same rows for every column
    [low, high] = the (1 - level) / 2 and (1 + level) / 2 quantiles of theta*

Columns are values by pair: what two finders did on the same pairs is resampled together, so that hard and easy pairs
cancel. With ``groups``, whole groups of rows are drawn: the runs of one pair, or pairs that share an image, are no
independent evidence. Draws depend on the seed and the number of rows or groups alone.

Source: Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 13 (percentile interval); Davison and
Hinkley (1997), Bootstrap methods and their application, section 3.8 (groups).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import isnan, nan
from typing import NamedTuple

import torch
from torch import Tensor

LEVEL = 0.95
"""Coverage of an interval where no level is given."""

RESAMPLES = 2000
"""Resamples where no number is given: an end of a 95 % interval then varies between seeds by 1.5 % of the width."""

_DRAWS = 2**22
"""Values gathered at once: 32 MB."""

Statistic = Callable[[Mapping[str, Tensor]], Tensor]
"""Maps the means of the columns, (r,) each by name, to the statistic, (r,): element by element."""


@dataclass(frozen=True)
class Interval:
    """
    An estimate and its interval, by the bootstrap where nothing else is said.

    Attributes:
        value: the statistic of all rows.
        low: end of the interval.
        high: end of the interval.
        level: its nominal coverage, such as 0.95.
        n: what was resampled: the number of rows, or of groups where there are any.
    """

    value: float
    low: float
    high: float
    level: float
    n: int

    def __format__(self, form: str) -> str:
        """The value and its interval, each by ``form``: "0.52 [0.48, 0.57]"."""
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"


def bootstrap(
    statistic: Statistic,
    columns: Mapping[str, Tensor],
    seed: int,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    groups: Tensor | None = None,
) -> Interval:
    """
    s(mean_i c_i, ...) with the percentile interval of s(mean_i c*_i, ...).

    Args:
        statistic: maps the columns' means to the statistic; it is called once, with (1 + resamples,) of each, in float64.
        columns: (n,) each by name, over the same pairs in the same order; no NaN. Computed in float64.
        seed: seed of the draws.
        level: nominal coverage.
        resamples: number of resamples.
        groups: (n,) integer ids; rows with one id are drawn together.

    Where the statistic is undefined on a resample (NaN, such as 0 / 0), that resample might lie anywhere: it counts as
    -inf for the low end and as inf for the high one.
    """
    rows, names = _rows(columns), list(columns)
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"level must be in (0, 1) and resamples at least 1; got {level} and {resamples}")
    sums, sizes = _units(rows, groups)
    if len(sizes) < 2:
        raise ValueError(f"a bootstrap needs at least 2 {'pairs' if groups is None else 'groups'}; got {len(sizes)}")
    means = torch.cat([rows.mean(dim=0, keepdim=True), _resampled_means(sums, sizes, seed, resamples)])
    values = statistic(dict(zip(names, means.unbind(dim=1))))
    if values.shape != (1 + resamples,):
        raise ValueError(
            f"a statistic maps means ({1 + resamples},) each to ({1 + resamples},), element by element; "
            f"it returned {tuple(values.shape)}"
        )
    replicates, tail = values[1:], (1 - level) / 2
    low = replicates.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    high = replicates.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
    return Interval(
        value=float(values[0]),
        low=float(low.quantile(tail, interpolation="lower")),  # outwards: between a number and inf there is no middle
        high=float(high.quantile(1 - tail, interpolation="higher")),
        level=level,
        n=len(sizes),
    )


def bootstrap_mean(
    values: Tensor, seed: int, level: float = LEVEL, resamples: int = RESAMPLES, groups: Tensor | None = None
) -> Interval:
    """mean_i v_i with its interval; ``values`` (n,), one a pair; for the other arguments see ``bootstrap``."""
    return bootstrap(lambda mean: mean["values"], {"values": values}, seed, level, resamples, groups)


def paired_difference(
    a: Tensor, b: Tensor, seed: int, level: float = LEVEL, resamples: int = RESAMPLES, groups: Tensor | None = None
) -> Interval:
    """mean_i (a_i - b_i) with its interval; a, b (n,) over the same pairs in the same order; see ``bootstrap``."""
    return bootstrap(lambda mean: mean["a"] - mean["b"], {"a": a, "b": b}, seed, level, resamples, groups)


def bootstrap_ratio(
    numerator: Tensor,
    denominator: Tensor,
    seed: int,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    groups: Tensor | None = None,
) -> Interval:
    """
    mean_i a_i / mean_i b_i with its interval, such as a finder's share of wholly real paths over LERP's.

    Args:
        numerator: (n,).
        denominator: (n,) over the same pairs; its mean must not be 0.
        seed: seed of the draws.
        level: nominal coverage.
        resamples: number of resamples.
        groups: (n,) integer ids; rows with one id are drawn together.
    """
    if len(denominator) and not denominator.double().mean():
        raise ValueError("the denominator's mean is 0, so the ratio has no value; report the difference instead")
    columns = {"over": numerator, "under": denominator}
    return bootstrap(lambda mean: mean["over"] / mean["under"], columns, seed, level, resamples, groups)


def gap_closed(value: float, floor: float, ceiling: float) -> float:
    """
    (value - floor) / (ceiling - floor), the share of a gap that is closed: 0 at the floor, 1 at the ceiling.

    Args:
        value: a finder's figure.
        floor: LERP's.
        ceiling: the reconstructions', what the decoder can do. It lies below the floor where less is better.
    """
    if ceiling == floor:
        raise ValueError(
            f"floor and ceiling are both {floor}, so there is no gap to close; report the difference instead"
        )
    return (value - floor) / (ceiling - floor)


class Agreement(NamedTuple):
    """
    How two judges' rankings agree.

    Attributes:
        tau: Kendall's tau-b, from -1 (reversed) to 1 (the same order).
        reversed: the pairs of names that they order differently, each with the first judge's higher one first.
    """

    tau: float
    reversed: list[tuple[str, str]]


def rank_agreement(a: Mapping[str, float], b: Mapping[str, float]) -> Agreement:
    """
    tau_b = (C - D) / sqrt((C + D + T_a)(C + D + T_b)): C pairs of names ordered alike, D reversed, T tied by one judge.

    Args:
        a: figure by finder, by the first judge.
        b: the same finders' by the second; the same direction is better.

    A tie is no reversal. Tau is NaN where a judge ties all finders, or where there are fewer than two.

    Source: Kendall (1945), The treatment of ties in ranking problems.
    """
    if set(a) != set(b):
        raise ValueError(f"both judges must rank the same finders; only one has {', '.join(sorted(set(a) ^ set(b)))}")
    if undefined := [name for name in a if isnan(a[name]) or isnan(b[name])]:
        raise ValueError(f"a ranking needs a figure of every finder; NaN for {', '.join(undefined)}")
    swapped = []
    for x, y in combinations(a, 2):
        if (a[x] < a[y] and b[x] > b[y]) or (a[x] > a[y] and b[x] < b[y]):
            swapped.append((x, y) if a[x] > a[y] else (y, x))
    if len(set(a.values())) < 2 or len(set(b.values())) < 2:
        return Agreement(nan, swapped)
    from scipy.stats import kendalltau  # takes a second to import

    return Agreement(float(kendalltau(list(a.values()), [b[name] for name in a]).statistic), swapped)


def _rows(columns: Mapping[str, Tensor]) -> Tensor:
    """The columns side by side in float64 on the CPU: (n, columns)."""
    if not columns:
        raise ValueError("a bootstrap needs at least one column of values")
    shapes = {name: tuple(c.shape) for name, c in columns.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(f"columns must share one shape (n,), the same pairs in the same order; got {shapes}")
    rows = torch.stack([c.detach().cpu().double() for c in columns.values()], dim=1)
    for name, count in zip(columns, rows.isnan().sum(dim=0).tolist()):
        if count:
            raise ValueError(
                f"'{name}' is NaN for {count} of {len(rows)} pairs; a mean over them has no value: "
                f"drop those pairs from every column, and say how many"
            )
    return rows


def _units(rows: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sums and sizes of what is drawn, rows or groups of them: (u, columns), (u,)."""
    if groups is None:
        return rows, torch.ones(len(rows), dtype=rows.dtype)
    if groups.shape != rows.shape[:1] or groups.is_floating_point():
        raise ValueError(
            f"groups must be integers ({len(rows)},), an id a pair; got {groups.dtype} {tuple(groups.shape)}"
        )
    _, ids, sizes = groups.detach().cpu().unique(return_inverse=True, return_counts=True)
    return torch.zeros(len(sizes), rows.shape[1], dtype=rows.dtype).index_add(0, ids, rows), sizes.to(rows.dtype)


def _resampled_means(sums: Tensor, sizes: Tensor, seed: int, resamples: int) -> Tensor:
    """Means of the columns over u units drawn with replacement, each with all its rows: (resamples, columns)."""
    u, columns = sums.shape
    generator = torch.Generator().manual_seed(seed)
    means = sums.new_empty(resamples, columns)
    for part in means.split(max(1, _DRAWS // (u * columns))):
        drawn = torch.randint(u, (len(part), u), generator=generator)
        part.copy_(sums[drawn].sum(dim=1) / sizes[drawn].sum(dim=1, keepdim=True))
    return means
