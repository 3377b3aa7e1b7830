"""Paths as animated GIF files, from a to b and back."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ridgewalk.files import write_bytes
from ridgewalk.reports.style import Array

LEAST_SIDE = 112
"""Pixels to which the longer side of a small image is enlarged where no factor is given."""

_GAP = 4
_HOLD = 4  # the ends stay for so many frames' time


def write_gif(
    frames: Array | Sequence[Array], path: Path, seconds: float = 2.0, upscale: int | None = None, columns: int = 4
) -> None:
    """
    Writes paths from a to b and back as a loop that pauses at the ends; the file is written atomically.

    Args:
        frames: (k, c, h, w) in [0, 1], c = 1 or 3; or several paths of one shape, shown together.
        path: the file.
        seconds: duration from a to b without the pauses; a GIF shows at most 50 frames a second.
        upscale: file pixels for each image pixel; by default as many as enlarge small images to ``LEAST_SIDE``.
        columns: largest number of paths side by side.
    """
    from PIL import Image

    stack = np.asarray(frames)
    stack = stack[None] if stack.ndim == 4 else stack
    if stack.ndim != 5 or stack.shape[2] not in (1, 3) or stack.shape[1] < 2:
        raise ValueError(
            f"frames must be (k, c, h, w), c = 1 or 3, k >= 2, or several such of one shape; got {np.shape(frames)}"
        )
    if seconds <= 0 or columns < 1:
        raise ValueError(f"seconds must be positive and columns at least 1; got {seconds} and {columns}")
    factor = upscale or max(1, -(-LEAST_SIDE // max(stack.shape[3:])))
    tiled = _tiled((np.clip(np.nan_to_num(stack), 0, 1) * 255).round().astype(np.uint8), factor, columns)
    images = [Image.fromarray(f[..., 0] if f.shape[-1] == 1 else f) for f in tiled]
    loop = images + images[-2:0:-1]
    once = max(20, round(1000 * seconds / (len(images) - 1)))
    durations = [once] * len(loop)
    durations[0] = durations[len(images) - 1] = _HOLD * once
    buffer = io.BytesIO()
    loop[0].save(buffer, "GIF", save_all=True, append_images=loop[1:], duration=durations, loop=0)
    write_bytes(path, buffer.getvalue())


def _tiled(stack: Array, factor: int, columns: int) -> Array:
    """Bytes (b, k, c, h, w) as a grid of b pictures in each of k frames: (k, height, width, c), white between them."""
    b, k, c, h, w = stack.shape
    big = stack.transpose(0, 1, 3, 4, 2).repeat(factor, axis=2).repeat(factor, axis=3)
    columns = min(columns, b)
    rows = -(-b // columns)
    height, width = h * factor + _GAP, w * factor + _GAP
    sheet = np.full((k, rows * height - _GAP, columns * width - _GAP, c), 255, np.uint8)
    for i, picture in enumerate(big):
        y, x = i // columns * height, i % columns * width
        sheet[:, y : y + h * factor, x : x + w * factor] = picture
    return sheet
