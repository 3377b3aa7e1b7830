"""Paths on a page: strips of frames, and energy and distance along them."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from ridgewalk.evaluation.ends import Ends
from ridgewalk.judging.judges import Judge
from ridgewalk.reports import Block, Figure, figures
from ridgewalk.store.run import Run


def strip_figure(
    run: Run, ends: Ends, frames: Mapping[str, Tensor], pair: int, judges: Sequence[Judge], second: bool = True
) -> Figure:
    """
    Draws the frames of one pair between the images that they join, a row for each method; a bar marks a frame that no judge calls real.

    Args:
        run: the run, which names the images.
        ends: the images.
        frames: decoded paths (b, k, c, h, w) in [0, 1] by method.
        pair: index of the pair, below b.
        judges: the judges.
        second: whether the last frame reconstructs the second image; it does not where a part of the code is kept.
    """
    names = ends_name(run, ends, pair)
    rows = {m: f[pair] for m, f in frames.items()}
    told = not any(j.composite.power.reasons for j in judges)
    marks = {m: _unreal(f, judges) for m, f in rows.items()} if told else {}
    own = ends.x_a[pair].cpu().numpy(), ends.x_b[pair].cpu().numpy() if second else None
    drawn = {m: f.numpy() for m, f in rows.items()}
    image = figures.png(figures.strips(drawn, marks or None, mark_label="real to neither judge", ends=own))
    return Figure(
        image,
        f"Frames of each method's path. {names}.",
        f"{sum(int(m.sum()) for m in marks.values())} frames of {sum(map(len, marks.values()))} are real to neither judge."
        if told
        else "The judges cannot tell on these data, so that no frame is marked.",
        names,
        figures.READING["strips"],
        wide=True,
    )


def _unreal(frames: Tensor, judges: Sequence[Judge]) -> np.ndarray:
    """Which frames (k, c, h, w) no judge takes for real, the ends left out: bool (k,); none where a judge cannot tell."""
    unreal = np.ones(len(frames), dtype=bool)
    for judge in judges:
        unreal &= (judge.real(frames) == 0).numpy()
    unreal[0] = unreal[-1] = False
    return unreal


def ends_name(run: Run, ends: Ends, pair: int) -> str:
    """Returns the two images of a pair in words, with their classes and indices."""
    names = run.data.class_names

    def one(index: Tensor, label: Tensor) -> str:
        i, c = int(index[pair]), int(label[pair])
        kind = f"a “{names[c]}”" if c >= 0 and len(names) > 1 else "an image"
        return f"{kind} (test image {i})" if i >= 0 else f"{kind} (file)"

    return f"From {one(ends.index_a, ends.labels_a)} to {one(ends.index_b, ends.labels_b)}"


def trace_figures(energies: Mapping[str, Tensor], distances: Mapping[str, Tensor]) -> list[Block]:
    """
    Draws energy and distance to b along the paths, a line for each method.

    Args:
        energies: values (b, k) of the detector's energy by method.
        distances: distances (b, k) to b by method.
    """
    along = {m: v.numpy() for m, v in energies.items()}
    left = {m: v.numpy() for m, v in distances.items()}
    return [
        Figure(
            figures.png(figures.traces(along, "energy, minus the detector's logit")),
            "Energy against position along the path, a line for each method",
            "A maximum between the ends is a hole that the path crosses.",
            "Energy along the paths",
            figures.READING["traces"],
        ),
        Figure(
            figures.png(figures.traces(left, "distance to b in latent space")),
            "Distance to b against position along the path, a line for each method",
            "A distance that levels off is a walk that stalls.",
            "Distance to b along the paths",
            figures.READING["traces"],
        ),
    ]
