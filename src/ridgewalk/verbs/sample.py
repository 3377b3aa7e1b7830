"""The verb `sample`: samples of a run as a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ridgewalk.evaluation.sampling import KEPT, Draw, Drawn, draw, in_plane
from ridgewalk.files import new_folder, new_free_folder, write_arrays
from ridgewalk.store.run import Run


@dataclass(frozen=True, eq=False)
class Result:
    """
    The samples.

    Attributes:
        folder: folder with ``samples.npz``, which pictures go into.
        run: the run.
        drawn: the samples.
        verdict: number, source and duration in a sentence.
        figures: the same and the settings, for JSON.
    """

    folder: Path
    run: Run
    drawn: Drawn
    verdict: Sequence[str]
    figures: Mapping[str, Any]


def sample(run: Run, request: Draw, out: Path | None = None) -> Result:
    """
    Draws samples, and writes them as ``samples`` of ``samples.npz`` into a folder.

    Args:
        run: the run.
        request: how to draw them; of points in the plane, states of trajectories are kept as well.
        out: folder of the result, new or empty; by default RUN/samples, or the next free name.
    """
    folder = new_folder(out) if out else new_free_folder(run.folder, "samples")
    drawn = draw(run, replace(request, keep=KEPT if in_plane(run) else 0))
    write_arrays(folder / "samples.npz", {"samples": drawn.values})
    figures = {
        "run": str(run.folder),
        "samples": request.rows,
        "seed": request.seed,
        "source": drawn.source,
        "nfe": drawn.nfe,
        "seconds": drawn.seconds,
        "sampling": vars(request.how),
    }
    line = f"{request.rows} samples of {drawn.source}, {drawn.nfe} evaluations each, in {drawn.seconds:.1f} s"
    return Result(folder, run, drawn, [line], figures)
