"""Runs whose data were divided into roles in the order of their files are refused wherever their images are judged; what needs no data still works."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from commands import good, refused
from ridgewalk.data import ImageData, Images, sources
from ridgewalk.store.run import load

QUICK = ["--budget", "smoke", "--device", "cpu"]
OPTIONS: dict[str, list[object]] = {
    "walk": ["--from", 0, "--to", 1],
    "report": [],
    "compare": [],
    "evaluate": [],
    "map": ["--from", 0, "--to", 1],
    "sensors": [],
    "sense": [],
    "guide": [],
}


def as_before(name: str, train: Images, test: Images | None = None) -> ImageData:
    """``arrange`` as it was for MNIST's files: both parts keep their order."""
    assert test is not None
    return ImageData(name, train, test)


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with IDX files and a run with a diffusion of its codes, both parts of whose data kept the order of their files."""
    folder = tmp_path_factory.mktemp("former")
    data, g = folder / "data", np.random.default_rng(0)
    data.mkdir()
    for part, n in (("train", 48), ("t10k", 30)):
        pixels, labels = g.integers(0, 255, (n, 8, 8), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 2
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape)
            (data / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sources, "arrange", as_before)
        good("train", "ae", "--data", data, "--out", folder / "run", *QUICK)
        good("diffuse", folder / "run", "--set", "diffusion.epochs=1", "--device", "cpu")
    return folder


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("verb", OPTIONS)
def test_a_run_of_former_roles_is_refused_with_the_way_out(former: Path, verb: str) -> None:
    told = refused(verb, former / "run", *OPTIONS[verb], within=former, alone=False)
    assert "divided into roles in the order of their files" in told
    assert told.endswith("train it again with this version")
    assert "changed" not in told


def test_a_benchmark_with_a_run_of_former_roles_is_refused(former: Path, tmp_path: Path) -> None:
    told = refused("benchmark", former / "run", "--out", tmp_path / "new.json", alone=False)
    assert "train it again with this version" in told
    assert not (tmp_path / "new.json").exists()


def test_a_stopped_training_of_former_roles_is_not_resumed(former: Path, tmp_path: Path) -> None:
    """It would go on with other images than it began with, or end in a run that is refused everywhere."""
    run = shutil.copytree(former / "run", tmp_path / "run")
    for file in (*run.glob("model.*"), *run.glob("detector.*"), *run.glob("manifest.json")):
        file.unlink()
    assert "train it again with this version" in refused("train", "--resume", run, within=run)


def test_samples_and_decoded_codes_need_no_data(former: Path, tmp_path: Path) -> None:
    good("sample", former / "run", "--n", 2, "--out", tmp_path / "samples")
    run = load(former / "run")
    assert tuple(run.decode(run.diffusion.sample(2, 0).x).shape) == (2, 1, 8, 8)


def test_data_that_changed_are_still_told_from_data_of_former_roles(former: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(former, tmp_path / "moved")
    labels = moved / "data" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\0")
    told = refused("walk", moved / "run", "--from", 0, "--to", 1, "--data", moved / "data", alone=False)
    assert "values, labels or their order differ" in told
