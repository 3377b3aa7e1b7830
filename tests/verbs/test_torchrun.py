"""Two processes give what one gives."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ridgewalk.cli import app
from ridgewalk.training.log import read_log

TRAIN = ["train", "digits", "--data", "digits", "--budget", "smoke", "--device", "cpu", "--set", "training.epochs=3"]
TRAIN += ["--set", "detector.epochs=1", "--set", "detector.members=1"]


def torchrun(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    return subprocess.run(
        [*command, "-m", "ridgewalk", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=400,  # a tenth of it is needed where nothing else runs
        check=False,
    )


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    done = torchrun(*TRAIN, "--out", "two", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained:") == 1
    assert done.stderr.count("training digits on digits") == 1
    assert CliRunner().invoke(app, [*TRAIN, "--out", str(tmp_path / "one")]).exit_code == 0
    two, one = (read_log(tmp_path / name / "log.jsonl")[0] for name in ("two", "one"))
    assert [line["step"] for line in two] == [line["step"] for line in one] == list(range(1, 25))
    for a, b in zip(two[:20], one[:20]):
        for term in ("reconstruction", "discriminator", "matcher", "discriminator_prior", "discriminator_encoded"):
            # halves summed in another order: float32 rounding, which Adam's first steps magnify where gradients are near 0
            assert a[term] == pytest.approx(b[term], rel=1e-4, abs=1e-5), (a["step"], term)


def test_two_processes_walk_as_one(smoke: Path, tmp_path: Path) -> None:
    words = ["walk", smoke, "--pairs", 130, "--method", "string", "--out"]
    done = torchrun(*words, tmp_path / "two", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("report:") == 1
    assert CliRunner().invoke(app, [*map(str, words), str(tmp_path / "one")]).exit_code == 0
    with np.load(tmp_path / "two" / "paths.npz") as two, np.load(tmp_path / "one" / "paths.npz") as one:
        assert sorted(two) == sorted(one)
        assert len(one["nodes"]) == 130  # three blocks: 64, 64, 2
        for name in one:
            assert np.allclose(two[name], one[name], rtol=1e-5, atol=1e-6), name


def test_a_refusal_of_two_processes_is_printed_once(tmp_path: Path) -> None:
    done = torchrun(*TRAIN, "--set", "training.batch=127", cwd=tmp_path)
    assert done.returncode != 0
    assert done.stderr.count("ridgewalk: ") == 1
    assert done.stderr.count("Traceback") == 1  # torchrun's own
    assert "127 does not divide over 2 processes" in done.stderr
    assert not any(tmp_path.rglob("run.toml"))
