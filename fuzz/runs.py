"""Damaged run folders: a command refuses them, or gives the figures of the intact run, or says what it passed over."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fingerprints import arrays, numbers

from fuzz.calls import Call, Ending, command, made, notes, run
from fuzz.mutations import Random, mutate

QUICK = ["--set", "judges.epochs=2", "--set", "detector.epochs=3", "--set", "walks.iterations=10"]
DIFFUSION = ["--set", "diffusion.epochs=3"]
GUIDE = ["--set", "guidance.epochs=1", "--set", "guidance.negatives=200", "--set", "sampling.steps=8"]
TRAIN = ["train", "digits", "--data", "digits", "--budget", "smoke", *QUICK]

READERS = {
    "log.jsonl": ["report", "--pairs", 2, "--methods", "lerp"],
    "pixel": ["walk", "--pairs", 2, "--method", "string:pixel"],
    "denoiser": ["sample", "--n", 4],
    "guide": ["sample", "--n", 4, "--gamma", 1],
}
"""The command that reads a file of a run, by the beginning of its name; walk reads the others."""

OTHERS = ["walk", "--pairs", 2, "--method", "ridge-quick"]


@dataclass(frozen=True)
class Material:
    """A finished run, a half-trained one, the files of both that a command reads, and what these commands print of the intact runs."""

    finished: Path
    half: Path
    files: tuple[str, ...]
    checkpoints: tuple[str, ...]
    intact: dict[str, object]


def prepare(work: Path) -> Material:
    """Trains the runs."""
    finished, half = finish(work), interrupt(work)
    files = [
        str(p.relative_to(finished))
        for p in sorted(finished.iterdir())
        if p.suffix in (".json", ".jsonl", ".toml", ".safetensors")
    ]
    checkpoints = [
        str(p.relative_to(half)) for p in sorted(half.rglob("*")) if p.is_file() and not p.name.startswith(".")
    ]
    intact: dict[str, object] = {}
    for words in (*READERS.values(), OTHERS):
        folder = work / "intact" / "-".join(map(str, words))
        folder.mkdir(parents=True)
        intact[str(words)] = figures(read(finished, words, folder))
    folder = work / "intact" / "resumed"
    folder.mkdir()
    shutil.copytree(half, folder / "run")
    made(folder, "train", "--resume", folder / "run", "--device", "cpu")
    intact["resumed"] = weights(folder / "run")
    return Material(finished, half, tuple(files), tuple(checkpoints), intact)


def finish(work: Path) -> Path:
    """Trains a small run with every artifact, beside the folder of this kind; all kinds share it."""
    folder = work.parent / "finished"
    if folder.exists():
        return folder
    made(work, *TRAIN, "--out", folder, "--device", "cpu")
    made(work, "sense", folder)
    made(work, "diffuse", folder, *DIFFUSION)
    made(work, "guide", folder, *GUIDE)
    return folder


def interrupt(work: Path) -> Path:
    """Trains until there are two checkpoints, and kills the process."""
    folder = work / "half"
    call = Call(
        command(*TRAIN, "--out", folder, "--device", "cpu", "--set", "training.checkpoint_every=20"), work, memory=None
    )
    while len(list(folder.glob("checkpoints/*"))) < 2:
        time.sleep(0.01)
    call.kill()
    return folder


def read(run_folder: Path, words: list[object], folder: Path) -> Ending:
    """Runs a command that reads a run, into a folder."""
    verb, *options = words
    out = folder / ("report.html" if verb == "report" else "out")
    return run(folder, verb, run_folder, *options, "--out", out, "--json")


def figures(ending: Ending) -> object:
    """The numbers that a command printed as JSON."""
    return dict(numbers(json.loads(ending.out)))


def weights(folder: Path) -> dict[str, str]:
    """The digests of the weights of a run."""
    return {k: v for k, v in arrays(folder) if ".safetensors" in k}


def trial(material: Material, number: int, folder: Path, draw: Random) -> tuple[str, str]:
    """Damages one file of a run; returns what was done, and the fault or ""."""
    half = number % 3 == 2
    choices = material.checkpoints if half else material.files
    name = choices[int(draw.integers(len(choices)))]
    copy = shutil.copytree(
        material.half if half else material.finished, folder / "run", ignore=shutil.ignore_patterns("walks")
    )
    mutation, content = mutate((copy / name).read_bytes(), draw)
    (copy / name).write_bytes(content)
    what = f"{'half-trained' if half else 'finished'} {name}: {mutation}"
    if half:
        ending = run(folder, "train", "--resume", copy, "--device", "cpu", "--json")
        changed = ending.code == 0 and weights(copy) != material.intact["resumed"]
    else:
        words = next((w for start, w in READERS.items() if name.startswith(start)), OTHERS)
        ending = read(copy, words, folder)
        changed = ending.code == 0 and figures(ending) != material.intact[str(words)]
        changed |= ending.code == 0 and name == "log.jsonl" and not notes(ending.error)
    fault = ending.fault or ("changed without a word" if changed else "")
    return what, f"{fault}: {ending.error.strip()[-400:]}" if fault else ""
