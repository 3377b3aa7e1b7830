"""
A trained autoencoder with the discriminators that judge its codes.

    model.safetensors         encoder and decoder, and the adversaries that they were trained against
    detector.safetensors      the density-ratio detector
    manifest.json             checksums of the two and of the log, seconds, steps; written last
    pixel.safetensors         a pixel detector, where `ridgewalk sense` trained one, and pixel.json its record; pixel-real.* is that of the other contrast
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ridgewalk import naming
from ridgewalk.energies import freeze
from ridgewalk.models.artifact import Artifact
from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.discriminators import Discriminator, MeanLogit, image_discriminator, latent_discriminator
from ridgewalk.records import seal
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store.origin import Origin
from ridgewalk.training.devices import resolve_device
from ridgewalk.training.families.base import family_of

AUTOENCODER = Artifact(
    "model",
    ("model", "detector"),
    "manifest",
    ("seconds", "steps", "images_per_second", "readings", "diagnostics_seconds", "log"),
)

PIXEL_SENSORS = {"holes": "pixel", "real": "pixel-real"}
"""For each contrast of a pixel detector, the name of the sensor and of its files."""


@dataclass(frozen=True, eq=False)
class TrainedAutoencoder:
    """
    An autoencoder and its sensors.

    Attributes:
        model: the autoencoder, frozen.
        sensors: discriminators by name: ``detector``, the adversaries (the family's ``sensors``), and the pixel detectors.
        record: what ``manifest.json`` holds.
    """

    model: Autoencoder
    sensors: Mapping[str, Discriminator]
    record: Mapping[str, Any]


def save(folder: Path, networks: Mapping[str, nn.Module], detector: Discriminator, record: Mapping[str, Any]) -> None:
    """
    Writes an autoencoder; its record, written last, marks the run as complete.

    Args:
        folder: folder of the run.
        networks: encoder, decoder and adversaries by name.
        detector: the density-ratio detector.
        record: seconds, steps and further notes on the training.
    """
    AUTOENCODER.save(
        folder,
        {"model": {n: network.cpu() for n, network in networks.items()}, "detector": {"detector": detector}},
        seal(record),
    )


def load(folder: Path, origin: Origin, recipe: Recipe, device: str) -> TrainedAutoencoder:
    """
    The autoencoder in a folder with all its sensors, frozen.

    Raises:
        ValueError: if its training is unfinished, or files were altered, cut short or are of another architecture.
    """
    if not AUTOENCODER.is_in(folder):
        raise ValueError(unfinished(folder))
    _, record = AUTOENCODER.read(folder, _parse)
    family = family_of(recipe)
    model, adversaries = family.autoencoder(recipe, origin.image, 0), family.adversaries(recipe, origin.image, 0)
    detector, networks = new_detector(recipe), {**model.networks, **adversaries}
    images, codes = _inputs(recipe, origin)
    reads = {n: images if n in ("encoder", "critic") else codes for n in networks} | {"detector": codes}
    AUTOENCODER.fill(folder, record, {"model": networks, "detector": {"detector": detector}}, reads)
    sensors = {"detector": detector, **family.sensors(recipe, adversaries)}
    for contrast, name in PIXEL_SENSORS.items():
        artifact = pixel_artifact(contrast)
        if artifact.is_in(folder):
            _, pixel_record = artifact.read(folder, dict)
            sensors[name] = new_pixel_detector(recipe, origin.image, contrast)
            artifact.fill(folder, pixel_record, {name: {name: sensors[name]}}, {name: images})
    where = resolve_device(device)
    return TrainedAutoencoder(freeze(model).to(where), {n: freeze(s).to(where) for n, s in sensors.items()}, record)


def _parse(record: dict[str, Any]) -> None:
    """Refuses a record whose figures are of other types."""
    _ = [float(record[name]) for name in ("seconds", "steps")]
    _ = [str(line["sentence"]) for line in record.get("readings", {}).values()]


def unfinished(folder: Path) -> str:
    """The message about a run whose training did not finish."""
    return f"{folder} is half written: its training did not finish; resume it with `ridgewalk train --resume {folder}`"


def pixel_artifact(contrast: str) -> Artifact:
    """The files of a pixel detector; ValueError for an unknown contrast."""
    if contrast not in PIXEL_SENSORS:
        raise ValueError(naming.unknown("contrast", contrast, PIXEL_SENSORS))
    return Artifact(f"{PIXEL_SENSORS[contrast]} sensor", (PIXEL_SENSORS[contrast],), entries=("contrast", "seed"))


def new_pixel_detector(recipe: Recipe, shape: tuple[int, int, int], contrast: str, seed: int = 0) -> Discriminator:
    """The recipe's pixel detector, untrained."""
    p = recipe.pixel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, Stream.PIXEL_DETECTOR))
        positive = "encoded" if contrast == "holes" else "real"
        return image_discriminator(shape, positive, p.hidden, "leaky_relu", p.network)


def new_detector(recipe: Recipe) -> Discriminator:
    """The recipe's density-ratio detector, untrained: the architecture that ``training.detectors.train_detector`` returns."""
    d = recipe.detector
    size = family_of(recipe).code_size(recipe)
    members = [latent_discriminator(size, "encoded", d.hidden, d.activation) for _ in range(d.members)]
    return members[0] if d.members == 1 else Discriminator(MeanLogit(members), "encoded")


def _inputs(recipe: Recipe, origin: Origin) -> tuple[str, str]:
    """The run's images and codes in words, for messages about files that do not fit."""
    return (
        f"images of {' x '.join(map(str, origin.image))}",
        f"latent codes of {family_of(recipe).code_size(recipe)} values",
    )
