"""The common part of adversarial autoencoders with classes: the number of classes, the images that keep their label, and draws of a class."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from ridgewalk.data import Images
from ridgewalk.data.labels import hide_labels, labelled_rows
from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.categories import CategoricalAutoencoder, ConditionalAutoencoder
from ridgewalk.settings.autoencoder import Labels
from ridgewalk.settings.fields import TABLE
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training.duels import Augmentation
from ridgewalk.training.families.base import changed
from ridgewalk.training.families.matching import MatchingFamily
from ridgewalk.training.labelled import Labelled
from ridgewalk.training.noise import Noise
from ridgewalk.training.priors import categories

MOVES = ("shift", "rotation", "scale", "shear")
"""Keys of ``labels`` that augment labelled images."""


@dataclass(frozen=True, config=TABLE)
class ClassFamily(MatchingFamily):
    """An adversarial autoencoder that knows the classes of some images."""

    def unread_labels(self, recipe: Recipe) -> list[str]:
        """Every key of ``labels`` but the number of classes and of labels."""
        keys = ("weight", "batch", "margin", "hinge", *MOVES, "adversarial", "noise", "invariant")
        return changed(recipe, "labels", keys)

    def check_labels(self, recipe: Recipe) -> None:
        """Refuses a number of labels that the objective cannot use."""
        if recipe.labels.count == 0:
            raise ValueError(f"'{self.name}' needs labels; set labels.count above 0, or train aae-clustering")

    def complete(self, recipe: Recipe, class_names: Sequence[str]) -> Recipe:
        """
        The recipe with the number of classes of its code, that of the data where it names none.

        Raises:
            ValueError: where the two differ and labels are used, where there are fewer than two, and for a number of labels that cannot be used.
        """
        self.check_labels(recipe)
        classes, there = recipe.labels.classes, len(class_names)
        if recipe.labels.count and (there < 2 or classes not in (0, there)):
            raise ValueError(
                f"these images have {there} classes"
                + (f", and labels.classes = {classes}: leave it out" if there >= 2 else ": labels need at least 2")
            )
        if (classes or there) < 2:
            raise ValueError(
                f"a code with a class needs at least 2 classes or clusters; got {classes or there}: set labels.classes"
            )
        return replace(recipe, labels=replace(recipe.labels, classes=classes or there))

    def tensors(self, recipe: Recipe, images: Images, seed: int) -> tuple[list[Tensor], Labelled | None]:
        """
        Pixels, and labels, -1 where they are hidden.

        Raises:
            ValueError: as ``data.labels.labelled_rows``, and for an augmentation of rows that are no images.
        """
        if 1 in images.shape[1:] and augmentation(recipe.labels) != Augmentation():
            raise ValueError(
                "rows of numbers have no pixels to move: set labels.shift, labels.rotation, labels.scale and labels.shear to 0"
            )
        if recipe.labels.count == 0:
            return [images.pixels], None
        rows = labelled_rows(images.labels, images.class_names, recipe.labels.count, seed)
        return [images.pixels, hide_labels(images.labels, rows)], self.labelled(recipe, images, rows)

    def labelled(self, recipe: Recipe, images: Images, rows: Tensor) -> Labelled | None:
        """The labelled images as a step draws them: none, as the objective learns no classifier."""
        return None


def augmentation(labels: Labels) -> Augmentation:
    """The random maps of images that the table ``labels`` sets."""
    return Augmentation(labels.shift, labels.rotation, labels.scale, labels.shear)


def join_with_classes(model: Autoencoder, styles: Tensor, noise: Noise) -> Tensor:
    """Codes of styles (n, d), each with a class that is drawn uniformly."""
    assert isinstance(model, CategoricalAutoencoder | ConditionalAutoencoder)
    y = categories(len(styles), model.classes, noise).to(styles.device)
    with torch.no_grad():
        return model.join(styles, y)
