"""The adversarial autoencoder with a part of the prior for each class: the discriminator is conditioned on the class (Makhzani et al. 2015, section 2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.data import Images
from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.discriminators import Discriminator, UnlabelledLogit
from ridgewalk.settings.fields import TABLE
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training.families.base import Networks, Shape, build_code_discriminator
from ridgewalk.training.families.classes import ClassFamily
from ridgewalk.training.families.matching import Codes, OfCodes
from ridgewalk.training.labelled import Labelled
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch
from ridgewalk.training.priors import Classed


@plain_dataclass(eq=False)
class LabelConditioned(OfCodes):
    """
    An AAE with a part of the prior for each class: D reads the class of a row as well, or that it has no label (section 2.3).

    A batch holds images and labels, int64, -1 where an image has none. A labelled image's code is matched to its class's part of the prior,
    that of an image without a label to the whole prior; every row of the prior comes with the same c as the code in its place.

    Args:
        model: deterministic, Gaussian or universal.
        discriminator: logits of (code, c), positive for ``prior``: d + K + 1 values.
        prior: prior with a law for each of K classes.
    """

    model: Autoencoder
    discriminator: nn.Module
    prior: Classed

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.prior, Classed):
            raise ValueError(
                "a prior for each class is needed: the prior 'mixture' or 'swiss-roll', or an object with classes and given(labels, noise)"
            )

    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        return self.model.decode(codes[0])

    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        return {"discriminator": torch.cat([codes[0], self._condition(batch[1])], dim=1)}

    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        z = self.prior.given(batch[1], noise)
        return {"discriminator": torch.cat([z, self._condition(batch[1])], dim=1)}

    def _condition(self, labels: Tensor) -> Tensor:
        """The condition c: one-hot over K classes and "not labelled", (n, K + 1)."""
        k = self.prior.classes
        return F.one_hot(torch.where(labels < 0, k, labels), k + 1).float()


@dataclass(frozen=True, config=TABLE)
class ConditionedObjective(ClassFamily):
    """An adversarial autoencoder whose discriminator is conditioned on the class."""

    name: Literal["aae-conditioned"] = "aae-conditioned"

    def discriminators(self, recipe: Recipe, shape: Shape) -> dict[str, Discriminator]:
        """The discriminator of (code, class or "not labelled")."""
        size = recipe.model.latent + recipe.labels.classes + 1
        return {"discriminator": build_code_discriminator(recipe, size, "prior")}

    def sensors(self, recipe: Recipe, adversaries: Mapping[str, Discriminator]) -> dict[str, Discriminator]:
        """The discriminator under "not labelled", as the sensor "matcher"."""
        return {"matcher": Discriminator(UnlabelledLogit(adversaries["discriminator"], recipe.labels.classes), "prior")}

    def tensors(self, recipe: Recipe, images: Images, seed: int) -> tuple[list[Tensor], Labelled | None]:
        """Pixels, and labels (-1 where hidden); some images must have no label."""
        data, _ = super().tensors(recipe, images, seed)
        if not (data[1] < 0).any():
            raise ValueError(
                f"'{self.name}' needs some images without a label, or its discriminator never learns how codes without a class look, which is how "
                f"codes are read afterwards; labels.count = {recipe.labels.count} labels all {len(images)}: set it lower"
            )
        return data, None

    def objective(self, recipe: Recipe, networks: Networks) -> LabelConditioned:
        """Reconstruction, and the game of the discriminator and the encoder within each class."""
        law, classes = self.checked_prior(recipe), recipe.labels.classes
        if not isinstance(law, Classed) or law.classes != classes:
            has = f"{law.classes}" if isinstance(law, Classed) else "none"
            raise ValueError(
                f"'{self.name}' needs a prior with a part for each of the {classes} classes; '{recipe.prior.name}' has {has}: "
                f"choose mixture or swiss-roll, with prior.components = {classes}"
            )
        return LabelConditioned(networks.model, networks.adversaries["discriminator"], law, **self.shared(recipe))
