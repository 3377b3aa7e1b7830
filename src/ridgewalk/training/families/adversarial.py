"""The adversarial autoencoder: codes z are matched to a prior by one discriminator, which reads z (Makhzani et al. 2015, section 2)."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.settings.fields import TABLE
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training.families.base import Networks
from ridgewalk.training.families.matching import Codes, MatchingFamily, OfCodes
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch
from ridgewalk.training.priors import Prior


@plain_dataclass(eq=False)
class AAE(OfCodes):
    """
    Adversarial autoencoder: the aggregated posterior is matched to a prior by a discriminator of codes.

    Args:
        model: deterministic, Gaussian or universal; codes are draws of q(z|x).
        discriminator: logits of codes, positive for ``prior``.
        prior: law of codes (n, d); N(0, sigma^2 I) by default.
        sigma: standard deviation of the default prior.
    """

    model: Autoencoder
    discriminator: nn.Module
    prior: Prior | None = None
    sigma: float = 1.0

    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        return self.model.decode(codes[0])

    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        return {"discriminator": codes[0]}

    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        z = encoded["discriminator"]
        return {"discriminator": self.prior(len(z), noise) if self.prior else self.sigma * noise.normal(*z.shape)}


@dataclass(frozen=True, config=TABLE)
class AdversarialObjective(MatchingFamily):
    """An adversarial autoencoder, whose codes are matched to a prior."""

    name: Literal["aae"] = "aae"

    def sensors(self, recipe: Recipe, adversaries: Mapping[str, Discriminator]) -> dict[str, Discriminator]:
        """The discriminator, as the sensor "matcher"."""
        return {"matcher": adversaries["discriminator"]}

    def objective(self, recipe: Recipe, networks: Networks) -> AAE:
        """Reconstruction, and the game of the discriminator and the encoder."""
        law = self.checked_prior(recipe)
        return AAE(networks.model, networks.adversaries["discriminator"], law, **self.shared(recipe))
