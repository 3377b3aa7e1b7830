"""
A discriminator that guides a diffusion: trained on its own samples, written beside it, and added to its score.

    FOLDER/
      guide.safetensors       the time-dependent discriminator
      guide.json              checksum, settings, the sampler that made its negatives, held-out cross-entropy by level; written last
      guide/                  log and checkpoints of its training
"""

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from ridgewalk.data import part
from ridgewalk.data.images import ImageData
from ridgewalk.diffusion.guidance import DiscriminatorGuidance, TimeRatio, Window, guided
from ridgewalk.metrics.calibration import CHANCE
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.models.checkpoints import load_networks, save_networks, write_bytes
from ridgewalk.models.unet import UNetEncoder
from ridgewalk.protocols import VectorField
from ridgewalk.runs import config
from ridgewalk.runs.diffused import Diffused
from ridgewalk.runs.diffusing import DiffusionRun
from ridgewalk.runs.diffusion_settings import Guidance, Sampling
from ridgewalk.runs.record import Run
from ridgewalk.training.loop import fit, resolve_device
from ridgewalk.training.noise import mixed_seed
from ridgewalk.training.ratio import NoisedRatio, held_out
from ridgewalk.training.schedule import Schedule

NAME = "guide"

LEVELS = 8
"""Levels of noise at which the discriminator is held to account."""


@dataclass(frozen=True, eq=False)
class Guide:
    """
    A trained discriminator of a diffusion's samples.

    Attributes:
        ratio: log of noised data over noised samples, in standardised data.
        settings: of its training, and how it guides.
        record: what ``guide.json`` holds.
    """

    ratio: TimeRatio
    settings: Guidance
    record: Mapping[str, Any]

    def score(self, model: Diffused, gamma: float | None = None) -> VectorField:
        """The model's score plus gamma w(t) grad log r; gamma of the settings where None."""
        s = self.settings
        window = Window(s.low, s.high or math.inf)
        strength = s.gamma if gamma is None else gamma
        return guided(model.denoiser.score, DiscriminatorGuidance(self.ratio, model.denoiser.sde, strength, window))

    def mismatch(self, how: Sampling) -> list[str]:
        """What differs between a sampler that is to be guided and the one that made the negatives."""
        made = self.record["sampling"]
        return [f"{k} {made.get(k)!r} instead of {v!r}" for k, v in asdict(how).items() if made.get(k) != v]


def network(settings: Guidance, model: Diffused, seed: int) -> nn.Module:
    """The discriminator's network, untrained: a multilayer perceptron for points and codes, the encoder half of a U-Net for images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, 21))
        if len(model.shape) == 1:
            return TimeMLP(model.shape[0], settings.hidden, outputs=1, fourier=settings.fourier)
        c, h, w = model.shape
        d = model.settings
        return UNetEncoder(
            (c, h, w), settings.channels, d.multipliers, 1, attention=d.attention, patch=d.patch, outputs=1
        )


def train(
    run: Run | DiffusionRun,
    changes: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    accepted: Callable[[], None] = lambda: None,
) -> Guide:
    """
    Trains a discriminator of a run's diffusion and writes it beside it.

    Negatives are samples of the run's own sampler, as its recipe or ``changes`` of the table ``sampling`` have it: guide that sampler.
    A fifth of data and samples is held out; a discriminator that is at chance there is named.

    Raises:
        ValueError: where there is no diffusion, or one is guided already.
    """
    if run.diffused is None:
        raise ValueError(f"{run.folder} has no diffusion to guide: train one with `ridgewalk diffuse {run.folder}`")
    if (run.folder / f"{NAME}.json").is_file():
        raise ValueError(
            f"{run.folder} has a guide already; remove guide.json, guide.safetensors and guide/ to train another"
        )
    recipe = config.changed(run.recipe, changes, ("guidance", "sampling"))
    model, settings, how = run.diffused, recipe.guidance, recipe.sampling
    body = network(settings, model, seed)
    accepted()
    began = perf_counter()
    data = _data(run)
    n = min(len(data), settings.negatives)
    samples = model.sample(n, mixed_seed(seed, 22) % 2**31, how).x
    made = perf_counter() - began
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(mixed_seed(seed, 23)))[:n]
    kept = n - n // 5
    x, y = data[order[:kept]], samples[:kept]
    ratio = TimeRatio(body, model.denoiser.sde, model.denoiser.deviation)
    schedule = Schedule(
        epochs=settings.epochs,
        batch=min(settings.batch, kept),
        rate=settings.rate,
        decay="cosine",
        ema=settings.ema or None,
        seed=mixed_seed(seed, 24),
    )
    objective = NoisedRatio(ratio, model.standardiser, settings.times, settings.t_min, settings.r1)
    history = fit(objective, [x, y], schedule, folder=run.folder / NAME, device=device, label="guide", resume=False)
    body = history.averages.get("discriminator", body).cpu()
    ratio = TimeRatio(body.eval().requires_grad_(False), model.denoiser.sde, model.denoiser.deviation)
    held = accounted(ratio, model, data[order[kept:]], samples[kept:])
    if not held["seen"]:
        warnings.warn(
            f"the discriminator is at chance: its held-out cross-entropy is {min(held['bce']):.4f} at best, where ln 2 is {CHANCE:.4f}; "
            "it sees no difference between samples and data, and guiding by it adds noise",
            stacklevel=2,
        )
    record = {
        "sha256": save_networks(run.folder / f"{NAME}.safetensors", {NAME: body}),
        "seed": seed,
        "negatives": n,
        "sampling": asdict(how),
        "settings": asdict(settings),
        "seconds": {"negatives": made, "training": history.seconds},
        "held_out": held,
    }
    write_bytes(run.folder / f"{NAME}.json", json.dumps(record, indent=1).encode())
    return read(run.folder, model)


def accounted(ratio: TimeRatio, model: Diffused, x: Tensor, y: Tensor) -> dict[str, Any]:
    """Held-out cross-entropy at levels from little noise to much, its standard error, and whether chance is beaten anywhere."""
    ends = model.denoiser.sde.level(torch.tensor([1e-2, 0.8], dtype=torch.float64)).log()
    times = model.denoiser.sde.time_of(
        torch.linspace(float(ends[0]), float(ends[1]), LEVELS, dtype=torch.float64).exp()
    )
    real, fake = (model.standardiser.to_model(v.float()).cpu() for v in (x, y))
    found = held_out(ratio, real, fake, times.float())
    each = (nn.functional.softplus(-found["real"]) + nn.functional.softplus(found["fake"])) / 2
    error = each.std(dim=1) / each.shape[1] ** 0.5
    return {
        "level": model.denoiser.sde.level(times).tolist(),
        "bce": found["bce"].tolist(),
        "error": error.tolist(),
        "seen": bool((found["bce"] < CHANCE - 3 * error).any()),
    }


def present(folder: Path) -> bool:
    """Whether a folder's diffusion has a guide."""
    return (folder / f"{NAME}.json").is_file()


def read(folder: Path, model: Diffused) -> Guide:
    """
    The guide in a folder, frozen, for the diffusion that it was trained on.

    Raises:
        ValueError: if there is none, or its files were altered or belong to another diffusion.
    """
    from pydantic import TypeAdapter

    file = folder / f"{NAME}.json"
    if not file.is_file():
        raise ValueError(f"{folder} has no guide: train one with `ridgewalk guide {folder}`")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        settings = TypeAdapter(Guidance).validate_json(json.dumps(record["settings"]), strict=True)
        digest, seed = str(record["sha256"]), int(record["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} cannot be read ({error}); it was altered or cut short") from error
    body = network(settings, model, seed)
    load_networks(folder / f"{NAME}.safetensors", {NAME: body}, digest)
    body.eval().requires_grad_(False).to(resolve_device(str(model.device)))
    return Guide(TimeRatio(body, model.denoiser.sde, model.denoiser.deviation), settings, record)


def _data(run: Run | DiffusionRun) -> Tensor:
    """What the diffusion learned from, as floats: codes, images in [0, 1] or points."""
    if isinstance(run, DiffusionRun):
        return part(run.data, "model").floats() if isinstance(run.data, ImageData) else run.rows("model")
    return run.encode(part(run.data, "model").floats()).cpu()
