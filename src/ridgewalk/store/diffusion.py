"""
A trained diffusion: its files, its samples and its likelihoods.

    FOLDER/
      denoiser.safetensors    the network (its moving average) and the standardiser
      denoiser.json           checksum, shape, root mean square of the data, classes, the settings it was trained with; written last
      diffusion/              log and checkpoints of its training
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.diffusion import Denoiser, Flow, PerRows, PredictorCorrector, Sampled, Standardiser, sample
from ridgewalk.diffusion.building import build_network, build_process, build_sampler
from ridgewalk.diffusion.likelihood import Likelihood, LogLikelihood, log_likelihood
from ridgewalk.finders.flow import FlowPath, flow_path
from ridgewalk.models.artifact import Artifact
from ridgewalk.protocols import VectorField
from ridgewalk.records import seal
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.diffusion import Diffusion, Sampling
from ridgewalk.settings.recipes import read_table
from ridgewalk.training.denoising import DenoisingScoreMatching, ImplicitScoreMatching, ScoreMatching
from ridgewalk.training.devices import resolve_device
from ridgewalk.training.loop import Fitting, fit

DIFFUSION = Artifact(
    "diffusion",
    ("denoiser",),
    entries=("shape", "deviation", "classes", "seed", "scales", "settings", "seconds", "steps", "joint"),
    log="diffusion",
)

CHUNK_VALUES = 250_000
"""Numbers (samples times dimensions) that are sampled at once."""


@dataclass(frozen=True, eq=False)
class TrainedDiffusion:
    """
    A trained diffusion of data (n, *shape).

    Attributes:
        denoiser: the score network, of standardised data.
        standardiser: map of data to standardised data and back.
        shape: shape of one datum.
        classes: number of classes that the network is conditioned on; 0 for none.
        settings: settings of its training.
        sampling: default sampling settings of ``sample``.
        record: contents of ``denoiser.json``.
    """

    denoiser: Denoiser
    standardiser: Standardiser
    shape: tuple[int, ...]
    classes: int
    settings: Diffusion
    sampling: Sampling
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return next(self.denoiser.network.parameters()).device

    @property
    def chunk(self) -> int:
        """Number of samples that are drawn at once."""
        return max(16, CHUNK_VALUES // max(1, torch.Size(self.shape).numel()))

    def field(self, labels: Tensor | None = None, weight: float = 1.0) -> VectorField | PerRows:
        """The score of standardised data, conditioned on ``labels`` (n,) where they are given, one for each row."""
        if labels is None:
            return self.denoiser.score
        if not self.classes:
            raise ValueError("this diffusion was trained without labels; train one with diffusion.labels = true")
        if int(labels.min()) < 0 or int(labels.max()) >= self.classes:
            raise ValueError(
                f"labels must lie in 0 .. {self.classes - 1}; got {int(labels.min())} to {int(labels.max())}"
            )
        where = labels.to(self.device)
        return PerRows(lambda rows: self.denoiser.given(where[rows], weight))

    def sample(
        self,
        rows: int,
        seed: int = 0,
        sampling: Sampling | None = None,
        labels: Tensor | None = None,
        keep: int = 0,
        score: VectorField | PerRows | None = None,
        corrector_score: VectorField | None = None,
    ) -> Sampled:
        """
        Draws samples in the units of data.

        Args:
            rows: number of samples.
            seed: seed of all draws; the noise of row i is that of (seed, i).
            sampling: sampler and steps; its own ``sampling`` by default.
            labels: class (rows,) of each sample.
            keep: number of states of each trajectory to keep.
            score: score of standardised data, such as a guided one; that of the network by default.
            corrector_score: score of the corrector of a predictor-corrector, for ablations; ``score`` by default.
        """
        how = sampling or self.sampling
        sampler = build_sampler(how, self.denoiser.sde, keep)
        if corrector_score is not None:
            if not isinstance(sampler, PredictorCorrector):
                raise ValueError(
                    f"only the predictor-corrector has two parts to guide apart; '{how.sampler}' has one: choose sampler 'pc'"
                )
            sampler = replace(sampler, corrector_score=corrector_score)
        made = sample(
            sampler,
            score or self.field(labels, how.weight),
            rows,
            self.shape,
            seed=seed,
            chunk=self.chunk,
            device=self.device,
        )
        states = self.standardiser.to_data(made.states).cpu() if made.states.numel() else made.states
        return replace(made, x=self.standardiser.to_data(made.x).cpu(), states=states)

    def log_likelihood(
        self, x: Tensor, likelihood: Likelihood, seed: int = 0, score: VectorField | PerRows | None = None
    ) -> LogLikelihood:
        """Log density in nats of standardised data x (n, *); the log density of the data is less by ``standardiser.log_volume``."""
        return log_likelihood(likelihood, score or self.denoiser.score, x.to(self.device), seed=seed, chunk=self.chunk)

    def density(self, data: GaussianMixture) -> GaussianMixture:
        """The density of standardised data from the density of data, in float64."""
        scale, shift = self.standardiser.scale.double().cpu(), self.standardiser.shift.double().cpu()
        return data.to(torch.float64).affine(1 / scale, -shift / scale)

    def path(self, nodes: int, flow: Flow | None = None, score: VectorField | None = None) -> FlowPath:
        """The finder that joins two data through noise, by the network's score or by another, such as a guided one."""
        return flow_path(self, nodes, flow, score)


@dataclass(frozen=True, eq=False)
class DiffusionData:
    """
    The data of the training of a diffusion.

    Attributes:
        rows: (n, *shape), floats, or uint8 for images of 256 levels.
        standardiser: map of data to the values that the network reads.
        deviation: s_d, the root mean square of standardised data.
        labels: classes (n,) that the network is conditioned on; None for none.
        classes: number of classes; 0 without labels.
        log_variance: log-variances (n, d) of q(z|x), for codes that are drawn afresh at every step around ``rows``; None for fixed codes.
        quantised: whether data are images of 256 levels.
    """

    rows: Tensor
    standardiser: Standardiser
    deviation: float = 1.0
    labels: Tensor | None = None
    classes: int = 0
    log_variance: Tensor | None = None
    quantised: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.rows.shape[1:])

    @property
    def tensors(self) -> list[Tensor]:
        """The columns of a batch."""
        return [t for t in (self.rows, self.log_variance, self.labels) if t is not None]

    def matching(self, denoiser: Denoiser, settings: Diffusion) -> ScoreMatching:
        """The objective of the settings."""
        given: dict[str, Any] = {
            "drop": settings.drop,
            "labelled": self.labels is not None,
            "quantised": self.quantised,
        }
        if settings.matching == "denoising":
            law = (settings.weighting, settings.times)
            return DenoisingScoreMatching(denoiser, self.standardiser, *law, t_min=settings.t_min, **given)
        slices = 0 if settings.matching == "implicit" else 1
        return ImplicitScoreMatching(denoiser, self.standardiser, slices, t_min=max(settings.t_min, 1e-3), **given)


def train(
    data: DiffusionData, settings: Diffusion, sampling: Sampling, folder: Path, seed: int, how: Fitting
) -> TrainedDiffusion:
    """
    Trains a diffusion and writes it into ``folder``.

    Args:
        data: rows and how they are standardised.
        settings: settings of the network and its training.
        sampling: default sampling settings.
        folder: folder of its files.
        seed: seed of weights, order and noise.
        how: device, precision, and whether an interrupted training is resumed.
    """
    denoiser = Denoiser(
        build_network(settings, data.shape, data.classes, seed), build_process(settings), data.deviation
    )
    history = fit(
        data.matching(denoiser, settings),
        data.tensors,
        settings.schedule(mixed_seed(seed, Stream.DENOISER_STEPS)),
        how,
        folder=folder / DIFFUSION.log,
    )
    network = history.averages.get("denoiser", denoiser.network)
    notes = {"seconds": history.seconds, "steps": len(history.steps)}
    return save(folder, network, data, settings, sampling, seed, notes)


def save(
    folder: Path,
    network: nn.Module,
    data: DiffusionData,
    settings: Diffusion,
    sampling: Sampling,
    seed: int,
    notes: Mapping[str, Any],
) -> TrainedDiffusion:
    """Writes a trained network with its standardiser, settings and ``notes``, and loads it again; other arguments as of ``train``."""
    record = {
        "shape": list(data.shape),
        "deviation": data.deviation,
        "classes": data.classes,
        "seed": seed,
        "scales": list(data.standardiser.scale.shape),
        "settings": asdict(settings),
        **notes,
    }
    DIFFUSION.save(folder, _networks(network.cpu(), _Buffers(data.standardiser)), seal(record))
    return load(folder, sampling)


def load(folder: Path, sampling: Sampling, device: str = "cpu") -> TrainedDiffusion:
    """
    The diffusion in a folder, frozen.

    Raises:
        ValueError: if its files cannot be read, were altered, or are of another architecture.
    """
    (settings, shape, classes, scales, deviation, seed), record = DIFFUSION.read(folder, _parse)
    network = build_network(settings, shape, classes, seed)
    buffers = _Buffers(Standardiser(torch.zeros(scales), torch.ones(scales)))
    DIFFUSION.fill(folder, record, _networks(network, buffers))
    where = resolve_device(device)
    network.eval().requires_grad_(False).to(where)
    own = Standardiser(buffers.shift.to(where), buffers.scale.to(where))
    denoiser = Denoiser(network, build_process(settings), deviation)
    return TrainedDiffusion(denoiser, own, shape, classes, settings, sampling, record)


def _parse(record: dict[str, Any]) -> tuple[Diffusion, tuple[int, ...], int, list[int], float, int]:
    """Settings, shape, classes, shape of the scales, deviation and seed of a record."""
    settings = read_table(Diffusion, record["settings"])
    shape, scales = tuple(int(s) for s in record["shape"]), [int(n) for n in record["scales"]]
    return settings, shape, int(record["classes"]), scales, float(record["deviation"]), int(record["seed"])


def _networks(network: nn.Module, buffers: "_Buffers") -> dict[str, dict[str, nn.Module]]:
    return {"denoiser": {"denoiser": network, "standardiser": buffers}}


class _Buffers(nn.Module):
    """A standardiser as a module, so that it is saved and loaded as networks are."""

    shift: Tensor
    scale: Tensor

    def __init__(self, standardiser: Standardiser) -> None:
        super().__init__()
        self.register_buffer("shift", standardiser.shift.clone())
        self.register_buffer("scale", standardiser.scale.clone())
