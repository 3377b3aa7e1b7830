"""The objective of a diffusion of data: score matching, whose settings are the table ``diffusion``; it has no autoencoder (``training.denoising``)."""

from typing import Literal

from pydantic.dataclasses import dataclass

from ridgewalk.settings.fields import TABLE
from ridgewalk.training.families.base import Family


@dataclass(frozen=True, config=TABLE)
class DiffusionObjective(Family):
    """A diffusion of points or images."""

    name: Literal["diffusion"] = "diffusion"
