"""Kills at random moments: the same command, or the way out that it names, gives what a run without a kill gives."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.fingerprints import arrays

from fuzz.calls import Call, command, made, run
from fuzz.mutations import Random
from fuzz.runs import DIFFUSION, GUIDE, QUICK, TRAIN, finish

COMMANDS: dict[str, list[object]] = {
    "train": [*TRAIN, "--set", "training.checkpoint_every=7", "--out", "OUT"],
    "sense": ["sense", "RUN"],
    "diffuse": ["diffuse", "RUN", *DIFFUSION],
    "guide": ["guide", "RUN", *GUIDE],
    "walk": ["walk", "RUN", "--pairs", 2, "--method", "string", "--gif", "--out", "OUT"],
    "map": ["map", "RUN", "--from", 3, "--to", 8, "--out", "OUT"],
    "sample": ["sample", "RUN", "--n", 8, "--gamma", 1, "--out", "OUT"],
    "evaluate": ["evaluate", "RUN", "--n", 16, "--out", "OUT"],
    "compare": ["compare", "RUN", "--pairs", 2, "--methods", "lerp,string", "--out", "OUT"],
    "project": ["project", "RUN", "--latents", "latents.npy", "--out", "OUT"],
    "report": ["report", "RUN", "--pairs", 2, "--methods", "lerp,string", "--out", "OUT.html"],
    "benchmark": ["benchmark", "RUN", "--pairs", 2, "--methods", "lerp,string", "--out", "OUT.json"],
    "reproduce": ["reproduce", "sensor-alive", "--data", "digits", "--budget", "smoke", *QUICK[2:4], "--out", "OUT"],
}
"""The commands that are killed; RUN is a copy of a finished run, OUT a place that does not exist."""

TRAINERS = ("sense", "diffuse", "guide")
"""The commands that write into RUN, which therefore lacks what they train."""

REMOVED = {"sense": "pixel.*", "diffuse": "[dg][ei][nu]*", "guide": "guide*"}
"""What is taken out of the run for them: the pixel sensor; the diffusion (denoiser.*, diffusion/) with its guide; the guide."""


@dataclass(frozen=True)
class Material:
    """A finished run, and of every command its seconds and the digests of the arrays that it writes."""

    finished: Path
    seconds: dict[str, float]
    intact: dict[str, dict[str, str]]


def prepare(work: Path, names: tuple[str, ...] = tuple(COMMANDS)) -> Material:
    """Trains a run, and runs every command once without a kill."""
    finished, seconds, intact = finish(work), {}, {}
    for name in names:
        folder = work / "intact" / name
        furnish(name, finished, folder)
        begun = time.monotonic()
        made(folder, *words(name, folder))
        seconds[name] = time.monotonic() - begun
        intact[name] = written(name, folder)
    return Material(finished, seconds, intact)


def furnish(name: str, finished: Path, folder: Path) -> None:
    """Gives a command its run and its latents."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(finished, folder / "run")
    np.save(folder / "latents.npy", np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32))
    for path in (folder / "run").glob(REMOVED.get(name, "nothing")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if name == "diffuse":
        for path in (folder / "run").glob("diffusion*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def words(name: str, folder: Path, out: str = "out") -> list[object]:
    """The words of a command whose RUN and OUT are in ``folder``."""
    places = {
        "RUN": folder / "run",
        "latents.npy": folder / "latents.npy",
        "OUT": folder / out,
        "OUT.html": folder / f"{out}.html",
        "OUT.json": folder / f"{out}.json",
    }
    return [places.get(w, w) if isinstance(w, str) else w for w in COMMANDS[name]]


def written(name: str, folder: Path, out: str = "out") -> dict[str, str]:
    """The digests of the arrays that a command has written, and for a file that is no array whether it exists."""
    place = folder / ("run" if name in TRAINERS else out)
    if name in ("report", "benchmark"):
        return {"file": str((folder / f"{out}.{'html' if name == 'report' else 'json'}").is_file())}
    return {k: v for k, v in arrays(place) if "walks" not in k} if place.is_dir() else {}


def trial(material: Material, number: int, folder: Path, draw: Random) -> tuple[str, str]:
    """Kills a command up to three times, runs it again, and compares; a quarter of the trials run as process 1 of a PID namespace."""
    name = sorted(material.intact)[number % len(material.intact)]
    first = bool(draw.random() < 0.25)
    furnish(name, material.finished, folder)
    moments = []
    for _ in range(int(draw.integers(1, 4))):
        call = Call(command(*again(name, folder)), folder, first, memory=None)
        moments.append(float(draw.uniform(0, 1.05 * material.seconds[name])))
        call.poll(moments[-1])
        call.kill()
    what = f"{name} killed after {', '.join(f'{m:.2f}' for m in moments)} s{' as process 1' if first else ''}"
    ending = run(folder, *again(name, folder), seconds=300.0, first=first)
    if ending.fault:
        return what, f"{ending.fault}: {ending.error.strip()[-400:]}"
    if written(name, folder) == material.intact[name]:
        return what, ""
    if ending.code == 0:
        return what, "other arrays after the kill, without a word"
    other = run(folder, *words(name, folder, "other"), seconds=300.0, first=first)
    if other.code or written(name, folder, "other") != material.intact[name]:
        return what, f"a dead end: {ending.error.strip()[-400:]}; with another --out: {other.error.strip()[-200:]}"
    return what, ""


def again(name: str, folder: Path) -> list[object]:
    """The command that continues after a kill: ``train --resume`` where the run has a recipe, otherwise the command itself."""
    if name == "train" and (folder / "out" / "run.toml").is_file():
        return ["train", "--resume", folder / "out"]
    return words(name, folder)
