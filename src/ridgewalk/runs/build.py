"""The one registry: names in recipes and on the command line become objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ridgewalk import naming
from ridgewalk.energies import DensityRatio, Ideal, LogitSquared, NegativeLogD, SoftRatio, TowardsEncoded
from ridgewalk.models import autoencoders
from ridgewalk.models.autoencoders import Autoencoder, GaussianAutoencoder
from ridgewalk.models.discriminators import Discriminator, latent_discriminator
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
from ridgewalk.training.negatives import Mixture, mixture
from ridgewalk.training.noise import mixed_seed
from ridgewalk.training.objectives import AAE, AE, VAE, Objective

OBJECTIVES = ("ae", "vae", "aae")


def model(recipe: Recipe, shape: tuple[int, int, int], seed: int) -> Autoencoder:
    """The recipe's autoencoder for images of ``shape``, its weights drawn from ``seed``."""
    m = recipe.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, 1))
        return autoencoders.build(shape, m.latent, m.posterior, m.network, m.hidden, m.activation)


def matcher(recipe: Recipe, seed: int) -> Discriminator | None:
    """The AAE's discriminator, positive for the prior; None for objectives that have none."""
    if recipe.objective.name != "aae":
        return None
    m = recipe.matcher
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, 2))
        return latent_discriminator(recipe.model.latent, "prior", m.hidden, m.activation, m.spectral)


def objective(recipe: Recipe, autoencoder: Autoencoder, discriminator: Discriminator | None) -> Objective:
    """The recipe's objective over these networks."""
    o = recipe.objective
    if o.name not in OBJECTIVES:
        raise ValueError(naming.unknown("objective", o.name, OBJECTIVES))
    if o.name == "aae":
        assert discriminator is not None
        return AAE(
            autoencoder, discriminator, sigma=o.sigma, reconstruction=o.reconstruction, adversarial=o.adversarial
        )
    if o.name == "vae":
        if not isinstance(autoencoder, GaussianAutoencoder):
            raise ValueError("the objective 'vae' needs model.posterior = \"gaussian\"; got 'deterministic'")
        return VAE(autoencoder, o.reconstruction, o.beta)
    if isinstance(autoencoder, GaussianAutoencoder):
        raise ValueError(
            "the objective 'ae' needs model.posterior = \"deterministic\"; got 'gaussian': use the objective 'vae'"
        )
    return AE(autoencoder, o.reconstruction)


def negatives(recipe: Recipe) -> Mixture:
    """The detector's mixture of negatives."""
    d = recipe.detector
    return mixture(d.prior, d.lerp, d.shells)


@dataclass(frozen=True)
class EnergyName:
    """An energy that can be named: which sensor it reads, and how."""

    sensor: str
    make: Callable[[Discriminator], Energy]
    formula: str


ENERGIES: Mapping[str, EnergyName] = {
    "logit-squared": EnergyName("matcher", LogitSquared, "l^2 of the AAE's D_z"),
    "bce-to-0": EnergyName("matcher", TowardsEncoded, "softplus(l) of the AAE's D_z, which has no minimum"),
    "bce-to-half": EnergyName("matcher", Ideal, "softplus(l) - l/2 - ln 2 of the AAE's D_z, lowest at D = 1/2"),
    "ratio": EnergyName("detector", DensityRatio, "-l of the density-ratio detector"),
    "soft-ratio": EnergyName("detector", SoftRatio, "softplus(m - l) of the density-ratio detector"),
    "neg-log-d": EnergyName("detector", NegativeLogD, "softplus(-l) of the density-ratio detector"),
}


def energy(name: str, sensors: Mapping[str, Discriminator], recipe: Recipe) -> Energy:
    """
    The energy called ``name`` over a run's sensors.

    Raises:
        ValueError: for an unknown name, or a sensor that the run does not have.
    """
    if name not in ENERGIES:
        raise ValueError(naming.unknown("energy", name, ENERGIES))
    wanted = ENERGIES[name]
    if wanted.sensor not in sensors:
        has = ", ".join(n for n, e in ENERGIES.items() if e.sensor in sensors)
        raise ValueError(
            f"energy '{name}' reads a {wanted.sensor}, which this run has not (only an AAE has a matcher); it has: {has}"
        )
    if name == "soft-ratio":
        return SoftRatio(sensors["detector"], recipe.walks.margin)
    return wanted.make(sensors[wanted.sensor])


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


def default_energy(method: str, sensors: Mapping[str, Discriminator]) -> str | None:
    """The energy that a method takes where none is named: its own, or the detector's bounded one for a model without a matcher."""
    if method not in METHODS:
        raise ValueError(naming.unknown("method", method, METHODS))
    own = METHODS[method].energy
    return "neg-log-d" if own is not None and ENERGIES[own].sensor not in sensors else own


def finder(
    name: str,
    recipe: Recipe,
    sensors: Mapping[str, Discriminator],
    references: Callable[[], Tensor],
    decode: Callable[[Tensor], Tensor],
    energy_name: str | None = None,
) -> PathFinder:
    """
    The finder called ``name``.

    Args:
        name: one of ``METHODS``.
        recipe: its constants.
        sensors: discriminators by name.
        references: codes of real data, called only by the finders that use them.
        decode: the decoder, between whose images a string's frames are spaced.
        energy_name: in place of the method's default energy.
    """
    if name not in METHODS:
        raise ValueError(naming.unknown("method", name, METHODS))
    default, w = METHODS[name].energy, recipe.walks
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
    e = energy(energy_name or default_energy(name, sensors) or default, sensors, recipe)
    if name == "sgw":
        return ScoreGuidedWalk(e, alpha=w.sgw_alpha, beta=w.sgw_beta, eps=w.sgw_alpha, nodes=w.frames)
    if name == "sgw-arriving":
        return ArrivingWalk(e, nodes=w.frames)
    if name == "guided":
        return GuidedExploration(e, nodes=w.frames)
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
