"""The variational autoencoder: rec(G(mu + sigma eps), x) + beta KL(q(z|x) || N(0, I)), minimised over encoder and decoder."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass
from torch import nn

from ridgewalk.models.autoencoders import GaussianAutoencoder, reparameterise
from ridgewalk.settings.fields import TABLE, NotNegative
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training import losses
from ridgewalk.training.families.autoencoder import IGNORED
from ridgewalk.training.families.base import AutoencoderFamily, Networks
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss, OneOptimiser


@plain_dataclass(eq=False)
class VAE(OneOptimiser):
    """Variational autoencoder (Kingma and Welling 2014): the negative evidence bound, its KL term weighted by ``beta``."""

    optimiser: ClassVar[str] = "autoencoder"

    model: GaussianAutoencoder
    reconstruction: str = "half_squared"
    beta: float = 1.0

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"encoder": self.model.encoder, "decoder": self.model.decoder}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """Reconstruction from a reparameterised draw, plus beta KL."""
        x = batch[0]
        mean, log_variance = self.model.posterior(x)
        z = reparameterise(mean, log_variance, noise.normal(*mean.shape))
        rec = losses.reconstruction(self.reconstruction, self.model.decode(z), x)
        kl = losses.gaussian_kl(mean, log_variance)
        return rec + self.beta * kl, {"reconstruction": rec, "kl": kl}


@dataclass(frozen=True, config=TABLE)
class VariationalObjective(AutoencoderFamily):
    """A variational autoencoder: reconstruction and a KL term."""

    name: Literal["vae"] = "vae"
    beta: NotNegative = 1.0
    """Weight of the KL term."""

    ignored: ClassVar = IGNORED - {"beta"}
    posteriors: ClassVar = ("gaussian",)

    def objective(self, recipe: Recipe, networks: Networks) -> VAE:
        assert isinstance(networks.model, GaussianAutoencoder)
        return VAE(networks.model, self.reconstruction, self.beta)
