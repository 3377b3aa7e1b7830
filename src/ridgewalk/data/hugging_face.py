"""
Tables of images with the columns of Hugging Face data sets: Parquet files (extra ``parquet``), and data sets on the hub (extra ``datasets``).

    images   column image or img: structs {bytes, path}, or binary
    labels   column label, labels or fine_label: strings, or whole numbers, whose names the table may contain; without it the class is "all"
    splits   a file or split whose name contains the word test, testing, val, valid or validation belongs to the test part
"""

import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ridgewalk.data.arrays import refusing
from ridgewalk.data.items import ImageFormat, Item, Parts, gather
from ridgewalk.data.layouts import TEST_NAMES, parquet_files
from ridgewalk.data.listing import natural_order
from ridgewalk.memory import refuse_beyond

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label")

_FEW_ROWS = 20  # of which each may have a class of its own
_LABEL_BYTES = 100  # what a row's label takes while labels are Python's numbers or words
_HELD_OUT = re.compile(rf"(?<![a-z])({'|'.join(TEST_NAMES)})(?![a-z])")


def read_parquet(source: Path, form: ImageFormat) -> Parts:
    """
    Reads the images of a Parquet file, or of all Parquet files in a folder in natural order of their names; ``form`` as in ``gather``.

    Where a folder has none itself, those of its subfolders that are named as splits are read.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ValueError(f"to read '{source}' pyarrow is needed: pip install ridgewalk[parquet]") from error
    root = source if source.is_dir() else source.parent
    files = parquet_files(source) if source.is_dir() else [source]
    held_out = {file: _is_held_out(str(file.relative_to(root).with_suffix(""))) for file in files}
    held_out = dict(sorted(held_out.items(), key=lambda pair: pair[1]))
    files = list(held_out)
    tables = []
    for file in files:
        with _naming(file):
            tables.append(pq.ParquetFile(file))
            _refuse_large(file, tables[-1])
    total = sum(table.metadata.num_rows for table in tables)
    if total == 0:
        raise ValueError(f"'{source}' holds no images: its Parquet files have no rows")
    labels, names = _parquet_labels(files, tables, total)
    return gather(_parquet_items(held_out, tables, labels), total, names, form)


_CONSENT: ContextVar[Callable[[str], None] | None] = ContextVar("consent", default=None)


@contextmanager
def asking(consent: Callable[[str], None]) -> Iterator[None]:
    """Inside the block ``consent`` is called with the name of a data set before the hub is contacted; it raises an error to refuse it."""
    token = _CONSENT.set(consent)
    try:
        yield
    finally:
        _CONSENT.reset(token)


def read_hub(name: str, form: ImageFormat, what_a_source_is: str) -> Parts:
    """
    Reads the images of a data set on the hub, ``owner/name`` or a bare name, by ``datasets.load_dataset``.

    A split that is neither a test split nor called ``train`` is left out with a warning. Error messages end with ``what_a_source_is``.
    """
    if (consent := _CONSENT.get()) is not None:
        consent(name)
    try:
        import datasets
    except ImportError as error:
        raise ValueError(
            f"'{name}' is no file or folder, and to look it up on the hub the library datasets is needed: "
            f"pip install ridgewalk[datasets]; {what_a_source_is}"
        ) from error
    try:
        loaded = datasets.load_dataset(name)
    except (ConnectionError, TimeoutError) as error:
        raise ValueError(
            f"the hub could not be reached for the data set '{name}' ({_first_line(error)}); check the network, "
            f"or give a folder; {what_a_source_is}"
        ) from error
    except Exception as error:  # the hub's client raises errors of its own libraries
        raise ValueError(
            f"the source '{name}' is no file or folder, and the hub has no data set of this name that can be loaded "
            f"({_first_line(error)}); {what_a_source_is}"
        ) from error
    splits = _hub_splits(dict(loaded) if isinstance(loaded, Mapping) else {"train": loaded}, name)
    total = sum(len(split) for split in splits.values())
    if total == 0:
        raise ValueError(f"the data set '{name}' holds no images: its splits have no rows")
    labels, names = _hub_labels(splits, name, total)
    return gather(_hub_items(splits, labels, name), total, names, form)


def number_classes(values: Sequence[Any], names: Sequence[str] | None, where: str) -> tuple[list[int], tuple[str, ...]]:
    """
    Labels from 0 and the class names for a column: its values in increasing order, strings in natural order.

    Args:
        values: values of the column.
        names: names of the whole numbers from 0, whose values are then the labels; by default each value is its own name.
        where: description of the column for error messages.
    """
    for row, value in enumerate(values):
        if not isinstance(value, (int, str)) or isinstance(value, str) != isinstance(values[0], str):
            raise ValueError(
                f"{where} must hold one whole number or one string for each row; row {row} holds {value!r}; "
                "drop such rows or the column"
            )
        if isinstance(value, int) and value < 0:
            raise ValueError(f"{where} must hold labels from 0; row {row} holds {value}; drop such rows or the column")
        if names is not None and isinstance(value, int) and value >= len(names):
            raise ValueError(
                f"{where} must hold labels below {len(names)}, the number of its class names; row {row} holds {value}; "
                "correct the labels or name every class"
            )
    if names is not None and not isinstance(values[0], str):
        return [int(value) for value in values], tuple(names)
    unique = sorted(set(values), key=natural_order if isinstance(values[0], str) else None)
    if len(values) >= _FEW_ROWS and len(unique) > len(values) // 2:
        warnings.warn(
            f"{where} holds {len(unique)} classes in {len(values)} rows; rename the column if it holds identifiers or measurements",
            UserWarning,
            stacklevel=4,
        )
    label = {value: i for i, value in enumerate(unique)}
    return [label[value] for value in values], tuple(str(int(v)) if isinstance(v, bool) else str(v) for v in unique)


def _is_held_out(name: str) -> bool:
    """Whether a file or split called ``name`` belongs to the test part."""
    return _HELD_OUT.search(name.lower()) is not None


def _image_column(columns: Sequence[str], where: str) -> str:
    """The name of the column with the images."""
    found = next((name for name in IMAGE_COLUMNS if name in columns), None)
    if found is None:
        raise ValueError(
            f"{where} has no image column: expected one called {' or '.join(IMAGE_COLUMNS)}; "
            f"it has {', '.join(columns) or 'none'}; rename the column"
        )
    return found


def _label_column(columns: Sequence[str]) -> str | None:
    """The name of the column with the labels, or None."""
    return next((name for name in LABEL_COLUMNS if name in columns), None)


def _without_labels(columns: Sequence[str], total: int, where: str) -> tuple[list[int], tuple[str, ...]]:
    """The labels of one class; warns of columns that may have been meant as labels."""
    others = [name for name in columns if name not in IMAGE_COLUMNS]
    if others:
        warnings.warn(
            f"{where} has no column called {', '.join(LABEL_COLUMNS[:-1])} or {LABEL_COLUMNS[-1]}, so all images are of one class; "
            f"not used: {', '.join(others)}",
            UserWarning,
            stacklevel=5,
        )
    return [0] * total, ("all",)


def _image_source(value: Any, folders: Sequence[Path] = ()) -> Path | bytes | None:
    """
    The image of a cell, {bytes, path} or binary: its bytes, or its absolute path where that is a file in one of ``folders``, or None.

    Other paths are not followed: a table must not name files of the machine that reads it, and a relative path is the image's name in its archive.
    """
    if isinstance(value, dict):
        path = value.get("path")
        if value.get("bytes") is None and isinstance(path, str) and "\0" not in path:
            file = Path(path)
            inside = any(file.resolve().is_relative_to(folder.resolve()) for folder in folders)
            if file.is_absolute() and inside and file.is_file():
                return file
        value = value.get("bytes")
    return value if isinstance(value, bytes) else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _parquet_labels(files: list[Path], tables: list[Any], total: int) -> tuple[list[int], tuple[str, ...]]:
    """The labels of all rows of all files, and the class names."""
    column = _label_column(tables[0].schema_arrow.names)
    lacking = [f for f, t in zip(files, tables) if _label_column(t.schema_arrow.names) != column]
    if lacking:
        raise ValueError(f"{files[0]} has the label column {column} and {lacking[0]} has not; all files must agree")
    if column is None:
        return _without_labels(tables[0].schema_arrow.names, total, str(files[0].parent))
    values: list[Any] = []
    for file, table in zip(files, tables):
        with _naming(file):
            found = _one_column(table.read([column])).to_pylist()
            if len(found) != table.metadata.num_rows:
                raise ValueError(f"it states {table.metadata.num_rows} rows and has {len(found)} labels")
        values += found
    names = _stated_names(tables[0].schema_arrow, column)
    return number_classes(values, names, f"column '{column}' of {files[0].parent}")


def _stated_names(schema: Any, column: str) -> list[str] | None:
    """The class names that the metadata ``huggingface`` of an Arrow schema contains for a column of labels, or None."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        names = feature["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return [str(name) for name in names] if isinstance(names, list) and names else None


def _parquet_items(held_out: Mapping[Path, bool], tables: list[Any], labels: list[int]) -> Iterator[Item]:
    label = iter(labels)
    for (file, is_held_out), table in zip(held_out.items(), tables):
        column, row, rows = _image_column(table.schema_arrow.names, str(file)), 0, table.metadata.num_rows
        with _naming(file):
            for batch in table.iter_batches(batch_size=256, columns=[column]):
                for value in _one_column(batch).to_pylist():
                    if row < rows:
                        yield Item(f"{file} row {row}", _image_source(value), next(label), is_held_out)
                    row += 1
            if row != rows:
                raise ValueError(f"it states {rows} rows and has {row}")


def _one_column(table: Any) -> Any:
    """The only column of an Arrow table that was read by its name."""
    if table.num_columns != 1:
        raise ValueError(f"it has {table.num_columns} columns of the name '{table.schema.names[0]}'")
    return table.column(0)


def _refuse_large(file: Path, table: Any) -> None:
    """Refuses a file of which the labels, or one group of rows, need more memory than there is."""
    groups = (table.metadata.row_group(i) for i in range(table.metadata.num_row_groups))
    largest = max((group.total_byte_size for group in groups), default=0)  # unpacked
    refuse_beyond(largest + _LABEL_BYTES * table.metadata.num_rows, str(file), "write it with smaller groups of rows")


def _naming(file: Path) -> AbstractContextManager[None]:
    return refusing(file, "is damaged or no Parquet file", "download it again")


def _hub_splits(loaded: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The splits that are read, test splits last."""
    used = {key: split for key, split in loaded.items() if key == "train" or _is_held_out(key)}
    if not used:
        used = dict(list(loaded.items())[:1])
    unused = [key for key in loaded if key not in used]
    if unused:
        warnings.warn(f"splits of '{name}' that are not used: {', '.join(unused)}", UserWarning, stacklevel=4)
    return dict(sorted(used.items(), key=lambda pair: _is_held_out(pair[0])))


def _hub_labels(splits: Mapping[str, Any], name: str, total: int) -> tuple[list[int], tuple[str, ...]]:
    features = next(iter(splits.values())).features
    column = _label_column(list(features))
    if column is None:
        return _without_labels(list(features), total, f"the data set '{name}'")
    values = [value for split in splits.values() for value in split[column]]
    return number_classes(values, getattr(features[column], "names", None), f"column '{column}' of '{name}'")


def _hub_folders() -> list[Path]:
    """The folders that the hub's libraries keep their files in."""
    import datasets
    from huggingface_hub import constants

    named = (datasets.config.HF_DATASETS_CACHE, datasets.config.DOWNLOADED_DATASETS_PATH, constants.HF_HUB_CACHE)
    return [Path(folder) for folder in named]


def _hub_items(splits: Mapping[str, Any], labels: list[int], name: str) -> Iterator[Item]:
    import datasets

    label, folders = iter(labels), _hub_folders()
    for key, split in splits.items():
        column = _image_column(list(split.features), f"the data set '{name}'")
        if isinstance(split.features[column], datasets.Image):
            split = split.cast_column(column, datasets.Image(decode=False))
        for row, record in enumerate(split.select_columns([column])):
            image = _image_source(record[column], folders)
            yield Item(f"{name} split {key} row {row}", image, next(label), _is_held_out(key))
