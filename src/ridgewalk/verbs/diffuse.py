"""
Runs of diffusions: of points or images (`ridgewalk train` with a recipe whose objective is "diffusion"), and of an autoencoder's codes
(`ridgewalk diffuse RUN`), which becomes part of that autoencoder's run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ridgewalk import naming, processes
from ridgewalk.data import ImageData, Images, part
from ridgewalk.data.points import PointData, Points, is_points, load_points, points_part
from ridgewalk.data.toy import DENSITIES
from ridgewalk.diffusion import Standardiser
from ridgewalk.diffusion.building import build_network
from ridgewalk.files import refuse_used
from ridgewalk.models.autoencoders import GaussianAutoencoder
from ridgewalk.path import chunked
from ridgewalk.settings import recipes
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store import diffusion
from ridgewalk.store.diffusion import Diffused
from ridgewalk.store.run import Origin, Run, fingerprint, read_settings, write_settings
from ridgewalk.verbs.train import Reading


@dataclass(frozen=True, eq=False)
class DiffusionRun:
    """
    A trained diffusion of points or images, with its data.

    Attributes:
        folder: on disk.
        origin: source, seed, budget.
        recipe: every setting.
        diffused: the model.
    """

    folder: Path
    origin: Origin
    recipe: Recipe
    diffused: Diffused

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What was noted of its training."""
        return self.diffused.record

    @cached_property
    def data(self) -> ImageData | PointData:
        """Its data, read again from their source; refused if they have changed since."""
        return _read(self.origin, self.folder)

    def rows(self, role: str) -> Tensor:
        """The data of a role as floats: images in [0, 1], or points."""
        return _rows(self.data, role)


def _load(reading: Reading) -> ImageData | PointData:
    if is_points(reading.source):
        if reading.size is not None or reading.channels is not None:
            raise ValueError(f"--size and --channels are for images; '{reading.source}' is points")
        return load_points(reading.source)
    near = get_close_matches(reading.source, DENSITIES, cutoff=0.75)
    if near and not Path(reading.source).exists():
        raise ValueError(
            f"{naming.unknown('density', reading.source, DENSITIES)}; or name images, as of `ridgewalk train`"
        )
    return reading.load()


def _fingerprint(data: ImageData | PointData) -> str:
    return data.fingerprint() if isinstance(data, PointData) else fingerprint(data)


def _read(origin: Origin, folder: Path) -> ImageData | PointData:
    data = _load(Reading(origin.source, origin.skip_bad, origin.size, origin.channels))
    if _fingerprint(data) != origin.data:
        raise ValueError(
            f"the data at {origin.source} have changed since {folder} was started; restore them, or start again"
        )
    return data


def _rows(data: ImageData | PointData, role: str) -> Tensor:
    return points_part(data, role).values if isinstance(data, PointData) else part(data, role).floats()


def check_rows(recipe: Recipe, data: ImageData | PointData) -> None:
    """Refuses data that do not fill one batch."""
    rows = len(_part(data))
    if rows < recipe.diffusion.batch:
        raise ValueError(
            f"training needs at least one batch of {recipe.diffusion.batch}; the model's share of these data is {rows}: lower diffusion.batch"
        )


def _part(data: ImageData | PointData) -> Images | Points:
    return points_part(data, "model") if isinstance(data, PointData) else part(data, "model")


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
) -> DiffusionRun:
    """Trains a recipe's diffusion from the beginning into a new folder; see ``train.start``."""
    settings = recipes.read(recipe, budget, changes, reading.source)
    if settings.objective.name != "diffusion":
        raise ValueError(f"recipe '{recipe}' trains an autoencoder; a diffusion's has objective.name = \"diffusion\"")
    processes.first(
        lambda: refuse_used(folder, f"choose another --out, or go on with `ridgewalk train --resume {folder}`")
    )
    data = _load(reading)
    check_rows(settings, data)
    shape = tuple(data.shape)
    build_network(settings.diffusion, shape, len(data.class_names), seed)  # refused before anything is written
    name = reading.source in DENSITIES
    origin = reading.origin(recipe, budget, seed, shape, _fingerprint(data), precision, name=name)
    accepted()
    processes.first(lambda: write_settings(folder, origin, settings))
    return _train(folder, origin, settings, data, resume=False, device=device, tensorboard=tensorboard)


def resume(folder: Path, *, device: str = "auto", tensorboard: bool = False) -> DiffusionRun:
    """Goes on with one that was killed; one that is whole is only loaded."""
    origin, settings = read_settings(folder)
    if diffusion.present(folder):
        return load(folder, device)
    return _train(folder, origin, settings, _read(origin, folder), resume=True, device=device, tensorboard=tensorboard)


def _train(
    folder: Path,
    origin: Origin,
    recipe: Recipe,
    data: ImageData | PointData,
    *,
    resume: bool,
    device: str,
    tensorboard: bool,
) -> DiffusionRun:
    d = recipe.diffusion
    if isinstance(data, PointData):
        points = points_part(data, "model")
        x, labels, standardiser, deviation = points.values, points.labels, Standardiser.of(points.values), 1.0
    else:
        images = part(data, "model")
        standardiser = Standardiser.between(0.0, 1.0)
        x, labels = images.pixels, images.labels
        deviation = float(standardiser.to_model(images.take(torch.arange(min(len(images), 5000))).floats()).std())
    trained = diffusion.train(
        [x, labels] if d.labels else [x],
        d,
        recipe.sampling,
        folder,
        standardiser=standardiser,
        deviation=deviation,
        shape=tuple(origin.shape),
        classes=len(data.class_names) if d.labels else 0,
        quantised=not isinstance(data, PointData),
        seed=origin.seed,
        resume=resume,
        device=device,
        precision=origin.precision,
        tensorboard=tensorboard,
        label=f"diffusion {origin.recipe}",
    )
    return DiffusionRun(folder, origin, recipe, trained)


def load(folder: str | Path, device: str = "cpu") -> DiffusionRun:
    """A trained diffusion run, ready to sample."""
    folder = Path(folder)
    origin, recipe = read_settings(folder)
    if recipe.objective.name != "diffusion":
        raise ValueError(f"{folder} is a run of an autoencoder; load it with ridgewalk.load")
    if not diffusion.present(folder):
        raise ValueError(
            f"{folder} is half written: its training did not finish; go on with `ridgewalk train --resume {folder}`"
        )
    return DiffusionRun(folder, origin, recipe, diffusion.read(folder, recipe.sampling, device))


def diffuse(
    run: Run,
    changes: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    accepted: Callable[[], None] = lambda: None,
    folder: Path | None = None,
) -> Diffused:
    """
    Trains a diffusion of a run's codes and writes it beside its sensors; one that was stopped is gone on with.

    Args:
        run: the autoencoder.
        changes: of its recipe's tables ``diffusion`` and ``sampling``, as "diffusion.epochs=5".
        seed: of weights, order and noise.
        device: to train on.
        accepted: called when nothing is left to refuse.
        folder: where it is written; beside the run's sensors by default.

    Raises:
        ValueError: where the run has one already.
    """
    place = folder or run.folder
    if diffusion.present(place):
        raise ValueError(
            f"{place} has a diffusion already; remove denoiser.json, denoiser.safetensors and diffusion/ to train another"
        )
    settings = recipes.changed(run.recipe, changes, ("diffusion", "sampling"))
    d = settings.diffusion
    images = part(run.data, "model")
    x, model = images.floats(), run.model
    codes = run.encode(x).cpu()
    shape = tuple(codes.shape[1:])
    d = replace(d, network="mlp") if len(shape) == 1 and d.network != "mlp" else d
    data = [codes]
    if d.draws:
        if not isinstance(model, GaussianAutoencoder):
            raise ValueError('diffusion.draws needs model.posterior = "gaussian"; this run\'s is deterministic')
        data.append(chunked(lambda v: model.posterior(v.to(run.device))[1].cpu(), x))
    classes = len(images.class_names) if d.labels else 0
    build_network(d, shape, classes, seed)
    accepted()
    return diffusion.train(
        [*data, images.labels] if d.labels else data,
        d,
        settings.sampling,
        place,
        standardiser=Standardiser.of(codes),
        deviation=1.0,
        shape=shape,
        classes=classes,
        seed=seed,
        resume=(place / "diffusion").is_dir(),
        device=device,
        label="diffusion of codes",
    )
