"""Paths as animated GIF files, forth and back."""

import io
from pathlib import Path

import numpy as np

_LEAST_SIDE = 112


def write_gif(frames: np.ndarray, path: Path, seconds: float = 2.0) -> None:
    """
    Paths side by side, forth and back in a loop.

    Args:
        frames: (b, k, c, h, w) in [0, 1]; small images are enlarged by whole factors.
        path: of the file.
        seconds: of one way.
    """
    from PIL import Image

    from ridgewalk.models.checkpoints import write_bytes

    b, k, _, h, w = frames.shape
    factor = max(1, -(-_LEAST_SIDE // min(h, w)))
    pixels = (np.clip(frames, 0, 1) * 255).round().astype(np.uint8).transpose(1, 3, 0, 4, 2)  # k, h, b, w, c
    rows = pixels.reshape(k, h, b * w, -1).repeat(factor, axis=1).repeat(factor, axis=2)
    images = [Image.fromarray(r[:, :, 0] if r.shape[2] == 1 else r) for r in rows]
    buffer = io.BytesIO()
    loop = images + images[-2:0:-1]
    loop[0].save(
        buffer, format="GIF", save_all=True, append_images=loop[1:], duration=max(20, round(1000 * seconds / k)), loop=0
    )
    write_bytes(path, buffer.getvalue())
