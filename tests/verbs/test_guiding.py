"""A guide in use: trained on a diffusion's own samples, its strength on the command line, what it refuses, and that it helps where it should."""

import json
import shutil
import warnings
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import torch

from commands import call, refused
from ridgewalk.evaluation import sampling
from ridgewalk.finders.building import available_methods
from ridgewalk.judging import samples
from ridgewalk.store.guide import GUIDE
from ridgewalk.store.origin import Source
from ridgewalk.store.run import load
from ridgewalk.training.ratio import NoisedRatio
from ridgewalk.verbs import diffuse, train
from ridgewalk.verbs import guide as guiding
from ridgewalk.verbs.train import TrainRequest

WEAK = [
    "diffusion.hidden=[16,16]",
    "diffusion.fourier=0",
    "diffusion.epochs=12",
    "diffusion.batch=512",
    "sampling.steps=12",
]
QUICK = ["guidance.negatives=4000", "guidance.epochs=30"]


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion of the ring with too small a network, and its guide."""
    folder = tmp_path_factory.mktemp("weak") / "run"
    run = train.start(TrainRequest("diffusion-2d", Source("ring"), folder, changes=WEAK, device="cpu"))
    guiding.train(run, QUICK)
    return folder


def test_guiding_brings_a_weak_models_samples_nearer_to_the_data(weak: Path) -> None:
    """KL(model || data) falls by half at least, at the same number of evaluations of the score."""
    run = load(weak)
    guide = run.guide
    assert guide.diagnosis.verdict == "alive"
    ring = run.density
    plain, better = run.diffusion.sample(4000, 5), run.diffusion.sample(4000, 5, score=guide.score(run.diffusion))
    assert plain.nfe == better.nfe
    before, after = (samples.compare_with_density(made.x, ring, True)["kl"] for made in (plain, better))
    assert after < 0.5 * before
    assert torch.equal(
        run.diffusion.sample(50, 5, score=guide.score(run.diffusion, 0.0)).x, run.diffusion.sample(50, 5).x
    )


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
        (["guide", bare, "--set", "guidance.negatives=2"], "greater than or equal to 10"),
        (["guide", bare, "--set", "guidance.times=linear"], "log-snr"),
        (["guide", bare, "--set", "training.epochs=2"], "guidance and sampling"),
    ):
        assert said in refused(*words), words
    assert not (bare / "guide.json").exists()


def test_a_guide_of_nothing_is_named(weak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples that are data: the discriminator stays at chance, and says so."""
    run = load(weak)
    copy = tmp_path / "copy"
    shutil.copytree(weak, copy, ignore=shutil.ignore_patterns("guide*"))
    real = run.rows("model")

    class Perfect:
        x = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(9))[:2000]]

    monkeypatch.setattr(type(run.diffusion), "sample", lambda *_, **__: Perfect)
    with pytest.warns(UserWarning, match="at chance"):
        guiding.train(load(copy), ["guidance.negatives=2000", "guidance.epochs=1"])


def test_altered_files_are_refused(weak: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(weak, copy)
    content = bytearray((copy / "guide.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "guide.safetensors").write_bytes(content)
    assert "checksum" in refused("sample", copy, "--gamma", 1)
    (copy / "guide.json").write_text("[]")
    assert "cannot be read" in refused("sample", copy, "--gamma", 1)


def test_a_guide_is_of_its_own_diffusion_alone(weak: Path, tmp_path: Path) -> None:
    """Files of another diffusion, put where its own were."""
    other = tmp_path / "other"
    train.start(
        TrainRequest(
            "diffusion-2d",
            Source("ring"),
            other,
            changes=[*WEAK, "diffusion.sde=ve", "diffusion.epochs=1"],
            budget="smoke",
            device="cpu",
        )
    )
    for name in ("guide.json", "guide.safetensors"):
        shutil.copy(weak / name, other / name)
    assert "another diffusion" in refused("sample", other, "--gamma", 1)


def test_parts_of_a_predictor_corrector_are_guided_apart(weak: Path, tmp_path: Path) -> None:
    run = load(weak)
    how = sampling.sampling_of(run, sampler="pc", steps=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the guide is of another sampler
        drawn = {p: sampling.draw(run, sampling.Draw(30, 0, how, gamma=1.0, parts=p)).values for p in sampling.PARTS}
    drawn["neither"] = sampling.draw(run, sampling.Draw(30, 0, how)).values
    for a, b in combinations(drawn, 2):
        assert not torch.equal(drawn[a], drawn[b]), (a, b)
    assert "has one" in refused("sample", weak, "--gamma", 1, "--parts", "corrector")
    assert "give --gamma" in refused("sample", weak, "--parts", "corrector")
    assert "'corrector'" in refused("sample", weak, "--gamma", 1, "--parts", "correctors")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion of the ring's modes by name, and a guide class by class on states and samples, by a head on the score network's features."""
    folder = tmp_path_factory.mktemp("classes") / "run"
    changes = [*WEAK, "diffusion.labels=true", "diffusion.epochs=6"]
    run = train.start(TrainRequest("diffusion-2d", Source("ring"), folder, changes=changes, device="cpu"))
    guiding.train(run, ["guidance.labels=true", "guidance.kind=both", "guidance.network=backbone", "guidance.hidden=[64]",
                        "guidance.negatives=5000", "guidance.epochs=10"])  # fmt: skip
    return folder


def test_a_guide_class_by_class_guides_each_class(classes: Path, tmp_path: Path) -> None:
    run = load(classes)
    guide = run.guide
    labels = torch.arange(2000) % 8
    ring = run.density
    plain = run.diffusion.sample(2000, 1, labels=labels).x
    better = run.diffusion.sample(2000, 1, score=guide.score(run.diffusion, 1.0, labels)).x
    far = [float((x.double() - ring.means[labels]).norm(dim=1).mean()) for x in (plain, better)]
    assert far[1] < far[0]
    alone = run.diffusion.sample(50, 1, score=guide.score(run.diffusion, 0.0, labels[:50])).x
    assert torch.equal(alone, run.diffusion.sample(50, 1, labels=labels[:50]).x)
    assert call("sample", classes, "--n", 5, "--label", 3, "--gamma", 1, "--out", tmp_path / "s")[0] == 0
    assert "--label" in refused("sample", classes, "--n", 5, "--gamma", 1)


def test_what_a_guide_cannot_be_trained_for_is_refused(weak: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(weak, bare, ignore=shutil.ignore_patterns("guide*"))
    for words, said in (
        (["guide", bare, "--set", "guidance.labels=true"], "trained with labels"),
        (["guide", bare, "--set", "guidance.kind=states"], "rollout"),
        (["guide", bare, "--joint"], "--out"),
        (["guide", bare, "--joint", "--out", weak], "already"),
        (["guide", bare, "--joint", "--out", tmp_path / "j", "--set", "guidance.kind=both"], "joint training"),
    ):
        assert said in refused(*words, alone=False), words
    assert not (tmp_path / "j").exists()
    assert "unconditional" in refused("sample", weak, "--label", 1, "--gamma", 1)


def test_a_stopped_training_of_a_guide_resumes_to_the_same_bits(
    weak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ["guidance.negatives=2000", "guidance.epochs=3", "guidance.matching=0"]
    run = load(weak)
    whole = guiding.train(run, changes, 0, tmp_path / "whole")
    real, asked = NoisedRatio.loss, []

    def broken(self, *arguments):  # type: ignore[no-untyped-def]
        asked.append(1)
        if len(asked) == 5:  # after the first epoch's checkpoint
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(NoisedRatio, "loss", broken)
    with pytest.raises(KeyboardInterrupt):
        guiding.train(run, changes, 0, tmp_path / "killed")
    monkeypatch.undo()
    assert not GUIDE.is_in(tmp_path / "killed")
    resumed = guiding.train(run, changes, 0, tmp_path / "killed")
    assert resumed.record["sha256"] == whole.record["sha256"]
    assert resumed.record["held_out"] == whole.record["held_out"]


def test_a_joint_training_makes_a_run_and_its_guide(weak: Path, tmp_path: Path) -> None:
    out = tmp_path / "joint"
    small = [
        "diffusion.epochs=1",
        "diffusion.batch=2048",
        "guidance.bank=50",
        "guidance.refresh=10",
        "guidance.negatives=500",
    ]
    words = [w for s in small for w in ("--set", s)]
    code, _, error = call("guide", weak, "--joint", "--out", out, *words)
    assert code == 0, error
    run = load(out)
    assert run.diffusion.record["joint"] is True
    assert run.guide.record["denoiser"] == run.diffusion.record["sha256"]
    assert call("sample", out, "--n", 5, "--gamma", 1, "--out", tmp_path / "s")[0] == 0


def test_paths_through_noise_can_be_guided(copied: Callable[[], Path]) -> None:
    """On a run's codes: a method of walks that only a run with a guide has."""
    folder = copied()
    run = load(folder)
    assert "flow-guided" not in available_methods(run.context)
    with pytest.raises(ValueError, match="ridgewalk diffuse"):
        run.finder("flow-guided")
    diffuse.diffuse(run, ["diffusion.hidden=[32]", "diffusion.epochs=2", "diffusion.batch=128"], 0, "cpu")
    guiding.train(
        load(folder), ["guidance.hidden=[32]", "guidance.negatives=500", "guidance.epochs=2", "guidance.batch=64"]
    )
    run = load(folder)
    assert "flow-guided" in available_methods(run.context)
    z = run.encode(run.data.test.floats()[:4])
    guided, plain = (run.finder(m)(z[:2], z[2:]).nodes for m in ("flow-guided", "flow"))
    assert torch.equal(guided[:, 0], z[:2])
    assert not torch.allclose(guided[:, 1:-1], plain[:, 1:-1])
