"""Tables of figures with their intervals and the best of each column set off, as Markdown, CSV, LaTeX and plain rows; as HTML by ``table.html``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan
from typing import TYPE_CHECKING

from ridgewalk.reports.export import csv_of, escape_latex, latex_of

if TYPE_CHECKING:
    from ridgewalk.metrics.statistics import Interval

DASH = "—"
"""What stands where nothing was measured; never a zero."""


@dataclass(frozen=True)
class Cell:
    """
    A measured figure.

    Attributes:
        value: None or NaN where it was not measured.
        low: end of its interval, where it has one.
        high: the other end.
        note: a few words below the value, such as "46 % arrived".
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str | None = None

    @classmethod
    def of(cls, interval: "Interval | None") -> "Cell":
        """The cell of a figure with its interval; of None and of NaN, one that was not measured."""
        if interval is None or isnan(interval.value):
            return cls(None)
        return cls(interval.value, interval.low, interval.high)

    @property
    def measured(self) -> bool:
        """Whether there is a value to show."""
        return self.value is not None and not isnan(self.value)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Column:
    """
    What a column holds.

    Attributes:
        heading: over it.
        form: format of its values and intervals, as in ``format(value, form)``: ``.3f``, ``+.1%``.
        better: ``higher`` or ``lower``, the direction in which its best is set off; None sets off none.
        about: the meaning of its values, in a sentence.
    """

    heading: str
    form: str = ".3f"
    better: str | None = None
    about: str = ""

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower", None):
            raise ValueError(
                f"better must be 'higher', 'lower' or None; got {self.better!r} for column '{self.heading}'"
            )

    @property
    def headed(self) -> str:
        """The heading with an arrow in the better direction."""
        return self.heading + {"higher": " ↑", "lower": " ↓", None: ""}[self.better]

    def write(self, value: float) -> str:
        """Formats a value; a zero has no minus, and infinity is a sign."""
        text = format(value, self.form)
        if value < 0 and not any(c in "123456789" for c in text) and "inf" not in text:
            text = format(0.0, self.form)
        return text.replace("inf", "∞")


@dataclass(frozen=True)
class Table:
    """
    Rows of cells under columns.

    Attributes:
        columns: columns by key.
        rows: cells by column key, by name of the row; a missing cell was not measured.
        unranked: names of rows that do not compete for the best, such as ceiling and floor.
        caption: text under the table.
        corner: heading of the rows' names.
    """

    columns: Mapping[str, Column]
    rows: Mapping[str, Mapping[str, Cell]]
    unranked: Sequence[str] = ()
    caption: str = ""
    corner: str = ""

    def __post_init__(self) -> None:
        for name, row in self.rows.items():
            if extra := [key for key in row if key not in self.columns]:
                raise ValueError(
                    f"row '{name}' has cells for {', '.join(extra)}, but the columns are {', '.join(self.columns)}"
                )

    def best(self, key: str) -> set[str]:
        """Names of the rows with the best formatted value: equal formatted values are tied, and where all tie, none is best."""
        column = self.columns[key]
        if column.better is None:
            return set()
        cells = {n: row[key] for n, row in self.rows.items() if n not in self.unranked and key in row}
        written = {
            n: float(format(c.value, column.form).rstrip("%").replace(",", "")) for n, c in cells.items() if c.measured
        }
        if not written or len(written) > 1 == len(set(written.values())):
            return set()
        top = max(written.values()) if column.better == "higher" else min(written.values())
        return {n for n, v in written.items() if v == top}

    def cell(self, name: str, key: str) -> Cell:
        """The cell of a row and a column; one without a value where nothing was measured."""
        return self.rows[name].get(key, Cell(None))

    def to_markdown(self) -> str:
        """A Markdown table, its caption after it."""
        best = {key: self.best(key) for key in self.columns}
        lines = [[self.corner, *(c.headed for c in self.columns.values())], ["---", *("---:" for _ in self.columns)]]
        for name in self.rows:
            lines.append(
                [name, *(_markdown(self.cell(name, key), c, name in best[key]) for key, c in self.columns.items())]
            )
        text = "\n".join(markdown_row(line) for line in lines)
        return f"{text}\n\n{self.caption}" if self.caption else text

    def to_csv(self) -> str:
        """The rows of ``to_rows`` as CSV."""
        return csv_of(self.to_rows())

    def to_latex(self) -> str:
        """The table by the rules of booktabs; rows that do not compete for the best are in italics, and set apart by a rule."""
        best = {key: self.best(key) for key in self.columns}
        head = [escape_latex(self.corner), *(escape_latex(c.headed) for c in self.columns.values())]

        def row(name: str, apart: bool) -> list[str]:
            label = escape_latex(name)
            cells = [_latex(self.cell(name, key), c, name in best[key]) for key, c in self.columns.items()]
            return [f"\\textit{{{label}}}" if apart else label, *cells]

        groups = [
            [row(n, apart) for n in names] for apart, names in groupby(self.rows, key=lambda n: n in self.unranked)
        ]
        about = [f"{c.heading}: {c.about}" for c in self.columns.values() if c.about]
        return latex_of(
            "l" + "r" * len(self.columns), head, groups, [*([self.caption] if self.caption else []), *about]
        )

    def to_rows(self) -> list[dict[str, str | float | None]]:
        """
        One flat record for each row, for JSON or CSV: ``name``, then by column ``key``, and ``key_low``, ``key_high`` and ``key_note`` where any row has
        them; None is not measured.
        """
        records: list[dict[str, str | float | None]] = []
        for name in self.rows:
            record: dict[str, str | float | None] = {"name": name}
            for key in self.columns:
                cell = self.cell(name, key)
                record[key] = cell.value if cell.measured else None
                if any(key in other and other[key].interval for other in self.rows.values()):
                    record[f"{key}_low"], record[f"{key}_high"] = cell.interval or (None, None)
                if any(key in other and other[key].note for other in self.rows.values()):
                    record[f"{key}_note"] = cell.note
            records.append(record)
        return records


def _markdown(cell: Cell, column: Column, best: bool) -> str:
    note = f" ({cell.note})" if cell.note else ""
    if not cell.measured or cell.value is None:
        return DASH + note
    value = column.write(cell.value)
    spread = f" [{', '.join(column.write(end) for end in cell.interval)}]" if cell.interval else ""
    return (f"**{value}**" if best else value) + spread + note


def _latex(cell: Cell, column: Column, best: bool) -> str:
    note = f" ({escape_latex(cell.note)})" if cell.note else ""
    if not cell.measured or cell.value is None:
        return f"---{note}"

    def written(value: float) -> str:
        return escape_latex(column.write(value).replace("-", "−"))

    spread = f" [{', '.join(map(written, cell.interval))}]" if cell.interval else ""
    return (f"\\textbf{{{written(cell.value)}}}" if best else written(cell.value)) + spread + note


def markdown_row(cells: Sequence[str]) -> str:
    """A row of a Markdown table; bars and line breaks within cells are escaped."""
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"
