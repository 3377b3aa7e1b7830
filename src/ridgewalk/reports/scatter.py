"""A sensor's score against a judge's realism: dots, the band of scores that the sensor calls ideal, and a running median."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ridgewalk.reports.style import FAINT, INK, SOFT, UNREAL, WIDE, Array, blank, numbers, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REAL, _IDEAL = "#56B4E9", "#eef1d6"
_WINDOW = 40
"""Points of a window of the running median, at least."""
_SPAN = 0.005
"""Share of the points at each end of an axis that is drawn at its edge: a few wild values do not flatten the rest."""
_TICKS = (
    *(1e-9, 1e-6, 1e-4, 0.001, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5),
    *(0.6, 0.7, 0.8, 0.9, 0.97, 0.99, 0.999, 1 - 1e-4, 1 - 1e-6),
)


def score_scatter(
    logits: Mapping[str, Array],
    realism: Mapping[str, Mapping[str, Array]],
    real: Mapping[str, Mapping[str, Array]],
    xlabel: str,
    ideal: tuple[float, float],
) -> "Figure":
    """
    Draws score against realism: a panel for each group of points, a row of panels for each judge.

    Args:
        logits: (n,) by group, finite; drawn on the scale of the logit, named by the score sigmoid(logit).
        realism: (n,) by judge by group, finite, of the same points: the judge's logit less its threshold.
        real: bool (n,) by judge by group: what the judge takes for real.
        xlabel: what a score near 1 means.
        ideal: lowest and highest score that the sensor calls ideal, in [0, 1].
    """
    if not logits or not realism:
        raise ValueError("a scatter of scores needs at least one group of points and one judge")
    x = {g: numbers(f"logits of '{g}'", v, 1).astype(float) for g, v in logits.items()}
    grades = {j: {g: _beside(x[g], j, g, by_group) for g in x} for j, by_group in realism.items()}
    marks = {j: {g: _beside(x[g], j, g, real[j]).astype(bool) for g in x} for j in realism}
    if not 0 <= ideal[0] < ideal[1] <= 1:
        raise ValueError(f"ideal scores go from a lowest to a highest in [0, 1]; got {ideal}")
    width, height, left, right, foot = WIDE, 68 + 190 * len(grades) + 26, 70, 14, 58
    figure = blank(width, height)
    axes = figure.subplots(
        len(grades),
        len(x),
        squeeze=False,
        sharex=True,
        sharey="row",
        gridspec_kw={
            "left": left / width, "right": 1 - right / width, "bottom": foot / height, "top": 1 - 62 / height,
            "wspace": 0.07, "hspace": 0.14,
        },
    )  # fmt: skip
    span = _range(np.concatenate(list(x.values())))
    for i, (judge, by_group) in enumerate(grades.items()):
        row = axes[i]
        levels = _range(np.concatenate(list(by_group.values())))
        for ax, (group, y) in zip(row, by_group.items()):
            plain(ax, "")
            _ideal(ax, ideal, span)
            ax.axhline(0, color=FAINT, linestyle="--", linewidth=1.1, zorder=1)
            _dots(ax, x[group], y, marks[judge][group], span, levels)
            ax.set(xlim=span, ylim=levels)
            ax.tick_params(labelleft=ax is row[0], labelbottom=i == len(grades) - 1)
            if i == 0:
                ax.set_title(group, fontsize=10.5, color=INK, loc="left", fontweight="bold", pad=6)
        row[0].set_ylabel(f"logit less threshold, judge {judge}", fontsize=9.5, color=SOFT, labelpad=6)
    ticks = _apart(
        [(_logit(p), _score(p)) for p in _TICKS], span, 0.05, 0.165
    )  # none at an edge, to clear the next panel's
    axes[0][0].set_xticks([x for x, _ in ticks], [label for _, label in ticks])
    figure.text((left + width - right) / 2 / width, 14 / height, xlabel, fontsize=9.5, color=SOFT, ha="center")
    _key(figure, left / width, 1 - 8 / height)
    return figure


def running_median(x: Array, y: Array) -> tuple[Array, Array]:
    """Medians of x and of y over windows of equal numbers of points in the order of x: (m,) each, m <= 16."""
    order = np.argsort(x, kind="stable")
    windows = np.array_split(order, int(np.clip(len(x) // _WINDOW, 1, 16)))
    return np.array([np.median(x[w]) for w in windows]), np.array([np.median(y[w]) for w in windows])


def _dots(ax: Any, x: Array, y: Array, real: Array, span: tuple[float, float], levels: tuple[float, float]) -> None:
    from matplotlib.patheffects import withStroke

    x, y = np.clip(x, *span), np.clip(y, *levels)
    order = np.random.default_rng(0).permutation(len(x))  # neither colour lies on the other
    colours = np.where(real, _REAL, UNREAL)
    size = float(np.clip(3000 / len(x), 4, 16))
    ax.scatter(x[order], y[order], s=size, c=colours[order], alpha=0.45, linewidth=0, zorder=2)
    line = ax.plot(*running_median(x, y), color=INK, linewidth=2, zorder=4)[0]
    line.set_path_effects([withStroke(linewidth=4.5, foreground="white")])


def _ideal(ax: Any, ideal: tuple[float, float], span: tuple[float, float]) -> None:
    low, high = max(_logit(ideal[0]), span[0]), min(_logit(ideal[1]), span[1])
    if low < high:
        ax.axvspan(low, high, color=_IDEAL, linewidth=0, zorder=0)


def _key(figure: "Figure", x: float, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], marker="o", linestyle="", color=_REAL, markersize=5, label="real to the judge"),
        Line2D([], [], marker="o", linestyle="", color=UNREAL, markersize=5, label="unreal"),
        Line2D([], [], color=INK, linewidth=2, label="running median"),
        Patch(color=_IDEAL, label="called ideal"),
    ]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(x, y), borderaxespad=0, borderpad=0, ncols=4, frameon=False,
        fontsize=9, labelcolor=INK, handlelength=1.6, columnspacing=1.6,
    )  # fmt: skip


def _beside(x: Array, judge: str, group: str, by_group: Mapping[str, Array]) -> Array:
    if group not in by_group or np.shape(by_group[group]) != x.shape:
        came = np.shape(by_group[group]) if group in by_group else "none"
        raise ValueError(f"judge {judge} must grade every point of '{group}', {x.shape}; got {came}")
    return np.asarray(by_group[group])


def _range(values: Array) -> tuple[float, float]:
    """All but ``_SPAN`` of the finite values at each end, with a margin."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [_SPAN, 1 - _SPAN]) if len(finite) else (0.0, 0.0)
    margin = 0.04 * (high - low) if high > low else 0.5
    return float(low - margin), float(high + margin)


def _logit(p: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(p) - np.log1p(-p))


def _score(p: float) -> str:
    return f"{p:g}" if 0.001 <= p <= 0.999 else f"{p:.0e}".replace("e-0", "e−") if p < 0.5 else f"1−{_score(1 - p)}"


def _apart(
    ticks: list[tuple[float, str]], span: tuple[float, float], edge: float, least: float
) -> list[tuple[float, str]]:
    """Places and labels inside the span, but for the share ``edge`` at its ends, and the share ``least`` apart: those nearest to 0 first."""
    length, kept = span[1] - span[0], list[tuple[float, str]]()
    for place, label in sorted(ticks, key=lambda tick: abs(tick[0])):
        inside = span[0] + edge * length <= place <= span[1] - edge * length
        if inside and all(abs(place - other) >= least * length for other, _ in kept):
            kept.append((place, label))
    return kept
