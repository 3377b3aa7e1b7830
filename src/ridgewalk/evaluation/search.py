"""Searching the paths of all pairs of a run, in blocks that the processes of a torchrun share."""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ridgewalk import processes
from ridgewalk.path import Path
from ridgewalk.protocols import PathFinder
from ridgewalk.registry import METHODS
from ridgewalk.store.run import Run

BLOCK = 64
"""Pairs that are searched in one tensor. Processes share blocks, not pairs, so that a path does not depend on the number of processes."""

_SUMS = {"nfe", "clamped", "capped", "nonfinite", "lost", "bridged"}
_LARGEST = {"iterations", "steps_max", "components"}


def search(
    run: Run,
    method: str,
    z_a: Tensor,
    z_b: Tensor,
    energy: str | None = None,
    frames: int | None = None,
    finder: PathFinder | None = None,
) -> Path:
    """
    Searches the paths of all pairs by one method.

    Args:
        run: the run, whose model and sensors the method uses.
        method: name of the method.
        z_a: first codes (b, d).
        z_b: last codes (b, d).
        energy: name of an energy in place of the method's default.
        frames: nodes of each path; by default the recipe's number of frames.
        finder: a finder in place of the method's own.

    Returns:
        The paths. Their stats gain ``seconds`` (wall clock of the search), ``seconds_per_path``, ``cpu_seconds_per_path`` (of all
        threads) and ``peak_mb`` (peak resident memory of the process until then).
    """
    frames = frames or run.recipe.walks.frames
    finder = finder or run.finder(method, energy)
    blocks = list(zip(z_a.split(BLOCK), z_b.split(BLOCK)))
    if (named := METHODS.get(method.partition("@")[0])) and "references" in named.needs:
        _ = run.references  # read once, outside the clock
    began, busy = time.perf_counter(), time.process_time()
    own = {
        i: _resampled(finder, a, b, frames, run.decode)
        for i, (a, b) in enumerate(blocks)
        if i % processes.world() == processes.rank()
    }
    parts: dict[int, Path] = {}
    for part in processes.gather(own):
        parts |= part
    path = _merge([parts[i] for i in range(len(blocks))])
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    stats = {**path.stats, "seconds": seconds, "seconds_per_path": seconds / len(z_a), "peak_mb": peak_memory()}
    stats["cpu_seconds_per_path"] = busy / len(z_a)
    return Path(path.nodes, path.arrived, path.traces, stats)


def _resampled(finder: PathFinder, z_a: Tensor, z_b: Tensor, frames: int, decode: Callable[[Tensor], Tensor]) -> Path:
    path = finder(z_a, z_b)
    return path if path.nodes.shape[1] == frames else path.resample(frames, decode)


def _merge(parts: Sequence[Path]) -> Path:
    names = parts[0].traces
    stats: dict[str, float] = {}
    weights = [len(p.arrived) for p in parts]
    for key in parts[0].stats:
        values = [p.stats.get(key, 0) for p in parts]
        if key in _SUMS:
            stats[key] = sum(values)
        elif key in _LARGEST:
            stats[key] = max(values)
        else:
            stats[key] = sum(v * w for v, w in zip(values, weights)) / sum(weights)
    return Path(
        torch.cat([p.nodes for p in parts]),
        torch.cat([p.arrived for p in parts]),
        {n: torch.cat([p.traces[n] for p in parts]) for n in names},
        stats,
    )


def peak_memory() -> float:
    """Peak resident memory of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def distances_to_end(curves: Mapping[str, Path], z_b: Tensor) -> dict[str, Tensor]:
    """|z_i - z_b| at every node of each method's paths: (b, k) by method, on the CPU."""
    return {m: (c.nodes - z_b[:, None]).flatten(2).norm(dim=2).cpu() for m, c in curves.items()}
