"""
Records what ridgewalk computes, number by number, so that a change of its structure can be shown to change nothing else.

    python benchmarks/fingerprints.py record before.json          # with the code before the change
    python benchmarks/fingerprints.py record after.json           # with the code after it
    python benchmarks/fingerprints.py compare before.json after.json

``record`` trains every recipe at the smoke budget, searches with every method and every energy, and runs every verb, all by the command line. It keeps
the SHA-256 of each array's bytes, and every number of a result (except times). ``compare`` prints what differs, and exits with 1 if anything does.
Set PYTHONPATH to the ``src`` folder of another checkout to record that one. Two recordings are comparable on one machine only: another processor rounds
differently. Each command runs with one thread.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from safetensors.numpy import load_file

TIMES = {"peak_mb", "seconds", "minutes", "images_per_second", "diagnostics_seconds", "time", "speed", "version"}
"""Parts of keys whose values are times and memory, which differ from run to run."""

PLACES = {"report", "folder", "run", "runs", "files", "source", "pixels", "created", "date"}
"""Keys whose values are paths."""

METHODS = [
    *("lerp", "slerp", "sgw", "sgw-arriving", "guided", "graph", "string", "graph-string", "best-string"),
    *("geodesic", "flow", "flow-guided", "ridge", "ridge@8", "ridge-quick"),
]
ENERGIES = [
    *("logit-squared", "bce-to-0", "bce-to-half", "ratio", "soft-ratio", "neg-log-d", "pixel", "pixel-real", "dual"),
    *("reprojection", "neighbours", "kernel", "diffusion"),
]
WALKS = [
    *([m] for m in METHODS),
    *(["string", "--energy", e] for e in ENERGIES),
    *([m, "--energy", "dual"] for m in ("sgw", "sgw-arriving", "ridge@8", "graph-string")),
    *([m, "--energy", "logit-squared"] for m in ("sgw-arriving", "ridge")),
]
QUICK = ["--set", "judges.epochs=2", "--set", "detector.epochs=3", "--set", "walks.iterations=10"]
TRAINED = ("aae", "aae-conv", "ae", "vae", "ddpmpp", "ncsnpp", "ncsnpp-256")
"""Recipes that have no experiment."""

REPRODUCED = {
    **dict.fromkeys(("aae-clustering", "aae-likelihood", "aae-priors", "aae-reduction"), "digits"),
    **dict.fromkeys(("aae-semisupervised", "aae-style", "aae-svhn", "aae-tfd"), "digits"),
    **dict.fromkeys(("diffusion-mnist", "front", "guidance-mnist", "interpolation-network"), "digits"),
    **dict.fromkeys(("sensor-alive", "sensor-failure", "sensors-compared", "vae-gan"), "digits"),
    "diffusion-2d": "ring",
    "guidance-2d": "ring",
}


def call(*words: object) -> dict[str, Any]:
    """Returns the JSON that a ridgewalk command prints, or the exit code and last line of a command that fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "ridgewalk", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"exit": done.returncode, "says": (done.stderr.strip().splitlines() or [""])[-1]}
    return json.loads(done.stdout)


def numbers(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every number and truth value of a result with its key path; times and file paths are left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in PLACES and not any(t in key for t in TIMES):
                yield from numbers(inner, f"{place}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from numbers(inner, f"{place}/{i}")
    elif isinstance(value, bool | int | float) or (isinstance(value, str) and place.endswith(("exit", "says"))):
        yield place, value if value == value else "nan"


def digest(array: np.ndarray) -> str:
    """Returns the SHA-256 of an array's type, shape and bytes."""
    return hashlib.sha256(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


def arrays(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields the name and digest of every array of the weights and results below a folder."""
    for file in sorted(folder.rglob("*.safetensors")):
        if "checkpoints" not in file.parts:
            yield from ((f"{file.relative_to(folder)}:{n}", digest(a)) for n, a in sorted(load_file(file).items()))
    for file in sorted(folder.rglob("*.npz")):
        with np.load(file) as stored:
            yield from ((f"{file.relative_to(folder)}:{n}", digest(stored[n])) for n in sorted(stored.files))
    for file in sorted(folder.rglob("*.npy")):
        yield str(file.relative_to(folder)), digest(np.load(file))


def record_command(folder: Path, *words: object) -> dict[str, Any]:
    """Returns the output of a command, and the digests of the arrays that it wrote into a folder."""
    begun = perf_counter()
    found = dict(numbers(call(*words)))
    if folder.exists():
        found |= dict(arrays(folder))
    print(f"{perf_counter() - begun:7.1f} s  {' '.join(map(str, words))}", flush=True)
    return found


def demo(work: Path) -> dict[str, Any]:
    """Records the digits benchmark at its whole budget."""
    return {"demo": record_command(work / "demo", "demo", "--out", work / "demo")}


def run_of_digits(work: Path) -> dict[str, Any]:
    """Records every sensor, method, energy and verb of a small run of the digits."""
    run, found = work / "digits", {}
    found["train digits"] = record_command(
        run, "train", "digits", "--data", "digits", "--budget", "smoke", "--out", run, *QUICK
    )
    found["sense"] = record_command(run, "sense", run)
    found["sense real"] = record_command(run, "sense", run, "--contrast", "real")
    found["diffuse"] = record_command(run, "diffuse", run, "--set", "diffusion.epochs=3")
    small = ["--set", "guidance.epochs=1", "--set", "guidance.negatives=200", "--set", "sampling.steps=8"]
    found["guide"] = record_command(run, "guide", run, *small)
    for words in WALKS:
        out = work / "walks" / "-".join(words)
        found[f"walk {' '.join(words)}"] = record_command(
            out, "walk", run, "--pairs", 12, "--method", *words, "--out", out
        )
    for name, words in {
        "sensors": ["sensors", run],
        "report": ["report", run, "--pairs", 12, "--out", work / "report.html"],
        "report dual": ["report", run, "--pairs", 12, "--methods", "lerp,string:dual,ridge@8:dual", "--out", work / "d.html"],
        "benchmark": ["benchmark", run, "--pairs", 12],
        "compare": ["compare", run, "--pairs", 12, "--out", work / "compare"],
        "map abc": ["map", run, "--from", 3, "--to", 8, "--out", work / "abc"],
        "map pca": ["map", run, "--plane", "pca", "--energy", "soft-ratio,dual,diffusion", "--out", work / "pca"],
        "sample": ["sample", run, "--n", 32, "--out", work / "sample"],
        "sample guided": ["sample", run, "--n", 32, "--gamma", 1, "--out", work / "guided"],
        "sample prior": ["sample", run, "--n", 32, "--prior", "--out", work / "prior"],
        "evaluate": ["evaluate", run, "--n", 64, "--out", work / "evaluate"],
        "evaluate guided": ["evaluate", run, "--n", 64, "--gamma", 1, "--out", work / "evaluated"],
    }.items():  # fmt: skip
        target = words[words.index("--out") + 1] if "--out" in words else Path("nowhere")
        found[name] = record_command(target, *words)
    np.save(work / "mine.npy", np.random.default_rng(0).normal(size=(20, 8)).astype("float32"))
    for name, words in {"": [], " langevin": ["--langevin"], " tempered": ["--tempered"]}.items():
        out = work / f"moved{name.strip()}"
        found[f"project{name}"] = record_command(
            out, "project", run, "--latents", work / "mine.npy", "--out", out, *words
        )
    return found


def critics(work: Path) -> dict[str, Any]:
    """Records the energies of a VAE-GAN's own discriminators, and walks that keep a part of a code."""
    run, found = work / "vae-gan", {}
    found["train vae-gan"] = record_command(
        run, "train", "vae-gan", "--data", "digits", "--budget", "smoke", "--out", run
    )
    for e in ("critic", "latent", "posterior"):
        out = work / f"vae-gan-{e}"
        found[f"walk {e}"] = record_command(out, "walk", run, "--pairs", 8, "--energy", e, "--out", out)
    run = work / "few"
    train = ["train", "aae-semisupervised", "--data", "digits", "--budget", "smoke", "--out", run]
    found["train few"] = record_command(run, *train)
    for keep in ("style", "class"):
        for m in ("lerp", "string", "geodesic", "ridge"):
            out = work / f"keep-{keep}-{m}"
            words = ["walk", run, "--pairs", 8, "--keep", keep, "--method", m, "--out", out]
            found[f"keep {keep} {m}"] = record_command(out, *words)
    run = work / "ring"
    found["train ring"] = record_command(
        run, "train", "diffusion-2d", "--data", "ring", "--budget", "smoke", "--out", run
    )
    for s in ("heun", "ddim", "euler-maruyama", "reverse-diffusion", "ancestral", "pc", "langevin", "ode"):
        out = work / f"ring-{s}"
        found[f"sample {s}"] = record_command(out, "sample", run, "--n", 64, "--sampler", s, "--out", out)
    found["evaluate ring"] = record_command(work / "e", "evaluate", run, "--n", 200, "--out", work / "e")
    return found


def recipe(name: str, work: Path) -> dict[str, Any]:
    """Records one recipe at the smoke budget."""
    out = work / f"recipe-{name}"
    if name in TRAINED:
        return {
            f"train {name}": record_command(out, "train", name, "--data", "digits", "--budget", "smoke", "--out", out)
        }
    words = ["reproduce", name, "--data", REPRODUCED[name], "--budget", "smoke", "--out", out]
    return {f"reproduce {name}": record_command(out, *words)}


def record(target: Path, jobs: int, only: str) -> None:
    """Records everything into a JSON file."""
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        os.environ["RIDGEWALK_CACHE"] = str(work / "cache")
        tasks = {"critics": lambda: critics(work), "digits": lambda: run_of_digits(work), "demo": lambda: demo(work)}
        tasks |= {n: lambda n=n: recipe(n, work) for n in ("guidance-2d", "diffusion-2d")}
        tasks |= {n: lambda n=n: recipe(n, work) for n in [*TRAINED, *REPRODUCED] if n not in tasks}
        wanted = [only] if only else list(tasks)
        with ThreadPoolExecutor(jobs) as pool:
            results = list(pool.map(lambda n: tasks[n](), wanted))
    found = {name: values for result in results for name, values in result.items()}
    target.write_text(json.dumps(found, indent=1))


def compare(before: Path, after: Path, part: bool = False) -> int:
    """Prints the differences of two recordings, and returns exit code 0 if there are none. With ``part``, only tasks that both have."""
    old, new = (
        {
            n: {k: v for k, v in values.items() if not any(t in k for t in TIMES)}
            for n, values in json.loads(f.read_text()).items()
        }
        for f in (before, after)
    )
    if part:
        old = {name: values for name, values in old.items() if name in new}
    wrong = 0
    for name in [*old, *(n for n in new if n not in old)]:
        a, b = old.get(name, {}), new.get(name, {})
        changed = [k for k in a if k in b and a[k] != b[k]]
        lost, added = [k for k in a if k not in b], [k for k in b if k not in a]
        wrong += bool(changed or lost)
        equal = len(a) - len(changed) - len(lost)
        print(f"{name}: {equal} equal, {len(changed)} changed, {len(lost)} lost, {len(added)} new")
        for k in changed[:5]:
            print(f"    changed {k}: {a[k]} -> {b[k]}")
        for label, keys in (("lost", lost), ("new", added)):
            if keys:
                print(f"    {label} {', '.join(keys[:5])}{' ...' if len(keys) > 5 else ''}")
    print("equal" if not wrong else f"{wrong} of {len(old)} differ")
    return bool(wrong)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record")
    recording.add_argument("target", type=Path)
    recording.add_argument("--jobs", type=int, default=2)
    recording.add_argument("--only", default="", help="one task: critics, digits, demo, or a recipe")
    comparing = verbs.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--part", action="store_true", help="only tasks that both recordings have")
    given = parser.parse_args()
    if given.verb == "record":
        record(given.target, given.jobs, given.only)
    else:
        sys.exit(compare(given.before, given.after, given.part))


if __name__ == "__main__":
    main()
