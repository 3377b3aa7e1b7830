"""The Frechet distance against closed forms."""

import pytest
import torch

from ridgewalk.metrics.samples import frechet


def test_of_two_gaussians_with_diagonal_covariance_it_is_its_closed_form() -> None:
    g = torch.Generator().manual_seed(0)
    mean, s, t = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([1.0, 2.0, 0.5]), torch.tensor([2.0, 1.0, 0.5])
    a, b = torch.randn(50_000, 3, generator=g) * s, torch.randn(50_000, 3, generator=g) * t + mean
    exact = float(mean.square().sum() + (s - t).square().sum())
    assert frechet(a, b) == pytest.approx(exact, rel=0.03)  # the sampling error of 50,000 draws


def test_of_sets_whose_moments_are_exact_it_is_exact() -> None:
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    shifted = 3 * square + torch.tensor([1.0, 0.0])
    # covariances 4/3 I and 12 I: tr = 4/3 * 2 * (1 - 3)^2
    assert frechet(square, shifted) == pytest.approx(1 + 2 * 4 / 3 * 4, rel=1e-9)
    assert frechet(square, square) == pytest.approx(0, abs=1e-9)


def test_sets_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 rows"):
        frechet(torch.zeros(1, 3), torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"\(5, 3\), \(5, 4\)"):
        frechet(torch.zeros(5, 3), torch.zeros(5, 4))
    with pytest.raises(ValueError, match="some of the second set are not"):
        frechet(torch.rand(5, 3), torch.full((5, 3), torch.nan))
