"""
Beside ``problems.py`` so that pytest puts this folder on the import path: ``from problems import Gaussian``.

Fixtures: one smoke run on scikit-learn's digits, trained once a session, and a cache of judges that lives as long.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch as it is imported, and by the processes that tests start

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SMOKE = ("judges.epochs=2", "detector.epochs=3", "walks.iterations=10")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """$RIDGEWALK_CACHE of this session and of the processes that it starts: judges are trained once."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("RIDGEWALK_CACHE")
    os.environ["RIDGEWALK_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["RIDGEWALK_CACHE"]
    else:
        os.environ["RIDGEWALK_CACHE"] = before


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smoke run of the recipe ``digits``; a test that alters it takes ``copied``."""
    from ridgewalk.verbs import train

    folder = tmp_path_factory.mktemp("runs") / "smoke"
    train.start("digits", train.Reading("digits"), folder, budget="smoke", changes=SMOKE, device="cpu")
    return folder


@pytest.fixture
def copied(smoke: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of the smoke run that a test may damage."""

    def copy() -> Path:
        target = tmp_path / "copy"
        shutil.copytree(smoke, target, ignore=shutil.ignore_patterns("walks", "report*.html"))
        return target

    return copy
