"""A run in Python, as the README uses it, and any pair of modules that know nothing of ridgewalk."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import ridgewalk
from ridgewalk import DensityRatio, StringMethod, train_detector
from ridgewalk.evaluation.ends import draw_ends
from ridgewalk.evaluation.search import search
from ridgewalk.store.origin import Source
from ridgewalk.store.priors import prior_draws
from ridgewalk.training.detectors import SCHEDULE
from ridgewalk.verbs import train
from ridgewalk.verbs.train import TrainRequest


def test_a_loaded_run_walks(smoke: Path) -> None:
    run = ridgewalk.load(smoke)
    x = run.data.test.floats()
    z_a, z_b = run.encode(x[:3]), run.encode(x[3:6])
    path = run.finder("string")(z_a, z_b)
    assert torch.equal(path.nodes[:, 0], z_a)
    assert torch.equal(path.nodes[:, -1], z_b)
    assert path.arrived.all()
    assert path.map(run.decode).shape == (3, path.nodes.shape[1], 1, 8, 8)
    assert path.map(run.energy("ratio")).shape == path.nodes.shape[:2]
    assert not any(p.requires_grad for p in run.model.parameters())


def test_loading_never_unpickles(smoke: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, refuse)
    run = ridgewalk.load(smoke)
    assert run.encode(torch.rand(2, 1, 8, 8)).shape == (2, 8)


def test_a_run_encodes_images_of_its_own_shape_only(smoke: Path) -> None:
    with pytest.raises(ValueError, match=r"\(n, 1, 8, 8\)"):
        ridgewalk.load(smoke).encode(torch.rand(2, 1, 9, 9))


def test_the_same_seed_gives_the_same_run(smoke: Path, tmp_path: Path) -> None:
    from conftest import SMOKE

    again = train.start(
        TrainRequest("digits", Source("digits"), tmp_path / "b", budget="smoke", changes=SMOKE, device="cpu")
    )
    other = train.start(
        TrainRequest("digits", Source("digits"), tmp_path / "c", budget="smoke", changes=SMOKE, device="cpu", seed=1)
    )
    for name in ("model.safetensors", "detector.safetensors"):
        assert (again.folder / name).read_bytes() == (smoke / name).read_bytes()
        assert (other.folder / name).read_bytes() != (smoke / name).read_bytes()


def test_a_path_does_not_depend_on_how_many_are_searched(smoke: Path) -> None:
    run = ridgewalk.load(smoke)
    ends = draw_ends(run, 70, seed=0)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    for method in ("lerp", "graph", "string"):
        many = search(run, method, z_a, z_b)
        few = search(run, method, z_a[:5], z_b[:5])
        # the arithmetic of a matrix product depends on its batch: float32 rounding over ten iterations
        assert torch.allclose(many.nodes[:5], few.nodes, atol=1e-4), method
        assert many.nodes.shape[0] == 70


def test_prior_draws_have_the_priors_law(smoke: Path) -> None:
    run = ridgewalk.load(smoke)
    z = prior_draws(run, 4000, seed=0)
    assert torch.allclose(z.std(0), torch.ones(8), atol=0.05)
    assert torch.equal(z, prior_draws(run, 4000, seed=0))
    assert not torch.equal(z, prior_draws(run, 4000, seed=1))


class UsersEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(x))


class UsersDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 6)

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.layer(z))


def test_any_pair_of_modules_can_be_walked() -> None:
    torch.manual_seed(0)
    encoder, decoder = UsersEncoder(), UsersDecoder()
    with torch.no_grad():
        codes = encoder(torch.randn(600, 6))
    detector = train_detector(codes, hidden=(32,), members=1, schedule=replace(SCHEDULE, epochs=3, batch=64))
    energy = DensityRatio(detector)
    path = StringMethod(energy, nodes=9, iterations=20)(codes[:4], codes[4:8])
    assert path.nodes.shape == (4, 9, 2)
    assert torch.equal(path.nodes[:, -1], codes[4:8])
    assert path.map(decoder).shape == (4, 9, 6)
    assert path.map(energy).amax(dim=1).isfinite().all()


def test_a_ring_is_walked_around_and_not_across() -> None:
    """Codes on a circle: between opposite points the straight line crosses the hole; the string goes around it."""
    angle = torch.rand(1500, generator=torch.Generator().manual_seed(0)) * 2 * torch.pi
    codes = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    codes = codes + 0.1 * torch.randn(1500, 2, generator=torch.Generator().manual_seed(1))
    detector = train_detector(
        codes, hidden=(64, 64), members=2, schedule=replace(SCHEDULE, epochs=15, batch=256, rate=3e-3)
    )
    z_a, z_b = torch.tensor([[2.0, 0.0]]), torch.tensor([[-1.8, 0.8]])
    path = StringMethod(DensityRatio(detector), nodes=33, iterations=600, step=0.02, smoothing=0.1)(z_a, z_b)
    assert path.nodes.norm(dim=2).min() > 1.2  # the straight line comes within 0.4 of the centre
