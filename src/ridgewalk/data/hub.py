"""Data sets by name, from the Hugging Face hub (extra ``datasets``)."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from ridgewalk.data import columns
from ridgewalk.data.items import Item, Parts, Reading, gather
from ridgewalk.data.parquet import is_held_out


def read_hub(name: str, reading: Reading, what_a_source_is: str) -> Parts:
    """
    The images of the data set ``name``, ``owner/name`` or a bare name, as ``datasets.load_dataset`` finds it.

    The splits ``test`` and ``validation`` make the test split; a split that is neither these nor ``train`` is left out
    with a warning. Columns are those of ``columns``.

    Raises:
        ValueError: if the library is missing, if the hub cannot be reached or has no such data set, if there is no
            image column, and as ``gather``.
    """
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
            f"the hub could not be reached for the data set '{name}' ({_line(error)}); check the network, "
            f"or give a folder; {what_a_source_is}"
        ) from error
    except Exception as error:  # the hub's client raises what its own libraries raise: all of it is "cannot be loaded"
        raise ValueError(
            f"the source '{name}' is no file or folder, and the hub has no data set of this name that can be loaded "
            f"({_line(error)}); {what_a_source_is}"
        ) from error
    splits = _splits(dict(loaded) if isinstance(loaded, Mapping) else {"train": loaded}, name)
    total = sum(len(split) for split in splits.values())
    if total == 0:
        raise ValueError(f"the data set '{name}' holds no images: its splits have no rows")
    labels, names = _labels(splits, name)
    return gather(_items(splits, labels, name), total, names, reading)


def _splits(loaded: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The splits that are used, the held-out ones last."""
    used = {key: split for key, split in loaded.items() if key == "train" or is_held_out(key)}
    if not used:
        used = dict(list(loaded.items())[:1])
    unused = [key for key in loaded if key not in used]
    if unused:
        warnings.warn(f"splits of '{name}' that are not used: {', '.join(unused)}", UserWarning, stacklevel=4)
    return dict(sorted(used.items(), key=lambda pair: is_held_out(pair[0])))


def _labels(splits: Mapping[str, Any], name: str) -> tuple[list[int], tuple[str, ...]]:
    features = next(iter(splits.values())).features
    column = columns.label_column(list(features))
    if column is None:
        return [0] * sum(len(split) for split in splits.values()), ("all",)
    values = [value for split in splits.values() for value in split[column]]
    return columns.classes(values, getattr(features[column], "names", None), f"column '{column}' of '{name}'")


def _items(splits: Mapping[str, Any], labels: list[int], name: str) -> Iterator[Item]:
    import datasets

    label = iter(labels)
    for key, split in splits.items():
        column = columns.image_column(list(split.features), f"the data set '{name}'")
        if isinstance(split.features[column], datasets.Image):
            split = split.cast_column(column, datasets.Image(decode=False))
        for row, record in enumerate(split.select_columns([column])):
            yield Item(
                f"{name} split {key} row {row}", columns.image_source(record[column]), next(label), is_held_out(key)
            )


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
