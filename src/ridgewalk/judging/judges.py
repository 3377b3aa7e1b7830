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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from ridgewalk.cache import cache_folder
from ridgewalk.data import ImageData, Images, part
from ridgewalk.data.images import to_floats
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
        """The same judge without the reference images of these digests: an endpoint of a path would otherwise make the frames near it real."""
        ends = torch.isin(self.reference.digests(), digests)
        return replace(self, reference=self.reference.take((~ends).nonzero()[:, 0])) if ends.any() else self

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
    role, architecture, seed, noise = _KINDS[name]
    images = part(data, role)
    reference = _unseen(part(data, "reference"), images, name)
    labelled = len(images.class_names) > 1
    if not labelled and 1 in images.shape[1:]:
        raise ValueError(
            f"judges of rows of numbers need classes, because nothing can be learned from mirrored rows; '{data.name}' has one class: add a column of labels"
        )
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
        batch = min(settings.batch, len(x))
        schedule = Schedule(epochs=settings.epochs, batch=batch, rate=settings.rate, decay="cosine", seed=seed)
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
