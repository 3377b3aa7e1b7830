"""The adversarial autoencoder whose decoder is conditioned on the class: codes are styles (Makhzani et al. 2015, section 4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.categories import ConditionalAutoencoder, build_conditional
from ridgewalk.models.discriminators import Discriminator, StyleLogit
from ridgewalk.settings.fields import TABLE
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training.families.base import Networks, Shape, architecture
from ridgewalk.training.families.classes import ClassFamily, join_with_classes
from ridgewalk.training.families.matching import Codes, OfCodes
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch
from ridgewalk.training.priors import Prior


@plain_dataclass(eq=False)
class StyleContent(OfCodes):
    """
    An AAE whose decoder is conditioned on the class, so that the code keeps what is not the class (section 4).

    A batch holds images and labels, int64, one for each image.

    Args:
        model: autoencoder whose decoder reads style and class.
        discriminator: logits of styles, positive for ``prior``.
        prior: prior of styles (n, d).
    """

    model: ConditionalAutoencoder
    discriminator: nn.Module
    prior: Prior

    def codes(self, batch: Batch, noise: Noise) -> Codes:
        return (self._spread(self.model.encoder(self.corruption(batch[0], noise)), noise),)

    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        y = F.one_hot(batch[1], self.model.classes).to(codes[0])
        return self.model.decode(self.model.join(codes[0], y))

    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        return {"discriminator": codes[0]}

    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        return {"discriminator": self.prior(len(batch[0]), noise)}


@dataclass(frozen=True, config=TABLE)
class StyleObjective(ClassFamily):
    """An adversarial autoencoder whose decoder is conditioned on the class."""

    name: Literal["aae-style"] = "aae-style"

    posteriors: ClassVar = ("deterministic",)

    def check_labels(self, recipe: Recipe) -> None:
        """Refuses a recipe in which an image has no label."""
        super().check_labels(recipe)
        if recipe.labels.count != -1:
            raise ValueError(
                f"the decoder of '{self.name}' reads the class of every image: set labels.count = -1; got {recipe.labels.count}"
            )

    def code_size(self, recipe: Recipe) -> int:
        return recipe.model.latent + recipe.labels.classes

    def network(self, recipe: Recipe, shape: Shape) -> Autoencoder:
        """An autoencoder whose decoder reads style and class."""
        return build_conditional(shape, recipe.model.latent, recipe.labels.classes, architecture(recipe))

    def sensors(self, recipe: Recipe, adversaries: Mapping[str, Discriminator]) -> dict[str, Discriminator]:
        """The discriminator of the style, as the sensor "matcher"."""
        return {"matcher": Discriminator(StyleLogit(adversaries["discriminator"], recipe.model.latent), "prior")}

    def objective(self, recipe: Recipe, networks: Networks) -> StyleContent:
        """Reconstruction by style and class, and the game of the discriminator and the encoder."""
        assert isinstance(networks.model, ConditionalAutoencoder)
        law = self.checked_prior(recipe)
        return StyleContent(networks.model, networks.adversaries["discriminator"], law, **self.shared(recipe))

    def draw_prior(
        self, recipe: Recipe, model: Autoencoder, codes: Callable[[], Tensor], rows: int, noise: Noise
    ) -> Tensor:
        """Draws of the prior of styles, each joined with a class that is drawn uniformly."""
        return join_with_classes(model, super().draw_prior(recipe, model, codes, rows, noise), noise)
