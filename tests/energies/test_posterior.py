"""The density restored from a logit: exact for two Gaussians, and learned on two moons whose density is known."""

from math import exp, log, pi

import pytest
import torch
from torch import Tensor

from problems import Gaussian, GaussianLogit, points
from ridgewalk.energies import AggregatePosterior, DensityRatio, GaussianPrior, PosteriorEnergy
from ridgewalk.fields import score
from ridgewalk.models.discriminators import Discriminator, latent_discriminator


def normal_energy(z: Tensor, sigma: float) -> Tensor:
    """-log N(z; 0, sigma^2 I), whole."""
    return z.square().sum(1) / (2 * sigma**2) + z.shape[1] * log(2 * pi * sigma**2) / 2


def test_with_the_exact_logit_it_is_minus_the_log_density_but_for_a_constant() -> None:
    z = 3 * points(200, 5, seed=1)
    energy = PosteriorEnergy(GaussianLogit("encoded", 0.7, 2.0), GaussianPrior(2.0))
    off = energy(z) - normal_energy(z, 0.7)
    assert float(off.max() - off.min()) < 1e-10
    assert float(off.mean()) == pytest.approx(
        -5 * log(2 * pi * 4.0) / 2, abs=1e-10
    )  # the constant that the prior lacks


def test_with_a_whole_reference_nothing_is_left_over() -> None:
    z = 3 * points(200, 5, seed=1)
    energy = PosteriorEnergy(GaussianLogit("encoded", 0.7, 2.0), lambda r: normal_energy(r, 2.0))
    torch.testing.assert_close(energy(z), normal_energy(z, 0.7), rtol=0, atol=1e-10)


def test_its_score_is_that_of_the_data_where_the_ratios_is_not() -> None:
    z, logit = points(50, 3, seed=2), GaussianLogit("encoded", 0.7, 2.0)
    torch.testing.assert_close(score(PosteriorEnergy(logit, GaussianPrior(2.0)), z), -z / 0.7**2)
    torch.testing.assert_close(score(DensityRatio(logit), z), -z * (1 / 0.7**2 - 1 / 2.0**2))


def test_where_the_data_equal_the_reference_the_ratio_sees_nothing_and_it_is_the_reference() -> None:
    z, logit = points(50, 3, seed=2), GaussianLogit("encoded", 1.0, 1.0)
    assert score(DensityRatio(logit), z).abs().max() == 0
    torch.testing.assert_close(PosteriorEnergy(logit, GaussianPrior())(z), GaussianPrior()(z))
    torch.testing.assert_close(score(PosteriorEnergy(logit, GaussianPrior()), z), -z)


def test_the_ratios_mean_under_the_reference_is_one() -> None:
    # mean_r exp(l) = integral of q; its error over 200,000 draws is below 0.01 for these widths
    z = 2 * points(200_000, 2, seed=3)
    assert float(GaussianLogit("encoded", 1.0, 2.0)(z).exp().mean()) == pytest.approx(1, abs=0.01)


def test_a_discriminator_of_the_other_side_is_refused() -> None:
    with pytest.raises(ValueError, match="PosteriorEnergy reads a discriminator"):
        PosteriorEnergy(latent_discriminator(2, "prior", (4,)), GaussianPrior())
    assert isinstance(
        PosteriorEnergy(latent_discriminator(2, "encoded", (4,)), GaussianPrior()).discriminator, Discriminator
    )


def test_an_aggregate_posterior_of_one_image_is_its_gaussian() -> None:
    z = 2 * points(30, 2, seed=4)
    one = AggregatePosterior(torch.zeros(1, 2, dtype=z.dtype), torch.full((1, 2), 2 * log(0.4), dtype=z.dtype))
    torch.testing.assert_close(one(z), normal_energy(z, 0.4), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(score(one, z), score(Gaussian(0.4), z))


def test_an_aggregate_posterior_is_the_mixture_that_torch_has() -> None:
    from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

    mean, log_variance, z = points(7, 3, seed=5), points(7, 3, seed=6), points(20, 3, seed=7)
    parts = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    whole = MixtureSameFamily(Categorical(torch.ones(7, dtype=z.dtype)), parts)
    energy = AggregatePosterior(mean, log_variance)
    torch.testing.assert_close(energy(z), -whole.log_prob(z), rtol=1e-11, atol=1e-11)
    spatial = AggregatePosterior(mean.view(7, 3, 1, 1), log_variance.view(7, 3, 1, 1))
    torch.testing.assert_close(spatial(z.view(20, 3, 1, 1)), energy(z))


def test_draws_are_of_the_requested_components() -> None:
    energy = AggregatePosterior(points(3, 2, seed=5), torch.full((3, 2), 2 * log(0.1), dtype=torch.float64))
    which, noise = torch.tensor([2, 0]), points(2, 2, seed=8)
    torch.testing.assert_close(energy.draw(which, noise), energy.mean[which] + 0.1 * noise)
    assert float(energy(energy.mean).exp().mean()) < 3 * 2 * pi * exp(2 * log(0.1)) * 1.01  # peaks of 1 / (3 2 pi s^2)


def test_a_mixture_of_shapes_that_differ_is_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        AggregatePosterior(points(3, 2), points(3, 1))
    with pytest.raises(ValueError, match="m >= 1"):
        AggregatePosterior(points(0, 2), points(0, 2))
