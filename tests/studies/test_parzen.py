"""Parzen windows against densities in closed form, the best width in closed form, and what is refused."""

from math import log, pi, sqrt

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from problems import points, rows
from ridgewalk_studies.measures.parzen import GRID, WORTH, log_density, parzen_likelihood


def test_the_density_is_that_of_equal_gaussians_about_the_samples() -> None:
    samples, x, sigma = points(50, 3), points(20, 3, seed=1), 0.37
    mixture = MixtureSameFamily(
        Categorical(torch.ones(50, dtype=torch.float64)),
        Independent(Normal(samples, torch.full((50, 3), sigma, dtype=torch.float64)), 1),
    )
    assert torch.allclose(log_density(x, samples, sigma), mixture.log_prob(x), rtol=0, atol=1e-9)


def test_images_are_flattened_and_far_points_keep_a_finite_density() -> None:
    x = torch.full((1, 1, 28, 28), 1.0)
    assert float(log_density(x, torch.zeros(3, 1, 28, 28), 0.1)) == pytest.approx(
        -784 / 0.02 - 784 * (log(0.1) + log(2 * pi) / 2), rel=1e-12
    )


def test_the_best_width_of_one_sample_is_the_root_mean_square_distance_a_dimension() -> None:
    x = points(400, 2, seed=2)
    best = float(x.square().mean().sqrt())
    grid = [best * 1.02**i for i in range(-12, 13)]
    found = parzen_likelihood(torch.zeros(1, 2, dtype=torch.float64), x, x, grid)
    assert found.sigma == pytest.approx(best, rel=1e-9)
    assert found.value == pytest.approx(
        -1 - 2 * log(best) - log(2 * pi), rel=1e-9
    )  # the Gaussian's own, at its maximum
    assert found.widened == 0


def test_many_samples_of_a_gaussian_give_its_entropy() -> None:
    found = parzen_likelihood(points(5000, 1), points(300, 1, seed=1), points(4000, 1, seed=2))
    assert found.value == pytest.approx(-(1 + log(2 * pi)) / 2, abs=3 * found.error + 0.01)  # and the window's bias
    assert found.error == pytest.approx(1 / sqrt(2 * 4000), rel=0.1)  # log p has the variance of x^2 / 2
    assert (found.samples, found.points) == (5000, 4000)


@pytest.mark.parametrize("grid", [(1.5, 2.0, 2.5), (0.01, 0.012, 0.015)])
def test_a_grid_without_the_optimum_is_continued_until_it_is_inside_and_reports_it(grid: tuple[float, ...]) -> None:
    samples, x = torch.zeros(1, 4, dtype=torch.float64), points(300, 4, seed=3) * 0.2
    found = parzen_likelihood(samples, x, x, grid)
    assert found.widened > 0
    assert found.grid[0] < found.sigma < found.grid[-1]
    assert len(found.grid) == len(found.validation) == 3 + found.widened
    assert list(found.grid) == sorted(found.grid)
    assert set(grid) <= set(found.grid)
    assert found.sigma == pytest.approx(float(x.square().mean().sqrt()), rel=0.3)  # to the ratio of the grid
    assert f"{found.widened} of them added" in str(found)


def test_validation_points_among_the_samples_have_no_best_width() -> None:
    samples = points(100, 5)
    with pytest.raises(ValueError, match=r"at the end of the grid.*are validation points among the samples"):
        parzen_likelihood(samples, samples[:10], points(10, 5, seed=1))


def test_the_test_points_do_not_choose_the_width() -> None:
    samples, validation = points(500, 2), points(100, 2, seed=1)
    a, b = (parzen_likelihood(samples, validation, s * points(100, 2, seed=2)) for s in (1.0, 3.0))
    assert a.sigma == b.sigma
    assert a.value > b.value


def test_what_is_not_points_is_refused() -> None:
    x = points(5, 2)
    with pytest.raises(ValueError, match=r"samples must be floating points.*divide images by 255"):
        log_density(x, torch.zeros(5, 2, dtype=torch.uint8), 1.0)
    with pytest.raises(ValueError, match=r"shaped as the others; got points \(5, 2\) and samples \(5, 3\)"):
        log_density(x, points(5, 3), 1.0)
    with pytest.raises(ValueError, match="samples must be finite"):
        log_density(x, rows((0.0, float("nan"))), 1.0)
    for sigma in (0.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="positive finite"):
            log_density(x, x, sigma)
    for grid in ((0.1, 0.2), (0.3, 0.2, 0.1), (0.1, 0.1, 0.2)):
        with pytest.raises(ValueError, match="at least 3 positive finite values in growing order"):
            parzen_likelihood(x, x, x, grid)
    with pytest.raises(ValueError, match="at least 2 test points"):
        parzen_likelihood(x, x, x[:1])


def test_the_sentence_has_the_protocol_and_what_the_figure_is_worth() -> None:
    said = str(parzen_likelihood(points(200, 2), points(50, 2, seed=1), points(60, 2, seed=2), GRID))
    assert "over 60 points, 200 samples, sigma " in said
    assert WORTH in said
