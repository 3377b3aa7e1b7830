"""
What a run is made of: dataclasses that TOML files fill, with strict keys and types.

A recipe is one TOML file. Its tables are the dataclasses of ``autoencoder_settings``, ``diffusion_settings`` and below;
``[budgets.NAME.TABLE]`` holds what a budget changes, and ``[sources.digits.TABLE]`` what small images change. A key that is
not known, or a value of another type, is refused with its place and the nearest key that there is.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ridgewalk import naming
from ridgewalk.data.points import is_points
from ridgewalk.settings.autoencoder import (
    Critic,
    Detector,
    Interpolation,
    Judges,
    Labels,
    Matcher,
    Model,
    Objective,
    Pixel,
    Prior,
    Walks,
)
from ridgewalk.settings.checks import at_least
from ridgewalk.settings.diffusion import Diffusion, Guidance, Sampling
from ridgewalk.training.schedule import Schedule

YOURS = "yours"
"""The source of an experiment whose images are a user's own files."""

BUDGETS = ("smoke", "cpu", "full")

SOURCES = ("digits", "tables")
"""Sources for which a recipe may have settings of its own: scikit-learn's digits, few and small; and tables, whose rows are no images."""


@dataclass(frozen=True)
class Reproduce:
    """
    How an experiment of a source is run again; a recipe without ``experiment`` is a model to train, and no more.

    ``experiment`` names the driver; ``source`` is what it is run on where nothing else is said (empty: MNIST, or digits; ``yours``: it has to be said);
    one run is trained for each of ``seeds`` and of ``variants`` (name: changes "table.key=value"; one without changes is left out, so that a source or a
    budget can do without one of the others');
    ``points`` are measured at once (codes, images or pairs); ``minutes`` is what the cpu budget takes on two cores at most;
    ``expected`` is what the source says, and ``measured`` what was found when it was last run.
    """

    experiment: str = ""
    source: str = ""
    seeds: tuple[int, ...] = (0,)
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)
    points: int = 1000
    minutes: int = 0
    expected: str = ""
    measured: str = ""

    def __post_init__(self) -> None:
        at_least(1, seeds=len(self.seeds), points=self.points)
        at_least(0, minutes=self.minutes)
        object.__setattr__(self, "variants", {name: changes for name, changes in self.variants.items() if changes})


@dataclass(frozen=True)
class Recipe:
    """One experiment: its question, and the settings of every part."""

    question: str = ""
    reproduce: Reproduce = field(default_factory=Reproduce)
    model: Model = field(default_factory=Model)
    objective: Objective = field(default_factory=Objective)
    prior: Prior = field(default_factory=Prior)
    labels: Labels = field(default_factory=Labels)
    matcher: Matcher = field(default_factory=Matcher)
    critic: Critic = field(default_factory=Critic)
    training: Schedule = field(default_factory=Schedule)
    detector: Detector = field(default_factory=Detector)
    pixel: Pixel = field(default_factory=Pixel)
    interpolation: Interpolation = field(default_factory=Interpolation)
    diffusion: Diffusion = field(default_factory=Diffusion)
    sampling: Sampling = field(default_factory=Sampling)
    guidance: Guidance = field(default_factory=Guidance)
    judges: Judges = field(default_factory=Judges)
    walks: Walks = field(default_factory=Walks)


def names() -> list[str]:
    """The recipes that are shipped."""
    return sorted(
        p.name.removesuffix(".toml") for p in resources.files("ridgewalk.recipes").iterdir() if p.name.endswith(".toml")
    )


def read(recipe: str, budget: str = "cpu", changes: Sequence[str] = (), source: str = "") -> Recipe:
    """
    A recipe by name or by file, at a budget.

    Args:
        recipe: the name of a shipped recipe, or the path of a TOML file.
        budget: ``smoke``, ``cpu`` or ``full``.
        changes: further settings, each "table.key=value" with a TOML value, applied last.
        source: of the images; what ``[sources.NAME.TABLE]`` holds for it, NAME ``digits`` or, for rows of numbers, ``tables``, comes before
            the budget's own.

    Raises:
        ValueError: for an unknown recipe, budget or key, a value of the wrong type, or a file that is not TOML.
    """
    if budget not in BUDGETS:
        raise ValueError(naming.unknown("budget", budget, BUDGETS))
    path = Path(recipe)
    if recipe in names():
        text, where = (
            (resources.files("ridgewalk.recipes") / f"{recipe}.toml").read_text(encoding="utf-8"),
            f"recipe {recipe}",
        )
    elif path.suffix == ".toml" and path.is_file():
        try:
            text, where = path.read_text(encoding="utf-8"), str(path)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not text in UTF-8: {error}") from error
    elif path.suffix == ".toml":
        raise ValueError(f"no recipe file at {path}")
    else:
        raise ValueError(naming.unknown("recipe", recipe, names()))
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where} is not valid TOML: {error}") from error
    budgets, sources = table.pop("budgets", {}), table.pop("sources", {})
    for kind, given, example in (("budgets", budgets, "smoke"), ("sources", sources, "digits")):
        if not isinstance(given, dict) or any(not isinstance(b, dict) for b in given.values()):
            raise ValueError(f"{where}: '{kind}' must hold tables such as [{kind}.{example}.training]")
    for name in budgets:
        if name not in BUDGETS:
            raise ValueError(f"{where}: {naming.unknown('budget', name, BUDGETS)}")
    for name in sources:
        if name not in SOURCES:
            raise ValueError(f"{where}: {naming.unknown('source with settings of its own', name, SOURCES)}")
    kind = "tables" if source and is_points(source) else source
    merged = _merged(_merged(table, sources.get(kind, {})), budgets.get(budget, {}))
    for change in changes:
        name, key, value = _change(change)
        own = merged.get(name, {})
        merged[name] = {**own, key: value} if isinstance(own, dict) else {key: value}
    return parse(merged, where)


def changed(recipe: Recipe, changes: Sequence[str], tables: Sequence[str]) -> Recipe:
    """The recipe with settings "table.key=value" of some of its tables put in; ValueError for a table that is not one of them."""
    merged = to_table(recipe)
    for change in changes:
        name, key, value = _change(change)
        if name not in tables:
            raise ValueError(f"only settings of {' and '.join(tables)} can be changed here; got '{change}'")
        merged[name] = {**merged[name], key: value}
    return parse(merged, "the settings")


def parse(table: Mapping[str, Any], where: str) -> Recipe:
    """A recipe from nested tables; ``where`` names their source in errors."""
    from pydantic import TypeAdapter, ValidationError

    _check_keys(Recipe, table, where)
    adapter = TypeAdapter(Recipe)
    try:
        # JSON mode lets arrays fill tuples while numbers, strings and booleans stay strict
        return adapter.validate_json(json.dumps(table, default=str), strict=True)  # TOML's dates become text
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(p) for p in first["loc"]) or "the recipe"
        if first["type"] == "value_error":  # a table that refused its values names them itself
            raise ValueError(f"{where}: {place}: {first['ctx']['error']}") from error
        message = first["msg"]
        raise ValueError(f"{where}: {place} = {first['input']!r} does not fit: {message}") from error


def to_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as nested tables that ``parse`` reads back; values that are None are left out."""
    return _plain(asdict(recipe))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        inner = out.get(key)
        out[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return out


def _change(text: str) -> tuple[str, str, Any]:
    """Table, key and value of "table.key=value"; a value that is a table takes the place of the one that was there."""
    key, equals, value = text.partition("=")
    table, dot, name = key.strip().partition(".")
    if not equals or not dot:
        raise ValueError(f"a change is written table.key=value, such as training.epochs=5; got '{text}'")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()  # a bare word is a string
    return table, name, parsed


def _check_keys(kind: type, table: Any, where: str, place: str = "") -> None:
    known = {f.name: f.type for f in fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"{where}: {naming.unknown('key', place + key, [place + k for k in known])}")
        inner = known[key]
        if isinstance(inner, type) and is_dataclass(inner):
            if not isinstance(value, dict):
                raise ValueError(f"{where}: {place}{key} must be a table of keys; got {value!r}")
            _check_keys(inner, value, where, f"{place}{key}.")
