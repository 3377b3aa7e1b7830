"""
Dimensionality reduction: the code is W y + s, the head of a cluster and a style about it (Makhzani et al. 2015, section 7).

The networks and the losses are those of ``categorical``, with the decoder reading the sum in place of the pair; a hinge holds the heads apart.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from ridgewalk.models.discriminators import Discriminator
from ridgewalk.settings.fields import TABLE
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training.families.base import changed
from ridgewalk.training.families.categorical import CategoricalFamily


@dataclass(frozen=True, config=TABLE)
class ReductionObjective(CategoricalFamily):
    """A reduction to a few dimensions, in clusters, with labels or without."""

    name: Literal["aae-reduction"] = "aae-reduction"

    kind: ClassVar[str] = "reduced"

    def unread_labels(self, recipe: Recipe) -> list[str]:
        """The weight of the hinge, where there is no margin. Settings of labelled images may stay where there are none."""
        return [] if recipe.labels.margin else changed(recipe, "labels", ("hinge",))

    def check_labels(self, recipe: Recipe) -> None:
        """Accepts any number of labels, 0 included."""

    def code_size(self, recipe: Recipe) -> int:
        return recipe.model.latent

    def sensors(self, recipe: Recipe, adversaries: Mapping[str, Discriminator]) -> dict[str, Discriminator]:
        """No sensor: the discriminators read style and class, which cannot be recovered from a code."""
        return {}
