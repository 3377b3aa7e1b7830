"""The study of the constants of walks: what is measured, what is chosen, and the whole at smoke size."""

import json
from pathlib import Path

import pytest
import torch

import ridgewalk
from ridgewalk.evaluation.ends import draw_ends
from ridgewalk.evaluation.judged import judges_of
from ridgewalk.settings.autoencoder import Walks
from ridgewalk_studies.reproduce import reproduce
from ridgewalk_studies.sensors import phases
from ridgewalk_studies.sensors.phases import Phase


def phase(beta: float, arrived: float, real: float, from_half: float, n: int = 60) -> Phase:
    """Walks of which the first ones arrive, all with the same figures but for a little spread."""
    spread = 0.001 * torch.linspace(-1, 1, n, dtype=torch.float64)
    there = (torch.arange(n) < arrived * n).double()
    columns = {"arrived": there, "real": real + spread, "from_half": from_half + spread}
    walks = {"sgw_alpha": 0.1, "sgw_beta": beta, "sgw_clamp": 1.0}
    return Phase(walks, {**columns, "value": columns["real"] * there})


def test_a_walk_that_stops_where_frames_are_real_is_not_chosen() -> None:
    straight, pulled, stalled = phase(0.01, 1, 0.7, 0.2), phase(0.05, 0.95, 0.8, 0.15), phase(0.5, 0.1, 0.99, 0.1)
    assert phases.choose([straight, pulled, stalled]) is pulled
    assert phases.choose([straight, phase(0.02, 1, 0.7, 0.2)]) is straight  # the first of equals
    assert (
        phases.describe(pulled.walks) == "--set walks.sgw_alpha=0.1 --set walks.sgw_beta=0.05 --set walks.sgw_clamp=1"
    )


def test_what_is_told_of_the_walk_is_judged_by_arrivals_and_scores() -> None:
    straight = phase(0.0, 1, 0.7, 0.2)
    swept = [phase(0.05, 0.9, 0.7, 0.1), phase(0.2, 0.3, 0.7, 0.05)]
    assert [v.fate for v in phases.judge_told(swept, straight, 1, Walks())] == ["held", "did not hold"]
    swept = [phase(0.05, 0.9, 0.7, 0.3)]  # it arrives, and is driven away from 1/2
    assert [v.fate for v in phases.judge_told(swept, straight, 1, Walks())] == ["did not hold"]
    assert phases.judge_told(swept, straight, 1, Walks(sgw_alpha=0.2)) == []  # not tried


def test_walks_are_measured_by_arrival_score_and_judges(smoke: Path) -> None:
    run = ridgewalk.load(smoke)
    ends, judges = draw_ends(run, 4, 0, "validation"), judges_of(run)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    line = run.finder("lerp")(z_a, z_b)
    score = line.map(run.sensors["matcher"]).sigmoid()[:, 1:-1]
    free = phases.walk_by(run, ends, judges, "sgw", "logit-squared", {"sgw_beta": 0.0})
    assert free["arrived"].tolist() == [1] * 4
    assert free["from_half"].tolist() == pytest.approx((score - 0.5).abs().mean(dim=1).tolist(), abs=1e-3)
    stalled = phases.walk_by(run, ends, judges, "sgw", "logit-squared", {"sgw_beta": 1e4, "sgw_clamp": 1e6})
    assert stalled["arrived"].sum() < 4
    assert torch.equal(stalled["value"], stalled["real"] * stalled["arrived"])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_study_runs_from_training_to_report(tmp_path: Path) -> None:
    result = reproduce(
        "walk-phases", source="digits", budget="smoke", changes=["judges.steps=400"], out=tmp_path / "out", device="cpu"
    )
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    tried = {"sgw:logit-squared": 8, "sgw:bce-to-half": 8, "sgw:bce-to-0": 8, "guided:neg-log-d": 4}
    assert {name: len(own) for name, own in found["phases"].items()} == tried
    run = ridgewalk.load(tmp_path / "out" / "run-0")
    ends = draw_ends(run, 8, 0, "validation")
    straight = phases.walk_by(run, ends, judges_of(run), "lerp", None, {})
    assert found["lerp"]["from_half"][0] == pytest.approx(float(straight["from_half"].mean()))
    for name, walks in found["chosen"].items():
        values = [own["value"][0] for own in found["phases"][name]]
        best = next(own for own in found["phases"][name] if own["value"][0] == max(values))
        assert walks == {key: best[key] for key in walks}
        assert f"{name}, chosen" in found["rows"]
    assert set(found["diagram"]["rows"]["LERP"]) == set(phases.QUANTITIES)
    page = result.page.read_text()
    assert "Phase diagram: sgw:logit-squared" in page
    assert "--set walks.guided_gamma=" in page


def test_where_the_judges_cannot_tell_the_setting_that_arrives_is_chosen() -> None:
    arrives, stalls = phase(0.05, 0.9, torch.nan, 0.1), phase(0.2, 0.4, torch.nan, 0.05)
    assert phases.choose([stalls, arrives]) is arrives
    seen = [phase(0.05, 0.9, 0.5, 0.1), phase(0.2, 0.4, 0.9, 0.05)]
    assert phases.choose(seen) is seen[0]
