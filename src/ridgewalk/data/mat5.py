"""
MATLAB's file format, version 5: numeric arrays by name.

    header     116 bytes of text, 8 unused, version (2 bytes: 0x0100), byte order (2 bytes: IM little-endian, MI big-endian)
    element    tag (type, number of bytes: 4 bytes each), the bytes, zeros up to a multiple of 8; a small one has both in 4 bytes and its data in the next 4
    matrix     an element of type 14 that holds elements: flags and class, shape, name, values in column-major order and in whatever type is smallest
    compressed an element of type 15, not padded: a zlib stream of one element

Every length is checked against what is there, so that no file, however damaged, does more than be refused.

Source: The MathWorks, MAT-File Format (R2024a), chapter 1.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800
_HEAD = 4096  # bytes in which a matrix has its flags, shape and name, and more


class NotMatlab(ValueError):
    """A file that is cut short, damaged, or something else; its text is a clause without the file's name."""


class _Element(NamedTuple):
    kind: int
    data: memoryview
    end: int


def names_in(file: Path) -> set[str]:
    """Names of a file's variables, of whatever kind; NotMatlab where it cannot be read."""
    return {name for name, _ in _variables(*_opened(file))}


def read_arrays(file: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """
    The real numeric arrays of a file that have these names; those that it does not hold, or of another kind, are left out.

    Raises:
        NotMatlab: where it cannot be read.
    """
    raw, order = _opened(file)
    return {
        name: array
        for name, element in _variables(raw, order)
        if name in names and (array := _array(element, order)) is not None
    }


def _opened(file: Path) -> tuple[memoryview, str]:
    """The bytes after the header, and the byte order as numpy writes it."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise NotMatlab(str(error)) from error
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:128])
    if len(raw) < _HEADER or order is None:
        raise NotMatlab("it does not begin as one")
    version = int(np.frombuffer(raw, f"{order}u2", 1, 124)[0])
    if version == 0x0200:
        raise NotMatlab("it is in format 7.3, which is not read here: save it with -v7")
    if version != 0x0100:
        raise NotMatlab(f"it states the version {version:#06x}, not 0x0100")
    return memoryview(raw)[_HEADER:], order


def _variables(raw: memoryview, order: str) -> Iterator[tuple[str, _Element]]:
    """The name of each matrix, and its element as it stands, compressed or not."""
    at = 0
    while at < len(raw):
        element = _element(raw, at, order)
        if element.kind not in (_MATRIX, _COMPRESSED):
            raise NotMatlab(f"it holds an element of the type {element.kind} where a matrix should be")
        body = element.data if element.kind == _MATRIX else _inflated(element.data, _HEAD)
        inner = body if element.kind == _MATRIX else body[8:]  # past the matrix' own tag
        *_, name, _ = _head(inner, order)
        yield name, element
        at = element.end


def _array(element: _Element, order: str) -> NDArray[Any] | None:
    body = element.data
    if element.kind == _COMPRESSED:
        whole = _element(_inflated(body), 0, order)
        if whole.kind != _MATRIX:
            raise NotMatlab(f"it holds a compressed element of the type {whole.kind} where a matrix should be")
        body = whole.data
    flags, shape, _, at = _head(body, order)
    if flags & 0xFF not in _CLASSES or flags & _COMPLEX:
        return None
    values = _element(body, at, order)
    if values.kind not in _TYPES:
        raise NotMatlab(f"it holds values of the unknown type {values.kind}")
    kind = np.dtype(order + _TYPES[values.kind])
    if len(values.data) != math.prod(shape) * kind.itemsize:
        raise NotMatlab(f"an array of shape {shape} has {len(values.data)} bytes of values")
    array = np.frombuffer(values.data, kind).reshape(shape, order="F")
    return array.astype(_CLASSES[flags & 0xFF])


def _head(body: memoryview, order: str) -> tuple[int, tuple[int, ...], str, int]:
    """Flags and class, shape, name, and where the values begin."""
    flags, at = _numbers(body, 0, order, 6)
    shape, at = _numbers(body, at, order, 5)
    name = _element(body, at, order)
    if name.kind != 1 or len(flags) != 2 or len(shape) < 2 or min(shape) < 0:
        raise NotMatlab(f"a matrix has no name, or its shape {tuple(shape)} is none")
    return flags[0], tuple(shape), bytes(name.data).decode("latin-1"), name.end


def _numbers(body: memoryview, at: int, order: str, kind: int) -> tuple[list[int], int]:
    element = _element(body, at, order)
    if element.kind != kind or len(element.data) % 4:
        raise NotMatlab("a matrix does not begin with its flags and shape")
    return np.frombuffer(element.data, order + _TYPES[kind]).tolist(), element.end


def _element(raw: memoryview, at: int, order: str) -> _Element:
    if at + 8 > len(raw):
        raise NotMatlab("it ends too early")
    kind, size = (int(v) for v in np.frombuffer(raw, f"{order}u4", 2, at))
    if kind >> 16:  # a small element
        kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
    else:
        start = at + 8
        end = start + size + (0 if kind == _COMPRESSED else -size % 8)
    if start + size > len(raw) or (start == at + 4 and size > 4):
        raise NotMatlab("it ends too early")
    return _Element(kind, raw[start : start + size], end)


def _inflated(data: memoryview, most: int = 0) -> memoryview:
    try:
        return memoryview(zlib.decompressobj().decompress(data, most))
    except zlib.error as error:
        raise NotMatlab(f"its compression is damaged: {error}") from error
