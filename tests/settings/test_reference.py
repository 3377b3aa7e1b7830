"""The reference of settings: complete, described, and the same in docs/settings.md as on the command line."""

import json
from pathlib import Path

from typer.testing import CliRunner

from ridgewalk.cli import app
from ridgewalk.settings import reference


def test_the_document_is_what_the_tables_say() -> None:
    written = Path(__file__).parents[2] / "docs" / "settings.md"
    assert written.read_text(encoding="utf-8") == reference.markdown(), (
        "run python3 -m ridgewalk.settings.reference > docs/settings.md"
    )


def test_every_table_and_key_is_described() -> None:
    for name, table in reference.read_tables().items():
        assert table.about.endswith("."), name
        for key, s in table.settings.items():
            assert s.about.endswith((".", ")")), f"{name}.{key}"
            assert s.type, f"{name}.{key}"


def test_bounds_choices_and_objectives_are_shown() -> None:
    found = reference.records()
    assert found["objective"]["input_dropout"]["type"] == "number, >= 0, < 1"
    assert found["training"]["decay"]["type"] == '"constant" or "cosine" or "steps"'
    assert found["objective"]["beta"]["objectives"] == ("vae", "vae-gan")
    assert found["model"]["hidden"]["default"] == "[512, 512]"


def test_the_command_prints_one_table_or_all_of_them() -> None:
    everything = CliRunner().invoke(app, ["settings", "--json"])
    assert set(json.loads(everything.stdout)) == set(reference.read_tables())
    one = CliRunner().invoke(app, ["settings", "training"])
    assert "epochs = 20  integer, >= 1.  Passes over the data." in one.stdout
    wrong = CliRunner().invoke(app, ["settings", "trainin"])
    assert wrong.exit_code == 2
