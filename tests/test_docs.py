"""The documentation: its commands can be parsed, its Python code runs, and its links and paths exist."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import torch
import typer
from torch import Tensor

from ridgewalk.cli import app
from ridgewalk.finders.building import split_energy
from ridgewalk.registry import ENERGIES, SAMPLERS
from ridgewalk.settings import recipes as settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
RECIPES = sorted((ROOT / "src" / "ridgewalk" / "recipes").glob("*.toml"))

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
"""The commands of the command line by their names."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(ridgewalk [^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TARGET = re.compile(
    r"\b(?:src|studies|tests|docs|results|benchmarks|examples|constraints)/[\w*./-]+|"
    r"\b(?:cli|reports|verbs|evaluation|adapters|store|diagnosis|judging|training|metrics|finders|energies|diffusion|geometry|models|settings|data|recipes)/[\w/]+\.(?:py|toml)"
)
MODULE = re.compile(r"`(ridgewalk(?:_studies)?(?:\.[a-z]\w*)+)`")


def relative(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(text: str) -> Iterator[str]:
    """The commands `ridgewalk ...` of a page, from its code blocks and from code within lines, without comments."""
    for language, block in FENCE.findall(text):
        if language in ("", "sh"):
            for line in block.splitlines():
                for command in re.sub(r"\s#.*", "", line).split(";"):
                    command = re.sub(r"^.*-m\s+ridgewalk ", "ridgewalk ", command.strip())
                    if command.startswith("ridgewalk "):
                        yield command
    yield from INLINE.findall(FENCE.sub("", text))


def problem(line: str) -> str:
    """What is wrong with a command; empty where its name and all its options exist, and every option that needs a value has one."""
    _, name, *words = shlex.split(line)
    if name == "--processes" and len(words) > 1 and words[0].isdecimal():
        _, name, *words = words
    if name.startswith("-"):
        return "" if name in ("--help", "--version") else f"no option {name}"
    if name not in COMMANDS:
        return f"no command {name}"
    command: click.Command = COMMANDS[name]
    options = {flag: o for o in command.params for flag in o.opts if flag.startswith("--")}
    words = [word for word in words if word != "..."]
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "--help":
            continue
        option: Any = options.get(word)
        if option is None:
            return f"{name} has no option {word}"
        if not option.is_flag:
            if not words or words[0].startswith("--"):
                return f"{name} {word} needs a value"
            words.pop(0)
    return ""


@pytest.mark.parametrize("page", [*PAGES, *RECIPES], ids=relative)
def test_commands_can_be_parsed(page: Path) -> None:
    found = {line: problem(line) for line in commands(page.read_text(encoding="utf-8"))}
    assert {line: wrong for line, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("ridgewalk evaluate RUN --parts predictor", "evaluate has no option --parts"),
        ("ridgewalk wander RUN", "no command wander"),
        ("ridgewalk walk RUN --pairs --gif", "walk --pairs needs a value"),
        ("ridgewalk train --resume RUN", ""),
    ],
)
def test_wrong_commands_are_found(line: str, wrong: str) -> None:
    assert problem(line) == wrong


def bring(generator: torch.Generator) -> dict[str, Any]:
    """What a reader of the README brings: images, an encoder and a decoder."""
    weight = torch.randn(3, 64, generator=generator) / 8
    images = torch.rand(60, 1, 8, 8, generator=generator)

    def encoder(x: Tensor) -> Tensor:
        return x.flatten(1) @ weight.T

    def decoder(z: Tensor) -> Tensor:
        return torch.sigmoid(z @ weight).unflatten(1, (1, 8, 8))

    return {"images": images, "encoder": encoder, "decoder": decoder, "x_a": images[:1], "x_b": images[1:2]}


def test_python_code_of_the_readme_runs() -> None:
    names = bring(torch.Generator().manual_seed(0))
    blocks = [
        block
        for language, block in FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        if language == "python"
    ]
    assert len(blocks) == 3
    for block in blocks:
        exec(block, names)
    assert names["frames"].shape == (1, 33, 1, 8, 8)
    assert names["barrier"].shape == (1,)
    assert names["classes"].shape == (1797,)
    assert names["x"].shape == (1000, 2)


CHECKED = {"sh": "parsed", "python": "run", "diff": "tested by the contract tests", "": "a diagram or a file"}
"""What is done with a code block, by its language. The README's commands are also run, on small data (``verbs/test_readme_commands.py``)."""


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_code_block_is_checked(page: Path) -> None:
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        assert language in CHECKED
        assert language != "python" or page.name == "README.md"  # where `test_python_code_of_the_readme_runs` finds it
        if language == "":
            assert "ridgewalk " not in block or list(commands(f"```\n{block}```"))


@pytest.mark.parametrize("page", [*PAGES, *RECIPES], ids=relative)
def test_names_and_values_in_commands_exist(page: Path) -> None:
    found = {line: misnamed(line) for line in commands(page.read_text(encoding="utf-8"))}
    assert {line: wrong for line, wrong in found.items() if wrong} == {}


def misnamed(line: str) -> str:
    """Which method, energy, sampler, recipe, setting or number in a command does not exist; empty where all do."""
    words = shlex.split(line)
    options = dict(itertools.pairwise(words))
    try:
        for name in ",".join(options.get(key, "lerp") for key in ("--method", "--methods")).split(","):
            _, energy = split_energy(name)
            ENERGIES.find(energy or "ratio")
        for name in options.get("--energy", "ratio").split(","):
            ENERGIES.find(name)
        SAMPLERS.find(options.get("--sampler", "pc"))
        if (
            len(words) > 2
            and words[1] in ("train", "reproduce")
            and re.fullmatch("[a-z0-9-]+", words[2])
            and words[2][0] != "-"
        ):
            settings.read(words[2], changes=[b for a, b in itertools.pairwise(words) if a == "--set" and "." in b])
    except ValueError as error:
        return str(error)
    if re.fullmatch("[A-Z0-9]+", options.get("--data", "")) and options["--data"] != "FOLDER":
        return f"--data {options['--data']} looks like a name; write path/to/{options['--data'].lower()}"
    return ""


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("ridgewalk walk RUN --pairs 2 --method strng", "unknown method 'strng'"),
        ("ridgewalk report RUN --methods lerp,string:dul", "unknown energy 'dul'"),
        ("ridgewalk map RUN --energy soft-ratoi", "unknown energy 'soft-ratoi'"),
        ("ridgewalk sample RUN --sampler pd", "unknown sampler 'pd'"),
        ("ridgewalk train aea --data digits", "'aea'"),
        ("ridgewalk train aae --data digits --set training.epoch=3", "epoch"),
        ("ridgewalk train aae --data MNIST", "path/to/mnist"),
        ("ridgewalk train aae --data path/to/mnist", ""),
    ],
)
def test_wrong_names_in_commands_are_found(line: str, wrong: str) -> None:
    assert wrong in misnamed(line)
    assert bool(wrong) == bool(misnamed(line))


NEEDS = {"flow": "diffuse", "flow-guided": "guide", "dual": "sense", "pixel": "sense", "--gamma": "guide"}
"""What a command of a walk-through may name only after another command has made it."""


def test_commands_of_the_readme_can_be_run_in_their_order() -> None:
    made: dict[str, set[str]] = {}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in commands("\n".join(f"```{a}\n{b}```" for a, b in FENCE.findall(text))):
        _, verb, *words = shlex.split(line)
        if verb == "train" and "--out" in words:
            made[words[words.index("--out") + 1]] = {"train"}
        elif words and words[0].startswith("runs/"):
            assert words[0] in made, line
            for word, maker in NEEDS.items():
                assert word not in words or maker in made[words[0]], line
            made[words[0]].add(verb)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    missing = []
    for target in LINK.findall(text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file) if file else page
        if not there.exists():
            missing.append(target)
        elif anchor:
            heads = [
                re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-")
                for head in re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            ]
            if anchor not in heads:
                missing.append(target)
    assert missing == []


@pytest.mark.parametrize("page", [*PAGES, *RECIPES], ids=relative)
def test_paths_and_modules_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":  # the diffs of CONTRIBUTING.md create files, and the changelog lists former names
        text = re.sub(r"^```diff\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    if page.name == "CHANGELOG.md":
        text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    missing = [
        target
        for target in (found.rstrip(".") for found in TARGET.findall(text))
        if not any(list(root.glob(target)) for root in (ROOT, ROOT / "src" / "ridgewalk"))
    ]
    missing += [name for name in MODULE.findall(text) if not module_exists(name)]
    assert missing == []


def module_exists(name: str) -> bool:
    """Whether a dotted name is a module of the repository, or a name that one contains."""
    parts = name.split(".")
    root = ROOT / ("src" if parts[0] == "ridgewalk" else "studies")
    if name == "ridgewalk.studies":  # the group of the entry point
        return True
    for depth in (len(parts), len(parts) - 1):
        place = root.joinpath(*parts[:depth])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file() and (
                depth == len(parts) or re.search(rf"\b{parts[-1]}\b", file.read_text(encoding="utf-8"))
            ):
                return True
    return False
