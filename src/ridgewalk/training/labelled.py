"""Labelled images: each step of a semi-supervised training draws a batch of them in addition to its own batch."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk.training.duels import Augmentation
from ridgewalk.training.noise import Noise


@dataclass(frozen=True, eq=False)
class Labelled:
    """
    The labelled images, of which each step draws a batch with replacement.

    Args:
        images: uint8 or float (m, c, h, w).
        labels: int64 (m,), each in 0 .. K - 1.
        batch: number of images drawn in a step by all processes together.
        augmentation: random maps that are applied to the images drawn.
    """

    images: Tensor
    labels: Tensor
    batch: int = 100
    augmentation: Augmentation = field(default_factory=Augmentation)

    def draw(self, noise: Noise) -> tuple[Tensor, Tensor]:
        """Images as floats, and their labels, on the noise's device."""
        rows = noise.integers(len(self.images), max(1, self.batch // noise.world)).to(self.images.device)
        images = self.images[rows].to(noise.device)
        if images.dtype == torch.uint8:
            images = images.float().div_(255)
        return self.augmentation(images, noise), self.labels[rows].to(noise.device)
