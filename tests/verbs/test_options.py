"""What the verbs say of their options: nothing is ignored, messages name options that the verb has, and every written file is named."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from commands import call, good, refused
from conftest import SMOKE
from ridgewalk.files import write_bytes
from ridgewalk.locks import Lock

Copy = Callable[[], Path]


@pytest.mark.parametrize("verb", ["sample", "evaluate"])
@pytest.mark.parametrize(
    "option", [["--sampler", "pc"], ["--steps", "3"], ["--gamma", "1"], ["--set", "sampling.steps=3"]]
)
def test_options_of_a_diffusion_are_refused_for_samples_of_a_prior(verb: str, option: list[str], smoke: Path) -> None:
    said = refused(verb, smoke, *option, within=smoke)
    assert f"{option[0]} belong to a diffusion" in said
    assert f"`ridgewalk diffuse {smoke}`" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "RUN", "--gamma", "nan"], "--gamma must be a finite number"),
        (
            ["sample", "RUN", "--prior", "--weight", "2", "--parts", "corrector"],
            "--weight and --parts belong to a diffusion",
        ),
        (["diffuse", "RUN", "--set", "a"], "such as diffusion.epochs=50"),
        (["compare", "RUN", "--budget", "smoke"], "--budget is for where no run is named"),
        (["compare", "RUN", "--role", "x"], "unknown role of pairs 'x'; known: test, validation"),
        (["compare", "RUN", "--pairs", "0"], "the number of pairs must be at least 1"),
        (["project", "RUN", "--tempered", "--steps", "1"], "--tempered needs --steps of at least 10; got 1"),
        (
            ["project", "RUN", "--langevin", "--temperature", "nan"],
            "--temperature must be a finite number",
        ),
        (["project", "RUN", "--tempered", "--temperature", "-1"], "--temperature must be positive; got -1"),
        (["walk", "RUN", "--from", "0", "--to", "1", "--resize"], "--resize resizes image files, and no end is one"),
        (["walk", "RUN", "--pairs", "2", "--resize"], "--resize resizes image files, and no end is one"),
        (["walk", "RUN", "--from", "0", "--to", "1", "--role", "validation"], "--role is that of drawn pairs"),
        (["map", "RUN", "--from", "0", "--to", "1", "--resize"], "--resize resizes image files, and no end is one"),
        (["map", "RUN", "--resize"], "--resize resizes image files, and no end is one"),
        (["map", "RUN", "--seed", "5"], "nothing on a map is drawn at random; leave out --seed"),
        (["project", "RUN", "--seed", "5"], "a descent draws nothing at random"),
        (["train", "digits", "--data", "digits", "--skip-bad"], "'digits' has none; leave it out"),
        (["train", "diffusion-2d", "--data", "ring", "--skip-bad"], "'ring' has none; leave it out"),
        (
            ["train", "diffusion-2d", "--data", "ring", "--set", "training.epochs=3"],
            "a diffusion of data never reads training.epochs; leave it out",
        ),
        (
            ["train", "ae", "--data", "digits", "--set", "matcher.hidden=[3]"],
            "has no use for matcher.hidden; leave it out",
        ),
        (
            ["train", "vae", "--data", "digits", "--set", "critic.r1=1"],
            "the objective 'vae' has no use for critic.r1; leave it out: it trains no critic",
        ),
        (
            ["train", "digits", "--data", "digits", "--set", "critic.r1=1"],
            "the objective 'aae' has no use for critic.r1",
        ),
        (["project", "RUN"], "with 8 columns; the array in FILE is 5 x 3"),
    ],
)
def test_messages_speak_of_the_options_of_the_verb(words: list[str], message: str, smoke: Path, tmp_path: Path) -> None:
    file = tmp_path / "narrow.npy"
    np.save(file, np.zeros((5, 3)))
    more = ["--latents", file, "--out", tmp_path / "out"] if words[0] == "project" else []
    said = refused(*(smoke if w == "RUN" else w for w in words), *more)
    assert message.replace("FILE", str(file)) in said


def test_every_file_that_a_verb_writes_is_named(copied: Copy, tmp_path: Path) -> None:
    run = copied()
    np.save(tmp_path / "latents.npy", np.zeros((4, 8), dtype=np.float32))
    small = [w for change in SMOKE for w in ("--set", change)]
    for words in (
        ["train", "digits", "--data", "digits", "--budget", "smoke", "--out", tmp_path / "new", *small],
        ["walk", run, "--pairs", 2, "--method", "lerp", "--gif"],
        ["report", run, "--pairs", 4, "--methods", "lerp"],
        ["map", run, "--from", 1, "--to", 2],
        ["project", run, "--latents", tmp_path / "latents.npy", "--out", tmp_path / "moved", "--steps", 3],
        ["sample", run, "--n", 9],
        ["evaluate", run, "--n", 20],
        ["compare", run, "--pairs", 4, "--methods", "lerp,string"],
        ["benchmark", run, "--pairs", 4, "--methods", "lerp", "--out", tmp_path / "table.json"],
        ["sense", run],
        ["diffuse", run, "--set", "diffusion.epochs=1"],
        ["guide", run, "--set", "guidance.epochs=1", "--set", "sampling.steps=3"],
    ):
        before = set(tmp_path.rglob("*"))
        said = good(*words)
        for file in sorted(set(tmp_path.rglob("*")) - before):
            if file.is_file() and "cache" not in file.parts and not file.name.endswith(".lock"):
                named = file.stem if file.parent.name.endswith("-tables") else file.name
                assert named in said, (words[0], file, said)
                assert named == file.name or f"tables: {file.parent} (" in said, (words[0], file, said)


def test_a_result_as_json_has_nothing_beside_it(smoke: Path) -> None:
    code, out, _ = call("walk", smoke, "--pairs", 2, "--method", "lerp", "--json")
    assert code == 0
    assert "wrote" not in out
    assert (Path(json.loads(out)["tables"]) / "figures.csv").is_file()


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion of points, hardly trained."""
    folder = tmp_path_factory.mktemp("points") / "run"
    changes = ["--set", "diffusion.epochs=1", "--set", "diffusion.hidden=[8]"]
    good("train", "diffusion-2d", "--data", "ring", "--budget", "smoke", "--out", folder, *changes)
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["sample", "--sampler", "ode", "--steps", "9"],
            "the sampler 'ode' does not read steps; leave it out, or choose heun",
        ),
        (
            ["sample", "--sampler", "pc", "--set", "sampling.churn=3"],
            "'pc' does not read churn; leave it out, or choose heun by",
        ),
        (["evaluate", "--sampler", "heun", "--set", "sampling.snr=3"], "choose pc or langevin by --sampler"),
        (["sample", "--sampler", "ddim", "--set", "sampling.rtol=0.1"], "choose ode by --sampler"),
        (["sample", "--steps", "3", "--set", "sampling.steps=5"], "--steps and --set sampling.steps name one setting"),
        (
            ["sample", "--sampler", "pc", "--set", "sampling.sampler=heun"],
            "--sampler and --set sampling.sampler name one",
        ),
        (["sample", "--weight", "3"], "name a class with --label"),
        (["evaluate", "--set", "sampling.weight=3"], "name a class with --label"),
        (["guide", "--set", "guidance.refresh=3"], "does not read guidance.refresh, which belongs to joint training"),
        (["guide", "--set", "sampling.snr=3"], "the sampler 'heun' does not read snr"),
        (
            ["guide", "--joint", "--out", "OUT", "--set", "guidance.epochs=3"],
            "joint training does not read guidance.epochs",
        ),
    ],
)
def test_settings_that_a_sampler_or_a_guide_would_ignore_are_refused(
    words: list[str], message: str, points: Path, tmp_path: Path
) -> None:
    verb, *rest = (str(tmp_path / "out") if w == "OUT" else w for w in words)
    assert message in refused(verb, points, *rest, within=points)


def test_fewer_samples_than_were_asked_for_are_noted(smoke: Path, tmp_path: Path) -> None:
    code, _, said = call("evaluate", smoke, "--n", 1000, "--out", tmp_path / "out")
    assert code == 0
    assert "note: the number of samples is 129 in place of 1000, because the judges compare with 129 images" in said


def test_files_of_another_command_are_not_named(copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    run = copied()

    def sense(*_: object) -> dict[str, object]:
        (run / "walks").mkdir()
        (run / "walks" / "of-another-process.npz").write_bytes(b"")
        write_bytes(run / "pixel.json", b"{}")
        return {"sensor": "pixel"}

    monkeypatch.setattr("ridgewalk.verbs.train.sense", sense)
    assert f"written to {run}: pixel.json\n" in good("sense", run)


def test_resuming_a_complete_run_says_that_nothing_was_trained(smoke: Path) -> None:
    said = good("train", "--resume", smoke, "--device", "cpu")
    assert f"{smoke} was complete already; nothing was trained" in said
    assert "trained:" not in said


def test_a_share_of_few_pairs_is_called_an_impression(smoke: Path) -> None:
    words = ["walk", smoke, "--method", "lerp", "--pairs"]
    few, many = good(*words, 2), good(*words, 50)
    assert "This share is an impression and no measurement: it is of 2 pairs." in few
    assert "impression" not in many


def test_a_walk_is_compared_with_both_free_paths(smoke: Path) -> None:
    words = ["walk", smoke, "--method", "sgw-arriving", "--pairs"]
    few, many = good(*words, 2), good(*words, 50)
    for out in (few, many):
        assert re.search(r"sgw-arriving: \d+% of the frames .* \(LERP \d+%, SLERP \d+%\); ", out)
    assert "the best free path" not in few
    assert re.search(r"(sgw-arriving is|Whether sgw-arriving is) .* the best free path, S?LERP", many)
    assert re.search(r"slerp: .* \(LERP \d+%\); ", good("walk", smoke, "--method", "slerp", "--pairs", 2))


def test_a_training_that_is_refused_because_of_another_does_not_say_that_it_began(copied: Copy, tmp_path: Path) -> None:
    run, new = copied(), tmp_path / "new"
    locks = [Lock.of_folder(place) for place in (new, run)]
    for lock in locks:
        lock.acquire()
    small = [w for change in SMOKE for w in ("--set", change)]
    for words in (
        ["train", "digits", "--data", "digits", "--budget", "smoke", "--out", new, *small],
        ["diffuse", run, "--set", "diffusion.epochs=1"],
    ):
        assert "another ridgewalk process is writing" in refused(*words)  # which is the only line
    for lock in locks:
        lock.release()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["walk", "--pairs", "2", "--set", "walks.sgw_beta=0.1"], "the method 'string' does not read walks.sgw_beta"),
        (
            ["walk", "--pairs", "2", "--method", "ridge@8", "--set", "walks.realism=2"],
            "'ridge@8' does not read walks.r",
        ),
        (["walk", "--pairs", "2", "--method", "sgw", "--set", "walks.sgw_bta=0.1"], "did you mean 'walks.sgw_beta'?"),
        (["walk", "--pairs", "2", "--method", "sgw", "--set", "walks.sgw_beta=-1"], "walks.sgw_beta = -1 does not fit"),
        (["walk", "--pairs", "2", "--set", "training.epochs=1"], "only settings of walks can be changed here"),
        (["walk", "--pairs", "2", "--set", "nodes=9"], "such as walks.sgw_beta=0.05; got 'nodes=9'"),
        (["walk", "--pairs", "2", "--set", "walks.pairs=3"], "the number of pairs is set by --pairs"),
        (
            ["walk", "--pairs", "2", "--frames", "9", "--set", "walks.frames=5"],
            "--frames and --set walks.frames name one",
        ),
        (["walk", "--pairs", "2", "--set", "walks.dual_shares=[1, 0]"], "read by the energy 'dual', which is not used"),
        (
            ["report", "--methods", "lerp,string", "--set", "walks.realism=2"],
            "none of the 2 methods reads walks.realism",
        ),
        (["compare", "--set", "walks.guided_gamma=0.1"], "leave it out, or choose guided"),
        (["benchmark", "--methods", "graph", "--set", "walks.step=0.1"], "'graph' does not read walks.step"),
        (["map", "--set", "walks.step=0.1"], "--set changes the search of paths, and none is searched here"),
    ],
)
def test_settings_of_a_search_that_nothing_would_read_are_refused(words: list[str], message: str, smoke: Path) -> None:
    verb, *rest = words
    assert message in refused(verb, smoke, *rest, within=smoke)


def test_the_settings_of_a_search_are_changed_and_recorded(copied: Copy, tmp_path: Path) -> None:
    """A walk without a correction is a straight line, which arrives; the run keeps its own settings."""
    run, changes = copied(), ["--set", "walks.sgw_beta=0.0", "--set", "walks.sgw_clamp=0.5"]
    before = (run / "run.toml").read_bytes()
    walked = json.loads(good("walk", run, "--pairs", 4, "--method", "sgw", *changes, "--json"))
    assert walked["arrived"] == 4
    assert walked["metrics"]["relative_length"] == pytest.approx(1, abs=1e-4)
    for words in (["report"], ["benchmark"], ["compare", "--out", tmp_path / "compared"]):
        verb, *rest = words
        told = good(verb, run, *rest, "--pairs", 4, "--methods", "lerp,sgw", *changes, "--json")
        found = json.loads(told)
        assert found["rows"]["sgw"]["relative_length"][0] == pytest.approx(1, abs=1e-4)
        assert (found["walks"]["sgw_beta"], found["walks"]["sgw_clamp"]) == (0.0, 0.5)
    good("map", run, "--from", 1, "--to", 2, "--methods", "sgw", *changes)
    assert (run / "run.toml").read_bytes() == before
