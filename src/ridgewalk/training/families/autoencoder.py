"""
The plain autoencoder: rec(G(E(x)), x), minimised over encoder E and decoder G.

It has no prior: draws are those of a Gaussian fitted to the codes of the data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.settings.fields import TABLE
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training import losses
from ridgewalk.training.families.base import AutoencoderFamily, Networks
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss, OneOptimiser

IGNORED = frozenset({"beta", "sigma", "adversarial", "pixel_weight", "feature_weight", "latent"})
"""Weights of the objectives that a plain or a variational autoencoder is compared with by variants of one recipe."""


@plain_dataclass(eq=False)
class AE(OneOptimiser):
    """Deterministic autoencoder: the mean over images of the reconstruction loss."""

    optimiser: ClassVar[str] = "autoencoder"

    model: Autoencoder
    reconstruction: str = "half_squared"

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"encoder": self.model.encoder, "decoder": self.model.decoder}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """Reconstruction loss of the images of a batch."""
        x = batch[0]
        rec = losses.reconstruction(self.reconstruction, self.model(x), x)
        return rec, {"reconstruction": rec}


@dataclass(frozen=True, config=TABLE)
class AutoencoderObjective(AutoencoderFamily):
    """A plain autoencoder: reconstruction alone."""

    name: Literal["ae"] = "ae"

    ignored: ClassVar = IGNORED
    posteriors: ClassVar = ("deterministic", "universal")

    def objective(self, recipe: Recipe, networks: Networks) -> AE:
        return AE(networks.model, self.reconstruction)

    def draw_prior(
        self, recipe: Recipe, model: Autoencoder, codes: Callable[[], Tensor], rows: int, noise: Noise
    ) -> Tensor:
        """Draws of a Gaussian with the mean and the covariance of the codes of data."""
        drawn, known = super().draw_prior(recipe, model, codes, rows, noise), codes()
        return known.mean(0) + drawn @ torch.linalg.cholesky(known.T.cov()).T
