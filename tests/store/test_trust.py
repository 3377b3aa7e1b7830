"""A run folder that names code does not run it, unless its user trusts it by word or has trained with the very same code."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import ridgewalk as rw
from commands import good, refused
from ridgewalk.store.trust import record_hub

MODULE = """
import pathlib
import torch
pathlib.Path({mark!r}).touch()


def ball(rows, generator):
    return torch.randn(rows, 2, generator=generator)
"""
TRAIN = [
    *("train", "aae", "--data", "digits", "--budget", "smoke", "--set", "prior.name=ownprior:ball", "--set", "model.latent=2"),
    *("--set", "training.epochs=1", "--set", "model.hidden=[16]", "--set", "matcher.hidden=[16]", "--set", "judges.epochs=1"),
]  # fmt: skip


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that the user has trained with a prior of their own; its module leaves a mark when it is imported."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "ownprior.py").write_text(MODULE.format(mark=str(tmp_path / "mark")))
    monkeypatch.setenv("RIDGEWALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(code))
    good(*TRAIN, "--out", tmp_path / "run")
    yield tmp_path / "run"
    sys.modules.pop("ownprior", None)


def test_the_users_own_run_opens(own: Path) -> None:
    good("sensors", own)
    assert rw.load(own).recipe.prior.name == "ownprior:ball"


def test_other_code_under_the_same_name_is_refused_before_it_is_imported(own: Path) -> None:
    (own.parent / "code" / "ownprior.py").write_text(MODULE.format(mark=str(own.parent / "other")))
    sys.modules.pop("ownprior", None)
    importlib.invalidate_caches()
    for words in (["sensors", own], ["walk", own, "--pairs", "2"], ["sample", own, "--prior"], ["report", own]):
        assert "--trust" in refused(*words)
    with pytest.raises(ValueError, match="trust=True"):
        rw.load(own)
    assert not (own.parent / "other").exists()
    good("sensors", own, "--trust")
    assert (own.parent / "other").exists()
    assert rw.load(own, trust=True).recipe.prior.name == "ownprior:ball"
    with pytest.raises(ValueError, match="trust=True"):  # trust does not outlast the call
        rw.load(own)


def test_a_file_in_the_run_or_the_working_directory_is_never_imported(own: Path, tmp_path: Path) -> None:
    shutil.move(own.parent / "code" / "ownprior.py", own / "ownprior.py")
    (tmp_path / "mark").unlink()
    command = [sys.executable, "-P", "-m", "ridgewalk", "sensors", str(own)]
    for extra in ([], ["--trust"]):
        done = subprocess.run([*command, *extra], cwd=own, capture_output=True, text=True)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "mark").exists()


def test_the_hub_is_not_contacted_for_a_run_from_elsewhere(
    copied: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose source is a name on the hub: its user named no such data set."""
    asked: list[str] = []

    def load_dataset(name: str) -> None:
        asked.append(name)
        raise ConnectionError

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    monkeypatch.setenv("RIDGEWALK_CACHE", str(tmp_path / "cache"))
    run = copied()
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace('source = "digits"', 'source = "someone/pictures"'))
    for words in (["sensors", run], ["walk", run, "--pairs", 2], ["report", run], ["sense", run]):
        assert "--trust" in refused(*words, alone=False)
    with pytest.raises(ValueError, match="trust=True"):
        _ = rw.load(run).data
    assert not asked
    refused("sensors", run, "--trust", alone=False)
    with pytest.raises(ValueError, match="hub"):
        _ = rw.load(run, trust=True).data
    assert asked == ["someone/pictures"] * 2
    record_hub("someone/pictures")  # as a training on it does
    refused("sensors", run, alone=False)
    assert len(asked) == 3
