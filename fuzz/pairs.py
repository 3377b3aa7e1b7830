"""Two commands at the same time: each succeeds with the figures that it has alone, or is refused in a sentence."""

from pathlib import Path

from fuzz.calls import Call, command
from fuzz.kills import COMMANDS, Material, furnish, prepare, words, written
from fuzz.mutations import Random

__all__ = ["prepare", "trial"]

APART = ("walk", "map", "sample", "evaluate", "compare", "project", "report")


def trial(material: Material, number: int, folder: Path, draw: Random) -> tuple[str, str]:
    """Starts two commands within a second; every 13 trials meet each verb with itself, the next 13 with another on the same run."""
    names = sorted(material.intact)
    name = names[number % len(names)]
    same = number % (2 * len(names)) < len(names)
    other = name if same else APART[int(draw.integers(len(APART)))]
    furnish(name, material.finished, folder)
    outs = ("out", "out" if same else "second")
    for part in ("first", "second"):
        (folder / f"process-{part}").mkdir()
    first = Call(command(*words(name, folder, outs[0])), folder / "process-first", memory=None)
    pause = float(draw.uniform(0, min(1.0, material.seconds[name])))
    first.poll(pause)
    second = Call(command(*words(other, folder, outs[1])), folder / "process-second", memory=None)
    endings = [first.wait(300.0), second.wait(300.0)]
    what = f"{name} and {other}, {pause:.2f} s later, {'into one place' if same else 'on one run'}"
    for ending in endings:
        if ending.fault:
            return what, f"{ending.fault}: {ending.error.strip()[-400:]}"
    if all(e.code for e in endings):
        return what, "both refused: " + " | ".join(e.error.strip()[-200:] for e in endings)
    for ending, verb, out in zip(endings, (name, other), outs):
        if ending.code == 0 and written(verb, folder, out) != material.intact[verb] and verb in COMMANDS:
            return what, f"{verb} wrote other arrays than alone"
    return what, ""
