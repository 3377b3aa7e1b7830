"""The one registry: names in recipes and on the command line become objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from ridgewalk import naming
from ridgewalk.energies import (
    Decoded,
    DensityRatio,
    Ideal,
    KernelDensity,
    LogitSquared,
    NearestNeighbours,
    NegativeLogD,
    Reprojection,
    Scaled,
    SoftRatio,
    TowardsEncoded,
    balanced,
    typical_force,
)
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.paths import (
    ArrivingWalk,
    BestOf,
    GraphPath,
    GuidedExploration,
    Lerp,
    ScoreGuidedWalk,
    Slerp,
    StringMethod,
)
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.runs.config import Recipe
from ridgewalk.training.negatives import LerpPoints
from ridgewalk.training.noise import Noise


@dataclass(frozen=True, eq=False)
class Materials:
    """
    What energies and finders are built from.

    Attributes:
        recipe: their constants.
        sensors: discriminators by name: ``detector``, and where there are such ``matcher``, ``pixel``, ``pixel-real``, ``critic``, ``latent``.
        encode: images to codes.
        decode: codes to images.
        references: codes of real data; called only by what uses them.
    """

    recipe: Recipe
    sensors: Mapping[str, Discriminator]
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    references: Callable[[], Tensor]

    def sensor(self, name: str) -> Discriminator:
        """The discriminator called ``name``; ValueError with what to do where the run has none."""
        if name not in self.sensors:
            has = ", ".join(n for n, e in ENERGIES.items() if e.sensor is None or e.sensor in self.sensors)
            raise ValueError(
                f"this run has no {name} sensor: {_REMEDIES[name]}; without it there are the energies {has}"
            )
        return self.sensors[name]

    @cached_property
    def lerp_points(self) -> Tensor:
        """Points on straight lines between references, where forces are measured against one another: (n, *)."""
        codes = self.references()
        return LerpPoints()(codes[:FORCE_POINTS], Noise(0, 0, device=codes.device))


ON_IMAGES = ("pixel", "pixel-real", "critic")
"""Sensors that see decoded images."""

AGAINST_PRIOR = ("matcher", "latent")
"""Sensors whose own task is to tell encoded data from the prior."""

FORCE_POINTS = 512
"""LERP points on which energies are weighed against one another."""

_REMEDIES = {
    "matcher": "only an adversarial autoencoder has one",
    "detector": "train the run again",
    "pixel": "train one with `ridgewalk sense RUN`",
    "pixel-real": "train one with `ridgewalk sense RUN --contrast real`",
    "critic": "only a VAE-GAN has one",
    "latent": "only a VAE-GAN with objective.latent has one",
}


@dataclass(frozen=True)
class EnergyName:
    """An energy that can be named: which sensor it needs (None: none), how it is made, and its formula in words."""

    sensor: str | None
    make: Callable[[Materials], Energy]
    formula: str


def _soft(m: Materials) -> Energy:
    return SoftRatio(m.sensor("detector"), m.recipe.walks.margin)


def _pixel(m: Materials, sensor: str = "pixel") -> Energy:
    return Decoded(SoftRatio(m.sensor(sensor), m.recipe.walks.margin), m.decode)


def _alike(m: Materials, energy: Energy) -> Energy:
    """The energy, scaled so that its typical force is that of the density ratio: one step size serves all."""
    return Scaled(energy, typical_force(_soft(m), m.lerp_points) / typical_force(energy, m.lerp_points))


def _dual(m: Materials) -> Energy:
    return balanced([_soft(m), _pixel(m)], m.lerp_points)


ENERGIES: Mapping[str, EnergyName] = {
    "logit-squared": EnergyName("matcher", lambda m: LogitSquared(m.sensor("matcher")), "l^2 of the AAE's D_z"),
    "bce-to-0": EnergyName(
        "matcher", lambda m: TowardsEncoded(m.sensor("matcher")), "softplus(l) of the AAE's D_z, which has no minimum"
    ),
    "bce-to-half": EnergyName(
        "matcher", lambda m: Ideal(m.sensor("matcher")), "softplus(l) - l/2 - ln 2 of the AAE's D_z, lowest at D = 1/2"
    ),
    "ratio": EnergyName("detector", lambda m: DensityRatio(m.sensor("detector")), "-l of the density-ratio detector"),
    "soft-ratio": EnergyName("detector", _soft, "softplus(m - l) of the density-ratio detector"),
    "neg-log-d": EnergyName(
        "detector", lambda m: NegativeLogD(m.sensor("detector")), "softplus(-l) of the density-ratio detector"
    ),
    "pixel": EnergyName(
        "pixel",
        lambda m: _alike(m, _pixel(m)),
        "softplus(m - l(G(z))) of D_x, which tells decoded data from decoded holes",
    ),
    "pixel-real": EnergyName(
        "pixel-real",
        lambda m: _alike(m, _pixel(m, "pixel-real")),
        "softplus(m - l(G(z))) of the naive D_x, which tells real images from decoded holes",
    ),
    "critic": EnergyName(
        "critic",
        lambda m: _alike(m, _pixel(m, "critic")),
        "softplus(m - l(G(z))) of the VAE-GAN's own D_x, which tells real images from decoded ones",
    ),
    "latent": EnergyName(
        "latent",
        lambda m: _alike(m, SoftRatio(m.sensor("latent"), m.recipe.walks.margin)),
        "softplus(m - l) of the VAE-GAN's own D_z, which tells draws of q(z|x) from the prior",
    ),
    "dual": EnergyName("pixel", _dual, "soft-ratio of D_z and of D_x(G(z)), of equal typical force"),
    "reprojection": EnergyName(
        None,
        lambda m: _alike(m, Reprojection(m.encode, m.decode)),
        "|z - E(G(z))|^2, scaled to the density ratio's force",
    ),
    "neighbours": EnergyName(
        None,
        lambda m: _alike(m, NearestNeighbours(m.references()[:DENSITY_REFERENCES])),
        "mean squared distance to the 10 nearest codes, scaled to the density ratio's force",
    ),
    "kernel": EnergyName(
        None,
        lambda m: _alike(m, KernelDensity(m.references()[:DENSITY_REFERENCES])),
        "minus the log of a kernel density of codes, h = 0.5, scaled to the density ratio's force",
    ),
}

DENSITY_REFERENCES = 2000
"""Codes behind the energies that measure distances."""


def energy(name: str, materials: Materials) -> Energy:
    """
    The energy called ``name`` over a run's sensors.

    Raises:
        ValueError: for an unknown name, or a sensor that the run does not have.
    """
    if name not in ENERGIES:
        raise ValueError(naming.unknown("energy", name, ENERGIES))
    return ENERGIES[name].make(materials)


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
}


def method_and_energy(name: str) -> tuple[str, str | None]:
    """A method's name, alone or with an energy in place of its own: ``string``, or ``string:dual``."""
    method, _, energy_name = name.partition(":")
    if method not in METHODS:
        raise ValueError(naming.unknown("method", method, METHODS))
    return method, energy_name or None


def default_energy(method: str, sensors: Mapping[str, Discriminator]) -> str | None:
    """The energy that a method takes where none is named: its own, or the detector's bounded one for a model without a matcher."""
    if method not in METHODS:
        raise ValueError(naming.unknown("method", method, METHODS))
    own = METHODS[method].energy
    return "neg-log-d" if own is not None and ENERGIES[own].sensor not in sensors else own


def finder(name: str, materials: Materials, energy_name: str | None = None) -> PathFinder:
    """
    The finder called ``name``.

    Args:
        name: one of ``METHODS``.
        materials: what it is built from.
        energy_name: in place of the method's default energy.
    """
    if name not in METHODS:
        raise ValueError(naming.unknown("method", name, METHODS))
    default, w = METHODS[name].energy, materials.recipe.walks
    references, decode = materials.references, materials.decode
    if default is None:
        if energy_name is not None:
            raise ValueError(
                f"method '{name}' asks no energy; leave out the energy '{energy_name}', or choose sgw, sgw-arriving, guided or one of the strings"
            )
        simple: dict[str, Callable[[], PathFinder]] = {
            "lerp": lambda: Lerp(w.frames),
            "slerp": lambda: Slerp(w.frames),
            "graph": lambda: GraphPath(references(), w.neighbours, bridge=True, nodes=w.frames),
        }
        return simple[name]()
    chosen = energy_name or default_energy(name, materials.sensors) or default
    e = energy(chosen, materials)
    if name == "sgw":
        return ScoreGuidedWalk(e, alpha=w.sgw_alpha, beta=w.sgw_beta, eps=w.sgw_alpha, nodes=w.frames)
    if name == "guided":
        return GuidedExploration(e, nodes=w.frames)
    if ENERGIES[chosen].sensor == "matcher":
        e = _alike(materials, e)  # a matcher's forces are weak: what follows has one step size for all energies
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
