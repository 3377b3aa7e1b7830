"""
A guide on disk: the discriminator that corrects a diffusion's score, in the folder of the diffusion, and its diagnosis.

    FOLDER/
      guide.safetensors       the time-dependent discriminator
      guide.json              checksums, settings, the sampler of its negatives, its figures at each noise level; written last
      guide/                  log and checkpoints of its training
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ridgewalk.diagnosis.guides import GuideDiagnosis
from ridgewalk.diffusion import PerRows, Sampled
from ridgewalk.diffusion.guidance import DiscriminatorGuidance, Strengths, TimeRatio, Window
from ridgewalk.fields import add
from ridgewalk.models.artifact import Artifact
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.models.heads import OnBackbone, spectrally_normalised
from ridgewalk.models.unet import UNetEncoder, UNetLayers
from ridgewalk.protocols import VectorField
from ridgewalk.records import refuse_unknown, seal
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.diffusion import Guidance, Sampling
from ridgewalk.settings.recipes import read_table
from ridgewalk.store.diffusion import TrainedDiffusion
from ridgewalk.training.guide import GuidedModel

GUIDE = Artifact(
    "guide",
    ("guide",),
    entries=("denoiser", "seed", "negatives", "sampling", "settings", "held_out", "seconds"),
    log="guide",
)


@dataclass(frozen=True, eq=False)
class Guide:
    """
    A trained discriminator of a diffusion's samples.

    Attributes:
        ratio: log density ratio of noised data over noised samples, both standardised.
        settings: settings of its training and of the guidance.
        diagnosis: figures on held-out data at each noise level.
        record: contents of ``guide.json``.
    """

    ratio: TimeRatio
    settings: Guidance
    diagnosis: GuideDiagnosis
    record: Mapping[str, Any]

    @property
    def labelled(self) -> bool:
        """Whether it was trained class by class."""
        return self.settings.labels

    def weight(self) -> Callable[[Tensor], Tensor]:
        """The weight w as a function of sigma / alpha: the window of the settings, times the calibrated strengths with ``settings.calibrated``."""
        s = self.settings
        window = Window(s.low, s.high or math.inf)
        if not s.calibrated:
            return window
        strengths: Strengths = self.diagnosis.strengths
        return lambda level: window(level) * strengths(level)

    def guidance(self, gamma: float | None = None, labels: Tensor | None = None) -> VectorField:
        """The correction gamma w(t) grad log r, conditioned on labels (n,) where they are given; gamma is that of the settings by default."""
        self._check_labels(labels)
        ratio = self.ratio if labels is None else partial(self.ratio, labels=labels)
        strength = self.settings.gamma if gamma is None else gamma
        return DiscriminatorGuidance(ratio, self.ratio.sde, strength, self.weight())

    def score(
        self, model: TrainedDiffusion, gamma: float | None = None, labels: Tensor | None = None, weight: float = 1.0
    ) -> VectorField | PerRows:
        """
        Returns the model's score with the correction added.

        Args:
            model: the diffusion that the guide was trained on.
            gamma: strength of the correction; that of the settings by default.
            labels: class (n,) of each row, for a guide trained with labels.
            weight: weight of classifier-free guidance.
        """
        if labels is None:
            return add(model.denoiser.score, self.guidance(gamma))
        self._check_labels(labels)
        model.field(labels, weight)  # refuses labels that the diffusion does not have
        where = labels.to(model.device)
        return PerRows(lambda rows: add(model.denoiser.given(where[rows], weight), self.guidance(gamma, where[rows])))

    def warnings_for(self, how: Sampling) -> list[str]:
        """The reasons not to guide a sampler by it: negatives of another sampler, a discriminator at chance."""
        made = self.record["sampling"]
        differs = [
            f"{k} {made.get(k)!r} instead of {v!r}" for k, v in asdict(how.resolved()).items() if made.get(k) != v
        ]
        found = []
        if differs:
            found.append(
                f"the guide's negatives are of another sampler ({', '.join(differs)}): the ratio that it learned is not that of the samples "
                "that it corrects; train a guide with the same settings"
            )
        if self.diagnosis.verdict == "at chance":
            found.append(self.diagnosis.sentence)
        return found

    def _check_labels(self, labels: Tensor | None) -> None:
        if self.settings.labels and labels is None:
            raise ValueError(
                "the guide was trained class by class and needs the class of every sample: give --label, or train another with "
                "guidance.labels = false"
            )
        if not self.settings.labels and labels is not None:
            raise ValueError(
                "the guide is of unconditional samples; leave out the label, or train one with guidance.labels = true"
            )


def network(settings: Guidance, model: TrainedDiffusion, seed: int) -> nn.Module:
    """
    The discriminator's network, untrained.

    A multilayer perceptron for points and codes, the encoder half of a U-Net for images, or a head on the score network.

    Raises:
        ValueError: for labels where the diffusion has none, and a score network that shows no features.
    """
    if settings.labels and not model.classes:
        raise ValueError("guidance.labels needs a diffusion that was trained with labels (diffusion.labels = true)")
    classes = model.classes if settings.labels else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, Stream.GUIDE))
        body: nn.Module
        if settings.network == "backbone":
            body = OnBackbone(model.denoiser.network, settings.hidden, classes)
        elif len(model.shape) == 1:
            fourier = None if settings.fourier < 0 else settings.fourier
            body = TimeMLP(model.shape[0], settings.hidden, outputs=1, classes=classes, fourier=fourier)
        else:
            c, h, w = model.shape
            d = model.settings
            layers = UNetLayers(settings.channels, d.multipliers, attention=d.attention, classes=classes, patch=d.patch)
            body = UNetEncoder((c, h, w), layers)
        return spectrally_normalised(body) if settings.spectral else body


def guided_model(model: TrainedDiffusion, how: Sampling) -> GuidedModel:
    """A diffusion with the sampler that will be guided; under labels its score is taken at the sampler's weight."""

    def score(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        if labels is None:
            return model.denoiser.score(x, t)
        return model.denoiser.given(labels, how.weight)(x, t)

    def draw(rows: int, seed: int, labels: Tensor | None, keep: int) -> Sampled:
        return model.sample(rows, seed, how, labels, keep=keep)

    d = model.denoiser
    return GuidedModel(d.sde, d.deviation, model.standardiser, score, draw, model.device, how.steps)


def save(folder: Path, body: nn.Module, model: TrainedDiffusion, record: Mapping[str, Any]) -> Guide:
    """Writes a trained discriminator into the folder of its diffusion, and loads it again."""
    GUIDE.save(folder, {"guide": {"guide": body}}, seal({"denoiser": model.record["sha256"], **record}))
    return load(folder, model)


def load(folder: Path, model: TrainedDiffusion) -> Guide:
    """
    The guide in a folder, frozen, for the diffusion that it was trained on.

    Raises:
        ValueError: if there is none, or its files were altered or belong to another diffusion.
    """
    if not GUIDE.is_in(folder):
        raise ValueError(f"{folder} has no guide: train one with `ridgewalk guide {folder}`")
    (settings, diagnosis, seed, denoiser), record = GUIDE.read(folder, _parse)
    if denoiser != model.record["sha256"]:
        raise ValueError(
            f"the guide in {folder} was trained on another diffusion than the one in that folder: its SDE, its shape or its weights are others; "
            "remove guide.json, guide.safetensors and guide/, and train another"
        )
    body = network(settings, model, seed)
    GUIDE.fill(folder, record, {"guide": {"guide": body}})
    body.eval().requires_grad_(False).to(model.device)
    return Guide(TimeRatio(body, model.denoiser.sde, model.denoiser.deviation), settings, diagnosis, record)


def _parse(record: dict[str, Any]) -> tuple[Guidance, GuideDiagnosis, int, str]:
    """Settings, diagnosis, seed and the diffusion's checksum of a record."""
    settings = read_table(Guidance, record["settings"])
    refuse_unknown("setting of sampling", record["sampling"], [f.name for f in fields(Sampling)])
    return settings, GuideDiagnosis.from_json(record["held_out"]), int(record["seed"]), str(record["denoiser"])
