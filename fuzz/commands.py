"""Odd command lines: each ends by itself or when it is asked to, with exit code 0 or 2, and a sentence where it is refused."""

import shutil
from pathlib import Path
from typing import Any

from fuzz.calls import run
from fuzz.mutations import Random
from fuzz.runs import finish

# fmt: off
ODD = (
    "", " ", "-", "--", "-1", "0", "1", "3", "nan", "inf", "1e308", "9223372036854775808", "99999999999999999999999",
    "a,b", ",", "../..", "/", "/dev/null", "/proc/self/mem", "nowhere", "nowhere/at/all", "\x1b[31mred", "\n", "ünï",
    "\udcff", "x" * 5000, "*", "~", "lerp", "string:dual", "ridge@8", "ridge@-1", "ridge@nan", "a=b",
    "training.epochs=0", "training.epochs=nan", "sampling.steps=-1", "walks.iterations=1e9", "None", "null", "[]",
    "0x10", "1_000", "٣", "%s", "{0}", "$HOME",
)
# fmt: on
"""Values that no option means, or only some."""


def prepare(work: Path) -> tuple[Path, dict[str, Any]]:
    """A finished run, and the commands with their options."""
    import typer

    from ridgewalk.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return finish(work), {name: c.params for name, c in sorted(commands.items())}


def trial(material: tuple[Path, dict[str, Any]], number: int, folder: Path, draw: Random) -> tuple[str, str]:
    """Runs one command line with odd values; returns it, and the fault or ""."""
    finished, commands = material
    names = sorted(commands)
    name = names[number % len(names)]
    words: list[str] = [name]
    run_folder = folder / "run"
    shutil.copytree(finished, run_folder)
    good = [str(run_folder), "digits", "0", "3", "2", "lerp", "smoke", "cpu", "aae", str(folder / "out")]

    def value() -> str:
        pool = good if draw.random() < 0.5 else ODD
        return pool[int(draw.integers(len(pool)))]

    for parameter in commands[name]:
        if parameter.param_type_name == "argument":
            if draw.random() < 0.9:
                words.append(str(run_folder) if parameter.name in ("run", "runs") and draw.random() < 0.7 else value())
        elif parameter.name != "help" and draw.random() < (0.8 if parameter.name in ("budget", "out") else 0.2):
            words.append(parameter.opts[0])
            if parameter.name == "budget":
                words.append("smoke")
            elif parameter.name == "out" and draw.random() < 0.7:
                words.append(str(folder / "out"))
            elif not parameter.is_flag:
                words.append(value())
    if draw.random() < 0.1:
        words.append(value())
    ending = run(folder, *words, seconds=8.0)
    fault = ending.fault
    shown = " ".join(w if len(w) < 60 else f"{w[:20]}...({len(w)})" for w in words)
    return shown, f"{fault}: {ending.error.strip()[-400:]}" if fault else ""
