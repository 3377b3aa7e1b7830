r"""
Tables as files for other programs: CSV with all digits, and LaTeX (booktabs) as they are shown.

In CSV a value that has an interval takes three columns, ``key``, ``key_low`` and ``key_high``, and what was not measured is empty. In LaTeX every text is
escaped; the file needs ``\usepackage{booktabs}``, and its first lines say in comments what the columns mean.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ridgewalk.files import new_free_folder, write_bytes

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "−": "$-$",
        "—": "---",
        "∞": r"$\infty$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "²": "$^2$",
        "\n": " ",
        **{c: f"\\{c}" for c in "&%$#_{}"},
    }
)


class Exportable(Protocol):
    """A table that can be written for other programs."""

    def to_csv(self) -> str:
        """The table as CSV."""

    def to_latex(self) -> str:
        """The table as LaTeX."""


def escape_latex(text: str) -> str:
    """The text as LaTeX shows it; a bracket or a star at its beginning is kept from being an option of the line break before it."""
    escaped = text.translate(_LATEX)
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped[:1] in ("[", "*") else escaped


def csv_of(records: Sequence[Mapping[str, object]]) -> str:
    """Records as CSV, with a line of their keys; None is empty, and so is the text of no records."""
    if not records:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def latex_of(spec: str, head: Sequence[str], groups: Sequence[Sequence[Sequence[str]]], comments: Sequence[str]) -> str:
    """
    A tabular by the rules of booktabs.

    Args:
        spec: specification of the columns, such as ``lrr``.
        head: the headings, escaped.
        groups: rows of escaped cells, a rule between two groups.
        comments: lines of comments above it.
    """

    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(cells)} \\\\"

    body = "\n\\midrule\n".join("\n".join(map(line, rows)) for rows in [[head], *filter(None, groups)])
    said = "".join(f"% {' '.join(comment.split())}\n" for comment in comments)
    return f"{said}\\begin{{tabular}}{{{spec}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def write_tables(tables: Mapping[str, Exportable], page: Path) -> Path | None:
    """
    Writes ``NAME.csv`` and ``NAME.tex`` of every table into PAGE-tables, or the next free name, beside a page.

    Returns:
        The folder; None where there is no table.
    """
    if not tables:
        return None
    folder = new_free_folder(page.parent, f"{page.stem}-tables")
    for name, table in tables.items():
        write_bytes(folder / f"{name}.csv", table.to_csv().encode(errors="backslashreplace"))
        write_bytes(folder / f"{name}.tex", table.to_latex().encode(errors="backslashreplace"))
    return folder


def file_name(title: str, taken: Mapping[str, object]) -> str:
    """A name for the files of a table: its title in small letters and hyphens, with a number where it is taken."""
    stem = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "table"
    names = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
