"""Divergences, modes and bits where the density is known: Gaussians, whose divergences are formulas, and mixtures with counts by hand."""

from collections.abc import Callable
from math import inf, log, sqrt

import pytest
import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.metrics import (
    kl_by_cells,
    kl_by_entropy,
    kl_by_neighbours,
    kl_divergence,
    kl_of_samples,
    mode_weights,
)


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


def test_with_both_densities_it_is_a_mean_with_its_error() -> None:
    x, standard = samples_of_law(4000), gaussian(2)
    found = kl_divergence(LAW.log_prob(x), standard.log_prob(x))
    assert found.mean == pytest.approx(CLOSED, abs=4 * found.error)
    assert found.error < 0.02
    again = [
        kl_divergence(LAW.log_prob(y), standard.log_prob(y)).mean
        for y in (samples_of_law(4000, seed) for seed in range(1, 101))
    ]
    assert float(torch.tensor(again).std()) == pytest.approx(found.error, rel=0.25)  # 100 draws: 7 % a deviation
    assert kl_divergence(torch.tensor([-1.0, -2.0]), torch.tensor([-2.0, -5.0])) == pytest.approx((2.0, 1.0))
    assert kl_divergence(torch.zeros(3), torch.tensor([0.0, -inf, 0.0])) == (inf, inf)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_by_entropy_it_is_the_divergence_of_two_gaussians(k: int) -> None:
    found = torch.tensor([kl_by_entropy(samples_of_law(3000, s), gaussian(2).log_prob, k) for s in range(6)])
    bias = 0.02 + 0.003 * k  # balls of k of 3,000 samples
    assert float(found.mean()) == pytest.approx(CLOSED, abs=bias)


def test_by_neighbours_it_is_the_divergence_of_two_gaussians() -> None:
    found = [kl_by_neighbours(samples_of_law(3000, s), cloud(4000, 2, 50 + s)) for s in range(6)]
    assert sum(found) / 6 == pytest.approx(CLOSED, abs=0.04)
    d = 4
    found = [kl_by_neighbours(0.3 + cloud(3000, d, s), cloud(2000, d, 50 + s)) for s in range(6)]
    assert sum(found) / 6 == pytest.approx(kl_of_gaussians(d, 0.3, 1.0), abs=0.04)


def test_by_neighbours_on_a_line_by_hand() -> None:
    x, y = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[0.5], [7.0]])
    # to the nearest other: 1, 1, 2; to the nearest y: 0.5, 0.5, 2.5
    by_hand = (log(0.5) + log(0.5) + log(2.5 / 2)) / 3 + log(2 / 2)
    assert kl_by_neighbours(x, y, k=1) == pytest.approx(by_hand)


def test_by_entropy_on_a_line_by_hand() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    # psi(1) - psi(3) = -3/2, a ball of radius r is 2 r long, and p = 1/10
    by_hand = -3 / 2 - log(2) - log(2) / 3 + log(10)
    assert kl_by_entropy(x, lambda z: torch.full_like(z[:, 0], -log(10)), k=1) == pytest.approx(by_hand)


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
    assert kl_by_entropy(x, gaussian(2).log_prob) > 3


@pytest.mark.parametrize("dims", [2, 16, 64])
def test_of_a_mixture_it_is_zero_for_its_own_samples_and_right_for_scaled_ones(dims: int) -> None:
    law = GaussianMixture.from_deviations(torch.zeros(1, dims, dtype=torch.float64), 0.5)
    noise = 0.012 * dims  # deviations of an estimate over draws: 0.02, 0.05 and 0.2
    for factor in (0.8, 1.0, 1.4):  # a wide law is above 0 in many dimensions, too: by neighbours in y it is far below
        x = factor * law.sample(1500, torch.Generator().manual_seed(5))[0]
        exact = kl_of_gaussians(dims, 0.0, factor)
        assert kl_of_samples(x, law) == pytest.approx(exact, abs=0.05 + noise)


def test_of_a_mixture_it_sees_modes_that_are_left_out() -> None:
    means = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [3.0, 3.0]], dtype=torch.float64)
    law, half = GaussianMixture.from_deviations(means, 0.3), GaussianMixture.from_deviations(means[:2], 0.3)
    x, _ = half.sample(3000, torch.Generator().manual_seed(5))
    assert kl_of_samples(x, law) == pytest.approx(log(2), abs=0.08)
    assert kl_of_samples(x, law, seed=1) != kl_of_samples(x, law, seed=2)


def test_samples_that_coincide_have_no_density() -> None:
    stuck = torch.cat([cloud(50, 2), torch.ones(7, 2, dtype=torch.float64)])
    assert kl_by_entropy(stuck, gaussian(2).log_prob, k=5) == inf
    assert kl_by_entropy(stuck[:-2], gaussian(2).log_prob, k=5) < inf  # five of them: a fifth other is elsewhere
    assert kl_by_neighbours(stuck, cloud(50, 2, seed=1), k=5) == inf


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
def test_one_of_ninety_of_a_modes_own_samples_is_outside_whatever_the_dimensions_and_axes(dims: int) -> None:
    roots = cloud(dims, dims, seed=4)[None]
    law = GaussianMixture.from_covariances(torch.ones(1, dims, dtype=torch.float64), roots @ roots.mT)
    x, _ = law.sample(20_000, torch.Generator().manual_seed(0))
    assert mode_weights(x, law).outside == pytest.approx(0.01111, abs=0.0025)  # 3 deviations of 20,000 draws


def test_the_nearest_mode_is_the_nearest_in_its_own_deviations_and_axes() -> None:
    means = torch.tensor([[0.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64) / sqrt(2)  # the long axis along (1, 1)
    long = turn @ torch.diag(torch.tensor([9.0, 0.01], dtype=torch.float64)) @ turn.T
    law = GaussianMixture.from_covariances(means, torch.stack([long, 0.01 * torch.eye(2, dtype=torch.float64)]))
    x = torch.tensor([[3.0, 3.0], [-3.0, 3.0], [4.0, 0.1]], dtype=torch.float64)
    assert mode_weights(x, law).nearest.tolist() == [0, -1, 1]


# ------------------------------------------------------------------------------------------------------ all


MEASURES: dict[str, Callable[[Tensor], object]] = {
    "entropy": lambda x: kl_by_entropy(x, LAW.log_prob),
    "cells": lambda x: kl_by_cells(x, LAW.log_prob, 0.3),
    "neighbours": lambda x: kl_by_neighbours(x, cloud(80, 2, seed=5)),
    "samples": lambda x: kl_of_samples(x, LAW),
    "drawn": lambda x: kl_of_samples(torch.cat([x, x.flip(0)], dim=1), gaussian(4)),
    "error": lambda x: mode_weights(x, two(1.0)).error,
    "outside": lambda x: mode_weights(x, two(1.0)).outside,
    "mean": lambda x: kl_divergence(LAW.log_prob(x), gaussian(2).log_prob(x)).mean,
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures_leave_inputs_and_the_global_generator_alone_and_say_the_same_again(name: str) -> None:
    x, state = samples_of_law(90), torch.get_rng_state()
    before, first = x.clone(), MEASURES[name](x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(3)
    assert MEASURES[name](x) == first
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", [n for n in MEASURES if n != "drawn"])
def test_the_order_of_rows_says_nothing(name: str) -> None:
    x = samples_of_law(90)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(9))
    assert MEASURES[name](x[order]) == pytest.approx(MEASURES[name](x), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: kl_divergence(torch.zeros(3), torch.zeros(4)), r"got \(3,\) and \(4,\)"),
        (lambda: kl_divergence(torch.zeros(1), torch.zeros(1)), r"n > 1"),
        (lambda: kl_divergence(torch.tensor([0.0, -inf]), torch.zeros(2)), r"finite at p's own samples"),
        (lambda: kl_divergence(torch.zeros(2), torch.tensor([0.0, torch.nan])), r"neither NaN nor inf"),
        (lambda: kl_by_entropy(torch.rand(5, 2), LAW.log_prob), r"1 <= k < 5 for so few; got 5: take a smaller k"),
        (lambda: kl_by_entropy(torch.rand(9, 2), lambda x: x), r"it returned \(9, 2\)"),
        (lambda: kl_by_entropy(torch.rand(9, 2), lambda x: x[:, 0] * torch.nan), r"with 9 NaN"),
        (lambda: kl_by_entropy(torch.full((9, 2), torch.nan), LAW.log_prob), r"9 of 9 are not: look at the sampler"),
        (lambda: kl_by_entropy(torch.rand(9), LAW.log_prob), r"floats \(n, d\).*\(9,\): flatten"),
        (lambda: kl_by_cells(torch.rand(9, 3), LAW.log_prob, 1.0), r"got \(9, 3\) and 1"),
        (lambda: kl_by_cells(torch.rand(9, 2), LAW.log_prob, 0.0), r"positive width"),
        (lambda: kl_by_neighbours(torch.rand(9, 2), torch.rand(9, 3)), r"\(9, 2\) and \(9, 3\)"),
        (lambda: kl_by_neighbours(torch.rand(9, 2), torch.rand(4, 2)), r"1 <= k < 5"),
        (lambda: kl_of_samples(torch.rand(9, 3), LAW), r"\(n, 2\), as the mixture; got \(9, 3\)"),
        (lambda: mode_weights(torch.rand(9, 3), two()), r"\(n, 2\), as the mixture; got \(9, 3\)"),
        (lambda: mode_weights(torch.rand(9, 2), two(), radius=0.0), r"positive number of deviations; got 0"),
        (lambda: mode_weights(torch.full((9, 2), torch.inf), two()), r"9 of 9 are not"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
