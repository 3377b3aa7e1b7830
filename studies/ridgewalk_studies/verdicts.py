"""
From intervals to fates: what settles a claim, and how its figure is written.

An interval settles a claim where it leaves no doubt and at least ``LEAST`` points or pairs stand behind it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ridgewalk.metrics.statistics import Interval
from ridgewalk.reports.claims import verdict

LEAST = 50
"""Points or pairs behind a figure before it can settle a claim."""


def settled(interval: Interval, threshold: float = 0.0, above: bool = True) -> str:
    """The verdict of an interval, which too few points leave open."""
    if interval.n < LEAST:
        return "undecided"
    # a percentile interval may miss its own value: a correlation near 1 resamples lower
    low, high = min(interval.low, interval.value), max(interval.high, interval.value)
    return verdict(interval.value, low, high, threshold, above)


def grade(interval: Interval, whole: float, some: float = 0.0) -> str:
    """Held above ``whole``, held in part above ``some``; otherwise as ``some`` settles it."""
    return "held" if settled(interval, whole) == "held" else in_part(settled(interval, some), "did not hold")


def in_part(main: str, also: str) -> str:
    """The fate of a claim whose ``main`` half decides, and which needs ``also`` to hold whole."""
    return "held in part" if main == "held" and also != "held" else main


def near(interval: Interval, target: float, margin: float) -> str:
    """Held where the interval lies within the margin of a target, did not hold where it lies outside."""
    if interval.n < LEAST:
        return "undecided"
    low, high = interval.low - target, interval.high - target
    if -margin < low and high < margin:
        return "held"
    return "did not hold" if low > margin or high < -margin else "undecided"


def together(fates: Sequence[str]) -> str:
    """One fate of several parts: theirs if all agree; in part if some held; otherwise undecided."""
    if len(set(fates)) == 1:
        return fates[0]
    return "held in part" if {"held", "held in part"} & set(fates) else "undecided"


def of(i: Interval) -> str:
    """A figure and its interval."""
    return f"{i:.2f}"


def signed(i: Interval) -> str:
    """A difference and its interval."""
    return f"{i:+.3f}"


def plain(value: Any) -> Any:
    """Intervals as [value, low, high, n], anywhere within."""
    if isinstance(value, Interval):
        return [value.value, value.low, value.high, value.n]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value
