"""A block of claims that were judged: one row each, with the verdict, the figure, and how it was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ridgewalk.reports.export import csv_of, escape_latex, latex_of
from ridgewalk.reports.tables import markdown_row

_HEAD = ("claim", "verdict", "figure", "how")


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
        return "\n".join(markdown_row(line) for line in (_HEAD, ("---",) * len(_HEAD), *self.rows))

    def to_csv(self) -> str:
        return csv_of([dict(zip(_HEAD, row)) for row in self.rows])

    def to_latex(self) -> str:
        wide = r"p{0.27\linewidth}"
        rows = [[escape_latex(cell) for cell in row] for row in self.rows]
        return latex_of(f"{wide}l{wide}{wide}", _HEAD, [rows], [self.title])
