"""
The commands of the README run in their order, at the smallest size: a reader's path/to/mnist is the digits, trainings have the smoke budget, and three
pairs are drawn. The experiments (``reproduce``) are run by the tests of the studies.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from commands import call
from conftest import SMOKE

README = Path(__file__).parents[2] / "README.md"
TRAININGS = {
    "train": ("--budget", "smoke"),
    "diffuse": ("--set", "diffusion.epochs=2"),
    "guide": ("--set", "guidance.epochs=1", "--set", "guidance.negatives=100", "--set", "sampling.steps=4"),
}


def readme() -> list[list[str]]:
    """The words of each command in the README's blocks, but for experiments and the lines that start make.py."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["ridgewalk"] and words[1] != "reproduce"]


def shrunk(words: list[str]) -> list[str]:
    """A command at the smallest size."""
    words = ["digits" if w == "path/to/mnist" else "latents.npy" if w == "path/to/latents.npy" else w for w in words]
    if "--pairs" in words:
        words[words.index("--pairs") + 1] = "3"
    elif words[0] in ("report", "compare"):
        words += ["--pairs", "3", "--methods", "lerp,string"]
    if words[:2] == ["train", "aae"]:
        words += [word for change in SMOKE for word in ("--set", change)]
    if words[0] in ("sample", "evaluate"):
        words += ["--n", "16"] if "--n" not in words else []
        words += ["--steps", "4"] if "--steps" not in words else []
    return [*words, *TRAININGS.get(words[0], ())]


@pytest.mark.timeout(900)
def test_the_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("latents.npy", np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32))
    said: dict[str, str] = {}
    for words in readme():
        code, _, error = call(*shrunk(words))
        if code:
            said[" ".join(words)] = error.strip().splitlines()[-1]
    assert said == {}
    assert len(readme()) > 30
