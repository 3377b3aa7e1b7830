"""
Judges: networks that guide no path, each trained on images that no sensor and no other judge was trained on.

                 data      features                                        composites                             seed
    judge A      judge_a   3 x 3 convolutions, max pooling, hidden layer   convolutions, max pooling              its own
    judge B      judge_b   patches mixed by multilayer perceptrons         residual blocks, group normalisation   its own

Each judge is two networks. The *composite judge* (``discernment``) tells real images from composites of two real ones: by it a frame is real or not, and
its power on the data at hand is measured before anything is judged by it. Where it cannot tell, its grades are NaN. The classifier gives features, in which
a frame is *near* the data if it lies within a k-nearest-neighbour ball of a real held-out image (Kynkaanniemi et al. 2019): this asks whether frames look
like the data's, and says little of two images laid over each other.

Judges differ, so figures are given for each of them and for their mean. Classifiers of images without classes are trained to recognise an image and its
three mirrorings; rows of numbers without classes are compared as they are.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ridgewalk.cache import cache_folder
from ridgewalk.data import ImageData, Images, needed_images, part
from ridgewalk.data.images import to_floats
from ridgewalk.judging.discernment import CompositeJudge, calibrate, new_network, train_network
from ridgewalk.judging.features import describe_source, wrap_features
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

_VERSION = 2
_BATCH = 500
_KINDS: dict[str, tuple[str, Callable[..., classifiers.Classifier], int, float]] = {
    "A": ("judge_a", classifiers.convolutional, 101, 0.0),
    "B": ("judge_b", classifiers.mixer, 202, 0.1),
}
"""By name: the role of its training data, architecture, seed, and standard deviation of the pixel noise in its training."""

NAMES: tuple[str, ...] = tuple(_KINDS)


class Grades(NamedTuple):
    """
    What a composite judge says of frames, (n,) float64 each; NaN where it cannot tell on the data.

    Attributes:
        real: 1 for what it takes for real, and 0 for the rest.
        realism: share of real held-out images that seem no more real.
        margin: its logit less its threshold.
    """

    real: Tensor
    realism: Tensor
    margin: Tensor


@dataclass(frozen=True, eq=False)
class Judge:
    """
    A trained composite judge, a trained classifier, and the real images whose neighbourhoods frames are looked for in.

    Attributes:
        name: ``A`` or ``B``.
        classifier: the network, in evaluation mode.
        seen: (n,) int64 digests of the images that it was trained on (``Images.digests``).
        reference: real images that it was not trained on.
        labelled: whether it was trained on classes; otherwise its confidence has no meaning.
        accuracy: share of the reference images that it classifies correctly; NaN where it was trained on nothing.
        composite: tells real images from composites of real ones.
        k: number of neighbours that sets the radius of a ball.
        source: where the features come from.
    """

    name: str
    classifier: classifiers.Classifier
    seen: Tensor
    reference: Images
    labelled: bool
    accuracy: float
    composite: CompositeJudge
    k: int = 3
    source: str = "its classifier"

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

    def with_features(self, features: Callable[[Tensor], Tensor], name: str = "") -> "Judge":
        """
        The same composite judge, which looks for neighbours in other features, such as those of a pretrained network.

        Args:
            features: maps images (n, c, h, w) in [0, 1] to (n, f), floats. A module is copied, and the copy used in evaluation mode.
            name: where they come from, for errors and reports.

        Returns:
            A judge without classes: its confidence has no meaning.

        Raises:
            ValueError: as ``features.wrap_features``.
        """
        classifier = wrap_features(features, self.reference.floats(torch.arange(2)), name)
        return replace(self, classifier=classifier, labelled=False, accuracy=nan, source=describe_source(name))

    def features(self, frames: Tensor) -> Tensor:
        """Features of frames: (n, c, h, w) in [0, 1] -> (n, f)."""
        return chunked(self.classifier.features, frames, chunk=_BATCH)

    def probabilities(self, frames: Tensor) -> Tensor:
        """Probabilities of classes: (n, c, h, w) -> (n, classes)."""
        return self.classify(self.features(frames))

    def classify(self, features: Tensor) -> Tensor:
        """Probabilities of classes from the classifier's features: (..., f) -> (..., classes)."""
        return self.classifier.head(features).softmax(dim=-1)

    @cached_property
    def balls(self) -> tuple[Tensor, Tensor]:
        """Features (m, f) of the reference images, and their k-NN radii (m,)."""
        features = self.reference.map(self.classifier.features, chunk=_BATCH)
        return features, neighbours.radii(features, self.k)

    def grades(self, frames: Tensor) -> Grades:
        """Everything that the composite judge says of frames (n, c, h, w), from one pass of its network."""
        if self.composite.power.reasons:
            unknown = torch.full((len(frames),), nan, dtype=torch.float64)
            return Grades(unknown, unknown, unknown)
        logits = self.composite.logits(frames)
        margin = logits.double() - self.composite.threshold
        return Grades((margin >= 0).double(), self.composite.realism(logits), margin)

    def real(self, frames: Tensor) -> Tensor:
        """1 for each frame that the composite judge takes for real and 0 for the others: (n, c, h, w) -> (n,) float64; NaN where it cannot tell."""
        return self.grades(frames).real

    def realism(self, frames: Tensor) -> Tensor:
        """Share of real held-out images that seem no more real to the composite judge: (n, c, h, w) -> (n,) in [0, 1]; NaN where it cannot tell."""
        return self.grades(frames).realism

    def margin(self, frames: Tensor) -> Tensor:
        """The composite judge's logit less its threshold, at least 0 for what it takes for real: (n, c, h, w) -> (n,); NaN where it cannot tell."""
        return self.grades(frames).margin

    def near(self, features: Tensor) -> Tensor:
        """Whether each row of features lies in a ball: (n, f) -> (n,) bool."""
        return neighbours.inside(features, *self.balls)

    def nearness(self, features: Tensor) -> Tensor:
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
    settings = fit_to(data, settings, (name,))
    images, reference = _divided(data, name)
    classifier, accuracy = _classifier(data, name, settings, images, reference, device)
    composite = _composite(data, name, settings, images, device)
    labelled = len(images.class_names) > 1
    return Judge(name, classifier, images.digests(), reference, labelled, accuracy, composite, settings.neighbours)


def _classifier(
    data: ImageData, name: str, settings: Judges, images: Images, reference: Images, device: str
) -> tuple[classifiers.Classifier, float]:
    """The trained classifier of a judge, and its accuracy on the reference images."""
    _, architecture, seed, noise = _KINDS[name]
    labelled = len(images.class_names) > 1
    if not labelled and _are_rows(data):
        return classifiers.unchanged(data.shape), nan
    x, labels = (images.pixels, images.labels) if labelled else _mirrored(images.pixels)
    training = {
        "version": _VERSION,
        "name": name,
        "epochs": settings.epochs,
        "batch": settings.batch,
        "rate": settings.rate,
        "seed": seed,
        "noise": noise,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = architecture(data.train.shape, len(images.class_names) if labelled else 4)

    def train() -> None:
        schedule = Schedule(epochs=settings.epochs, batch=settings.batch, rate=settings.rate, decay="cosine", seed=seed)
        fitting = Fitting(device, label=f"classifier of judge {name}", shared=False)
        fit(Classification(classifier, pixel_noise=noise), [x, labels], schedule, fitting)

    _filled(classifier, "classifier", training, images, train)
    held, truth = (reference.pixels, reference.labels) if labelled else _mirrored(reference.pixels)
    guess = chunked(lambda pixels: classifier(to_floats(pixels)), held, chunk=_BATCH).argmax(dim=1)
    return classifier, float((guess == truth).float().mean())


def _composite(data: ImageData, name: str, settings: Judges, images: Images, device: str) -> CompositeJudge:
    """The trained composite judge, calibrated."""
    seed = _KINDS[name][2]
    network = new_network(name, data.shape, seed)
    training = {"version": _VERSION, "name": name, "steps": settings.steps, "seed": seed}
    _filled(
        network,
        "network",
        training,
        images,
        lambda: train_network(name, network, images.pixels, settings.steps, seed, device),
    )
    return calibrate(name, network, data, images.digests())


def _filled(
    network: nn.Module, part: str, training: Mapping[str, object], images: Images, train: Callable[[], None]
) -> None:
    """Fills a network's weights from the cache, or trains it and keeps it there; it is then in evaluation mode."""
    key = hashlib.sha256(json.dumps([training, images.fingerprint()]).encode()).hexdigest()[:24]
    folder, artifact = cache_folder(), Artifact("judge", (key,), entries=tuple(training))
    networks = {key: {part: network}}
    try:
        if folder is None:
            raise ValueError("there is no cache")
        _, record = artifact.read(folder / "judges", dict)
        artifact.fill(folder / "judges", record, networks)
    except ValueError:  # not trained yet, or the cached file is damaged: train, and replace it
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # trains convolutions of few channels faster
        train()
        network.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as it comes from the cache
        _keep(artifact, folder, networks, training)
    network.eval().requires_grad_(False)


def fit_to(data: ImageData, settings: Judges, names: Sequence[str] = NAMES) -> Judges:
    """
    The settings of the judges with their batch and their number of neighbours lowered to what the data allow, each with a note.

    Args:
        data: the data set that they would judge; nothing is trained.
        settings: settings of their training and of their balls.
        names: names of the judges.

    Raises:
        ValueError: for data of which no judges can be made: too few images, or images that are too small.
    """
    plain = len(data.class_names) < 2 and _are_rows(data)
    for name in names:
        images, reference = _divided(data, name)
        batch = settings.batch
        if not plain:
            with torch.random.fork_rng(devices=[]):
                _KINDS[name][1](data.shape, 2)  # refuses images that are too small for it
            rows = len(images) if len(data.class_names) > 1 else 4 * len(images)
            batch = lower("judges.batch", batch, rows, f"there are {len(images)} images to train judge {name} on")
        why = f"judge {name} compares with {len(reference)} reference images"
        neighbours = lower("judges.neighbours", settings.neighbours, len(reference) - 1, why)
        settings = replace(settings, batch=batch, neighbours=neighbours)
    return settings


def _are_rows(data: ImageData) -> bool:
    """Whether the data are rows of numbers, which are images of one pixel's height or width."""
    return 1 in data.shape[1:]


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
