"""
Misalignment: whether the points that a discriminator calls plausible decode to something real.

A discriminator's logit l says how plausible a point is, and judges say how real its decoding is. With the probability of the data's side

    e = sigmoid(l) of a detector (positive: encoded, real, data),  sigmoid(-l) of a matcher (positive: prior),

a *reading* of the logit gives each point a quality q, the higher the better, and says which points are ideal:

                 of           q       ideal
    undecided    a matcher    -|l|    |e - 1/2| <= band    encoded data and prior are equally dense
    ratio        a matcher    -l      e > 1/2 + band       encoded data are denser
    ratio        a detector   l       e > 1/2 + band       data are denser than what it was trained against

``undecided`` is the reading of the authors of the stochastic gradient walk. The band divides the scores in three: undecided, the data's
side, the other side. The two readings of a matcher come from one logit and have no ideal point in common. For each reading and group of
points these are measured, with intervals over points:

    correlation      Spearman's correlation of q with each judge's realism, and with the judges' mean rank
    unreal if ideal  share of the ideal points whose decoding the judge does not take for real, by each judge and their mean
    unreal           the same share of all points of the group
    over encoded     unreal if ideal, less unreal among reconstructions of encodings, of which a judge calls some unreal too
    over all         unreal if ideal, less unreal of the same group: 0 where being ideal says nothing

The group ``all`` pools the other groups: its figures depend on how many points each of them has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import torch
from torch import Tensor

from ridgewalk.judging.judges import Judge
from ridgewalk.metrics.ranks import bootstrap_spearman, ranks
from ridgewalk.metrics.statistics import Interval, bootstrap, bootstrap_mean
from ridgewalk.models.discriminators import ON_DATA, Discriminator
from ridgewalk.path import chunked

BAND = 0.1
"""Largest distance from 1/2 of an undecided score, where no band is given."""

LEAST = 10
"""Smallest number of points of a group, and of ideal points for which a share is measured."""

BASELINE = "encoded"
"""The group whose decodings are reconstructions of real images."""

POOLED = "all"
MEAN = "mean"


Intervals = Mapping[str, Interval | None]
"""Intervals by judge, and of the judges' mean under ``mean``; None where there are too few points."""


@dataclass(frozen=True, eq=False)
class GradedPoints:
    """
    Points, and how real each judge finds their decodings.

    Attributes:
        groups: latents (n, *) by the group's name, ``encoded`` among them.
        realism: (n,) by judge and group: its logit less its threshold; NaN where the judge cannot tell.
        real: (n,) float64 of 0 and 1 by judge and group; NaN where the judge cannot tell.
    """

    groups: Mapping[str, Tensor]
    realism: Mapping[str, Mapping[str, Tensor]]
    real: Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class LogitReading:
    """
    One reading of a discriminator's logit, measured against the judges. Every mapping is by group, ``all`` included.

    Attributes:
        name: ``undecided`` or ``ratio``.
        span: the smallest and the largest e that is ideal.
        ideal: number of ideal points.
        correlation: rank correlation of q with realism.
        unreal: share of the ideal points that are unreal.
        over_encoded: ``unreal`` less the share of unreal images among all reconstructions of encodings.
        over_all: ``unreal`` less the share of unreal images among all points of the group.
    """

    name: str
    span: tuple[float, float]
    ideal: Mapping[str, int]
    correlation: Mapping[str, Intervals]
    unreal: Mapping[str, Intervals]
    over_encoded: Mapping[str, Intervals]
    over_all: Mapping[str, Intervals]


@dataclass(frozen=True, eq=False)
class Misalignment:
    """
    One discriminator measured against the judges.

    Attributes:
        name: name of the sensor.
        positive: the class whose logit it returns.
        band: largest distance from 1/2 of an undecided score.
        points: number of points by group, ``all`` included.
        logits: logits (n,) by group.
        graded: the points with the judges' grades.
        unreal: share of unreal decodings among all points, by group and judge.
        readings: the readings of its logit; a discriminator that was trained against the prior has two, ``undecided`` first.
        sentence: the figures of the first reading in words.
    """

    name: str
    positive: str
    band: float
    points: Mapping[str, int]
    logits: Mapping[str, Tensor]
    graded: GradedPoints
    unreal: Mapping[str, Intervals]
    readings: Sequence[LogitReading]
    sentence: str

    def figures(self) -> dict[str, object]:
        """All figures for JSON, each [value, low, high], or None where it was not measured."""
        return {
            "positive": self.positive,
            "band": self.band,
            "points": dict(self.points),
            "unreal": _plain(self.unreal),
            "readings": {
                r.name: {
                    "span": list(r.span),
                    "ideal": dict(r.ideal),
                    "correlation": _plain(r.correlation),
                    "unreal": _plain(r.unreal),
                    "over_encoded": _plain(r.over_encoded),
                    "over_all": _plain(r.over_all),
                }
                for r in self.readings
            },
            "sentence": self.sentence,
        }


def grade(groups: Mapping[str, Tensor], decode: Callable[[Tensor], Tensor], judges: Sequence[Judge]) -> GradedPoints:
    """
    Decodes points and lets the judges grade the decodings, once for all discriminators that are compared with the grades.

    Args:
        groups: latents (n, *) by name, ``encoded`` (codes of real held-out images) among them; at least ``LEAST`` each.
        decode: latents to images (n, c, h, w) in [0, 1].
        judges: their reference images must be none of those that the latents were encoded from.
    """
    if BASELINE not in groups or {POOLED, MEAN} & set(groups):
        raise ValueError(
            f"groups of points need '{BASELINE}' as the baseline, and none may be called '{POOLED}'; got {', '.join(groups)}"
        )
    if few := {name: len(z) for name, z in groups.items() if len(z) < LEAST}:
        raise ValueError(
            f"a group needs at least {LEAST} points to be measured; got {', '.join(f'{k}: {n}' for k, n in few.items())}"
        )
    if not judges:
        raise ValueError("misalignment is measured against judges; pass at least one")
    realism: dict[str, dict[str, Tensor]] = {j.name: {} for j in judges}
    real: dict[str, dict[str, Tensor]] = {j.name: {} for j in judges}
    for group, z in groups.items():
        images = chunked(decode, z).cpu()
        for j in judges:
            grades = j.grades(images)
            realism[j.name][group], real[j.name][group] = grades.margin, grades.real
    return GradedPoints(groups, realism, real)


def compare(
    name: str,
    discriminator: Discriminator,
    graded: GradedPoints,
    seed: int,
    band: float = BAND,
    undecided: bool | None = None,
) -> Misalignment:
    """
    Measures one discriminator against the judges' grades.

    Args:
        name: name of the sensor.
        discriminator: returns logits of latents, positive for ``prior`` (a matcher) or ``encoded``, ``real``, ``data`` (a detector).
        graded: the points with the judges' grades, from ``grade``.
        seed: seed of the bootstrap.
        band: largest distance from 1/2 of an undecided score, in (0, 1/2).
        undecided: whether the reading ``undecided`` is measured too; None means where the discriminator is positive for ``prior``.
    """
    _check(discriminator.positive, band)
    logits = {g: chunked(discriminator, z).cpu().double() for g, z in graded.groups.items()}
    pooled = _Pooled(graded, seed)
    data_logit = discriminator.data_sign * torch.cat(list(logits.values()))
    e = data_logit.sigmoid()
    readings = [pooled.reading("ratio", (0.5 + band, 1.0), data_logit, e > 0.5 + band)]
    if discriminator.data_sign < 0 if undecided is None else undecided:
        span = (0.5 - band, 0.5 + band)
        readings.insert(0, pooled.reading("undecided", span, -data_logit.abs(), (e - 0.5).abs() <= band))
    unreal = {
        g: {judge: bootstrap_mean(column[rows], seed) for judge, column in pooled.unreal.items()}
        for g, rows in pooled.rows.items()
    }
    points = {g: int(rows.sum()) for g, rows in pooled.rows.items()}
    sentence = _sentence(name, band, points, unreal, readings)
    return Misalignment(name, discriminator.positive, band, points, logits, graded, unreal, readings, sentence)


class _Pooled:
    """The points of all groups, one after another, with the judges' grades."""

    def __init__(self, graded: GradedPoints, seed: int) -> None:
        sizes = {g: len(z) for g, z in graded.groups.items()}
        group = torch.arange(len(sizes)).repeat_interleave(torch.tensor(list(sizes.values())))
        self.seed = seed
        self.rows = {g: group == i for i, g in enumerate(sizes)} | {POOLED: torch.ones_like(group, dtype=torch.bool)}
        self.realism = {j: torch.cat([v[g] for g in sizes]).double() for j, v in graded.realism.items()}
        self.unreal = {j: 1 - torch.cat([v[g] for g in sizes]).double() for j, v in graded.real.items()}
        self.unreal[MEAN] = torch.stack(list(self.unreal.values())).mean(dim=0)

    def reading(self, name: str, span: tuple[float, float], quality: Tensor, ideal: Tensor) -> LogitReading:
        """Measures a reading, from the quality (n,) of all points and whether each is ideal (n,)."""
        groups, judges = self.rows, list(self.unreal)
        return LogitReading(
            name,
            span,
            {g: int((ideal & rows).sum()) for g, rows in groups.items()},
            {g: self._correlations(quality, rows) for g, rows in groups.items()},
            {g: {j: self._share(j, ideal & rows) for j in judges} for g, rows in groups.items()},
            {g: {j: self._excess(j, ideal & rows, groups[BASELINE]) for j in judges} for g, rows in groups.items()},
            {g: {j: self._excess(j, ideal & rows, rows) for j in judges} for g, rows in groups.items()},
        )

    def _correlations(self, quality: Tensor, rows: Tensor) -> Intervals:
        """Rank correlations with each judge's realism, and under ``mean`` with the judges' mean rank within the group."""
        by_judge = {j: realism[rows] for j, realism in self.realism.items()}
        by_judge[MEAN] = torch.stack([ranks(v) for v in by_judge.values()]).mean(dim=0)
        return {j: bootstrap_spearman(quality[rows], v, self.seed) for j, v in by_judge.items()}

    def _share(self, judge: str, ideal: Tensor) -> Interval | None:
        """The share of ideal points that are unreal; the bootstrap draws among the ideal points."""
        return bootstrap_mean(self.unreal[judge][ideal], self.seed) if ideal.sum() >= LEAST else None

    def _excess(self, judge: str, ideal: Tensor, others: Tensor) -> Interval | None:
        """The unreal share of the ideal points less that of others; both are resampled together, as they may have points in common."""
        if ideal.sum() < LEAST:
            return None
        either = ideal | others
        unreal, first, second = self.unreal[judge][either], ideal[either].double(), others[either].double()
        return bootstrap(
            lambda mean: mean["unreal ideal"] / mean["ideal"] - mean["unreal others"] / mean["others"],
            {"unreal ideal": unreal * first, "ideal": first, "unreal others": unreal * second, "others": second},
            self.seed,
        )


def _check(positive: str, band: float) -> None:
    """Raises ValueError for a band or a positive class that has no reading."""
    if not 0 < band < 0.5:
        raise ValueError(f"band is the largest distance from 1/2 of an undecided score, 0 < band < 0.5; got {band}")
    if positive != "prior" and positive not in ON_DATA:
        raise ValueError(
            f"a discriminator must be positive for 'prior', 'encoded', 'real' or 'data' to be compared with judges; this one is positive for '{positive}'"
        )


def _sentence(
    name: str, band: float, points: Mapping[str, int], unreal: Mapping[str, Intervals], readings: Sequence[LogitReading]
) -> str:
    first, n = readings[0], points[POOLED]
    rule = (
        f"a score within {band:g} of 1/2"
        if first.name == "undecided"
        else f"a score of more than {0.5 + band:g} for the data's side"
    )
    share = first.unreal[POOLED][MEAN]
    base = f"all points {_percent(unreal[POOLED][MEAN])}, of reconstructions {_percent(unreal[BASELINE][MEAN])}"
    text = (
        f"{name} gives {first.ideal[POOLED]} of {n} points {rule}, which is said to be ideal: too few to say how many are unreal"
        if share is None
        else f"{name} gives {first.ideal[POOLED]} of {n} points {rule}, which is said to be ideal: {_percent(share)} of these are unreal to the judges, "
        f"of {base}"
    )
    quality = {"undecided": "closeness to 1/2", "ratio": "its density ratio"}
    rho = [f"{_number(r.correlation[POOLED][MEAN])} with {quality[r.name]}" for r in readings]
    return f"{text}. Rank correlations of how real points are to the judges: {', '.join(rho)}."


def _percent(interval: Interval | None) -> str:
    return (
        "—"
        if interval is None or isnan(interval.value)
        else f"{interval.value:.0%} [{interval.low:.0%}, {interval.high:.0%}]"
    )


def _number(interval: Interval | None) -> str:
    if interval is None or isnan(interval.value):
        return "undefined"
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _plain(intervals: Mapping[str, Intervals]) -> dict[str, dict[str, list[float] | None]]:
    return {
        g: {j: None if i is None or isnan(i.value) else [i.value, i.low, i.high] for j, i in by_judge.items()}
        for g, by_judge in intervals.items()
    }
