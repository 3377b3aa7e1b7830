"""The contract of every energy: (n, *) -> (n,), independent rows, differentiable, unchanged input."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from problems import Gaussian, GaussianLogit, Mixture, MuellerBrown, Ring, points
from ridgewalk.context import Context
from ridgewalk.diffusion import VP, Denoiser, Standardiser
from ridgewalk.energies import AggregatePosterior, DensityRatio, FullGaussian, freeze
from ridgewalk.energies.building import build_energy
from ridgewalk.fields import score
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.models.discriminators import Discriminator, latent_discriminator
from ridgewalk.protocols import Energy
from ridgewalk.registry import ENERGIES as NAMED
from ridgewalk.registry import SENSORS
from ridgewalk.settings.autoencoder import Walks


def discriminator(positive: str) -> Discriminator:
    torch.manual_seed(0)  # of the network's first weights, within this process
    return freeze(latent_discriminator(2, positive, (16, 16), "tanh").double())


def decode(z: Tensor) -> Tensor:
    return torch.tanh(z @ points(2, 12)).unflatten(1, (3, 2, 2))


def image_discriminator(positive: str) -> Discriminator:
    torch.manual_seed(1)
    return freeze(latent_discriminator(12, positive, (16, 16), "tanh").double())


class CodeDiffusion:
    """A diffusion of codes with an untrained network."""

    denoiser = Denoiser(TimeMLP(2, (8, 8), fourier=4).double(), VP())
    standardiser = Standardiser(torch.tensor(0.1), torch.tensor(2.0))


def context() -> Context:
    """A model of two-dimensional codes with every sensor that there is."""
    sensors = {
        name: image_discriminator("real") if sensor.on_images else discriminator("encoded")
        for name, sensor in SENSORS.items()
    }
    return Context(
        Walks(margin=0.5),
        {**sensors, "matcher": discriminator("prior")},
        encode=lambda x: torch.sin(x.flatten(1)[:, :2]),
        decode=decode,
        references=lambda: points(30, 2, seed=7),
        between=lambda: points(40, 2, seed=6),
        diffused=CodeDiffusion(),
    )


ENERGIES: dict[str, Callable[[], Energy]] = {
    "FullGaussian": lambda: FullGaussian.of(points(30, 2, seed=7)),
    "AggregatePosterior": lambda: AggregatePosterior(points(30, 2, seed=7), points(30, 2, seed=8) / 2),
    "DensityRatio of spectral layers": lambda: DensityRatio(
        freeze(latent_discriminator(2, "encoded", (8,), "leaky_relu", spectral=True).double())
    ),
    "Gaussian": lambda: Gaussian(2.0, 0.5),
    "Mixture": lambda: Mixture(points(3, 2, seed=9)),
    "MuellerBrown": MuellerBrown,
    "Ring": lambda: Ring(3.0),
    "exact detector": lambda: DensityRatio(GaussianLogit("encoded")),
}
"""Energies without a name in the registry; those that have one are checked without being listed here."""


def build(name: str) -> Energy:
    return build_energy(name, context()) if name in NAMED else ENERGIES[name]()


@pytest.fixture(params=[*NAMED, *ENERGIES], ids=lambda name: name.replace(" ", "-"))
def energy(request: pytest.FixtureRequest) -> Energy:
    return build(request.param)


def test_it_is_an_energy(energy: Energy) -> None:
    assert isinstance(energy, Energy)


@pytest.mark.parametrize("n", [0, 1, 17])
def test_one_finite_value_a_row_in_the_inputs_dtype(energy: Energy, n: int) -> None:
    values = energy(points(n, 2))
    assert values.shape == (n,)
    assert values.dtype == torch.float64
    assert values.isfinite().all()


def test_rows_do_not_depend_on_each_other(energy: Energy) -> None:
    z = points(17, 2)
    together = energy(z)
    assert together.unique().numel() > 1
    for i in range(17):
        # matrix products of other sizes may round otherwise
        torch.testing.assert_close(energy(z[i : i + 1])[0], together[i], rtol=1e-12, atol=1e-13)
    order = torch.randperm(17, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(energy(z[order]), together[order], rtol=1e-12, atol=1e-13)


def test_the_score_is_minus_the_slope(energy: Energy) -> None:
    z, direction, h = points(17, 2) / 2, points(17, 2, seed=1), 1e-5
    slope = (energy(z + h * direction) - energy(z - h * direction)) / (2 * h)
    # the difference's own error, h^2 times third derivatives: for Mueller and Brown's surface 1e-10 x 1e5 of values of 1e3
    torch.testing.assert_close((score(energy, z) * direction).sum(1), -slope, rtol=1e-6, atol=1e-6)


def test_the_input_stays_as_it_was_and_the_same_input_gives_the_same_value(energy: Energy) -> None:
    z = points(9, 2)
    kept = z.clone()
    first = energy(z)
    score(energy, z)
    assert torch.equal(z, kept)
    assert torch.equal(energy(z), first)
