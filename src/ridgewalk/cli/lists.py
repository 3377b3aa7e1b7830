"""Commands that list what can be named: methods, energies, samplers, objectives and adapters, each from its table in ``registry``."""

from typing import Any

from ridgewalk.cli.common import Json, guarded, show
from ridgewalk.registry import ADAPTERS, ENERGIES, METHODS, OBJECTIVES, SAMPLERS, Table


def to_text(table: Table[Any]) -> list[str]:
    """The rows of a table in columns of equal width, below their heads."""
    rows = [list(table.rows()[0]), *(list(row.values()) for row in table.rows())]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def to_markdown(table: Table[Any]) -> str:
    """The rows of a table in Markdown, names set as code."""
    heads = list(table.rows()[0])
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    for name, *cells in (row.values() for row in table.rows()):
        lines.append(" | ".join([f"`{name}`", *(cell.replace("|", r"\|") for cell in cells)]))
    return "\n".join(f"| {line} |" for line in lines)


@guarded
def methods(as_json: Json = False) -> None:
    """List the methods that find paths: what each is, the energy that it follows, and when its paths arrive."""
    show(METHODS.records(), as_json, to_text(METHODS))


@guarded
def energies(as_json: Json = False) -> None:
    """List the energies that a method can follow: the sensor that each reads, and its formula."""
    show(ENERGIES.records(), as_json, to_text(ENERGIES))


@guarded
def samplers(as_json: Json = False) -> None:
    """List the samplers of a diffusion."""
    show(SAMPLERS.records(), as_json, to_text(SAMPLERS))


@guarded
def objectives(as_json: Json = False) -> None:
    """List the objectives that a model can be trained for."""
    show(OBJECTIVES.records(), as_json, to_text(OBJECTIVES))


@guarded
def adapters(as_json: Json = False) -> None:
    """List the libraries whose models can be read."""
    show(ADAPTERS.records(), as_json, to_text(ADAPTERS))
