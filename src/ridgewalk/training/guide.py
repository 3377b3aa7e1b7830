"""
Training of a guide: a discriminator of a score model's samples, whose gradient will correct the score.

    negatives      samples of the sampler that will be guided, as many as there are data
    held out       a fifth of data and samples, on which ``diagnosis.guides.diagnose`` measures the guide and calibrates its strength
    objective      ``training.ratio.NoisedRatio`` on the rest

Nothing here knows whether the score is a diffusion of ridgewalk's own or another library's: ``GuidedModel`` is all that it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

from ridgewalk.diffusion import SDE, Sampled, Standardiser
from ridgewalk.diffusion.guidance import TimeRatio
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.diffusion import Guidance
from ridgewalk.settings.training import Schedule
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.ratio import NoisedRatio, Score

STATES = 20
"""States of each sampling trajectory, one of which is a negative of a rollout."""

CHUNK = 2000
"""Trajectories of a rollout that are sampled at once."""


@dataclass(frozen=True, eq=False)
class GuidedModel:
    """
    A score model with the sampler that will be guided.

    Attributes:
        sde: the SDE, of whose marginals this is the score.
        deviation: standard deviation of standardised data.
        standardiser: maps data (n, *) to the values that the score reads.
        score: gradient of log p_t of standardised data x at times t under labels or None: (n, *), (n,), (n,) -> (n, *).
        sample: function of (rows, seed, labels or None, number of states to keep); it returns samples and states as data, on the CPU.
        device: device of the score.
        steps: number of steps of the sampler.
    """

    sde: SDE
    deviation: float
    standardiser: Standardiser
    score: Score
    sample: Callable[[int, int, Tensor | None, int], Sampled]
    device: torch.device
    steps: int

    def ratio(self, network: nn.Module) -> TimeRatio:
        """The log ratio that a discriminator's network stands for under this model's SDE."""
        return TimeRatio(network, self.sde, self.deviation)

    def objective(self, network: nn.Module, settings: Guidance) -> NoisedRatio:
        s = settings
        terms = (s.times, s.t_min, s.r1, s.matching)
        return NoisedRatio(self.ratio(network), self.standardiser, *terms, self.score, s.labels, s.kind)


@dataclass(frozen=True, eq=False)
class TrainedRatio:
    """
    A trained discriminator, and the data and samples that were held out from it.

    Attributes:
        ratio: log of noised data over noised samples, in standardised data.
        x: standardised data (n, *), held out.
        y: standardised samples (n, *), held out.
        labels: (n,) of both, or None.
        seconds: taken by the negatives and by the training.
    """

    ratio: TimeRatio
    x: Tensor
    y: Tensor
    labels: Tensor | None
    seconds: dict[str, float]


def train_ratio(
    network: nn.Module,
    model: GuidedModel,
    data: Tensor,
    settings: Guidance,
    seed: int,
    labels: Tensor | None = None,
    schedule: Schedule | None = None,
    folder: Path | None = None,
) -> TrainedRatio:
    """
    Trains a discriminator of data against as many samples, on the model's device.

    Args:
        network: untrained network, which maps (x, c, labels) to (n, 1).
        model: the model whose score will be guided.
        data: data (n, *), of which ``settings.negatives`` rows are drawn at random.
        settings: settings of the objective.
        seed: seed of samples and order.
        labels: classes (n,) of the data, where the discriminator is conditioned on them.
        schedule: replaces the schedule of the settings.
        folder: folder of its log and checkpoints, from which an interrupted training is resumed; None writes none.
    """
    rows = min(len(data), settings.negatives)
    kept = rows - rows // 5
    generator = torch.Generator().manual_seed(mixed_seed(seed, Stream.GUIDE_ORDER))
    order = torch.randperm(len(data), generator=generator)[:rows]
    x, classes = data[order], None if labels is None else labels[order]
    began = perf_counter()
    y, states = draw_negatives(model, settings.kind, rows, mixed_seed(seed, Stream.GUIDE_SAMPLES) % 2**31, classes)
    seconds = {"negatives": perf_counter() - began}
    columns = (x, None if settings.kind == "rollout" else y, states, classes)
    history = fit(
        model.objective(network, settings),
        [column[:kept] for column in columns if column is not None],
        schedule or settings.schedule(mixed_seed(seed, Stream.GUIDE_STEPS), kept),
        Fitting(str(model.device), resume=folder is not None and folder.is_dir(), label="guide"),
        folder=folder,
    )
    seconds["training"] = history.seconds
    network = history.averages.get("discriminator", network)
    return held_out(network, model, x[kept:], y[kept:], None if classes is None else classes[kept:], seconds)


def held_out(
    network: nn.Module, model: GuidedModel, x: Tensor, y: Tensor, labels: Tensor | None, seconds: dict[str, float]
) -> TrainedRatio:
    """A trained network, frozen, with data x and samples y that it did not learn from, which are standardised here."""
    x, y = (model.standardiser.to_model(v.float().to(model.device)) for v in (x, y))
    ratio = model.ratio(network.requires_grad_(False).to(model.device))
    return TrainedRatio(ratio, x, y, None if labels is None else labels.to(model.device), seconds)


def draw_negatives(
    model: GuidedModel, kind: str, rows: int, seed: int, labels: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """
    Draws the negatives that the discriminator is trained on.

    Args:
        model: the score and its sampler.
        kind: ``samples``, ``rollout`` or ``both``.
        rows: number of negatives.
        seed: seed of all draws.
        labels: class (rows,) of each negative; None without classes.

    Returns:
        Finished samples (rows, *) as data; and for a rollout one state of each trajectory, (rows, 1 + d): its time, then its standardised values.
    """
    if kind == "samples":
        return model.sample(rows, seed, labels, 0).x, None
    samples, states = [], []
    for first in range(0, rows, CHUNK):
        own = slice(first, min(first + CHUNK, rows))
        part_seed = mixed_seed(seed, first) % 2**31
        made = model.sample(
            own.stop - own.start, part_seed, None if labels is None else labels[own], min(model.steps, STATES)
        )
        samples.append(made.x)
        usable = (made.times > 0).nonzero().flatten()
        generator = torch.Generator().manual_seed(mixed_seed(part_seed, Stream.ROLLOUT_STATES))
        pick = usable[torch.randint(len(usable), (len(made.x),), generator=generator)]
        x = model.standardiser.to_model(made.states[pick, torch.arange(len(made.x))].to(model.device)).cpu()
        states.append(torch.cat([made.times[pick].to(x)[:, None], x.flatten(1)], 1))
    return torch.cat(samples), torch.cat(states)
