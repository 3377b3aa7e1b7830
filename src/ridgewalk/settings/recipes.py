"""
A recipe: the tables of settings that one TOML file fills.

``[budgets.NAME.TABLE]`` holds what a budget changes, and ``[sources.digits.TABLE]`` what small images change. A key that is
not known, or a value that does not fit, is refused with its place and the nearest key that there is.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ridgewalk import naming
from ridgewalk.settings.autoencoder import (
    Critic,
    Detector,
    Interpolation,
    Judges,
    Labels,
    Matcher,
    Model,
    Pixel,
    Prior,
    Walks,
)
from ridgewalk.settings.diffusion import Diffusion, Guidance, Sampling
from ridgewalk.settings.fields import TABLE, Count, CountOrNone, Seed, sentence
from ridgewalk.settings.objective import AnyObjective, read_objective
from ridgewalk.settings.training import Schedule

YOURS = "yours"
"""The source of an experiment whose images are a user's own files."""

BUDGETS = ("smoke", "cpu", "full")

SOURCES = ("digits", "tables")
"""Sources for which a recipe may have settings of its own: scikit-learn's digits, few and small; and tables, whose rows are no images."""


REMOVED: Mapping[str, Any] = {
    "training.weight_decay": 0.0,
    "critic.activation": "leaky_relu",
    "detector.prior": 1.0,
    "detector.lerp": 1.0,
    "detector.shells": 1.0,
    "pixel.activation": "leaky_relu",
    "pixel.rate": 1e-3,
}
"""Keys of earlier versions and the values that they are now fixed at: at those they are read and dropped, so that older runs load."""


@dataclass(frozen=True, config=TABLE)
class Reproduce:
    """How an experiment is run again; a recipe without ``experiment`` is a model to train."""

    experiment: str = ""
    """Name of the study's driver."""
    source: str = ""
    """Default source of the data; empty for MNIST, or digits where the files of MNIST are missing; "yours" where the user must name one."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """One run of each variant is trained for each seed."""
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Changes "table.key=value" by the name of a variant; a variant without changes is left out."""
    points: Count = 1000
    """Codes, images or pairs that are measured."""
    minutes: CountOrNone = 0
    """Longest time of the cpu budget, in minutes on two cores."""
    expected: str = ""
    """What the source says."""
    measured: str = ""
    """What was found when it was last run."""

    def __post_init__(self) -> None:
        for name in self.variants:
            naming.refuse_unsafe("variant", name)
        object.__setattr__(self, "variants", {name: changes for name, changes in self.variants.items() if changes})


@dataclass(frozen=True, config=TABLE)
class Recipe:
    """One experiment: its question, and the settings of every part."""

    question: str = ""
    reproduce: Reproduce = field(default_factory=Reproduce)
    model: Model = field(default_factory=Model)
    objective: AnyObjective = field(default_factory=read_objective)
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
    """The names of the shipped recipes."""
    return sorted(
        p.name.removesuffix(".toml") for p in resources.files("ridgewalk.recipes").iterdir() if p.name.endswith(".toml")
    )


def read(recipe: str, budget: str = "cpu", changes: Sequence[str] = (), source: str = "") -> Recipe:
    """
    Reads a recipe by its name or file, at a budget.

    Args:
        recipe: the name of a shipped recipe, or the path of a TOML file.
        budget: ``smoke``, ``cpu`` or ``full``.
        changes: further settings, each "table.key=value" with a TOML value, applied last.
        source: source of the data; the settings of ``[sources.NAME.TABLE]``, NAME ``digits`` or, for rows of numbers, ``tables``, are applied
            before those of the budget.

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
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and a number of thousands of digits
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
    from ridgewalk.data.points import is_points  # settings are read without PyTorch until data are named

    kind = "tables" if source and is_points(source) else source
    merged = _merged(_merged(table, sources.get(kind, {})), budgets.get(budget, {}))
    for change in changes:
        name, key, value = _change(change)
        own = merged.get(name, {})
        merged[name] = {**own, key: value} if isinstance(own, dict) else {key: value}
    return parse(merged, where)


def changed(recipe: Recipe, changes: Sequence[str], tables: Sequence[str]) -> Recipe:
    """The recipe with some settings changed, each "table.key=value"; ValueError for a table that is not in ``tables``."""
    merged = to_table(recipe)
    for change in changes:
        name, key, value = _change(change, EXAMPLES.get(tables[0], EXAMPLES["training"]))
        if name not in tables:
            raise ValueError(f"only settings of {' and '.join(tables)} can be changed here; got '{change}'")
        merged[name] = {**merged[name], key: value}
    return parse(merged, "the settings")


def changed_keys(changes: Sequence[str], table: str) -> set[str]:
    """The keys of one table that changes "table.key=value" name."""
    named = (change.partition("=")[0].strip().partition(".") for change in changes)
    return {key for name, _, key in named if name == table}


def parse(table: Mapping[str, Any], where: str) -> Recipe:
    """
    A recipe from nested tables.

    Args:
        table: tables of keys, as TOML has them.
        where: name of their source, for errors.

    Raises:
        ValueError: for an unknown key, with the nearest known one, and for a value that does not fit.
    """
    try:
        return read_table(Recipe, {n: _without_removed(n, t) for n, t in table.items()})
    except ValidationError as error:
        raise ValueError(f"{where}: {sentence(error, Recipe)}") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


T = TypeVar("T")


def read_table(kind: type[T], table: Mapping[str, Any]) -> T:
    """
    One table of settings, strictly: numbers, strings and booleans are not converted, while arrays fill tuples.

    Raises:
        ValidationError: of pydantic; ``fields.sentence`` makes one sentence of it.
    """
    return TypeAdapter(kind).validate_json(json.dumps(table, default=str), strict=True)  # TOML's dates become text


def _without_removed(name: str, table: Any) -> Any:
    if not isinstance(table, Mapping):
        return table
    removed = {key: REMOVED[f"{name}.{key}"] for key in table if f"{name}.{key}" in REMOVED}
    for key, value in removed.items():
        if table[key] != value:
            raise ValueError(
                f"{name}.{key} is no longer a setting and is fixed at {value!r}; got {table[key]!r}: leave it out"
            )
    return {key: value for key, value in table.items() if key not in removed}


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


EXAMPLES = {
    t: f"{t}.{change}"
    for t, change in {
        "training": "epochs=5",
        "sampling": "steps=40",
        "diffusion": "epochs=50",
        "guidance": "epochs=20",
        "walks": "sgw_beta=0.05",
    }.items()
}
"""A change of each table that a verb can change, for messages."""


def _change(text: str, example: str = EXAMPLES["training"]) -> tuple[str, str, Any]:
    """Table, key and value of "table.key=value"; a value that is a table takes the place of the one that was there."""
    key, equals, value = text.partition("=")
    table, dot, name = key.strip().partition(".")
    if not equals or not dot:
        raise ValueError(f"a change is written table.key=value, such as {example}; got '{naming.shorten(text)}'")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        parsed = value.strip()  # a bare word is a string
    return table, name, parsed
