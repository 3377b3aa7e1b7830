"""
A trained diffusion: what it was trained on, its files, its samples and its likelihoods.

    FOLDER/
      denoiser.safetensors    the network (its moving average) and the standardiser
      denoiser.json           checksum, shape, deviation of the data, classes, the settings it was trained with; written last
      diffusion/              log and checkpoints of its training
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.diffusion import Denoiser, Flow, PerRows, PredictorCorrector, Sampled, Standardiser, sample
from ridgewalk.diffusion.building import build_network, build_process, build_sampler
from ridgewalk.diffusion.likelihood import Likelihood, LogLikelihood, log_likelihood
from ridgewalk.files import write_bytes
from ridgewalk.finders.flow import FlowPath, flow_path
from ridgewalk.models.weights import load_networks, save_networks
from ridgewalk.protocols import VectorField
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.diffusion import Diffusion, Sampling
from ridgewalk.settings.recipes import read_table
from ridgewalk.training.denoising import DenoisingScoreMatching, ImplicitScoreMatching, ScoreMatching
from ridgewalk.training.devices import resolve_device
from ridgewalk.training.loop import fit

NAME = "denoiser"

CHUNK_VALUES = 250_000
"""Values of samples that are made at once."""


@dataclass(frozen=True, eq=False)
class Diffused:
    """
    A trained diffusion of data (n, *shape).

    Attributes:
        denoiser: in standardised data.
        standardiser: between data and those.
        shape: of one datum.
        classes: that the network is told; 0 for none.
        settings: of its training.
        sampling: how it is sampled where nothing else is said.
        record: what ``denoiser.json`` holds.
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
        """Where the network is."""
        return next(self.denoiser.network.parameters()).device

    @property
    def chunk(self) -> int:
        """Samples made at once."""
        return max(16, CHUNK_VALUES // max(1, torch.Size(self.shape).numel()))

    def field(self, labels: Tensor | None = None, weight: float = 1.0) -> VectorField | PerRows:
        """The score of standardised data; under ``labels`` (n,), one a row, where there are such."""
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
        Samples, as data.

        Args:
            rows: number of samples.
            seed: of all; row i's noise is that of (seed, i).
            sampling: in place of its own.
            labels: (rows,) classes asked for.
            keep: states of the way to keep.
            score: in place of its own, such as a guided one, in standardised data.
            corrector_score: of the corrector of a predictor-corrector alone, for ablations.
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
        self, x: Tensor, likelihood: Likelihood, seed: int = 0, score: VectorField | None = None
    ) -> LogLikelihood:
        """Log density in nats of standardised data x (n, *); that of the data is less by ``standardiser.log_volume``."""
        return log_likelihood(likelihood, score or self.denoiser.score, x.to(self.device), seed=seed, chunk=self.chunk)

    def density(self, data: GaussianMixture) -> GaussianMixture:
        """The density of standardised data, where that of data is known; in float64."""
        scale, shift = self.standardiser.scale.double().cpu(), self.standardiser.shift.double().cpu()
        return data.to(torch.float64).affine(1 / scale, -shift / scale)

    def path(self, nodes: int, flow: Flow | None = None, score: VectorField | None = None) -> FlowPath:
        """The finder through noise, between data; by another score than its own where one is given, such as a guided one."""
        return flow_path(self, nodes, flow, score)


def train(
    data: Sequence[Tensor],
    settings: Diffusion,
    sampling: Sampling,
    folder: Path,
    *,
    standardiser: Standardiser,
    deviation: float,
    shape: tuple[int, ...],
    classes: int = 0,
    quantised: bool = False,
    seed: int = 0,
    resume: bool = False,
    device: str = "auto",
    precision: str = "no",
    tensorboard: bool = False,
    label: str = "diffusion",
    notes: Mapping[str, Any] | None = None,
) -> Diffused:
    """
    Trains a diffusion and writes it into ``folder``, or goes on with one.

    Args:
        data: rows (n, *shape), as floats or images of 256 levels as uint8; then, where codes are drawn afresh, log-variances; then, where
            ``classes`` is not 0, labels (n,).
        settings: see ``Diffusion``.
        sampling: how it will be sampled.
        folder: of its files.
        standardiser: from data to what the network sees.
        deviation: s_d, of standardised data.
        shape: of one datum.
        classes: that the network is told.
        quantised: whether data are images of 256 levels.
        seed: of weights, order and noise.
        resume: go on from the newest checkpoint.
        device: to train on.
        precision: no, bf16 or fp16.
        tensorboard: whether to log there too.
        label: of the progress bar.
        notes: further words for ``denoiser.json``.
    """
    network = build_network(settings, shape, classes, seed)
    denoiser = Denoiser(network, build_process(settings), deviation)
    history = fit(
        matching(denoiser, standardiser, settings, classes, quantised),
        data,
        settings.schedule(mixed_seed(seed, Stream.DENOISER_STEPS)),
        folder=folder / "diffusion",
        resume=resume,
        device=device,
        precision=precision,
        tensorboard=tensorboard,
        label=label,
    )
    return write(
        folder,
        history.averages.get("denoiser", network),
        settings,
        sampling,
        standardiser=standardiser,
        deviation=deviation,
        shape=shape,
        classes=classes,
        seed=seed,
        notes={"seconds": history.seconds, "steps": len(history.steps), **(notes or {})},
    )


def matching(
    denoiser: Denoiser, standardiser: Standardiser, settings: Diffusion, classes: int, quantised: bool
) -> ScoreMatching:
    """The objective that the settings ask for."""
    given: dict[str, Any] = {"drop": settings.drop, "labelled": classes > 0, "quantised": quantised}
    if settings.matching == "denoising":
        return DenoisingScoreMatching(
            denoiser, standardiser, settings.weighting, settings.times, t_min=settings.t_min, **given
        )
    slices = 0 if settings.matching == "implicit" else 1
    return ImplicitScoreMatching(denoiser, standardiser, slices, t_min=max(settings.t_min, 1e-3), **given)


def write(
    folder: Path,
    network: nn.Module,
    settings: Diffusion,
    sampling: Sampling,
    *,
    standardiser: Standardiser,
    deviation: float,
    shape: tuple[int, ...],
    classes: int = 0,
    seed: int = 0,
    notes: Mapping[str, Any] | None = None,
) -> Diffused:
    """Writes a trained network and what it needs, and reads it back; arguments as of ``train``."""
    digest = save_networks(
        folder / f"{NAME}.safetensors", {NAME: network.cpu(), "standardiser": _Buffers(standardiser)}
    )
    record = {
        "sha256": digest,
        "shape": list(shape),
        "deviation": deviation,
        "classes": classes,
        "seed": seed,
        "scales": list(standardiser.scale.shape),
        "settings": asdict(settings),
        **(notes or {}),
    }
    write_bytes(folder / f"{NAME}.json", json.dumps(record, indent=1).encode())
    return read(folder, sampling)


def present(folder: Path) -> bool:
    """Whether there is a whole diffusion in a folder."""
    return (folder / f"{NAME}.json").is_file()


def read(folder: Path, sampling: Sampling, device: str = "cpu") -> Diffused:
    """
    The diffusion in a folder, frozen.

    Raises:
        ValueError: if its files cannot be read, were altered, or are of another architecture.
    """
    file = folder / f"{NAME}.json"
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        settings = read_table(Diffusion, record["settings"])
        shape, classes = tuple(int(s) for s in record["shape"]), int(record["classes"])
        scales = [int(n) for n in record["scales"]]
        deviation, digest, seed = float(record["deviation"]), str(record["sha256"]), int(record["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} cannot be read ({error}); it was altered or cut short") from error
    network = build_network(settings, shape, classes, seed)
    buffers = _Buffers(Standardiser(torch.zeros(scales), torch.ones(scales)))
    load_networks(folder / f"{NAME}.safetensors", {NAME: network, "standardiser": buffers}, digest)
    where = resolve_device(device)
    network.eval().requires_grad_(False).to(where)
    own = Standardiser(buffers.shift.to(where), buffers.scale.to(where))
    return Diffused(
        Denoiser(network, build_process(settings), deviation), own, shape, classes, settings, sampling, record
    )


class _Buffers(nn.Module):
    """A standardiser as a module, so that it is saved and read as networks are."""

    shift: Tensor
    scale: Tensor

    def __init__(self, standardiser: Standardiser) -> None:
        super().__init__()
        self.register_buffer("shift", standardiser.shift.clone())
        self.register_buffer("scale", standardiser.scale.clone())
