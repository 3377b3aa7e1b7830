"""
A family of objectives: its settings are the fields of a dataclass, and its methods make from a recipe what a training needs.

A new objective is a subclass of ``AutoencoderFamily`` in a file of its own, an entry in ``registry.OBJECTIVES``, and a recipe that names it. At the
least it says which ``objective`` is minimised; the network, the adversaries, the sensors, the tensors, the stages and the prior have defaults.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import fields, replace
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from ridgewalk.data import Images
from ridgewalk.models import autoencoders
from ridgewalk.models.autoencoders import Architecture, Autoencoder, Layers
from ridgewalk.models.blocks import restart
from ridgewalk.models.discriminators import Discriminator, latent_discriminator
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings import objective as settings
from ridgewalk.settings.fields import TABLE
from ridgewalk.settings.recipes import Recipe
from ridgewalk.settings.training import Schedule
from ridgewalk.training.labelled import Labelled
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Objective

Shape = tuple[int, int, int]
"""(c, h, w) of images."""


@plain_dataclass(frozen=True, eq=False)
class Stage:
    """
    One training of one objective.

    Attributes:
        objective: objective over the networks, which all stages share.
        schedule: schedule of this stage.
        folder: name of the folder below the run's folder for its log and checkpoints; the last stage has the run's own, an empty name.
        label: label of its progress bar.
    """

    objective: Objective
    schedule: Schedule
    folder: str = ""
    label: str = "training"


@plain_dataclass(frozen=True, eq=False)
class Networks:
    """
    What a stage trains.

    Attributes:
        model: the autoencoder.
        adversaries: discriminators by the names of their networks.
        labelled: images with their classes, where the objective learns from such.
    """

    model: Autoencoder
    adversaries: Mapping[str, Discriminator]
    labelled: Labelled | None = None


@dataclass(frozen=True, config=TABLE)
class Family(settings.Objective):
    """
    An objective: its settings, and its requirements on a recipe.

    Attributes:
        ignored: keys of other objectives that may stay in its table, whatever their value.
    """

    ignored: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, config=TABLE)
class AutoencoderFamily(Family, ABC):
    """An objective of an autoencoder of images."""

    reconstruction: Literal["half_squared", "bernoulli", "absolute"] = "half_squared"
    """Reconstruction loss of an image, summed over its values: half the squared error, cross-entropy, or the absolute error."""

    posteriors: ClassVar[tuple[str, ...]] = ("deterministic", "gaussian", "universal")
    """Values of ``model.posterior`` that the objective can be trained with."""

    adversary_tables: ClassVar[tuple[str, ...]] = ()
    """Tables of the discriminators that are trained against the autoencoder: ``matcher``, ``critic``, both or none."""

    @abstractmethod
    def objective(self, recipe: Recipe, networks: Networks) -> Objective:
        """What the training loop minimises."""

    def unread(self, recipe: Recipe) -> list[str]:
        """Settings outside ``objective`` that are not at their default, and that the objective does not read."""
        keys = changed(recipe, "matcher", ("loss", "r1", "noise"))
        return keys + [table for table in ("prior", "labels") if changed(recipe, table)]

    def complete(self, recipe: Recipe, class_names: Sequence[str]) -> Recipe:
        """
        The recipe with what follows from the data filled in.

        Raises:
            ValueError: where the data's classes do not suit the objective.
        """
        return recipe

    def code_size(self, recipe: Recipe) -> int:
        """Number of values of a code."""
        return recipe.model.latent

    def autoencoder(self, recipe: Recipe, shape: Shape, seed: int) -> Autoencoder:
        """The autoencoder for images of ``shape``, its weights drawn from ``seed``."""
        if recipe.model.posterior not in self.posteriors:
            raise ValueError(
                f"the objective '{self.name}' needs model.posterior = \"{self.posteriors[0]}\"; got '{recipe.model.posterior}'"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed_seed(seed, Stream.AUTOENCODER))
            found = self.network(recipe, shape)
            if recipe.model.init:
                restart(found, recipe.model.init)
        return found

    def network(self, recipe: Recipe, shape: Shape) -> Autoencoder:
        """The autoencoder, its weights drawn from PyTorch's own generator."""
        m = recipe.model
        return autoencoders.build(shape, m.latent, m.posterior, architecture(recipe), m.noise)

    def adversaries(self, recipe: Recipe, shape: Shape, seed: int) -> dict[str, Discriminator]:
        """The discriminators that are trained with the autoencoder, by the names of their networks, their weights drawn from ``seed``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed_seed(seed, Stream.ADVERSARIES))
            return self.discriminators(recipe, shape)

    def discriminators(self, recipe: Recipe, shape: Shape) -> dict[str, Discriminator]:
        """The discriminators of ``adversaries``, their weights drawn from PyTorch's own generator: none."""
        return {}

    def sensors(self, recipe: Recipe, adversaries: Mapping[str, Discriminator]) -> dict[str, Discriminator]:
        """The adversaries as sensors of a run's codes or images, by the names of the sensors: none."""
        return {}

    def tensors(self, recipe: Recipe, images: Images, seed: int) -> tuple[list[Tensor], Labelled | None]:
        """
        Returns the tensors of the training loop (pixels, and labels where the objective reads them), and the labelled images.

        Args:
            recipe: the completed recipe.
            images: images that train the model.
            seed: seed of the split into labelled and unlabelled images.
        """
        return [images.pixels], None

    def stages(self, recipe: Recipe, networks: Networks, seed: int) -> list[Stage]:
        """
        What is trained, in order.

        Raises:
            ValueError: for settings that the objective does not read, or that do not suit it.
        """
        self.refuse_unread(recipe)
        return [Stage(self.objective(recipe, networks), seeded(recipe.training, seed))]

    def refuse_unread(self, recipe: Recipe) -> None:
        """Refuses settings that the objective does not read."""
        keys = self.unread(recipe) + (
            changed(recipe, "model", ("noise",)) if recipe.model.posterior != "universal" else []
        )
        if keys:
            raise ValueError(
                f"the objective '{self.name}' has no use for {', '.join(keys)}; leave out what it does not read"
            )

    def draw_prior(
        self, recipe: Recipe, model: Autoencoder, codes: Callable[[], Tensor], rows: int, noise: Noise
    ) -> Tensor:
        """
        Draws codes (rows, d) from the prior of the objective, which is N(0, I) by default.

        Args:
            recipe: the completed recipe.
            model: the trained autoencoder.
            codes: function that returns codes (n, d) of data.
            rows: number of draws.
            noise: source of the draws.
        """
        return noise.normal(rows, self.code_size(recipe)).to(next(model.parameters()).device)


def has_autoencoder(recipe: Recipe) -> bool:
    """Whether the recipe's objective trains an autoencoder."""
    return isinstance(recipe.objective, AutoencoderFamily)


def family_of(recipe: Recipe) -> AutoencoderFamily:
    """The recipe's objective, which must be one of an autoencoder."""
    found = recipe.objective
    if not isinstance(found, AutoencoderFamily):
        raise ValueError(f"the objective '{found.name}' has no autoencoder; choose one that has")
    return found


def architecture(recipe: Recipe) -> Architecture:
    """The layers of the recipe's autoencoder."""
    m = recipe.model
    decoder = Layers(m.decoder or m.network, m.decoder_hidden) if m.decoder_hidden else None
    return Architecture(m.network, m.hidden, m.activation, m.batch_norm, m.output, decoder)


def build_code_discriminator(recipe: Recipe, size: int, positive: str) -> Discriminator:
    """A discriminator of codes of ``size`` values by the table ``matcher``."""
    m = recipe.matcher
    network = latent_discriminator(size, positive, m.hidden, m.activation, m.spectral)
    if m.init:
        restart(network, m.init)
    return network


def seeded(schedule: Schedule, seed: int) -> Schedule:
    """The schedule with its seed mixed with the run's."""
    return replace(schedule, seed=mixed_seed(seed, schedule.seed))


def changed(recipe: Recipe, table: str, keys: Iterable[str] | None = None) -> list[str]:
    """The settings of a table, of ``keys`` or of all, that are not at their default, as "table.key"."""
    own, plain = getattr(recipe, table), type(getattr(recipe, table))()
    return [
        f"{table}.{f.name}"
        for f in fields(own)
        if (keys is None or f.name in keys) and getattr(own, f.name) != getattr(plain, f.name)
    ]
