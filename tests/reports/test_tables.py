"""A table sets off the best as it reads, shows intervals, and never turns what was not measured into a figure."""

import re

import pytest

from ridgewalk.reports import Cell, Column, Table
from ridgewalk.reports.templates import render

COLUMNS = {
    "real": Column("real", ".2f", "higher", "share of real frames"),
    "step": Column("step", ".2f", "lower"),
    "length": Column("length", ".1f"),
    "gain": Column("gain", "+.1%", "higher"),
}
TABLE = Table(
    COLUMNS,
    {
        "lerp": {"real": Cell(0.75, 0.7, 0.8), "step": Cell(0.131), "length": Cell(1.0)},
        "sgw": {
            "real": Cell(0.901, 0.88, 0.92),
            "step": Cell(0.18),
            "length": Cell(2.0),
            "gain": Cell(-0.02, note="stalls"),
        },
        "string": {"real": Cell(0.899), "step": Cell(0.129), "length": Cell(None), "gain": Cell(float("nan"))},
        "real images": {"real": Cell(0.99)},
    },
    unranked=("real images",),
    caption="95 % intervals",
    corner="method",
)


def test_best_follows_the_direction_and_what_reads_alike_is_tied() -> None:
    assert TABLE.best("real") == {"sgw", "string"}
    assert TABLE.best("step") == {"lerp", "string"}
    assert TABLE.best("length") == set()
    assert TABLE.best("gain") == {"sgw"}


def test_no_row_is_best_if_all_tie() -> None:
    assert (
        Table({"a": Column("a", ".1f", "higher")}, {"x": {"a": Cell(0.01)}, "y": {"a": Cell(0.02)}}).best("a") == set()
    )


def test_a_zero_has_no_minus() -> None:
    row = {"a": Cell(-0.0001, -0.0009, 0.0)}
    assert "| +0.00 [+0.00, +0.00] |" in Table({"a": Column("a", "+.2f")}, {"x": row}).to_markdown()


def test_html_sets_off_the_best_and_shows_intervals_notes_and_absence() -> None:
    html = render("table.html", table=TABLE)
    assert re.findall(r"<strong>(.*?)</strong>", html) == ["0.13", "0.90", "−2.0%", "0.90", "0.13"]
    assert "<small>[0.70, 0.80]</small>" in html
    assert "<small>stalls</small>" in html
    assert html.count("—") == 6
    assert html.count('class="unranked"') == 1
    assert "real ↑" in html
    assert "step ↓" in html


def test_markdown_has_the_same_figures() -> None:
    lines = TABLE.to_markdown().splitlines()
    assert lines[0] == "| method | real ↑ | step ↓ | length | gain ↑ |"
    assert lines[2] == "| lerp | 0.75 [0.70, 0.80] | **0.13** | 1.0 | — |"
    assert lines[3] == "| sgw | **0.90** [0.88, 0.92] | 0.18 | 2.0 | **-2.0%** (stalls) |"
    assert lines[-1] == "95 % intervals"


def test_rows_are_flat_and_none_where_nothing_was_measured() -> None:
    rows = TABLE.to_rows()
    assert rows[0] == {
        "name": "lerp",
        "real": 0.75,
        "real_low": 0.7,
        "real_high": 0.8,
        "step": 0.131,
        "length": 1.0,
        "gain": None,
        "gain_note": None,
    }
    assert rows[2]["gain"] is None
    assert rows[2]["real_low"] is None
    assert rows[1]["gain_note"] == "stalls"


def test_every_text_is_escaped() -> None:
    evil = "<script>|"
    table = Table({"a": Column(evil, about='"><img>')}, {evil: {"a": Cell(1.0, note=evil)}}, caption=evil, corner=evil)
    assert "<script>" not in render("table.html", table=table)
    assert "<img>" not in render("table.html", table=table)
    assert all(re.sub(r"\\\|", "", line).count("|") == 3 for line in table.to_markdown().splitlines()[:3])


def test_infinite_ends_are_signs() -> None:
    table = Table({"a": Column("a")}, {"x": {"a": Cell(1.0, float("-inf"), float("inf"))}})
    html = render("table.html", table=table)
    assert "[−∞, ∞]" in html


def test_wrong_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="'higher', 'lower' or None"):
        Column("a", better="more")
    with pytest.raises(ValueError, match="cells for b"):
        Table({"a": Column("a")}, {"x": {"b": Cell(1.0)}})
