"""Tables of figures with intervals, the best of each column set off; as HTML and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

DASH = "–"


@dataclass(frozen=True)
class Cell:
    """A value, its interval where there is one, and how to write it; ``value`` None means that it was not measured."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Column:
    """A column's heading, the format of its values, and which direction is better: ``higher``, ``lower`` or None."""

    heading: str
    form: str = ".3f"
    better: str | None = None
    about: str = ""


@dataclass(frozen=True)
class Table:
    """
    Rows of cells under columns.

    Attributes:
        columns: by key.
        rows: by name, by column key; a missing cell was not measured.
        unranked: names of rows that do not compete for the best, such as ceiling and floor.
    """

    columns: Mapping[str, Column]
    rows: Mapping[str, Mapping[str, Cell]]
    unranked: Sequence[str] = ()

    def best(self, key: str) -> set[str]:
        """Names of the rows whose value in this column is the best, as written."""
        column = self.columns[key]
        if column.better is None:
            return set()
        values = {n: r[key].value for n, r in self.rows.items() if n not in self.unranked and key in r}
        written = {n: float(format(v, column.form).rstrip("%")) for n, v in values.items() if v is not None and v == v}
        if not written:
            return set()
        top = max(written.values()) if column.better == "higher" else min(written.values())
        return {n for n, v in written.items() if v == top}

    def to_html(self) -> str:
        """A <table>; headings carry their explanation as a title."""
        head = "".join(
            f'<th title="{escape(c.about)}">{escape(c.heading)}{_arrow(c)}</th>' for c in self.columns.values()
        )
        best = {key: self.best(key) for key in self.columns}
        body = []
        for name, row in self.rows.items():
            cells = []
            for key, column in self.columns.items():
                value, spread = _written(row.get(key), column)
                shown = f"<strong>{value}</strong>" if name in best[key] else value
                cells.append(f"<td>{shown}{f'<small>{spread}</small>' if spread else ''}</td>")
            kind = ' class="line"' if name in self.unranked else ""
            body.append(f"<tr{kind}><th>{escape(name)}</th>{''.join(cells)}</tr>")
        return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"

    def to_markdown(self) -> str:
        """A Markdown table."""
        lines = [
            "| | " + " | ".join(c.heading + _arrow(c) for c in self.columns.values()) + " |",
            "|---" * (len(self.columns) + 1) + "|",
        ]
        best = {key: self.best(key) for key in self.columns}
        for name, row in self.rows.items():
            cells = []
            for key, column in self.columns.items():
                value, spread = _written(row.get(key), column)
                cells.append((f"**{value}**" if name in best[key] else value) + (f" {spread}" if spread else ""))
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def _written(cell: Cell | None, column: Column) -> tuple[str, str]:
    if cell is None or cell.value is None or cell.value != cell.value:
        return DASH, ""
    spread = (
        f"[{cell.low:{column.form}}, {cell.high:{column.form}}]"
        if cell.low is not None and cell.high is not None
        else ""
    )
    return format(cell.value, column.form), spread


def _arrow(column: Column) -> str:
    return {"higher": " ↑", "lower": " ↓", None: ""}[column.better]
