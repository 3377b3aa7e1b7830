"""Walking a run: from test images or files to paths on disk."""

import io
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ridgewalk import processes
from ridgewalk.data import digests_of, draw, read_image, role_of_test_index
from ridgewalk.files import write_bytes
from ridgewalk.path import Path
from ridgewalk.protocols import PathFinder
from ridgewalk.registry import METHODS
from ridgewalk.store.run import Run

BLOCK = 64
"""Pairs that are searched in one tensor. Blocks, not single pairs, go to the processes, so that a path does not depend on how many there are."""

_SUMS = {"nfe", "clamped", "capped", "nonfinite", "lost", "bridged"}
_LARGEST = {"iterations", "steps_max", "components"}


@dataclass(frozen=True, eq=False)
class Ends:
    """
    The two images of each pair.

    Attributes:
        x_a: (b, c, h, w) in [0, 1], and x_b.
        index_a: (b,) row in the test part, -1 for an image file; and index_b.
        labels_a: (b,) class, -1 where not known; and labels_b.
    """

    x_a: Tensor
    x_b: Tensor
    index_a: Tensor
    index_b: Tensor
    labels_a: Tensor
    labels_b: Tensor

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.x_a)

    def digests(self) -> Tensor:
        """Of all ends, as ``Images.digests``."""
        return digests_of(torch.cat([self.x_a, self.x_b]))


def drawn(run: Run, count: int, seed: int, role: str = "test", same_class: bool = False) -> Ends:
    """Pairs of test images of different classes (of any, where there is one class only), or of one class each."""
    data = run.data
    pairs = draw(data, role, count, seed, different_classes=len(data.class_names) > 1, same_class=same_class)
    a, b = data.test.take(pairs.index_a), data.test.take(pairs.index_b)
    return Ends(a.floats(), b.floats(), pairs.index_a, pairs.index_b, a.labels, b.labels)


def named(run: Run, start: str, end: str, resize: bool = False) -> Ends:
    """One pair: each end a test-set index or an image file."""
    a, b = _image(run, start, resize), _image(run, end, resize)
    if torch.equal(a[0], b[0]):
        raise ValueError(f"--from {start} and --to {end} are the same image; a path needs two different ends")
    return Ends(a[0][None], b[0][None], *(torch.tensor([v]) for v in (a[1], b[1], a[2], b[2])))


def _image(run: Run, text: str, resize: bool) -> tuple[Tensor, int, int]:
    try:
        index = int(text)
    except ValueError:
        return read_image(FilePath(text), run.origin.image, resize=resize).float() / 255, -1, -1
    test = run.data.test
    if not 0 <= index < len(test):
        raise ValueError(f"test image {index} does not exist; indices go from 0 to {len(test) - 1}")
    image = test.take(torch.tensor([index]))
    return image.floats()[0], index, int(image.labels[0])


def roles(run: Run, ends: Ends) -> list[str]:
    """Which roles the ends' test images have."""
    indices = torch.cat([ends.index_a, ends.index_b]).tolist()
    return sorted({role_of_test_index(i, len(run.data.test)) for i in indices if i >= 0})


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
    Paths of all pairs by one of the methods, with ``frames`` nodes, shared among the processes of a torchrun.

    Stats gain ``seconds`` (wall clock of the search), ``seconds_per_path``, ``cpu_seconds_per_path`` (of all threads) and ``peak_mb``
    (peak resident memory of the process so far). A ``finder`` of one's own takes the place of the method's.
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


def write(
    folder: FilePath,
    run: Run,
    ends: Ends,
    path: Path,
    z_a: Tensor,
    z_b: Tensor,
    settings: Mapping[str, Any],
    columns: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """
    Writes ``paths.npz`` and ``stats.json`` into ``folder`` and returns the frames (b, k, c, h, w).

    ``paths.npz`` holds nodes (b, k, d), frames (b, k, c, h, w) in [0, 1], z_a, z_b (b, d), index_a, index_b, labels_a, labels_b, arrived (b,)
    and a trace (b, k) for each of the finder's.
    """
    frames = path.map(run.decode).cpu()
    arrays = {
        "nodes": path.nodes,
        "frames": frames,
        "z_a": z_a,
        "z_b": z_b,
        "index_a": ends.index_a,
        "index_b": ends.index_b,
    }
    arrays |= {"labels_a": ends.labels_a, "labels_b": ends.labels_b, "arrived": path.arrived} | {
        f"trace_{n}": t for n, t in path.traces.items()
    }
    buffer = io.BytesIO()
    stored: dict[str, Any] = {n: t.detach().cpu().numpy() for n, t in arrays.items()}
    np.savez_compressed(buffer, **stored)
    write_bytes(folder / "paths.npz", buffer.getvalue())
    record: dict[str, Any] = {
        **settings,
        "pairs": len(ends),
        "frames": frames.shape[1],
        "arrived": int(path.arrived.sum()),
        "roles": roles(run, ends),
    }
    record["search"] = dict(path.stats)
    if columns is not None:
        record["metrics"] = {n: float(v.mean()) for n, v in columns.items()}
    write_bytes(folder / "stats.json", json.dumps(record, indent=1).encode())
    return frames
