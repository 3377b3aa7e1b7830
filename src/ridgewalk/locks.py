"""Two processes never write one folder or file at the same time: it is locked while it is written."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from secrets import token_hex

from ridgewalk import processes

NAME = ".lock"
"""Name of the file in a folder that is locked, which stays there, empty; it ends the name of the file that is locked for a file."""


TEMPORARY = ".tmp"
"""End of the names of files and folders that are being written."""


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
            ValueError: where another process has it, or the place cannot be written.
        """
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise ValueError(
                f"{self.place} cannot be written ({error.strerror}): name another place with --out, where the command has it, copy the run to a "
                "folder of your own, or change the permissions"
            ) from error
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


@contextmanager
def new_temporary(target: Path, folder: bool = False) -> Iterator[Path]:
    """
    Creates a temporary file or folder beside ``target``, which the caller fills and renames; it is removed if it is still there at the end.

    Its name is random, because in containers each process may have the same number. It is locked until the end; a temporary file or folder of the same target
    that nobody has locked was left by a process that has ended, and is removed. Where files cannot be locked nothing is removed.
    """
    for other in target.parent.glob(f".{escape(target.name)}.*{TEMPORARY}"):
        if (descriptor := _held(other)) is not None:
            _remove(other)
            os.close(descriptor)
    while True:
        place = target.with_name(f".{target.name}.{token_hex(6)}{TEMPORARY}")
        place.mkdir() if folder else place.touch(exist_ok=False)
        descriptor = _held(place)
        if place.exists():  # another process may have removed it before it was locked
            break
        if descriptor is not None:
            os.close(descriptor)
    try:
        yield place
    finally:
        _remove(place)
        if descriptor is not None:
            os.close(descriptor)


def _held(place: Path) -> int | None:
    """A descriptor that locks a file or folder; None where another process has locked it, or nothing can be locked."""
    if os.name == "nt":  # pragma: no cover - an open file cannot be renamed there
        return None
    descriptor = None
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
        _lock(descriptor)
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but the file of its lock and temporary files of a process that was killed."""
    return all(_is_nothing(entry.name) for entry in folder.iterdir())


def _is_nothing(name: str) -> bool:
    return name == NAME or (name.startswith(".") and name.endswith(TEMPORARY))


def _lock(file: int) -> None:
    """Locks an open file for this process; OSError where another has it."""
    if os.name == "nt":  # pragma: no cover
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
