"""What an experiment and its parts found: figures, the claims that they judge, and sections of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ridgewalk.reports import Section
from ridgewalk_studies.claims import Verdict


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


@dataclass(frozen=True, eq=False)
class Findings:
    """
    What a driver found.

    Attributes:
        answer: to the recipe's question, in a sentence or a few.
        claims: the claims of the source, judged by the figures.
        sections: of the report, after the claims.
        figures: everything measured, for JSON.
    """

    answer: Sequence[str]
    claims: Sequence[Verdict]
    sections: Sequence[Section]
    figures: Mapping[str, Any] = field(default_factory=dict)


def join_parts(answer: Sequence[str], *parts: tuple[str, Part]) -> Findings:
    """The findings of named parts: their verdicts and sections in order, and the figures of each under its name, or at the top where it is ""."""
    figures: dict[str, Any] = {}
    for name, part in parts:
        figures |= {name: dict(part.figures)} if name else part.figures
    verdicts = [v for _, part in parts for v in part.verdicts]
    return Findings(answer, verdicts, [s for _, part in parts for s in part.sections], figures)
