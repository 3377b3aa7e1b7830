"""Points before and after a change: their images, and the distribution of a quantity."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ridgewalk.reports.strips import pixels
from ridgewalk.reports.style import INK, WIDE, Array, blank, colour, legend, numbers, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINE, _GAP, _BETWEEN = 12, 4, 16  # images a line; file pixels between images, and between lines
_SIDE = 104  # file pixels of an image, about


def before_after(before: Array, after: Array) -> "Figure":
    """
    Draws images in pairs, twelve in a line, those before above those after.

    Args:
        before: (n, c, h, w) in [0, 1], c = 1 or 3.
        after: the same shape, in the same order.
    """
    first, second = numbers("before", before, 4), numbers("after", after, 4)
    if first.shape != second.shape or first.shape[1] not in (1, 3):
        raise ValueError(
            f"images before and after must share shape (n, 1 or 3, h, w); got {first.shape} and {second.shape}"
        )
    above, below = pixels(first, _SIDE), pixels(second, _SIDE)
    n, h, w, _ = above.shape
    lines, columns = -(-n // _LINE), min(n, _LINE)
    line = 2 * h + _GAP + _BETWEEN
    canvas = np.full((lines * line - _BETWEEN, columns * (w + _GAP) - _GAP, 3), 255, np.uint8)
    for i in range(n):
        y, x = i // _LINE * line, i % _LINE * (w + _GAP)
        canvas[y : y + h, x : x + w] = above[i]
        canvas[y + h + _GAP : y + 2 * h + _GAP, x : x + w] = below[i]
    left, high = 58, canvas.shape[0] / 2
    width, height = max(left + canvas.shape[1] / 2 + 8, 320), high + 12
    figure = blank(width, height)
    ax = figure.add_axes((left / width, 6 / height, canvas.shape[1] / 2 / width, high / height))
    ax.imshow(canvas, interpolation="nearest", aspect="auto")
    ax.set_axis_off()
    for i in range(lines):
        for text, middle in (("before", h / 2), ("after", 1.5 * h + _GAP)):
            y = 1 - (6 + (i * line + middle) / 2) / height
            figure.text((left - 8) / width, y, text, ha="right", va="center", fontsize=9.5, color=INK)
    return figure


def histograms(groups: Mapping[str, Array], xlabel: str, bins: int = 40) -> "Figure":
    """
    Draws the distribution of a quantity in groups of points, over equal bins.

    Args:
        groups: values by group; values that are not finite are left out.
        xlabel: the name of the quantity.
        bins: number of bins over the range of all groups; the highest percent is counted in the last bin, so that outliers do not widen the range.
    """
    arrays = {name: numbers(f"values of '{name}'", v, 1).astype(float) for name, v in groups.items()}
    every = np.concatenate([v[np.isfinite(v)] for v in arrays.values()])
    if every.size == 0:
        raise ValueError("histograms need at least one finite value")
    low, high = float(every.min()), float(np.quantile(every, 0.99))
    if not high > low:
        low, high = low - 0.5, low + 0.5
    figure = blank(WIDE, 300, layout="constrained")
    ax = figure.subplots()
    plain(ax, xlabel, "share of the group")
    edges = np.linspace(low, high, bins + 1)
    for i, (name, values) in enumerate(arrays.items()):
        shares = np.histogram(np.clip(values[np.isfinite(values)], low, high), edges)[0] / len(values)
        ax.stairs(shares, edges, color=colour(name, i), linewidth=2, label=name)
        ax.stairs(shares, edges, color=colour(name, i), alpha=0.1, fill=True)
    ax.set_xlim(low, high)
    ax.set_ylim(bottom=0)
    legend(ax)
    return figure
