"""Codes that are the prior, and codes that are off it in one known way each; the likelihood protocol on small data."""

import pytest
import torch
from torch import Tensor

from problems import points
from ridgewalk.data import ImageData, load, part
from ridgewalk_studies.measures.likelihood import likelihood, oracle
from ridgewalk_studies.measures.posterior import Match, match, network_auc

N = 1200
STEPS = 150


@pytest.fixture(scope="module")
def draws() -> Tensor:
    return 5 * points(2 * N, 3, seed=1)


@pytest.fixture(scope="module")
def alike(draws: Tensor) -> Match:
    return match(5 * points(N, 3, seed=2), draws, steps=STEPS)


def test_codes_drawn_from_the_prior_are_not_distinguished_from_it(alike: Match) -> None:
    assert alike.matched
    assert alike.probe.low < 0.5 < alike.probe.high
    assert alike.sliced_wasserstein < 2 * alike.sliced_floor
    assert abs(alike.mmd) < 2e-3
    assert alike.shift < 0.1
    assert 0.9 < alike.scale[0] <= alike.scale[1] < 1.1
    assert "does not tell 1200 held-out codes from the prior" in str(alike)


def test_codes_on_a_shell_have_the_priors_moments_and_are_distinguished_from_it(draws: Tensor) -> None:
    z = points(N, 3, seed=3)
    found = match(5 * 3**0.5 * z / z.norm(dim=1, keepdim=True), draws, steps=STEPS)
    assert found.shift < 0.1
    assert 0.9 < found.scale[0] <= found.scale[1] < 1.1
    assert not found.matched
    assert found.probe.low > 0.75  # telling |z| apart perfectly is not possible, as some draws lie near the shell
    assert found.sliced_wasserstein > 2 * found.sliced_floor
    assert found.mmd > 5 * abs(found.mmd_floor)


def test_a_shift_and_a_scale_are_named_in_units_of_the_prior(draws: Tensor) -> None:
    found = match(
        5 * (points(N, 3, seed=2) * torch.tensor([1.0, 1.0, 0.2]) + torch.tensor([0.0, 1.5, 0.0])), draws, steps=STEPS
    )
    assert found.shift == pytest.approx(1.5, abs=0.1)
    assert found.scale == (pytest.approx(0.2, abs=0.02), pytest.approx(1, abs=0.1))


def test_the_probe_is_evaluated_on_points_that_it_did_not_learn() -> None:
    """A network of its size memorises 60 points: evaluated on those, its AUC would be 1."""
    found = network_auc(points(60, 20, seed=4), points(60, 20, seed=5))
    assert found.low < 0.5 < found.high
    assert found.n == 30


def test_the_same_seed_gives_the_same_probe() -> None:
    a, b = points(80, 2, seed=4), points(80, 2, seed=5) + 1
    assert network_auc(a, b, seed=3, steps=20) == network_auc(a, b, seed=3, steps=20)
    assert network_auc(a, b, seed=3, steps=20) != network_auc(a, b, seed=4, steps=20)


def test_codes_and_draws_that_do_not_fit_are_refused(draws: Tensor) -> None:
    for codes, few in ((points(N, 2), draws), (points(39, 3), draws), (points(N, 3), draws[:N])):
        with pytest.raises(ValueError, match="at least twice as many draws"):
            match(codes, few)
    with pytest.raises(ValueError, match="must be finite"):
        match(points(N, 3) / 0, draws, steps=STEPS)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load("digits")


def test_the_protocol_chooses_on_the_last_sixth_and_measures_the_test_part(digits: ImageData) -> None:
    found = oracle(digits)
    assert found.samples == len(part(digits, "model"))
    assert found.points == len(digits.test)
    samples, other = part(digits, "model").floats(), load("digits")
    assert likelihood(samples, digits) == found
    other.test.pixels[:] = other.test.pixels.flip(0)  # another order: the same mean
    assert likelihood(samples, other).value == pytest.approx(found.value)
    other.train.pixels[-200:] = 128  # of the last sixth: sigma moves
    assert likelihood(samples, other).sigma != found.sigma


def test_noise_as_samples_scores_below_real_images(digits: ImageData) -> None:
    noise = torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert likelihood(noise, digits, points=100).value < oracle(digits, 500, points=100).value


def test_samples_that_are_no_images_of_the_data_are_refused(digits: ImageData) -> None:
    with pytest.raises(ValueError, match=r"shaped as the images, \(n, \*\(1, 8, 8\)\); got \(5, 64\)"):
        likelihood(torch.zeros(5, 64), digits)
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\]; samples lie in 0 .. 16"):
        likelihood(torch.arange(17.0).view(-1, 1, 1, 1).expand(17, 1, 8, 8), digits)
