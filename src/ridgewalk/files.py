"""Files that are written completely or not at all, and folders that are never overwritten."""

import atexit
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

from ridgewalk.locks import Lock, is_empty, new_temporary


def write_bytes(path: Path, content: bytes) -> str:
    """
    Writes a file atomically, into a temporary file beside it that is flushed and then renamed; folders above the file are created.

    Temporary files of the same target that a killed process left behind are removed.

    Returns:
        The SHA-256 of the content, in hexadecimal.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_temporary(path) as temporary:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        note_written(path)
        release_claim(path.parent)
        release_claim(path)
    return hashlib.sha256(content).hexdigest()


_RECORDS: list[list[Path]] = []
"""The lists of the open ``recording`` blocks."""


@contextmanager
def recording() -> Iterator[list[Path]]:
    """Yields a list to which every file and folder is added that this process writes in the block; what other processes write is not."""
    record: list[Path] = []
    _RECORDS.append(record)
    try:
        yield record
    finally:
        _RECORDS.pop()


def note_written(place: Path) -> None:
    """Says that this process has written a file, or a folder as a whole, where that was not done by ``write_bytes``."""
    for record in _RECORDS:
        record.append(place)


def write_arrays(path: Path, arrays: "Mapping[str, Tensor]") -> None:
    """Writes named tensors as a compressed .npz file, atomically."""
    import numpy as np  # imported late, because the command line imports this file for every command

    buffer = io.BytesIO()
    stored: dict[str, Any] = {name: tensor.detach().cpu().numpy() for name, tensor in arrays.items()}
    np.savez_compressed(buffer, **stored)
    write_bytes(path, buffer.getvalue())


def refuse_used(folder: Path, remedy: str = "choose another --out") -> None:
    """Raises a ValueError, which ends with ``remedy``, if the folder is not empty or is a file."""
    if folder.exists() and (not folder.is_dir() or not is_empty(folder)):
        raise ValueError(f"{folder} exists already and is not empty; {remedy}")


def refuse_existing(file: Path) -> None:
    """Raises a ValueError if the file exists."""
    if file.exists():
        raise ValueError(f"{file} exists already; choose another --out")


def new_folder(folder: Path) -> Path:
    """
    Claims a folder to write into, and creates it where it does not exist.

    Other processes are refused it from now on: at first by a lock, then because it holds what ``write_bytes`` wrote there.

    Raises:
        ValueError: if the folder is not empty, or another process has claimed it.
    """
    return _claim(folder, Lock.of_folder(folder), refuse_used)


def new_file(file: Path) -> Path:
    """Claims a file that does not exist, in the same way; ``write_bytes`` creates it."""
    return _claim(file, Lock.of_file(file), refuse_existing)


def _claim(place: Path, lock: Lock, refuse: Callable[[Path], None]) -> Path:
    refuse(place)
    if place.resolve() in _CLAIMED:
        return place
    _CREATED.update(p for p in (place.resolve(), *place.resolve().parents) if not p.exists())
    lock.acquire()
    _CLAIMED[place.resolve()] = lock
    try:
        refuse(place)  # another process may have written it before the lock was acquired
    except ValueError:
        release_claim(place)
        raise
    return place


_CLAIMED: dict[Path, Lock] = {}
"""The locks of the folders and files that this process has claimed and not written yet."""

_CREATED: set[Path] = set()
"""Those of them, and of the folders above them, that did not exist before."""


def release_claim(place: Path) -> None:
    """Removes the lock of a folder or file that this process has claimed; does nothing for others."""
    lock = _CLAIMED.pop(place.resolve(), None)
    if lock is not None:
        lock.release(remove=True)


@atexit.register
def abandon_claims() -> None:
    """Removes the locks of everything that this process has claimed and not written, and the folders that it created for it."""
    for place in list(_CLAIMED):
        release_claim(place)
    for place in sorted(_CREATED, key=lambda p: len(p.parts), reverse=True):
        with suppress(OSError):  # only a folder that is still empty is removed
            place.rmdir()
    _CREATED.clear()


def new_free_folder(parent: Path, stem: str) -> Path:
    """Claims the first folder of ``parent``/stem, stem-2, stem-3, ... that does not exist and that no other process has claimed, and returns it."""
    return _claim_first(_numbered(parent, stem), new_folder)


def new_free_file(file: Path) -> Path:
    """Claims the first file of NAME.EXT, NAME-2.EXT, NAME-3.EXT, ... in the same way, and returns it."""
    return _claim_first(_numbered(file.parent, file.stem, file.suffix), new_file)


def _claim_first(places: Iterator[Path], claim: Callable[[Path], Path]) -> Path:
    for place in places:
        if not place.exists():
            with suppress(ValueError):  # another process has claimed it meanwhile
                return claim(place)
    raise AssertionError("the numbers do not end")


def free_folder(parent: Path, stem: str) -> Path:
    """Returns the first folder of ``parent``/stem, stem-2, stem-3, ... that does not exist, without claiming it."""
    return next(place for place in _numbered(parent, stem) if not place.exists())


def _numbered(parent: Path, stem: str, suffix: str = "") -> Iterator[Path]:
    yield parent / f"{stem}{suffix}"
    yield from (parent / f"{stem}-{number}{suffix}" for number in count(2))
