"""
Labels next to points, placed so that they do not overlap.

The package adjustText moves labels by forces from a start; with thirteen names close together it left two of them overlapping after 500
iterations, took longer, and imports pyplot, which the figures of this package do without. The search below is greedy and has no
iterations.
"""

from collections.abc import Sequence
from itertools import product
from math import cos, pi, sin
from typing import Any

from ridgewalk.reports.style import FAINT, INK

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in pixels."""

_REACHES = (10.0, 18.0, 30.0, 44.0, 60.0)
_ANGLES = [i * pi / 6 for i in range(12)]


def label_points(
    ax: Any, points: Sequence[tuple[float, float, str]], obstacles: Sequence[Box] = (), size: float = 9.5
) -> list[Box]:
    """
    Writes the name of each point where it overlaps least, with a thin line to the point where the name is not next to it.

    The search is greedy and begins with the most crowded point. Of the places around a point it takes the one with the least overlap with
    written labels, points and ``obstacles``, and among equal ones the nearest.

    Args:
        ax: axes whose limits and place in the figure are final.
        points: x, y and name, in data coordinates.
        obstacles: boxes in pixels to avoid, such as intervals.
        size: size of the letters, in points.

    Returns:
        The boxes of the labels in pixels, in the order of ``points``.
    """
    renderer = ax.figure.canvas.get_renderer()
    centres: list[tuple[float, float]] = [tuple(ax.transData.transform((x, y)).tolist()) for x, y, _ in points]
    frame = ax.get_window_extent(renderer)
    taken: list[Box] = [*obstacles, *(_around(c, 6, 6) for c in centres)]
    crowd = [sum(abs(x - u) < 90 and abs(y - v) < 24 for u, v in centres) for x, y in centres]
    boxes: dict[int, Box] = {}
    for i in sorted(range(len(points)), key=lambda j: -crowd[j]):
        text = ax.text(
            0, 0, points[i][2], transform=ax.transAxes, fontsize=size, color=INK, ha="left", va="bottom", zorder=6
        )
        extent = text.get_window_extent(renderer)
        x, y = centres[i]
        places = [
            _box_at(x, y, reach, angle, extent.width, extent.height) for reach, angle in product(_REACHES, _ANGLES)
        ]
        inside = [b for b in places if b[0] >= frame.x0 and b[2] <= frame.x1 and b[1] >= frame.y0 and b[3] <= frame.y1]
        others = [_around(c, 26, 18) for j, c in enumerate(centres) if j != i]  # no name next to another's point
        avoided = [*taken, *others]
        best = min(inside or places, key=lambda b: (round(sum(_overlap(b, t) for t in avoided)), _distance(b, x, y)))
        text.set_position(ax.transAxes.inverted().transform((best[0], best[1])))
        if _distance(best, x, y) > _REACHES[1]:
            near = (min(max(x, best[0]), best[2]), min(max(y, best[1]), best[3]))
            ends = ax.transAxes.inverted().transform([(x, y), near])
            ax.plot(*ends.T, color=FAINT, linewidth=0.8, transform=ax.transAxes, zorder=2)
        boxes[i] = best
        taken.append(best)
    return [boxes[i] for i in range(len(points))]


def _around(centre: tuple[float, float], width: float, height: float) -> Box:
    x, y = centre
    return x - width, y - height, x + width, y + height


def _box_at(x: float, y: float, reach: float, angle: float, width: float, height: float) -> Box:
    """A box of this size whose nearest side lies ``reach`` from the point, towards ``angle``."""
    centre_x = x + cos(angle) * (reach + width / 2)
    centre_y = y + sin(angle) * (reach + height / 2)
    return centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _distance(box: Box, x: float, y: float) -> float:
    return max(box[0] - x, x - box[2], 0.0) + max(box[1] - y, y - box[3], 0.0)
