"""Reconstructions beside their originals: at the end of a training, in walks and in reports; a training's results stay the same."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ridgewalk
from commands import call, good
from conftest import SMOKE
from ridgewalk.evaluation.reconstructions import measure_reconstructions, reconstruct
from ridgewalk.reports import figures

Copy = Callable[[], Path]
SETS = [word for change in SMOKE for word in ("--set", change)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """The smoke run of the other tests, trained from the command line: folder, JSON, and what is printed otherwise."""
    folder = tmp_path_factory.mktemp("trained")
    words = ["train", "digits", "--data", "digits", "--budget", "smoke", "--device", "cpu", *SETS]
    return (
        folder / "a",
        json.loads(good(*words, "--out", folder / "a", "--json")),
        good(*words, "--out", folder / "b"),
    )


def test_a_training_ends_with_its_reconstructions(trained: tuple[Path, dict[str, Any], str]) -> None:
    folder, found, said = trained
    run = ridgewalk.load(folder)
    x, y = reconstruct(run)
    assert torch.equal(x, run.data.test.floats()[:256])
    assert found["reconstruction"]["rmse"] == pytest.approx(math.sqrt(float((x - y).square().mean())), rel=1e-4)
    assert found["reconstruction"]["poor"]  # a smoke run has learned nothing
    assert "Reconstructions of 256 held-out images: root mean square error 0." in said
    assert "The reconstructions are too poor for a path to matter" in said
    assert f"wrote: {folder.parent / 'b' / 'reconstructions.png'}" in said
    with Image.open(folder / "reconstructions.png") as picture:
        assert picture.width > 2 * picture.height


def test_its_results_are_those_of_a_training_without_them(
    smoke: Path, trained: tuple[Path, dict[str, Any], str]
) -> None:
    for name in ("model.safetensors", "detector.safetensors"):
        assert (trained[0] / name).read_bytes() == (smoke / name).read_bytes()
    times = ("seconds", "images_per_second", "diagnostics_seconds", "log", "settings", "digest")
    one, two = (json.loads((f / "manifest.json").read_text()) for f in (smoke, trained[0]))
    assert set(one) == set(two)
    assert {k: v for k, v in one.items() if k not in times} == {k: v for k, v in two.items() if k not in times}
    run, state = ridgewalk.load(smoke), torch.get_rng_state()
    measure_reconstructions(run)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_run_that_was_complete_is_left_as_it_is(copied: Copy) -> None:
    run = copied()
    before = {p.name for p in run.iterdir()}
    assert "Reconstructions" not in good("train", "--resume", run)
    assert {p.name for p in run.iterdir()} == before


def test_points_and_rows_of_numbers_have_no_picture(tmp_path: Path) -> None:
    few = ["--set", "diffusion.epochs=1", "--set", "diffusion.hidden=[8]"]
    said = good("train", "diffusion-2d", "--data", "ring", "--budget", "smoke", "--out", tmp_path / "points", *few)
    assert "Reconstructions" not in said
    table = good("train", "aae", "--data", "wine", "--budget", "smoke", "--out", tmp_path / "rows", *SETS)
    assert "Reconstructions of " in table
    assert "detail" not in table
    assert not list(tmp_path.rglob("reconstructions.png"))


def test_walks_and_reports_show_the_images_beside_their_frames_and_warn(
    smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    strips = figures.strips
    monkeypatch.setattr(figures, "strips", lambda *a, **k: (drawn.append(k.get("ends")), strips(*a, **k))[1])
    code, said, _ = call("walk", smoke, "--from", 3, "--to", 7, "--method", "lerp", "--out", tmp_path / "walk")
    assert code == 0
    assert "The reconstructions are too poor for a path to matter" in said
    test = ridgewalk.load(smoke).data.test.floats().numpy()
    for image, own in zip(drawn[0], (test[3], test[7]), strict=True):
        assert np.array_equal(image, own)
    assert json.loads((tmp_path / "walk" / "stats.json").read_text())["reconstruction"]["poor"]
    out = tmp_path / "report.html"
    found = json.loads(good("report", smoke, "--pairs", 4, "--methods", "lerp", "--out", out, "--json"))
    assert found["reconstruction"]["n"] == 256
    assert "The reconstructions are too poor for a path to matter" in out.read_text()
    assert "Reconstructions of 256 held-out images" in out.read_text()
    assert len([ends for ends in drawn if ends is not None]) == 5
