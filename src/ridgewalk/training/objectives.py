"""
Objectives: their networks, their optimisers with the networks that each of them updates, and the loss that each optimiser minimises.

In a training step the optimisers take their steps in order. The loss of each is differentiated with respect to its own parameters only,
so that no gradient of one loss reaches a network that another optimiser updates.

    Detector              1/2 [softplus(-D(z)) + softplus(D(r))]       moves D, z encoded data, r ~ negatives
    PixelDetector         the same on images G(z) and G(r)             moves D
    Classification        cross-entropy                                moves the classifier

Objectives of autoencoders are in ``training.families``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk import naming
from ridgewalk.models.autoencoders import reparameterise
from ridgewalk.training import losses
from ridgewalk.training.noise import Noise

Batch = tuple[Tensor, ...]
Loss = tuple[Tensor, dict[str, Tensor]]
"""The loss of one optimiser, and the terms that are logged (scalars, detached or not)."""


@runtime_checkable
class Objective(Protocol):
    """The interface of what the training loop trains."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """All networks by name, as checkpoints hold them."""
        ...

    @property
    def optimisers(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the optimisers in the order of their steps, each with the names of the networks that it updates."""
        ...

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """The scalar that the optimiser of this name minimises on a batch, and named terms for the log."""
        ...


class OneOptimiser(ABC):
    """An objective with one optimiser, which updates all of its networks."""

    optimiser: ClassVar[str]
    """The optimiser's name."""

    @property
    @abstractmethod
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks by name."""

    @property
    def optimisers(self) -> Mapping[str, tuple[str, ...]]:
        """The one optimiser and the names of its networks."""
        return {self.optimiser: tuple(self.networks)}

    @abstractmethod
    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """The loss of the batch, and named terms for the log."""


@dataclass(eq=False)
class Detector(OneOptimiser):
    """
    A density-ratio discriminator: encoded data against draws of a reference, post hoc, on frozen codes.

    A batch holds codes (n, d), or means and log-variances of q(z|x), of which each step then takes a fresh draw.

    Args:
        discriminator: logits of codes, positive for ``encoded``.
        negatives: (codes of the batch, noise) -> as many negatives.
        jitter: standard deviation of the Gaussian noise that both sides are given, in units of each code dimension; 0 for none.
    """

    optimiser: ClassVar[str] = "discriminator"

    discriminator: nn.Module
    negatives: Callable[[Tensor, Noise], Tensor]
    jitter: float = 0.0

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"discriminator": self.discriminator}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """Balanced binary cross-entropy in nats; chance is ln 2."""
        z = batch[0]
        r = self.negatives(z, noise)  # of the means, where there are such: a boundary is drawn round what is known
        if len(batch) > 1:
            z = reparameterise(z, batch[1], noise.normal(*z.shape))
        if self.jitter:
            z = z + self.jitter * noise.normal(*z.shape)
            r = r + self.jitter * noise.normal(*r.shape)
        bce = losses.classify(self.discriminator(z), self.discriminator(r))
        return bce, {"discriminator": bce}


CONTRASTS = ("holes", "real")


@dataclass(eq=False)
class PixelDetector(OneOptimiser):
    """
    A discriminator of images that detects holes of the latent space from their decodings.

    What is contrasted with decodings G(r) of off-data points r decides what it sees:

        holes   decodings G(z) of encoded data: both sides are decoded, so that they differ by the hole and not by blur
        real    real images x, the naive choice: the sides differ by the decoder's blur, on the data as off it

    Args:
        discriminator: logits of images, positive for ``encoded`` (holes) or ``real``.
        decode: the frozen decoder.
        negatives: (codes of the batch, noise) -> as many off-data codes r.
        contrast: ``holes`` or ``real``.
    """

    optimiser: ClassVar[str] = "discriminator"

    discriminator: nn.Module
    decode: Callable[[Tensor], Tensor]
    negatives: Callable[[Tensor, Noise], Tensor]
    contrast: str = "holes"

    def __post_init__(self) -> None:
        if self.contrast not in CONTRASTS:
            raise ValueError(naming.unknown("contrast", self.contrast, CONTRASTS))

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"discriminator": self.discriminator}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """Balanced binary cross-entropy over the codes (n, d) and images (n, c, h, w) of a batch; chance is ln 2."""
        z, x = batch
        with torch.no_grad():
            positive = self.decode(z) if self.contrast == "holes" else x
            negative = self.decode(self.negatives(z, noise))
        bce = losses.classify(self.discriminator(positive), self.discriminator(negative))
        return bce, {"discriminator": bce}


@dataclass(eq=False)
class Classification(OneOptimiser):
    """Cross-entropy of a classifier on images (n, c, h, w) and labels (n,), with optional augmentation, Gaussian pixel noise and label smoothing."""

    optimiser: ClassVar[str] = "classifier"

    classifier: nn.Module
    pixel_noise: float = 0.0
    smoothing: float = 0.0
    augmentation: Callable[[Tensor, Noise], Tensor] | None = None

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"classifier": self.classifier}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """Mean cross-entropy and the batch's error."""
        x, labels = batch
        x = self.augmentation(x, noise) if self.augmentation else x
        if self.pixel_noise:
            x = x + self.pixel_noise * noise.normal(*x.shape)
        logits = self.classifier(x)
        entropy = F.cross_entropy(logits, labels, label_smoothing=self.smoothing)
        return entropy, {"cross_entropy": entropy, "error": (logits.argmax(1) != labels).float().mean()}
