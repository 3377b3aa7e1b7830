"""What measuring something gave: an answer, claims with their verdicts, sections of a report and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ridgewalk.judging.claims import Verdict
from ridgewalk.reports.page import Section


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
