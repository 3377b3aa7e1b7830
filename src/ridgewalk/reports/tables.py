"""Tables of figures with their intervals, the best of each column set off: as HTML, as Markdown, as plain rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isnan
from typing import TYPE_CHECKING

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
        note: a word or two under it, such as "46 % arrived".
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str | None = None

    @classmethod
    def of(cls, interval: "Interval | None") -> "Cell":
        """The cell of a figure with its interval; of None, one that was not measured."""
        return cls(None) if interval is None else cls(interval.value, interval.low, interval.high)

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
        about: what it means, in a sentence.
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


@dataclass(frozen=True)
class Table:
    """
    Rows of cells under columns.

    Attributes:
        columns: by key.
        rows: by name, cells by column key; a cell that is missing was not measured.
        unranked: names of rows that do not compete for the best, such as ceiling and floor.
        caption: under the table.
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
        """Names of the rows with the best value as it is written: what reads alike is tied; where all tie, none is best."""
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

    def to_html(self) -> str:
        """A <table>, every text escaped."""
        head = "".join(
            f'<th scope="col" title="{escape(c.about)}">{escape(_headed(c))}</th>' for c in self.columns.values()
        )
        best = {key: self.best(key) for key in self.columns}
        body = []
        for name, row in self.rows.items():
            cells = "".join(_html(row.get(key, Cell(None)), c, name in best[key]) for key, c in self.columns.items())
            kind = ' class="unranked"' if name in self.unranked else ""
            body.append(f'<tr{kind}><th scope="row">{escape(name)}</th>{cells}</tr>')
        caption = f"<caption><span>{escape(self.caption)}</span></caption>" if self.caption else ""
        corner = f'<th scope="col">{escape(self.corner)}</th>' if self.corner else "<td></td>"
        return f"<table>{caption}<thead><tr>{corner}{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"

    def to_markdown(self) -> str:
        """A Markdown table, its caption after it."""
        best = {key: self.best(key) for key in self.columns}
        lines = [[self.corner, *(_headed(c) for c in self.columns.values())], ["---", *("---:" for _ in self.columns)]]
        for name, row in self.rows.items():
            lines.append(
                [name, *(_markdown(row.get(key, Cell(None)), c, name in best[key]) for key, c in self.columns.items())]
            )
        text = "\n".join(f"| {' | '.join(_unbarred(cell) for cell in line)} |" for line in lines)
        return f"{text}\n\n{self.caption}" if self.caption else text

    def to_rows(self) -> list[dict[str, str | float | None]]:
        """A flat record a row, for JSON or CSV: ``name``, then ``key``, ``key_low`` and ``key_high``; None is not measured."""
        records: list[dict[str, str | float | None]] = []
        for name, row in self.rows.items():
            record: dict[str, str | float | None] = {"name": name}
            for key in self.columns:
                cell = row.get(key, Cell(None))
                record[key] = cell.value if cell.measured else None
                if any(key in other and other[key].interval for other in self.rows.values()):
                    record[f"{key}_low"], record[f"{key}_high"] = cell.interval or (None, None)
            records.append(record)
        return records


def _headed(column: Column) -> str:
    return column.heading + {"higher": " ↑", "lower": " ↓", None: ""}[column.better]


def _written(value: float, form: str) -> str:
    text = format(value, form)
    if value < 0 and not any(c in "123456789" for c in text) and "inf" not in text:
        text = format(0.0, form)  # no minus before a zero
    return text.replace("inf", "∞")


def _signed(value: float, form: str) -> str:
    """For print: a true minus sign."""
    return escape(_written(value, form)).replace("-", "−")


def _html(cell: Cell, column: Column, best: bool) -> str:
    if not cell.measured or cell.value is None:
        note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
        return f'<td class="absent" title="not measured">{DASH}{note}</td>'
    value = _signed(cell.value, column.form)
    shown = f"<strong>{value}</strong>" if best else value
    spread = (
        f"<small>[{', '.join(_signed(end, column.form) for end in cell.interval)}]</small>" if cell.interval else ""
    )
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td>{shown}{spread}{note}</td>"


def _markdown(cell: Cell, column: Column, best: bool) -> str:
    note = f" ({cell.note})" if cell.note else ""
    if not cell.measured or cell.value is None:
        return DASH + note
    value = _written(cell.value, column.form)
    spread = f" [{', '.join(_written(end, column.form) for end in cell.interval)}]" if cell.interval else ""
    return (f"**{value}**" if best else value) + spread + note


def _unbarred(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
