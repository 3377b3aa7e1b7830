"""The verb `compare`: with runs that are named, and with none; methods that carry a knob; what it refuses."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from commands import refused
from ridgewalk.energies.building import calibrate_energy
from ridgewalk.finders import Geodesic, RidgePath
from ridgewalk.finders.building import measure_forces, split_energy
from ridgewalk.metrics.statistics import Interval
from ridgewalk.reports.pages import front as page
from ridgewalk.store.run import load
from ridgewalk.verbs import compare as front
from ridgewalk_studies.front import judge_front
from ridgewalk_studies.reproduce import STUDIES, names

Copy = Callable[[], Path]
METHODS = ["lerp", "slerp", "graph", "geodesic", "ridge@1", "ridge-quick@8", "string"]


@pytest.fixture(scope="module")
def compared(smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared") / "front"
    result = front.compare([load(smoke)], front.Request(pairs=20, methods=METHODS[2:], out=out))
    assert result is not None
    page.write(result)
    return out


def test_it_leaves_figures_and_a_report_with_both_fronts(compared: Path) -> None:
    assert {p.name for p in compared.iterdir()} == {"report.html", "report-tables", "result.json"}
    found = json.loads((compared / "result.json").read_text())
    assert set(found["rows"]) == set(METHODS)
    assert set(found["front"]) == set(METHODS)
    assert {v["smoothness"]["place"] for v in found["front"].values()} <= {"on", "near", "off"}
    assert found["middle_frechet"][0]["lerp"] == {"A": 1.0, "B": 1.0}
    page = (compared / "report.html").read_text()
    for words in ("Realism against smoothness", "Realism against time", "ridge@1", "The paths"):
        assert words in page


def test_the_shortest_path_of_all_is_the_geodesic_and_realism_makes_ridges_longer(compared: Path) -> None:
    rows = json.loads((compared / "result.json").read_text())["rows"]
    lengths = {m: rows[m]["relative_length"][0] for m in METHODS}
    assert lengths["geodesic"] == min(lengths.values())
    assert lengths["geodesic"] <= 1.0 + 1e-3
    assert all(rows[m]["end_error"][0] == 0 for m in METHODS)


def test_a_method_carries_its_knob(smoke: Path) -> None:
    run = load(smoke)
    assert isinstance(run.finder("geodesic"), Geodesic)
    default, chosen, quick = (run.finder(m) for m in ("ridge", "ridge@7.5", "ridge-quick@0"))
    assert all(isinstance(f, RidgePath) for f in (default, chosen, quick))
    assert default.realism == run.recipe.walks.realism  # type: ignore[attr-defined]
    assert chosen.realism == 7.5  # type: ignore[attr-defined]
    assert (quick.realism, quick.coarse) == (0.0, (6, 11))  # type: ignore[attr-defined]
    assert [f.name for f in measure_forces("ridge@2", run.context)] == ["soft-ratio"]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("ridge@", "a realism is a finite number"),
        ("ridge@much", "got 'much'"),
        ("ridge@-1", "a realism is a finite number"),
        ("ridge@inf", "a realism is a finite number"),
        ("string@4", "method 'string' takes no realism"),
        ("rigde@4", "did you mean 'ridge'"),
    ],
)
def test_a_knob_that_is_none_is_refused(method: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_energy(method)


def test_a_constant_sensor_leaves_the_geodesic_unchanged_and_is_reported(smoke: Path) -> None:
    run = load(smoke)
    flat = lambda z: 0 * z.flatten(1).sum(dim=1)  # noqa: E731
    with pytest.warns(UserWarning, match="will equal the geodesic"):
        energy = calibrate_energy(flat, run.context)
    z = run.references[:4]
    assert torch.equal(energy(z), torch.zeros(4))


def test_a_network_learns_ridge_paths(smoke: Path) -> None:
    run = load(smoke)
    few = replace(run.recipe.interpolation, hidden=(32, 32), pool=120, epochs=30, batch=8)
    run = replace(run, recipe=replace(run.recipe, interpolation=few))
    learned = front.learn_paths(run, "soft-ratio")
    path = learned.finder(run.references[:5], run.references[5:10])
    assert path.arrived.all()
    assert 0 < learned.distance < math.inf
    assert learned.searching > 0
    assert torch.equal(path.nodes[:, -1], run.references[5:10])


def test_what_it_refuses(smoke: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    assert "not empty" in refused("compare", smoke, "--out", tmp_path / "taken")
    assert "named twice" in refused("compare", smoke, smoke)
    assert "knows its own images" in refused("compare", smoke, "--data", "digits")
    assert "for runs that are named" in refused("compare", "--methods", "lerp")
    assert "unknown method" in refused("compare", smoke, "--methods", "lerp,strin", "--out", tmp_path / "free")
    assert not (tmp_path / "free").exists()
    assert (tmp_path / "taken" / "file").read_text() == "mine"


def interval(value: float, half: float = 0.01, n: int = 200) -> Interval:
    return Interval(value, value - half, value + half, 0.95, n)


def test_claims_on_the_finders_are_judged_by_their_intervals() -> None:
    rows = {
        name: {"real": interval(p), "relative_length": interval(length), "arrived": interval(1.0, 0)}
        for name, p, length in (
            ("lerp", 0.5, 1.0),
            ("graph", 0.7, 2.0),
            ("geodesic", 0.49, 0.9),
            ("ridge@4", 0.75, 1.2),
        )
    }
    gains = {m: {"real": interval(r["real"].value - 0.5)} for m, r in rows.items()}
    lines = {"reconstructions": {"real": 0.8}}
    pooled = SimpleNamespace(summary=SimpleNamespace(rows=rows, differences=gains, lines=lines))
    assert [v.fate for v in judge_front(pooled)] == ["held", "held", "held"]  # type: ignore[arg-type]
    assert "ridge@4" in judge_front(pooled)[2].figure  # type: ignore[arg-type]
    rows["graph"]["relative_length"] = interval(1.25)
    lines["reconstructions"]["real"] = 0.75
    assert [v.fate for v in judge_front(pooled)] == ["did not hold", "held", "undecided"]  # type: ignore[arg-type]
    few = {m: {"real": interval(0.2, n=20)} for m in rows}
    pooled.summary.differences = few
    assert judge_front(pooled)[1].fate == "undecided"  # type: ignore[arg-type]


def test_without_a_run_it_trains_the_recipe_front() -> None:
    assert "front" in names()
    assert "front" in STUDIES
