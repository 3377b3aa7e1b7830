"""
A discriminator against a pretrained score model, and its guidance for that model's pipeline.

    model = load_score(FOLDER)
    sampler = Heun(model.sde, 18)
    guide = train_guide(model, images, sampler)
    pipeline = as_pipeline(model, sampler, guide.guidance())

The training is ``training.guide``'s, as for ridgewalk's own diffusions: negatives are drawn by the sampler that will be guided, and a fifth of images and
samples is held out, on which the guide is measured at each noise level and its strength is calibrated.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ridgewalk.adapters.diffusers import ScoreModel
from ridgewalk.diagnosis.guides import GuideDiagnosis, HeldOut, diagnose, held_times
from ridgewalk.diffusion import Sampled, Standardiser, sample
from ridgewalk.diffusion.guidance import TimeRatio
from ridgewalk.models.unet import UNetEncoder, UNetLayers
from ridgewalk.records import seal
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.diffusion import Guidance
from ridgewalk.settings.training import Schedule
from ridgewalk.store.guide import GUIDE, Guide
from ridgewalk.training.guide import GuidedModel, train_ratio

FEWEST = 10
"""Images from which a guide can be trained."""

CHUNK = 100
"""Images that are sampled and measured at once."""

SCHEDULE = Schedule(epochs=20, batch=64, rate=1e-3, decay="cosine", ema=0.99)

SETTINGS = Guidance(t_min=1e-2)

_OF_A_PIPELINE = replace(GUIDE, entries=("held_out", "sde"))


def train_guide(
    model: ScoreModel,
    images: Tensor,
    sampler: Callable[..., Sampled],
    *,
    network: nn.Module | None = None,
    settings: Guidance = SETTINGS,
    schedule: Schedule = SCHEDULE,
    seed: int = 0,
    folder: Path | None = None,
) -> Guide:
    """
    Trains a discriminator of images against as many samples, on the model's device.

    Args:
        model: the model whose score will be guided.
        images: real images (n, c, h, w) in [0, 1].
        sampler: the sampler that will be guided, made with ``model.sde``.
        network: smooth network, which maps (x, c, labels) to (n, 1); the encoder half of a U-Net by default.
        settings: settings of the objective and of the guidance; times, t_min, r1, matching, gamma and calibrated are read.
        schedule: schedule of the training.
        seed: seed of samples and order.
        folder: folder of its log and checkpoints; None writes none.

    Raises:
        ValueError: for too few images, images of another shape, and samplers of another SDE.
    """
    if tuple(images.shape[1:]) != model.shape:
        raise ValueError(
            f"the model makes images of {model.shape}; a guide of it is trained on such, got {tuple(images.shape)}"
        )
    if len(images) < FEWEST:
        raise ValueError(f"a guide is trained on {FEWEST} images at least; got {len(images)}")
    sde = getattr(sampler, "sde", model.sde)
    if sde != model.sde:
        raise ValueError(
            f"the sampler's SDE must be the model's, or its levels are not those of the score; got {type(sde).__name__}"
        )
    device = next(model.network.parameters()).device
    standardiser = Standardiser.between(0.0, 1.0)

    def score(x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        return model.score(x, t)

    def draw(rows: int, seed: int, labels: Tensor | None, keep: int) -> Sampled:
        made = sample(sampler, model.score, rows, model.shape, seed=seed, device=device, chunk=CHUNK)
        return replace(made, x=standardiser.to_data(made.x).cpu())

    guided = GuidedModel(model.sde, model.deviation, standardiser, score, draw, device, 0)
    body, own = network or encoder(model.shape, seed), replace(settings, negatives=len(images))
    trained = train_ratio(body, guided, images, own, seed, schedule=schedule, folder=folder)
    found = diagnose(trained.ratio, score, HeldOut(trained.x, trained.y), held_times(model.sde), chunk=CHUNK)
    if found.verdict == "at chance":
        warnings.warn(found.sentence, stacklevel=2)
    return Guide(trained.ratio, settings, found, {"held_out": found.to_json(), "sde": repr(model.sde)})


def save_guide(guide: Guide, folder: str | Path) -> None:
    """Writes ``guide.safetensors`` and ``guide.json`` of a guide that ``train_guide`` returned into a folder."""
    _OF_A_PIPELINE.save(Path(folder), {"guide": {"guide": guide.ratio.network}}, seal(guide.record))


def encoder(shape: tuple[int, int, int], seed: int = 0, channels: int = 32) -> nn.Module:
    """The encoder half of a U-Net for images of a shape, of as many levels as its sides can be halved, 3 at most."""
    levels = next(k for k in (3, 2, 1) if all(side % 2 ** (k - 1) == 0 for side in shape[1:]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, Stream.GUIDE))
        return UNetEncoder(shape, UNetLayers(channels, (1, 2, 2)[:levels], attention=()))


def load_guide(
    model: ScoreModel, folder: str | Path, network: nn.Module | None = None, settings: Guidance = SETTINGS
) -> Guide:
    """
    Loads the guide that ``save_guide`` wrote for a model.

    Args:
        model: the model that the guide was trained on.
        folder: folder of its files.
        network: network of the architecture that the guide was trained with; the default architecture by default.
        settings: settings of the guidance; gamma, calibrated, low and high are read.

    Raises:
        ValueError: if there is none, its files were altered, or it was trained under another SDE.
    """
    (found, sde), record = _OF_A_PIPELINE.read(
        Path(folder), lambda r: (GuideDiagnosis.from_json(r["held_out"]), str(r["sde"]))
    )
    if sde != repr(model.sde):
        raise ValueError(
            "the guide was trained under another SDE than the model's: its times and scales are others; train one for this model"
        )
    body = network or encoder(model.shape)
    _OF_A_PIPELINE.fill(Path(folder), record, {"guide": {"guide": body}})
    body.eval().requires_grad_(False).to(next(model.network.parameters()).device)
    return Guide(TimeRatio(body, model.sde, model.deviation), settings, found, record)
