"""
Pictures: arrays to matplotlib figures.

Each function is pure, takes NumPy arrays and draws on a canvas of its own; ``READING`` holds the sentence that explains how to
read it. ``png`` makes a file of a figure.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ridgewalk.reports.changes import before_after, histograms
from ridgewalk.reports.maps import Codes, Overlay, decoded_map, energy_map
from ridgewalk.reports.placing import label_points
from ridgewalk.reports.scatter import score_scatter
from ridgewalk.reports.sensing import losses, reliability, score_histogram
from ridgewalk.reports.strips import strips
from ridgewalk.reports.style import (
    CSS_DPI,
    FAINT,
    INK,
    SOFT,
    WIDE,
    Array,
    blank,
    colour,
    dashes,
    data_uri,
    legend,
    marker,
    numbers,
    plain,
    png,
)
from ridgewalk.reports.sweeps import sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "READING",
    "Codes",
    "Overlay",
    "before_after",
    "colour",
    "data_uri",
    "decoded_map",
    "energy_map",
    "histograms",
    "intervals",
    "latent_plane",
    "losses",
    "png",
    "reliability",
    "score_histogram",
    "score_scatter",
    "strips",
    "sweep",
    "traces",
    "tradeoff",
]

READING: Mapping[str, str] = {
    "strips": "Each row is one method's path from a (left) to b (right), which reconstruct the images A and B beyond the lines; a red bar stands under a frame "
    "that is not taken for real.",
    "traces": "Read from a (left) to b (right): a line is the median over pairs, its band the middle half of them.",
    "score_histogram": "Each outline shows how one group of points scores; groups that the sensor separates have outlines that overlap little.",
    "score_scatter": "Each dot is one point: what the sensor says of it, and how real its decoding is. Red dots in the green band are called "
    "ideal and are unreal; a sensor that agrees with the judge has its median highest there. The judge takes for real what lies on or above "
    "the dashed line.",
    "reliability": "On the diagonal a score means what it says; below it the sensor is too sure, and the bars count its points.",
    "tradeoff": "Each mark is one method with its interval; the arrow points to the better corner.",
    "intervals": "A mark is a mean, the line through it its interval; dashed lines are what to compare with.",
    "sweep": "Each panel is one quantity over a setting, and each line one value of another setting, with its interval as a band; dotted lines are what "
    "to compare with.",
    "losses": "The line is a running mean over training, the band around it the range of single steps.",
    "before_after": "Each column is one point: its image before above, its image after below.",
    "histograms": "Each outline shows how one group's values are spread; what lies beyond the axis is counted at its edge.",
    "energy_map": "Pale is low energy, where a point is plausible; dark is a hole. Arrows are the score, projected on the plane: they point downhill. "
    "Figures, letters or dots are codes of held-out images, projected.",
    "decoded_map": "Each image is what the decoder makes of the point of the plane on which it stands.",
    "latent_plane": "Dots are encoded images in the two directions in which they vary most; lines are paths from a to b.",
}
"""How to read each figure, by the name of its function."""

Corner = Literal["upper left", "upper right", "lower left", "lower right"]


def traces(
    curves: Mapping[str, Array],
    ylabel: str,
    title: str = "",
    lines: Mapping[str, float] | None = None,
    xlabel: str = "t, along the path from a to b",
) -> "Figure":
    """
    A quantity along paths, against t from a to b, or against another parameter from 0 to 1.

    Args:
        curves: values (k,) by method, or (b, k) for the median and the band between quartiles; NaN is left out.
        ylabel: the quantity.
        title: title of the axes.
        lines: horizontal reference lines by name.
        xlabel: name of the parameter that increases from 0 to 1.
    """
    figure = blank(WIDE, 320, layout="constrained")
    ax = figure.subplots()
    plain(ax, xlabel, ylabel, title)
    for i, (name, values) in enumerate(curves.items()):
        many = np.atleast_2d(numbers(f"'{name}'", values, 1, 2)).astype(float)
        low, middle, high = _quartiles(many)
        t = np.linspace(0, 1, many.shape[1])
        if len(many) > 1:
            ax.fill_between(t, low, high, color=colour(name, i), alpha=0.1, linewidth=0)
        ax.plot(t, middle, color=colour(name, i), linestyle=dashes(name), label=name, linewidth=2)
    for name, value in (lines or {}).items():
        ax.axhline(value, color=SOFT, linestyle=":", linewidth=1.2)
        said = ax.annotate(
            name, (1, value), (-3, 3), ("axes fraction", "data"), "offset points", fontsize=8.5, color=SOFT, ha="right"
        )
        said.set_bbox({"facecolor": "white", "alpha": 0.75, "pad": 1, "linewidth": 0})
    ax.set_xlim(0, 1)
    legend(ax)
    return figure


def tradeoff(
    points: Mapping[str, tuple[float, float, float, float, float, float]],
    xlabel: str,
    ylabel: str,
    better: Corner | None = "upper left",
) -> "Figure":
    """
    Two figures of each method against each other, such as realism against smoothness, with the front of the best.

    Args:
        points: (x, y, x_low, x_high, y_low, y_high) by method; NaN ends draw no interval.
        xlabel: name of the figure x.
        ylabel: name of the figure y.
        better: the corner where a method would have both; None draws neither arrow nor front.
    """
    figure = blank(WIDE, 430)
    ax = figure.add_axes((0.09, 0.11, 0.88, 0.87))
    plain(ax, xlabel, ylabel)
    if better and points:
        front = _front([(x, y) for x, y, *_ in points.values()], better)
        ax.plot(*np.array(front).T, color="#c9ced6", linewidth=5, alpha=0.6, solid_joinstyle="round", zorder=1)
    for i, (name, (x, y, x_low, x_high, y_low, y_high)) in enumerate(points.items()):
        ax.plot([x_low, x_high], [y, y], color=colour(name, i), linewidth=1.4, alpha=0.6, zorder=3)
        ax.plot([x, x], [y_low, y_high], color=colour(name, i), linewidth=1.4, alpha=0.6, zorder=3)
        ax.plot(
            x,
            y,
            marker(name),
            color=colour(name, i),
            markersize=9,
            markeredgecolor="white",
            markeredgewidth=1,
            zorder=4,
        )
    ax.margins(0.1)
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())
    if better:
        right, up = "right" in better, "upper" in better
        tip, tail = (0.985 if right else 0.015, 0.975 if up else 0.025), (0.93 if right else 0.07, 0.89 if up else 0.11)
        ax.annotate(
            "", tip, tail, "axes fraction", "axes fraction", arrowprops={"arrowstyle": "-|>", "color": SOFT, "lw": 1.4}
        )
        ax.text(
            tail[0],
            tail[1],
            "better",
            transform=ax.transAxes,
            fontsize=9,
            color=SOFT,
            ha="right" if right else "left",
            va="top" if up else "bottom",
        )
    corner = [] if not better else [_pixels(ax, (0.8, 0.82, 1.0, 1.0), "right" in better, "upper" in better)]
    crosses = [
        tuple(np.sort(ax.transData.transform([(a, c), (b, d)]), axis=0).ravel() + np.array((-1, -1, 1, 1)))
        for x, y, x_low, x_high, y_low, y_high in points.values()
        for a, b, c, d in ((x_low, x_high, y, y), (x, x, y_low, y_high))
        if np.isfinite([a, b, c, d]).all()
    ]
    label_points(ax, [(x, y, name) for name, (x, y, *_) in points.items()], [*crosses, *corner])
    return figure


def intervals(
    rows: Mapping[str, tuple[float, float, float]],
    xlabel: str,
    lines: Mapping[str, float] | None = None,
    form: str = ".2f",
) -> "Figure":
    """
    A forest plot: one row for each mark with its interval, the first row on top, and the figures as text at the right.

    Args:
        rows: (value, low, high) by method.
        xlabel: the quantity.
        lines: vertical lines to compare with, by name: LERP, reconstructions.
        form: how figures are written.
    """
    if not rows:
        raise ValueError("a forest plot needs at least one row")
    lines = lines or {}
    figure = blank(WIDE, 100)
    left, width = (24 + 7.2 * max(map(len, rows))) / WIDE, 1 - (176 + 7.2 * max(map(len, rows))) / WIDE
    ax = figure.add_axes((left, 0, width, 1))
    plain(ax, xlabel)
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)
    for value in lines.values():
        ax.axvline(value, color=FAINT, linestyle="--", linewidth=1.1, zorder=1)
    for i, (name, (value, low, high)) in enumerate(rows.items()):
        if i % 2 == 0:
            ax.axhspan(i - 0.5, i + 0.5, color="#f6f8fa", linewidth=0, zorder=0)
        ax.plot([low, high], [i, i], color=colour(name, i), linewidth=2.4, solid_capstyle="round", zorder=3)
        ax.plot(
            value,
            i,
            marker(name),
            color=colour(name, i),
            markersize=8,
            markeredgecolor="white",
            markeredgewidth=1,
            zorder=4,
        )
        said = f"{value:{form}}  [{low:{form}}, {high:{form}}]" if np.isfinite([low, high]).all() else f"{value:{form}}"
        ax.annotate(
            said,
            (1, i),
            (12, 0),
            ("axes fraction", "data"),
            "offset points",
            fontsize=9,
            color=INK,
            va="center",
            annotation_clip=False,
        )
    ax.set_yticks(range(len(rows)), list(rows), color=INK)
    ax.tick_params(axis="y", length=0, labelsize=9.5, labelcolor=INK)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    bottom, height, top = 44, 30 * len(rows), 8 + 15 * _headings(ax, lines)
    figure.set_size_inches(WIDE / CSS_DPI, (bottom + height + top) / CSS_DPI)
    ax.set_position((left, bottom / (bottom + height + top), width, height / (bottom + height + top)))
    return figure


def latent_plane(
    points: Array, labels: Sequence[str] | Array | None = None, paths: Mapping[str, Array] | None = None
) -> "Figure":
    """
    Codes in a plane with paths over them.

    Args:
        points: points (n, 2), such as the codes' first two principal components.
        labels: classes (n,), written once at each class's median.
        paths: nodes (k, 2) in the same plane, by method.
    """
    from matplotlib.patheffects import withStroke

    dots = numbers("points", points, 2)
    if dots.shape[1] != 2:
        raise ValueError(f"points must be (n, 2); got {dots.shape}: project them first")
    figure = blank(WIDE, 500, layout="constrained")
    ax = figure.subplots()
    plain(ax, "first direction", "second direction")
    ax.grid(visible=False)
    ax.set_aspect("equal", adjustable="datalim")
    names = np.asarray(labels) if labels is not None else np.zeros(len(dots), int)
    classes = np.unique(names)
    for i, kind in enumerate(classes):
        own = dots[names == kind]
        ax.scatter(own[:, 0], own[:, 1], s=9, color=_TINTS[i % len(_TINTS)], linewidth=0, alpha=0.8, zorder=1)
    for i, (name, curve) in enumerate((paths or {}).items()):
        nodes = numbers(f"path '{name}'", curve, 2)
        ax.plot(*nodes.T, color="white", linewidth=5, zorder=3)
        ax.plot(*nodes.T, color=colour(name, i), linestyle=dashes(name), linewidth=2.2, label=name, zorder=4)
    if paths:
        nodes = np.asarray(next(iter(paths.values())))
        for place, text in ((nodes[0], "a"), (nodes[-1], "b")):
            ax.plot(*place, "o", color="white", markeredgecolor=INK, markersize=15, zorder=5)
            ax.annotate(
                text, place, fontsize=9.5, fontweight="bold", color=INK, ha="center", va="center_baseline", zorder=6
            )
        legend(ax)
    if labels is not None:
        for kind in classes:
            x, y = np.median(dots[names == kind], axis=0)
            written = ax.text(
                x, y, str(kind), fontsize=11, fontweight="bold", color=INK, ha="center", va="center", zorder=4.5
            )
            written.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    return figure


_TINTS = ("#a6cee3", "#fdcf9b", "#b8dfb0", "#e3b8d4", "#d5cdb6", "#b9bdf0", "#f0b9b4", "#a8ddd5", "#dcdc9c", "#c6ccd4")


def _quartiles(values: Array) -> Array:
    """Quartiles of each column of (b, k), NaN left out: (3, k), NaN where a column has no number."""
    out = np.full((3, values.shape[1]), np.nan)
    known = np.isfinite(values).any(axis=0)
    finite = np.where(np.isfinite(values), values, np.nan)
    out[:, known] = np.nanquantile(finite[:, known], [0.25, 0.5, 0.75], axis=0)
    return out


def _front(points: Sequence[tuple[float, float]], better: Corner) -> list[tuple[float, float]]:
    """The points that no other point exceeds in both figures, from left to right."""
    sx, sy = (1 if "right" in better else -1), (1 if "upper" in better else -1)

    def beaten(p: tuple[float, float]) -> bool:
        return any(sx * q[0] >= sx * p[0] and sy * q[1] >= sy * p[1] and q != p for q in points)

    return sorted(p for p in points if not beaten(p))


def _pixels(
    ax: Any, box: tuple[float, float, float, float], right: bool, up: bool
) -> tuple[float, float, float, float]:
    """A box of the axes' upper right corner, mirrored to another one, in pixels."""
    x = (box[0], box[2]) if right else (1 - box[2], 1 - box[0])
    y = (box[1], box[3]) if up else (1 - box[3], 1 - box[1])
    (left, bottom), (end, top) = ax.transAxes.transform([(x[0], y[0]), (x[1], y[1])])
    return left, bottom, end, top


def _headings(ax: Any, lines: Mapping[str, float]) -> int:
    """Names of vertical lines over the axes, each on the lowest level without overlap; returns the number of levels."""
    renderer = ax.figure.canvas.get_renderer()
    ends: list[float] = []
    for name, value in sorted(lines.items(), key=lambda item: item[1]):
        text = ax.annotate(
            name,
            (value, 1),
            (0, 3),
            ("data", "axes fraction"),
            "offset points",
            fontsize=8.5,
            color=SOFT,
            ha="center",
            annotation_clip=False,
        )
        extent = text.get_window_extent(renderer)
        level = next((i for i, end in enumerate(ends) if extent.x0 > end + 8), len(ends))
        ends[level : level + 1] = [extent.x1]
        text.set_position((0, 3 + 11 * level))
    return len(ends)
