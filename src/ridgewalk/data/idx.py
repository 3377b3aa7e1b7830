"""
MNIST's file format: a folder of four IDX files, gzipped or not. Fashion-MNIST, KMNIST and others use it too.

    magic (4 bytes, big-endian: 0, 0, type 8 = uint8, number of axes), the length of each axis (4 bytes), the values

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits" (1998).
"""

import gzip
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ridgewalk.data.arrays import refusing
from ridgewalk.data.images import Images
from ridgewalk.memory import refuse_beyond

_DEFLATED = 1032  # the most bytes that a byte of gzip unpacks to

_NAME = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx[13]-ubyte(\.gz)?", re.IGNORECASE
)
"""The name of a file: ``set`` is empty in MNIST, and a name such as "emnist-letters-" in EMNIST, whose test part is called test."""


def holds_idx(folder: Path) -> bool:
    """Whether ``folder`` contains any of the four files."""
    return bool(_sets(folder))


def is_idx(file: Path) -> bool:
    """Whether ``file`` is named as one of the four files."""
    return _NAME.fullmatch(file.name) is not None and file.is_file()


def read_idx(source: Path) -> tuple[Images, Images]:
    """
    Reads train and test images in file order; the classes are the labels that occur, in increasing order.

    Args:
        source: a folder of the four files, each of which may lie in a folder of its own that is named as the file; or one of the four, where a folder holds
            several data sets, as that of EMNIST does.
    """
    folder, wanted = source, ""
    if not source.is_dir():
        folder = source.parent.parent if _NAME.fullmatch(source.parent.name) else source.parent
        wanted = _key(source.name)[0]
    sets = _sets(folder)
    if wanted not in sets and len(sets) > 1:
        example = next(iter(next(iter(sets.values())).values()))
        raise ValueError(
            f"'{folder}' holds the IDX files of {len(sets)} data sets ({', '.join(name.rstrip('-_.') for name in sets)}); "
            f"give one file of the data set to read, such as '{example}'"
        )
    name = wanted if wanted in sets else next(iter(sets))
    train, test = _images(folder, name, sets[name], "train"), _images(folder, name, sets[name], "t10k")
    values = torch.cat([train[1], test[1]]).unique()
    names = tuple(str(value) for value in values.tolist())
    parts = [Images(pixels, torch.searchsorted(values, labels), names) for pixels, labels in (train, test)]
    return parts[0], parts[1]


def _sets(folder: Path) -> dict[str, dict[tuple[str, str], Path]]:
    """The files of each data set in a folder, by part (train or t10k) and kind (images or labels); none where it cannot be read."""
    try:
        named = [entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name)]
        inner = [file for entry in named if entry.is_dir() for file in entry.iterdir() if _NAME.fullmatch(file.name)]
        files = [file for file in named + inner if file.is_file()]
    except OSError:
        return {}
    found: dict[str, dict[tuple[str, str], Path]] = {}
    for file in sorted(files, key=lambda f: (f.name.lower().endswith(".gz"), "-idx" not in f.name, str(f))):
        name, part, kind = _key(file.name)
        found.setdefault(name, {}).setdefault((part, kind), file)
    return dict(sorted(found.items()))


def _key(file_name: str) -> tuple[str, str, str]:
    """The data set, the part (train or t10k) and the kind (images or labels) in the name of a file."""
    match = _NAME.fullmatch(file_name)
    assert match is not None
    return match["set"], "train" if match["part"].lower() == "train" else "t10k", match["kind"].lower()


def _images(
    folder: Path, name: str, files: Mapping[tuple[str, str], Path], part: str
) -> tuple[torch.Tensor, torch.Tensor]:
    for kind in ("images-idx3", "labels-idx1"):
        if (part, kind[:6]) not in files:
            raise ValueError(
                f"'{folder}' lacks {name}{part if part == 'train' or not name else 'test'}-{kind}-ubyte (or .gz), one of MNIST's four IDX files; "
                "add it to the folder"
            )
    images_file, labels_file = files[part, "images"], files[part, "labels"]
    pixels, labels = _read(images_file, 3), _read(labels_file, 1)
    if len(pixels) != len(labels):
        raise ValueError(
            f"{images_file} has {len(pixels)} images and {labels_file} has {len(labels)} labels; the numbers must be equal; "
            "download both again"
        )
    return torch.from_numpy(pixels[:, None]), torch.from_numpy(labels.astype(np.int64))


def _read(file: Path, axes: int) -> NDArray[np.uint8]:
    """The array of one file, of which no more is unpacked than its header states."""
    head = 4 + 4 * axes
    with (
        refusing(file, "cannot be read", "download it again"),
        gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as stream,
    ):
        start = stream.read(head)
        shape = tuple(int.from_bytes(start[i : i + 4], "big") for i in range(4, head, 4))
        stated = min(math.prod(shape), file.stat().st_size * _DEFLATED) if _is_magic(start, axes) else 0
        refuse_beyond(2 * stated, f"'{file}'", "take fewer images")  # it is copied once
        raw = stream.read(stated + 1)  # one byte more shows whether there are more
    if not _is_magic(start, axes):
        raise ValueError(
            f"{file} must begin with the magic number {2048 + axes} of IDX bytes in {axes} axes; it begins with "
            f"{int.from_bytes(start[:4], 'big')}; is it another file under this name?"
        )
    if len(raw) != math.prod(shape) or 0 in shape:
        more = " or more" if len(raw) > stated else ""
        raise ValueError(
            f"{file} states the shape {shape}, which must not be empty, and so {head + math.prod(shape)} bytes; "
            f"it has {len(start) + len(raw)}{more}; download it again"
        )
    return np.frombuffer(raw, dtype=np.uint8).reshape(shape).copy()


def _is_magic(start: bytes, axes: int) -> bool:
    return int.from_bytes(start[:4], "big") == 2048 + axes
