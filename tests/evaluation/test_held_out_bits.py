"""Bits per dimension of held-out data, against Gaussian models whose density is known: pixels, codes and points."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.data import part
from ridgewalk.diffusion import SDE, VE, VP, Denoiser, Standardiser
from ridgewalk.diffusion.scaling import root_mean_square
from ridgewalk.evaluation.likelihood import EXACT, START, held_out_bits
from ridgewalk.settings.diffusion import Diffusion, Sampling
from ridgewalk.store.diffusion import TrainedDiffusion
from ridgewalk.store.origin import Source
from ridgewalk.store.run import Run, Trained, load
from ridgewalk.verbs import train
from ridgewalk.verbs.train import TrainRequest

VARIANCE_PRESERVING = VP()


class Nothing(nn.Module):
    """F = 0, with which a denoiser's score is that of N(0, s_d^2 I)."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))
        self.seen: list[Tensor | None] = []

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        self.seen.append(labels)
        return 0 * x


def gaussian(
    run: Run, standardiser: Standardiser, shape: tuple[int, ...], deviation: float = 1.0, sde: SDE = VARIANCE_PRESERVING
) -> Run:
    """The run with a diffusion of Gaussian data in place of its own."""
    denoiser = Denoiser(Nothing(), sde, deviation)
    model = TrainedDiffusion(denoiser, standardiser, shape, 0, Diffusion(), Sampling())
    return replace(run, trained=Trained(run.trained.autoencoder, model))


def log2_normal(x: Tensor, deviation: float) -> Tensor:
    """log2 N(x; 0, s^2 I) of each row, over the dimensions."""
    each = -(x.double() / deviation).square() / 2 - math.log(deviation * math.sqrt(2 * math.pi))
    return each.flatten(1).mean(1) / math.log(2)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Run:
    changes = ["diffusion.channels=8", "diffusion.epochs=1", "diffusion.batch=512"]
    folder = tmp_path_factory.mktemp("pixels") / "run"
    return train.start(
        TrainRequest("diffusion-mnist", Source("digits"), folder, "smoke", changes=changes, device="cpu")
    )


@pytest.mark.parametrize("sde", [VARIANCE_PRESERVING, VE(0.02, 2.0)], ids=["vp", "ve"])
def test_pixels_of_a_gaussian_model(pixels: Run, sde: SDE) -> None:
    """
    A pixel u is uniform on its cell, so that E x^2 is known; the model at START is N(0, alpha^2 s_d^2 + sigma^2).

    The VE ends in so little noise that the data count in the Gaussian at t = 1.
    """
    images, standardiser = part(pixels.data, "test"), Standardiser.between(0.0, 1.0)  # type: ignore[arg-type]
    x = 2 * (images.pixels.double() + 0.5) / 256 - 1
    s = root_mean_square(x)
    run = gaussian(pixels, standardiser, tuple(images.shape), s, sde)
    found = held_out_bits(run, 50, seed=3)
    t = torch.tensor(START, dtype=torch.float64)
    deviation = math.sqrt(float((sde.alpha(t) * s) ** 2 + sde.sigma(t) ** 2))
    cell = (2 / 256) ** 2 / 12 / deviation**2 / 2 / math.log(2)
    expected = -(log2_normal(x[:50], deviation) - cell) - math.log2(2) + 8  # |dx / dv| = 2, and 256 cells
    torch.testing.assert_close(found.values.double(), expected, rtol=0, atol=0.02)  # of nu, one draw of 64 pixels
    assert (found.kind, len(found.values), found.conditional) == ("pixels", 50, False)
    assert found.mean == pytest.approx(float(expected.mean()), abs=3e-3)
    assert found.standard_error == pytest.approx(float(found.values.double().std()) / math.sqrt(50), rel=1e-6)
    assert "in pixels, by uniform dequantisation" in found.sentence("the diffusion")


def test_codes_and_points_of_a_gaussian_model(smoke: Path, tmp_path: Path) -> None:
    """With s_d = 1 the VP's marginals are all N(0, 1), so that the density is that of the standardised data, over their scale."""
    quick = ["diffusion.hidden=[8]", "diffusion.epochs=1", "diffusion.fourier=2"]
    ring = train.start(
        TrainRequest("diffusion-2d", Source("ring"), tmp_path / "run", "smoke", changes=quick, device="cpu")
    )
    latent = load(smoke)
    for run, x, kind in (
        (ring, ring.rows("test"), "points"),
        (latent, latent.encode(latent.rows("test")), "codes"),
    ):
        assert x.shape[1] <= EXACT
        standardiser = Standardiser.of(x)
        found = held_out_bits(gaussian(run, standardiser, tuple(x.shape[1:])), 40)
        shown = standardiser.to_model(x[:40])
        expected = -log2_normal(shown, 1.0) + standardiser.scale.double().log2().mean()
        torch.testing.assert_close(found.values.double(), expected, rtol=0, atol=1e-3)  # the solver's tolerance
        assert found.kind == kind
        assert kind in found.sentence("the diffusion")


def test_a_network_that_always_saw_classes_is_given_them(pixels: Run) -> None:
    images = part(pixels.data, "test")  # type: ignore[arg-type]
    run = gaussian(pixels, Standardiser.between(0.0, 1.0), tuple(images.shape))
    network = run.diffusion.denoiser.network
    assert isinstance(network, Nothing)
    for drop, conditional in ((0.0, True), (0.1, False)):
        network.seen.clear()
        model = replace(run.diffusion, classes=10, settings=Diffusion(labels=True, drop=drop))
        found = held_out_bits(replace(run, trained=Trained(None, model)), 4)
        assert found.conditional == conditional
        told = network.seen[-1]
        assert torch.equal(told, images.labels[:4]) if conditional and told is not None else told is None


def test_what_has_no_likelihood_is_refused(smoke: Path, pixels: Run) -> None:
    with pytest.raises(ValueError, match=r"no likelihood is defined by .* an autoencoder without a diffusion"):
        held_out_bits(load(smoke))
    with pytest.raises(ValueError, match="at least 2 rows"):
        held_out_bits(pixels, 1)
