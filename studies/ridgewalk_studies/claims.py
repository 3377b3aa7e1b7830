"""
A claim is data, and one function judges it.

A claim consists of criteria. A criterion states where a figure must lie, and how that is decided:

    above t, below t        beyond the threshold; "at least" and "at most" include it
    within m of t           no further than m from the target t
    settled by an interval  the whole interval must lie there; the criterion does not hold if the whole interval lies elsewhere, otherwise it is undecided
    settled by the value    the value decides: for closed forms, and for figures that the source states without an interval

An interval of fewer than ``least`` points, pairs or images leaves a criterion undecided, and so does a figure that is not a number. A number without an
interval leaves a criterion undecided that an interval must settle.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf, isnan
from typing import Any, Literal, get_args

from ridgewalk.metrics.statistics import LEVEL, Interval

Direction = Literal["above", "below", "at least", "at most", "within"]
Fate = Literal["held", "held in part", "did not hold", "undecided"]

FATES: tuple[Fate, ...] = get_args(Fate)
"""The possible results of judging a claim."""

LEAST = 50
"""The least number of points, pairs or images of a figure that settles a claim."""

SEEDS = 2
"""The least number of values of Student's interval over seeds, which is wider the fewer there are."""


Measured = float | Interval | Sequence[float] | Sequence[Interval]
"""One figure, or several that must all fulfil a criterion, such as one for each seed."""


@dataclass(frozen=True)
class Criterion:
    """
    Where one figure must lie.

    Attributes:
        metric: The compared quantity, in words, with its unit.
        direction: The side of the threshold on which the figure must lie; "within" for a distance from ``target``.
        threshold: the figure's bound, or with "within" the largest distance.
        target: The value from which the distance is taken, with "within".
        part: a weaker threshold; a figure that passes it alone holds in part.
        refuted: The threshold beyond which the criterion does not hold; ``part``, or else ``threshold``, by default.
        settled_by: whether an interval must settle it, or the value decides.
        least: The least number of points, pairs or images of an interval.
    """

    metric: str
    direction: Direction
    threshold: float
    target: float = 0.0
    part: float | None = None
    refuted: float | None = None
    settled_by: Literal["interval", "value"] = "interval"
    least: int = LEAST

    @property
    def condition(self) -> str:
        """The criterion in words."""
        if isinf(self.threshold) and self.part is not None:
            return f"{self.metric} {self.direction} {self.part:g}, which holds in part only"
        if isinf(self.threshold):
            return f"{self.metric} cannot confirm it, and refutes it where it is not {self.direction} {self.refuted:g}"
        side = f"{self.direction} {self.threshold:g}" + (f" of {self.target:g}" if self.direction == "within" else "")
        return f"{self.metric} {side}" + (f" (in part {self.direction} {self.part:g})" if self.part is not None else "")

    def judge(self, measured: Measured) -> Fate:
        """Returns the fate of a figure, or of several: the common fate if all agree, "held in part" if some hold, otherwise undecided."""
        if isinstance(measured, Sequence):
            return combine_fates([self.judge(one) for one in measured])
        if isinstance(measured, float | int):
            return "undecided" if self.settled_by == "interval" else self._place(measured, measured)
        if measured.n < self.least:
            return "undecided"
        if self.settled_by == "value":
            return self._place(measured.value, measured.value)
        # a percentile interval may miss its own value: a correlation near 1 resamples lower
        return self._place(min(measured.low, measured.value), max(measured.high, measured.value))

    def _place(self, low: float, high: float) -> Fate:
        """Judges an interval, or a value as an interval of width 0; signs are changed so that higher is better."""
        if isnan(low) or isnan(high):
            return "undecided"
        if self.direction == "within":
            ends = abs(low - self.target), abs(high - self.target)
            low, high = 0.0 if low <= self.target <= high else min(ends), max(ends)
        sign = 1.0 if self.direction in ("above", "at least") else -1.0
        worst, best = (low, high) if sign > 0 else (-high, -low)
        part = self.threshold if self.part is None else self.part
        refuted = part if self.refuted is None else self.refuted

        def passes(end: float, threshold: float) -> bool:
            return end >= sign * threshold if self.direction in ("at least", "at most") else end > sign * threshold

        if passes(worst, self.threshold):
            return "held"
        if self.part is not None and passes(worst, part):
            return "held in part"
        beyond = best < sign * refuted if worst < best or self.settled_by == "interval" else not passes(best, refuted)
        return "did not hold" if beyond else "undecided"


def by_value(metric: str, direction: Direction, threshold: float, **more: float) -> Criterion:
    """A criterion that the value decides, without an interval; ``more`` are ``target``, ``part`` and ``refuted``."""
    return Criterion(metric, direction, threshold, settled_by="value", **more)  # type: ignore[arg-type]


def combine_fates(fates: Sequence[Fate]) -> Fate:
    """Returns one fate for several: the common one if all agree, "held in part" if some hold, otherwise undecided."""
    if len(set(fates)) == 1:
        return fates[0]
    return "held in part" if {"held", "held in part"} & set(fates) else "undecided"


@dataclass(frozen=True)
class Claim:
    """
    A statement of a source, and the measurements under which it holds.

    Attributes:
        statement: the claim, in a sentence.
        source: the paper or document that makes it, by title and year; empty for a question of this project's own.
        criteria: The criteria, at least one.
        rule: "all" of the criteria must hold, and one that does not refutes the claim; where "some" hold, the claim holds in part; the "first"
            decides, and the others decide whether the claim holds whole or in part; with "weaker" a second, weaker criterion decides whether
            it holds in part where the first does not.
    """

    statement: str
    source: str
    criteria: tuple[Criterion, ...]
    rule: Literal["all", "some", "first", "weaker"] = "all"

    def __post_init__(self) -> None:
        if not self.statement.strip() or not self.criteria:
            raise ValueError(
                f"a claim needs a statement and a criterion; got '{self.statement}' and {len(self.criteria)} criteria"
            )

    @property
    def condition(self) -> str:
        """What makes the claim hold, in words."""
        first, *others = (c.condition for c in self.criteria)
        if self.rule == "weaker":
            return f"held: {first}; in part: {others[0]}"
        in_part = (
            {"some": "; in part: one of them", "first": f"; in part: {first}"}.get(self.rule, "") if others else ""
        )
        return f"held: {' and '.join([first, *others])}{in_part}"


@dataclass(frozen=True)
class Verdict:
    """
    A claim that was judged.

    Attributes:
        claim: the claim.
        fate: one of ``FATES``.
        figure: The measured figures in words, with their intervals if they have any.
        how: The method of measurement and the data.
    """

    claim: Claim
    fate: Fate
    figure: str
    how: str = ""

    def __post_init__(self) -> None:
        if self.fate not in FATES:
            raise ValueError(f"a verdict must be one of {', '.join(FATES)}; got '{self.fate}'")
        if not self.figure.strip():
            raise ValueError(f"the verdict on '{self.claim.statement}' needs a figure in words; got '{self.figure}'")


def judge(claim: Claim, *measured: Measured, figure: str, how: str = "") -> Verdict:
    """
    Judges a claim by measured figures.

    Args:
        claim: the claim.
        measured: one figure for each criterion, in their order; several figures, such as one for each seed, as a sequence.
        figure: the figures in words.
        how: how they were measured.

    Raises:
        ValueError: if there are more or fewer figures than criteria.
    """
    if len(measured) != len(claim.criteria):
        raise ValueError(f"'{claim.statement}' has {len(claim.criteria)} criteria; got {len(measured)} figures")
    fates = [c.judge(m) for c, m in zip(claim.criteria, measured)]
    return Verdict(claim, _combine_by_rule(fates, claim.rule), figure, how)


def _combine_by_rule(fates: Sequence[Fate], rule: str) -> Fate:
    if rule == "some":
        return combine_fates(fates)
    if rule == "first":
        return "held in part" if fates[0] == "held" and any(f != "held" for f in fates) else fates[0]
    if rule == "weaker":
        return fates[0] if fates[0] != "did not hold" else "held in part" if fates[1] == "held" else fates[1]
    ranks: tuple[Fate, ...] = ("did not hold", "undecided", "held in part", "held")
    return min(fates, key=ranks.index)


def summary(verdicts: Sequence[Verdict]) -> str:
    """Returns a sentence with the number of claims of each fate."""
    counts = Counter(v.fate for v in verdicts)
    return f"Of {len(verdicts)} claims {', '.join(f'{counts[f]} {f}' for f in FATES if counts[f])}."


def rows(verdicts: Sequence[Verdict]) -> list[tuple[str, str, str, str]]:
    """Returns the cells of a table: claim with source, fate, figure, and how it was measured and what would have made it hold."""
    return [
        (
            v.claim.statement + (f" ({v.claim.source})" if v.claim.source else ""),
            v.fate,
            v.figure,
            "; ".join(t for t in (v.how, v.claim.condition) if t),
        )
        for v in verdicts
    ]


def records(verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    """Returns one record for each claim, for JSON."""
    return [
        {
            "claim": v.claim.statement,
            "source": v.claim.source,
            "verdict": v.fate,
            "figure": v.figure,
            "how": v.how,
            "condition": v.claim.condition,
        }
        for v in verdicts
    ]


def with_count(value: float, n: int) -> Interval:
    """Returns a figure without an interval, with its number of points, pairs or images."""
    return Interval(value, value, value, LEVEL, n)


def of(i: Interval) -> str:
    """Formats a figure and its interval."""
    return f"{i:.2f}"


def signed(i: Interval) -> str:
    """Formats a signed difference and its interval."""
    return f"{i:+.3f}"


def plain(value: Any) -> Any:
    """Replaces every interval in nested containers by [value, low, high, n]."""
    if isinstance(value, Interval):
        return [value.value, value.low, value.high, value.n]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value
