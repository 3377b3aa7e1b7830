"""What a run's sensors are read as: energies by name, and how strong they are where paths go."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ridgewalk import naming
from ridgewalk.diffusion.energy import DenoisingBound
from ridgewalk.energies import (
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
    balanced,
    calibrated,
)
from ridgewalk.energies.combine import Along, median_force
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.protocols import Energy
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store.diffusion import Diffused
from ridgewalk.store.guide import Guide
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
        guide: reads the discriminator that guides it, where there is one; called only by what uses it.
        moving: (d,) bool, which values of a code finders may change; None for all.
    """

    recipe: Recipe
    sensors: Mapping[str, Discriminator]
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    references: Callable[[], Tensor]
    diffused: Diffused | None = None
    guide: Callable[[], Guide] | None = None
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

DENSITY_REFERENCES = 2000
"""Codes behind the energies that measure distances."""

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

MENDING = {
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


def soft_ratio(m: Materials) -> Energy:
    """The energy "soft-ratio", whose force the others are scaled to."""
    return SoftRatio(m.sensor("detector"), m.recipe.walks.margin)


def _pixel(m: Materials, sensor: str = "pixel") -> Energy:
    return Decoded(SoftRatio(m.sensor(sensor), m.recipe.walks.margin), m.decode)


def alive(force: float, beside: float) -> bool:
    """Whether a typical force can be followed, beside another that it is weighed against."""
    return 0 < force < math.inf and not (math.isfinite(beside) and force < FAINT * beside)


def alike(m: Materials, energy: Energy) -> Energy:
    """
    The energy, scaled so that its typical force is that of the density ratio: one step size serves all.

    Where one of the two is dead there is nothing to weigh, and the energy keeps its own force.
    """
    wanted, own = median_force(soft_ratio(m), m.lerp_points), median_force(energy, m.lerp_points)
    if not alive(wanted, own):
        warnings.warn(
            f"the detector is dead: its median force on {len(m.lerp_points)} LERP points is {wanted:.3g}. "
            "Energies that are scaled to it keep their own force; train the run again",
            stacklevel=2,
        )
    return Scaled(energy, wanted / own if alive(wanted, own) and alive(own, wanted) else 1.0)


def _dual(m: Materials) -> Energy:
    halves = {"latent": soft_ratio(m), "pixel": _pixel(m)}
    sizes = {name: median_force(half, m.lerp_points) for name, half in halves.items()}
    strongest = max((size for size in sizes.values() if 0 < size < math.inf), default=0.0)
    dead = [name for name, size in sizes.items() if not alive(size, strongest)]
    if dead:
        found = " and ".join(f"{sizes[name]:.3g}" for name in dead)
        mend = " and ".join(MENDING["detector" if name == "latent" else name] for name in dead)
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
    "soft-ratio": EnergyName("detector", soft_ratio, "softplus(m - l) of the density-ratio detector"),
    "neg-log-d": EnergyName(
        "detector", lambda m: NegativeLogD(m.sensor("detector")), "softplus(-l) of the density-ratio detector"
    ),
    "pixel": EnergyName(
        "pixel",
        lambda m: alike(m, _pixel(m)),
        "softplus(m - l(G(z))) of D_x, which tells decoded data from decoded holes",
    ),
    "pixel-real": EnergyName(
        "pixel-real",
        lambda m: alike(m, _pixel(m, "pixel-real")),
        "softplus(m - l(G(z))) of the naive D_x, which tells real images from decoded holes",
    ),
    "critic": EnergyName(
        "critic",
        lambda m: alike(m, _pixel(m, "critic")),
        "softplus(m - l(G(z))) of the VAE-GAN's own D_x, which tells real images from decoded ones",
    ),
    "latent": EnergyName(
        "latent",
        lambda m: alike(m, SoftRatio(m.sensor("latent"), m.recipe.walks.margin)),
        "softplus(m - l) of the VAE-GAN's own D_z, which tells draws of q(z|x) from the prior",
    ),
    "posterior": EnergyName(
        "latent",
        lambda m: alike(m, PosteriorEnergy(m.sensor("latent"), GaussianPrior())),
        "-l(z) + |z|^2 / 2 of the VAE-GAN's own D_z: minus the log density of encoded data, up to a constant",
    ),
    "dual": EnergyName("pixel", _dual, "soft-ratio of D_z and of D_x(G(z)), each at its share of the typical force"),
    "reprojection": EnergyName(
        None,
        lambda m: alike(m, Reprojection(m.encode, m.decode)),
        "|z - E(G(z))|^2, scaled to the density ratio's force",
    ),
    "neighbours": EnergyName(
        None,
        lambda m: alike(m, NearestNeighbours(m.references()[:DENSITY_REFERENCES])),
        "mean squared distance to the 10 nearest codes, scaled to the density ratio's force",
    ),
    "kernel": EnergyName(
        None,
        lambda m: alike(m, KernelDensity(m.references()[:DENSITY_REFERENCES])),
        "minus the log of a kernel density of codes, h = 0.5, scaled to the density ratio's force",
    ),
    "diffusion": EnergyName(
        DENOISER,
        lambda m: alike(m, DenoisingBound(m.diffusion.denoiser, m.diffusion.standardiser)),
        "a bound on minus the log density of codes by their diffusion: its denoising error, scaled to the density ratio's force",
    ),
}


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
