"""The classes of a run: how many its code has, which images keep their label, and the tensors that its objective is trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from ridgewalk.data import Images
from ridgewalk.data.labels import hidden, labelled_rows
from ridgewalk.settings.autoencoder import Labels
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training.categories import Labelled
from ridgewalk.training.duels import Augmentation

CLASSED: Mapping[str, str] = {
    "aae-conditioned": "",
    "aae-style": "conditional",
    "aae-semisupervised": "categorical",
    "aae-clustering": "categorical",
    "aae-reduction": "reduced",
}
"""Objectives that have to do with classes, and the kind of their autoencoder (``models.categories``)."""


def settled(recipe: Recipe, class_names: Sequence[str]) -> Recipe:
    """
    The recipe with the number of its code's classes, those of the data where it names none.

    Raises:
        ValueError: where the two differ and labels are used, where there are fewer than two, and for a count of labels that the objective cannot use.
    """
    name, labels = recipe.objective.name, recipe.labels
    if name not in CLASSED:
        return recipe
    if name == "aae-clustering":
        if labels.count > 0:
            raise ValueError(
                f"'aae-clustering' uses no labels; got labels.count = {labels.count}: leave it out, or train aae-semisupervised"
            )
        labels = replace(labels, count=0)
    elif labels.count == 0 and name != "aae-reduction":
        raise ValueError(f"'{name}' needs labels; set labels.count above 0, or train aae-clustering")
    elif name == "aae-style" and labels.count != -1:
        raise ValueError(
            f"'aae-style' tells its decoder the class of every image: set labels.count = -1; got {labels.count}"
        )
    classes, there = labels.classes, len(class_names)
    if labels.count and (there < 2 or classes not in (0, there)):
        raise ValueError(
            f"these images have {there} classes"
            + (f", and labels.classes = {classes}: leave it out" if there >= 2 else ": labels need at least 2")
        )
    if (classes or there) < 2:
        raise ValueError(
            f"a code with a class needs at least 2 classes or clusters; got {classes or there}: set labels.classes"
        )
    return replace(recipe, labels=replace(labels, classes=classes or there))


def tensors(recipe: Recipe, images: Images, seed: int) -> tuple[list[Tensor], Labelled | None]:
    """
    What the loop is given: pixels, and labels (-1 where hidden) where the objective reads such; and the labelled images of a supervised player.

    Args:
        recipe: settled.
        images: that train the model.
        seed: of the split into labelled and unlabelled images.

    Raises:
        ValueError: as ``data.labels.labelled_rows``; for an augmentation of rows that are no images; and where a discriminator that is told classes would
            never be told that one is not known.
    """
    name, own = recipe.objective.name, recipe.labels
    if name in CLASSED and 1 in images.shape[1:] and augmentation(own) != Augmentation():
        raise ValueError(
            "rows of numbers have no pixels to move: set labels.shift, labels.rotation, labels.scale and labels.shear to 0"
        )
    if name not in CLASSED or own.count == 0:
        return [images.pixels], None
    known = labelled_rows(images.labels, images.class_names, own.count, seed)
    if name == "aae-conditioned" and len(known) == len(images):
        raise ValueError(
            f"'aae-conditioned' needs some images without a label, or its discriminator never learns what a class that is not known looks like, which is how "
            f"codes are read afterwards; labels.count = {own.count} labels all {len(images)}: set it lower"
        )
    data = [images.pixels, hidden(images.labels, known)]
    if CLASSED[name] not in ("categorical", "reduced"):
        return data, None
    return data, Labelled(images.pixels[known], images.labels[known], own.batch, augmentation(own))


def augmentation(labels: Labels) -> Augmentation:
    """The one that a recipe's ``labels`` ask for."""
    return Augmentation(labels.shift, labels.rotation, labels.scale, labels.shear)
