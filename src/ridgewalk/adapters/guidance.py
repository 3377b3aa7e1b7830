"""
A discriminator against a pretrained score model, and its guidance for that model's pipeline.

    model = load_score(FOLDER)
    sampler = Heun(model.sde, 18)
    guide = train_guide(model, images, sampler)
    pipeline = as_pipeline(model, sampler, guide.guidance())

Negatives are drawn by the sampler that will be guided. A fifth of images and samples is held out: on it the guide is held to account, level by level, and
its strength calibrated.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from ridgewalk.adapters.diffusers import ScoreModel
from ridgewalk.diagnosis.guides import GuideDiagnosis, HeldOut, diagnose, held_times
from ridgewalk.diffusion import Sampled, Standardiser, sample
from ridgewalk.diffusion.guidance import DiscriminatorGuidance, TimeRatio, Window
from ridgewalk.files import write_bytes
from ridgewalk.models.unet import UNetEncoder, UNetLayers
from ridgewalk.models.weights import load_networks, save_networks
from ridgewalk.protocols import VectorField
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.training import Schedule
from ridgewalk.training.loop import fit
from ridgewalk.training.ratio import NoisedRatio

FEWEST = 10
"""Images from which a guide can be trained."""

SCHEDULE = Schedule(epochs=20, batch=64, rate=1e-3, decay="cosine", ema=0.99)


@final
@dataclass(frozen=True, eq=False)
class ImageGuide:
    """
    A trained discriminator of a score model's samples.

    Attributes:
        ratio: log of noised images over noised samples, of images in [-1, 1].
        account: what it is worth, level by level.
    """

    ratio: TimeRatio
    account: GuideDiagnosis

    def guidance(self, gamma: float = 1.0, calibrated: bool = True) -> VectorField:
        """
        Gamma w(t) grad log r, to be added to the score.

        Args:
            gamma: strength.
            calibrated: whether w is what gains most on held-out images at each level, or 1.
        """
        window = self.account.strengths if calibrated else Window()
        return DiscriminatorGuidance(self.ratio, self.ratio.sde, gamma, window)

    def save(self, folder: str | Path) -> None:
        """Writes ``guide.safetensors`` and ``guide.json`` into a folder."""
        place = Path(folder)
        digest = save_networks(place / "guide.safetensors", {"guide": self.ratio.network})
        record = {"sha256": digest, "held_out": self.account.to_json(), "sde": repr(self.ratio.sde)}
        write_bytes(place / "guide.json", json.dumps(record, indent=1).encode())


def train_guide(
    model: ScoreModel,
    images: Tensor,
    sampler: Callable[..., Sampled],
    *,
    network: nn.Module | None = None,
    schedule: Schedule = SCHEDULE,
    matching: float = 1.0,
    r1: float = 0.0,
    times: str = "log-snr",
    t_min: float = 1e-2,
    seed: int = 0,
    folder: Path | None = None,
) -> ImageGuide:
    """
    Trains a discriminator of images against as many samples, on the model's device.

    Args:
        model: whose score will be guided.
        images: real ones in [0, 1], (n, c, h, w).
        sampler: made with ``model.sde``; the one that will be guided.
        network: over (x, c, labels) to (n, 1), smooth; the encoder half of a U-Net by default.
        schedule: of its training.
        matching: weight of gradient matching, see ``training.ratio``.
        r1: weight of the gradient penalty.
        times: law of times.
        t_min: least time.
        seed: of samples, order and noise.
        folder: of its log and checkpoints; None writes none.

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
    n = len(images)
    made = sample(
        sampler,
        model.score,
        n,
        model.shape,
        seed=mixed_seed(seed, Stream.GUIDE_SAMPLES) % 2**31,
        device=device,
        chunk=100,
    )
    samples = standardiser.to_data(made.x).cpu()
    body = network or encoder(model.shape, seed)
    ratio = TimeRatio(body, model.sde, model.deviation)

    def score(x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        return model.score(x, t)

    kept = n - n // 5
    order = torch.randperm(n, generator=torch.Generator().manual_seed(mixed_seed(seed, Stream.GUIDE_ORDER)))
    x = images[order]
    objective = NoisedRatio(ratio, standardiser, times, t_min, r1, matching, score)
    history = fit(objective, [x[:kept], samples[:kept]], schedule, folder=folder, device=str(device), label="guide")
    body = history.averages.get("discriminator", body).eval().requires_grad_(False)
    ratio = TimeRatio(body, model.sde, model.deviation)
    held_out = HeldOut(*(standardiser.to_model(v[kept:].float().to(device)) for v in (x, samples)))
    found = diagnose(ratio, score, held_out, held_times(model.sde), chunk=100)
    if found.verdict == "at chance":
        warnings.warn(found.sentence, stacklevel=2)
    return ImageGuide(ratio, found)


def encoder(shape: tuple[int, int, int], seed: int = 0, channels: int = 32) -> nn.Module:
    """The encoder half of a U-Net for images of a shape, of as many levels as its sides can be halved, 3 at most."""
    levels = next(k for k in (3, 2, 1) if all(side % 2 ** (k - 1) == 0 for side in shape[1:]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, Stream.GUIDE))
        return UNetEncoder(shape, UNetLayers(channels, (1, 2, 2)[:levels], attention=()))


def load_guide(model: ScoreModel, folder: str | Path, network: nn.Module | None = None) -> ImageGuide:
    """
    The guide that ``ImageGuide.save`` wrote for a model.

    Args:
        model: that it was trained on.
        folder: of its files.
        network: of the architecture that it was trained with, where that was not the default.

    Raises:
        ValueError: if there is none, its files were altered, or it was trained under another SDE.
    """
    place = Path(folder)
    try:
        record = json.loads((place / "guide.json").read_text(encoding="utf-8"))
        found = GuideDiagnosis.from_json(record["held_out"])
        digest, sde = str(record["sha256"]), str(record["sde"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{place / 'guide.json'} is no guide's record ({error})") from error
    if sde != repr(model.sde):
        raise ValueError(
            "the guide was trained under another SDE than the model's: its times and scales are others; train one for this model"
        )
    body = network or encoder(model.shape)
    load_networks(place / "guide.safetensors", {"guide": body}, digest)
    body.eval().requires_grad_(False).to(next(model.network.parameters()).device)
    return ImageGuide(TimeRatio(body, model.sde, model.deviation), found)
