"""The types that settings are made of, and the sentence for a value that does not fit one of them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from re import findall
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from ridgewalk import naming

TABLE = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
"""What all tables of settings share: unknown keys, infinities and NaN are refused, and a docstring below a key describes it."""

MOST = 10**9
"""The largest whole number that a setting may be, except seeds."""

WIDEST = 2**16
"""The largest number of units, channels or dimensions of a layer, so that an error in a recipe does not fill the memory."""

LARGEST = 1e30
"""The largest number that a setting may be: its square root and its product with others stay finite in float32 and float64."""

Count = Annotated[int, Field(ge=1, le=MOST)]
CountOrNone = Annotated[int, Field(ge=0, le=MOST)]
Width = Annotated[int, Field(ge=1, le=WIDEST)]
Batch = Annotated[int, Field(ge=2, le=MOST)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Positive = Annotated[float, Field(gt=0, le=LARGEST)]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST)]
Share = Annotated[float, Field(ge=0, lt=1)]
Time = Annotated[float, Field(gt=0, lt=1)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=1000)]
WidthsOrNone = Annotated[tuple[Width, ...], Field(max_length=1000)]
Activation = Literal["relu", "silu", "gelu", "softplus", "tanh", "leaky_relu"]
Architecture = Literal["mlp", "conv"]


def sentence(error: ValidationError, kind: type | None = None, place: tuple[str, ...] = ()) -> str:
    """
    One sentence for the first of pydantic's errors: the place, the value, what was expected, and the nearest key that there is.

    Args:
        error: what pydantic raised.
        kind: the table (a dataclass) that was read; the message about an unknown key names its keys.
        place: names of the tables that hold it, from the outside inwards.
    """
    first = error.errors()[0]
    keys = [str(p) for p in first["loc"]]
    at, value = ".".join([*place, *keys]) or "the recipe", first["input"]
    if first["type"] == "unexpected_keyword_argument" and kind:
        known = [".".join([*place, *keys[:-1], k]) for k in _keys(kind, keys[:-1])]
        return naming.unknown("key", at, known)
    if first["type"] in ("dataclass_type", "dataclass_exact_type"):
        return f"{at} must be a table of keys; got {naming.shorten(repr(value))}"
    if first["type"] == "value_error":  # a rule about several keys, which says itself what it expects
        inner = first["ctx"]["error"]
        if isinstance(inner, Misfit):
            return sentence(inner.error, inner.kind, (*place, *keys))
        return f"{at}: {inner}" if keys or place else str(inner)
    if first["type"] == "literal_error" and isinstance(value, str):
        return naming.unknown(at, value, findall("'([^']*)'", first["ctx"]["expected"]))
    return f"{naming.shorten(at)} = {naming.shorten(repr(value))} does not fit: {str(first['msg']).replace('Input should', 'must')}"


class Misfit(ValueError):
    """A table inside a table that does not fit, with pydantic's error."""

    def __init__(self, error: ValidationError, kind: type) -> None:
        super().__init__(str(error))
        self.error, self.kind = error, kind


def _keys(kind: type, place: list[str]) -> list[str]:
    """The keys of the table at ``place`` below ``kind``."""
    types: Mapping[str, Any] = {f.name: f.type for f in fields(kind)}
    if place and is_dataclass(inner := types.get(place[0])) and isinstance(inner, type):
        return _keys(inner, place[1:])
    return list(types)
