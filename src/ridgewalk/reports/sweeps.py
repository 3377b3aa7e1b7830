"""Figures of a sweep: several quantities over one setting, with a line for each value of another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ridgewalk.reports.style import SOFT, WIDE, Array, blank, colour, numbers, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sweep(
    panels: Mapping[str, Mapping[str, Array]],
    xlabel: str,
    lines: Mapping[str, Mapping[str, float]] | None = None,
) -> "Figure":
    """
    A panel for each quantity, two in a row, over a setting on a logarithmic axis.

    Args:
        panels: points (m, 4) by curve by quantity; a row is the setting, which is positive, the value, and the ends of its interval.
        xlabel: name of the setting.
        lines: horizontal lines to compare with, by name, by quantity.
    """
    if not panels:
        raise ValueError("a sweep needs at least one quantity")
    rows = -(-len(panels) // 2)
    figure = blank(WIDE, 40 + 240 * rows, layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).flatten()
    for ax in axes[len(panels) :]:
        ax.remove()
    for ax, (name, curves) in zip(axes, panels.items()):
        plain(ax, xlabel, "", name)
        for i, (curve, points) in enumerate(curves.items()):
            x, value, low, high = numbers(f"'{curve}'", points, 2).T
            if (x <= 0).any():
                raise ValueError(f"a setting on a logarithmic axis must be positive; '{curve}' has {x.min():g}")
            ax.fill_between(x, low, high, color=colour(curve, i), alpha=0.12, linewidth=0)
            ax.plot(x, value, "o-", color=colour(curve, i), label=curve, linewidth=2, markersize=4)
        for line, y in (lines or {}).get(name, {}).items():
            ax.axhline(y, color=SOFT, linestyle=":", linewidth=1.2)
            ax.annotate(
                line, (1, y), (-3, 3), ("axes fraction", "data"), "offset points", fontsize=8.5, color=SOFT, ha="right"
            )
        ax.set_xscale("log")
        ticks = sorted({float(v) for points in curves.values() for v in points[:, 0]})
        ax.set_xticks(ticks, [f"{v:g}" for v in ticks])
        ax.minorticks_off()
    handles, names = axes[0].get_legend_handles_labels()
    if len(names) > 1:
        figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(names)), frameon=False, fontsize=9)
    return figure
