"""The reference of all settings, read from the tables themselves: `ridgewalk settings`, and docs/settings.md."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from pydantic import TypeAdapter

from ridgewalk import naming
from ridgewalk.registry import OBJECTIVES
from ridgewalk.settings.fields import LARGEST, MOST
from ridgewalk.settings.objective import DEFAULT, load_family
from ridgewalk.settings.recipes import Recipe

BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
"""Bounds of a JSON schema, and their signs."""


@dataclass(frozen=True)
class Setting:
    """
    One key of a recipe.

    Attributes:
        type: the type with its bounds, or the values that can be chosen.
        default: its default in TOML; empty for a key that is left out by default.
        about: its meaning and unit.
        objectives: names of the objectives that have it; empty for a key of every recipe.
    """

    type: str
    default: str
    about: str
    objectives: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableReference:
    """One table of a recipe: what it is for, and its keys."""

    about: str
    settings: Mapping[str, Setting]


def read_tables() -> dict[str, TableReference]:
    """Every table of a recipe by its name, the keys of all objectives in one table."""
    found = {}
    for f in fields(Recipe):
        kind: Any = f.default_factory
        if f.name == "objective":
            about = "What a model is trained for. Each objective has keys of its own."
            found[f.name] = TableReference(about, _objectives())
        elif isinstance(kind, type):
            found[f.name] = TableReference(" ".join((kind.__doc__ or "").split()), _settings(kind))
    return found


def records(table: str = "") -> dict[str, dict[str, dict[str, Any]]]:
    """The reference as plain values: keys by table, of all tables or of one."""
    return {name: {k: asdict(s) for k, s in t.settings.items()} for name, t in _chosen(table).items()}


def lines(table: str = "") -> list[str]:
    """The reference as text, a line for each key, of all tables or of one."""
    found = []
    for name, t in _chosen(table).items():
        found.append(f"[{name}]  {t.about}")
        found += [
            f"  {key} = {s.default or '(left out)'}  {s.type}.  {s.about}{_of(s)}" for key, s in t.settings.items()
        ]
    return found


def _chosen(name: str) -> dict[str, TableReference]:
    found = read_tables()
    if name and name not in found:
        raise ValueError(naming.unknown("table", name, found))
    return {name: found[name]} if name else found


def markdown() -> str:
    """The reference as docs/settings.md holds it."""
    out = [
        "# Settings",
        "",
        "Every key of a recipe, with its default, its type and bounds, and its meaning; `ridgewalk settings` prints the same. A key is set in a recipe's",
        "file, or on the command line with `--set table.key=value`. This file is written by `python3 -m ridgewalk.settings.reference > docs/settings.md`.",
        f"Where no greatest value is named, whole numbers may be at most {MOST:g} (seeds less than 2^63), and others {LARGEST:g} in size.",
    ]
    for name, table in read_tables().items():
        out += [
            "",
            f"## {name}",
            "",
            _code(table.about),
            "",
            "| key | default | type | meaning |",
            "| --- | --- | --- | --- |",
        ]
        for key, s in table.settings.items():
            cells = (f"`{name}.{key}`", f"`{s.default}`" if s.default else "left out", s.type, _code(s.about + _of(s)))
            out.append(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |")
    return "\n".join(out) + "\n"


def _code(text: str) -> str:
    return text.replace("``", "`")


def _of(s: Setting) -> str:
    return f" (Objectives: {', '.join(s.objectives)}.)" if s.objectives else ""


def _objectives() -> dict[str, Setting]:
    """The keys of all objectives, each with the names of the objectives that have it."""
    found = {"name": Setting(" or ".join(OBJECTIVES), json.dumps(DEFAULT), "Name of the objective.")}
    for name in OBJECTIVES:
        for key, s in _settings(load_family(name)).items():
            if key != "name":
                known = found.get(key, s)
                about = known.about if s.about in known.about else f"{known.about} Of {name}: {s.about}"
                found[key] = replace(known, about=about, objectives=(*known.objectives, name))
    return found


def _settings(kind: type) -> dict[str, Setting]:
    """The keys of one table, by pydantic's JSON schema of it; a key that is inherited is described where it is declared."""
    found = {}
    for key, schema in TypeAdapter(kind).json_schema()["properties"].items():
        abouts = (vars(c).get("__pydantic_fields__", {}).get(key) for c in kind.__mro__)
        about = next((a.description for a in abouts if a is not None and a.description), "")
        default = schema.get("default", {} if schema.get("type") == "object" else None)
        found[key] = Setting(_type(schema), "" if default is None else json.dumps(default), " ".join(about.split()))
    return found


def _type(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words, as "list of integer >= 1"."""
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(v) for v in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return _type(next(s for s in schema["anyOf"] if s.get("type") != "null"))
    if "prefixItems" in schema:
        return f"{len(schema['prefixItems'])} values, each {_type(schema['prefixItems'][0])}"
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}{', not empty' if schema.get('minItems') else ''}"
    if schema["type"] == "object":
        return f"table of {_type(schema['additionalProperties'])}"
    bounds = [(sign, schema[b]) for b, sign in BOUNDS.items() if b in schema]
    return ", ".join([schema["type"], *(f"{sign} {bound:g}" for sign, bound in bounds if abs(bound) < MOST)])


if __name__ == "__main__":
    print(markdown(), end="")
