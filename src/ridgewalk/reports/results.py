"""
The table of methods from the figures that a command has written as JSON, so that a page that quotes a file cannot differ from it.

Figures are those of ``evaluation.methods.figures_of``, with or without what `compare` and the benchmark of other packages add. A value is a number, or
[value, low, high].
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ridgewalk.naming import unknown
from ridgewalk.reports.columns import COST, FURTHER, PATHS, TRUTH, gains
from ridgewalk.reports.tables import Cell, Column, Table


def figures_table(figures: Mapping[str, Any], keys: Sequence[str]) -> Table:
    """
    The chosen columns of every method, and of real images, reconstructions and the prior.

    Args:
        figures: the content of the JSON file. Those written before SLERP was a baseline have differences to LERP alone, which then are the gains.
        keys: keys of ``PATHS``, ``COST``, ``FURTHER`` and ``TRUTH``, and of ``columns.gains``, over the best free path. A column
            that no row has is left out.

    Raises:
        ValueError: for an unknown key.
    """
    columns = _columns(figures)
    for key in keys:
        if key not in columns:
            raise ValueError(unknown("column", key, columns))
    gained = figures.get("gains", figures["differences"])
    rows: dict[str, dict[str, Cell]] = {}
    for name, row in figures["rows"].items():
        found = {**row, **{f"{k}_gain": v for k, v in gained.get(name, {}).items()}, **_taken(figures, name)}
        rows[name] = {k: _cell(found[k]) for k in keys if k in found}
    for line, values in figures["lines"].items():
        found = {**values, **_distances(figures, line)}
        rows[line] = {k: _cell(found[k]) for k in keys if k in found}
    present = {k: columns[k] for k in keys if any(k in row for row in rows.values())}
    return Table(present, rows, tuple(figures["lines"]))


def _columns(figures: Mapping[str, Any]) -> dict[str, Column]:
    return {**PATHS, **gains(figures.get("free", "lerp")), **COST, **FURTHER, **TRUTH}


def _taken(figures: Mapping[str, Any], method: str) -> dict[str, float]:
    """What the search of a method took, in the units of the columns, and its Fréchet distances."""
    stats = figures["search"].get(method, {})
    found = {k: stats[k] for k in ("iterations", "peak_mb", "once_seconds") if k in stats}
    found |= {
        key: 1000 * stats[name]
        for key, name in {"seconds_per_path": "seconds_per_path", "cpu_ms": "cpu_seconds_per_path"}.items()
        if name in stats
    }
    return found | _distances(figures, method)


def _distances(figures: Mapping[str, Any], name: str) -> dict[str, float]:
    """Means of the Fréchet distances of a row, over judges and runs."""
    every = {
        "middle": [v for run in figures.get("middle_frechet", ()) for v in run.get(name, {}).values()],
        "frechet": list(figures.get("frechet", {}).get(name, {}).values()),
    }
    return {key: sum(values) / len(values) for key, values in every.items() if values}


def _cell(value: float | Sequence[float] | None) -> Cell:
    if isinstance(value, Sequence):
        middle, low, high = value
        return Cell(middle, low, high)
    return Cell(value)
