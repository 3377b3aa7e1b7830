"""Decodes an image file, or its bytes, to uint8 (c, h, w): grey or RGB, 8 bits, upright, without transparency."""

import re
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

USUAL_EXTENSIONS = ("png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff")
"""The most frequent file name endings of images, for messages; ``extensions`` has all that are read."""

CONSTANT = "is constant: all its pixels are equal, so there is nothing to encode"
"""What is wrong with a blank image, as the rest of a sentence that begins with its name."""

# formats of Pillow that are no images of pixels: drawings, which another program renders, films, tables of numbers and metadata
_NO_PIXELS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"})

# the beginning of a file, and what it says about a file that Pillow does not identify
_BEGINNINGS = (
    (rb"version https://git-lfs", "it is a pointer of Git LFS; fetch the image itself by git lfs pull"),
    (rb"(?i)\s*<(!doctype html|html)", "it is a web page"),
    (rb"\s*<(\?xml|svg)", "it is a text with markup, such as a drawing in SVG"),
    (rb".{4}ftyp(hei|hev|mif|msf)", "it is an HEIC image, which Pillow does not read"),
    (rb"II\*\0|MM\0\*", "it begins as a TIFF file, but with pixels of a kind that Pillow does not read, or damaged"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|BM|.{4}ftypavif", "it begins as an image, but its header is damaged"),
)


class BadImage(ValueError):
    """An image that cannot be used. Its message does not say what to do, as that depends on the caller."""


class Decoded(NamedTuple):
    """
    The image of a file.

    Attributes:
        pixels: uint8 (c, h, w).
        has_more_frames: whether the file has further frames or pages, which are not read.
    """

    pixels: Pixels
    has_more_frames: bool


@cache
def image_formats() -> tuple[str, ...]:
    """The formats of Pillow that are read, in the order in which Pillow tries them."""
    Image.init()
    return tuple(name for name in Image.ID if name not in _NO_PIXELS)


@cache
def extensions() -> frozenset[str]:
    """The file name endings that are read as images, in lower case: those of the formats that this Pillow can read."""
    known = Image.registered_extensions().items()
    return frozenset(ending[1:].lower() for ending, name in known if name in image_formats())


def decode(
    source: Path | bytes | None, name: str, channels: int | None = None, box: tuple[int, int] | None = None
) -> Decoded:
    """
    Decodes an image file or its bytes; of several frames the first.

    Args:
        source: a file, its bytes, or None where a table holds no image.
        name: name of the image in messages.
        channels: number of channels, 1 or 3; None keeps that of the file.
        box: (h, w), to which the image is scaled so that it covers the box, and cropped about its centre; None keeps its size.

    Raises:
        BadImage: if the source cannot be read, is damaged or no image, or has pixels that cannot be converted to 8 bits.
    """
    if source is None:
        raise BadImage(f"{name} holds no image bytes")
    try:
        with Image.open(source if isinstance(source, Path) else BytesIO(source), formats=image_formats()) as image:
            image.load()
            return Decoded(to_pixels(ImageOps.exif_transpose(image), channels, box), _has_more_frames(image))
    except Exception as error:  # the decoders of some formats raise any error for damaged files
        raise BadImage(f"{name} {_cause(error, source)}") from error


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
        raise BadImage(f"{name} {CONSTANT}")


class _UnfitPixels(ValueError):
    """Pixels that cannot be converted to 8 bits; the message continues the name of the image."""


def _eight_bits(image: Image.Image) -> Image.Image:
    """Converts to 8-bit grey (L) or RGB: 16-bit grey is divided by 257, and transparent pixels are blended with white."""
    if image.mode == "F":
        raise _UnfitPixels("has floating-point pixels, which have no fixed range: save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise _UnfitPixels("has 32-bit pixels, which have no fixed range: save it with 8 or 16 bits")
        return Image.fromarray((grey / 257).round().astype(np.uint8))
    mode, kind = image.mode, "L" if image.mode in ("1", "L", "LA") else "RGB"
    try:
        if "A" in image.getbands() or "transparency" in image.info:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        return image.convert(kind)
    except ValueError as error:
        raise _UnfitPixels(f"has pixels of the kind {mode}, which cannot be converted to {kind}") from error


def _has_more_frames(image: Image.Image) -> bool:
    try:
        return image.format != "PSD" and bool(getattr(image, "is_animated", False))  # the frames of PSD are layers
    except Exception:  # there is a second frame, which is damaged and not needed
        return True


def _cause(error: Exception, source: Path | bytes) -> str:
    """What is wrong with an image, as the rest of a sentence that begins with its name."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, _UnfitPixels):
        return text
    if isinstance(error, Image.DecompressionBombError):
        numbers = [f"{int(number) / 1e6:.0f}" for number in re.findall(r"\d{5,}", text)]
        told = f"{numbers[0]} megapixels; the limit is {numbers[1]}" if len(numbers) == 2 else text
        return f"is too large ({told})"
    if isinstance(error, MemoryError):
        return "is too large for the memory"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {(error.strerror or text).lower()}"
    if isinstance(error, UnidentifiedImageError):
        return f"is not an image in a known format{_seen(source)}"
    if isinstance(error, NotImplementedError) or re.search("not available|not supported|unsupported", text.lower()):
        return f"is of a kind that Pillow does not read ({text})"
    return f"is truncated or damaged ({text})"


def _seen(source: Path | bytes) -> str:
    """What the beginning of an unidentified file says, in parentheses, or nothing."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(64)
    if not source:
        return " (it is empty)"
    return next((f" ({what})" for start, what in _BEGINNINGS if re.match(start, source[:64], re.DOTALL)), "")
