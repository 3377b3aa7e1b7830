"""The package from outside: imports run one way, names resolve, and nothing heavy is imported before it is needed."""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ridgewalk

ROOT = Path(__file__).parents[1]


_HELP = "from typer.testing import CliRunner; from ridgewalk.cli import app; assert not CliRunner().invoke(app, {}).exit_code"
_DRAW = "from ridgewalk.reports import figures; figures.png(figures.tradeoff({'a': (1, 2, 1, 1, 2, 2)}, 'x', 'y'))"

STEPS = {
    "the package": (
        "import ridgewalk; ridgewalk.__version__; ridgewalk.__all__",
        "torch numpy matplotlib pydantic typer",
    ),
    "the help": (_HELP.format(["--help"]), "torch numpy scipy sklearn pydantic matplotlib jinja2 PIL"),
    "the help of a verb": (_HELP.format(["walk", "--help"]), "torch numpy scipy sklearn matplotlib jinja2 PIL"),
    "reports": ("import ridgewalk.reports", "torch matplotlib jinja2 PIL"),
    "finders and energies": (
        "import ridgewalk.finders, ridgewalk.energies",
        "sklearn scipy matplotlib torchmetrics PIL",
    ),
    "metrics": ("import ridgewalk.metrics", "torchmetrics torchvision matplotlib"),
    "adapters": ("import ridgewalk.adapters", "diffusers"),
    "a figure": (_DRAW, "matplotlib.pyplot"),
}
"""Step: what one interpreter does, in this order, and the modules that must not have been imported once it has done so."""


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """Of each step, the modules that should be absent after it and are not."""
    lines = ["import json, sys", "found = {}"]
    for name, (code, absent) in STEPS.items():
        lines += [code, f"found[{name!r}] = [m for m in {absent.split()!r} if m in sys.modules]"]
    run = subprocess.run(
        [sys.executable, "-c", "\n".join([*lines, "print(json.dumps(found))"])],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_imports_run_one_way() -> None:
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("step", STEPS)
def test_nothing_heavy_is_imported_before_it_is_needed(imported: dict[str, list[str]], step: str) -> None:
    """``ridgewalk --help`` takes less than half a second; the import of torch alone takes several times as much."""
    assert imported[step] == []


@pytest.mark.parametrize("name", ridgewalk.__all__)
def test_every_public_name_resolves(name: str) -> None:
    thing = getattr(ridgewalk, name)
    assert isinstance(thing, str) or thing.__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Strng'"):
        _ = ridgewalk.Strng


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(ridgewalk.__path__) if m.ispkg])
def test_what_a_subpackage_lists_is_there(name: str) -> None:
    module = importlib.import_module(f"ridgewalk.{name}")
    for public in getattr(module, "__all__", []):
        assert getattr(module, public) is not None
    assert module.__doc__
