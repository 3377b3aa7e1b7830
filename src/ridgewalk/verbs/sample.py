"""The verb `sample`: samples of a run as a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ridgewalk.evaluation.sampling import KEPT, Draw, Drawn, draw, in_plane
from ridgewalk.files import new_folder, new_free_folder, write_arrays
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.run import Run


@dataclass(frozen=True)
class Request:
    """
    What to sample.

    Attributes:
        rows: number of samples.
        seed: seed of all of them.
        how: sampler and its settings; by default the recipe's.
        label: class of the samples, of a diffusion that was trained with labels.
        prior: whether to draw the autoencoder's prior although its codes have a diffusion.
        gamma: strength of the guide's correction; by default there is none.
        parts: parts of a predictor-corrector that are guided: both, predictor or corrector.
        out: folder of the result, new or empty; by default RUN/samples, or the next free name.
    """

    rows: int = 64
    seed: int = 0
    how: Sampling | None = None
    label: int | None = None
    prior: bool = False
    gamma: float | None = None
    parts: str = "both"
    out: Path | None = None


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


def sample(run: Run, request: Request) -> Result:
    """Draws samples, and writes them as ``samples`` of ``samples.npz`` into a folder."""
    how = request.how or run.recipe.sampling
    folder = new_folder(request.out) if request.out else new_free_folder(run.folder, "samples")
    keep = KEPT if in_plane(run) else 0
    asked = Draw(request.rows, request.seed, how, request.label, request.prior, keep, request.gamma, request.parts)
    drawn = draw(run, asked)
    write_arrays(folder / "samples.npz", {"samples": drawn.values})
    figures = {
        "run": str(run.folder),
        "samples": request.rows,
        "seed": request.seed,
        "source": drawn.source,
        "nfe": drawn.nfe,
        "seconds": drawn.seconds,
        "sampling": vars(how),
    }
    line = f"{request.rows} samples of {drawn.source}, {drawn.nfe} evaluations each, in {drawn.seconds:.1f} s"
    return Result(folder, run, drawn, [line], figures)
