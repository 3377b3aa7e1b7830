"""Two processes never write one folder or file at the same time: it is locked while it is written."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ridgewalk import processes

NAME = ".lock"
"""Name of the file in a folder that is locked, which stays there, empty; it ends the name of the file that is locked for a file."""


class Lock:
    """
    The right to write into a folder, or to create a file, for one process at a time. The operating system releases it when the process ends, however it ends.

    Args:
        place: the folder or file, which need not exist.
        file: the file that is locked for it.
    """

    def __init__(self, place: Path, file: Path) -> None:
        self.place, self.file = place, file
        self._descriptor: int | None = None

    @classmethod
    def of_folder(cls, folder: Path) -> "Lock":
        """The lock of a folder, which lies in it."""
        return cls(folder, folder / NAME)

    @classmethod
    def of_file(cls, file: Path) -> "Lock":
        """The lock of a file, which lies beside it."""
        return cls(file, file.with_name(f".{file.name}{NAME}"))

    def acquire(self) -> None:
        """
        Acquires the lock; on a file system without locks nothing is locked.

        Raises:
            ValueError: where another process has it.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                os.close(descriptor)
                raise ValueError(
                    f"another ridgewalk process is writing {self.place}; wait until it has ended, or choose another place"
                ) from error
        self._descriptor = descriptor

    def release(self, remove: bool = False) -> None:
        """Releases the lock, where this object has it; ``remove`` deletes its file as well."""
        if self._descriptor is not None:
            if remove:
                self.file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


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
    lock = Lock.of_folder(folder)

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
