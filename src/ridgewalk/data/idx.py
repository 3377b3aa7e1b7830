"""
MNIST's file format: a folder of four IDX files, gzipped or not. Fashion-MNIST, KMNIST and others use it too.

    magic (4 bytes, big-endian: 0, 0, type 8 = uint8, number of axes), the length of each axis (4 bytes), the values

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits" (1998).
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ridgewalk.data.images import Images

_FILES = {"train-images": 3, "train-labels": 1, "t10k-images": 3, "t10k-labels": 1}
"""Maps the beginning of each file's name to its number of axes."""


def holds_idx(folder: Path) -> bool:
    """Whether ``folder`` contains any of the four files."""
    return any(_find(folder, stem) for stem in _FILES)


def read_idx(folder: Path) -> tuple[Images, Images]:
    """Reads the train and test images of a folder, in file order; the classes are "0", "1", ... up to the largest label."""
    train, test = _images(folder, "train"), _images(folder, "t10k")
    names = tuple(str(i) for i in range(int(max(train[1].max(), test[1].max())) + 1))
    return Images(*train, names), Images(*test, names)


def _images(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    files = [_find(folder, f"{part}-{kind}") for kind in ("images", "labels")]
    for file, kind in zip(files, ("images-idx3", "labels-idx1")):
        if file is None:
            raise ValueError(
                f"'{folder}' lacks {part}-{kind}-ubyte (or .gz), one of MNIST's four IDX files; add it to the folder"
            )
    images_file, labels_file = files
    assert images_file is not None
    assert labels_file is not None
    pixels, labels = _read(images_file, 3), _read(labels_file, 1)
    if len(pixels) != len(labels):
        raise ValueError(
            f"{images_file} has {len(pixels)} images and {labels_file} has {len(labels)} labels; the numbers must be equal; "
            "download both again"
        )
    return torch.from_numpy(pixels[:, None]), torch.from_numpy(labels.astype(np.int64))


def _find(folder: Path, stem: str) -> Path | None:
    names = [f"{stem}{dot}idx{_FILES[stem]}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read(file: Path, axes: int) -> NDArray[np.uint8]:
    """The array of one file."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            raw = stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{file} cannot be read ({error}); download it again") from error
    magic, expected = int.from_bytes(raw[:4], "big"), 2048 + axes
    if magic != expected:
        raise ValueError(
            f"{file} must begin with the magic number {expected} of IDX bytes in {axes} axes; it begins with {magic}; "
            "is it another file under this name?"
        )
    head = 4 + 4 * axes
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, head, 4))
    if len(raw) != head + math.prod(shape) or 0 in shape:
        raise ValueError(
            f"{file} states the shape {shape}, which must not be empty, and so {head + math.prod(shape)} bytes; "
            f"it has {len(raw)}; download it again"
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=head).reshape(shape).copy()
