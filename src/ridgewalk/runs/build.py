"""The one registry: names in recipes and on the command line become objects."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from ridgewalk import naming
from ridgewalk.diffusion.energy import DenoisingBound
from ridgewalk.energies import (
    Calibrated,
    Decoded,
    DensityRatio,
    GaussianPrior,
    Ideal,
    KernelDensity,
    LogitSquared,
    NearestNeighbours,
    NegativeLogD,
    PosteriorEnergy,
    Reprojection,
    Scaled,
    SoftRatio,
    TowardsEncoded,
    WeightedSum,
    balanced,
    calibrated,
)
from ridgewalk.energies.combine import Along, median_force
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.paths import (
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
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.runs.config import Recipe
from ridgewalk.runs.diffused import Diffused
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
        diffused: the diffusion of codes, where there is one.
        moving: (d,) bool, which values of a code finders may change; None for all.
    """

    recipe: Recipe
    sensors: Mapping[str, Discriminator]
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    references: Callable[[], Tensor]
    diffused: Diffused | None = None
    moving: Tensor | None = None

    @property
    def diffusion(self) -> Diffused:
        """The diffusion of codes; ValueError with what to do where the run has none."""
        if self.diffused is None:
            raise ValueError("this run has no diffusion of its codes: train one with `ridgewalk diffuse RUN`")
        return self.diffused

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


DENOISER = "denoiser"
"""What the energy of a diffusion of codes is read from: no discriminator, and so not among a run's sensors."""

ON_IMAGES = ("pixel", "pixel-real", "critic")
"""Sensors that see decoded images."""

AGAINST_PRIOR = ("matcher", "latent")
"""Sensors whose own task is to tell encoded data from the prior."""

FORCE_POINTS = 512
"""LERP points on which energies are weighed against one another."""

CALIBRATION_CODES = 2000
"""The last of the reference codes, on which an energy is 0 once calibrated; the first ones are what neighbour energies refer to."""

FAINT = 1e-6
"""A force below this share of the one that it is weighed against is dead: scaled up, it would be rounding."""

_REMEDIES = {
    "matcher": "only an adversarial autoencoder has one",
    "detector": "train the run again",
    "pixel": "train one with `ridgewalk sense RUN`",
    "pixel-real": "train one with `ridgewalk sense RUN --contrast real`",
    "critic": "only a VAE-GAN has one",
    "latent": "only a VAE-GAN with objective.latent has one",
}


_MENDING = {
    "detector": "train the run again",
    "pixel": "remove pixel.json and pixel.safetensors, and train it again with `ridgewalk sense RUN`",
    "pixel-real": "remove pixel-real.json and pixel-real.safetensors, and train it again with `ridgewalk sense RUN --contrast real`",
}
"""What to do about a sensor that is dead; of the others, choose the energy of another sensor."""


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


def _alive(force: float, beside: float) -> bool:
    """Whether a typical force can be followed, beside another that it is weighed against."""
    return 0 < force < math.inf and not (math.isfinite(beside) and force < FAINT * beside)


def _alike(m: Materials, energy: Energy) -> Energy:
    """
    The energy, scaled so that its typical force is that of the density ratio: one step size serves all.

    Where one of the two is dead there is nothing to weigh, and the energy keeps its own force.
    """
    wanted, own = median_force(_soft(m), m.lerp_points), median_force(energy, m.lerp_points)
    if not _alive(wanted, own):
        warnings.warn(
            f"the detector is dead: its median force on {len(m.lerp_points)} LERP points is {wanted:.3g}. "
            "Energies that are scaled to it keep their own force; train the run again",
            stacklevel=2,
        )
    return Scaled(energy, wanted / own if _alive(wanted, own) and _alive(own, wanted) else 1.0)


def _dual(m: Materials) -> Energy:
    halves = {"latent": _soft(m), "pixel": _pixel(m)}
    sizes = {name: median_force(half, m.lerp_points) for name, half in halves.items()}
    strongest = max((size for size in sizes.values() if 0 < size < math.inf), default=0.0)
    dead = [name for name, size in sizes.items() if not _alive(size, strongest)]
    if dead:
        found = " and ".join(f"{sizes[name]:.3g}" for name in dead)
        mend = " and ".join(_MENDING["detector" if name == "latent" else name] for name in dead)
        left = "" if len(dead) == 2 else f", or walk with --energy {'pixel' if dead == ['latent'] else 'soft-ratio'}"
        raise ValueError(
            f"dead in the energy 'dual': its {' and its '.join(dead)} half, whose median force on {len(m.lerp_points)} LERP points "
            f"is {found} and cannot be weighed; {mend}{left}"
        )
    return balanced(list(halves.values()), m.lerp_points, m.recipe.walks.dual_shares)


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
    "posterior": EnergyName(
        "latent",
        lambda m: _alike(m, PosteriorEnergy(m.sensor("latent"), GaussianPrior())),
        "-l(z) + |z|^2 / 2 of the VAE-GAN's own D_z: minus the log density of encoded data, up to a constant",
    ),
    "dual": EnergyName("pixel", _dual, "soft-ratio of D_z and of D_x(G(z)), each at its share of the typical force"),
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
    "diffusion": EnergyName(
        DENOISER,
        lambda m: _alike(m, DenoisingBound(m.diffusion.denoiser, m.diffusion.standardiser)),
        "a bound on minus the log density of codes by their diffusion: its denoising error, scaled to the density ratio's force",
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
    made = ENERGIES[name].make(materials)
    return made if materials.moving is None else Along(made, materials.moving)


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
    "ridge": Method(
        "soft-ratio", "as short in images as realism allows; ridge@R weighs it, from 0 (geodesic) up, 4 by default"
    ),
    "ridge-quick": Method("soft-ratio", "ridge with fewer nodes and iterations"),
}

KNOBBED = ("ridge", "ridge-quick")
"""Methods that take a realism, as in ``ridge@8``."""


def available(materials: Materials) -> list[str]:
    """The methods that a run has what they need for."""
    return [name for name in METHODS if name != "flow" or materials.diffused is not None]


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
        e = _alike(materials, e)  # a matcher's forces are weak: the other methods have one step size for all energies
    return chosen, e


def weighable(e: Energy, materials: Materials) -> Energy:
    """The energy, 0 on codes of data and 1 on LERP points; where it does not tell them apart there is nothing to weigh, and it weighs 0."""
    try:
        return calibrated(e, materials.references()[-CALIBRATION_CODES:], materials.lerp_points)
    except ValueError as error:
        warnings.warn(
            f"{error}. The ridge path will equal the geodesic; train the sensor again, or choose the energy of another",
            stacklevel=2,
        )
        return Scaled(e, 0.0)


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
        return _MENDING.get(self.sensor or "", "choose the energy of another sensor, such as soft-ratio")


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
    unit = median_force(_soft(materials), points)
    sizes = [median_force(part, points) for _, _, part, _ in parts]
    return [Force(n, s, size, w, _alive(size, unit)) for (n, s, _, w), size in zip(parts, sizes)]


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
