"""
Pictures: arrays to matplotlib figures, without pyplot and without touching matplotlib's settings.

Every method keeps its colour on every page: LERP orange, score-guided walks blue.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray

COLOURS: Mapping[str, str] = {
    "lerp": "#E69F00",
    "slerp": "#B8860B",
    "sgw": "#56B4E9",
    "sgw-arriving": "#0072B2",
    "guided": "#5D6D9E",
    "graph": "#999999",
    "string": "#009E73",
    "graph-string": "#00573F",
    "best-string": "#7B3FA0",
    "encoded": "#0072B2",
    "negatives": "#D55E00",
    "prior": "#CC79A7",
}
"""Okabe and Ito's palette (2008), which colour-blind readers can tell apart, and shades of it."""

_OTHER = ("#D55E00", "#CC79A7", "#56B4E9", "#0072B2", "#009E73", "#999999")


def colour(name: str, position: int = 0) -> str:
    """The colour of a method or group of points."""
    return COLOURS.get(name, _OTHER[position % len(_OTHER)])


def strips(frames: Mapping[str, Array], marks: Mapping[str, Array] | None = None, cell: float = 0.62) -> "Figure":
    """
    One row of frames a method.

    Args:
        frames: by method, (k, c, h, w) in [0, 1]; all of one k.
        marks: by method, bool (k,): frames to underline in red, such as those that a judge calls unreal.
        cell: side of a frame in inches.
    """
    k = max(len(f) for f in frames.values())
    figure = _figure((k * cell + 1.5, len(frames) * (cell + 0.1) + 0.1))
    axes = figure.subplots(len(frames), k, squeeze=False, gridspec_kw={"wspace": 0.06, "hspace": 0.2})
    left = 1.4 / (k * cell + 1.5)
    figure.subplots_adjust(left=left, right=0.995, top=0.98, bottom=0.05)
    for row, (name, images) in zip(axes, frames.items()):
        row[0].text(
            -0.15,
            0.5,
            name,
            transform=row[0].transAxes,
            ha="right",
            va="center",
            fontsize=9,
            color=colour(name),
            fontweight="bold",
        )
        for i, ax in enumerate(row):
            ax.set_axis_off()
            if i >= len(images):
                continue
            image = np.clip(images[i], 0, 1)
            ax.imshow(
                image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0),
                cmap="gray",
                vmin=0,
                vmax=1,
                interpolation="nearest",
            )
            if marks is not None and name in marks and marks[name][i]:
                ax.plot(
                    [0.04, 0.96],
                    [-0.05, -0.05],
                    color="#D00000",
                    linewidth=2.2,
                    transform=ax.transAxes,
                    clip_on=False,
                    solid_capstyle="butt",
                )
    return figure


def traces(
    panels: Mapping[str, Mapping[str, Array]],
    xlabel: str = "position along the path, from A (0) to B (1)",
    height: float = 3.0,
) -> "Figure":
    """
    Values along paths, a panel for each quantity.

    Args:
        panels: by quantity, by method: (k,), or (b, k) for a median with its interquartile band.
        xlabel: of every panel.
        height: in inches.
    """
    figure = _figure((4.6 * len(panels), height), layout="constrained")
    for ax, (quantity, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        for i, (name, values) in enumerate(curves.items()):
            many = np.atleast_2d(values)
            t = np.linspace(0, 1, many.shape[1])
            if len(many) > 1:
                low, middle, high = np.nanquantile(many, [0.25, 0.5, 0.75], axis=0)
                ax.fill_between(t, low, high, color=colour(name, i), alpha=0.12, linewidth=0)
            else:
                middle = many[0]
            ax.plot(t, middle, color=colour(name, i), label=name, linewidth=1.8)
        _plain(ax, xlabel, quantity)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, frameon=False, fontsize=8
    )
    return figure


def histograms(panels: Mapping[str, Mapping[str, Array]]) -> "Figure":
    """Scores sigmoid(logit) in [0, 1], a panel for each sensor, an outline for each group of points; a dotted line at 1/2."""
    figure = _figure((4.6 * len(panels), 3.0), layout="constrained")
    for ax, (sensor, groups) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        for i, (name, scores) in enumerate(groups.items()):
            ax.hist(
                scores,
                bins=np.linspace(0, 1, 51),
                density=True,
                histtype="step",
                linewidth=1.6,
                color=colour(name, i),
                label=name,
            )
        ax.axvline(0.5, color="#888888", linestyle=":", linewidth=1)
        _plain(ax, "score, sigmoid of the logit", "density")
        ax.set_title(sensor, fontsize=10, loc="left")
        ax.legend(frameon=False, fontsize=8)
    return figure


def reliability(panels: Mapping[str, tuple[Array, Array, Array]]) -> "Figure":
    """Mean score against share of positives in each bin, marks sized by the bin's count; a calibrated sensor lies on the diagonal."""
    figure = _figure((3.4 * len(panels), 3.2), layout="constrained")
    for ax, (sensor, (confidence, accuracy, counts)) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items()
    ):
        ax.plot([0, 1], [0, 1], color="#888888", linestyle=":", linewidth=1)
        ax.scatter(
            confidence,
            accuracy,
            s=8 + 120 * counts / max(1, np.nanmax(counts)),
            color="#0072B2",
            alpha=0.7,
            linewidth=0,
        )
        _plain(ax, "mean score of the bin", "share that is positive")
        ax.set_title(sensor, fontsize=10, loc="left")
    return figure


def intervals(rows: Mapping[str, tuple[float, float, float]], xlabel: str, lines: Mapping[str, float]) -> "Figure":
    """A dot with its interval for each method, and dashed vertical lines to read them against."""
    figure = _figure((7.2, 0.36 * len(rows) + 1.2), layout="constrained")
    ax = figure.subplots()
    for i, (name, (value, low, high)) in enumerate(rows.items()):
        ax.plot([low, high], [i, i], color=colour(name, i), linewidth=2)
        ax.plot(value, i, "o", color=colour(name, i), markersize=6)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.8)
    for i, (name, value) in enumerate(lines.items()):
        ax.axvline(value, color="#666666", linestyle="--", linewidth=1)
        ax.annotate(
            name,
            (value, 1.0 + 0.09 * (i % 2)),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=8,
            color="#555555",
        )
    _plain(ax, xlabel, "")
    return figure


def tradeoff(points: Mapping[str, tuple[float, float]], xlabel: str, ylabel: str) -> "Figure":
    """One labelled point a method, such as realism against smoothness."""
    figure = _figure((6.4, 4.2), layout="constrained")
    ax = figure.subplots()
    for i, (name, (x, y)) in enumerate(points.items()):
        ax.plot(x, y, "o", color=colour(name, i), markersize=8)
        ax.annotate(name, (x, y), xytext=(7, 4), textcoords="offset points", fontsize=9, color=colour(name, i))
    ax.margins(x=0.16, y=0.12)
    _plain(ax, xlabel, ylabel)
    return figure


def losses(curves: Mapping[str, tuple[Array, Array]]) -> "Figure":
    """A small panel for each term of the training log, smoothed over windows of a hundredth of the run."""
    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure = _figure((3.1 * columns, 2.2 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (name, (steps, values)) in zip(axes, curves.items()):
        width = max(1, len(values) // 100)
        whole = len(values) // width * width
        ax.plot(
            np.reshape(steps[:whole], (-1, width)).mean(1),
            np.reshape(values[:whole], (-1, width)).mean(1),
            color="#0072B2",
            linewidth=1.2,
        )
        _plain(ax, "step", "")
        ax.set_title(name.replace("_", " "), fontsize=9, loc="left")
    for ax in axes[len(curves) :]:
        ax.set_axis_off()
    return figure


def png(figure: "Figure", dpi: int = 110) -> bytes:
    """The figure as a PNG file's bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _figure(size: tuple[float, float], **settings: Any) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, facecolor="white", **settings)
    FigureCanvasAgg(figure)
    return figure


def _plain(ax: Any, xlabel: str, ylabel: str) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8, colors="#444444")
    ax.set_xlabel(xlabel, fontsize=9)
    ax.set_ylabel(ylabel, fontsize=9)
    ax.grid(axis="y", color="#eeeeee", linewidth=0.8)
    ax.set_axisbelow(True)
