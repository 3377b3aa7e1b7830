"""Maps of a plane in latent space: the values of an energy, and the decoded images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ridgewalk.reports.strips import pixels
from ridgewalk.reports.style import FAINT, INK, SOFT, Array, blank, colour, dashes, numbers, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GROUND = ("#fffdf5", "#eceef4", "#d3d9e6", "#b3bed5", "#92a1c1", "#7486ad")
"""Low to high energy: paper to slate, ordered by lightness alone, so that paths and labels keep their colours on it."""

_LEVELS = 14
_ROBUST = (0.01, 0.95)
"""Quantiles of an energy between which its colours run, as an energy may have very large values off the data."""

_SINGLE, _PANEL = 640, 460  # CSS pixels: width of axes that stand alone, and of axes among others
_LEFT, _RIGHT, _BOTTOM, _TOP, _KEY = 54, 92, 46, 30, 30


@dataclass(frozen=True, eq=False)
class Codes:
    """
    Codes of data projected on the plane, drawn by their labels: as a letter or a digit where the label is one, else as a dot.

    Attributes:
        places: coordinates (n, 2).
        labels: classes (n,); None where there are none.
        strength: opacity of each code (n,) in [0, 1], such as by its nearness to the plane; None for the same of all.
    """

    places: Array
    labels: Sequence[str] | Array | None = None
    strength: Array | None = None


@dataclass(frozen=True, eq=False)
class Overlay:
    """
    What is drawn over a map.

    Attributes:
        paths: projected nodes (k, 2) by method.
        marks: points in circles by letter, such as the ends A and B.
        axes: the names of the two axes.
    """

    paths: Mapping[str, Array] = field(default_factory=dict)
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    axes: tuple[str, str] = ("first direction", "second direction")


_BARE = Overlay()


def energy_map(
    x: Array,
    y: Array,
    energies: Mapping[str, Array],
    scores: Mapping[str, Array] | None = None,
    codes: Codes | None = None,
    overlay: Overlay = _BARE,
) -> "Figure":
    """
    Draws energies over a plane as filled contours, a panel each, with the data, the score and paths over them.

    Args:
        x: coordinates (w,) of the grid along the first axis, increasing.
        y: coordinates (h,) along the second axis.
        energies: values (h, w) by name. Colours run between two quantiles; values beyond them have the end colours.
        scores: place and projected negative gradient (m, 4) by name of the energy. The length of an arrow is the norm of the gradient, cut at
            its 0.9 quantile.
        codes: codes of data.
        overlay: paths, marks and the names of the axes.
    """
    across, up = numbers("x", x, 1), numbers("y", y, 1)
    if not energies:
        raise ValueError("a map needs at least one energy")
    for name, values in energies.items():
        if np.shape(values) != (len(up), len(across)):
            raise ValueError(
                f"energy '{name}' must have a value at each of {len(up)} x {len(across)} grid points; got {np.shape(values)}"
            )
    limits = float(across[0]), float(across[-1]), float(up[0]), float(up[-1])
    figure, panels = _sheets(limits, len(energies), bool(overlay.paths))
    for (ax, bar), (name, values) in zip(panels, energies.items()):
        plain(ax, *overlay.axes, name)
        _contours(figure, ax, bar, across, up, np.asarray(values, float))
        if codes is not None:
            _codes(ax, codes)
        if scores and name in scores:
            _arrows(ax, numbers(f"scores of '{name}'", scores[name], 2), limits)
        _paths(ax, overlay.paths)
        _marks(ax, overlay.marks)
        _frame(ax, limits)
    _legend(figure, panels[0][0], overlay.paths)
    return figure


def decoded_map(
    x: Array,
    y: Array,
    images: Array,
    overlay: Overlay = _BARE,
    limits: tuple[float, float, float, float] | None = None,
) -> "Figure":
    """
    Draws what each part of a plane decodes to: an image at each point of a coarse grid, with paths over them.

    Args:
        x: coordinates (w,) of the grid along the first axis, evenly spaced and increasing.
        y: coordinates (h,) along the second axis.
        images: (h, w, c, height, width) in [0, 1], c = 1 or 3; row 0 belongs to y[0], and is drawn lowest.
        overlay: paths, marks and the names of the axes.
        limits: x low, x high, y low, y high of the axes, such as those of an energy map; by default those of the images.
    """
    across, up, frames = numbers("x", x, 1), numbers("y", y, 1), numbers("images", images, 5)
    if frames.shape[:2] != (len(up), len(across)) or frames.shape[2] not in (1, 3) or min(frames.shape[:2]) < 2:
        raise ValueError(
            f"images must be (h, w, 1 or 3, height, width) on a grid of {len(up)} x {len(across)}, at least 2 x 2; got {frames.shape}"
        )
    step_x, step_y = float(across[1] - across[0]), float(up[1] - up[0])
    around = limits or (
        float(across[0]) - step_x / 2,
        float(across[-1]) + step_x / 2,
        float(up[0]) - step_y / 2,
        float(up[-1]) + step_y / 2,
    )
    figure, panels = _sheets(around, 1, bool(overlay.paths))
    ax, bar = panels[0]
    bar.set_axis_off()
    plain(ax, *overlay.axes, "decoded")
    ax.grid(visible=False)
    for v, row in zip(up, frames):
        for u, image in zip(across, pixels(row, 120)):
            half_x, half_y = 0.47 * step_x, 0.47 * step_y
            ax.imshow(
                image,
                extent=(u - half_x, u + half_x, v - half_y, v + half_y),
                interpolation="antialiased",
                aspect="auto",
                zorder=1,
            )
    _paths(ax, overlay.paths, alpha=0.85)
    _marks(ax, overlay.marks)
    _frame(ax, around)
    _legend(figure, ax, overlay.paths)
    return figure


def _sheets(
    limits: tuple[float, float, float, float], count: int, keyed: bool
) -> tuple["Figure", list[tuple[Any, Any]]]:
    """A figure of ``count`` panels side by side, each with a place for its colour bar: equal units on both axes."""
    w = _SINGLE - _LEFT - _RIGHT if count == 1 else _PANEL - _LEFT - _RIGHT + 30
    h = w * (limits[3] - limits[2]) / (limits[1] - limits[0])
    below = _BOTTOM + _KEY * keyed
    cell, height = _LEFT + w + _RIGHT, below + h + _TOP
    width = cell * count
    figure = blank(width, height)
    panels = []
    for i in range(count):
        left = i * cell + _LEFT
        ax = figure.add_axes((left / width, below / height, w / width, h / height))
        bar = figure.add_axes(((left + w + 14) / width, (below + h / 6) / height, 10 / width, h * 2 / 3 / height))
        panels.append((ax, bar))
    return figure, panels


def _contours(figure: "Figure", ax: Any, bar: Any, x: Array, y: Array, values: Array) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import MaxNLocator

    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, _ROBUST) if finite.size else (0.0, 1.0)
    if not high > low:  # a flat energy has one colour
        low, high = low - 0.5, low + 0.5
    shades = LinearSegmentedColormap.from_list("energy", _GROUND)
    levels = np.linspace(low, high, _LEVELS + 1)
    held = np.clip(np.nan_to_num(values, nan=high, posinf=high, neginf=low), low, high)
    ground = ax.contourf(x, y, held, levels=levels, cmap=shades, zorder=0)
    ax.contour(x, y, held, levels=levels[1:-1], colors="white", linewidths=0.5, alpha=0.55, zorder=0.5)
    figure.colorbar(ground, cax=bar, ticks=MaxNLocator(5))
    bar.tick_params(labelsize=8.5, colors=SOFT, labelcolor=SOFT, length=2)
    bar.set_title("energy", fontsize=8.5, color=SOFT, loc="left", pad=16)
    for place, text, side in ((1, "and higher", "bottom"), (0, "and lower", "top")):
        bar.annotate(
            text,
            (0, place),
            (0, 4 if place else -4),
            "axes fraction",
            "offset points",
            fontsize=7.5,
            color=SOFT,
            va=side,
            annotation_clip=False,
        )
    bar.spines[:].set_visible(False)


def _codes(ax: Any, codes: Codes) -> None:
    from matplotlib.patheffects import withStroke

    places = numbers("codes", codes.places, 2)
    names = np.asarray(codes.labels).astype(str) if codes.labels is not None else np.full(len(places), "")
    alpha = np.full(len(places), 0.9) if codes.strength is None else np.asarray(codes.strength)
    if places.shape != (len(names), 2) or alpha.shape != (len(places),):
        raise ValueError(
            f"codes must be (n, 2) with a label and a strength each; got {places.shape}, {names.shape} and {alpha.shape}"
        )
    for i, kind in enumerate(np.unique(names)):
        own = places[names == kind]
        letter = len(kind) == 1 and kind.isascii() and kind.isalnum()
        drawn = ax.scatter(
            own[:, 0],
            own[:, 1],
            s=30 if letter else 12,
            marker=f"$\\mathsf{{{kind}}}$" if letter else "o",
            color=_DARK[i % len(_DARK)],
            edgecolor=_DARK[i % len(_DARK)] if letter else "white",
            linewidth=0.2 if letter else 0.4,
            alpha=alpha[names == kind],
            zorder=2,
        )
        drawn.set_path_effects([withStroke(linewidth=1.3, foreground="#ffffff70")])
        if kind and not letter:
            said = ax.text(
                *np.median(own, axis=0),
                kind,
                fontsize=10,
                fontweight="bold",
                color=_DARK[i % len(_DARK)],
                ha="center",
                va="center",
                zorder=5,
                parse_math=False,
            )
            said.set_path_effects([withStroke(linewidth=3, foreground="white")])


_DARK = ("#00507a", "#8c3d00", "#00543d", "#8a2f63", "#1f2328", "#5a3d91", "#7a5c00", "#8b1a1a", "#005f6b", "#4d5b16")
"""A colour for each class, all dark; letters or names distinguish the classes without it."""


def _arrows(ax: Any, arrows: Array, limits: tuple[float, float, float, float]) -> None:
    if arrows.shape[1] != 4:
        raise ValueError(f"scores must be (m, 4), place and direction; got {arrows.shape}")
    arrows = arrows[np.isfinite(arrows).all(axis=1)]
    size = np.linalg.norm(arrows[:, 2:], axis=1, keepdims=True)
    full = float(np.quantile(size, 0.9)) if len(size) else 0.0
    if not full > 0:
        return
    # the longest arrow spans three quarters of the spacing of arrows over the plane
    spacing = np.sqrt((limits[1] - limits[0]) * (limits[3] - limits[2]) / len(arrows))
    drawn = arrows[:, 2:] / np.maximum(size, full) * 0.75 * spacing
    ax.quiver(
        *arrows[:, :2].T,
        *drawn.T,
        angles="xy",
        scale_units="xy",
        scale=1,
        pivot="mid",
        color=INK,
        alpha=0.55,
        width=0.0021,
        headwidth=4.5,
        headlength=5,
        headaxislength=4.2,
        minlength=0.6,
        zorder=1.5,
    )


def _paths(ax: Any, paths: Mapping[str, Array], alpha: float = 1) -> None:
    for i, (name, curve) in enumerate(paths.items()):
        nodes = numbers(f"path '{name}'", curve, 2)
        ax.plot(*nodes.T, color="white", linewidth=5, alpha=alpha, zorder=3)
        ax.plot(*nodes.T, color=colour(name, i), linestyle=dashes(name), linewidth=2.4, zorder=4)
        ax.plot(*nodes[1:-1].T, "o", color=colour(name, i), markeredgecolor="white", markeredgewidth=0.7, markersize=4.2, zorder=4)  # fmt: skip


def _marks(ax: Any, marks: Mapping[str, tuple[float, float]]) -> None:
    for text, place in marks.items():
        ax.plot(*place, "o", color="white", markeredgecolor=INK, markeredgewidth=1.3, markersize=16, zorder=6)
        ax.annotate(
            text, place, fontsize=9.5, fontweight="bold", color=INK, ha="center", va="center_baseline", zorder=7
        )


def _frame(ax: Any, limits: tuple[float, float, float, float]) -> None:
    ax.grid(visible=False)
    ax.set_aspect("equal")
    ax.set(xlim=limits[:2], ylim=limits[2:])
    ax.spines[["left", "bottom"]].set_color(FAINT)


def _legend(figure: "Figure", ax: Any, paths: Mapping[str, Array]) -> None:
    from matplotlib.lines import Line2D

    if not paths:
        return
    handles = [
        Line2D([], [], color=colour(n, i), linestyle=dashes(n), linewidth=2.4, label=n) for i, n in enumerate(paths)
    ]
    left = ax.get_position().x0
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(left, 0),
        borderaxespad=0.4,
        ncols=min(len(handles), 6),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=2.4,
        borderpad=0,
    )
