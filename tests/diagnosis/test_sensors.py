"""Detectors learn known density ratios; verdicts on constructed cases are right."""

from dataclasses import replace
from math import log

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.diagnosis.sensors import SensorDiagnosis, diagnose
from ridgewalk.geometry import lerp
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.training.detectors import SCHEDULE, train_detector
from ridgewalk.training.noise import Noise


def normal(n: int, d: int, scale: float = 1.0, seed: int = 0) -> Tensor:
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


class Wide:
    """r = N(0, s^2 I)."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        return self.scale * noise.normal(*z.shape)


@pytest.fixture(scope="module")
def learned() -> Discriminator:
    return train_detector(
        normal(4000, 2),
        Wide(2.0),
        hidden=(64, 64),
        members=2,
        schedule=replace(SCHEDULE, epochs=15, batch=256, rate=3e-3),
    )


def exact(z: Tensor) -> Tensor:
    """Log N(z; 0, I) - log N(z; 0, 4 I) in two dimensions."""
    return -z.square().sum(1) / 2 * (1 - 1 / 4) + 2 * log(2.0)


def test_a_detectors_logit_is_the_log_density_ratio(learned: Discriminator) -> None:
    z = torch.cat([normal(1000, 2, seed=1), normal(1000, 2, 2.0, seed=2)])
    z = z[z.norm(dim=1) < 4]  # beyond, r has few samples to learn from
    logit = learned(z)
    assert float(torch.corrcoef(torch.stack([logit, exact(z)]))[0, 1]) > 0.95
    assert float((logit - exact(z)).abs().median()) < 0.3


def test_a_detector_is_frozen_and_states_its_sign(learned: Discriminator) -> None:
    assert learned.positive == "encoded"
    assert not learned.training
    assert not any(p.requires_grad for p in learned.parameters())


def test_the_same_seed_gives_the_same_detector() -> None:
    codes = normal(200, 2)
    one, two, other = (
        train_detector(codes, hidden=(8,), members=2, schedule=replace(SCHEDULE, epochs=1, batch=32, seed=seed))(codes)
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_members_are_different_networks_whose_logits_are_averaged() -> None:
    codes = normal(200, 2)
    both = train_detector(codes, hidden=(8,), members=2, schedule=replace(SCHEDULE, epochs=1, batch=32))
    members = both.body.members
    logits = torch.stack([member(codes) for member in members])  # type: ignore[union-attr]
    assert not torch.allclose(logits[0], logits[1], atol=1e-3)
    assert torch.allclose(both(codes), logits.mean(0))


@pytest.mark.parametrize("codes", [torch.zeros(5), torch.full((9, 2), torch.nan), torch.zeros(4, 2, 3, 3)])
def test_codes_that_a_detector_cannot_learn_from(codes: Tensor) -> None:
    with pytest.raises(ValueError, match=r"finite codes \(n, d\)"):
        train_detector(codes)


def test_a_detector_has_a_member() -> None:
    with pytest.raises(ValueError, match="at least 1 member"):
        train_detector(normal(50, 2), members=0)


class Formula(nn.Module):
    """A discriminator's body from a formula."""

    def __init__(self, formula: object) -> None:
        super().__init__()
        self.formula = formula
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.formula(z)[:, None] + 0 * self.unused  # type: ignore[operator]


SHIFT = torch.tensor([2.0, 0.0])


def diagnosed(
    formula: object, negatives: Tensor, positive: str = "encoded", codes: Tensor | None = None
) -> SensorDiagnosis:
    codes = normal(600, 2) if codes is None else codes
    nodes = lerp(codes[:50], codes[50:100], torch.linspace(0, 1, 9))
    return diagnose("it", Discriminator(Formula(formula), positive), codes, negatives, nodes, normal(600, 2, seed=9))


def test_the_exact_sensor_of_two_gaussians_is_alive() -> None:
    # log N(0, I) / N(2 e_1, I) = 2 - 2 z_1, whose AUC is Phi(2 / sqrt 2) = 0.92
    found = diagnosed(lambda z: 2 - 2 * z[:, 0], normal(600, 2, seed=5) + SHIFT)
    assert found.verdict == "alive"
    assert found.auc == pytest.approx(0.921, abs=0.02)
    assert found.probe_auc == pytest.approx(0.921, abs=0.04)
    assert found.bce < log(2) / 2 + 0.05
    assert torch.allclose(found.gradient, torch.full((9,), 2.0), atol=1e-5)
    assert found.sentence.startswith("it is alive")


def test_a_sensor_positive_for_the_prior_is_read_with_the_other_sign() -> None:
    found = diagnosed(lambda z: 2 * z[:, 0] - 2, normal(600, 2, seed=5) + SHIFT, "prior")
    assert found.verdict == "alive"
    assert found.auc == pytest.approx(0.921, abs=0.02)
    assert found.scores["encoded"].mean() < 0.3


def test_a_constant_sensor_of_data_that_differ_is_dead() -> None:
    found = diagnosed(lambda z: 0 * z[:, 0], normal(600, 2, seed=5) + SHIFT)
    assert found.verdict == "dead"
    assert found.bce == pytest.approx(log(2), abs=1e-6)
    assert found.probe_auc > 0.85
    assert "dead" in found.sentence


@pytest.mark.parametrize("formula", [lambda z: 0 * z[:, 0], lambda z: 0.2 * z[:, 1]])
def test_a_sensor_of_data_that_are_alike_is_at_equilibrium(formula: object) -> None:
    found = diagnosed(formula, normal(600, 2, seed=5))
    assert found.verdict == "equilibrium"
    assert found.probe_auc == pytest.approx(0.5, abs=0.1)


def test_a_sensor_that_looks_the_wrong_way_is_dead() -> None:
    assert diagnosed(lambda z: z[:, 1], normal(600, 2, seed=5) + SHIFT).verdict == "dead"


def test_a_sensor_of_enormous_logits_is_saturated() -> None:
    found = diagnosed(lambda z: 40 * (5 - z[:, 0]), normal(600, 2, seed=5) + 5 * SHIFT)
    assert found.verdict == "saturated"


def test_a_sensor_that_is_sure_and_wrong_is_overconfident() -> None:
    found = diagnosed(lambda z: 30 * (0.5 - z[:, 0]), normal(600, 2, seed=5) + SHIFT / 2)
    assert found.verdict == "overconfident"
    assert found.bce > log(2)


def test_a_diagnosis_repeats_and_its_figures_are_plain() -> None:
    import json

    one, two = (diagnosed(lambda z: 2 - 2 * z[:, 0], normal(600, 2, seed=5) + SHIFT) for _ in range(2))
    assert one.figures() == two.figures()
    assert json.loads(json.dumps(one.figures())) == one.figures()
