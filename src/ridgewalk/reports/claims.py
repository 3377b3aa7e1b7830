"""How judged claims are shown: one row each, with the verdict, the figure, and how it was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ridgewalk.judging.claims import Verdict, records
from ridgewalk.reports.tables import markdown_row


@dataclass(frozen=True)
class Claims:
    """A block of judged claims under its title."""

    verdicts: Sequence[Verdict]
    title: str
    reading: str = "A verdict is no better than its figure: read both."

    kind: ClassVar[str] = "claims"

    @property
    def cells(self) -> list[tuple[str, str, str, str]]:
        """The claim with its source, the verdict, the figure, and how it was measured and what would have made it hold."""
        rows: list[tuple[str, str, str, str]] = []
        for v in self.verdicts:
            source = f" ({v.claim.source})" if v.claim.source else ""
            how = "; ".join(t for t in (v.how, v.claim.condition) if t)
            rows.append((v.claim.statement + source, v.fate, v.figure, how))
        return rows

    def to_markdown(self) -> str:
        """A Markdown table."""
        head = [("claim", "verdict", "figure", "how"), ("---",) * 4]
        return "\n".join(markdown_row(line) for line in (*head, *self.cells))

    def to_rows(self) -> list[dict[str, str]]:
        """One record for each claim, for JSON."""
        return records(self.verdicts)
