"""Loads a data set from SOURCE, one word; this module distinguishes the kinds of source."""

import errno
import os
import re
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from ridgewalk.data.decode import extensions
from ridgewalk.data.fashion_mnist import read_fashion_mnist
from ridgewalk.data.folders import read_folder
from ridgewalk.data.hugging_face import read_hub, read_parquet
from ridgewalk.data.idx import holds_idx, is_idx, read_idx
from ridgewalk.data.images import ImageData, Images
from ridgewalk.data.items import ImageFormat, reshape
from ridgewalk.data.layouts import ARCHIVES, FILE_SOURCES, locate, nearest, parquet_files, warn_of_unread
from ridgewalk.data.matlab import holds_svhn, read_mat, read_svhn
from ridgewalk.data.points import as_images, is_points, load_points
from ridgewalk.data.shapes import SIDE, dataset
from ridgewalk.data.splits import arrange
from ridgewalk.data.tables import TABLES
from ridgewalk.naming import unknown

SOURCES = (
    "SOURCE is 'digits', 'shapes', 'fashion-mnist', a folder with MNIST's four IDX files or SVHN's .mat files, a folder of images, a "
    "Parquet file or a folder of them, a .mat file of the Toronto Face Database, a table of scikit-learn "
    f"({', '.join(TABLES)}) or of your own (.npy, .npz, .csv), or the name of a data set on the Hugging Face hub, such as owner/name"
)
"""Describes the sources of ``load`` for messages and help texts."""

NAMES = ("digits", "shapes", "fashion-mnist", *TABLES)
"""Sources that are names, whatever files there are."""

_FOLD = re.compile(r"(.*\.mat):(\d+)", re.IGNORECASE)
_HUB_NAME = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*", re.ASCII)


def load(source: str, *, skip_bad: bool = False, size: int | None = None, channels: int | None = None) -> ImageData:
    """
    Loads the data set that ``source`` names, in its final order (see ``splits.arrange``).

    Args:
        source: ``digits`` (scikit-learn's 1797 digits of 8 x 8); ``shapes`` (36000 coloured shapes of 32 x 32, or of ``size``);
            ``fashion-mnist`` (70000 images of clothing of 28 x 28, where Debian's package has them); a folder with MNIST's IDX files
            (``idx``), images (``folders``), Parquet files (``hugging_face``) or SVHN's files, or with one folder of these below it; one of several data
            sets' IDX files in a folder; a Parquet file; a .mat file with the Toronto Face Database, of
            which FILE.mat:3 is the third fold and FILE.mat the first, or one of SVHN's (``matlab``); a density, a table or a file of numbers, whose rows
            become images (``points.as_images``); or the name of a data set on the hub (``hugging_face``). ./digits is a folder.
        skip_bad: whether unusable images are left out with one warning.
        size: side in pixels of the centre square, to which the shorter side is scaled.
        channels: number of channels, 1 (grey) or 3 (RGB).

    Raises:
        ValueError: if the source is none of these, or cannot be read or used; the message says which file or row.
    """
    try:
        return _load(source, ImageFormat(size, channels, skip_bad))
    except PermissionError as error:
        place = error.filename or source
        raise ValueError(
            f"'{place}' cannot be read: permission denied; change its permissions, or its folder's"
        ) from error


def refuse_skipping(source: str, skip_bad: bool) -> None:
    """Refuses to leave out bad images of a source that has no image files."""
    if skip_bad and (is_points(source) or source in ("digits", "shapes")):
        raise ValueError(
            f"--skip-bad leaves out image files that cannot be used, and '{source}' has none; leave it out"
        )


def _load(source: str, form: ImageFormat) -> ImageData:
    if not source.strip():
        raise ValueError(f"the source is empty; {SOURCES}")
    path = Path(os.path.expanduser(source))
    refuse_skipping(source, form.skip_bad)
    if is_points(source):
        if (form.size, form.channels) != (None, None):
            raise ValueError(f"--size and --channels are for images; '{source}' is rows of numbers")
        return as_images(load_points(source))
    if source == "digits":
        return arrange("digits", reshape(_digits(), form))
    if source == "shapes":
        drawn = dataset(size=SIDE if form.size is None else form.size)
        return arrange("shapes", reshape(drawn.train, form), reshape(drawn.test, form))
    if source == "fashion-mnist":
        return arrange(source, *_reshaped(read_fashion_mnist(), form))
    if path.is_dir():
        return _load_folder(path, form)
    if path.is_file() and path.suffix.lower() == ".parquet":
        return arrange(path.stem, *read_parquet(path, form))
    if is_idx(path):
        return arrange(path.name, *_reshaped(read_idx(path), form))
    if (fold := _FOLD.fullmatch(source)) is not None or (path.is_file() and path.suffix.lower() == ".mat"):
        file = path if fold is None else Path(fold[1]).expanduser()
        if not file.is_file():
            raise ValueError(f"no such file or folder: '{file}'; {SOURCES}")
        name, (train, held_out) = read_mat(file, None if fold is None else int(fold[2]))
        if held_out is None:
            return arrange(name, reshape(train, form))
        return arrange(name, *_reshaped((train, held_out), form))
    if path.is_file():
        own = f"; it is one image: give its folder, '{path.parent}'" if path.suffix[1:].lower() in extensions() else ""
        own = f"; {path.name} is an archive: unpack it, and give the folder" if path.suffix.lower() in ARCHIVES else own
        raise ValueError(f"'{source}' is a file, but no Parquet file, .mat file or table; {SOURCES}{own}")
    is_on_hub = "/" in source or source == "fashion_mnist"
    if not is_on_hub and get_close_matches(source.lower(), NAMES, cutoff=0.75):
        raise ValueError(f"{unknown('source', source, NAMES)}; {SOURCES}")
    _refuse_paths(source, path)
    return arrange(source, *read_hub(source, form, SOURCES))


def _load_folder(folder: Path, form: ImageFormat) -> ImageData:
    """The data set in a folder, or in the one folder below it that has a known layout."""
    if not os.access(folder, os.R_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    name, found = folder.resolve().name, locate(folder)
    if holds_idx(found):
        return arrange(name, *_reshaped(read_idx(found), form))
    if holds_svhn(found):
        return arrange(name, *_reshaped(read_svhn(found), form))
    if parquet_files(found):
        warn_of_unread(folder, parquet_files(found))
        return arrange(name, *read_parquet(found, form))
    return arrange(name, *read_folder(found, form))


def _reshaped(parts: tuple[Images, Images], form: ImageFormat) -> tuple[Images, Images]:
    train, test = parts
    return reshape(train, form, "train image"), reshape(test, form, "test image")


def _refuse_paths(source: str, path: Path) -> None:
    """Raises ValueError for a source that does not exist here, unless it has the form of a name on the hub and nothing here is near it."""
    near = nearest(path)
    is_inside = path.parent != Path() and path.parent.is_dir()
    is_file_name = path.suffix.lower() in (*FILE_SOURCES, *ARCHIVES) or path.suffix[1:].lower() in extensions()
    if near is None and not is_inside and not is_file_name and _HUB_NAME.fullmatch(source):
        return
    hint = "" if path.parent.is_dir() else f"; its folder does not exist either: '{path.parent}'"
    hint = hint if near is None else f"; did you mean '{near}'?"
    raise ValueError(f"no such file or folder: '{source}'{hint}; {SOURCES}")


def _digits() -> Images:
    """
    round(255 v / 16) of the values v = 0 .. 16 of scikit-learn's digits, (1797, 1, 8, 8).

    Source: E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits" (UCI, 1998), its test set.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * 255 / 16).astype(np.uint8)
    return Images.from_array(pixels, digits.target, [str(name) for name in digits.target_names])
