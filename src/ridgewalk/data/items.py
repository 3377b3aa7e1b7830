"""Decodes a sequence of images into one array, and divides it into the train and the test part of a data set."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ridgewalk.data.decode import CONSTANT, BadImage, Pixels, decode, refuse_constant, to_pixels
from ridgewalk.data.images import Images
from ridgewalk.memory import refuse_beyond
from ridgewalk.progress import track

Parts = tuple[Images, Images | None]
"""Train and test images in the order of the source; None where the source has no test split."""


@dataclass(frozen=True)
class Item:
    """
    An image that is not decoded yet.

    Attributes:
        name: name of the image in messages.
        source: its file or bytes; None where a table holds none.
        label: index of its class.
        held_out: whether it belongs to the test split.
    """

    name: str
    source: Path | bytes | None
    label: int
    held_out: bool


@dataclass(frozen=True)
class ImageFormat:
    """
    The size and number of channels to which images are converted as they are read.

    Attributes:
        size: side in pixels of the centre square, to which the shorter side is scaled; None keeps the size.
        channels: number of channels, 1 (grey) or 3 (RGB); None keeps it.
        skip_bad: whether unusable images are left out with one warning instead of refusing the source.
    """

    size: int | None = None
    channels: int | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 2:
            raise ValueError(f"size must be at least 2 pixels; got {self.size}")
        if self.channels not in (None, 1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (RGB); got {self.channels}")

    @property
    def box(self) -> tuple[int, int] | None:
        """(h, w) of the converted images, or None where they keep their size."""
        return None if self.size is None else (self.size, self.size)


def gather(items: Iterable[Item], total: int, class_names: tuple[str, ...], form: ImageFormat) -> Parts:
    """
    Decodes ``items``, of which the held-out ones come last, into one array of up to ``total`` images, and returns its train and test part.

    Raises:
        ValueError: if an image is unusable or constant (unless ``form.skip_bad``), if sizes or channels differ, or if no image is left.
    """
    pixels: Pixels | None = None
    first, n_train = "", 0
    labels: list[int] = []
    bad: list[str] = []
    several: list[str] = []
    if form.box is not None:
        _refuse_too_large(total, form.channels or 1, *form.box)
    for item in track(items, "reading images", total=total):
        try:
            image, has_more_frames = decode(item.source, item.name, form.channels, form.box)
            refuse_constant(image, item.name)
        except BadImage as error:
            _refuse(error, form)
            bad.append(str(error))
            continue
        several += [item.name] * has_more_frames
        if pixels is None:
            _refuse_too_large(total, *image.shape)
            pixels, first = np.empty((total, *image.shape), dtype=np.uint8), item.name
        if image.shape != pixels.shape[1:]:
            raise ValueError(_mixed(first, pixels.shape[1:], item.name, image.shape))
        pixels[len(labels)] = image
        labels.append(item.label)
        n_train += not item.held_out
    if pixels is None:
        raise ValueError(f"none of the {total} images could be read; the first: {bad[0]}; check the source")
    _warn_of_bad(bad, total)
    if several:
        warnings.warn(
            f"{len(several)} of {total} images have several frames or pages, of which the first is used; the first of them: {several[0]}",
            UserWarning,
            stacklevel=4,
        )
    every = Images(torch.from_numpy(pixels[: len(labels)]), torch.tensor(labels, dtype=torch.int64), class_names)
    return _split_at(every, n_train)


def _split_at(every: Images, n_train: int) -> Parts:
    """The first ``n_train`` images and the others; all are train images where either part would be empty."""
    if n_train in (0, len(every)):
        return every, None
    train = Images(every.pixels[:n_train], every.labels[:n_train], every.class_names)
    return train, Images(every.pixels[n_train:], every.labels[n_train:], every.class_names)


def reshape(images: Images, form: ImageFormat, name: str = "image") -> Images:
    """
    Converts decoded images to the size and channels of ``form``, and refuses constant ones among others as ``gather`` does.

    Args:
        images: the images.
        form: size and channels, and whether constant images are left out instead.
        name: how messages call an image, before its index.
    """
    c, h, w = images.shape
    if (form.channels or c, *(form.box or (h, w))) != (c, h, w):
        _refuse_too_large(len(images), form.channels or c, *(form.box or (h, w)))
        rows = [
            to_pixels(Image.fromarray(row[0] if c == 1 else row.transpose(1, 2, 0)), form.channels, form.box)
            for row in track(images.pixels.numpy(), "resizing images")
        ]
        images = Images(torch.from_numpy(np.stack(rows)), images.labels, images.class_names)
    flat = images.pixels.flatten(2)
    constant = (flat.amin(dim=2) == flat.amax(dim=2)).all(dim=1)
    if not constant.any():
        return images
    bad = [f"{name} {i} {CONSTANT}" for i in constant.nonzero()[:, 0].tolist()]
    if constant.all():
        warnings.warn(f"all {len(bad)} images are constant, as {bad[0]}; is this the right file?", stacklevel=4)
        return images
    _refuse(BadImage(bad[0]), form)
    _warn_of_bad(bad, len(images))
    return images.take((~constant).nonzero()[:, 0])


def _refuse_too_large(total: int, channels: int, height: int, width: int) -> None:
    """Raises TooLarge if the memory cannot hold the images, which are copied once, before any of them is decoded."""
    refuse_beyond(
        2 * total * channels * height * width,
        f"the data set of {total} images of {height} x {width} pixels",
        "pass a smaller --size, or take fewer images",
    )


def _refuse(error: BadImage, form: ImageFormat) -> None:
    """Raises ValueError for an image that cannot be used, unless such images are left out."""
    if not form.skip_bad:
        raise ValueError(f"{error}; repair or remove it, or pass --skip-bad to use the rest") from error


def _warn_of_bad(bad: Sequence[str], total: int) -> None:
    if bad:
        warnings.warn(f"{len(bad)} of {total} images were left out; the first: {bad[0]}", UserWarning, stacklevel=5)


def _mixed(first: str, its: tuple[int, ...], second: str, other: tuple[int, ...]) -> str:
    """The error message for two images of different size or channels."""
    options = ["--size"] * (its[1:] != other[1:]) + ["--channels"] * (its[0] != other[0])
    return (
        f"all images must have one size and number of channels; {first} is {its[1]} x {its[2]} with {its[0]}, "
        f"{second} is {other[1]} x {other[2]} with {other[0]} (height x width, channels); "
        f"pass {' and '.join(options)} to make them equal"
    )
