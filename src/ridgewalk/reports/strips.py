"""Paths as rows of frames: one row for each method, pixel for pixel."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ridgewalk.reports.style import FILE_DPI, INK, SOFT, UNREAL, Array, blank, colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCALE = 2  # device pixels for each CSS pixel
_GAP, _END_GAP, _BAR, _SWATCH, _MARGIN = (
    4,
    14,
    10,
    18,
    36,
)  # device pixels: between frames, next to the ends, under frames, at the left, next to the images themselves
_EDGE = (201, 206, 214)


def strips(
    frames: Mapping[str, Array],
    marks: Mapping[str, Array] | None = None,
    cell: int | None = None,
    mark_label: str = "judged unreal",
    path: bool = True,
    ends: tuple[Array | None, Array | None] = (None, None),
) -> "Figure":
    """
    One row of frames for each method, from a to b; the two ends are set apart by a gap.

    Args:
        frames: frames (k, c, h, w) in [0, 1] by method, c = 1 (grey) or 3 (RGB); k may differ.
        marks: frames to underline in red, bool (k,) by method. A method without marks has none.
        cell: side of a frame in CSS pixels, kept to a whole number of file pixels for each image pixel; by default
            what lets the row fit a page.
        mark_label: meaning of an underlined frame, written below the rows.
        path: False where a row is not a path but images side by side, without ends a and b.
        ends: the images (c, h, w) that a and b reconstruct, which every row shows before a and after b, set off by a line; None for none.
    """
    if not frames:
        raise ValueError("strips need at least one method's frames")
    checked = {name: _checked(name, f) for name, f in frames.items()}
    beside = sum(end is not None for end in ends)
    rows = {
        name: _row(
            name, f, (marks or {}).get(name), cell or _fitting(len(f) + beside), i, _END_GAP if path else 0, ends
        )
        for i, (name, f) in enumerate(checked.items())
    }
    widest, tallest = max(r.shape[1] for r in rows.values()), sum(r.shape[0] for r in rows.values())

    left, top, between = 14 + 7.4 * max(map(len, rows)), 22 if path else 6, 5
    bottom = 26 if marks is not None else 6
    height = top + bottom + tallest / _SCALE + between * (len(rows) - 1)
    width = left + widest / _SCALE + 8
    figure = blank(width, height)
    y = height - top
    for name, row in rows.items():
        h, w = row.shape[0] / _SCALE, row.shape[1] / _SCALE
        y -= h
        ax = figure.add_axes((left / width, y / height, w / width, h / height))
        ax.imshow(row, interpolation="nearest", aspect="auto")
        ax.set_axis_off()
        middle = (y + (h + _BAR / _SCALE) / 2) / height
        figure.text(
            (left - 7) / width, middle, name, ha="right", va="center", fontsize=9.5, color=INK, fontweight="bold"
        )
        y -= between
    first, last = left + (_SWATCH + 10) / _SCALE, width - 8
    apart = (_side(next(iter(checked.values())), cell, beside) + _MARGIN) / _SCALE
    a, b = (apart * (end is not None) for end in ends)
    texts = [(first + a, "a", "left"), (last - b, "b", "right")] if path else []
    texts += [(first, "A", "left")] * bool(a) + [(last, "B", "right")] * bool(b)
    for x, text, side in texts:
        figure.text(x / width, (height - 6) / height, text, ha=side, va="top", fontsize=9.5, color=SOFT, style="italic")
    if marks is not None:
        _key(figure, (left + _SWATCH / _SCALE) / width, 10 / height, 22 / width, mark_label)
    return figure


def _checked(name: str, frames: Array) -> Array:
    array = np.asarray(frames)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or array.shape[0] < 2:
        raise ValueError(f"frames of '{name}' must be (k, 1, h, w) or (k, 3, h, w) with k >= 2; got {array.shape}")
    return array


def _fitting(k: int) -> int:
    return max(24, min(56, 890 // k - 3))


def pixels(frames: Array, side: int) -> Array:
    """Frames (k, c, h, w) in [0, 1] as bytes (k, h', w', 3), their longer side near ``side``: whole multiples, or shrunk."""
    whole = (np.clip(np.nan_to_num(frames), 0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    whole = np.broadcast_to(whole, (*whole.shape[:3], 3))
    longer = max(whole.shape[1:3])
    if longer > 1.5 * side:
        from PIL import Image

        h, w = (max(1, round(n * side / longer)) for n in whole.shape[1:3])
        resized = [Image.fromarray(np.ascontiguousarray(f)).resize((w, h), Image.Resampling.LANCZOS) for f in whole]
        return np.stack([np.asarray(f) for f in resized])
    factor = max(1, side // longer)
    factor += factor * longer < 0.75 * side
    return whole.repeat(factor, axis=1).repeat(factor, axis=2)


def _side(frames: Array, cell: int | None, beside: int) -> int:
    """Width of an image with its edges, in file pixels."""
    return pixels(frames[:1], (cell or _fitting(len(frames) + beside)) * _SCALE).shape[2] + 2


def _row(
    name: str,
    frames: Array,
    marked: Array | None,
    cell: int,
    position: int,
    apart: int,
    ends: tuple[Array | None, Array | None],
) -> Array:
    """Swatch, framed images and the bars under them, as bytes (height, width, 3) in file pixels."""
    k = len(frames)
    flags = np.zeros(k, bool) if marked is None else np.asarray(marked)
    if flags.shape != (k,):
        raise ValueError(f"marks of '{name}' must be ({k},), one for each frame; got {flags.shape}")
    before, after = (() if end is None else (np.asarray(end)[None],) for end in ends)
    images = pixels(np.concatenate([*before, frames, *after]), cell * _SCALE)
    flags = np.pad(flags, (len(before), len(after)))
    h, w = images.shape[1] + 2, images.shape[2] + 2  # with their edges
    gaps = np.full(len(images), _GAP)  # before each image
    gaps[len(before) + 1] += apart
    gaps[len(before) + k - 1] += apart
    gaps[: len(before) + 1] = [0, *(_MARGIN for _ in before)]
    gaps[len(gaps) - len(after) :] = _MARGIN
    starts = _SWATCH + np.arange(len(images)) * w + gaps.cumsum()
    width = int(starts[-1]) + w
    canvas = np.full((h + _BAR + h % 2, width + width % 2, 3), 255, np.uint8)
    canvas[:h, :8] = _rgb(colour(name, position))
    for start, gap, image, flag in zip(starts, gaps, images, flags):
        if gap == _MARGIN:
            canvas[:h, start - _MARGIN // 2 - 1 : start - _MARGIN // 2 + 1] = _EDGE
        canvas[:h, start : start + w] = _EDGE
        canvas[1 : h - 1, start + 1 : start + w - 1] = image
        if flag:
            canvas[h + 3 : h + _BAR - 1, start : start + w] = _rgb(UNREAL)
    return canvas


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def _key(figure: "Figure", x: float, y: float, length: float, label: str) -> None:
    from matplotlib.lines import Line2D

    thickness = 3 * 72 / (FILE_DPI / _SCALE)
    figure.add_artist(Line2D([x, x + length], [y, y], color=UNREAL, linewidth=thickness, solid_capstyle="butt"))
    figure.text(x + 1.3 * length, y, label, ha="left", va="center_baseline", fontsize=9, color=SOFT)
