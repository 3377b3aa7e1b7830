"""The pictures of the verb `sample`."""

from pathlib import Path

from ridgewalk.evaluation.sampling import ground, in_plane
from ridgewalk.files import write_bytes
from ridgewalk.reports import figures
from ridgewalk.reports import samples as pictures
from ridgewalk.verbs.sample import Result

SHOWN = 256
"""Images on the sheet: the first ones."""


def write(result: Result) -> list[Path]:
    """
    Writes ``samples.png`` into the result's folder, and ``trajectories.png`` of points in the plane.

    Returns:
        The files that were written.
    """
    drawn, folder = result.drawn, result.folder
    values = drawn.values.numpy()
    drawings = {}
    if values.ndim == 4:
        drawings["samples.png"] = pictures.sheet(values[:SHOWN])
    elif in_plane(result.run):
        density = ground(result.run)
        drawings["samples.png"] = pictures.clouds({drawn.source: values}, density)
        trajectories = drawn.states[:, : pictures.WAYS].numpy()
        drawings["trajectories.png"] = pictures.trajectories({drawn.source: trajectories}, density)
    for name, picture in drawings.items():
        write_bytes(folder / name, figures.png(picture))
    return [folder / name for name in drawings]
