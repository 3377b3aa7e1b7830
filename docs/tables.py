"""
Writes the tables of README.md and docs/*.md that are made from the registry and from results/*.json: python docs/tables.py

A table stands between two lines, and a test checks that it is what this script writes:

    <!-- methods -->, <!-- energies -->                                 a table of the registry
    <!-- table: FILE columns=KEY,KEY,... [only=METHOD,...] [under=KEY] -->          the methods of results/FILE, as a benchmark wrote it (``reports.results``)
    <!-- end -->

``under`` is the key of one table's figures in a file that holds several. The column ``front`` gives the places on the fronts of length and of time that
`ridgewalk compare` found. Where a file was written before there were composite judges, the table says that it was measured by the old ruler.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ridgewalk.cli.lists import to_markdown
from ridgewalk.naming import unknown
from ridgewalk.registry import ENERGIES, METHODS
from ridgewalk.reports.results import figures_table
from ridgewalk.reports.tables import markdown_row

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

OPTIONS = ("columns", "only", "under")
OLD = "*Old ruler*: measured before there were composite judges; by their classifiers' neighbourhoods alone, which hardly tell two images laid over each other."


def fill(text: str) -> str:
    """The text with every table between its markers written anew."""
    for name, table in {"methods": METHODS, "energies": ENERGIES}.items():
        written = f"<!-- {name} -->\n{to_markdown(table)}\n<!-- end -->"
        text = re.sub(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _: written, text, flags=re.DOTALL)  # noqa: B023
    return re.sub(r"(<!-- table: (.*?) -->\n).*?<!-- end -->", _written, text, flags=re.DOTALL)


def _written(found: re.Match[str]) -> str:
    return f"{found[1]}{of_results(found[2])}\n<!-- end -->"


def of_results(selector: str) -> str:
    """
    The table that a marker asks for.

    Args:
        selector: the marker's words: a file of results/, and its options.

    Raises:
        ValueError: for a file that does not exist, or an option, a column or a method that is unknown.
    """
    file, *words = selector.split()
    options = dict(word.partition("=")[::2] for word in words)
    for name in options:
        if name not in OPTIONS:
            raise ValueError(unknown("option of a table", name, OPTIONS))
    if "columns" not in options:
        raise ValueError(f"a table needs its columns, as columns=precision,arrived; got '{selector}'")
    path = ROOT / "results" / file
    if not path.is_file():
        raise ValueError(f"a table is made from results/{file}, which does not exist; write it, or take the table out")
    figures = whole = json.loads(path.read_text(encoding="utf-8"))
    if under := options.get("under"):
        if under not in figures:
            raise ValueError(unknown(f"key of {file}", under, figures))
        figures = figures[under]
    if only := options.get("only"):
        figures = _reduced(figures, only.split(","))
    keys = options["columns"].split(",")
    lines = figures_table(figures, [k for k in keys if k != "front"]).to_markdown().splitlines()
    if "front" in keys:
        lines = [line + end for line, end in zip(lines, _places(figures), strict=True)]
    return "\n".join([*lines, *(() if "power" in whole else ("", OLD))])


def _reduced(figures: Mapping[str, Any], only: list[str]) -> dict[str, Any]:
    """The figures of some methods and lines alone, in the order in which they are named."""
    known = {**figures["rows"], **figures["lines"]}
    for name in only:
        if name not in known:
            raise ValueError(unknown("row", name, known))
    return {**figures, **{key: {n: figures[key][n] for n in only if n in figures[key]} for key in ("rows", "lines")}}


def _places(figures: Mapping[str, Any]) -> list[str]:
    """The last cell of every line of a table: the place on the front of length, and on that of time."""

    def place(standing: Mapping[str, str | None]) -> str:
        by = standing["beaten_by"]
        return f"{standing['place']} (`{by}`)" if by else f"{standing['place']}"

    cells = ["front: length; time", "---"]
    for name in (*figures["rows"], *figures["lines"]):
        found = figures["front"].get(name)
        cells.append(f"{place(found['smoothness'])}; {place(found['time'])}" if found else "")
    return [markdown_row([cell])[1:] for cell in cells]


def main() -> None:
    """Writes the tables of every page."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        try:
            written = fill(text)
        except ValueError as error:
            raise ValueError(f"{page.name}: {error}") from None
        if written != text:
            page.write_text(written, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
