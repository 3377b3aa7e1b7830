"""Energies of codes and of decodings: their values by hand, their gradients, and sums whose forces balance."""

import pytest
import torch
from torch import nn

from problems import Gaussian, points
from ridgewalk.energies import (
    Decoded,
    KernelDensity,
    NearestNeighbours,
    Reprojection,
    Scaled,
    WeightedSum,
    balance,
    typical_force,
)
from ridgewalk.fields import score


def test_nearest_neighbours_by_hand() -> None:
    references = torch.tensor([[0.0], [1.0], [5.0]], dtype=torch.float64)
    z = torch.tensor([[0.5], [4.0]], dtype=torch.float64)
    assert NearestNeighbours(references, 2)(z).tolist() == pytest.approx([0.25, (1 + 9) / 2])
    assert NearestNeighbours(references, 1)(z).tolist() == pytest.approx([0.25, 1.0])


def test_a_kernel_density_of_one_reference_is_a_parabola_and_its_score_leads_there_from_anywhere() -> None:
    reference, z = points(1, 3, seed=1), 50 * points(6, 3, seed=2)
    energy = KernelDensity(reference, 0.3)
    torch.testing.assert_close(energy(z), (z - reference).square().sum(1) / 2, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(score(energy, z), reference - z, rtol=1e-9, atol=1e-9)


def test_a_kernel_density_is_that_of_scipy() -> None:
    from scipy.stats import multivariate_normal

    references, z, h = points(40, 2, seed=3), points(7, 2, seed=4), 0.4
    density = torch.stack([torch.from_numpy(multivariate_normal(r, h**2).pdf(z)) for r in references.numpy()]).mean(0)
    found = torch.exp(-KernelDensity(references, h)(z) / h**2) / (2 * torch.pi * h**2)
    torch.testing.assert_close(found, density, rtol=1e-9, atol=1e-12)


def test_energies_of_distance_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="from 1 to the number of references; got 4 of 3"):
        NearestNeighbours(points(3, 2, seed=1), 4)
    with pytest.raises(ValueError, match="bandwidth must be positive"):
        KernelDensity(points(3, 2, seed=1), 0.0)


def test_reprojection_is_zero_where_decoding_and_encoding_return_a_point() -> None:
    # decode to (z, 0), encode back the first half shrunk by s: |z - s z|^2 = (1 - s)^2 |z|^2
    def decode(z: torch.Tensor) -> torch.Tensor:
        return torch.cat([z, 0 * z], 1)

    z = points(5, 3, seed=1)
    assert Reprojection(lambda x: x[:, :3], decode)(z).abs().max() == 0
    torch.testing.assert_close(Reprojection(lambda x: 0.25 * x[:, :3], decode)(z), 0.75**2 * z.square().sum(1))


def test_an_energy_of_images_has_a_gradient_through_the_decoder() -> None:
    decoder = nn.Linear(2, 4, dtype=torch.float64)
    z = points(5, 2, seed=1)
    energy = Decoded(Gaussian(1.0), decoder)
    torch.testing.assert_close(score(energy, z), -(decoder(z) @ decoder.weight).detach())


def test_balanced_energies_have_their_shares_of_the_first_ones_force() -> None:
    z = points(301, 2, seed=5)
    weak, strong = Gaussian(1.0), Gaussian(0.01)  # the second's force is 10,000 times the first's
    assert typical_force(strong, z) == pytest.approx(1e4 * typical_force(weak, z))
    total = balance([weak, strong], z)
    assert isinstance(total, WeightedSum)
    forces = [typical_force(Scaled(e, w), z) for e, w in zip(total.energies, total.weights)]
    assert forces == pytest.approx([typical_force(weak, z) / 2] * 2)
    quarter = balance([weak, strong], z, (0.75, 0.25))
    assert quarter.weights == pytest.approx((0.75, 0.25e-4))


def test_a_dead_sensor_and_impossible_shares_are_refused() -> None:
    z = points(9, 2, seed=5)
    with pytest.raises(ValueError, match="dead sensor"):
        balance([Gaussian(1.0), lambda z: 0 * z.sum(1)], z)
    for shares in ((-1.0, 1.0), (float("nan"), 1.0), (0.0, 0.0), (1.0,)):
        with pytest.raises(ValueError, match="shares must be"):
            balance([Gaussian(1.0), Gaussian(2.0)], z, shares)
