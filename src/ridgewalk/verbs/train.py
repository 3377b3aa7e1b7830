"""From a recipe and images to a run: train the model, then its detector, and write both down."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import ridgewalk
from ridgewalk import naming, processes
from ridgewalk.data import ImageData, Images, part
from ridgewalk.data import load as load_data
from ridgewalk.diagnosis.while_training import Inspector, TwoSided
from ridgewalk.energies import frozen
from ridgewalk.files import refuse_used, write_bytes
from ridgewalk.models.autoencoders import Autoencoder, GaussianAutoencoder
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.models.weights import save_networks
from ridgewalk.path import chunked
from ridgewalk.settings import recipes
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store.run import (
    PIXEL_SENSORS,
    Origin,
    Run,
    fingerprint,
    finish,
    load,
    new_detector,
    new_pixel_detector,
    read_settings,
    write_settings,
)
from ridgewalk.training.batch_norm import settle
from ridgewalk.training.detectors import train_detector, train_pixel_detector
from ridgewalk.training.devices import resolve_device
from ridgewalk.training.families.base import Networks, family_of
from ridgewalk.training.loop import check, fit
from ridgewalk.training.negatives import BOUNDARIES, Negatives
from ridgewalk.training.objectives import Objective


@dataclass(frozen=True)
class Reading:
    """How a source of images is read; see ``data.load``."""

    source: str
    skip_bad: bool = False
    size: int | None = None
    channels: int | None = None

    def load(self) -> ImageData:
        """The images."""
        return load_data(self.source, skip_bad=self.skip_bad, size=self.size, channels=self.channels)

    def origin(
        self,
        recipe: str,
        budget: str,
        seed: int,
        shape: tuple[int, ...],
        data: str,
        precision: str,
        *,
        name: bool = False,
    ) -> Origin:
        """
        Where a run of these data comes from.

        Args:
            recipe: shipped name or TOML file.
            budget: smoke, cpu or full.
            seed: of the run.
            shape: of one datum.
            data: their fingerprint.
            precision: no, bf16 or fp16.
            name: whether the source is a name, even where there is a file called so.
        """
        is_place = not name and Path(self.source).exists()
        source = str(Path(self.source).resolve()) if is_place else self.source
        return Origin(
            Path(recipe).stem,
            source,
            budget,
            seed,
            shape,
            data,
            ridgewalk.__version__,
            self.skip_bad,
            self.size,
            self.channels,
            precision,
        )


def start(
    recipe: str,
    reading: Reading,
    folder: Path,
    *,
    budget: str = "cpu",
    seed: int = 0,
    changes: Sequence[str] = (),
    device: str = "auto",
    precision: str = "no",
    tensorboard: bool = False,
    accepted: Callable[[], None] = lambda: None,
) -> Run:
    """
    Trains a recipe from the beginning into a new folder.

    Args:
        recipe: shipped name or TOML file.
        reading: of the images.
        folder: must not exist, or be empty.
        budget: smoke, cpu or full.
        seed: of everything random in the run.
        changes: settings "table.key=value" applied last.
        device: auto, cpu, cuda or mps.
        precision: no, bf16 or fp16.
        tensorboard: whether to log there too.
        accepted: called when nothing is left to refuse, before the training.
    """
    settings = recipes.read(recipe, budget, changes, reading.source)
    if settings.objective.name == "diffusion":
        raise ValueError(f"recipe '{recipe}' trains a diffusion of data, not an autoencoder; use runs.diffusing.start")
    processes.first(
        lambda: refuse_used(folder, f"choose another --out, or go on with `ridgewalk train --resume {folder}`")
    )
    data = reading.load()
    images = part(data, "model")
    shape = images.shape
    family = family_of(settings)
    settings = family.complete(settings, data.class_names)
    tensors, labelled = family.tensors(settings, images, seed)
    networks = Networks(family.autoencoder(settings, shape, seed), family.adversaries(settings, shape, seed), labelled)
    if settings.detector.samples and not isinstance(networks.model, GaussianAutoencoder):
        raise ValueError("detector.samples needs model.posterior = \"gaussian\"; got 'deterministic'")
    new_detector(settings)
    for stage in family.stages(settings, networks, seed):  # refused before anything is written
        check(stage.objective, [len(t) for t in tensors], stage.schedule, device, precision, processes.world())
    origin = reading.origin(recipe, budget, seed, shape, fingerprint(data), precision)
    accepted()
    processes.first(lambda: write_settings(folder, origin, settings))
    return _train(folder, origin, settings, data, resume=False, device=device, tensorboard=tensorboard)


def resume(folder: Path, *, device: str = "auto", tensorboard: bool = False) -> Run:
    """Goes on with a run that was killed, from its newest checkpoint; a run that is whole is only loaded."""
    origin, settings = read_settings(folder)
    if (folder / "manifest.json").is_file():
        return load(folder)
    data = Reading(origin.source, origin.skip_bad, origin.size, origin.channels).load()
    if fingerprint(data) != origin.data:
        raise ValueError(
            f"the images at {origin.source} have changed since {folder} was started; restore them, or start again"
        )
    return _train(folder, origin, settings, data, resume=True, device=device, tensorboard=tensorboard)


def _train(
    folder: Path, origin: Origin, recipe: Recipe, data: ImageData, *, resume: bool, device: str, tensorboard: bool
) -> Run:
    images = part(data, "model")
    family = family_of(recipe)
    model = family.autoencoder(recipe, origin.image, origin.seed)
    adversaries = family.adversaries(recipe, origin.image, origin.seed)
    networks: dict[str, nn.Module] = {}
    seconds, taken, steps = 0.0, 0, 0
    readings: dict[str, Mapping[str, Any]] = {}
    diagnostics = 0.0
    tensors, labelled = family.tensors(recipe, images, origin.seed)
    for stage in family.stages(recipe, Networks(model, adversaries, labelled), origin.seed):
        inspector = inspector_of(stage.objective, data, origin.seed)
        history = fit(
            stage.objective,
            tensors,
            stage.schedule,
            folder=folder / stage.folder,
            resume=resume,
            device=device,
            precision=origin.precision,
            tensorboard=tensorboard,
            label=f"{stage.label} {origin.recipe}",
            inspect=inspector,
        )
        readings |= {str(line["name"]): line for line in history.readings}
        diagnostics += inspector.seconds if inspector else 0.0
        seconds, taken, steps = seconds + history.seconds, taken + history.taken, steps + len(history.steps)
        # the moving average is what a run keeps, where there is one
        networks = {**stage.objective.networks, **history.averages}
    model.put(networks)

    def write() -> None:
        model.cpu().eval()
        settle(model, images.pixels)
        detector = fitted_detector(recipe, model, images, BOUNDARIES[recipe.detector.negatives](), origin.seed, device)
        sums = {
            "model.safetensors": save_networks(
                folder / "model.safetensors", {n: net.cpu() for n, net in networks.items()}
            ),
            "detector.safetensors": save_networks(folder / "detector.safetensors", {"detector": detector}),
        }
        finish(
            folder,
            sums,
            {
                "seconds": seconds,
                "steps": steps,
                "images_per_second": _speed(seconds, taken, recipe.training.batch),
                **({"readings": readings, "diagnostics_seconds": round(diagnostics, 2)} if readings else {}),
            },
        )
        for place in (folder, folder / "stage-1"):
            shutil.rmtree(place / "checkpoints", ignore_errors=True)

    processes.first(write)
    return load(folder)


FEWEST = 20
"""Smallest number of held-out images on which discriminators are read."""

HELD_OUT = 1000
"""Largest number of held-out images that discriminators are read on while they are trained."""


def inspector_of(objective: Objective, data: ImageData, seed: int) -> Inspector | None:
    """Reads the discriminators of an adversarial objective on validation images, whose labels it is not told; None for others."""
    if not isinstance(objective, TwoSided):
        return None
    if len(data.test) // 10 < FEWEST:  # the role's share; no probe can be trained on fewer
        return None
    images = part(data, "validation")
    held_out = images.take(torch.arange(min(HELD_OUT, len(images)))).floats()
    return Inspector(objective, (held_out, torch.full((len(held_out),), -1)), seed)


def fitted_detector(
    recipe: Recipe, model: Autoencoder, images: Images, negatives: Negatives, seed: int, device: str = "cpu"
) -> Discriminator:
    """A detector of the images' codes by the recipe's settings: of their means, or of fresh draws of q(z|x) where it asks for such."""
    d, where = recipe.detector, next(model.parameters()).device
    x = images.floats()
    log_variance = None
    if d.samples and isinstance(model, GaussianAutoencoder):
        log_variance = chunked(lambda v: model.posterior(v.to(where))[1].cpu(), x)
    return train_detector(
        chunked(lambda v: model.encode(v.to(where)).cpu(), x),
        negatives,
        hidden=d.hidden,
        act=d.activation,
        members=d.members,
        epochs=d.epochs,
        batch=d.batch,
        rate=d.rate,
        seed=seed,
        device=device,
        log_variance=log_variance,
    )


def _speed(seconds: float, steps: int, batch: int) -> float:
    return round(steps * batch / seconds, 1) if seconds > 0 else 0.0


def sense(run: Run, contrast: str = "holes", seed: int = 0, device: str = "auto") -> dict[str, object]:
    """
    Trains a pixel detector for a run and writes it beside its other sensors.

    Args:
        run: the model.
        contrast: ``holes`` (decodings of data against decodings of off-data codes) or ``real`` (real images against those).
        seed: of weights, order and noise.
        device: to train on.

    Raises:
        ValueError: for an unknown contrast, or a sensor that is there already.
    """
    if contrast not in PIXEL_SENSORS:
        raise ValueError(naming.unknown("contrast", contrast, PIXEL_SENSORS))
    name = PIXEL_SENSORS[contrast]
    if (run.folder / f"{name}.json").exists():
        raise ValueError(
            f"{run.folder} has a {name} sensor already; remove {name}.json and {name}.safetensors to train another"
        )
    images, p = part(run.data, "model"), run.recipe.pixel
    codes = run.encode(images.floats())
    where = resolve_device(device)
    network = train_pixel_detector(
        codes,
        images.pixels,
        frozen(run.model).to(where).decode,
        new_pixel_detector(run.recipe, run.origin.image, contrast, seed),
        BOUNDARIES[run.recipe.detector.negatives](),
        contrast=contrast,
        epochs=p.epochs,
        batch=p.batch,
        seed=seed,
        device=device,
    )
    digest = save_networks(run.folder / f"{name}.safetensors", {name: network})
    record = {"sha256": digest, "contrast": contrast, "seed": seed}
    write_bytes(run.folder / f"{name}.json", json.dumps(record, indent=1).encode())
    return {"run": str(run.folder), "sensor": name, **record}
