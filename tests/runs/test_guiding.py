"""A guide in use: trained on a diffusion's own samples, its strength on the command line, what it refuses, and that it helps where it should."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from commands import call, refused
from ridgewalk.evaluation import generation
from ridgewalk.runs import diffusing, guides, guiding
from ridgewalk.runs.train import Reading

WEAK = [
    "diffusion.hidden=[16,16]",
    "diffusion.fourier=0",
    "diffusion.epochs=12",
    "diffusion.batch=512",
    "sampling.steps=12",
]
QUICK = ["guidance.negatives=10000", "guidance.epochs=30"]


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion of the ring with too small a network, and its guide."""
    folder = tmp_path_factory.mktemp("weak") / "run"
    run = diffusing.start("diffusion-2d", Reading("ring"), folder, changes=WEAK, device="cpu")
    guiding.train(run, QUICK)
    return folder


def test_guiding_brings_a_weak_models_samples_nearer_to_the_data(weak: Path) -> None:
    """KL(model || data) falls by half at least, at the same number of evaluations of the score."""
    run = diffusing.load(weak)
    guide = guides.read(weak, run.diffused)
    assert guide.account.seen
    ring = run.data.density  # type: ignore[union-attr]
    plain, better = run.diffused.sample(4000, 5), run.diffused.sample(4000, 5, score=guide.score(run.diffused))
    assert plain.nfe == better.nfe
    before, after = (generation.known(made.x, ring, True)["kl"] for made in (plain, better))
    assert after < 0.5 * before
    assert torch.equal(run.diffused.sample(50, 5, score=guide.score(run.diffused, 0.0)).x, run.diffused.sample(50, 5).x)


def test_the_command_line_guides_and_measures_both(weak: Path, tmp_path: Path) -> None:
    code, out, error = call("evaluate", weak, "--n", 2000, "--gamma", 1, "--out", tmp_path / "e", "--json")
    assert code == 0, error
    found = json.loads(out)
    assert found["values"]["kl"] < found["unguided"]["kl"]
    code, out, error = call(
        "sample", weak, "--n", 20, "--gamma", 1, "--sampler", "ancestral", "--out", tmp_path / "s", "--json"
    )
    assert code == 0, error
    assert "another sampler" in error
    assert "guided with strength 1" in json.loads(out)["source"]


def test_what_is_bad_gets_one_sentence(weak: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(weak, bare, ignore=shutil.ignore_patterns("guide*"))
    for words, said in (
        (["sample", bare, "--gamma", 1], "ridgewalk guide"),
        (["sample", weak, "--gamma", -1], "at least 0"),
        (["sample", weak, "--gamma", "nan"], "finite"),
        (["guide", weak], "already"),
        (["guide", bare, "--set", "guidance.negatives=2"], "at least 10"),
        (["guide", bare, "--set", "guidance.times=linear"], "log-snr"),
        (["guide", bare, "--set", "training.epochs=2"], "guidance and sampling"),
    ):
        assert said in refused(*words), words
    assert not (bare / "guide.json").exists()


def test_a_guide_of_nothing_is_named(weak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples that are data: the discriminator stays at chance, and says so."""
    run = diffusing.load(weak)
    copy = tmp_path / "copy"
    shutil.copytree(weak, copy, ignore=shutil.ignore_patterns("guide*"))
    real = run.rows("model")

    class Perfect:
        x = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(9))[:2000]]

    monkeypatch.setattr(type(run.diffused), "sample", lambda *_, **__: Perfect)
    with pytest.warns(UserWarning, match="at chance"):
        guiding.train(diffusing.load(copy), ["guidance.negatives=2000", "guidance.epochs=1"])


def test_altered_files_are_refused(weak: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(weak, copy)
    content = bytearray((copy / "guide.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "guide.safetensors").write_bytes(content)
    assert "checksum" in refused("sample", copy, "--gamma", 1)
    (copy / "guide.json").write_text("[]")
    assert "cannot be read" in refused("sample", copy, "--gamma", 1)
