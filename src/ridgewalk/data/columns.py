"""
Which columns of a table are coordinates: a column is not data because it holds numbers.

    left out   numbers of rows: whole and distinct numbers under no name, or under the name of an index or identifier
    noted      columns that may be such numbers, labels or dates, that do not vary, or whose whole numbers float32 cannot represent

Each is said in a warning, as no rule can be certain of what a column means.
"""

import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SHOWN, _FEW_ROWS = 5, 10


class Finding(NamedTuple):
    """What is said of columns, what to do about them, and whether they are coordinates all the same."""

    what: str
    remedy: str
    kept: bool = True


_ROWS = Finding("columns that number its rows, which are left out", "rename them to use them as coordinates", False)
_COUNTS = Finding("columns that count its rows, which are used as coordinates", "remove them if they are an index")
_NAMELESS = Finding("columns without a name, which are used as coordinates", "remove them if they are an index")
_IDS = Finding("columns that are called as identifiers are, which are used as coordinates", "remove them if they are")
_LABEL = Finding(
    "columns that are called as classes are, which are used as coordinates", "call one 'label' if it holds classes"
)
_DATE = Finding(
    "columns that are called as dates or codes are, which are used as coordinates", "remove them if they are"
)
_FLAT = Finding("columns with one value in all rows", "remove them, as nothing can be learned from them")
_ROUNDED = Finding(
    "columns of whole numbers above 16777216, which are rounded as float32",
    "remove them if they are identifiers or dates, otherwise subtract or divide by a constant",
)

_NAMES = (
    # pandas writes its index under no name, and reads such a column as "Unnamed: 0"
    (
        _IDS,
        re.compile(
            r"(?i:|unnamed: ?\d+|#|index|idx|level_\d+|__index_level_\d+__|row_?(id|names?|num|number|index)|_?ids?|uid|uuid|guid)"
            r"|(?i:.*[_ .-](id|ids|idx|index|uid|uuid|guid))|.*[a-z](Id|ID|Index)"
        ),
    ),
    (
        _LABEL,
        re.compile(
            r"(?i:(true|y)?_?(label|class|target)(e?s|_?(id|idx|code|index|num|number))|cls|y_true|species|variety|category)"
        ),
    ),
    (_DATE, re.compile(r"(?i:date|timestamp|date_?time|year|zip(_?code)?|post(al)?_?code|phone)")),
)
"""How columns of whole numbers are called that may be no coordinates."""


def coordinates(values: NDArray[np.generic], names: Sequence[str] | None, source: str) -> NDArray[np.int64]:
    """
    The indices of the columns of ``values``, numbers (n, d), that are coordinates; warnings say which are left out, and which are suspicious.

    Args:
        values: numbers, n at least 1.
        names: names of the columns; None where they have none.
        source: description of the table for the warnings.
    """
    said: dict[Finding, list[str]] = {}
    kept = []
    for i in range(values.shape[1]):
        name = None if names is None else names[i]
        finding = _judge(values[:, i].astype(np.float64), name)
        if finding is not None:
            said.setdefault(finding, []).append(f"'{name}'" if name else f"number {i + 1}")
        if finding is None or finding.kept:
            kept.append(i)
    for finding, columns in said.items():
        more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
        warnings.warn(
            f"{source} has {finding.what}: {', '.join(columns[:_SHOWN])}{more}; {finding.remedy}", stacklevel=4
        )
    return np.array(kept, dtype=np.int64)


def _judge(x: NDArray[np.float64], name: str | None) -> Finding | None:
    if (x == x[0]).all():
        return _FLAT
    if not (x == np.rint(x)).all():
        return _NAMELESS if name == "" else None
    is_called = {} if name is None else {finding: bool(pattern.fullmatch(name)) for finding, pattern in _NAMES}
    if is_called.get(_IDS) and len(np.unique(x)) == len(x):
        return _ROWS
    if len(x) >= _FEW_ROWS and (x - x[0] == np.arange(len(x))).all():
        return _COUNTS
    if name == "":
        return _NAMELESS
    if (x.astype(np.float32) != x).any():
        return _ROUNDED
    return next((finding for finding, found in is_called.items() if found), None)
