"""
NumPy's files, .npy and .npz, read without trust in what they state.

Nothing is unpickled. The shape and type in a header must account for every byte of the array, and an array that the memory cannot hold is refused before it
is read, however small the file is that it is compressed in.
"""

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from ridgewalk.memory import TooLarge, refuse_beyond

Array = NDArray[Any]

_PLAIN = " (pickled objects are not read)"


@dataclass(frozen=True)
class Archive:
    """
    An .npz file, whose arrays are read one by one.

    Attributes:
        file: the file.
        names: names of its arrays.
    """

    file: Path
    names: tuple[str, ...]

    def read(self, name: str) -> Array:
        """The array called ``name``, one of ``names``; ValueError as of ``open_arrays``."""
        what = "is no NumPy archive of numbers or was cut short"
        with (
            refusing(f"'{self.file}'", what, f"write it with numpy.savez{_PLAIN}"),
            zipfile.ZipFile(self.file) as archive,
        ):
            member = archive.getinfo(f"{name}.npy")
            return _read(lambda: archive.open(member), member.file_size, f"'{name}' of '{self.file}'")


def open_arrays(file: Path) -> Array | Archive:
    """
    The array of a .npy file, or the names of the arrays in an .npz file; which of them it is depends on the content, not on the name.

    Raises:
        ValueError: if the file is damaged or no file of NumPy, holds Python objects, or needs more memory than there is.
    """
    with refusing(f"'{file}'", "is no NumPy file of numbers or was cut short", f"write it with numpy.save{_PLAIN}"):
        with file.open("rb") as stream:
            is_array = stream.read(2) != b"PK"
        if is_array:
            return _read(lambda: file.open("rb"), file.stat().st_size, f"'{file}'")
        with zipfile.ZipFile(file) as archive:
            return Archive(file, tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")))


@contextmanager
def refusing(file: Path | str, what: str, remedy: str) -> Iterator[None]:
    """Turns every error of a foreign reader into one sentence; damaged files raise errors of many types."""
    try:
        yield
    except TooLarge:
        raise
    except PermissionError as error:
        raise PermissionError(error.errno, error.strerror, error.filename or str(file).strip("'")) from error
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{file} {what} ({reason}); {remedy}") from error


def _read(opened: Callable[[], IO[bytes]], size: int, what: str) -> Array:
    """The array of a stream of ``size`` bytes, which is opened once for the header and once for everything."""
    with opened() as stream:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"its format has the version {version[0]}.{version[1]}, which no array of numbers needs")
        shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(stream)
        left, stated = size - stream.tell(), math.prod(shape) * dtype.itemsize
    if not dtype.hasobject:  # NumPy itself refuses to unpickle objects
        if min(shape, default=0) < 0 or stated != left:
            raise ValueError(f"its header states {dtype} {shape}, and so {stated} bytes, and {left} follow")
        refuse_beyond(2 * stated, what, "take fewer rows")  # it is copied once, as it is converted or shuffled
    with opened() as stream:
        return npy.read_array(stream, allow_pickle=False)
