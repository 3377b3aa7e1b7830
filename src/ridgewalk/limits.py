"""Numbers of a recipe that are lowered to what small data allow."""

import warnings
from collections.abc import Sequence


def lower(name: str, wanted: int, most: int, why: str) -> int:
    """
    min(wanted, most), with a note where it is less than what was wanted.

    Args:
        name: key of the setting, such as training.batch.
        wanted: its value.
        most: the largest value that the data allow.
        why: the reason in words, such as "there are 45 images to train on".
    """
    if wanted > most:
        warnings.warn(f"{name} is {most} in place of {wanted}, because {why}", stacklevel=3)
    return min(wanted, most)


def lower_batch(name: str, wanted: int, rows: int, changes: Sequence[str] = (), share: int = 1) -> int:
    """
    The largest batch of at most ``wanted`` that the data fill, with a note where it is less.

    Args:
        name: key of the setting.
        wanted: its value.
        rows: rows to train on.
        changes: settings that a user named, as "table.key=value"; what was named is refused in place of being lowered.
        share: number that a batch must be a multiple of, as it is divided over so many processes.

    Raises:
        ValueError: where the user named a batch that the data do not fill.
    """
    if wanted > rows and name in [change.partition("=")[0].strip() for change in changes]:
        raise ValueError(
            f"training needs at least one batch of {wanted}, and there are {rows} rows to train on: lower {name}, or leave it out"
        )
    most = rows - rows % share or share
    return (
        lower(name, wanted, most, f"the split into roles leaves {rows} rows to train on") if wanted > rows else wanted
    )
