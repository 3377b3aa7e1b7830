"""
What energies and finders are built from: a model, its sensors, and codes of data.

A ``Context`` knows nothing of folders or recipes: a run makes one (``Run.context``), and so can anyone who has an encoder, a decoder and codes.
The function that builds an energy or a finder stands beside its class and takes a ``Context``: ``finders.string.build_string``.
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
        """Of standardised codes."""
        ...

    @property
    def standardiser(self) -> Standardiser:
        """Between codes and standardised codes."""
        ...


class CodeGuide(Protocol):
    """A discriminator that corrects the score of a diffusion of codes."""

    @property
    def labelled(self) -> bool:
        """Whether it was trained class by class, so that it guides towards a class only."""
        ...

    def guidance(self) -> VectorField:
        """The correction, to be added to the score of standardised codes."""
        ...


@dataclass(frozen=True, eq=False)
class Context:
    """
    What energies and finders are built from.

    Attributes:
        walks: how paths are searched: nodes, iterations, constants of the energies.
        sensors: discriminators by their names in ``registry.SENSORS``.
        encode: images (n, c, h, w) to codes (n, *).
        decode: codes to images.
        references: returns codes of real data (m, *); called only by what uses them.
        between: returns points (n, *) on straight lines between codes, where forces are measured against one another.
        diffused: the diffusion of codes, where there is one.
        guide: returns the discriminator that corrects the diffusion, where there is one; called only by what uses it.
        moving: (d,) bool, the values of a code that finders may change; None for all.
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
        """The diffusion of codes; where there is none, a ValueError says what to do."""
        if self.diffused is None:
            raise ValueError(f"this run has no diffusion of its codes: {SENSORS['denoiser'].missing}")
        return self.diffused

    def provides(self, need: str) -> bool:
        """Whether there is what a method needs, by the names of ``registry.Method.needs``."""
        return {"diffusion": self.diffused is not None, "guide": self.guide is not None}.get(need, True)

    def has_sensor(self, name: str | None) -> bool:
        """Whether there is the sensor that an energy reads; None for an energy that reads no sensor."""
        return name is None or name in self.sensors or (name == "denoiser" and self.diffused is not None)

    def sensor(self, name: str) -> Discriminator:
        """The discriminator called ``name``; where there is none, a ValueError says what to do."""
        if name not in self.sensors:
            has = ", ".join(n for n, e in ENERGIES.items() if self.has_sensor(e.sensor))
            raise ValueError(
                f"this run has no {name} sensor: {SENSORS.find(name).missing}; without it there are the energies {has}"
            )
        return self.sensors[name]

    @cached_property
    def lerp_points(self) -> Tensor:
        """Points on straight lines between codes, (n, *), the same ones for every energy."""
        return self.between()
