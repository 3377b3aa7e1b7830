"""What one part of an experiment gave, and how parts make the findings of the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ridgewalk.judging.claims import Verdict
from ridgewalk.reports import Section
from ridgewalk.reports.findings import Findings


@dataclass(frozen=True, eq=False)
class Part:
    """
    One part of an experiment.

    Attributes:
        figures: everything measured, for JSON.
        verdicts: the claims that these figures judge.
        sections: of the report.
    """

    figures: Mapping[str, Any]
    verdicts: Sequence[Verdict] = ()
    sections: Sequence[Section] = ()

    def __getitem__(self, name: str) -> Any:
        """A figure."""
        return self.figures[name]


def joined(answer: Sequence[str], *parts: tuple[str, Part]) -> Findings:
    """The findings of named parts: their verdicts and sections in order, and the figures of each under its name, or at the top where it is ""."""
    figures: dict[str, Any] = {}
    for name, part in parts:
        figures |= {name: dict(part.figures)} if name else part.figures
    verdicts = [v for _, part in parts for v in part.verdicts]
    return Findings(answer, verdicts, [s for _, part in parts for s in part.sections], figures)
