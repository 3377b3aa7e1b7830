"""Divergences, modes and bits where the density is known: Gaussians, whose divergences are formulas, and mixtures with counts by hand."""

from collections.abc import Callable
from math import log, sqrt

import pytest
import torch
from torch import Tensor

from problems import mixture_of_covariances
from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.metrics.densities import kl_by_cells, mode_weights


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(d: int, mean: float = 0.0, deviation: float = 1.0) -> GaussianMixture:
    return GaussianMixture.from_deviations(torch.full((1, d), mean, dtype=torch.float64), deviation)


def kl_of_gaussians(d: int, mean: float, deviation: float) -> float:
    """KL(N(mean 1, deviation^2 I) || N(0, I))."""
    return d * ((deviation**2 + mean**2 - 1) / 2 - log(deviation))


LAW = gaussian(2, 0.5, 0.7)
CLOSED = kl_of_gaussians(2, 0.5, 0.7)  # 0.453


def samples_of_law(n: int, seed: int = 0) -> Tensor:
    return 0.5 + 0.7 * cloud(n, 2, seed)


# ------------------------------------------------------------------------------------------------------ divergences


def test_by_cells_it_is_the_divergence_of_two_gaussians_and_has_its_floor() -> None:
    x = samples_of_law(50_000)
    assert kl_by_cells(x, gaussian(2).log_prob, 0.25) == pytest.approx(CLOSED, abs=0.02)
    even = [torch.rand(2000, 2, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in range(20)]
    floor = sum(kl_by_cells(u, lambda z: torch.zeros_like(z[:, 0]), 0.1) for u in even) / 20
    assert floor == pytest.approx(
        99 / 4000, rel=0.1
    )  # chi-square of 99 by 20: 3 % a deviation; the rule is of first order


def test_by_cells_of_a_uniform_law_by_hand() -> None:
    # p uniform over [0, 4)^2: a cell of side 2 has 1/4 of it; 3 of 4 samples in one, 1 in another
    x = torch.tensor([[0.1, 0.1], [1.9, 0.3], [0.2, 1.1], [2.5, 3.5]], dtype=torch.float64)
    by_hand = 3 / 4 * log(3 / 4 * 4) + 1 / 4 * log(1 / 4 * 4)
    assert kl_by_cells(x, lambda z: torch.full_like(z[:, 0], -log(16)), 2.0) == pytest.approx(by_hand)


def test_a_stray_sample_in_a_cell_of_nearly_no_mass_is_counted_by_its_exact_mass() -> None:
    x = torch.cat([cloud(999, 2), torch.full((1, 2), 60.0, dtype=torch.float64)])
    near = kl_by_cells(x[:999], gaussian(2).log_prob, 0.5)
    # a thousandth x (log 1/1000 - log P), and log P near -3600 - 60 for where in the cell
    assert 3.4 < kl_by_cells(x, gaussian(2).log_prob, 0.5) - near < 3.7


# ------------------------------------------------------------------------------------------------------ modes


def two(deviation: float = 0.1, weights: tuple[float, float] = (0.75, 0.25)) -> GaussianMixture:
    means = torch.tensor([[0.0, 0.0], [5.0, 0.0]], dtype=torch.float64)
    return GaussianMixture.from_deviations(means, deviation, torch.tensor(weights, dtype=torch.float64))


def test_modes_by_hand() -> None:
    x = torch.tensor([[0.0, 0.2], [0.1, 0.0], [5.0, 0.29], [0.0, 0.31]], dtype=torch.float64)
    found = mode_weights(x, two())
    assert found.nearest.tolist() == [0, 0, 1, -1]  # 3 deviations are 0.3
    assert found.shares.tolist() == pytest.approx([0.75, 0.25])
    assert (found.error, found.outside, found.found) == (pytest.approx(0, abs=1e-12), 0.25, 2)
    assert mode_weights(x, two(weights=(0.5, 0.5))).error == pytest.approx(0.25)
    assert mode_weights(x, two(), radius=3.2).outside == 0
    assert mode_weights(x, two(), radius=1.5).outside == 0.75
    assert mode_weights(x[:2], two()).found == 1


def test_a_mixtures_own_samples_have_its_weights_though_its_modes_overlap() -> None:
    law = two(deviation=2.0)
    x, _ = law.sample(40_000, torch.Generator().manual_seed(0))
    assert mode_weights(x, law).shares.tolist() == pytest.approx([0.75, 0.25], abs=0.01)


@pytest.mark.parametrize("dims", [1, 2, 16, 64])
def test_one_of_ninety_of_a_modes_own_samples_is_outside_for_all_dimensions_and_axes(dims: int) -> None:
    roots = cloud(dims, dims, seed=4)[None]
    law = mixture_of_covariances(torch.ones(1, dims, dtype=torch.float64), roots @ roots.mT)
    x, _ = law.sample(20_000, torch.Generator().manual_seed(0))
    assert mode_weights(x, law).outside == pytest.approx(0.01111, abs=0.0025)  # 3 deviations of 20,000 draws


def test_the_nearest_mode_is_the_nearest_in_its_own_deviations_and_axes() -> None:
    means = torch.tensor([[0.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / sqrt(2)  # the long axis along (1, 1)
    long = turn @ torch.diag(torch.tensor([9.0, 0.01], dtype=torch.float64)) @ turn.T
    law = mixture_of_covariances(means, torch.stack([long, 0.01 * torch.eye(2, dtype=torch.float64)]))
    x = torch.tensor([[3.0, 3.0], [-3.0, 3.0], [4.0, 0.1]], dtype=torch.float64)
    assert mode_weights(x, law).nearest.tolist() == [0, -1, 1]


# ------------------------------------------------------------------------------------------------------ all


MEASURES: dict[str, Callable[[Tensor], object]] = {
    "cells": lambda x: kl_by_cells(x, LAW.log_prob, 0.3),
    "error": lambda x: mode_weights(x, two(1.0)).error,
    "outside": lambda x: mode_weights(x, two(1.0)).outside,
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures_leave_inputs_and_the_global_generator_unchanged_and_repeat_their_result(name: str) -> None:
    x, state = samples_of_law(90), torch.get_rng_state()
    before, first = x.clone(), MEASURES[name](x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(3)
    assert MEASURES[name](x) == first
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", MEASURES)
def test_values_do_not_depend_on_the_order_of_rows(name: str) -> None:
    x = samples_of_law(90)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(9))
    assert MEASURES[name](x[order]) == pytest.approx(MEASURES[name](x), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl_by_cells(torch.rand(9, 3), LAW.log_prob, 1.0), r"got \(9, 3\) and 1"),
        (lambda: kl_by_cells(torch.rand(9, 2), LAW.log_prob, 0.0), r"positive width"),
        (lambda: kl_by_cells(torch.rand(9, 2), lambda x: x, 1.0), r"it returned"),
        (lambda: kl_by_cells(torch.rand(9, 2), lambda x: x[:, 0] * torch.nan, 1.0), r"NaN: check the density"),
        (lambda: kl_by_cells(torch.full((9, 2), torch.nan), LAW.log_prob, 1.0), r"9 of 9 are not: check the sampler"),
        (lambda: kl_by_cells(torch.rand(9), LAW.log_prob, 1.0), r"floats \(n, d\).*\(9,\): flatten"),
        (lambda: mode_weights(torch.rand(9, 3), two()), r"\(n, 2\), as the mixture; got \(9, 3\)"),
        (lambda: mode_weights(torch.rand(9, 2), two(), radius=0.0), r"positive number of deviations; got 0"),
        (lambda: mode_weights(torch.full((9, 2), torch.inf), two()), r"9 of 9 are not"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
