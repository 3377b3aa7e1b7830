"""
Beside ``problems.py`` so that pytest puts this folder on the import path: ``from problems import Gaussian``.

Fixtures: one smoke run on scikit-learn's digits and a cache of judges. Both are made once for all worker processes of
pytest-xdist; each worker reads its own copy of the run, so that a test may compare its files before and after.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch as it is imported, and by the processes that tests start

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

SMOKE = ("judges.epochs=2", "judges.steps=400", "detector.epochs=3", "walks.iterations=10")

# The folders whose test files take longest. They are handed to the workers first, so that no worker ends with a long file.
SLOW = (
    "studies",
    "verbs",
    "test_cli.py",
    "test_fuzz.py",
    "test_command_line_survival.py",
    "adapters",
    "test_estimators.py",
    "diagnosis",
    "judging",
)

# The tests whose figures are drawn as users see them.
DRAWN = {"reports", "test_readme_commands.py", "test_map_project.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of the slow folders first; the order within a folder stays."""
    root = Path(__file__).parent
    rank = {name: i for i, name in enumerate(SLOW)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(root).parts[0], len(SLOW)))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session that all of its worker processes see."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache(shared_folder: Path) -> Iterator[Path]:
    """$RIDGEWALK_CACHE of this session and of the processes that it starts: judges are trained once."""
    folder = shared_folder / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RIDGEWALK_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def smoke(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smoke run of the recipe ``digits``; a test that alters it takes ``copied``."""
    from ridgewalk.store.origin import Source
    from ridgewalk.verbs import train
    from ridgewalk.verbs.train import TrainRequest

    original = shared_folder / "smoke"
    with FileLock(shared_folder / "smoke.lock"):
        if not (original / "manifest.json").is_file():
            train.start(TrainRequest("digits", Source("digits"), original, budget="smoke", changes=SMOKE, device="cpu"))
    return shutil.copytree(original, tmp_path_factory.mktemp("runs") / "smoke")


@pytest.fixture(autouse=True)
def draw_small_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Figures have 48 dots to the inch in place of 192, and no layout that moves their parts apart: drawn as users see them, they take a quarter of the time of
    the tests of commands. The tests of ``DRAWN`` draw them as users see them.
    """
    if DRAWN & set(request.path.relative_to(Path(__file__).parent).parts):
        return
    import matplotlib.figure

    save = matplotlib.figure.Figure.savefig

    def save_small(figure: matplotlib.figure.Figure, *words: Any, **options: Any) -> None:
        figure.set_layout_engine("none")
        save(figure, *words, **options | {"dpi": 48})

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", save_small)


@pytest.fixture
def copied(smoke: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of the smoke run that a test may damage."""

    def copy() -> Path:
        target = tmp_path / "copy"
        shutil.copytree(smoke, target, ignore=shutil.ignore_patterns("walks", "report*.html"))
        return target

    return copy
