"""Decodes an image file, or its bytes, to uint8 (c, h, w): grey or RGB, 8 bits, upright, without transparency."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

EXTENSIONS = ("png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff")
"""File name endings that are read as images, in lower case."""

# the errors that Pillow raises for damaged files of its formats
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)


class BadImage(ValueError):
    """An image that cannot be used. Its message does not say what to do, as that depends on the caller."""


def decode(
    source: Path | bytes | None, name: str, channels: int | None = None, box: tuple[int, int] | None = None
) -> Pixels:
    """
    The pixels uint8 (c, h, w) of an image file or of its bytes; of several frames the first.

    Args:
        source: a file, its bytes, or None where a table holds no image.
        name: name of the image in messages.
        channels: number of channels, 1 or 3; None keeps that of the file.
        box: (h, w), to which the image is scaled so that it covers the box, and cropped about its centre; None keeps its size.

    Raises:
        BadImage: if the source is damaged or not an image.
    """
    if source is None:
        raise BadImage(f"{name} holds no image bytes")
    try:
        with Image.open(source if isinstance(source, Path) else BytesIO(source)) as image:
            image.load()
            return to_pixels(ImageOps.exif_transpose(image), channels, box)
    except UnidentifiedImageError as error:
        raise BadImage(f"{name} is not an image in a known format") from error
    except _UNREADABLE as error:
        raise BadImage(f"{name} is truncated or damaged ({error})") from error


def to_pixels(image: Image.Image, channels: int | None = None, box: tuple[int, int] | None = None) -> Pixels:
    """The pixels uint8 (c, h, w) of a Pillow image; ``channels`` and ``box`` as in ``decode``."""
    image = _eight_bits(image)
    if channels is not None:
        image = image.convert("L" if channels == 1 else "RGB")
    if box is not None and image.size != (box[1], box[0]):
        image = ImageOps.fit(image, (box[1], box[0]), Image.Resampling.BICUBIC)
    pixels = np.array(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def refuse_constant(pixels: Pixels, name: str) -> None:
    """Raises BadImage if all pixels of (c, h, w) are equal."""
    if (pixels == pixels[:, :1, :1]).all():
        raise BadImage(f"{name} is constant: all its pixels are equal, so there is nothing to encode")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Converts to 8-bit grey (L) or RGB: 16-bit grey is divided by 257, and transparent pixels are blended with white."""
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range: save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError("32-bit pixels have no fixed range: save it with 8 or 16 bits")
        return Image.fromarray((grey / 257).round().astype(np.uint8))
    kind = "L" if image.mode in ("1", "L", "LA") else "RGB"
    if "A" in image.getbands() or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert(kind)
