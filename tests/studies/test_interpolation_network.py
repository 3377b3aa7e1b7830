"""The interpolation network's experiment at smoke size, on digits and on shapes."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ridgewalk.data import shapes
from ridgewalk.finders import Amortised
from ridgewalk.models.interpolator import ExactInterpolator
from ridgewalk.settings import recipes
from ridgewalk.store.run import load
from ridgewalk.training.health import Event
from ridgewalk.training.interpolation import PathEnergy, Reprojection
from ridgewalk.training.loop import History
from ridgewalk_studies.interpolation.claims import gradient_left, sufficient
from ridgewalk_studies.interpolation.variants import (
    DISTILLED,
    FALLING,
    LAMBDAS,
    MANY,
    ONE,
    RATIO,
    Trained,
    one_pass,
    sweep_names,
    variants,
)
from ridgewalk_studies.reproduce import reproduce

QUICK = ("training.epochs=1", "detector.epochs=1", "walks.pairs=6")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduced") / "interpolation"
    reproduce("interpolation-network", source="digits", budget="smoke", changes=QUICK, out=folder, device="cpu")
    return folder


@pytest.fixture(scope="module")
def found(finished: Path) -> dict[str, Any]:
    return json.loads((finished / "result.json").read_text())


def verdict(found: Mapping[str, Any], words: str) -> Mapping[str, str]:
    return next(c for c in found["claims"] if words in c["claim"])


def test_every_variant_is_trained_and_judged_beside_the_straight_line_and_the_search(
    finished: Path, found: Mapping[str, Any]
) -> None:
    names = set(variants(recipes.read("interpolation-network").interpolation))
    assert set(found["variants"]) == names
    assert set(found["rows"]) == names | {"lerp", "slerp", "geodesic", "string"}
    assert found["rows"]["geodesic"]["curve_energy"] == [1, 1, 1]
    assert found["rows"]["lerp"]["curve_energy"][0] >= 1
    for terms in found["variants"].values():
        assert terms["interpolation_gradient"] > 0
    for exact in ("exact, reprojection", RATIO, DISTILLED):
        assert found["rows"][exact]["end_error"][0] == 0
    assert found["rows"]["lambda 0"]["end_error"][0] > 0.1
    assert found["rows"]["lerp"]["reprojection"] == [1, 1, 1]
    html = (finished / "report.html").read_text()
    for title in (
        "How it collapses",
        "How much attraction",
        "Garbage in",
        "Learned from the energy, or from its paths",
    ):
        assert title in html
    assert len(found["claims"]) == 13
    assert "factors" not in found


def test_few_pairs_leave_claims_on_them_undecided(found: Mapping[str, Any]) -> None:
    for words in ("more real than straight", "Garbage in", "better teacher", "flatter", "Many times for each pair"):
        assert verdict(found, words)["verdict"] == "undecided"


def test_the_badly_trained_model_is_a_run_of_its_own_with_its_own_lines(
    finished: Path, found: Mapping[str, Any]
) -> None:
    assert {p.name for p in finished.iterdir() if p.is_dir()} == {"run-0", "badly-trained-0", "report-tables"}
    quality = found["quality"]
    models = {"well trained", "badly trained"}
    for key in ("rows", "reconstructions", "gain", "slope", "first gradient"):
        assert set(quality[key]) == models
    assert set(quality["rows"]["badly trained"]) == {"lerp", "slerp", MANY}
    assert min(quality["slope"].values()) > 0


def test_the_distilled_network_takes_the_steps_of_the_others_and_states_its_search(found: Mapping[str, Any]) -> None:
    seconds = found["seconds"]
    assert seconds[DISTILLED]["search"] > 0.01
    assert seconds[RATIO]["search"] < seconds[DISTILLED]["search"]
    assert "of search" in verdict(found, "better teacher")["figure"]
    assert all(found["milliseconds"][n] > 0 for n in (DISTILLED, MANY, "string"))
    assert found["variants"][DISTILLED]["distance"] > 0


def test_shapes_are_measured_in_factors_without_a_change_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the first of the same images: drawing and judging all of them takes most of a minute
    monkeypatch.setattr("ridgewalk.data.sources.dataset", lambda size: shapes.dataset(2400, 400, size=size))
    changes = (*QUICK, "judges.epochs=1", "judges.steps=4", "reproduce.points=40")
    folder = tmp_path / "shapes"
    reproduce("interpolation-network", source="shapes", budget="smoke", changes=changes, out=folder, device="cpu")
    found = json.loads((folder / "result.json").read_text())
    assert {p.name for p in folder.iterdir() if p.is_dir()} == {"shapes-0", "shapes-badly-trained-0", "report-tables"}
    factors = found["factors"]
    assert set(factors["rows"]) == set(found["rows"])
    for row in factors["rows"].values():
        assert {"residual", "worst", "real", "whole", "monotonicity", "foreign", "switches"} <= set(row)
        assert 0 <= row["residual"][0] <= row["worst"][0]
    assert 0 < factors["limit"] <= 1
    assert set(factors["ranks"]) == {"reprojection", "judges"}
    assert verdict(found, "picture of one shape")["figure"]
    assert "Factors along the paths" in (folder / "report.html").read_text()


def test_the_sweep_has_the_recipes_own_attraction_once() -> None:
    i = recipes.read("interpolation-network").interpolation
    assert list(sweep_names(i)) == list(LAMBDAS)
    assert sweep_names(i)[i.attraction] == ONE
    other = sweep_names(replace(i, attraction=0.03))
    assert other[0.03] == ONE
    assert other[0.1] == "lambda 0.1"
    assert list(other) == sorted({*LAMBDAS, 0.03})
    assert set(sweep_names(i).values()) | {FALLING} <= set(variants(i))


def logged(variety: float, *events: Event) -> Trained:
    terms = {"variety": torch.full((20,), variety)}
    finder = Amortised(ExactInterpolator(3, (8,)), 5)
    return Trained(finder, History(torch.arange(20), terms, 2.0, events=events), 3.0)


def test_the_smallest_attraction_that_prevents_it_is_the_one_from_which_all_are_alive() -> None:
    names = {w: str(w) for w in LAMBDAS}
    values = (0.0, 0.7, 0.05, 0.6, 0.8, 1.0)  # 1e-4 was alive by chance: 1e-3 was not
    assert sufficient({n: logged(v) for n, v in zip(names.values(), values)}, names) == 1e-2
    assert sufficient({n: logged(0.2) for n in names.values()}, names) is None
    assert sufficient({n: logged(0.9) for n in names.values()}, names) == 0


def test_a_variant_knows_its_whole_cost_and_the_collapse_that_lasted() -> None:
    named, left = Event(200, "interpolation", "constant", "."), Event(300, "interpolation", "recovered", ".")
    assert logged(0.05, named).collapsed_at == 200
    assert logged(0.9, named, left).collapsed_at is None  # nearly constant because it was untrained
    assert logged(0.9).collapsed_at is None
    assert logged(0.9).seconds == 5


def history(variety: torch.Tensor, error: torch.Tensor, gradient: torch.Tensor) -> Trained:
    terms = {"variety": variety, "reprojection": error, "interpolation_gradient": gradient}
    return replace(logged(0.0), history=History(torch.arange(1, 101), terms, 2.0))


def test_the_gradient_is_read_where_the_collapse_is_made() -> None:
    gradient, error = torch.ones(100), torch.ones(100)
    gradient[60:] = 0.0
    variety = torch.full((100,), 0.5)
    variety[50:] = 0.05
    left, where = gradient_left(history(variety, error, gradient))
    assert left == 1
    assert "step 51" in where
    variety[:95] = 0.5  # it falls when the gradient has long been gone
    left, _ = gradient_left(history(variety, error, gradient))
    assert left == 0
    error[40:] = 0.05
    left, where = gradient_left(history(torch.full((100,), 0.02), error, gradient))
    assert left == 1
    assert "step 41" in where


def test_one_pass_is_timed_on_one_thread_which_is_given_back() -> None:
    before = torch.get_num_threads()
    finder = Amortised(ExactInterpolator(3, (8,)), 5)
    assert 0 < one_pass(finder, torch.zeros(2, 3), torch.ones(2, 3), frames=4, batch=8) < 100
    assert torch.get_num_threads() == before


def test_settings_of_the_network_reach_its_variants(finished: Path) -> None:
    run = load(next(f.parent for f in finished.rglob("manifest.json")))
    settings = replace(recipes.read("interpolation-network").interpolation, times=5, curve=0.9, activation="relu")
    made, pool = variants(settings), run.references[:20]
    many, ratio = made[MANY](pool, run), made[RATIO](pool, run)
    assert isinstance(many, Reprojection)
    assert isinstance(ratio, PathEnergy)
    assert (many.pairing.times, ratio.pairing.times, ratio.curve) == (5, 5, 0.9)
    assert any(isinstance(m, torch.nn.ReLU) for m in many.network.modules())
    assert "silu" in made  # the variant with another activation than the recipe's
