"""The one registry: names in recipes and on the command line become objects. Energies are in ``runs.energies``; here are the methods over them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ridgewalk import naming
from ridgewalk.diffusion import PerRows
from ridgewalk.energies import Calibrated, Scaled, WeightedSum
from ridgewalk.energies.combine import Along, median_force
from ridgewalk.finders import (
    ArrivingWalk,
    BestOf,
    Geodesic,
    GraphPath,
    GuidedExploration,
    Lerp,
    RidgePath,
    ScoreGuidedWalk,
    Slerp,
    StringMethod,
)
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.store.energies import (
    AGAINST_PRIOR,
    ENERGIES,
    MENDING,
    ON_IMAGES,
    EnergyName,
    Materials,
    alike,
    alive,
    energy,
    soft_ratio,
    weighable,
)

__all__ = [
    "AGAINST_PRIOR",
    "ENERGIES",
    "KNOBBED",
    "METHODS",
    "ON_IMAGES",
    "EnergyName",
    "Force",
    "Materials",
    "Method",
    "available",
    "default_energy",
    "energy",
    "finder",
    "forces",
    "known",
    "method_and_energy",
    "weighable",
]


@dataclass(frozen=True)
class Method:
    """A finder that can be named: the energy it takes by default (None: it asks none), and a line that explains it."""

    energy: str | None
    about: str


METHODS: Mapping[str, Method] = {
    "lerp": Method(None, "straight line"),
    "slerp": Method(None, "great circle"),
    "sgw": Method("logit-squared", "score-guided walk as written; need not arrive"),
    "sgw-arriving": Method(
        "soft-ratio", "score-guided walk whose correction is normal to the drive and capped below it"
    ),
    "guided": Method("neg-log-d", "guided exploration along grad log D; need not arrive"),
    "graph": Method(None, "shortest path over a k-nearest-neighbour graph of codes"),
    "string": Method("soft-ratio", "string method from a straight line"),
    "graph-string": Method("soft-ratio", "string method from the graph's path"),
    "best-string": Method(
        "soft-ratio", "the best, by energy and length, of strings from a line, a great circle and the graph"
    ),
    "geodesic": Method(None, "shortest curve in decoded images"),
    "flow": Method(
        None, "through noise: the ends carried along the probability flow of the diffusion of codes, joined there"
    ),
    "flow-guided": Method(None, "flow, by the score that a discriminator corrects"),
    "ridge": Method(
        "soft-ratio", "as short in images as realism allows; ridge@R weighs it, from 0 (geodesic) up, 4 by default"
    ),
    "ridge-quick": Method("soft-ratio", "ridge with fewer nodes and iterations"),
}

KNOBBED = ("ridge", "ridge-quick")
"""Methods that take a realism, as in ``ridge@8``."""


def available(materials: Materials) -> list[str]:
    """The methods that a run has what they need for."""
    has = {"flow": materials.diffused is not None, "flow-guided": materials.guide is not None}
    return [name for name in METHODS if has.get(name, True)]


def method_and_energy(name: str) -> tuple[str, str | None]:
    """A method, alone or with an energy in place of its own: ``string``, ``string:dual``, ``ridge@8:dual``."""
    method, _, energy_name = name.partition(":")
    known(method)
    return method, energy_name or None


def known(method: str) -> tuple[str, float | None]:
    """
    A method's name and its realism, where one is given after an @.

    Raises:
        ValueError: for a name that is none of ``METHODS``, and a realism that is no number >= 0 or that the method does not take.
    """
    name, at, text = method.partition("@")
    if name not in METHODS:
        raise ValueError(naming.unknown("method", name, METHODS))
    if not at:
        return name, None
    if name not in KNOBBED:
        raise ValueError(f"method '{name}' takes no realism; leave out @{text}, or choose {' or '.join(KNOBBED)}")
    try:
        realism = float(text)
    except ValueError:
        realism = math.nan
    if not 0 <= realism < math.inf:
        raise ValueError(f"a realism is a finite number >= 0, as in {name}@4; got '{text}'")
    return name, realism


def default_energy(method: str, sensors: Mapping[str, Discriminator]) -> str | None:
    """The energy that a method takes where none is named: its own, or the detector's bounded one for a model without a matcher."""
    own = METHODS[known(method)[0]].energy
    return "neg-log-d" if own is not None and ENERGIES[own].sensor not in sensors else own


def _guide(method: str, materials: Materials, energy_name: str | None) -> tuple[str, Energy]:
    """The energy that guides a method that asks one, by name and as it enters."""
    chosen = energy_name or default_energy(method, materials.sensors)
    assert chosen is not None
    e = energy(chosen, materials)
    method = known(method)[0]
    if method in KNOBBED:
        return chosen, weighable(e, materials)
    if ENERGIES[chosen].sensor == "matcher" and method not in ("sgw", "guided"):
        e = alike(materials, e)  # a matcher's forces are weak: the other methods have one step size for all energies
    return chosen, e


@dataclass(frozen=True)
class Force:
    """
    A force that guides a method.

    Attributes:
        name: the energy's; ``latent`` and ``pixel`` for the two of "dual".
        sensor: that it is felt by, where there is one.
        size: its median norm on LERP points, unweighed.
        weight: with which it enters.
        alive: whether there is anything to follow: ``size`` is neither 0, nor not finite, nor rounding beside the density ratio's.
    """

    name: str
    sensor: str | None
    size: float
    weight: float
    alive: bool

    @property
    def mending(self) -> str:
        """What to do where it is dead."""
        return MENDING.get(self.sensor or "", "choose the energy of another sensor, such as soft-ratio")


def forces(method: str, materials: Materials, energy_name: str | None = None) -> list[Force]:
    """What guides a method, and how strongly where paths go; nothing for a method that asks no energy."""
    if default_energy(method, materials.sensors) is None:
        return []
    chosen, e = _guide(method, materials, energy_name)
    if isinstance(e, Calibrated):
        e = e.energy
    parts = [(chosen, ENERGIES[chosen].sensor, e, 1.0)]
    if isinstance(e, Scaled):
        parts = [(chosen, ENERGIES[chosen].sensor, e.energy, e.weight)]
    if isinstance(e, WeightedSum):
        parts = list(zip(("latent", "pixel"), ("detector", "pixel"), e.energies, e.weights))
    points = materials.lerp_points
    unit = median_force(soft_ratio(materials), points)
    sizes = [median_force(part, points) for _, _, part, _ in parts]
    return [Force(n, s, size, w, alive(size, unit)) for (n, s, _, w), size in zip(parts, sizes)]


def _guided_flow(materials: Materials) -> PathFinder:
    model = materials.diffusion
    if materials.guide is None:
        raise ValueError("this run's diffusion has no guide: train one with `ridgewalk guide RUN`")
    guide = materials.guide()
    if guide.settings.labels:
        raise ValueError(
            "this run's guide was trained class by class, and a path between classes has none: train one with guidance.labels = false"
        )
    score = guide.score(model)
    assert not isinstance(score, PerRows)
    return model.path(materials.recipe.walks.frames, score=score)


def finder(name: str, materials: Materials, energy_name: str | None = None) -> PathFinder:
    """
    The finder called ``name``.

    Args:
        name: one of ``METHODS``, with a realism where it takes one.
        materials: what it is built from.
        energy_name: in place of the method's default energy.
    """
    full, (name, realism) = name, known(name)
    w = materials.recipe.walks
    references, decode = materials.references, materials.decode
    if materials.moving is not None:
        decode = Along(decode, materials.moving)
    if METHODS[name].energy is None:
        if energy_name is not None:
            raise ValueError(
                f"method '{name}' asks no energy; leave out the energy '{energy_name}', or choose sgw, sgw-arriving, guided, ridge or one of the strings"
            )
        simple: dict[str, Callable[[], PathFinder]] = {
            "lerp": lambda: Lerp(w.frames),
            "slerp": lambda: Slerp(w.frames),
            "graph": lambda: GraphPath(references(), w.neighbours, bridge=True, nodes=w.frames),
            "geodesic": lambda: Geodesic(decode, nodes=w.frames),
            "flow": lambda: materials.diffusion.path(w.frames),
            "flow-guided": lambda: _guided_flow(materials),
        }
        return simple[name]()
    _, e = _guide(full, materials, energy_name)
    if name in KNOBBED:
        weight = w.realism if realism is None else realism
        if name == "ridge":
            return RidgePath(e, decode, weight, w.frames)
        return RidgePath(e, decode, weight, w.frames, coarse=(6, 11), iterations=8)
    if name == "sgw":
        return ScoreGuidedWalk(e, alpha=w.sgw_alpha, beta=w.sgw_beta, eps=w.sgw_alpha, nodes=w.frames)
    if name == "guided":
        return GuidedExploration(e, nodes=w.frames)
    if name == "sgw-arriving":
        return ArrivingWalk(e, nodes=w.frames)
    settings: dict[str, Any] = {
        "nodes": w.nodes,
        "iterations": w.iterations,
        "step": w.step,
        "smoothing": w.smoothing,
        "spacing": decode,
    }
    starts: dict[str, Callable[[], PathFinder]] = {
        "string": lambda: Lerp(w.nodes),
        "great-circle": lambda: Slerp(w.nodes),
        "graph-string": lambda: GraphPath(references(), w.neighbours, bridge=True, nodes=w.nodes),
    }
    if name != "best-string":
        return StringMethod(e, start=starts[name](), **settings)
    return BestOf([StringMethod(e, start=start(), **settings) for start in starts.values()], e, w.length_weight, decode)
