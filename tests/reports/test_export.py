"""Tables as CSV and LaTeX: every digit and interval, every text escaped, and nothing overwritten."""

import csv
import io
import math
import re
from pathlib import Path

import pytest

from ridgewalk.reports import Cell, Claims, Column, Page, Section, Table, TableBlock, write
from ridgewalk.reports.export import escape_latex, file_name, write_tables

TABLE = Table(
    {
        "real": Column("real", ".2f", "higher", "share of real frames"),
        "gain": Column("gain & loss", "+.1%", "higher"),
        "ends": Column("ends", ".0f"),
    },
    {
        "lerp": {"real": Cell(0.123456789, 0.1, 0.2), "gain": Cell(-0.05)},
        "sgw_2": {"real": Cell(0.9, 0.88, math.inf), "gain": Cell(0.1, note="50% arrived"), "ends": Cell(3.0)},
        "[prior]": {"real": Cell(0.4)},
    },
    unranked=("[prior]",),
    caption="95 % intervals",
    corner="method",
)


def body(latex: str) -> list[list[str]]:
    """The cells of every row between the rules."""
    lines = [line for line in latex.splitlines() if line.endswith(r"\\")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines]


def test_csv_has_every_digit_and_an_interval_as_three_columns() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert list(rows[0]) == ["name", "real", "real_low", "real_high", "gain", "gain_note", "ends"]
    assert [float(rows[0][k]) for k in ("real", "real_low", "real_high", "gain")] == [0.123456789, 0.1, 0.2, -0.05]
    assert rows[1]["gain_note"] == "50% arrived"
    assert float(rows[1]["real_high"]) == math.inf
    assert rows[2] == dict.fromkeys(rows[2], "") | {"name": "[prior]", "real": "0.4"}


def test_csv_keeps_names_with_commas_quotes_and_line_breaks_in_one_cell() -> None:
    name = 'a, "b"\nc'
    text = Table({"x": Column("x")}, {name: {"x": Cell(1.0)}}).to_csv()
    assert [row["name"] for row in csv.DictReader(io.StringIO(text))] == [name]


def test_latex_is_a_booktabs_tabular_with_as_many_cells_in_every_row() -> None:
    latex = TABLE.to_latex()
    assert latex.index("\\toprule") < latex.index("\\midrule") < latex.index("\\bottomrule")
    assert "\\begin{tabular}{lrrr}\n\\toprule\n" in latex
    assert latex.endswith("\\bottomrule\n\\end{tabular}\n")
    rows = body(latex)
    assert [len(row) for row in rows] == [4, 4, 4, 4]
    assert rows[0] == ["method", r"real $\uparrow$", r"gain \& loss $\uparrow$", "ends"]
    assert rows[1] == ["lerp", "0.12 [0.10, 0.20]", r"$-$5.0\%", "---"]
    assert rows[2] == [r"sgw\_2", r"\textbf{0.90} [0.88, $\infty$]", r"\textbf{+10.0\%} (50\% arrived)", "3"]
    assert rows[3] == [r"\textit{{[}prior]}", "0.40", "---", "---"]
    # a rule sets the row apart that is only to compare with
    assert re.findall(r"\\midrule\n(\S+)", latex) == ["lerp", r"\textit{{[}prior]}"]
    assert latex.startswith("% 95 % intervals\n% real: share of real frames\n\\begin{tabular}")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50% of a_b & c#1 for $2", r"50\% of a\_b \& c\#1 for \$2"),
        (r"\end{tabular}", r"\textbackslash{}end\{tabular\}"),
        ("x^2 ~ y", r"x\textasciicircum{}2 \textasciitilde{} y"),
        ("a < b | c > d", r"a \textless{} b \textbar{} c \textgreater{} d"),
        ("W² − 1 → ∞".replace(" →", ""), r"W$^2$ $-$ 1 $\infty$"),
        ("[1, 2]", "{[}1, 2]"),
        ("*", "{*}"),
        ("two\nlines", "two lines"),
        ("Fréchet", "Fréchet"),
        ("", ""),
    ],
)
def test_no_text_is_read_as_a_command(text: str, escaped: str) -> None:
    assert escape_latex(text) == escaped


def test_every_text_of_a_table_is_escaped_and_comments_are_one_line() -> None:
    evil = "100% _\\input{x}&\n\\end{tabular}"
    table = Table({"a": Column(evil, about=evil)}, {evil: {"a": Cell(1.0, note=evil)}}, caption=evil, corner=evil)
    code = [line for line in table.to_latex().splitlines() if not line.startswith("%")]
    assert sum("\\end{tabular}" in line for line in code) == 1
    assert not any("\\input" in line for line in code)
    assert [len(row) for row in body(table.to_latex())] == [2, 2]


def test_claims_are_exported_too() -> None:
    claims = Claims([("a & b", "held", "0.5 [0.4, 0.6]", "n, by hand")], "Claims")
    (row,) = csv.DictReader(io.StringIO(claims.to_csv()))
    assert row == {"claim": "a & b", "verdict": "held", "figure": "0.5 [0.4, 0.6]", "how": "n, by hand"}
    assert body(claims.to_latex())[1] == [r"a \& b", "held", "0.5 [0.4, 0.6]", "n, by hand"]
    assert Claims([], "none").to_csv() == ""


def test_the_tables_of_a_page_lie_beside_it_and_overwrite_nothing(tmp_path: Path) -> None:
    blocks = [TableBlock(TABLE, "Realism: A & B"), TableBlock(TABLE), Claims([("a", "held", "1", "h")], "Claims")]
    page = Page("t", "cpu", [], [Section("Figures", blocks=blocks), Section("Figures", blocks=[TableBlock(TABLE)])])
    names = ["realism-a-b", "figures", "claims", "figures-2"]
    assert list(page.tables) == names
    first = write(page, tmp_path / "report.html")
    assert first == tmp_path / "report-tables"
    assert {f.name for f in first.iterdir()} == {f"{n}.{end}" for n in names for end in ("csv", "tex")}
    assert (first / "figures.csv").read_text() == TABLE.to_csv()
    assert (first / "figures.tex").read_text() == TABLE.to_latex()
    (first / "figures.csv").write_text("mine")
    assert write(page, tmp_path / "report.html") == tmp_path / "report-tables-2"
    assert (first / "figures.csv").read_text() == "mine"
    assert write(Page("t", "cpu", [], []), tmp_path / "empty.html") is None
    assert not (tmp_path / "empty-tables").exists()
    assert write_tables({}, tmp_path / "none.html") is None


def test_files_are_named_by_titles() -> None:
    assert file_name("Judge A, 20 of each", {}) == "judge-a-20-of-each"
    assert file_name("—", {}) == "table"
    assert file_name("Shape", {"shape": 1, "shape-2": 1}) == "shape-3"
    assert len(file_name("x" * 300, {})) == 60
