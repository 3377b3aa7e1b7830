"""Files that are written completely or not at all, and folders that are never overwritten."""

import atexit
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

from ridgewalk.locks import NAME as LOCK
from ridgewalk.locks import FolderLock, is_empty


def write_bytes(path: Path, content: bytes) -> str:
    """
    Writes a file atomically, into a temporary file beside it that is flushed and then renamed; folders above the file are created.

    Returns:
        The SHA-256 of the content, in hexadecimal.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        release_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


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
    refuse_used(folder)
    lock = FolderLock(folder)
    lock.acquire()
    _CLAIMED[folder.resolve()] = lock
    try:
        refuse_used(folder)  # another process may have written into it before the lock was acquired
    except ValueError:
        release_folder(folder)
        raise
    return folder


_CLAIMED: dict[Path, FolderLock] = {}
"""The locks of folders that this process has claimed and not written into yet."""


def release_folder(folder: Path) -> None:
    """Removes the lock of a folder that this process has claimed; does nothing for other folders."""
    lock = _CLAIMED.pop(folder.resolve(), None)
    if lock is not None:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()


@atexit.register
def _release_all() -> None:
    for folder in list(_CLAIMED):
        release_folder(folder)


def new_free_folder(parent: Path, stem: str) -> Path:
    """Claims the first folder of ``parent``/stem, stem-2, stem-3, ... that does not exist, and returns it."""
    while True:
        folder = free_folder(parent, stem)
        try:
            return new_folder(folder)
        except ValueError:
            if not folder.exists():
                raise


def free_folder(parent: Path, stem: str, suffix: str = "") -> Path:
    """Returns the first path of ``parent``/stem, stem-2, stem-3, ..., each followed by ``suffix``, that does not exist."""
    number, free = 1, parent / f"{stem}{suffix}"
    while free.exists():
        number += 1
        free = parent / f"{stem}-{number}{suffix}"
    return free


def free_file(file: Path) -> Path:
    """Returns the first path of NAME.EXT, NAME-2.EXT, NAME-3.EXT, ... that does not exist."""
    return free_folder(file.parent, file.stem, file.suffix)
