"""
Tables: rows of numbers with a class each, from a file or from scikit-learn.

    .npy    an array (n, d)
    .npz    an array X (or x, data, values), and labels (n,), whole numbers or words, as y (or label, labels, class, target)
    .csv    columns of numbers, with or without a first line of column names; a column called label, labels, class or target has the labels

Without labels there is one class, "all". Columns that number the rows are left out (``columns``).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ridgewalk.data.arrays import Archive, open_arrays
from ridgewalk.data.columns import coordinates
from ridgewalk.data.comma_separated import LABELS, read_text
from ridgewalk.data.hugging_face import number_classes

SUFFIXES = (".npy", ".npz", ".csv")
"""File name endings of tables."""

TABLES = {
    "breast-cancer": "load_breast_cancer",
    "wine": "load_wine",
    "iris": "load_iris",
    "digits-table": "load_digits",
}
"""Maps the names of scikit-learn's tables to the functions that load them, all offline."""

_VALUES = ("X", "x", "data", "values")
_DIGITS = 19  # of numbers that int64 holds


class Table(NamedTuple):
    """
    The rows of a table, in the order of the source.

    Attributes:
        values: float32 (n, d), finite, n and d at least 2.
        labels: int64 (n,) labels from 0.
        names: name of each class.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]


def read_builtin(name: str) -> Table:
    """Loads the table of scikit-learn called ``name``, a key of ``TABLES``."""
    from sklearn import datasets

    held = getattr(datasets, TABLES[name])()
    labels = held.target.astype(np.int64)
    return Table(held.data.astype(np.float32), labels, tuple(str(c) for c in held.target_names))


def read_table(path: Path) -> Table:
    """Reads the table of a .npy, .npz or .csv file; an error names the first row that cannot be used."""
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    held = open_arrays(path)
    if path.suffix.lower() == ".npz":
        return _read_archive(held, path)
    return _unlabelled(_array(held, path, "save floats (n, d)"), path)


def _read_archive(archive: object, path: Path) -> Table:
    if not isinstance(archive, Archive):
        raise ValueError(f"'{path}' is no NumPy archive of arrays; write it with numpy.savez(path, X=..., y=...)")
    x = next((n for n in _VALUES if n in archive.names), None)
    y = next((n for n in ("y", *LABELS) if n in archive.names), None)
    if x is None:
        raise ValueError(
            f"'{path}' must hold its rows under X (or {', '.join(_VALUES[1:])}); it holds {', '.join(archive.names) or 'nothing'}; "
            "write it with numpy.savez(path, X=..., y=...)"
        )
    table = _unlabelled(_array(archive.read(x), path, "save X as floats (n, d)"), path)
    if y is None:
        return table
    labels = archive.read(y)
    if labels.dtype.kind not in "iuU" or labels.shape != (len(table.values),):
        raise ValueError(
            f"'{path}' must hold one whole number or one word as the label of each row, ({len(table.values)},); {y} is {labels.dtype} {labels.shape}"
        )
    return _labelled(table.values, labels.tolist(), f"{y} of '{path}'")


def _read_csv(path: Path) -> Table:
    text = read_text(path)
    table = _unlabelled(text.values, path, text.lines, text.names)
    if text.labels is None:
        return table
    whole: Sequence[int | str] = [int(v) for v in text.labels] if all(map(_is_whole, text.labels)) else text.labels
    return _labelled(table.values, whole, f"the labels of '{path}'")


def _is_whole(cell: str) -> bool:
    return cell.removeprefix("-").isdecimal() and len(cell) < _DIGITS


def _array(array: object, path: Path, instead: str) -> NDArray[np.generic]:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        kind = array.dtype if isinstance(array, np.ndarray) else "an archive"
        raise ValueError(f"'{path}' must hold an array of numbers; it holds {kind}; {instead}")
    return array


def _unlabelled(
    array: NDArray[np.generic], path: Path, lines: Sequence[int] = (), names: Sequence[str] | None = None
) -> Table:
    """The coordinates of an array (n, d) with one class, after checks; ``lines`` and ``names`` name rows and columns in messages."""
    _refuse_small(array, path)
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    broken = ~np.isfinite(values).all(axis=1)
    if broken.any():
        first = int(broken.argmax())
        raise ValueError(
            f"'{path}' must hold finite numbers below 3e38; {f'line {lines[first]}' if lines else f'row {first}'} does not; correct it"
        )
    kept = coordinates(array, names, f"'{path}'")
    if len(kept) < array.shape[1]:
        values = values[:, kept]
        _refuse_small(values, path)
    return Table(np.ascontiguousarray(values), np.zeros(len(values), dtype=np.int64), ("all",))


def _refuse_small(array: NDArray[np.generic], path: Path) -> None:
    if array.ndim != 2 or min(array.shape) < 2:
        raise ValueError(
            f"'{path}' must hold at least 2 rows of at least 2 columns, one row for each point; it holds {array.shape}"
        )


def _labelled(values: NDArray[np.float32], labels: Sequence[int | str], where: str) -> Table:
    numbers, names = number_classes(labels, None, where)
    return Table(values, np.array(numbers, dtype=np.int64), names)
