"""
Data sets in MATLAB files: SVHN's cropped digits, and the Toronto Face Database (TFD).

    SVHN   train_32x32.mat, test_32x32.mat, and optionally extra_32x32.mat: X uint8 (32, 32, 3, n), y (n, 1) in 1 .. 10, where 10 is the digit 0
    TFD    images uint8 (n, h, w), folds (n, 5) in 0 .. 3: unlabelled, training, validation, test; its labels of expression are not read

Source: Netzer, Wang, Coates, Bissacco, Wu and Ng (2011), Reading digits in natural images with unsupervised feature learning; Susskind, Anderson and Hinton
(2010), The Toronto Face Database.
"""

import io
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ridgewalk.data import mat_process
from ridgewalk.data.arrays import refusing
from ridgewalk.data.images import Images
from ridgewalk.data.items import Parts
from ridgewalk.memory import available

Array = NDArray[Any]

_SECONDS = 600.0  # time limit for one file; the 1.3 GB of extra_32x32.mat take about half a minute
_END = "_32x32.mat"
_UNLABELLED, _TRAIN, _VALIDATION, _TEST = range(4)  # values of folds
FOLDS = 5
"""Number of folds of the Toronto Face Database, over which results are averaged."""

_SVHN = "SVHN's cropped digits hold X, uint8 (32, 32, 3, n), and y, n whole numbers from 1 to 10"
_TFD = "a file of the Toronto Face Database holds images, uint8 (n, h, w), and folds, (n, 5) whole numbers from 0 to 3"


def holds_svhn(folder: Path) -> bool:
    """Whether ``folder`` contains any of SVHN's three files."""
    return any((folder / f"{part}{_END}").is_file() for part in ("train", "test", "extra"))


def read_svhn(folder: Path) -> tuple[Images, Images]:
    """
    Reads the train and test images of a folder in file order; the label 10 becomes class "0", and the images of extra_32x32.mat join the train part.

    Neighbours in a file are often digits of one house number, with overlapping windows. They come into several roles of a part, as all images do
    (``splits.arrange``).
    """
    for part in ("train", "test"):
        if not (folder / f"{part}{_END}").is_file():
            raise ValueError(f"'{folder}' lacks {part}{_END}, one of SVHN's two files; add it to the folder")
    train, test = (_read_svhn_file(folder / f"{part}{_END}") for part in ("train", "test"))
    extra = folder / f"extra{_END}"
    return (_joined(train, _read_svhn_file(extra)) if extra.is_file() else train), test


def read_mat(file: Path, fold: int | None = None) -> tuple[str, Parts]:
    """
    Reads one .mat file, which is one of SVHN's files or the Toronto Face Database; returns the name of the data set and its parts.

    One file of SVHN gives a train part in file order. Of the faces, which have no classes, the test part has the fold's test faces. The train part has its
    unlabelled, training and validation faces, of which the likelihood protocol uses some that no model reads.

    Args:
        file: a file such as train_32x32.mat or TFD_48x48.mat.
        fold: fold of the Toronto Face Database, 1 to 5; None for the first.
    """
    held = read_arrays(file, ("X", "y", "images", "folds"), _TFD)
    if {"X", "y"} <= set(held):
        if fold is not None:
            raise ValueError(f"{file} holds house numbers, which have no folds; name the file alone")
        return file.stem, (_house_numbers(file, held), None)
    fold = 1 if fold is None else fold
    return f"{file.stem}-{fold}", _faces(file, held, fold)


def read_arrays(file: Path, names: Sequence[str], expected: str) -> dict[str, Array]:
    """
    Reads the real numeric arrays ``names`` of a MATLAB file up to version 7; arrays that are absent or of another kind are left out.

    SciPy reads the file in a separate process (``mat_process``), as a damaged file may crash it. Raises ValueError, with the text ``expected`` about the
    content of the file, if the process refuses the file, crashes, takes longer than ten minutes, or needs more than half of the free memory.
    """
    command = [sys.executable, "-P", mat_process.__file__, str(file.resolve()), *names]
    environment = {**os.environ, mat_process.LIMIT: str(available() // 2)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        reason = f"reading it took more than {_SECONDS:g} seconds"
    else:
        if done.returncode == 0:
            with refusing(f"'{file}'", "cannot be read as a MATLAB file", f"download it again; {expected}"):
                return dict(np.load(io.BytesIO(done.stdout), allow_pickle=False))
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if done.returncode == 1 and lines else "it crashes SciPy's reader"
    raise ValueError(f"'{file}' cannot be read as a MATLAB file ({reason}); download it again; {expected}")


def _refuse_missing(file: Path, held: Mapping[str, Array], names: Sequence[str], expected: str) -> None:
    missing = [name for name in names if name not in held]
    if missing:
        raise ValueError(f"'{file}' holds no array {' and none '.join(missing)}; {expected}")


def _read_svhn_file(file: Path) -> Images:
    return _house_numbers(file, read_arrays(file, ("X", "y"), _SVHN))


def _house_numbers(file: Path, held: Mapping[str, Array]) -> Images:
    """The images of one of SVHN's files, in file order."""
    _refuse_missing(file, held, ("X", "y"), _SVHN)
    x, y = held["X"], held["y"].reshape(-1)
    if x.ndim == 3:
        x = x[..., None]  # MATLAB drops a last axis of length 1
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (32, 32, 3) or y.dtype.kind not in "uif":
        raise ValueError(f"'{file}' is not SVHN's: X is {x.dtype} {x.shape} and y {y.dtype} {held['y'].shape}; {_SVHN}")
    if len(y) != x.shape[3] or len(y) == 0:
        raise ValueError(f"'{file}' is not SVHN's: it has {x.shape[3]} images and {len(y)} labels; {_SVHN}")
    wrong = (y < 1) | (y > 10) | (y % 1 != 0)
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"'{file}' is not SVHN's: image {i} has the label {y[i]}; {_SVHN}")
    pixels = np.ascontiguousarray(x.transpose(3, 2, 0, 1))
    labels = torch.from_numpy(y.astype(np.int64) % 10)
    return Images(torch.from_numpy(pixels), labels, tuple("0123456789"))


def _faces(file: Path, held: Mapping[str, Array], fold: int) -> Parts:
    """The train and test images of one fold of the Toronto Face Database."""
    if not 1 <= fold <= FOLDS:
        raise ValueError(f"the Toronto Face Database has folds 1 to {FOLDS}; got {fold}")
    _refuse_missing(file, held, ("images", "folds"), _TFD)
    x, folds = held["images"], held["folds"]
    if x.dtype != np.uint8 or x.ndim != 3 or folds.shape != (len(x), FOLDS) or not np.isin(folds, range(4)).all():
        raise ValueError(
            f"'{file}' is no Toronto Face Database: images are {x.dtype} {x.shape}, folds {folds.dtype} {folds.shape}; {_TFD}"
        )
    own = torch.from_numpy(folds[:, fold - 1].astype(np.int64))
    for name, kinds in (
        ("unlabelled or training", (_UNLABELLED, _TRAIN)),
        ("validation", (_VALIDATION,)),
        ("test", (_TEST,)),
    ):
        if not torch.isin(own, torch.tensor(kinds)).any():
            raise ValueError(f"fold {fold} of '{file}' has no {name} faces; is the file complete?")
    faces = Images(torch.from_numpy(x[:, None].copy()), torch.zeros(len(x), dtype=torch.int64), ("face",))
    return faces.take((own != _TEST).nonzero()[:, 0]), faces.take((own == _TEST).nonzero()[:, 0])


def _joined(one: Images, two: Images) -> Images:
    return Images(torch.cat([one.pixels, two.pixels]), torch.cat([one.labels, two.labels]), one.class_names)
