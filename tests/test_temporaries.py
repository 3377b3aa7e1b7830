"""What a killed process leaves half written is removed by the next one, whatever the numbers of the processes are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from commands import good, refused
from ridgewalk.files import new_folder, refuse_used, write_bytes
from ridgewalk.locks import new_temporary
from ridgewalk.training import checkpoint
from ridgewalk.training.checkpoint import Identity


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.mark.parametrize("number", ["1", str(os.getpid()), "4194304", "abcdef"], ids=["first", "own", "last", "word"])
def test_a_file_that_a_killed_process_left_is_removed(number: str, tmp_path: Path) -> None:
    (tmp_path / f".x.json.{number}.tmp").write_text("half")
    (tmp_path / f".y.json.{number}.tmp").write_text("of another target")
    write_bytes(tmp_path / "x.json", b"whole")
    assert names(tmp_path) == {"x.json", f".y.json.{number}.tmp"}
    assert (tmp_path / "x.json").read_bytes() == b"whole"


def test_a_checkpoint_is_written_where_a_process_of_the_same_number_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    left = tmp_path / ".step-00000004.1.tmp"
    left.mkdir()
    (left / "networks.safetensors").write_text("half")
    network = nn.Linear(2, 2)
    optimiser = torch.optim.Adam(network.parameters())
    checkpoint.write(tmp_path, 4, {"n": network}, {"n": optimiser.state_dict()}, Identity("a", "b"))
    assert names(tmp_path) == {"step-00000004"}


def test_the_file_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom ridgewalk.locks import new_temporary\n"
        "with new_temporary(Path(sys.argv[1])) as place:\n    print(place, flush=True)\n    input()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        place = Path(other.stdout.readline().strip())
        write_bytes(tmp_path / "x", b"mine")
        assert place.is_file()
        other.kill()
    write_bytes(tmp_path / "x", b"mine")
    assert names(tmp_path) == {"x"}


def test_a_temporary_folder_is_removed_where_its_writing_fails(tmp_path: Path) -> None:
    def stop() -> None:
        with new_temporary(tmp_path / "x", folder=True) as place:
            (place / "a").write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert not names(tmp_path)


def test_a_folder_that_was_left_before_anything_was_written_is_used_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    (run / ".run.toml.1.tmp").write_text('question = "ha')
    assert "start it again" in refused("train", "--resume", run)
    assert "start it again" in refused("sensors", run)
    refuse_used(run)
    small = ["--set", "training.epochs=1", "--set", "detector.epochs=1", "--budget", "smoke", "--device", "cpu"]
    good("train", "ae", "--data", "digits", *small, "--out", run)
    assert not list(run.rglob("*.tmp"))
    out = tmp_path / "walk"
    out.mkdir()
    (out / ".paths.npz.7.tmp").touch()
    assert new_folder(out) == out
