"""Tables of images laid out as the Hugging Face data sets are: which columns, which classes, which bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ridgewalk.data.folders import natural

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label")


def image_column(columns: Sequence[str], where: str) -> str:
    """The column that holds the images; ValueError where there is none."""
    found = next((name for name in IMAGE_COLUMNS if name in columns), None)
    if found is None:
        raise ValueError(
            f"{where} has no image column: expected one called {' or '.join(IMAGE_COLUMNS)}; "
            f"it has {', '.join(columns) or 'none'}; rename the column"
        )
    return found


def label_column(columns: Sequence[str]) -> str | None:
    """The column that holds the labels, if any."""
    return next((name for name in LABEL_COLUMNS if name in columns), None)


def classes(values: Sequence[Any], names: Sequence[str] | None, where: str) -> tuple[list[int], tuple[str, ...]]:
    """
    Labels from 0 and the class names, of a column of whole numbers or of strings (in natural order).

    Args:
        values: the column.
        names: the names of whole numbers, if the table states them; "0", "1", ... otherwise.
        where: what messages call the column.

    Raises:
        ValueError: on missing values and on values of another kind, with the row.
    """
    for row, value in enumerate(values):
        if not isinstance(value, (int, str)) or isinstance(value, str) != isinstance(values[0], str):
            raise ValueError(
                f"{where} must hold one whole number or one string a row; row {row} holds {value!r}; "
                "drop such rows or the column"
            )
        if isinstance(value, int) and value < 0:
            raise ValueError(f"{where} must hold labels from 0; row {row} holds {value}; drop such rows or the column")
    if isinstance(values[0], str):
        known = tuple(sorted(set(values), key=natural))
        label = {name: i for i, name in enumerate(known)}
        return [label[value] for value in values], known
    labels = [int(value) for value in values]
    return labels, tuple(names) if names is not None else tuple(str(i) for i in range(max(labels) + 1))


def image_source(value: Any) -> Path | bytes | None:
    """
    The bytes of a cell, {bytes, path} or binary; without them its path, if absolute and there; else None.

    A relative path names the image inside its archive, and a file of this name may be quite another.
    """
    if isinstance(value, dict):
        path = value.get("path")
        if value.get("bytes") is None and isinstance(path, str) and Path(path).is_absolute() and Path(path).is_file():
            return Path(path)
        value = value.get("bytes")
    return value if isinstance(value, bytes) else None
