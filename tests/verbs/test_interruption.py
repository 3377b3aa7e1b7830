"""Runs that are killed, stopped, run out of disk or of finite numbers: what was written stands, and resuming is exact."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from commands import call
from ridgewalk.models.weights import read_tensors

TRAIN = ["train", "digits", "--data", "digits", "--budget", "smoke", "--device", "cpu", "--set", "detector.epochs=1"]
TRAIN += ["--set", "training.checkpoint_every=5", "--set", "training.log_every=1", "--set", "training.ema=0.9"]

PATIENCE = 300
"""Seconds that a process may take, of which it needs a tenth: on a machine that runs much else, imports alone take a minute."""


def start(*words: object, cwd: Path, prepare: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ridgewalk", *map(str, words)]
    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=prepare
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in error, error
    return process.returncode, out, error


def wait_for_step(process: subprocess.Popen[str], run: Path, step: int) -> None:
    """Returns once the log of ``run`` has ``step`` lines."""
    log, until = run / "log.jsonl", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if log.is_file() and log.read_text().count("\n") >= step:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    raise AssertionError(f"no step {step} in {log}")


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that was never interrupted."""
    run = tmp_path_factory.mktemp("straight") / "run"
    code, _, error = call(*TRAIN, "--out", run)
    assert code == 0, error
    return run


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A run killed by SIGKILL.

    8 steps an epoch and a checkpoint every 5: step 13 is in the middle of the second epoch, after a checkpoint within it.
    """
    run = tmp_path_factory.mktemp("killed") / "run"
    process = start(*TRAIN, "--out", run, cwd=run.parent)
    wait_for_step(process, run, 13)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert not (run / "manifest.json").exists()
    return run


@pytest.fixture
def killed(dead: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(dead, tmp_path / "killed")


def same(run: Path, other: Path) -> None:
    assert (run / "log.jsonl").read_text() == (other / "log.jsonl").read_text()
    for name in ("model.safetensors", "detector.safetensors"):
        assert (run / name).read_bytes() == (other / name).read_bytes(), name
    assert not (run / "checkpoints").exists()
    assert not list(run.rglob("*.tmp"))


def test_a_run_killed_within_an_epoch_resumes_to_the_same_bits(straight: Path, killed: Path) -> None:
    code, out, error = call("train", "--resume", killed, "--json")
    assert code == 0, error
    same(killed, straight)
    assert json.loads(out)["steps"] == 80


def test_ctrl_c_prints_how_to_resume(straight: Path, tmp_path: Path) -> None:
    # a session in the background ignores SIGINT, and its processes would inherit that
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    process = start(*TRAIN, cwd=tmp_path, prepare=heed)  # without --out: the message must name the folder
    run = tmp_path / "runs" / "digits-seed0"
    wait_for_step(process, run, 7)
    process.send_signal(signal.SIGINT)
    code, _, error = ended(process)
    assert code == 130
    assert "ridgewalk train --resume runs/digits-seed0" in error
    code, _, error = call("train", "--resume", run)
    assert code == 0, error
    same(run, straight)


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes, as on a disk with a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def newest(run: Path) -> Path:
    return max((run / "checkpoints").glob("step-*"))


def test_a_file_that_cannot_be_written_leaves_the_last_checkpoint_whole(straight: Path, killed: Path) -> None:
    before = {p.name: p.read_bytes() for p in newest(killed).iterdir()}
    with limited(200_000):
        code, _, error = call("train", "--resume", killed)
    assert code == 2, error
    assert len(error.strip().splitlines()) == 1
    assert error.strip().startswith("ridgewalk: ")
    assert {p.name: p.read_bytes() for p in newest(killed).iterdir()} == before
    assert not list(killed.rglob("*.tmp"))
    code, _, error = call("train", "--resume", killed)
    assert code == 0, error
    same(killed, straight)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(disk)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named(small_disk: Path) -> None:
    code, _, error = call(*TRAIN, "--out", small_disk / "run")
    assert code == 2
    assert "the disk is full" in error
    assert not list(small_disk.rglob("*.tmp"))


def test_numbers_that_run_away_name_step_term_and_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    steep = ["--set", "training.rate=1e10"]
    code, _, error = call(*TRAIN, "--out", run, *steep, "--set", "training.checkpoint_every=1")
    assert code == 2, error
    said = error.strip().splitlines()[-1]
    assert re.search(r"('\w+' became (nan|inf) at|weights of '\w+' are not finite after) step \d+", said), said
    assert f"the last good checkpoint is {newest(run)}" in said
    assert "learning rate" in said
    kept = torch.tensor([bool(w.isfinite().all()) for w in read_tensors(newest(run) / "networks.safetensors").values()])
    assert kept.all()
    code, _, error = call("walk", run, "--pairs", "2")
    assert code == 2
    assert "--resume" in error


def test_a_checkpoint_cut_short_is_passed_over_and_the_one_before_serves(straight: Path, killed: Path) -> None:
    last = newest(killed)
    file = last / "networks.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    code, _, error = call("train", "--resume", killed)
    assert code == 0, error
    assert last.name in error
    assert "resumed from step-" in error
    same(killed, straight)
