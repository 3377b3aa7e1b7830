"""The package from outside: imports run one way, names resolve, and nothing heavy is imported before it is needed."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ridgewalk

ROOT = Path(__file__).parents[1]


def imported_by(code: str, *modules: str) -> list[str]:
    """Those of ``modules`` that are imported in a fresh interpreter once ``code`` has run there."""
    ask = f"import sys\n{code}\nprint(*(m for m in {modules!r} if m in sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", ask],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_imports_run_one_way() -> None:
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_importing_the_package_does_not_import_torch() -> None:
    assert (
        imported_by("import ridgewalk; ridgewalk.__version__; ridgewalk.__all__", "torch", "numpy", "matplotlib") == []
    )


def test_the_command_line_answers_before_anything_heavy_is_imported() -> None:
    """``ridgewalk --help`` takes less than half a second, of which the import of torch alone would take several times as much."""
    heavy = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "jinja2", "PIL")
    asked = "from typer.testing import CliRunner; from ridgewalk.cli import app; assert not CliRunner().invoke(app, {}).exit_code"
    assert imported_by(asked.format(["--help"]), "pydantic", *heavy) == []
    assert (
        imported_by(asked.format(["walk", "--help"]), *heavy) == []
    )  # typer itself imports pydantic for a verb's words


def test_finders_import_neither_scikit_learn_nor_scipy_nor_matplotlib() -> None:
    heavy = ("torch", "sklearn", "scipy", "matplotlib", "torchmetrics", "PIL")
    assert imported_by("import ridgewalk.finders, ridgewalk.energies", *heavy) == ["torch"]


def test_reports_draw_without_pyplot() -> None:
    code = "from ridgewalk.reports import figures; figures.png(figures.tradeoff({'a': (1, 2, 1, 1, 2, 2)}, 'x', 'y'))"
    assert imported_by("import ridgewalk.reports", "matplotlib") == []
    assert imported_by(code, "matplotlib", "matplotlib.pyplot") == ["matplotlib"]


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
