"""Text of comma-separated numbers, read row by row, so that no more than the numbers are kept in memory."""

import csv
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ridgewalk.memory import refuse_beyond

LABELS = ("label", "labels", "class", "target")
"""Names, in lower case, of the column with the labels."""


class Text(NamedTuple):
    """
    The columns of a text.

    Attributes:
        values: float64 (n, d), without the column of labels.
        names: names (d) of these columns; None where the text names none.
        labels: the label of each row, not empty; None where no column is called as in ``LABELS``.
        lines: number of the line (n,) that each row ends at, from 1.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...] | None
    labels: list[str] | None
    lines: Sequence[int]


def read_text(file: Path) -> Text:
    """
    Reads a text; the first line has the names of the columns if none of its cells is a number, or as pandas writes the numbers of unnamed columns: ,0,1,2.

    Raises:
        ValueError: for a line that does not fit, with its number.
    """
    refuse_beyond(file.stat().st_size, f"'{file}'", "take fewer rows")  # 12 bytes for a number, which is about as long
    rows = _rows(file)
    first = next(rows, None)
    if first is None:
        return Text(np.empty((0, 0)), None, None, ())
    names = tuple(cell.strip() for cell in first[1]) if _has_names(first[1]) else None
    column = None if names is None else _label_column(file, names)
    width = len(first[1])
    numbers, lines, labels = array("d"), array("q"), list[str]()
    for line, cells in [] if names else [first]:
        _add(file, line, cells, numbers)
        lines.append(line)
    for line, cells in rows:
        if column is not None:
            if len(cells) <= column or not cells[column].strip():
                raise ValueError(f"'{file}' must have a label in each row; line {line} has none; correct it")
            labels.append(cells.pop(column).strip())
        _add(file, line, cells, numbers)
        if len(cells) != width - (column is not None):
            raise ValueError(
                f"'{file}' must have the same number of columns in each row; line {first[0]} has {width} and line {line} has "
                f"{len(cells) + (column is not None)}; correct it"
            )
        lines.append(line)
    named = None if names is None else tuple(name for i, name in enumerate(names) if i != column)
    d = width - (column is not None)
    values = np.frombuffer(numbers, dtype=np.float64).reshape(-1, d) if numbers else np.empty((len(lines), d))
    return Text(values, named, None if column is None else labels, lines)


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            lines = csv.reader(stream)
            for cells in lines:
                if any(cell.strip() for cell in cells):
                    yield lines.line_num, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"'{file}' is no text of comma-separated numbers ({error})") from error


def _has_names(cells: Sequence[str]) -> bool:
    if not any(_is_number(cell) for cell in cells):
        return True
    return not cells[0].strip() and [cell.strip() for cell in cells[1:]] == [str(i) for i in range(len(cells) - 1)]


def _label_column(file: Path, names: Sequence[str]) -> int | None:
    found = [i for i, name in enumerate(names) if name.lower() in LABELS]
    if len(found) > 1:
        two = " and ".join(f"'{names[i]}'" for i in found)
        raise ValueError(f"'{file}' must have one column of labels; it has {two}; remove or rename all but one")
    return found[0] if found else None


def _add(file: Path, line: int, cells: Sequence[str], numbers: "array[float]") -> None:
    for cell in cells:
        try:
            numbers.append(float(cell))
        except ValueError as error:
            shown = cell if cell.isprintable() and len(cell) < 60 else f"{ascii(cell[:50])[1:-1]}..."
            raise ValueError(
                f"'{file}' must hold numbers, separated by commas; line {line} holds '{shown}'; correct it, "
                "or name a column of labels 'label' in the first line"
            ) from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
