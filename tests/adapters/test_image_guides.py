"""Guides of score models of other libraries: trained on their own samples, added to their pipelines, saved and read back."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.adapters import ScoreModel, as_pipeline, load_guide, save_guide, train_guide
from ridgewalk.data import GaussianMixture, exact_score
from ridgewalk.diffusion import VE, VP, Heun
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.settings.training import Schedule
from ridgewalk.store.guide import Guide

pytest.importorskip("diffusers")

SHAPE = (1, 2, 2)
SDE = VP()


def mixture(shift: float) -> GaussianMixture:
    """Two patterns of four pixels, in [-1, 1]."""
    pattern = torch.tensor([[0.5, -0.5, 0.5, -0.5], [-0.5, 0.5, -0.5, 0.5]], dtype=torch.float64) + shift
    return GaussianMixture.from_deviations(pattern, torch.full((2, 4), 0.15, dtype=torch.float64))


def model() -> ScoreModel:
    """A score model whose images are all too bright by a tenth of their range."""
    exact = exact_score(mixture(0.2), SDE)

    def score(x: Tensor, t: Tensor, /) -> Tensor:
        return exact(x.flatten(1), t).view_as(x)

    return ScoreModel(SDE, SHAPE, score, nn.Linear(1, 1), 0.5)


def images(n: int = 2000) -> Tensor:
    x, _ = mixture(0.0).sample(n, torch.Generator().manual_seed(1))
    return (x.float().view(n, *SHAPE) + 1) / 2


class Rows(nn.Module):
    """A small network over images as rows."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = TimeMLP(4, (64, 64), outputs=1, fourier=0)

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.body(x.flatten(1), c, labels)


@pytest.fixture(scope="module")
def guide() -> Guide:
    schedule = Schedule(epochs=25, batch=128, rate=3e-3, decay="cosine", ema=0.99)
    return train_guide(model(), images(), Heun(SDE, 8), network=Rows(), schedule=schedule)


def test_a_guided_pipeline_draws_images_nearer_to_the_data(guide: Guide) -> None:
    """Their mean brightness: 0.5 of the images, 0.6 of the model."""
    own, sampler = model(), Heun(SDE, 8)
    drawn = {
        name: as_pipeline(own, sampler, guidance)(400, output_type="pt").images.mean()
        for name, guidance in (("model", None), ("guided", guide.guidance()), ("blind", guide.guidance(0.0)))
    }
    assert float(drawn["model"]) == pytest.approx(0.6, abs=0.01)
    assert float(drawn["guided"]) == pytest.approx(0.5, abs=0.03)
    assert torch.equal(drawn["blind"], drawn["model"])
    assert guide.diagnosis.verdict == "alive"
    assert sum(v.gain for v in guide.diagnosis.levels) > 0.01


def test_a_guide_comes_back_from_disk_for_its_own_sde_only(guide: Guide, tmp_path: Path) -> None:
    save_guide(guide, tmp_path / "g")
    again = load_guide(model(), tmp_path / "g", Rows())
    x, t = torch.randn(5, *SHAPE), torch.tensor(0.3)
    assert torch.equal(again.guidance()(x, t), guide.guidance()(x, t))
    other = model()
    for found, network, words in (
        (ScoreModel(VE(), SHAPE, other.score, other.network), Rows(), "another SDE"),
        (other, None, "another architecture"),
    ):
        with pytest.raises(ValueError, match=words):
            load_guide(found, tmp_path / "g", network)
    with pytest.raises(ValueError, match="cannot be read"):
        load_guide(other, tmp_path / "none")


def test_the_default_discriminator_is_a_u_nets_encoder_and_one_at_chance_is_named() -> None:
    """Trained on the model's own samples as images there is nothing to see."""
    own, sampler = model(), Heun(SDE, 4)
    x = (as_pipeline(own, sampler)(300, torch.Generator().manual_seed(9), output_type="pt").images).clamp(0, 1)
    with pytest.warns(UserWarning, match="at chance"):
        blind = train_guide(own, x, sampler, schedule=Schedule(epochs=1, batch=120))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert blind.guidance()(torch.randn(2, *SHAPE), torch.tensor(0.5)).shape == (2, *SHAPE)


def test_what_does_not_fit_is_refused() -> None:
    own = model()
    for x, sampler, words in (
        (images(20)[:, :, :1], Heun(SDE, 4), "images of"),
        (images(5), Heun(SDE, 4), "at least"),
        (images(20), Heun(VE(), 4), "SDE must be the model's"),
    ):
        with pytest.raises(ValueError, match=words):
            train_guide(own, x, sampler)
