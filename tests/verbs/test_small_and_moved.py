"""Small folders train and are walked, what cannot work is refused before it costs anything, and data may be moved."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from commands import call, good, refused
from ridgewalk.evaluation import judged, methods
from ridgewalk.store.origin import read_settings
from ridgewalk.store.run import load
from ridgewalk.verbs import compare as comparing
from ridgewalk.verbs import train as training
from ridgewalk.verbs import walk as walking

QUICK = ["--budget", "smoke", "--device", "cpu"]


def images(root: Path, count: int, channels: int = 1, classes: int = 2) -> Path:
    """A folder of ``count`` images of 8 x 8 in classes of about equal size."""
    g = np.random.default_rng(0)
    for i in range(count):
        place = root / f"class-{i % classes}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = g.integers(0, 90, (8, 8, 3)[: 2 if channels == 1 else 3]).astype(np.uint8)
        pixels[2 + i % classes : 5 + i % classes, 2:5] = 220
        Image.fromarray(pixels).save(place / f"{i:03}.png")
    return root


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 30 images, its data beside it; both were moved since the training."""
    folder = tmp_path_factory.mktemp("before")
    code, out, error = call("train", "ae", "--data", images(folder / "data", 30), *QUICK, "--out", folder / "run")
    assert code == 0, error
    assert f"next: ridgewalk walk {folder / 'run'} --from 0 --to 1" in out  # because a report is refused
    assert "training.batch is 16 in place of 64" in error
    assert "judges.neighbours is 2 in place of 3, because judge A compares with 3 reference images" in error
    assert "30 images: 16 train the model, 4 judge A, 5 judge B" in error
    return folder.rename(folder.with_name("few"))


def copy(few: Path, tmp_path: Path) -> Path:
    return shutil.copytree(few, tmp_path / "copy")


def test_copies_in_several_roles_are_told_when_a_training_begins(tmp_path: Path) -> None:
    data = images(tmp_path / "data", 30)
    for file in sorted(data.rglob("*.png")):
        shutil.copy(file, file.with_name(f"copy-{file.name}"))
    code, _, error = call("train", "ae", "--data", data, *QUICK, "--out", tmp_path / "run")
    assert code == 0, error
    told = re.search(r"(\d+) images of 'data' lie in more than one role, as exact copies \((.+)\): judges leave", error)
    assert told is not None
    assert 0 < int(told[1]) <= 30
    assert error.count("as exact copies") == 1
    assert "model and judge_a: " in told[2]


def test_thirty_images_train_and_are_walked_diffused_and_drawn(few: Path, tmp_path: Path) -> None:
    run = copy(few, tmp_path) / "run"
    assert json.loads(good("walk", run, "--from", 0, "--to", 1, "--method", "lerp", "--json"))["pairs"] == 1
    code, _, error = call("diffuse", run, "--set", "diffusion.epochs=1", "--device", "cpu")
    assert code == 0, error
    assert "diffusion.batch is 16 in place of 512" in error
    code, _, error = call("sense", run, "--device", "cpu")
    assert code == 0, error
    assert "pixel.batch is 16 in place of 64" in error
    good("map", run, "--from", 0, "--to", 1)
    assert "at least 2" in refused("report", run, alone=False)
    assert "at least 10 reference images" in refused("evaluate", run, alone=False)
    assert not [p for p in run.iterdir() if p.name.startswith("evaluation")]


def test_a_report_on_few_images_takes_the_pairs_that_there_are(tmp_path: Path) -> None:
    run = tmp_path / "run"
    good("train", "ae", "--data", images(tmp_path / "data", 60), *QUICK, "--out", run)
    code, out, error = call("report", run, "--methods", "string", "--json")
    assert code == 0, error
    assert json.loads(out)["pairs"] < 12
    assert "the number of pairs is" in error
    assert "60 images: 34 train the model" in (run / "report.html").read_text(encoding="utf-8")


def test_the_recipe_with_convolutions_is_named_for_colour_and_trains(tmp_path: Path) -> None:
    data = images(tmp_path / "data", 40, channels=3)
    _, _, error = call("train", "ae", "--data", data, *QUICK, "--out", tmp_path / "a")
    assert "the recipe aae-conv has convolutions for images in colour" in error
    code, _, error = call("train", "aae-conv", "--data", data, *QUICK, "--out", tmp_path / "b")
    assert code == 0, error
    assert "aae-conv has" not in error


@pytest.mark.parametrize("count", [2, 9, 21])
def test_too_few_images_are_refused_before_the_training(count: int, tmp_path: Path) -> None:
    data = images(tmp_path / "data", count)
    sentence = refused("train", "ae", "--data", data, *QUICK, "--out", tmp_path / "run", within=tmp_path)
    needed = int(re.findall(r"needs at least (\d+) images", sentence)[0])
    assert f"it has {count}" in sentence
    assert needed == 22  # enough for every role, not for the first that has too few alone
    if count == 21:
        good("train", "ae", "--data", images(tmp_path / "more", needed), *QUICK, "--out", tmp_path / "run")


def test_a_batch_that_the_user_named_is_refused_and_not_lowered(tmp_path: Path) -> None:
    words = ["train", "ae", "--data", images(tmp_path / "data", 40), *QUICK, "--set", "training.batch=30"]
    assert "lower training.batch" in refused(*words, "--out", tmp_path / "run", alone=False)


def test_judges_are_refused_before_a_search(smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("there are no judges of these data")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("searched")

    run = shutil.copytree(smoke, tmp_path / "run")
    shutil.rmtree(run / "walks", ignore_errors=True)
    before = sorted(p.name for p in run.iterdir())
    monkeypatch.setattr(judged, "judges_of", refuse)
    for module in (methods, walking, comparing):
        monkeypatch.setattr(module, "search", never)
    for words in (["walk", run, "--pairs", 2], ["report", run], ["compare", run], ["benchmark", run]):
        assert "there are no judges of these data" in refused(*words)
    assert sorted(p.name for p in run.iterdir()) == before


def test_paths_are_saved_where_judges_fail_after_the_search(
    smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    run = shutil.copytree(smoke, tmp_path / "run", ignore=shutil.ignore_patterns("walks"))
    for module in (methods, walking):
        monkeypatch.setattr(module, "measure", fail)
    for words, key in (
        (["walk", run, "--pairs", 2, "--method", "lerp"], "nodes"),
        (["report", run, "--pairs", 2, "--methods", "lerp"], "nodes_lerp"),
    ):
        sentence = refused(*words, alone=False)
        with np.load(re.findall(r"they are in (\S+)$", sentence)[0]) as file:
            assert file[key].shape[0] == 2


def test_an_end_that_is_a_reference_is_refused_before_the_search_where_too_few_are_left(
    few: Path, tmp_path: Path
) -> None:
    run = copy(few, tmp_path) / "run"
    assert "reference images that are not among the judged ones" in refused("walk", run, "--from", 0, "--to", 4)
    assert not (run / "walks").exists()


VERBS: list[list[object]] = [
    ["walk", "--from", 0, "--to", 1, "--method", "lerp"],
    ["map", "--from", 0, "--to", 1],
    ["sensors"],
    ["sense", "--device", "cpu"],
    ["diffuse", "--set", "diffusion.epochs=1", "--device", "cpu"],
]


def test_moved_data_are_named(few: Path, tmp_path: Path) -> None:
    there = copy(few, tmp_path)
    run, new = there / "run", tmp_path / "new"
    (there / "data").rename(new)
    sentence = refused("walk", run, "--from", 0, "--to", 1)
    assert "--data" in sentence
    assert "`source`" in sentence
    assert read_settings(run)[0].source in sentence
    for verb, *words in VERBS:
        good(verb, run, *words, "--data", new)
    assert load(run, data=str(new)).data.test.shape == (1, 8, 8)
    for verb in ("report", "compare", "benchmark", "evaluate", "sample", "guide", "project"):
        assert "--data" in good(verb, "--help")


def test_run_and_data_that_were_moved_together_are_found(few: Path, tmp_path: Path) -> None:
    there = copy(few, tmp_path)
    assert not Path(read_settings(there / "run")[0].source).exists()
    good("walk", there / "run", "--from", 0, "--to", 1, "--method", "lerp")


def test_other_data_are_refused_with_what_differs(few: Path, tmp_path: Path) -> None:
    run = copy(few, tmp_path) / "run"
    other = images(tmp_path / "other", 31, classes=3)
    sentence = refused("walk", run, "--from", 0, "--to", 1, "--data", other)
    assert "rows of train and test (26, 5) in place of (25, 5)" in sentence
    assert "class-2" in sentence
    assert "shape (1, 8, 8) in place of" not in sentence


def test_a_place_of_moved_data_that_does_not_exist_is_no_name_of_the_hub(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ridgewalk.data.sources.read_hub", lambda *_: pytest.fail("asked the hub"))
    for words in (["walk", "--from", 0, "--to", 1], ["sample", "--n", 2]):  # the second reads no data
        for name in ("nowhere", "owner/nowhere"):
            said = refused(words[0], few / "run", *words[1:], "--data", name, within=few)
            assert f"no such file or folder: '{name}', which --data names; the run's data were read from" in said


def test_an_interrupted_training_is_resumed_with_its_moved_data(few: Path, tmp_path: Path) -> None:
    there = copy(few, tmp_path)
    run = there / "run"
    for name in ("manifest.json", "model.safetensors", "detector.safetensors"):
        (run / name).unlink()
    (there / "data").rename(tmp_path / "new")
    assert "leave out --data" in refused("train", "--resume", run, "--data", read_settings(run)[0].source)
    good("train", "--resume", run, "--data", tmp_path / "new", "--device", "cpu")
    (run / "manifest.json").unlink()
    assert len(training.resume(run, device="cpu", source=str(tmp_path / "new")).data.train) == 25
    same = (few / "run" / "model.safetensors").read_bytes()
    assert (run / "model.safetensors").read_bytes() == same


def test_the_name_of_a_data_set_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    good("train", "digits", "--data", "digits", *QUICK, "--set", "training.epochs=1", "--out", tmp_path / "run")
    origin = read_settings(tmp_path / "run")[0]
    assert (origin.source, origin.beside) == ("digits", None)
    assert torch.equal(load(tmp_path / "run").data.test.pixels[:1], load(tmp_path / "run").data.test.pixels[:1])
