"""Whatever a file holds reaches a terminal with its control characters escaped, and names from files leave no folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import call, refused
from ridgewalk.naming import printable, refuse_unsafe, shorten, unknown
from ridgewalk.records import seal

ESCAPE = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e"


def test_control_characters_are_escaped_and_others_are_not() -> None:
    assert printable("a\x1b[2Jb\x7f\r") == r"a\x1b[2Jb\x7f\r"
    assert printable("Zürich\t猫 🐈\n\u00a0") == "Zürich\t猫 🐈\n\u00a0"
    assert not set(printable(ESCAPE)) & set("\x1b\x07\x9b\u202e")


def test_long_names_are_shortened() -> None:
    assert len(unknown("key", "x" * 10**6, ["a", "b"])) < 500
    assert shorten("short") == "short"


def test_a_manifest_and_a_source_do_not_reach_the_terminal(copied: Callable[[], Path]) -> None:
    run = copied()
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["digest"]
    line = {"sentence": f"ends{ESCAPE}", "name": "n", "reading": "alive", "step": 1}
    (run / "manifest.json").write_text(
        json.dumps(seal({**manifest, "readings": {"n": line}, "images_per_second": ESCAPE}))
    )
    code, out, error = call("train", "--resume", run)
    assert code == 0
    assert r"ends\x1b[2J" in out
    assert not set(out + error) & set("\x1b\x07\x9b\u202e")
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace('source = "digits"', r'source = "/no\u001b[2Jwhere"'))
    _, out, error = call("sensors", run)
    assert not set(out + error) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize(
    "name", ["../out", "/tmp/x", ".hidden", "a/b", "a\\b", "", "a\x1b", "x" * 101, "ende.", "a b", "a\n"]
)
def test_a_variant_cannot_leave_the_folder_of_its_experiment(name: str, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f'[reproduce]\nexperiment = "vae-gan"\n[reproduce.variants]\n{json.dumps(name)} = ["model.latent=3"]\n'
    )
    sentence = refused("reproduce", recipe, "--data", "digits", "--out", tmp_path / "out", "--budget", "smoke")
    assert "becomes the name of a folder" in sentence
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="variant"):
        refuse_unsafe("variant", name)
