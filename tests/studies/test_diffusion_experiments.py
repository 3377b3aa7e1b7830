"""The experiments on diffusions, as smoke runs from training to report; and their measures, by closed forms."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from ridgewalk.data import density, exact_score
from ridgewalk.diffusion import VP
from ridgewalk.judging import samples
from ridgewalk_studies.measures import scores
from ridgewalk_studies.reproduce import reproduce

BOTH = {
    "diffusion-2d": ("ring", ("Trajectories", "Where the score is wrong", "Other choices")),
    "diffusion-mnist": ("digits", ("Paths through noise", "Inverse problems", "Likelihood")),
    "guidance-2d": ("ring", ("Exact ratios", "When it is worth it", "Other densities")),
    "guidance-mnist": ("digits", ("Class by class", "In-painting under guidance", "What a guided step costs")),
}


def proven(found: dict[str, Any]) -> None:
    orders = {"VP euler": 1, "VP midpoint": 2, "VP rk4": 4, "VP ddim": 1, "VP heun": 2}
    assert found["orders"] == pytest.approx(orders, abs=0.25)
    assert found["likelihood_error"] < 0.01


def judged(found: dict[str, Any]) -> None:
    assert set(found["samples"]) >= {"real, held out", "prior of the VAE", "codes", "pixels"}
    assert all(0 <= row["A"]["precision"][0] <= 1 for row in found["samples"].values())
    assert found["inverse"]["in-painting, replacement"]["constraint"] < 1e-5  # what is seen is put in after every step


def guided(found: dict[str, Any]) -> None:
    assert found["exact"]["score_error"] < 1e-5
    assert found["exact"]["nll_error"] < 0.01
    assert min(found["exact"]["nll"], key=lambda g: found["exact"]["nll"][g]) == "1.0"


def controlled(found: dict[str, Any]) -> None:
    rows = found["controls"]["rows"]
    assert rows["guided"][0]["nfe"] == rows["base"][0]["nfe"] < rows["twice the evaluations"][0]["nfe"]
    assert rows["training images"][0]["frechet"] < rows["base"][0]["frechet"]


TRUE = {"diffusion-2d": proven, "diffusion-mnist": judged, "guidance-2d": guided, "guidance-mnist": controlled}


@pytest.mark.parametrize("name", BOTH)
def test_it_runs_from_training_to_report(name: str, tmp_path: Path) -> None:
    source, words = BOTH[name]
    result = reproduce(name, source=source, budget="smoke", out=tmp_path / "r", device="cpu")
    found = json.loads((tmp_path / "r" / "result.json").read_text())
    assert found["claims"]
    TRUE[name](found)
    page = result.page.read_text()
    for word in words:
        assert word in page
    assert not re.findall(r'(?:src|href)="https?://', page)
    with pytest.raises(ValueError, match="finished"):
        reproduce(name, source=source, budget="smoke", out=tmp_path / "r", device="cpu")


def test_an_exact_score_has_no_error_and_a_scaled_one_its_share() -> None:
    ring, sde = density("ring"), VP()
    exact = exact_score(ring, sde)
    for found in scores.score_error(exact, ring, sde, (0.05, 0.4), rows=500):
        assert float(found.tenths.max()) < 1e-4  # the score is asked in float32
        assert found.mean < 1e-8
    for found in scores.score_error(lambda x, t: 1.1 * exact(x, t), ring, sde, (0.05, 0.4), rows=500):
        assert found.mean == pytest.approx(0.01, rel=1e-3)
    wrong = scores.score_error(
        lambda x, t: exact(x, t) + x.norm(dim=1, keepdim=True).pow(8), ring, sde, (0.4,), rows=500
    )
    assert wrong[0].outside > float(wrong[0].tenths[-1])  # grows away from the data


def test_points_of_the_density_itself_are_at_the_floor() -> None:
    ring = density("ring")
    own = samples.compare_with_density(samples.draws(ring, 4000, 3), ring, True)
    floor = samples.floor(ring, 4000, True)
    assert own["kl"] == pytest.approx(floor["kl"], abs=0.02)
    assert own["no_mode"] == pytest.approx(math.exp(-4.5), abs=0.007)  # three deviations in the plane; 4,000 draws
    displaced = samples.compare_with_density(samples.draws(ring, 4000, 3) * 1.2, ring, True)
    assert displaced["kl"] > floor["kl"] + 0.5
    assert displaced["sliced_wasserstein"] > own["sliced_wasserstein"] + 0.1
    plane = samples.plane(ring)
    assert plane is not None
    x, y, log = plane
    assert float(torch.as_tensor(log).exp().sum()) * (x[1] - x[0]) * (y[1] - y[0]) == pytest.approx(1, abs=1e-3)
    assert samples.plane(density("mixture-16")) is None
    assert math.isfinite(samples.compare_with_data(torch.randn(50, 3), torch.randn(60, 3))["mmd"])
