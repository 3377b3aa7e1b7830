"""The interpolation network's experiment at its smallest, on digits."""

import json
from pathlib import Path

import pytest

from ridgewalk.experiments import running
from ridgewalk.experiments.interpolation_network import variants
from ridgewalk.runs import config


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduced") / "interpolation"
    changes = ["training.epochs=1", "detector.epochs=1", "walks.pairs=6"]
    running.reproduce(
        "interpolation-network", source="digits", budget="smoke", changes=changes, out=folder, device="cpu"
    )
    return folder


def test_every_variant_is_trained_and_judged_beside_the_straight_line(finished: Path) -> None:
    found = json.loads((finished / "result.json").read_text())
    names = set(variants(config.read("interpolation-network").interpolation))
    assert set(found["variants"]) == names
    assert set(found["rows"]) == names | {"lerp"}
    for terms in found["variants"].values():
        assert terms["interpolation_gradient"] > 0
    assert found["rows"]["exact, reprojection"]["end_error"][0] == 0
    assert found["rows"]["lambda 0"]["end_error"][0] > 0.1
    html = (finished / "report.html").read_text()
    assert "How it collapses" in html
    assert len(found["claims"]) == 7


def test_few_pairs_settle_nothing_that_rests_on_them(finished: Path) -> None:
    claims = json.loads((finished / "result.json").read_text())["claims"]
    assert next(c for c in claims if "more real" in c["claim"])["verdict"] == "undecided"
