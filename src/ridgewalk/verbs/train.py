"""The verbs `train` and `sense`: from a recipe and data to a run, and a pixel detector for a run."""

import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ridgewalk import processes
from ridgewalk.data import ImageData, describe_copies, describe_roles, needed_images, part
from ridgewalk.data.points import PointData, is_points, points_part
from ridgewalk.data.sources import NAMES
from ridgewalk.diagnosis.while_training import build_inspector
from ridgewalk.diffusion import Standardiser
from ridgewalk.diffusion.building import build_network
from ridgewalk.diffusion.scaling import root_mean_square
from ridgewalk.energies import freeze
from ridgewalk.files import refuse_used
from ridgewalk.judging.judges import fit_to
from ridgewalk.limits import lower_batch
from ridgewalk.locks import writing
from ridgewalk.models.autoencoders import GaussianAutoencoder
from ridgewalk.records import seal
from ridgewalk.settings import recipes
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store import autoencoder, diffusion
from ridgewalk.store.autoencoder import AUTOENCODER, PIXEL_SENSORS, new_detector, new_pixel_detector, pixel_artifact
from ridgewalk.store.diffusion import DIFFUSION, DiffusionData
from ridgewalk.store.origin import Data, Origin, Source, place_of, read_settings, write_settings
from ridgewalk.store.run import Run, load
from ridgewalk.store.trust import record_hub, record_trust
from ridgewalk.training import detectors
from ridgewalk.training.batch_norm import settle
from ridgewalk.training.checkpoint import OtherTraining
from ridgewalk.training.detectors import train_model_detector, train_pixel_detector
from ridgewalk.training.devices import resolve_device
from ridgewalk.training.families.base import Networks, family_of, has_autoencoder
from ridgewalk.training.log import log_digest
from ridgewalk.training.loop import Fitting, check, fit
from ridgewalk.training.negatives import BOUNDARIES


@dataclass(frozen=True)
class TrainRequest:
    """
    A training from the beginning.

    Attributes:
        recipe: shipped name or TOML file.
        source: source of the data.
        folder: folder of the run; it must not exist, or must be empty.
        budget: smoke, cpu or full.
        seed: seed of all random draws of the run.
        changes: settings "table.key=value" applied last.
        device: auto, cpu, cuda or mps.
        precision: no, bf16 or fp16.
        tensorboard: whether to log to TensorBoard as well.
        refuse_unread: whether changes that the objective never reads are refused; those of an experiment are for all its variants.
        accepted: called when all checks have passed and the folder is claimed, before the training, with the sizes of the roles in a sentence.
    """

    recipe: str
    source: Source
    folder: Path
    budget: str = "cpu"
    seed: int = 0
    changes: Sequence[str] = ()
    device: str = "auto"
    precision: str = "no"
    tensorboard: bool = False
    refuse_unread: bool = True
    accepted: Callable[[str], None] = lambda roles: None


def start(request: TrainRequest) -> Run:
    """
    Trains a recipe from the beginning into a new folder: an autoencoder with its detector, or a diffusion of data.

    Raises:
        ValueError: for settings or data that do not fit, before anything is written.
    """
    r, folder = request, request.folder
    settings = recipes.read(r.recipe, r.budget, r.changes, r.source.source)
    processes.first(
        lambda: refuse_used(folder, f"choose another --out, or resume with `ridgewalk train --resume {folder}`")
    )
    data: Data
    if r.refuse_unread:
        _refuse_unread(settings, r.changes)
    if not has_autoencoder(settings):
        data = r.source.images_or_points()
        settings = _fitted(settings, data, r.changes)
        build_network(settings.diffusion, tuple(data.shape), len(data.class_names), r.seed)
    else:
        data = r.source.images()
        settings = _checked(settings, data, r)
    if isinstance(data, ImageData) and (copies := describe_copies(data)):
        warnings.warn(copies, stacklevel=2)
    origin = Origin.of(r.source, data, r.recipe, r.budget, r.seed, r.precision, folder)

    def claim() -> None:
        refuse_used(folder)  # once more, now that no other process can fill it
        record_trust(settings)
        if not (Path(origin.source).exists() or is_points(origin.source) or origin.source in NAMES):
            record_hub(origin.source)
        write_settings(folder, origin, settings)

    with writing(folder, claim):
        r.accepted(describe_roles(len(data.train), len(data.test), isinstance(data, PointData)))
        _train(folder, origin, settings, data, Fitting(r.device, r.precision, r.tensorboard))
    return load(folder)


UNREAD = ("model", "prior", "labels", "matcher", "critic", "training", "detector", "pixel", "interpolation", "walks")
"""Tables of a recipe that a diffusion of data never reads."""


def _refuse_unread(settings: Recipe, changes: Sequence[str]) -> None:
    """Refuses changed settings of tables that the training never reads: those of a recipe may stay, those that a user names mean something."""
    if has_autoencoder(settings):
        family = family_of(settings)
        for table in (t for t in ("matcher", "critic") if t not in family.adversary_tables):
            if keys := sorted(recipes.changed_keys(changes, table)):
                raise ValueError(
                    f"the objective '{family.name}' has no use for {table}.{keys[0]}; leave it out: it trains no {table}"
                )
        return
    for table in UNREAD:
        if keys := sorted(recipes.changed_keys(changes, table)):
            raise ValueError(
                f"a diffusion of data never reads {table}.{keys[0]}; leave it out: its network and its training are set in the table diffusion"
            )


def _checked(settings: Recipe, data: ImageData, r: TrainRequest) -> Recipe:
    """The settings of an autoencoder with the number of its classes; ValueError for what cannot be trained."""
    family = family_of(settings)
    settings = family.complete(_fitted(settings, data, r.changes), data.class_names)
    images = part(data, "model")
    if data.shape[0] == 3 and settings.model.network == "mlp":
        warnings.warn(
            f"the networks of the recipe {r.recipe} are fully connected, which suits small grey images; the recipe aae-conv has convolutions for "
            "images in colour",
            stacklevel=2,
        )
    tensors, labelled = family.tensors(settings, images, r.seed)
    model = family.autoencoder(settings, images.shape, r.seed)
    if settings.detector.samples and not isinstance(model, GaussianAutoencoder):
        raise ValueError("detector.samples needs model.posterior = \"gaussian\"; got 'deterministic'")
    new_detector(settings)
    networks = Networks(model, family.adversaries(settings, images.shape, r.seed), labelled)
    for stage in family.stages(settings, networks, r.seed):
        check(stage.objective, [len(t) for t in tensors], stage.schedule, r.device, r.precision, processes.world())
    return settings


def _fitted(recipe: Recipe, data: Data, changes: Sequence[str]) -> Recipe:
    """
    The recipe with batches and judges that fit the data, each with a note where they had to be lowered.

    Raises:
        ValueError: where the data are too few for what is done with a run later.
    """
    if isinstance(data, PointData):
        _ = points_part(data, "test")  # refuses too few
        rows = len(points_part(data, "model"))
    else:
        needed_images(data, {"model": 2, "judge_a": 2, "judge_b": 2, "test": 2, "reference": 2})
        rows = len(part(data, "model"))
        if len(data.class_names) < 2 and 1 in data.shape[1:]:
            warnings.warn(
                f"'{data.name}' has rows of numbers without classes, of which there are no judges: walk, report, compare and evaluate will be refused",
                stacklevel=3,
            )
        else:
            recipe = replace(recipe, judges=fit_to(data, recipe.judges))
    if not has_autoencoder(recipe):
        batch = lower_batch("diffusion.batch", recipe.diffusion.batch, rows, changes, processes.world())
        return replace(recipe, diffusion=replace(recipe.diffusion, batch=batch))
    batch = lower_batch("training.batch", recipe.training.batch, rows, changes, processes.world())
    codes = lower_batch("detector.batch", recipe.detector.batch, rows)
    return replace(
        recipe,
        training=replace(recipe.training, batch=batch),
        detector=replace(recipe.detector, batch=codes),
    )


def are_moved(folder: Path, source: str) -> bool:
    """Whether ``source`` is another place than the one that a run recorded for its data."""
    if not (folder / "run.toml").is_file():
        return False
    recorded, named = read_settings(folder)[0].source, place_of(source)
    return source != recorded and (named is None or f"{named[0].resolve()}{named[1]}" != recorded)


def resume(folder: Path, *, device: str = "auto", tensorboard: bool = False, source: str | None = None) -> Run:
    """Resumes the training of a run from its newest checkpoint, with its data at ``source`` if they were moved; a complete run is only loaded."""
    origin, settings = read_settings(folder)
    origin = origin if source is None else origin.moved(source)
    of_data = not has_autoencoder(settings)
    if (DIFFUSION if of_data else AUTOENCODER).is_in(folder):
        return load(folder, device, data=source)
    data = origin.read_again(folder, as_images=not of_data)
    with writing(folder):
        _train(folder, origin, settings, data, Fitting(device, origin.precision, tensorboard, resume=True))
    return load(folder, data=source)


def _train(folder: Path, origin: Origin, recipe: Recipe, data: Data, how: Fitting) -> None:
    if not has_autoencoder(recipe):
        how = replace(how, label=f"diffusion {origin.recipe}")
        rest = (recipe.diffusion, recipe.sampling, folder, origin.seed, how)
        try:
            diffusion.train(_diffusion_data(recipe, data), *rest)
        except OtherTraining:
            # a training of images that was started when their size was taken about their mean is resumed with that
            diffusion.train(_diffusion_data(recipe, data, lambda x: float(x.std())), *rest)
    else:
        assert isinstance(data, ImageData)
        _train_autoencoder(folder, origin, recipe, data, how)


def _diffusion_data(
    recipe: Recipe, data: Data, size: Callable[[torch.Tensor], float] = root_mean_square
) -> DiffusionData:
    """The model's share of the data: points standardised by their mean and deviation, images from [0, 1] to [-1, 1], of which ``size`` gives s_d."""
    labelled = recipe.diffusion.labels
    classes = len(data.class_names) if labelled else 0
    if isinstance(data, PointData):
        points = points_part(data, "model")
        standardiser = Standardiser.of(points.values)
        return DiffusionData(points.values, standardiser, labels=points.labels if labelled else None, classes=classes)
    images, standardiser = part(data, "model"), Standardiser.between(0.0, 1.0)
    first = images.take(torch.arange(min(len(images), 5000))).floats()
    labels = images.labels if labelled else None
    deviation = size(standardiser.to_model(first))
    return DiffusionData(images.pixels, standardiser, deviation, labels, classes, quantised=True)


def _train_autoencoder(folder: Path, origin: Origin, recipe: Recipe, data: ImageData, how: Fitting) -> None:
    images = part(data, "model")
    family = family_of(recipe)
    model = family.autoencoder(recipe, origin.image, origin.seed)
    adversaries = family.adversaries(recipe, origin.image, origin.seed)
    networks: dict[str, nn.Module] = {}
    seconds, timed, steps = 0.0, 0, 0
    readings: dict[str, Mapping[str, Any]] = {}
    diagnostics = 0.0
    tensors, labelled = family.tensors(recipe, images, origin.seed)
    for stage in family.stages(recipe, Networks(model, adversaries, labelled), origin.seed):
        history = fit(
            stage.objective,
            tensors,
            stage.schedule,
            replace(how, label=f"{stage.label} {origin.recipe}"),
            folder=folder / stage.folder,
            inspect=build_inspector(stage.objective, data, origin.seed),
        )
        readings |= {str(line["name"]): line for line in history.readings}
        diagnostics += history.inspecting
        seconds, timed, steps = seconds + history.seconds, timed + history.timed, steps + len(history.steps)
        # the moving average is what a run keeps, where there is one
        networks = {**stage.objective.networks, **history.averages}
    model.put(networks)

    def write() -> None:
        model.cpu().eval()
        settle(model, images.pixels)
        negatives = BOUNDARIES[recipe.detector.negatives]()
        detector = train_model_detector(model, images, recipe.detector, negatives, origin.seed, how.device)
        record = {
            "seconds": round(seconds, 6),
            "steps": steps,
            "images_per_second": _speed(seconds, timed, recipe.training.batch),
            "log": log_digest(folder / "log.jsonl"),
            **({"readings": readings, "diagnostics_seconds": round(diagnostics, 2)} if readings else {}),
        }
        autoencoder.save(folder, networks, detector, record)
        for place in (folder, folder / "stage-1"):
            shutil.rmtree(place / "checkpoints", ignore_errors=True)

    processes.first(write)


def _speed(seconds: float, steps: int, batch: int) -> float:
    return round(steps * batch / seconds, 1) if seconds > 0 else 0.0


def sense(run: Run, contrast: str = "holes", seed: int = 0, device: str = "auto") -> dict[str, object]:
    """
    Trains a pixel detector for a run and writes it into the run's folder.

    Args:
        run: the model.
        contrast: ``holes`` (decodings of data against decodings of off-data codes) or ``real`` (real images against those).
        seed: seed of weights, order and noise.
        device: device of the training.

    Raises:
        ValueError: for an unknown contrast, or a sensor that the run has already.
    """
    _ = run.model  # a run without an autoencoder is refused before anything is written
    with writing(run.folder):
        return _sense(run, contrast, seed, device)


def _sense(run: Run, contrast: str, seed: int, device: str) -> dict[str, object]:
    artifact = pixel_artifact(contrast)
    name = PIXEL_SENSORS[contrast]
    artifact.refuse_present(run.folder)
    images, p = part(run.data, "model"), run.recipe.pixel
    batch = lower_batch("pixel.batch", p.batch, len(images))
    codes = run.encode_images(images)
    where = resolve_device(device)
    network = train_pixel_detector(
        codes,
        images.pixels,
        freeze(run.model).to(where).decode,
        new_pixel_detector(run.recipe, run.origin.image, contrast, seed),
        BOUNDARIES[run.recipe.detector.negatives](),
        contrast=contrast,
        schedule=replace(detectors.PIXEL_SCHEDULE, epochs=p.epochs, batch=batch, seed=seed),
        device=device,
    )
    record = artifact.save(run.folder, {name: {name: network}}, seal({"contrast": contrast, "seed": seed}))
    return {"run": str(run.folder), "sensor": name, **record}
