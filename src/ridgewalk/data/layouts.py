"""Layouts of folders that hold other data sets than images in class folders, where they lie in a folder, and what to give as SOURCE."""

import os
import warnings
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from ridgewalk.data.decode import extensions
from ridgewalk.data.idx import holds_idx
from ridgewalk.data.listing import is_hidden, list_folder, natural_order, warn_of_passed
from ridgewalk.data.matlab import holds_svhn

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")

FILE_SOURCES = (".parquet", ".mat", ".npy", ".npz", ".csv")
"""File name endings of sources that are one file."""

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
"""File name endings of archives, which are not read."""

_DEPTH = 5  # folders below the given one that are searched; a snapshot in the hub's cache has its files at 4


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder, or else those of its subfolders that are named as splits, in natural order."""
    found = _parquet_in(folder)
    if not found:
        splits = (s for s in _entries(folder) if s.name.lower() in TRAIN_NAMES + TEST_NAMES)
        found = [file for s in splits for file in _parquet_in(s)]
    return sorted(found, key=lambda f: natural_order(str(f.relative_to(folder))))


def locate(folder: Path) -> Path:
    """
    The folder with IDX files, SVHN's files or Parquet files that is ``folder`` or lies below it, or ``folder`` where it has images or none of these.

    Warns if another folder is returned, and raises ValueError if there are several.
    """
    if _is_known(folder):
        return folder
    found, seen = list[Path](), set[Path]()
    for here, subfolders, files in os.walk(folder, followlinks=True):
        place = Path(here)
        is_new = place.resolve() not in seen
        seen.add(place.resolve())
        if not is_new or _is_known(place):
            found += [place] * is_new
            subfolders.clear()
            continue
        if any(os.path.splitext(name)[1][1:].lower() in extensions() and not is_hidden(name) for name in files):
            return folder
        is_deep = len(place.relative_to(folder).parts) >= _DEPTH
        subfolders[:] = [] if is_deep else sorted((s for s in subfolders if not is_hidden(s)), key=natural_order)
    if len(found) > 1:
        places = ", ".join(str(place) for place in found[:8]) + ", ..." * (len(found) > 8)
        raise ValueError(f"'{folder}' holds {len(found)} data sets; give one of their folders: {places}")
    if found:
        warnings.warn(f"'{folder}' holds no images; '{found[0]}' is read", UserWarning, stacklevel=3)
    return found[0] if found else folder


def advise(files: Iterable[Path]) -> str:
    """What to do about files that are no images, as the end of a sentence: a file that is a source is to be given, an archive to be unpacked."""
    archive = ""
    for file in files:
        if file.suffix.lower() in FILE_SOURCES and not is_hidden(file.name):
            place = file.parent if file.suffix.lower() == ".parquet" else file
            return f"; to read {file.name}, give '{place}'"
        if file.suffix.lower() in ARCHIVES and not archive:
            archive = f"; unpack {file.name} first"
    return archive


def nearest(path: Path) -> Path | None:
    """An existing file or folder whose name is near that of ``path``, which does not exist; also in a folder that is near its folder."""
    parents = [path.parent] if path.parent.is_dir() else _near(path.parent, 0.8)
    return next((found for parent in parents for found in _near(parent / path.name, 0.8)), None)


def warn_of_unread(folder: Path, read: Sequence[Path]) -> None:
    """Warns of the images and Parquet files of a folder other than the Parquet files that are read."""
    listed, passed = list_folder(folder, skip_bad=True)
    used = {file.resolve() for file in read}
    unread = [(file, file.suffix.lower()) for file in listed.every_image()]
    unread += [(f, reason) for f, reason in passed if reason == ".parquet" and f.resolve() not in used]
    warn_of_passed(folder, unread)


def _near(path: Path, cutoff: float) -> list[Path]:
    """The visible entry of the folder of ``path`` whose name is nearest to its name, if any."""
    names = [entry.name for entry in _entries(path.parent)]
    return [path.parent / name for name in get_close_matches(path.name, names, n=1, cutoff=cutoff)]


def _is_known(folder: Path) -> bool:
    """Whether a folder can be listed and holds one of the layouts."""
    try:
        return holds_idx(folder) or holds_svhn(folder) or bool(parquet_files(folder))
    except PermissionError:  # the folder is refused by name where its images are listed
        return False


def _entries(folder: Path) -> list[Path]:
    """The visible entries of a folder; none where there is no such folder, or where it cannot be read."""
    try:
        return [entry for entry in folder.iterdir() if not is_hidden(entry.name)]
    except OSError:
        return []


def _parquet_in(folder: Path) -> list[Path]:
    return [file for file in _entries(folder) if file.suffix.lower() == ".parquet"]
