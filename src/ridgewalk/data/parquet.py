"""Parquet files of images, laid out as the Hugging Face data sets are (extra ``parquet``)."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ridgewalk.data import columns
from ridgewalk.data.folders import TEST_NAMES, natural
from ridgewalk.data.items import Item, Parts, Reading, gather

_HELD_OUT = re.compile(rf"(?<![a-z])({'|'.join(TEST_NAMES)})(?![a-z])")


def is_held_out(name: str) -> bool:
    """Whether a file or split called ``name`` is of the test split: it has the word test, val, valid or validation."""
    return _HELD_OUT.search(name.lower()) is not None


def read_parquet(source: Path, reading: Reading) -> Parts:
    """
    The images of a Parquet file, or of all those in a folder, in natural order of their names.

    Column ``image`` or ``img``: structs {bytes, path}, or binary. Column ``label``, ``labels`` or ``fine_label``: whole
    numbers, whose names the Hugging Face metadata may give, or strings; where it is absent all are of the class "all".

    Raises:
        ValueError: if pyarrow is missing; naming the file that is no Parquet, or lacks a column; naming file and row of
            an image that cannot be decoded; and as ``gather``.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ValueError(f"to read '{source}' pyarrow is needed: pip install ridgewalk[parquet]") from error
    files = sorted(source.glob("*.parquet"), key=lambda f: natural(f.name)) if source.is_dir() else [source]
    files.sort(key=lambda f: is_held_out(f.stem))
    tables = []
    for file in files:
        with _named(file):
            tables.append(pq.ParquetFile(file))
    total = sum(table.metadata.num_rows for table in tables)
    if total == 0:
        raise ValueError(f"'{source}' holds no images: its Parquet files have no rows")
    labels, names = _labels(files, tables)
    return gather(_items(files, tables, labels), total, names, reading)


def _labels(files: list[Path], tables: list[Any]) -> tuple[list[int], tuple[str, ...]]:
    """The labels of all rows of all files, and the class names."""
    column = columns.label_column(tables[0].schema_arrow.names)
    lacking = [f for f, t in zip(files, tables) if columns.label_column(t.schema_arrow.names) != column]
    if lacking:
        raise ValueError(f"{files[0]} has the label column {column} and {lacking[0]} has not; all files must agree")
    if column is None:
        return [0] * sum(table.metadata.num_rows for table in tables), ("all",)
    values: list[Any] = []
    for file, table in zip(files, tables):
        with _named(file):
            values += table.read([column]).column(0).to_pylist()
    return columns.classes(
        values, _class_names(tables[0].schema_arrow, column), f"column '{column}' of {files[0].parent}"
    )


def _class_names(schema: Any, column: str) -> list[str] | None:
    """The names that the metadata ``huggingface`` of an Arrow schema gives for a column of class labels."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        names = feature["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) and names else None


def _items(files: list[Path], tables: list[Any], labels: list[int]) -> Iterator[Item]:
    label = iter(labels)
    for file, table in zip(files, tables):
        column = columns.image_column(table.schema_arrow.names, str(file))
        held_out, row = is_held_out(file.stem), 0
        with _named(file):
            for batch in table.iter_batches(batch_size=256, columns=[column]):
                for value in batch.column(0).to_pylist():
                    yield Item(f"{file} row {row}", columns.image_source(value), next(label), held_out)
                    row += 1


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Names the file in what pyarrow raises over a damaged one; its ArrowInvalid is a ValueError."""
    try:
        yield
    except (OSError, ValueError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{file} is damaged or no Parquet file ({line}); download it again") from error
