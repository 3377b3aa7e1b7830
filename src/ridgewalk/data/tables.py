"""
Tables: rows of numbers with a class each, from a file or from scikit-learn.

    .npy    an array (n, d)
    .npz    an array X (or x, data, values), and labels (n,), whole numbers or words, as y (or label, labels, class, target)
    .csv    columns of numbers, with or without a first line of column names; a column called label, labels, class or target has the labels

Without labels there is one class, "all".
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

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
_LABELS = ("label", "labels", "class", "target")


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
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _read_csv(path)
    return _read_npz(path) if suffix == ".npz" else _unlabelled(_array(_opened(path), path, "save floats (n, d)"), path)


def _opened(path: Path) -> object:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise ValueError(f"'{path}' is no NumPy file of numbers ({error}); write it with numpy.save") from error


def _read_npz(path: Path) -> Table:
    archive = _opened(path)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(f"'{path}' is no NumPy archive of arrays; write it with numpy.savez(path, X=..., y=...)")
    with archive:
        x = next((n for n in _VALUES if n in archive.files), None)
        y = next((n for n in ("y", *_LABELS) if n in archive.files), None)
        if x is None:
            raise ValueError(
                f"'{path}' must hold its rows under X (or {', '.join(_VALUES[1:])}); it holds {', '.join(archive.files) or 'nothing'}; "
                "write it with numpy.savez(path, X=..., y=...)"
            )
        try:
            values, labels = archive[x], None if y is None else archive[y]
        except (ValueError, OSError, EOFError, BadZipFile) as error:
            raise ValueError(f"'{path}' is no NumPy archive of numbers ({error}); write it with numpy.savez") from error
    table = _unlabelled(_array(values, path, "save X as floats (n, d)"), path)
    if labels is None:
        return table
    if labels.dtype.kind not in "iuU" or labels.shape != (len(table.values),):
        raise ValueError(
            f"'{path}' must hold one whole number or one word as the label of each row, ({len(table.values)},); {y} is {labels.dtype} {labels.shape}"
        )
    return _labelled(table.values, labels.tolist(), f"{y} of '{path}'")


def _read_csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            rows = [(f"line {lines.line_num}", cells) for cells in lines if any(cell.strip() for cell in cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"'{path}' is no text of comma-separated numbers ({error})") from error
    labels: list[str] | None = None
    if rows and not any(_is_number(cell) for cell in rows[0][1]):  # the names of the columns
        names = [cell.strip().lower() for cell in rows[0][1]]
        column = next((i for i, name in enumerate(names) if name in _LABELS), None)
        rows = rows[1:]
        if column is not None:
            short = next((where for where, cells in rows if len(cells) <= column), None)
            if short is not None:
                raise ValueError(f"'{path}' must have a label in each row; {short} has none; correct it")
            labels = [cells[column].strip() for _, cells in rows]
            rows = [(where, cells[:column] + cells[column + 1 :]) for where, cells in rows]
    for where, cells in rows:
        strange = next((cell for cell in cells if not _is_number(cell)), None)
        if strange is not None:
            raise ValueError(
                f"'{path}' must hold numbers, separated by commas; {where} holds '{strange}'; correct it, "
                "or name a column of labels 'label' in the first line"
            )
        if len(cells) != len(rows[0][1]):
            raise ValueError(
                f"'{path}' must have the same number of columns in each row; {rows[0][0]} has {len(rows[0][1])} and {where} has "
                f"{len(cells)}; correct it"
            )
    numbers = np.array([[float(cell) for cell in cells] for _, cells in rows], dtype=np.float64)
    table = _unlabelled(numbers, path, [where for where, _ in rows])
    if labels is None:
        return table
    whole: Sequence[int | str] = [int(v) for v in labels] if all(_is_whole(v) for v in labels) else labels
    return _labelled(table.values, whole, f"the labels of '{path}'")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_whole(cell: str) -> bool:
    return cell.removeprefix("-").isdecimal()


def _array(array: object, path: Path, instead: str) -> NDArray[np.generic]:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        kind = array.dtype if isinstance(array, np.ndarray) else "an archive"
        raise ValueError(f"'{path}' must hold an array of numbers; it holds {kind}; {instead}")
    return array


def _unlabelled(array: NDArray[np.generic], path: Path, places: Sequence[str] = ()) -> Table:
    """The table of an array (n, d) with one class, after checks; ``places`` names the rows in messages."""
    if array.ndim != 2 or min(array.shape) < 2:
        raise ValueError(
            f"'{path}' must hold at least 2 rows of at least 2 columns, one row for each point; it holds {array.shape}"
        )
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    broken = ~np.isfinite(values).all(axis=1)
    if broken.any():
        first = int(broken.argmax())
        raise ValueError(
            f"'{path}' must hold finite numbers below 3e38; {places[first] if places else f'row {first}'} does not; correct it"
        )
    return Table(np.ascontiguousarray(values), np.zeros(len(values), dtype=np.int64), ("all",))


def _labelled(values: NDArray[np.float32], labels: Sequence[int | str], where: str) -> Table:
    numbers, names = number_classes(labels, None, where)
    return Table(values, np.array(numbers, dtype=np.int64), names)
