"""What is named in the registry is found everywhere, and nothing that names it is written twice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from commands import good, refused
from ridgewalk import registry
from ridgewalk.context import Context
from ridgewalk.finders import Lerp
from ridgewalk.finders.building import parse_method, split_energy
from ridgewalk.registry import (
    ADAPTERS,
    ENERGIES,
    METHODS,
    OBJECTIVES,
    SAMPLERS,
    SENSORS,
    Buildable,
    EnergyEntry,
    Entry,
    Method,
    Table,
)
from ridgewalk.reports import figures

ROOT = Path(__file__).parents[1]
BUILT: list[Buildable] = [e for t in (METHODS, ENERGIES, SAMPLERS, OBJECTIVES, ADAPTERS) for e in t.values()]


# --- one entry is enough ---------------------------------------------------------------------------------------------

NEW = """
from ridgewalk.registry import ENERGIES, METHODS, EnergyEntry, Method
METHODS.add(Method("plumb", "a line with a plumb", "ridgewalk.finders.straight:build_lerp"))
ENERGIES.add(EnergyEntry("bowl", "|z|^2 / 2", "ridgewalk.energies.prior:GaussianPrior"))
from ridgewalk.cli import main
main()
"""


def build_plumb(context: Context) -> Lerp:
    return Lerp(context.walks.frames)


def build_bowl(context: Context) -> object:
    def bowl(z: Tensor) -> Tensor:
        return z.square().sum(dim=1) / 2

    return bowl


@pytest.fixture
def plumb() -> Iterator[Method]:
    """A method that is added in one place, and removed again."""
    method = Method("plumb", "a line with a plumb", build_plumb, keeps=True, colour="#123456", marker="*")
    remove = METHODS.add(method)
    yield method
    remove()


@pytest.fixture
def bowl() -> Iterator[EnergyEntry]:
    """An energy that is added in one place, and removed again."""
    energy = EnergyEntry("bowl", "|z|^2 / 2", build_bowl)
    remove = ENERGIES.add(energy)
    yield energy
    remove()


def test_a_new_method_is_listed_drawn_written_and_walked(plumb: Method, smoke: Path, tmp_path: Path) -> None:
    assert plumb.about in good("methods")
    assert json.loads(good("methods", "--json"))["plumb"]["about"] == plumb.about
    assert figures.colour("plumb") == "#123456"
    assert f"| `plumb` | none | always | {plumb.about} |" in tables().fill((ROOT / "README.md").read_text())
    assert "did you mean 'plumb'" in refused("walk", smoke, "--pairs", 1, "--method", "plum")
    assert "plumb" in METHODS.choices(lambda m: m.keeps)
    found = json.loads(good("walk", smoke, "--pairs", 2, "--method", "plumb", "--out", tmp_path / "walk", "--json"))
    assert (found["method"], found["arrived"]) == ("plumb", 2)
    nodes = np.load(tmp_path / "walk" / "paths.npz")["nodes"]
    middle = (nodes[:, 0] + nodes[:, -1]) / 2
    np.testing.assert_allclose(nodes[:, nodes.shape[1] // 2], middle, atol=1e-5)


def test_a_new_energy_is_listed_written_and_walked(bowl: EnergyEntry, smoke: Path, tmp_path: Path) -> None:
    assert bowl.about in good("energies")
    assert json.loads(good("energies", "--json"))["bowl"]["sensor"] is None
    assert r"| `bowl` | none | \|z\|^2 / 2 |" in tables().fill((ROOT / "README.md").read_text())
    assert "did you mean 'bowl'" in refused("walk", smoke, "--pairs", 1, "--energy", "bowls")
    words = ["--pairs", 2, "--method", "sgw-arriving", "--energy", "bowl", "--out", tmp_path / "walk", "--json"]
    found = json.loads(good("walk", smoke, *words))
    assert list(found["forces"]) == ["bowl"]
    z = np.load(tmp_path / "walk" / "paths.npz")
    np.testing.assert_allclose(z["trace_energy"][:, 0], (z["z_a"] ** 2).sum(1) / 2, rtol=1e-4)


@pytest.mark.parametrize("verb", ["walk", "report", "benchmark"])
def test_help_names_a_new_method(verb: str) -> None:
    environment = {**os.environ, "COLUMNS": "400", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", NEW, verb, "--help"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ridge-quick or plumb" in done.stdout
    assert verb != "walk" or "diffusion or bowl" in done.stdout


# --- the tables themselves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", BUILT, ids=lambda entry: f"{type(entry).__name__}-{entry.name}")
def test_the_address_of_every_builder_is_that_of_a_function(entry: Buildable) -> None:
    from importlib import import_module

    assert isinstance(entry.make, str)
    module, _, function = entry.make.partition(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize(
    "table", [METHODS, ENERGIES, SENSORS, SAMPLERS, OBJECTIVES, ADAPTERS], ids=lambda table: table.kind
)
def test_every_entry_has_its_key_as_its_name_and_one_line_about_it(table: Table[Entry]) -> None:
    for name, entry in table.items():
        assert entry.name == name
        assert entry.about
        assert not entry.about.endswith(".")
        assert "\n" not in entry.about


def test_names_that_entries_refer_to_are_in_their_tables() -> None:
    assert {m.energy for m in METHODS.values()} - {None} <= set(ENERGIES)
    assert {e.sensor for e in ENERGIES.values()} - {None} <= set(SENSORS)


def test_an_unknown_name_is_answered_by_the_nearest_one_and_a_taken_one_is_refused() -> None:
    table = Table("fruit", [Entry("apple", "red"), Entry("pear", "green")])
    with pytest.raises(ValueError, match="unknown fruit 'appel'; did you mean 'apple'"):
        table.find("appel")
    with pytest.raises(ValueError, match="there is a fruit 'pear' already"):
        table.add(Entry("pear", "yellow"))
    remove = table.add(Entry("plum", "blue"))
    assert table.choices() == "apple, pear or plum"
    remove()
    assert table.choices() == "apple or pear"
    assert table.choices(lambda fruit: fruit.about == "red") == "apple"


def test_the_registry_imports_no_torch() -> None:
    code = "import sys, ridgewalk.registry; assert not {'torch', 'numpy', 'pydantic'} & set(sys.modules)"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def tables() -> ModuleType:
    """The script that writes the tables of README.md."""
    spec = spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_readme_are_those_of_the_registry() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tables().fill(text) == text, "run python docs/tables.py"


# --- names as they are typed -----------------------------------------------------------------------------------------


def test_a_method_may_be_followed_by_a_realism_and_an_energy() -> None:
    assert split_energy("ridge@8:dual") == ("ridge@8", "dual")
    assert split_energy("string") == ("string", None)
    assert parse_method("ridge@0.5") == (METHODS["ridge"], 0.5)


def test_a_realism_is_refused_where_it_is_none_or_not_taken() -> None:
    with pytest.raises(ValueError, match="'string' takes no realism; leave out @8, or choose ridge or ridge-quick"):
        parse_method("string@8")
    for text in ("", "x", "-1", "inf", "nan"):
        with pytest.raises(ValueError, match="a realism is a finite number >= 0"):
            parse_method(f"ridge@{text}")


def test_methods_may_be_listed_with_spaces_after_commas(smoke: Path, tmp_path: Path) -> None:
    words = ["--methods", "lerp, slerp", "--pairs", 4, "--out", tmp_path / "report.html", "--json"]
    assert list(json.loads(good("report", smoke, *words))["rows"]) == ["lerp", "slerp"]
    assert "names with commas between them" in refused("report", smoke, "--methods", "lerp,,slerp")


@pytest.mark.parametrize("verb", ["methods", "energies", "samplers", "objectives", "adapters"])
def test_each_table_is_listed(verb: str) -> None:
    table: Table[Any] = getattr(registry, verb.upper())
    assert list(json.loads(good(verb, "--json"))) == list(table)
    lines = good(verb).splitlines()
    assert [line.split()[0].removesuffix("@R") for line in lines[1:]] == list(table)
