"""The results of an experiment and its parts: figures, judged claims, and sections of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ridgewalk.reports import Section
from ridgewalk_studies.claims import Verdict


@dataclass(frozen=True, eq=False)
class Part:
    """
    The results of one part of an experiment.

    Attributes:
        figures: All measurements, for JSON.
        verdicts: The claims that these figures judge.
        sections: Sections of the report.
    """

    figures: Mapping[str, Any]
    verdicts: Sequence[Verdict] = ()
    sections: Sequence[Section] = ()

    def __getitem__(self, name: str) -> Any:
        """Returns the figure of a name."""
        return self.figures[name]


@dataclass(frozen=True, eq=False)
class Findings:
    """
    The results of a driver.

    Attributes:
        answer: Sentences that answer the recipe's question.
        claims: the claims of the source, judged by the figures.
        sections: Sections of the report, after the claims.
        figures: All measurements, for JSON.
    """

    answer: Sequence[str]
    claims: Sequence[Verdict]
    sections: Sequence[Section]
    figures: Mapping[str, Any] = field(default_factory=dict)


def join_parts(answer: Sequence[str], *parts: tuple[str, Part]) -> Findings:
    """Joins named parts: verdicts and sections in order, and the figures of each under its name, or at the top level if the name is ""."""
    figures: dict[str, Any] = {}
    for name, part in parts:
        figures |= {name: dict(part.figures)} if name else part.figures
    verdicts = [v for _, part in parts for v in part.verdicts]
    return Findings(answer, verdicts, [s for _, part in parts for s in part.sections], figures)
