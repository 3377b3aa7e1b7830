"""The table ``objective``: its name chooses a family, whose settings are the other keys."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from importlib import import_module
from typing import Annotated, Any

from pydantic import PlainValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ridgewalk.registry import OBJECTIVES
from ridgewalk.settings.fields import TABLE, Misfit

DEFAULT = "aae"


@dataclass(frozen=True, config=TABLE)
class Objective:
    """What a model is trained for. A family's settings are a subclass of it (``training.families``)."""

    name: str
    """Name of the objective, one of ``registry.OBJECTIVES``."""


def load_family(name: str) -> type[Objective]:
    """The settings of the objective called ``name``; ValueError with the nearest name where there is none."""
    module, _, family = str(OBJECTIVES.find(name).make).partition(":")
    return getattr(import_module(module), family)


def read_objective(value: Any = None) -> Objective:
    """
    The settings of an objective from its table.

    Keys that only other objectives have are dropped where they are at their default, or where the objective says that it ignores them: a variant of a
    recipe may name another objective and leave the rest as it is.

    Raises:
        ValueError: for an unknown objective, and for a key that this objective does not read.
    """
    if isinstance(value, Objective):
        return value
    table = dict(value or {})
    name = table.get("name", DEFAULT)
    if not isinstance(name, str):
        raise ValueError(f"objective.name must be a string; got {name!r}")
    family = load_family(name)
    own, unread = {f.name for f in fields(family)}, []
    for key in [k for k in table if k not in own]:
        defaults = _defaults(key)
        if defaults and (table[key] in defaults or key in getattr(family, "ignored", ())):
            del table[key]
        elif defaults:
            unread.append(f"objective.{key}")
    if unread:
        raise ValueError(f"the objective '{name}' has no use for {', '.join(unread)}; leave out what it does not read")
    try:
        return TypeAdapter(family).validate_json(json.dumps({**table, "name": name}), strict=True)
    except ValidationError as error:
        raise Misfit(error, family) from error


AnyObjective = Annotated[Objective, PlainValidator(read_objective)]


def _defaults(key: str) -> list[Any]:
    """The defaults of a key in all the objectives that have it."""
    found: list[Mapping[str, Field[Any]]] = [{f.name: f for f in fields(load_family(n))} for n in OBJECTIVES]
    return [f[key].default for f in found if key in f and f[key].default is not MISSING]
