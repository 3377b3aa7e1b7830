"""Energies of a logit: values and gradients in closed form, and on two Gaussians whose optimal logit is known."""

from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from problems import Gaussian, GaussianLogit, points
from ridgewalk.energies import (
    Decoded,
    DensityRatio,
    GaussianPrior,
    Ideal,
    LogitSquared,
    NegativeLogD,
    SoftRatio,
    TowardsEncoded,
    WeightedSum,
    freeze,
)
from ridgewalk.fields import score
from ridgewalk.models.discriminators import Discriminator, latent_discriminator
from ridgewalk.protocols import Energy

LOGITS = torch.linspace(-6, 6, 25, dtype=torch.float64)


def itself(z: Tensor) -> Tensor:
    """A discriminator of one dimension whose logit is its input."""
    return z[:, 0]


def gradient(energy: Energy, logits: Tensor = LOGITS) -> Tensor:
    return -score(energy, logits[:, None])[:, 0]


def value(energy: Energy, logits: Tensor = LOGITS) -> Tensor:
    return energy(logits[:, None])


def close(got: Tensor, expected: Tensor, rtol: float = 1e-12, atol: float = 1e-14) -> None:
    torch.testing.assert_close(got, expected, rtol=rtol, atol=atol)


def test_logit_squared() -> None:
    close(value(LogitSquared(itself)), LOGITS**2)
    close(gradient(LogitSquared(itself)), 2 * LOGITS)


def test_ideal_is_zero_where_the_discriminator_is_undecided_and_pulls_there_boundedly() -> None:
    close(value(Ideal(itself)), torch.log((1 + LOGITS.exp()) / 2) - LOGITS / 2)
    close(gradient(Ideal(itself)), LOGITS.sigmoid() - 0.5)
    zero = torch.zeros(1, dtype=torch.float64)
    assert value(Ideal(itself), zero).item() == pytest.approx(0, abs=1e-16)
    assert gradient(Ideal(itself), zero).item() == 0
    assert (value(Ideal(itself))[LOGITS != 0] > 0).all()
    assert gradient(Ideal(itself), 1e3 * LOGITS).abs().max() <= 0.5


def test_ideal_is_cross_entropy_to_one_half_without_its_least_value() -> None:
    half = torch.full_like(LOGITS, 0.5)
    expected = binary_cross_entropy_with_logits(LOGITS, half, reduction="none") - log(2)
    close(value(Ideal(itself)), expected)


def test_towards_encoded_has_no_minimum_and_does_not_stop_where_the_discriminator_is_undecided() -> None:
    energy = TowardsEncoded(itself)
    close(value(energy), torch.log1p(LOGITS.exp()))
    close(gradient(energy), LOGITS.sigmoid())
    far = torch.linspace(-600, 600, 1201, dtype=torch.float64)
    assert (gradient(energy, far) > 0).all()
    assert (value(energy, far).diff() >= 0).all()
    assert (value(energy, far[far < 30]).diff() > 0).all()
    assert gradient(energy, torch.zeros(1, dtype=torch.float64)).item() == 0.5
    # descent from D = 1/2 leaves it, where that of Ideal stays
    z = torch.zeros(1, 1, dtype=torch.float64)
    for _ in range(100):
        z = z + score(energy, z)
    assert z.item() < -3
    assert score(Ideal(itself), torch.zeros(1, 1, dtype=torch.float64)).item() == 0


def test_towards_encoded_is_cross_entropy_to_the_target_zero() -> None:
    expected = binary_cross_entropy_with_logits(LOGITS, torch.zeros_like(LOGITS), reduction="none")
    close(value(TowardsEncoded(itself)), expected)


def test_density_ratio_is_minus_the_logit() -> None:
    close(value(DensityRatio(itself)), -LOGITS)
    close(gradient(DensityRatio(itself)), -torch.ones_like(LOGITS))


@pytest.mark.parametrize("margin", [-1.0, 0.0, 2.5])
def test_soft_ratio_pulls_fully_below_its_margin_and_not_above(margin: float) -> None:
    energy = SoftRatio(itself, margin)
    close(value(energy), torch.log1p((margin - LOGITS).exp()))
    close(gradient(energy), -(margin - LOGITS).sigmoid())
    at = torch.tensor([margin - 40, margin, margin + 40], dtype=torch.float64)
    close(gradient(energy, at), torch.tensor([-1.0, -0.5, 0.0], dtype=torch.float64), atol=1e-15)


def test_soft_ratio_of_a_large_margin_is_the_density_ratio_up_to_a_constant() -> None:
    soft, plain = value(SoftRatio(itself, margin=60.0)), value(DensityRatio(itself))
    close(soft - plain, torch.full_like(LOGITS, 60.0))
    close(gradient(SoftRatio(itself, margin=60.0)), gradient(DensityRatio(itself)))


def test_negative_log_d_is_soft_ratio_without_margin_and_never_saturates() -> None:
    close(value(NegativeLogD(itself)), -LOGITS.sigmoid().log())
    close(value(NegativeLogD(itself)), value(SoftRatio(itself, margin=0.0)))
    far = torch.tensor([-800.0], dtype=torch.float64)  # sigmoid(-800) is 0, its logarithm -inf
    assert value(NegativeLogD(itself), far).item() == 800
    assert gradient(NegativeLogD(itself), far).item() == -1


@pytest.mark.parametrize(
    ("energy", "wanted", "named"),
    [
        (TowardsEncoded, "prior", "encoded"),
        (DensityRatio, "encoded", "prior"),
        (SoftRatio, "encoded", "model"),
        (NegativeLogD, "encoded", "prior"),
    ],
)
def test_a_discriminator_of_another_class_is_refused(energy: type, wanted: str, named: str) -> None:
    expected = f"{energy.__name__} reads a discriminator whose positive class is '{wanted}'.*; this one's is '{named}'"
    with pytest.raises(ValueError, match=expected):
        energy(latent_discriminator(2, named, hidden=()))
    energy(latent_discriminator(2, wanted, hidden=()))


def test_a_discriminator_names_a_known_class() -> None:
    with pytest.raises(ValueError, match="must be one of prior, encoded, real, decoded, data, model; got 'fake'"):
        Discriminator(nn.Linear(2, 1), "fake")


DETECTORS = [DensityRatio, SoftRatio, NegativeLogD]


@pytest.mark.parametrize("energy", DETECTORS)
@pytest.mark.parametrize("d", [2, 8])
def test_a_detectors_energy_is_lower_on_encoded_data_than_off_the_manifold(energy: type, d: int) -> None:
    # encoded q = N(0, I), reference r = N(0, 4 I), the logit exact
    detector = GaussianLogit("encoded", 1.0, 2.0)
    encoded, off = points(2000, d), 2 * points(2000, d, seed=1)
    assert energy(detector)(encoded).mean() < energy(detector)(off).mean()
    shell = points(200, d, seed=2)
    far = 4 * d**0.5 * shell / shell.norm(dim=1, keepdim=True)
    assert energy(detector)(encoded).max() < energy(detector)(far).min()
    assert ((score(energy(detector), far) * far).sum(1) < 0).all()  # and its score points back


def test_the_exact_logit_is_that_of_the_densities() -> None:
    z = points(10, 3)
    q = torch.distributions.Normal(0.0, torch.tensor(1.0, dtype=torch.float64))
    r = torch.distributions.Normal(0.0, torch.tensor(2.0, dtype=torch.float64))
    close(GaussianLogit("encoded")(z), (q.log_prob(z) - r.log_prob(z)).sum(1), rtol=1e-7)
    close(score(DensityRatio(GaussianLogit("encoded")), z), -0.75 * z)


@pytest.mark.parametrize("energy", [LogitSquared, Ideal, TowardsEncoded])
def test_a_matcher_at_its_optimum_is_flat(energy: type) -> None:
    matched = GaussianLogit("prior", 1.0, 1.0)  # the encoder has met the prior: log p - log q = 0 everywhere
    z = torch.cat([points(50, 3), 100 * points(50, 3, seed=1)])
    assert torch.equal(score(energy(matched), z), torch.zeros_like(z))


def test_a_matchers_ideal_is_lowest_on_a_level_set_and_not_at_the_densest_point() -> None:
    # p = N(0, 1), q = N(0, 4): equal density at |z|^2 = 8 ln 2 / 3 in one dimension
    energy = Ideal(GaussianLogit("prior", 1.0, 2.0))
    level = torch.tensor([[(8 * log(2) / 3) ** 0.5]], dtype=torch.float64)
    assert energy(level).item() == pytest.approx(0, abs=1e-15)
    assert energy(torch.zeros(1, 1, dtype=torch.float64)).item() > 0.05


def test_frozen_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.Dropout(), nn.Linear(4, 1)).train()
    copy = freeze(network)
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert not copy.training
    assert not copy[1].training
    assert not any(p.requires_grad for p in copy.parameters())
    before = copy[0].weight.clone()
    with torch.no_grad():
        network[0].weight.add_(1)
    assert torch.equal(copy[0].weight, before)


@pytest.mark.filterwarnings("ignore")  # that TorchScript is deprecated
def test_torchscript_is_frozen_as_well() -> None:
    network = torch.jit.trace(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1)), torch.zeros(1, 2)).train()
    x = points(5, 2).float()
    copy = freeze(network)
    assert not copy.training
    assert not any(p.requires_grad for p in copy.parameters())
    assert all(p.requires_grad for p in network.parameters())
    assert torch.equal(copy(x), network(x))


def test_a_frozen_discriminator_keeps_its_class_and_gives_gradients_to_z_alone() -> None:
    discriminator = freeze(latent_discriminator(3, "encoded", (8,)).double())
    assert discriminator.positive == "encoded"
    assert score(DensityRatio(discriminator), points(5, 3)).abs().max() > 0
    assert all(p.grad is None for p in discriminator.parameters())


def test_the_prior_is_minus_its_log_density_up_to_a_constant() -> None:
    z = points(10, 3)
    normal = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), 0.5)
    gap = GaussianPrior(0.5)(z) + normal.log_prob(z).sum(1)
    close(gap, gap[:1].expand(10))
    close(score(GaussianPrior(0.5), z), -4 * z)
    assert GaussianPrior()(points(4, 2, 3, 3)).shape == (4,)


def test_a_weighted_sum() -> None:
    z = points(10, 3)
    total = WeightedSum((Gaussian(), Gaussian(2.0, 1.0), GaussianPrior()), (1.0, -0.5, 3.0))
    close(total(z), Gaussian()(z) - 0.5 * Gaussian(2.0, 1.0)(z) + 3 * GaussianPrior()(z))
    close(score(total, z), -4 * z + 0.5 * (z - 1) / 4)
    for energies, weights in (((Gaussian(),), (1.0, 2.0)), ((), ())):
        with pytest.raises(ValueError, match="as many weights as energies"):
            WeightedSum(energies, weights)


def test_an_energy_of_the_decoded_point_has_a_gradient_through_the_decoder() -> None:
    matrix = points(3, 12)
    energy = Decoded(Gaussian(), lambda z: torch.tanh(z @ matrix).unflatten(1, (3, 2, 2)))
    z = points(6, 3, seed=1)
    x = torch.tanh(z @ matrix)
    close(energy(z), x.square().sum(1) / 2)
    close(score(energy, z), -(x * (1 - x**2)) @ matrix.T)
