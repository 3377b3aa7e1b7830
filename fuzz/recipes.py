"""Odd recipes: each is refused in a sentence, or trained; a training that lasts is stopped, and ends."""

import re
from pathlib import Path

from fuzz.calls import run
from fuzz.mutations import NUMBERS, Random, mutate

SECONDS = 6.0
"""After so long a training is taken as accepted, and is asked to end."""


def prepare(work: Path) -> dict[str, str]:
    """The text of every shipped recipe."""
    from ridgewalk.settings import recipes

    folder = Path(recipes.__file__).parents[1] / "recipes"
    return {file.stem: file.read_text() for file in sorted(folder.glob("*.toml"))}


def trial(found: dict[str, str], number: int, folder: Path, draw: Random) -> tuple[str, str]:
    """Changes one recipe and trains by it; returns what was done, and the fault or ""."""
    names = sorted(found)
    name = names[number % len(names)]
    text = found[name]
    lines = [m for m in re.finditer(r"(?m)^(\w[\w.-]*) = (.*)$", text)]
    if number % 2 and lines:
        line = lines[int(draw.integers(len(lines)))]
        value = str(
            draw.choice(
                [
                    *NUMBERS,
                    '"../outside"',
                    '"os:system"',
                    '"' + "x" * 100_000 + '"',
                    "[[[[]]]]",
                    "{a = 1}",
                    "1000000000000",
                ]
            )
        )
        content = f"{text[: line.start()]}{line[1]} = {value}{text[line.end() :]}".encode()
        what = f"{line[1]} = {value[:40]}"
    else:
        what, content = mutate(text.encode(), draw)
    file = folder / "recipe.toml"
    file.write_bytes(content)
    ending = run(
        folder, "train", file, "--data", "digits", "--budget", "smoke", "--out", folder / "run", seconds=SECONDS
    )
    fault = ending.fault
    outside = [p.name for p in folder.parent.iterdir() if p.name == "outside"]
    if outside:
        fault = "written outside --out"
    return f"{name}: {what}", f"{fault}: {ending.error.strip()[-400:]}" if fault else ""
