"""The picture of a training: held-out images over their reconstructions."""

from pathlib import Path

from ridgewalk.evaluation.reconstructions import reconstruct
from ridgewalk.files import write_bytes
from ridgewalk.reports import figures
from ridgewalk.store.run import Run

SHOWN = 8
"""Images on it: the first ones of the test part."""


def write(run: Run) -> Path | None:
    """Writes ``reconstructions.png`` into the run's folder; returns the file, or None for rows of numbers, and where there are fewer than 2 images."""
    if 1 in run.origin.image[1:] or len(run.data.test) < 2:
        return None
    x, y = reconstruct(run, SHOWN)
    picture = figures.strips({"images": x.numpy(), "reconstructions": y.numpy()}, path=False)
    file = run.folder / "reconstructions.png"
    write_bytes(file, figures.png(picture))
    return file
