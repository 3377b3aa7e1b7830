"""
A run on disk, and in memory.

    RUN/
      run.toml                the recipe as it was run, its source, seed and budget, a fingerprint of the data
      log.jsonl               one line a training step
      checkpoints/            to resume from
      stage-1/                log and checkpoints of the first of two stages, where there are two
      model.safetensors       encoder, decoder (and the adversaries that they were trained against)
      detector.safetensors    the density-ratio detector
      manifest.json           checksums of the two; written last, so a run that has it is whole
      pixel.safetensors       the pixel detector, where one was trained, and pixel.json its checksum
      denoiser.*              the diffusion of its codes, where one was trained (see ``diffused``)
      walks/, report.html     what the verbs write

Loading a run reads TOML, JSON and safetensors only; nothing is unpickled.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ridgewalk.context import Context
from ridgewalk.data import ImageData, part
from ridgewalk.data import load as load_data
from ridgewalk.energies import frozen
from ridgewalk.energies.building import build_energy
from ridgewalk.files import write_bytes
from ridgewalk.finders.building import build_finder
from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.discriminators import Discriminator, MeanLogit, image_discriminator, latent_discriminator
from ridgewalk.models.weights import load_networks
from ridgewalk.path import chunked
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.recipes import Recipe, parse, to_table
from ridgewalk.store import diffusion
from ridgewalk.store import guide as guides
from ridgewalk.store.diffusion import Diffused
from ridgewalk.training.families.base import family_of
from ridgewalk.training.negatives import lerp_points


@dataclass(frozen=True)
class Origin:
    """
    Where a run comes from.

    Attributes:
        recipe: name or file.
        source: of its data, with the options that it was read with.
        budget: smoke, cpu or full.
        seed: of weights, order, noise and sensors.
        shape: (c, h, w) of images, (d,) of points.
        data: fingerprint of the data.
        version: of ridgewalk.
    """

    recipe: str
    source: str
    budget: str
    seed: int
    shape: tuple[int, ...]
    data: str
    version: str
    skip_bad: bool = False
    size: int | None = None
    channels: int | None = None
    precision: str = "no"

    @property
    def image(self) -> tuple[int, int, int]:
        """(c, h, w), of a run on images."""
        c, h, w = self.shape
        return c, h, w


def fingerprint(data: ImageData) -> str:
    """SHA-256 of both parts of a data set."""
    return hashlib.sha256(f"{data.train.fingerprint()}{data.test.fingerprint()}".encode()).hexdigest()


def write_settings(folder: Path, origin: Origin, recipe: Recipe) -> None:
    """Writes ``run.toml``."""
    import tomli_w

    head = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(origin).items() if v is not None}
    write_bytes(folder / "run.toml", tomli_w.dumps({**to_table(recipe), "run": head}).encode())


def read_settings(folder: Path) -> tuple[Origin, Recipe]:
    """
    Reads ``run.toml``.

    Raises:
        ValueError: if the folder is not a run, or its settings cannot be read.
    """
    file = folder / "run.toml"
    if not folder.is_dir():
        raise ValueError(f"no run at {folder}: there is no such folder; `ridgewalk train` makes one")
    if not file.is_file():
        raise ValueError(f"{folder} is not a run: it has no run.toml; name a folder that `ridgewalk train` made")
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as TOML ({error}); it was altered or cut short") from error
    from pydantic import TypeAdapter

    try:
        head = table.pop("run")
        _ = head["precision"]  # written last
        origin = TypeAdapter(Origin).validate_json(json.dumps(head), strict=True)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file} lacks what a run records, or has more ({error}); it was altered or cut short"
        ) from error
    return origin, parse(table, str(file))


def finish(folder: Path, sums: Mapping[str, str], notes: Mapping[str, Any]) -> None:
    """Writes the manifest, which makes the run whole."""
    write_bytes(folder / "manifest.json", json.dumps({"sha256": dict(sums), **notes}, indent=1).encode())


def load(folder: str | Path, device: str = "cpu") -> "Run":
    """
    A trained run, ready to walk.

    ``run = load(RUN); path = run.finder("string")(run.encode(x_a), run.encode(x_b))``.

    Args:
        folder: that ``ridgewalk train`` made.
        device: where its networks go.

    Raises:
        ValueError: if the folder is not a run, is unfinished, or holds files that were cut short, altered or are of another
            architecture.
    """
    from ridgewalk.training.devices import resolve_device

    folder = Path(folder)
    origin, recipe = read_settings(folder)
    if recipe.objective.name == "diffusion":
        raise ValueError(
            f"{folder} is a diffusion of data, with no latent space: use `ridgewalk sample` and `ridgewalk evaluate`"
        )
    file = folder / "manifest.json"
    if not file.is_file():
        raise ValueError(
            f"{folder} is half written: its training did not finish; go on with `ridgewalk train --resume {folder}`"
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        sums = manifest["sha256"]
        wanted = {name: str(sums[name]) for name in ("model.safetensors", "detector.safetensors")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} cannot be read ({error}); it was altered or cut short") from error
    family = family_of(recipe)
    model, adversaries = family.autoencoder(recipe, origin.image, 0), family.adversaries(recipe, origin.image, 0)
    networks: dict[str, torch.nn.Module] = {**model.networks, **adversaries}
    images, codes = _read_by(recipe, origin.image)
    reads = {n: images if n in ("encoder", "critic") else codes for n in networks}
    load_networks(folder / "model.safetensors", networks, wanted["model.safetensors"], reads)
    detector = new_detector(recipe)
    load_networks(
        folder / "detector.safetensors", {"detector": detector}, wanted["detector.safetensors"], {"detector": codes}
    )
    where = resolve_device(device)
    sensors = {"detector": frozen(detector).to(where)}
    sensors |= {name: frozen(network).to(where) for name, network in family.sensors(recipe, adversaries).items()}
    for name in PIXEL_SENSORS.values():
        if (folder / f"{name}.json").is_file():
            sensors[name] = _read_pixel(folder, name, recipe, origin.image).to(where)
    latent = diffusion.read(folder, recipe.sampling, device) if diffusion.present(folder) else None
    return Run(folder, origin, recipe, frozen(model).to(where), sensors, manifest, latent)


PIXEL_SENSORS = {"holes": "pixel", "real": "pixel-real"}
"""Contrast of a pixel detector: the name of its sensor and of its files."""


def new_pixel_detector(recipe: Recipe, shape: tuple[int, int, int], contrast: str, seed: int = 0) -> Discriminator:
    """The recipe's pixel detector, untrained."""
    p = recipe.pixel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, Stream.PIXEL_DETECTOR))
        positive = "encoded" if contrast == "holes" else "real"
        return image_discriminator(shape, positive, p.hidden, "leaky_relu", p.network)


def _read_pixel(folder: Path, name: str, recipe: Recipe, shape: tuple[int, int, int]) -> Discriminator:
    record = folder / f"{name}.json"
    contrast = next(c for c, n in PIXEL_SENSORS.items() if n == name)
    try:
        wanted = str(json.loads(record.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{record} cannot be read ({error}); it was altered or cut short") from error
    network = new_pixel_detector(recipe, shape, contrast)
    load_networks(folder / f"{name}.safetensors", {name: network}, wanted, {name: _read_by(recipe, shape)[0]})
    return frozen(network)


def _read_by(recipe: Recipe, shape: tuple[int, int, int]) -> tuple[str, str]:
    """The run's images and codes in words, for what is said of files that do not fit."""
    return f"images of {' x '.join(map(str, shape))}", f"latent codes of {family_of(recipe).code_size(recipe)} values"


def new_detector(recipe: Recipe) -> Discriminator:
    """The recipe's detector, untrained: what ``evaluation.sensors.train_detector`` returns, by its architecture."""
    d = recipe.detector
    size = family_of(recipe).code_size(recipe)
    members = [latent_discriminator(size, "encoded", d.hidden, d.activation) for _ in range(d.members)]
    return members[0] if d.members == 1 else Discriminator(MeanLogit(members), "encoded")


@dataclass(frozen=True, eq=False)
class Run:
    """
    A trained model with its sensors and data.

    Attributes:
        folder: on disk.
        origin: source, seed, budget.
        recipe: every setting.
        model: the autoencoder, frozen.
        sensors: discriminators by name: ``detector``, and what else took part in its training (the family's ``sensors``) or came after it.
        manifest: what ``manifest.json`` holds.
        diffused: the diffusion of its codes, where one was trained (`ridgewalk diffuse`).
        moving: (d,) bool, which values of a code paths may change; None for all (``keeping``).
    """

    folder: Path
    origin: Origin
    recipe: Recipe
    model: Autoencoder
    sensors: Mapping[str, Discriminator]
    manifest: Mapping[str, Any]
    diffused: Diffused | None = None
    moving: Tensor | None = None

    @property
    def size(self) -> int:
        """Dimensions of its codes."""
        return family_of(self.recipe).code_size(self.recipe)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.model.parameters()).device

    @cached_property
    def data(self) -> ImageData:
        """The run's images, read again from their source; refused if they have changed since."""
        o = self.origin
        data = load_data(o.source, skip_bad=o.skip_bad, size=o.size, channels=o.channels)
        if fingerprint(data) != o.data:
            raise ValueError(
                f"the images at {o.source} have changed since {self.folder} was trained; restore them, or train again"
            )
        return data

    def encode(self, x: Tensor) -> Tensor:
        """Codes of images (n, c, h, w) in [0, 1]."""
        if x.dim() != 4 or tuple(x.shape[1:]) != self.origin.image:
            raise ValueError(
                f"this run encodes images (n, {', '.join(map(str, self.origin.image))}); got {tuple(x.shape)}"
            )
        return chunked(self.model.encode, x.to(self.device))

    def decode(self, z: Tensor) -> Tensor:
        """Images of codes (n, d)."""
        return self.model.decode(z)

    @cached_property
    def references(self) -> Tensor:
        """Codes of the first of the model's own images, for finders that walk among data."""
        images = part(self.data, "model")
        count = min(len(images), self.recipe.walks.references)
        return self.encode(images.take(torch.arange(count)).floats())

    @cached_property
    def context(self) -> Context:
        """What its energies and finders are built from."""
        latent = self.diffused
        guide = None if latent is None or not guides.present(self.folder) else lambda: guides.read(self.folder, latent)
        return Context(
            self.recipe.walks,
            self.sensors,
            self.model.encode,
            self.decode,
            references=lambda: self.references,
            between=lambda: lerp_points(self.references),
            diffused=latent,
            guide=guide,
            moving=self.moving,
        )

    def energy(self, name: str) -> Energy:
        """The energy called ``name``, one of ``registry.ENERGIES``, of this run's sensors."""
        return build_energy(name, self.context)

    def finder(self, method: str = "string", energy: str | None = None) -> PathFinder:
        """The finder of a method, one of ``registry.METHODS``, with its default energy or another."""
        return build_finder(method, self.context, energy)
