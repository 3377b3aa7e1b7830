"""What the experiments on guidance measure by: intervals over a few seeds, changes of Frechet distances, states on their way."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.stats import ttest_1samp

from ridgewalk.data import density, exact_score
from ridgewalk.diffusion import VP, Denoiser, Standardiser
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.settings.diffusion import Diffusion, Sampling
from ridgewalk.store.diffusion import TrainedDiffusion
from ridgewalk_studies.guidance.judged import Bench, Row, frechet_change
from ridgewalk_studies.guidance.measures import Ledger, Way, arrivals, quality, student


def test_students_interval_is_that_of_scipy() -> None:
    x = torch.tensor([0.3, 0.1, 0.5, 0.2], dtype=torch.float64)
    wanted = ttest_1samp(x.numpy(), 0).confidence_interval(0.95)
    found = student(x)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert student(x[:1]).low == -math.inf


def test_changes_are_each_seeds_against_its_own_base() -> None:
    ledger = Ledger()
    for base, other in ((2.0, 1.0), (10.0, 2.5)):
        ledger.add("base", {"kl": base})
        ledger.add("guided", {"kl": other})
    assert ledger.change("guided", "base", "kl").value == pytest.approx(-0.625)
    assert ledger.difference("guided", "base", "kl").value == pytest.approx(-4.25)
    assert ledger.mean("base")["kl"] == 6


def bench(real: torch.Tensor) -> tuple[Bench, Any]:
    judge = SimpleNamespace(name="A", balls=(real, torch.ones(len(real))), features=lambda x: x)
    return Bench([judge], len(real)), judge  # type: ignore[list-item]


def rows(features: torch.Tensor) -> Row:
    return Row({}, [features], [], features)


def test_a_frechet_distance_that_is_quartered_changes_by_three_quarters() -> None:
    """Means 2 and 1 apart in one of three features, all else alike: distances 4 and 1."""
    g = torch.Generator().manual_seed(0)
    real = torch.randn(1500, 3, generator=g, dtype=torch.float64)
    shift = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    own, _ = bench(real)
    found = frechet_change([(rows(real + 2 * shift), rows(real + shift))], own)
    assert found.value == pytest.approx(-0.75, abs=1e-6)
    same = frechet_change([(rows(real + shift), rows(real + shift))] * 2, own)
    assert (same.value, same.low, same.high) == pytest.approx((0, 0, 0), abs=1e-9)
    seeds = frechet_change([(rows(real + 2 * shift), rows(real + f * shift)) for f in (0.5, 1.5)], own)
    assert seeds.low < -1 < 0 < seeds.high  # two seeds that disagree leave it open


def test_states_under_the_exact_score_follow_the_datas_law_and_arrive() -> None:
    ring = density("ring").to(torch.float64)
    sde = VP()
    as_it_is = Standardiser(torch.zeros(2), torch.ones(2))
    settings = Diffusion()
    model = TrainedDiffusion(Denoiser(TimeMLP(2, (8,)), sde), as_it_is, (2,), 0, settings, Sampling("heun", 30))
    way = Way(model, exact_score(ring, sde))
    found = arrivals(way, ring, 1500, 0, states=10)
    assert found["level"] == sorted(found["level"], reverse=True)
    assert found["arrived"][-1] > 0.95 > 0.5 > found["arrived"][0]
    assert max(found["kl"]) < 0.5
    blind = arrivals(Way(model), ring, 1500, 0, states=10)  # F = 0: the score of one Gaussian
    assert blind["arrived"][-1] < 0.5
    assert blind["kl"][-1] > 1
    values = quality(ring.sample(2000, torch.Generator().manual_seed(0))[0], ring)
    assert values["precision"] > 0.9
    assert values["recall"] > 0.9
