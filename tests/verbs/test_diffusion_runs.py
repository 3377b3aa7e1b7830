"""Diffusions in use: trained, killed and resumed, sampled and measured from the command line; of points, of images, and of a run's codes."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from commands import call, refused
from problems import Noised
from ridgewalk.diffusion import (
    VE,
    VP,
    AnnealedLangevin,
    Denoiser,
    Heun,
    LangevinCorrector,
    PredictorCorrector,
    Standardiser,
)
from ridgewalk.diffusion import sample as draw_samples
from ridgewalk.diffusion.building import build_network, build_process, build_sampler
from ridgewalk.evaluation import sampling
from ridgewalk.models.weights import read_tensors
from ridgewalk.registry import SAMPLERS
from ridgewalk.settings.diffusion import Diffusion, Sampling
from ridgewalk.store import diffusion
from ridgewalk.store.origin import Source
from ridgewalk.store.run import load
from ridgewalk.training import loop
from ridgewalk.verbs import train
from ridgewalk.verbs.train import TrainRequest

Copy = Callable[[], Path]
SMALL = ["diffusion.hidden=[32,32]", "diffusion.fourier=16", "diffusion.epochs=1", "diffusion.batch=2048"]


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion of the ring, hardly trained."""
    folder = tmp_path_factory.mktemp("ring") / "run"
    train.start(TrainRequest("diffusion-2d", Source("ring"), folder, budget="smoke", changes=SMALL, device="cpu"))
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion of the digits' pixels with labels, hardly trained."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    changes = ["diffusion.channels=8", "diffusion.labels=true", "diffusion.epochs=1", "diffusion.batch=64"]
    train.start(
        TrainRequest("diffusion-mnist", Source("digits"), folder, budget="smoke", changes=changes, device="cpu")
    )
    return folder


def test_a_run_is_trained_read_and_sampled(ring: Path) -> None:
    assert {"run.toml", "denoiser.json", "denoiser.safetensors", "diffusion"} <= {p.name for p in ring.iterdir()}
    run = load(ring)
    made = run.diffusion.sample(50, seed=3)
    assert made.x.shape == (50, 2)
    assert bool(made.x.isfinite().all())
    again = load(ring).diffusion.sample(80, seed=3)
    assert torch.allclose(made.x, again.x[:50], atol=1e-5)  # products of other shapes round otherwise
    assert not torch.equal(made.x, run.diffusion.sample(50, seed=4).x)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_that_is_named_makes_samples(ring: Path, name: str) -> None:
    made = load(ring).diffusion.sample(20, 0, Sampling(name, 6, corrections=2, rtol=0.05))
    assert made.x.shape == (20, 2)
    assert made.nfe >= 6


def test_a_stopped_training_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [*SMALL, "diffusion.epochs=2", "diffusion.batch=8192"]
    whole = train.start(
        TrainRequest("diffusion-2d", Source("ring"), tmp_path / "a", budget="smoke", changes=changes, device="cpu")
    )
    from ridgewalk.training import denoising

    real, asked = denoising.DenoisingScoreMatching.loss, []

    def broken(self, *arguments):  # type: ignore[no-untyped-def]
        asked.append(1)
        if len(asked) == 8:  # in the second epoch of six steps, after the first one's checkpoint
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(denoising.DenoisingScoreMatching, "loss", broken)
    with pytest.raises(KeyboardInterrupt):
        train.start(
            TrainRequest("diffusion-2d", Source("ring"), tmp_path / "b", budget="smoke", changes=changes, device="cpu")
        )
    monkeypatch.undo()
    with pytest.raises(ValueError, match="half written"):
        load(tmp_path / "b")
    train.resume(tmp_path / "b", device="cpu")
    a, b = (read_tensors(tmp_path / n / "denoiser.safetensors") for n in "ab")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert whole.diffusion.record["steps"] == 12


def test_the_network_of_pixels_reads_inputs_of_mean_square_1(digits: Path) -> None:
    """E |c_in x_t|^2 / d = 1 for the images that it was trained on, which are mostly black."""
    d = load(digits).diffusion
    x = d.standardiser.to_model(load(digits).rows("model"))
    seen = []
    denoiser = Denoiser(lambda x, c, labels: seen.append(x.double()) or x, d.denoiser.sde, d.denoiser.deviation)  # type: ignore[arg-type,func-returns-value]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    for t in (0.0, 0.01, 0.1, 0.5, 1.0):
        denoiser.raw(d.denoiser.sde.perturb(x, torch.tensor(t), noise), torch.tensor(t))
        assert float(seen[-1].square().mean()) == pytest.approx(
            1, abs=0.02
        )  # s_d is that of the first 5000, and 4 bits of noise


def test_a_run_that_was_made_before_keeps_its_noise_and_its_deviation(tmp_path: Path) -> None:
    """Both stand in its record, whatever the defaults are now."""
    settings = Diffusion(sde="ve", sigmas=(0.01, 50.0), network="unet", channels=8, multipliers=(1,), patch=2)
    data = diffusion.DiffusionData(torch.zeros(2, 1, 8, 8), Standardiser.between(0.0, 1.0), 0.61)
    network = build_network(settings, (1, 8, 8), 0, 0)
    diffusion.save(tmp_path, network, data, settings, Sampling(), 0, {"seconds": 0.0, "steps": 0})
    loaded = diffusion.load(tmp_path, Sampling())
    assert loaded.denoiser.sde == VE(0.01, 50.0)
    assert loaded.denoiser.deviation == 0.61


def test_a_training_of_images_that_was_stopped_before_resumes_with_the_deviation_about_the_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ["diffusion.channels=8", "diffusion.epochs=2", "diffusion.batch=512"]
    request = TrainRequest(
        "diffusion-mnist", Source("digits"), tmp_path / "run", "smoke", changes=changes, device="cpu"
    )
    real, former = loop._Run._checkpoint, train._diffusion_data

    def stopped(self: loop._Run, step: int) -> None:
        real(self, step)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop._Run, "_checkpoint", stopped)
    monkeypatch.setattr(train, "_diffusion_data", lambda recipe, data: former(recipe, data, lambda x: float(x.std())))
    with pytest.raises(KeyboardInterrupt):
        train.start(request)
    monkeypatch.undo()
    resumed = train.resume(tmp_path / "run", device="cpu").diffusion
    x = resumed.standardiser.to_model(load(tmp_path / "run").rows("model"))
    assert resumed.denoiser.deviation == pytest.approx(float(x.std()), rel=1e-5)


def test_the_command_line_trains_samples_and_measures_points(tmp_path: Path) -> None:
    run = tmp_path / "run"
    sets = [w for c in SMALL for w in ("--set", c)]
    code, out, error = call(
        "train", "diffusion-2d", "--data", "ring", "--budget", "smoke", "--out", run, *sets, "--json"
    )
    assert code == 0, error
    assert json.loads(out)["shape"] == [2]
    code, out, error = call("sample", run, "--n", 30, "--sampler", "ddim", "--steps", 5, "--json")
    assert code == 0, error
    found = json.loads(out)
    assert found["nfe"] == 5
    assert {Path(f).name for f in found["files"]} == {"samples.npz", "samples.png", "trajectories.png"}
    assert np.load(run / "samples" / "samples.npz")["samples"].shape == (30, 2)
    code, out, error = call("evaluate", run, "--n", 400, "--json")
    assert code == 0, error
    found = json.loads(out)
    assert found["values"]["kl"] > found["floor"]["kl"]  # it hardly learned
    page = (run / "evaluation" / "report.html").read_text()
    assert "Trajectories" in page
    assert not re.findall(r'(?:src|href)="https?://', page)


def test_images_are_sampled_by_class_and_measured(digits: Path, tmp_path: Path) -> None:
    code, out, error = call(
        "sample", digits, "--n", 12, "--label", 3, "--weight", 2.0, "--out", tmp_path / "s", "--json"
    )
    assert code == 0, error
    samples = np.load(tmp_path / "s" / "samples.npz")["samples"]
    assert samples.shape == (12, 1, 8, 8)
    assert samples.min() >= 0
    assert samples.max() <= 1
    code, out, error = call("evaluate", digits, "--n", 60, "--out", tmp_path / "e", "--json")
    assert code == 0, error
    assert "NaN" not in out
    groups, layout = json.loads(out)["groups"], json.loads(out)["layout"]
    assert set(layout) == set(groups)
    assert 0 < layout["real, held out"]["asymmetry"] < 1.5
    assert groups["real, held out"]["A"]["frechet"][0] < groups["the diffusion by 'heun'"]["A"]["frechet"][0]
    assert (tmp_path / "e" / "report.html").is_file()


def test_a_runs_codes_have_a_diffusion_once_one_is_trained(copied: Copy) -> None:
    run = copied()
    assert "no diffusion" in refused("walk", run, "--pairs", 2, "--method", "flow")
    words = [w for c in (*SMALL[:2], "diffusion.epochs=2", "diffusion.batch=64") for w in ("--set", c)]
    code, out, error = call("diffuse", run, *words, "--json")
    assert code == 0, error
    assert json.loads(out)["shape"] == [load(run).recipe.model.latent]
    loaded = load(run)
    z = loaded.encode(torch.rand(4, *loaded.origin.image))
    path = loaded.finder("flow")(z[:2], z[2:])
    assert torch.equal(path.nodes[:, 0], z[:2])
    assert loaded.energy("diffusion")(z).shape == (4,)
    for words in (("--method", "flow"), ("--method", "string", "--energy", "diffusion")):
        code, out, error = call("walk", run, "--pairs", 2, *words)
        assert code == 0, error
    assert "already" in refused("diffuse", run)
    code, out, error = call("sample", run, "--n", 9, "--json")
    assert code == 0, error
    assert json.loads(out)["source"].startswith("the diffusion of its codes")
    code, out, error = call("sample", run, "--n", 9, "--prior", "--json")
    assert code == 0, error
    assert json.loads(out)["nfe"] == 0
    code, out, error = call("evaluate", run, "--n", 60, "--json")
    assert code == 0, error
    assert "the autoencoder's prior" in json.loads(out)["groups"]


def test_what_is_bad_gets_one_sentence(ring: Path, digits: Path, copied: Copy, tmp_path: Path) -> None:
    train = ["train", "diffusion-2d", "--data", "ring", "--budget", "smoke", "--out", tmp_path / "no"]
    for words, said in (
        ([*train, "--set", "diffusion.sde=vq"], "did you mean 'vp'"),
        ([*train, "--set", "diffusion.network=unet"], "for images"),
        ([*train, "--set", "diffusion.batch=1000000"], "lower diffusion.batch"),
        ([*train, "--set", "diffusion.weighting=noise"], "log-normal"),
        ([*train, "--size", "8"], "for images"),
        (
            [
                "train",
                "diffusion-mnist",
                "--data",
                "digits",
                "--out",
                tmp_path / "no",
                "--set",
                "diffusion.multipliers=[1,2,2,2,2]",
            ],
            "halve",
        ),
        (["train", "diffusion-mnist", "--data", "ringg", "--out", tmp_path / "no"], "did you mean 'ring'"),
        (["sample", ring, "--steps", 0], "steps = 0 does not fit: must be greater than or equal to 1"),
        (["sample", ring, "--set", "sampling.t_min=1.5"], "t_min"),
        (["sample", ring, "--sampler", "hein"], "did you mean 'heun'"),
        (["sample", ring, "--n", 0], "at least one sample"),
        (["sample", ring, "--label", 1], "without labels"),
        (["sample", ring, "--prior"], "no prior"),
        (["sample", digits, "--label", 10], "0 .. 9"),
        (["sample", copied(), "--label", 1], "no classes"),
        (["sample", ring, "--set", "training.epochs=3"], "sampling"),
        (["train", "aae", "--data", "ring", "--size", "8", "--out", tmp_path / "no"], "rows of numbers"),
        (["evaluate", ring, "--n", 2], "at least 10"),
        (["walk", ring, "--pairs", 2], "no latent space"),
        (["diffuse", ring], "no latent space"),
    ):
        assert said in refused(*words), words
    assert not (tmp_path / "no").exists()


def test_a_folder_that_holds_something_is_left_alone(ring: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    assert "not empty" in refused("sample", ring, "--out", tmp_path)
    assert "not empty" in refused("train", "diffusion-2d", "--data", "ring", "--out", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_files_that_were_altered_are_refused(ring: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(ring, run)
    content = bytearray((run / "denoiser.safetensors").read_bytes())
    content[-1] ^= 1
    (run / "denoiser.safetensors").write_bytes(content)
    assert "checksum" in refused("sample", run)
    (run / "denoiser.json").write_text("{")
    assert "cannot be read" in refused("sample", run)


def test_a_diverging_score_is_reported_with_its_time(ring: Path) -> None:
    run = load(ring)

    def broken(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, float("nan")) if float(t) < 0.5 else run.diffusion.denoiser.score(x, t)

    with pytest.raises(FloatingPointError, match=r"step \d+ of 6 \(t = "):
        run.diffusion.sample(4, 0, Sampling("euler-maruyama", 6), score=broken)


def test_settings_make_the_sampler_that_they_name() -> None:
    run_sde = build_sampler(Sampling("heun", 7, churn=3.0, t_min=0.01), build_process(diffusion.Diffusion()), keep=4)
    assert isinstance(run_sde, Heun)
    assert (run_sde.steps, run_sde.churn, run_sde.t_min, run_sde.keep) == (7, 3.0, 0.01, 4)
    assert sampling.KEPT > 0


def test_langevins_steps_are_by_default_those_of_the_sampler() -> None:
    """A recipe that was recorded with snr and corrections keeps them; corrections = 0 is a predictor with no corrector."""
    made = build_sampler(Sampling("langevin", 100), VP())
    assert isinstance(made, AnnealedLangevin)
    assert (made.snr, made.corrections) == (0.316, 3)
    corrected = build_sampler(Sampling("pc", 100), VP())
    assert isinstance(corrected, PredictorCorrector)
    assert corrected.corrector == LangevinCorrector(0.16, 1)
    asked, none = (
        build_sampler(Sampling("pc", snr=0.16, corrections=2), VP()),
        build_sampler(Sampling("pc", corrections=0), VP()),
    )
    assert isinstance(asked, PredictorCorrector)
    assert isinstance(none, PredictorCorrector)
    assert (asked.corrector, none.corrector) == (LangevinCorrector(0.16, 2), LangevinCorrector(0.16, 0))
    recorded = build_sampler(Sampling("langevin", snr=0.16, corrections=1), VP())
    assert isinstance(recorded, AnnealedLangevin)
    assert (recorded.snr, recorded.corrections) == (0.16, 1)
    with pytest.raises(ValueError, match="at least 1"):
        Sampling("langevin", corrections=0)


def test_langevin_by_name_is_not_much_too_wide() -> None:
    """Of N(0, 0.3^2) its variance comes out 1.17 times too large at 100 levels; with the steps of "pc" it was 617 times."""
    score = Noised(VP(), torch.zeros(1, 1), 0.3)
    x = draw_samples(build_sampler(Sampling("langevin", 100), VP()), score, 4000, (1,)).x
    assert 0.9 < float(x.var()) / 0.09 < 1.4
