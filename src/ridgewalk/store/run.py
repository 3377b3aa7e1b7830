"""
A run: a folder of trained artifacts with the recipe and the data that they come from.

    RUN/
      run.toml                the recipe as it was run, its source, seed and budget, a fingerprint of the data
      log.jsonl               a line for each training step
      checkpoints/            of an unfinished training
      stage-1/                log and checkpoints of the first of two stages, where there are two
      model.*, detector.*, manifest.json, pixel*.*      an autoencoder and its sensors (``store.autoencoder``)
      denoiser.*, diffusion/                            a diffusion, of the autoencoder's codes or of the data (``store.diffusion``)
      guide.*, guide/                                   the discriminator that guides it (``store.guide``)
      walks/, report.html     what the verbs write

Loading reads TOML, JSON and safetensors only; nothing is unpickled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ridgewalk.context import Context
from ridgewalk.data import ImageData, Images, part
from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.data.points import PointData, points_part
from ridgewalk.energies.building import build_energy
from ridgewalk.finders.building import build_finder
from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.path import chunked
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store import autoencoder, diffusion
from ridgewalk.store import guide as guides
from ridgewalk.store.autoencoder import TrainedAutoencoder
from ridgewalk.store.diffusion import DIFFUSION, TrainedDiffusion
from ridgewalk.store.guide import GUIDE, Guide
from ridgewalk.store.origin import Data, Origin, read_settings
from ridgewalk.store.trust import trusting
from ridgewalk.training.families.base import family_of, has_autoencoder
from ridgewalk.training.negatives import lerp_points


@dataclass(frozen=True, eq=False)
class Trained:
    """
    The artifacts of a run.

    Attributes:
        autoencoder: autoencoder with its sensors; None where the run is a diffusion of data.
        diffusion: diffusion of the autoencoder's codes or of the data; None where none was trained.
    """

    autoencoder: TrainedAutoencoder | None = None
    diffusion: TrainedDiffusion | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """
    Trained artifacts with their recipe and data.

    Attributes:
        folder: folder of the run.
        origin: source, seed, budget.
        recipe: every setting.
        trained: the artifacts.
        moving: bool (d,), the values of a code that paths may change; None for all (``verbs.keep``).
        trusted: whether the user trusts what the folder names (``store.trust``).
    """

    folder: Path
    origin: Origin
    recipe: Recipe
    trained: Trained = field(default_factory=Trained)
    moving: Tensor | None = None
    trusted: bool = False

    # the artifacts

    @property
    def autoencoder(self) -> TrainedAutoencoder:
        """The autoencoder with its sensors; ValueError where there is none."""
        if self.trained.autoencoder is None:
            raise ValueError(
                f"{self.folder} is a diffusion of data, with no latent space: use `ridgewalk sample` and `ridgewalk evaluate`"
            )
        return self.trained.autoencoder

    @property
    def has_latents(self) -> bool:
        """Whether there is an autoencoder, whose codes a diffusion is then of."""
        return self.trained.autoencoder is not None

    @property
    def model(self) -> Autoencoder:
        """The autoencoder's networks, frozen."""
        return self.autoencoder.model

    @property
    def sensors(self) -> Mapping[str, Discriminator]:
        """The discriminators of its codes and images, by name."""
        return self.autoencoder.sensors

    @property
    def has_diffusion(self) -> bool:
        """Whether there is a diffusion, of codes or of data."""
        return self.trained.diffusion is not None

    @property
    def diffusion(self) -> TrainedDiffusion:
        """The diffusion; ValueError where there is none."""
        if self.trained.diffusion is None:
            raise ValueError("this run has no diffusion of its codes: train one with `ridgewalk diffuse RUN`")
        return self.trained.diffusion

    @property
    def guide(self) -> Guide:
        """The discriminator that guides the diffusion, read from the folder; ValueError where there is none."""
        return guides.load(self.folder, self.diffusion)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What was recorded of the training of the run's main artifact."""
        return self.autoencoder.record if self.has_latents else self.diffusion.record

    def with_autoencoder(self, **changes: Any) -> "Run":
        """The run with another ``model``, ``sensors`` or ``record`` of its autoencoder."""
        return replace(self, trained=replace(self.trained, autoencoder=replace(self.autoencoder, **changes)))

    def with_diffusion(self, model: TrainedDiffusion, folder: Path | None = None) -> "Run":
        """The run with another diffusion, which lies in ``folder``."""
        return replace(self, folder=folder or self.folder, trained=replace(self.trained, diffusion=model))

    # its data

    @cached_property
    def dataset(self) -> Data:
        """Images, or the points that a diffusion was trained on, read again from their source; refused if they have changed since."""
        with trusting(self.trusted):
            return self.origin.read_again(self.folder, as_images=self.has_latents)

    @property
    def data(self) -> ImageData:
        """The run's images; ValueError for points."""
        if isinstance(self.dataset, PointData):
            raise ValueError(
                f"{self.folder} is a diffusion of points, with no latent space and no images: use `ridgewalk sample` and `ridgewalk evaluate`"
            )
        return self.dataset

    @property
    def density(self) -> GaussianMixture | None:
        """The density of the run's points, where it is known."""
        return self.dataset.density if isinstance(self.dataset, PointData) else None

    def rows(self, role: str) -> Tensor:
        """The data of a role as floats: images in [0, 1], or points."""
        if isinstance(self.dataset, PointData):
            return points_part(self.dataset, role).values
        return part(self.dataset, role).floats()

    def labels(self, role: str) -> Tensor:
        """The labels (n,) of the data of a role."""
        if isinstance(self.dataset, PointData):
            return points_part(self.dataset, role).labels
        return part(self.dataset, role).labels

    # its latent space

    @property
    def size(self) -> int:
        """Dimensions of its codes; ValueError where there is no autoencoder."""
        _ = self.autoencoder
        return family_of(self.recipe).code_size(self.recipe)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.model.parameters()).device

    def encode(self, x: Tensor) -> Tensor:
        """Codes of images (n, c, h, w) in [0, 1]."""
        if x.dim() != 4 or tuple(x.shape[1:]) != self.origin.image:
            raise ValueError(
                f"this run encodes images (n, {', '.join(map(str, self.origin.image))}); got {tuple(x.shape)}"
            )
        return chunked(self.model.encode, x.to(self.device))

    def encode_images(self, images: Images) -> Tensor:
        """Codes of images of this run's data, which are converted to floats in chunks."""
        return images.map(lambda x: self.model.encode(x.to(self.device)))

    def decode(self, z: Tensor) -> Tensor:
        """Images of codes (n, d)."""
        return self.model.decode(z)

    @cached_property
    def references(self) -> Tensor:
        """Codes of the first of the model's own images, for finders that walk among data."""
        images = part(self.data, "model")
        count = min(len(images), self.recipe.walks.references)
        return self.encode_images(images.take(torch.arange(count)))

    @cached_property
    def context(self) -> Context:
        """What energies and finders are built from."""
        return Context(
            self.recipe.walks,
            self.sensors,
            self.model.encode,
            self.decode,
            references=lambda: self.references,
            between=lambda: lerp_points(self.references),
            diffused=self.trained.diffusion,
            guide=(lambda: self.guide) if self.has_diffusion and GUIDE.is_in(self.folder) else None,
            moving=self.moving,
        )

    def energy(self, name: str) -> Energy:
        """The energy called ``name``, one of ``registry.ENERGIES``, of this run's sensors."""
        return build_energy(name, self.context)

    def finder(self, method: str = "string", energy: str | None = None) -> PathFinder:
        """The finder of a method, one of ``registry.METHODS``, with its default energy or another."""
        return build_finder(method, self.context, energy)


def load(folder: str | Path, device: str = "cpu", trust: bool = False, data: str | None = None) -> Run:
    """
    Loads a trained run.

    ``run = load(RUN); path = run.finder("string")(run.encode(x_a), run.encode(x_b))``.

    Args:
        folder: folder that ``ridgewalk train`` made.
        device: device of its networks.
        trust: whether code that the folder names may be imported, such as a prior of one's own, and data that it names be downloaded (``store.trust``).
        data: where its data are now, if they were moved; others than those that it was trained on are refused where they are read.

    Raises:
        ValueError: if the folder is not a run, is unfinished, or holds files that were cut short, altered or are of another architecture.
    """
    folder = Path(folder)
    with trusting(trust):
        origin, recipe = read_settings(folder)
    origin = origin if data is None else origin.moved(data)
    of_data = not has_autoencoder(recipe)
    if of_data and not DIFFUSION.is_in(folder):
        raise ValueError(autoencoder.unfinished(folder))
    own = None if of_data else autoencoder.load(folder, origin, recipe, device)
    score_model = diffusion.load(folder, recipe.sampling, device) if DIFFUSION.is_in(folder) else None
    return Run(folder, origin, recipe, Trained(own, score_model), trusted=trust)
