"""Claims of a source and what measuring them gave: one row each, with a verdict, its figure, and how it was measured."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

VERDICTS = ("held", "held in part", "did not hold", "undecided")
"""What measuring a claim may give; ``undecided`` where the interval leaves it open."""


@dataclass(frozen=True)
class Claim:
    """
    One claim and its fate.

    Attributes:
        says: the claim, in a sentence.
        verdict: one of ``VERDICTS``.
        figure: what was measured, with its interval where it has one.
        how: how it was measured, and what would have made the verdict another.
    """

    says: str
    verdict: str
    figure: str
    how: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"a claim's verdict must be one of {', '.join(VERDICTS)}; got '{self.verdict}'")
        if not self.says.strip() or not self.figure.strip():
            raise ValueError(f"a claim needs words and a figure; got '{self.says}' and '{self.figure}'")

    @property
    def mark(self) -> str:
        """The verdict as the name of a style."""
        return self.verdict.replace(" ", "-")


@dataclass(frozen=True)
class Claims:
    """A block of claims under its title."""

    claims: Sequence[Claim]
    title: str
    reading: str = "A verdict is no better than its figure: read both."

    kind: ClassVar[str] = "claims"

    def to_markdown(self) -> str:
        """A Markdown table."""
        lines = ["| claim | verdict | figure | how |", "| --- | --- | --- | --- |"]
        for c in self.claims:
            lines.append(f"| {' | '.join(_unbarred(t) for t in (c.says, c.verdict, c.figure, c.how))} |")
        return "\n".join(lines)

    def to_rows(self) -> list[dict[str, str]]:
        """One record a claim, for JSON."""
        return [{"claim": c.says, "verdict": c.verdict, "figure": c.figure, "how": c.how} for c in self.claims]


def summary(claims: Sequence[Claim]) -> str:
    """How many claims met which fate, in a sentence."""
    found = Counter(c.verdict for c in claims)
    told = ", ".join(f"{found[v]} {v}" for v in VERDICTS if found[v])
    return f"Of {len(claims)} claims {told}."


def verdict(value: float, low: float, high: float, threshold: float = 0.0, above: bool = True) -> str:
    """
    Whether a figure is above (or below) a threshold: ``held`` or ``did not hold`` where its interval leaves no doubt, otherwise ``undecided``.

    Args:
        value: the figure; its own side of the threshold does not settle anything. NaN, as of a share of a gap that is none, is undecided.
        low: end of its interval.
        high: other end.
        threshold: to be above or below.
        above: which of the two is claimed.
    """
    if math.isnan(value):
        return "undecided"
    if not low <= value <= high:
        raise ValueError(f"an interval holds its figure; got {value} and [{low}, {high}]")
    yes, no = (low > threshold, high < threshold) if above else (high < threshold, low > threshold)
    return "held" if yes else "did not hold" if no else "undecided"


def _unbarred(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
