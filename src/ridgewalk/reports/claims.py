"""A block of claims that were judged: one row each, with the verdict, the figure, and how it was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ridgewalk.reports.tables import markdown_row


@dataclass(frozen=True)
class Claims:
    """
    A table of judged claims.

    Attributes:
        rows: the claim with its source, the verdict, the figure, and how it was measured and what would have made it hold.
        title: over the table.
        reading: how to read it.
    """

    rows: Sequence[tuple[str, str, str, str]]
    title: str
    reading: str = "A verdict is no better than its figure: read both."

    kind: ClassVar[str] = "claims"

    def to_markdown(self) -> str:
        head = [("claim", "verdict", "figure", "how"), ("---",) * 4]
        return "\n".join(markdown_row(line) for line in (*head, *self.rows))
