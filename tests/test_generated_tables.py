"""Tables of the docs that are generated from results: page and file agree, and a new file changes its table alone."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ridgewalk.reports.results import figures_table
from ridgewalk.reports.tables import Cell

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tables() -> ModuleType:
    """The script docs/tables.py."""
    spec = spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIGURES: dict[str, Any] = {
    "rows": {
        "lerp": {"real": [0.5, 0.4, 0.6], "arrived": [1.0, 1.0, 1.0]},
        "slerp": {"real": [0.6, 0.5, 0.7], "arrived": [1.0, 1.0, 1.0]},
        "string": {"real": [0.7, 0.6, 0.8], "arrived": [0.5, 0.4, 0.6]},
    },
    "differences": {"string": {"real": [0.2, 0.1, 0.3]}},
    "free": "slerp",
    "power": {},
    "gains": {"lerp": {"real": [-0.1, -0.2, 0.0]}, "string": {"real": [0.1, 0.0, 0.2]}},
    "lines": {"real": {"real": 0.9}},
    "search": {"lerp": {"seconds_per_path": 0.0}, "string": {"seconds_per_path": 0.25, "cpu_seconds_per_path": 0.5}},
    "middle_frechet": [
        {"lerp": {"A": 1.0, "B": 1.0}, "string": {"A": 0.2, "B": 0.4}},
        {"string": {"A": 0.6, "B": 0.8}},
    ],
    "front": {
        "lerp": {"smoothness": {"place": "on", "beaten_by": None}, "time": {"place": "off", "beaten_by": "slerp"}},
        "string": {"smoothness": {"place": "near", "beaten_by": "lerp"}, "time": {"place": "on", "beaten_by": None}},
    },
}


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_the_tables_of_a_page_are_those_of_their_files(tables: ModuleType, page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert tables.fill(text) == text, "run python docs/tables.py"


def test_the_benchmarks_and_the_front_are_generated(tables: ModuleType) -> None:
    for page, files in {"benchmarks": ("mnist-aae", "digits"), "front": ("compare-mnist", "peers-mnist")}.items():
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        assert all(f"{file}.json columns=" in text for file in files)
        assert tables.fill(text.replace("0.596 [", "0.597 [").replace("0.647 [", "0.648 [")) == text


def test_a_table_has_the_figures_of_the_file_and_gains_over_the_best_free_path() -> None:
    table = figures_table(FIGURES, ("real", "real_gain", "middle", "seconds_per_path", "cpu_ms", "realism"))
    assert list(table.columns) == ["real", "real_gain", "middle", "seconds_per_path", "cpu_ms"]
    assert table.columns["real_gain"].heading == "real - SLERP's"
    assert table.rows["string"] == {
        "real": Cell(0.7, 0.6, 0.8),
        "real_gain": Cell(0.1, 0.0, 0.2),
        "middle": Cell(0.5),
        "seconds_per_path": Cell(250.0),
        "cpu_ms": Cell(500.0),
    }
    assert set(table.rows["slerp"]) == {"real"}
    assert table.rows["real"] == {"real": Cell(0.9)}
    assert table.unranked == ("real",)
    with pytest.raises(ValueError, match="unknown column 'rael'; did you mean 'real'"):
        figures_table(FIGURES, ("rael",))


def test_a_file_without_gains_has_those_over_lerp_and_is_marked(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    page = "before\n<!-- table: a.json columns=real_gain only=string,lerp -->\nstale\n<!-- end -->\nafter\n"
    file = tmp_path / "results" / "a.json"
    file.write_text(json.dumps({k: v for k, v in FIGURES.items() if k not in ("free", "gains", "power")}))
    old = tables.fill(page)
    assert "| string | **+0.200** [+0.100, +0.300] |" in old
    assert "real - LERP's" in old
    assert "stale" not in old
    assert tables.OLD in old
    file.write_text(json.dumps(FIGURES))
    new = tables.fill(old)
    assert new.splitlines()[:2] == page.splitlines()[:2]
    assert new.endswith("<!-- end -->\nafter\n")
    assert "real - SLERP's" in new
    rows = [line.split(" | ")[0] for line in new.splitlines() if line.startswith("| ")]
    assert rows == ["| ", "| ---", "| string", "| lerp"]
    assert tables.OLD not in new


def test_a_file_may_hold_several_tables(tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").write_text(json.dumps({"one": FIGURES, **FIGURES, "rows": {}, "lines": {}}))
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    assert "| string | **0.700** [0.600, 0.800] |" in tables.of_results("a.json columns=real under=one only=string")


def test_places_on_the_front_are_a_column(tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").write_text(json.dumps(FIGURES))
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    lines = tables.of_results("a.json columns=arrived,front").splitlines()
    assert lines[0].endswith(" | front: length; time |")
    assert lines[2] == "| lerp | **100%** [100%, 100%] | on; off (`slerp`) |"
    assert lines[4] == "| string | 50% [40%, 60%] | near (`lerp`); on |"
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("none.json columns=real", "results/none.json, which does not exist"),
        ("compare-mnist.json", "needs its columns"),
        ("compare-mnist.json columns=raal", "unknown column 'raal'"),
        ("compare-mnist.json colums=precision", "unknown option of a table 'colums'"),
        ("compare-mnist.json columns=precision only=strng", "unknown row 'strng'"),
        ("compare-mnist.json columns=real under=rotated", "unknown key of compare-mnist.json 'rotated'"),
    ],
)
def test_a_marker_that_names_nothing_is_refused(tables: ModuleType, selector: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tables.fill(f"<!-- table: {selector} -->\n<!-- end -->\n")
