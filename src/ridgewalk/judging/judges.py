"""
Judges: two classifiers that guide no path, each trained on images that no sensor and no other judge was trained on.

                 data      features                                        seed
    judge A      judge_a   3 x 3 convolutions, max pooling, hidden layer   its own
    judge B      judge_b   patches mixed by multilayer perceptrons         its own

A judge calls a frame real if the frame's features lie within a k-nearest-neighbour ball of a real held-out image (Kynkaanniemi et al.
2019). Judges differ, so figures are given for each of them and for their mean.

Judges of images without classes are trained to recognise an image and its three mirrorings, which needs no labels.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from ridgewalk.cache import cache_folder
from ridgewalk.data import ImageData, Images, needed_images, part
from ridgewalk.data.images import to_floats
from ridgewalk.limits import lower
from ridgewalk.metrics import neighbours
from ridgewalk.models import classifiers
from ridgewalk.models.artifact import Artifact
from ridgewalk.path import chunked
from ridgewalk.records import seal
from ridgewalk.settings.autoencoder import Judges
from ridgewalk.settings.training import Schedule
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.objectives import Classification

_VERSION = 1
_BATCH = 500
_KINDS: dict[str, tuple[str, Callable[..., classifiers.Classifier], int, float]] = {
    "A": ("judge_a", classifiers.convolutional, 101, 0.0),
    "B": ("judge_b", classifiers.mixer, 202, 0.1),
}
"""By name: the role of its training data, architecture, seed, and standard deviation of the pixel noise in its training."""

NAMES: tuple[str, ...] = tuple(_KINDS)


@dataclass(frozen=True, eq=False)
class Judge:
    """
    A trained classifier, and the real images that it compares frames with.

    Attributes:
        name: ``A`` or ``B``.
        classifier: the network, in evaluation mode.
        seen: (n,) int64 digests of the images that it was trained on (``Images.digests``).
        reference: real images that it was not trained on.
        labelled: whether it was trained on classes; otherwise it was trained on mirrorings, and its confidence has no meaning.
        accuracy: share of the reference images that it classifies correctly.
        k: number of neighbours that sets the radius of a ball.
    """

    name: str
    classifier: classifiers.Classifier
    seen: Tensor
    reference: Images
    labelled: bool
    accuracy: float
    k: int = 3

    def __post_init__(self) -> None:
        self.refuse_seen(self.reference)

    def refuse_seen(self, images: Images) -> None:
        """Raises ValueError if any of the images is one that this judge was trained on."""
        known = torch.isin(images.digests(), self.seen)
        if known.any():
            raise ValueError(
                f"judge {self.name} was trained on {int(known.sum())} of these {len(images)} images "
                f"(the first is number {int(known.nonzero()[0])}); judge on images of the roles test or reference"
            )

    def without(self, digests: Tensor) -> "Judge":
        """
        The same judge without the reference images of these digests: an endpoint of a path would otherwise make the frames near it real.

        Raises:
            ValueError: if too few references are left for its balls.
        """
        ends = torch.isin(self.reference.digests(), digests)
        if not ends.any():
            return self
        kept = (~ends).nonzero()[:, 0]
        if len(kept) <= self.k:
            raise ValueError(
                f"judge {self.name} needs at least {self.k + 1} reference images that are not among the judged ones "
                f"(judges.neighbours = {self.k}); there are {len(kept)}: choose images of the role test, or take a larger data set"
            )
        return replace(self, reference=self.reference.take(kept))

    def features(self, frames: Tensor) -> Tensor:
        """Features of frames: (n, c, h, w) in [0, 1] -> (n, f)."""
        return chunked(self.classifier.features, frames, chunk=_BATCH)

    def probabilities(self, frames: Tensor) -> Tensor:
        """Probabilities of classes: (n, c, h, w) -> (n, classes)."""
        return chunked(self.classifier, frames, chunk=_BATCH).softmax(dim=1)

    @cached_property
    def balls(self) -> tuple[Tensor, Tensor]:
        """Features (m, f) of the reference images, and their k-NN radii (m,)."""
        features = self.reference.map(self.classifier.features, chunk=_BATCH)
        return features, neighbours.radii(features, self.k)

    def real(self, features: Tensor) -> Tensor:
        """Whether each row of features lies in a ball: (n, f) -> (n,) bool."""
        return neighbours.inside(features, *self.balls)

    def realism(self, features: Tensor) -> Tensor:
        """max_r radius_r / |phi - phi_r| over the half of the references with the smaller balls: (n, f) -> (n,); see ``metrics.neighbours``."""
        return neighbours.realism(features, *self.balls)


def judge(data: ImageData, name: str, settings: Judges, device: str = "cpu") -> Judge:
    """
    Trains a judge of a data set, or reads it from the cache where it was trained before.

    Args:
        data: the judge is trained on the images of its own role and compares with those of the role ``reference``.
        name: ``A`` or ``B``.
        settings: settings of its training and of its balls.
        device: device of its training.
    """
    _, architecture, seed, noise = _KINDS[name]
    settings = fit_to(data, settings, (name,))
    images, reference = _divided(data, name)
    labelled = len(images.class_names) > 1
    x, labels = (images.pixels, images.labels) if labelled else _mirrored(images.pixels)
    classes = len(images.class_names) if labelled else 4
    training = {
        "version": _VERSION,
        "name": name,
        "epochs": settings.epochs,
        "batch": settings.batch,
        "rate": settings.rate,
        "seed": seed,
        "noise": noise,
    }
    key = hashlib.sha256(json.dumps([training, images.fingerprint()]).encode()).hexdigest()[:24]
    folder, artifact = cache_folder(), Artifact("judge", (key,), entries=tuple(training))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = architecture(data.train.shape, classes)
    try:
        if folder is None:
            raise ValueError("there is no cache")
        _, record = artifact.read(folder / "judges", dict)
        artifact.fill(folder / "judges", record, {key: {"classifier": classifier}})
    except ValueError:  # not trained yet, or the cached file is damaged: train, and replace it
        schedule = Schedule(epochs=settings.epochs, batch=settings.batch, rate=settings.rate, decay="cosine", seed=seed)
        fit(
            Classification(classifier, pixel_noise=noise),
            [x, labels],
            schedule,
            Fitting(device, label=f"judge {name}", shared=False),
        )
        classifier.cpu()
        _keep(artifact, folder, {key: {"classifier": classifier}}, training)
    classifier.eval().requires_grad_(False)
    held, truth = (reference.pixels, reference.labels) if labelled else _mirrored(reference.pixels)
    guess = chunked(lambda pixels: classifier(to_floats(pixels)), held, chunk=_BATCH).argmax(dim=1)
    accuracy = float((guess == truth).float().mean())
    return Judge(name, classifier, images.digests(), reference, labelled, accuracy, settings.neighbours)


def fit_to(data: ImageData, settings: Judges, names: Sequence[str] = NAMES) -> Judges:
    """
    The settings of the judges with their batch and their number of neighbours lowered to what the data allow, each with a note.

    Args:
        data: the data set that they would judge; nothing is trained.
        settings: settings of their training and of their balls.
        names: names of the judges.

    Raises:
        ValueError: for data of which no judges can be made: too few images, rows of numbers without classes, or images that are too small.
    """
    if len(data.class_names) < 2 and 1 in data.shape[1:]:
        raise ValueError(
            f"judges of rows of numbers need classes, because nothing can be learned from mirrored rows; '{data.name}' has one class: add a column of labels"
        )
    for name in names:
        images, reference = _divided(data, name)
        with torch.random.fork_rng(devices=[]):
            _KINDS[name][1](data.shape, 2)  # refuses images that are too small for it
        rows = len(images) if len(data.class_names) > 1 else 4 * len(images)
        batch = lower("judges.batch", settings.batch, rows, f"there are {len(images)} images to train judge {name} on")
        why = f"judge {name} compares with {len(reference)} reference images"
        neighbours = lower("judges.neighbours", settings.neighbours, len(reference) - 1, why)
        settings = replace(settings, batch=batch, neighbours=neighbours)
    return settings


def _divided(data: ImageData, name: str) -> tuple[Images, Images]:
    """The images that a judge is trained on, and its reference images; ValueError for fewer than 2 of either."""
    role = _KINDS[name][0]
    needed_images(data, {role: 2, "reference": 2})
    images = part(data, role)
    reference = _unseen(part(data, "reference"), images, name)
    if len(reference) < 2:
        raise ValueError(
            f"judge {name} needs at least 2 reference images that it was not trained on; there is 1: remove copies of images from the data"
        )
    return images, reference


def _keep(
    artifact: Artifact,
    folder: Path | None,
    networks: Mapping[str, Mapping[str, nn.Module]],
    training: Mapping[str, object],
) -> None:
    """Keeps a trained judge in the cache; where that cannot be written, a note says so and nothing is lost but time."""
    try:
        if folder is None:
            raise OSError("there is no home folder")
        artifact.save(folder / "judges", networks, seal(training))
    except OSError as error:
        warnings.warn(
            f"the trained judge cannot be kept for the next time ({error.strerror or error}); set RIDGEWALK_CACHE to a folder that can be written",
            stacklevel=3,
        )


def _unseen(reference: Images, images: Images, name: str) -> Images:
    """The reference images without copies of the judge's training images: a data set may contain an image twice."""
    unseen = ~torch.isin(reference.digests(), images.digests())
    if unseen.all():
        return reference
    if not unseen.any():
        raise ValueError(
            f"every reference image is also a training image of judge {name}; remove the copies from the data"
        )
    return reference.take(unseen.nonzero()[:, 0])


def _mirrored(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """All images unchanged and mirrored left-right, up-down and both ways, with the number of the mirroring: (4 n, c, h, w), (4 n,)."""
    views = [pixels, pixels.flip(3), pixels.flip(2), pixels.flip(2, 3)]
    return torch.cat(views), torch.arange(4).repeat_interleave(len(pixels))
