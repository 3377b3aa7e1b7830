"""Samples as pictures: sheets of images, clouds of points over the target density, and trajectories of samples."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ridgewalk.reports.style import FAINT, INK, SOFT, Array, blank, colour, numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 290
"""CSS pixels of a panel."""

WAYS = 24
"""Ways that a panel of ``trajectories`` holds and can still be read, where each step has noise of its own."""


def sheet(images: Array, columns: int = 16, cell: int = 44) -> "Figure":
    """
    Images side by side, row by row.

    Args:
        images: (n, c, h, w) in [0, 1], c 1 (grey) or 3 (RGB).
        columns: images a row.
        cell: side of one in CSS pixels.
    """
    x = np.clip(numbers("images", images, 4), 0, 1)
    n, c, h, w = x.shape
    if c not in (1, 3):
        raise ValueError(f"a sheet shows images of 1 or 3 channels; got {c}")
    rows, gap = -(-n // columns), max(1, h // 14)
    board = np.ones((rows * (h + gap) - gap, min(columns, n) * (w + gap) - gap, 3))
    for i in range(n):
        r, k = divmod(i, columns)
        top, left = r * (h + gap), k * (w + gap)
        board[top : top + h, left : left + w] = np.moveaxis(x[i], 0, 2)
    width, height = min(columns, n) * cell, rows * cell
    figure = blank(width, height)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(board, interpolation="nearest", aspect="auto")
    ax.set_axis_off()
    return figure


def clouds(
    groups: Mapping[str, Array],
    density: tuple[Array, Array, Array] | None = None,
    limits: tuple[float, float, float, float] | None = None,
) -> "Figure":
    """
    Points in the plane over the target density, a panel for each group.

    Args:
        groups: (n, 2) by name.
        density: x (i,), y (j,) and log density (j, i).
        limits: left, right, bottom, top; by default what holds the first group.
    """
    checked = {name: numbers(f"points of '{name}'", v, 2) for name, v in groups.items()}
    box = limits or _box(next(iter(checked.values())))
    figure, panels = _panels(len(checked))
    for i, (ax, (name, v)) in enumerate(zip(panels, checked.items())):
        _ground(ax, density, box)
        ax.scatter(v[:, 0], v[:, 1], s=1.6, color=colour(name, i), alpha=0.5, linewidths=0, zorder=3)
        ax.set_title(name, fontsize=10, color=INK, loc="left", fontweight="bold", pad=5)
    return figure


def trajectories(
    groups: Mapping[str, Array],
    density: tuple[Array, Array, Array] | None = None,
    limits: tuple[float, float, float, float] | None = None,
) -> "Figure":
    """
    Trajectories of samples from noise to data, a panel for each group: lines that darken towards data, ends as dots.

    Args:
        groups: states (k, n, 2) by name, the noisiest first.
        density: grid and log density, as in ``clouds``.
        limits: left, right, bottom, top; by default those of the first group's ends, with a margin.
    """
    from matplotlib.collections import LineCollection

    checked = {name: numbers(f"states of '{name}'", v, 3) for name, v in groups.items()}
    box = limits or _box(next(iter(checked.values()))[-1], 0.5)
    figure, panels = _panels(len(checked))
    for i, (ax, (name, v)) in enumerate(zip(panels, checked.items())):
        _ground(ax, density, box)
        pieces = np.stack([v[:-1], v[1:]], axis=2)  # (k - 1, n, 2, 2)
        for place, piece in enumerate(pieces):
            depth = (place + 1) / len(pieces)
            lines = LineCollection(
                list(piece), colors=colour(name, i), linewidths=0.7, alpha=0.06 + 0.8 * depth**2, zorder=3
            )
            ax.add_collection(lines)
        ax.scatter(v[-1, :, 0], v[-1, :, 1], s=7, color=INK, linewidths=0, zorder=4)
        ax.set_title(name, fontsize=10, color=INK, loc="left", fontweight="bold", pad=5)
    return figure


def _panels(count: int) -> tuple["Figure", list[Any]]:
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = blank(columns * _SIDE, rows * (_SIDE + 26))
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.01, right=0.99, bottom=0.01, top=1 - 24 / (rows * (_SIDE + 26)), wspace=0.04, hspace=0.12
    )
    panels = list(grid.flat)
    for ax in panels[count:]:
        ax.set_axis_off()
    return figure, panels[:count]


def _ground(ax: Any, density: tuple[Array, Array, Array] | None, box: tuple[float, float, float, float]) -> None:
    if density is not None:
        x, y, log = density
        top = float(log.max())
        ax.contourf(x, y, np.exp(log - top) ** 0.5, levels=12, cmap="Greys", alpha=0.55, zorder=1)
    ax.set(xlim=box[:2], ylim=box[2:], xticks=[], yticks=[], aspect="equal")
    for spine in ax.spines.values():
        spine.set_color(FAINT)
    ax.tick_params(colors=SOFT)


def _box(points: Array, room: float = 0.12) -> tuple[float, float, float, float]:
    low, high = np.quantile(points, 0.002, axis=0), np.quantile(points, 0.998, axis=0)
    centre, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-9) * (1 + room)
    return (
        float(centre[0] - half),
        float(centre[0] + half),
        float(centre[1] - half),
        float(centre[1] + half),
    )
