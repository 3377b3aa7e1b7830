"""`ridgewalk evaluate --nll` and `--inception` from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from commands import call, good, refused
from inception_file import Fake, written
from ridgewalk.store.origin import Source
from ridgewalk.store.run import load
from ridgewalk.verbs import train
from ridgewalk.verbs.train import TrainRequest


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion of the digits' pixels, hardly trained."""
    folder = tmp_path_factory.mktemp("pixels") / "run"
    changes = ["diffusion.channels=8", "diffusion.epochs=1", "diffusion.batch=64"]
    train.start(TrainRequest("diffusion-mnist", Source("digits"), folder, "smoke", changes=changes, device="cpu"))
    return folder


def test_bits_and_fid_are_measured_beside_the_judges(pixels: Path, tmp_path: Path) -> None:
    file = written(Fake(scale=1 / 255), tmp_path / "network.pt")
    words = ("evaluate", pixels, "--n", 30, "--nll", "--nll-rows", 5, "--inception", file, "--out", tmp_path / "e")
    code, out, error = call(*words, "--json")
    assert code == 0, error
    found = json.loads(out)
    bits = found["bits_per_dimension"]["the diffusion"]
    assert (bits["kind"], bits["rows"]) == ("pixels", 5)
    assert 0 < bits["standard_error"] < bits["bits"] < 20
    fid = found["fid"]
    assert fid["groups"]["real, held out"] < fid["groups"]["the diffusion by 'heun'"]
    assert fid["images"] == 30
    assert len(fid["sha256"]) == 64
    page = (tmp_path / "e" / "report.html").read_text()
    assert "FID" in page
    assert "Bits per dimension of 5 held-out images, in pixels" in page
    told = good("evaluate", pixels, "--n", 12, "--out", tmp_path / "plain")
    assert "FID" not in told
    assert "Fréchet distance in the judges' features" in told


def test_codes_are_called_codes(copied: Callable[[], Path]) -> None:
    run = copied()
    before = refused("evaluate", run, "--n", 20, "--nll")
    assert "no likelihood is defined" in before
    assert "ridgewalk diffuse" in before
    good("diffuse", run, "--set", "diffusion.epochs=1", "--set", "diffusion.hidden=[8]")
    told = good("evaluate", run, "--n", 20, "--nll", "--nll-rows", 4)
    assert "codes of held-out images, a density in latent space and no likelihood of the images" in told


def test_what_cannot_be_measured_is_refused_before_anything_is_sampled(pixels: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "e")
    assert "--nll-rows belongs to --nll" in refused("evaluate", pixels, "--nll-rows", 5, *out)
    wrong = written(Fake(100), tmp_path / "other.pt")
    assert "returned (2, 100)" in refused("evaluate", pixels, "--inception", wrong, *out)
    np.save(tmp_path / "weights.npy", np.zeros(3))
    assert "cannot be read as TorchScript" in refused("evaluate", pixels, "--inception", tmp_path / "weights.npy", *out)
    assert "there is no file" in refused("evaluate", pixels, "--inception", tmp_path / "none.pt", *out)
    assert not (tmp_path / "e").exists()
    quick = ["diffusion.hidden=[8]", "diffusion.epochs=1", "diffusion.fourier=2", "diffusion.batch=2048"]
    points = train.start(
        TrainRequest("diffusion-2d", Source("ring"), tmp_path / "ring", "smoke", changes=quick, device="cpu")
    )
    assert not points.has_latents
    file = written(Fake(), tmp_path / "network.pt")
    assert "--inception is for images" in refused("evaluate", tmp_path / "ring", "--inception", file, *out)
    told = good("evaluate", tmp_path / "ring", "--n", 400, "--nll", "--nll-rows", 20)
    assert "held-out points, a density in their own unit" in told
    assert load(tmp_path / "ring").density is not None
