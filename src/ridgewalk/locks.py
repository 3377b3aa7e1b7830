"""Two processes never write into one folder at the same time: it is locked while it is written."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ridgewalk import processes

NAME = ".lock"
"""The file in a folder that is locked; it stays there, empty."""


class FolderLock:
    """
    The right to write into a folder, for one process at a time. The operating system releases it when the process ends, however it ends.

    Args:
        folder: an existing folder, or one that ``acquire`` makes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: int | None = None

    def acquire(self) -> None:
        """
        Takes the lock.

        Raises:
            ValueError: where another process has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self.folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file)
        except OSError as error:
            os.close(file)
            raise ValueError(
                f"another ridgewalk process is writing into {self.folder}; wait until it has ended, or choose another folder"
            ) from error
        self._file = file

    def release(self) -> None:
        """Releases the lock, where this object has it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextmanager
def writing(folder: Path, claim: Callable[[], None] = lambda: None) -> Iterator[None]:
    """
    Locks a folder for the processes of this command; of a torchrun, process 0 has the lock.

    Args:
        folder: folder that will be written.
        claim: called by process 0 when it has the lock, before any process continues.

    Raises:
        ValueError: where another command is writing the folder.
    """
    lock = FolderLock(folder)

    def take() -> None:
        lock.acquire()
        claim()

    try:
        processes.first(take)
        yield
    finally:
        lock.release()


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but the file of its lock."""
    return all(entry.name == NAME for entry in folder.iterdir())


def _lock(file: int) -> None:
    """Locks an open file for this process; OSError where another has it."""
    if os.name == "nt":  # pragma: no cover
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
