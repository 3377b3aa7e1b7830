"""Files that are written whole or not at all, and folders that are not written over."""

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

from ridgewalk.locks import is_empty


def write_bytes(path: Path, content: bytes) -> str:
    """
    Writes a file atomically: into a temporary file beside it, which is flushed and then renamed.

    Args:
        path: the file; folders above it are made.
        content: all of it.

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
    finally:
        temporary.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def write_arrays(path: Path, arrays: "Mapping[str, Tensor]") -> None:
    """Writes tensors by name as a compressed .npz file, atomically."""
    import numpy as np  # here, as the command line imports this file before it knows its verb

    buffer = io.BytesIO()
    stored: dict[str, Any] = {name: tensor.detach().cpu().numpy() for name, tensor in arrays.items()}
    np.savez_compressed(buffer, **stored)
    write_bytes(path, buffer.getvalue())


def refuse_used(folder: Path, remedy: str = "choose another --out") -> None:
    """
    Refuses a folder that holds something, or a file in its place.

    Args:
        folder: where a result would be written.
        remedy: what the error tells the user to do.
    """
    if folder.exists() and (not folder.is_dir() or not is_empty(folder)):
        raise ValueError(f"{folder} exists already and is not empty; {remedy}")


def new_folder(folder: Path) -> Path:
    """Makes a folder to write into and returns it; a folder that holds something is refused."""
    refuse_used(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        try:
            folder.mkdir()  # of several processes exactly one makes it
        except FileExistsError as error:
            raise ValueError(f"{folder} was made by another process at the same time; choose another --out") from error
    return folder


def new_free_folder(parent: Path, stem: str) -> Path:
    """Makes the first of stem, stem-2, stem-3, ... below ``parent`` that does not exist, for this process alone, and returns it."""
    while True:
        folder = free_folder(parent, stem)
        try:
            return new_folder(folder)
        except ValueError:
            if not folder.exists():
                raise


def free_folder(parent: Path, stem: str) -> Path:
    """The first of stem, stem-2, stem-3, ... below ``parent`` that does not exist."""
    number, folder = 1, parent / stem
    while folder.exists():
        number += 1
        folder = parent / f"{stem}-{number}"
    return folder


def refuse_existing(file: Path) -> None:
    """Refuses a file that exists, so that it is not written over."""
    if file.exists():
        raise ValueError(f"{file} exists already; choose another --out")


def free_file(file: Path) -> Path:
    """The first of NAME.EXT, NAME-2.EXT, NAME-3.EXT, ... that does not exist."""
    number, free = 1, file
    while free.exists():
        number += 1
        free = file.with_name(f"{file.stem}-{number}{file.suffix}")
    return free
