"""Runs trials of several kinds in processes of their own, prints what failed, and ends with exit code 1 if anything did."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

os.environ["OMP_NUM_THREADS"] = "1"

COUNTS = {"data": 2000, "runs": 800, "recipes": 200, "commands": 700, "kills": 200, "pairs": 26}
"""Number of trials of each kind."""


def work_through(
    kind: str, material: Any, numbers: range, seed: int, work: Path, end: float
) -> list[tuple[int, str, str]]:
    """Runs the trials of these numbers until a moment; returns the number, the description and the fault of each."""
    module, found = import_module(f"fuzz.{kind}"), []
    for number in numbers:
        if time.monotonic() > end:
            break
        folder = work / f"{kind}-{number}"
        folder.mkdir()
        what, fault = module.trial(material, number, folder, np.random.default_rng([seed, number]))
        found.append((number, what, fault))
        if fault:
            print(f"{kind} {number}: {what}\n    {fault}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def run_kind(kind: str, count: int, seed: int, jobs: int, minutes: float, work: Path, start: int = 0) -> dict[str, Any]:
    """Runs the trials of one kind in ``jobs`` processes; returns how many were run, and those that failed."""
    begun = time.monotonic()
    material = import_module(f"fuzz.{kind}").prepare(work / kind)
    end = time.monotonic() + 60 * minutes
    children = []
    for job in range(jobs):
        file = work / f"{kind}-{job}.json"
        pid = os.fork()
        if not pid:
            code = 1
            try:
                file.write_text(
                    json.dumps(work_through(kind, material, range(start + job, start + count, jobs), seed, work, end))
                )
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        children.append((pid, file))
    found: list[list[Any]] = []
    for pid, file in children:
        if os.waitpid(pid, 0)[1]:
            raise RuntimeError(f"a process with trials of {kind} failed")
        found += json.loads(file.read_text())
    faults = [{"trial": number, "what": what, "fault": fault} for number, what, fault in sorted(found) if fault]
    return {"trials": len(found), "faults": faults, "seconds": round(time.monotonic() - begun)}


def main() -> None:
    """Reads the options and runs everything."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="+", choices=list(COUNTS))
    parser.add_argument("--count", type=int, help="trials of each kind; by default the full numbers")
    parser.add_argument("--start", type=int, default=0, help="number of the first trial, to repeat one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes at the same time")
    parser.add_argument("--minutes", type=float, default=60.0, help="time limit of each kind")
    parser.add_argument("--out", type=Path, help="JSON file of the result")
    options = parser.parse_args()
    from fuzz.calls import preload

    result: dict[str, Any] = {"seed": options.seed}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        work = Path(name)
        os.environ["RIDGEWALK_CACHE"] = str(work / "cache")
        preload()
        for kind in options.kinds:
            (work / kind).mkdir()
            count = COUNTS[kind] if options.count is None else options.count
            result[kind] = run_kind(kind, count, options.seed, options.jobs, options.minutes, work, options.start)
            print(
                f"{kind}: {result[kind]['trials']} trials, {len(result[kind]['faults'])} faults, {result[kind]['seconds']} s",
                flush=True,
            )
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(any(result[kind]["faults"] for kind in options.kinds))


if __name__ == "__main__":
    main()
