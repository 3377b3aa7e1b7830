"""
What energies and finders are built from: a model, its sensors, and codes of data.

A ``Context`` knows nothing of folders or recipes. A run makes one (``Run.context``), and so can anyone who has an encoder, a decoder and codes.
The function that builds an energy or a finder stands beside its class and takes a ``Context``, as ``finders.string.build_string`` does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from ridgewalk.diffusion import Denoiser, Standardiser
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.protocols import VectorField
from ridgewalk.registry import ENERGIES, SENSORS
from ridgewalk.settings.autoencoder import Walks


class CodeDiffusion(Protocol):
    """A trained diffusion of codes."""

    @property
    def denoiser(self) -> Denoiser:
        """The denoiser of standardised codes."""
        ...

    @property
    def standardiser(self) -> Standardiser:
        """The map between codes and standardised codes."""
        ...


class CodeGuide(Protocol):
    """A discriminator that corrects the score of a diffusion of codes."""

    @property
    def labelled(self) -> bool:
        """Whether it was trained class by class, so that it can only guide towards a class."""
        ...

    def guidance(self) -> VectorField:
        """The correction that is added to the score of standardised codes."""
        ...


@dataclass(frozen=True, eq=False)
class Context:
    """
    What energies and finders are built from.

    Attributes:
        walks: settings of the path search: number of nodes, iterations, constants of the energies.
        sensors: discriminators by their names in ``registry.SENSORS``.
        encode: maps images (n, c, h, w) to codes (n, *).
        decode: maps codes (n, *) to images.
        references: returns codes of real data (m, *); it is called only when they are needed.
        between: returns points (n, *) on straight lines between codes, where the forces of energies are compared.
        diffused: the diffusion of codes, if the run has one.
        guide: returns the discriminator that corrects the diffusion, if the run has one; it is called only when it is needed.
        moving: (d,) bool, the values of a code that finders may change; None for all of them.
    """

    walks: Walks
    sensors: Mapping[str, Discriminator]
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    references: Callable[[], Tensor]
    between: Callable[[], Tensor]
    diffused: CodeDiffusion | None = None
    guide: Callable[[], CodeGuide] | None = None
    moving: Tensor | None = None

    @property
    def diffusion(self) -> CodeDiffusion:
        """The diffusion of codes; a run without one is refused with a ValueError that says what to do."""
        if self.diffused is None:
            raise ValueError(f"this run has no diffusion of its codes: {SENSORS['denoiser'].missing}")
        return self.diffused

    def provides(self, need: str) -> bool:
        """Whether the context has what a method needs, by the names in ``registry.Method.needs``."""
        return {"diffusion": self.diffused is not None, "guide": self.guide is not None}.get(need, True)

    def has_sensor(self, name: str | None) -> bool:
        """Whether the context has the sensor that an energy reads; None stands for an energy that reads no sensor."""
        return name is None or name in self.sensors or (name == "denoiser" and self.diffused is not None)

    def sensor(self, name: str) -> Discriminator:
        """Returns the discriminator called ``name``; a missing one is refused with a ValueError that says what to do."""
        if name not in self.sensors:
            has = ", ".join(n for n, e in ENERGIES.items() if self.has_sensor(e.sensor))
            raise ValueError(
                f"this run has no {name} sensor: {SENSORS.find(name).missing}; without it there are the energies {has}"
            )
        return self.sensors[name]

    @cached_property
    def lerp_points(self) -> Tensor:
        """Points (n, *) on straight lines between codes, the same ones for every energy."""
        return self.between()
