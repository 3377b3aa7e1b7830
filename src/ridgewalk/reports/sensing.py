"""Figures of trained networks: a sensor's scores, its calibration, and the losses of a training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ridgewalk.reports.style import FAINT, SOFT, WIDE, Array, blank, colour, legend, numbers, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def score_histogram(
    groups: Mapping[str, Array], xlabel: str = "score, sigmoid of the logit", chance: float | None = 0.5, bins: int = 40
) -> "Figure":
    """
    Histograms of the scores of groups of points, as outlines over equal bins of [0, 1].

    Args:
        groups: scores sigmoid(logit) in [0, 1] by group: encoded data, draws of the prior, points on LERP.
        xlabel: what a score near 1 means.
        chance: score that an uninformative sensor gives every point; None draws no line.
        bins: number of equal bins of [0, 1].
    """
    figure = blank(WIDE, 300, layout="constrained")
    ax = figure.subplots()
    plain(ax, xlabel, "share of the group")
    edges = np.linspace(0, 1, bins + 1)
    for i, (name, scores) in enumerate(groups.items()):
        array = numbers(f"scores of '{name}'", scores, 1)
        if not ((array >= 0) & (array <= 1)).all():
            raise ValueError(
                f"scores must be in [0, 1]; '{name}' has {array.min():g} to {array.max():g}: pass sigmoid(logit)"
            )
        shares = np.histogram(array, edges)[0] / len(array)
        ax.stairs(shares, edges, color=colour(name, i), linewidth=2, label=name)
        ax.stairs(shares, edges, color=colour(name, i), alpha=0.08, fill=True)
    if chance is not None:
        ax.axvline(chance, color=SOFT, linestyle=":", linewidth=1.2)
        ax.annotate(
            "chance",
            (chance, 1),
            (4, -2),
            ("data", "axes fraction"),
            "offset points",
            fontsize=8.5,
            color=SOFT,
            va="top",
        )
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    legend(ax)
    return figure


def reliability(confidence: Array, accuracy: Array, counts: Array, title: str = "") -> "Figure":
    """
    The calibration curve over the counts of its bins.

    Args:
        confidence: mean score (m,) of each bin, NaN where it is empty.
        accuracy: share (m,) of positives in each bin.
        counts: number (m,) of points in each bin.
        title: title of the axes, such as the sensor's name.
    """
    columns = [
        numbers(n, v, 1).astype(float)
        for n, v in (("confidence", confidence), ("accuracy", accuracy), ("counts", counts))
    ]
    if len({c.shape for c in columns}) > 1:
        raise ValueError(
            f"confidence, accuracy and counts must share shape (m,); got {', '.join(str(c.shape) for c in columns)}"
        )
    x, y, size = (c[np.isfinite(columns[0]) & np.isfinite(columns[1]) & (columns[2] > 0)] for c in columns)
    figure = blank(420, 440, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    plain(upper, "", "share that is positive", title)
    upper.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1.2)
    upper.plot(x, y, color="#0072B2", marker="o", markersize=5.5, linewidth=2)
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    plain(lower, "mean score of the bin", "points")
    lower.bar(x, size, width=0.7 / len(columns[0]), color="#0072B2", alpha=0.35, linewidth=0)
    return figure


def losses(
    curves: Mapping[str, tuple[Array, Array]], log: bool = False, lines: Mapping[str, float] | None = None
) -> "Figure":
    """
    Small multiples of a training log, in at most 200 windows: their means over the range of their steps.

    Args:
        curves: (steps, values), (n,) each, by term; NaN is left out.
        log: logarithmic axes where a term is positive throughout.
        lines: a level to compare a term with, by its name, such as chance for a discriminator.
    """
    from matplotlib.ticker import LogLocator, NullLocator

    columns = min(3, max(1, len(curves)))
    rows = max(1, -(-len(curves) // columns))
    figure = blank(230 * columns, 172 * rows, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (name, (steps, values)) in zip(axes, curves.items()):
        t, v = (
            numbers(f"steps of '{name}'", steps, 1).astype(float),
            numbers(f"values of '{name}'", values, 1).astype(float),
        )
        if t.shape != v.shape:
            raise ValueError(f"steps and values of '{name}' must share shape (n,); got {t.shape} and {v.shape}")
        t, v = t[np.isfinite(v)], v[np.isfinite(v)]
        windows = [w for w in np.array_split(np.arange(len(v)), min(200, max(1, len(v)))) if len(w)]
        centre = [t[w].mean() for w in windows]
        ax.fill_between(
            centre,
            [v[w].min() for w in windows],
            [v[w].max() for w in windows],
            color="#0072B2",
            alpha=0.16,
            linewidth=0,
        )
        ax.plot(centre, [v[w].mean() for w in windows], color="#0072B2", linewidth=1.6)
        plain(ax, "step", "", name.replace("_", " "))
        if name in (lines or {}):
            ax.axhline((lines or {})[name], color=SOFT, linestyle=":", linewidth=1.2)
        if log and len(v) and (v > 0).all():
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_locator(NullLocator())
        ax.locator_params(axis="x", nbins=4)
        ax.tick_params(labelsize=8)
    for ax in axes[len(curves) :]:
        ax.set_axis_off()
    return figure
