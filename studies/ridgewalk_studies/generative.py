"""Figures of trained autoencoders as models of images: their judged reconstructions and samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.metrics.samples import frechet
from ridgewalk.path import chunked
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk_studies.measures.attributes import reconstruction_columns


@dataclass(frozen=True, eq=False)
class Generative:
    """
    Figures of one variant's runs as models of images.

    Attributes:
        columns: Values of the reconstructions (n,) by metric, of all runs one after the other.
        frechet: Frechet distances of samples by judge, one for each run.
        real: Share of samples that a judge takes for real, the mean over judges, one for each run.
        seconds: Seconds of training, one for each run.
        run: The first run, for the pictures.
    """

    columns: Mapping[str, Tensor]
    frechet: Mapping[str, Sequence[float]]
    real: Sequence[float]
    seconds: Sequence[float]
    run: Run

    @property
    def features(self) -> Tensor:
        """Returns the mean over judges of the feature distance, in units of the distance of two images: (n,)."""
        own = [v for n, v in self.columns.items() if n.startswith("features_")]
        return torch.stack(own).mean(dim=0)


def generative(runs: Sequence[Run], judges: Sequence[Judge], points: int) -> Generative:
    """Judges reconstructions of held-out images, and as many draws of the prior as there are reference images."""
    columns: dict[str, list[Tensor]] = {}
    distances: dict[str, list[float]] = {j.name: [] for j in judges}
    real = []
    for run in runs:
        images = part(run.data, "test")
        x = images.take(torch.arange(min(points, len(images)))).floats()
        for name, value in reconstruction_columns(x, decode_images(run, run.encode(x)), judges).items():
            columns.setdefault(name, []).append(value)
        wanted = len(judges[0].reference)
        drawn = decode_images(run, prior_draws(run, wanted, 0))
        shares = []
        for judge in judges:
            features = judge.features(drawn)
            distances[judge.name].append(frechet(judge.balls[0], features))
            shares.append(float(judge.real(drawn).mean()))
        real.append(sum(shares) / len(shares))
    seconds = [float(r.manifest["seconds"]) for r in runs]
    return Generative({n: torch.cat(v) for n, v in columns.items()}, distances, real, seconds, runs[0])


def decode_images(run: Run, z: Tensor) -> Tensor:
    """Decodes codes in chunks, and returns the images on the CPU."""
    return chunked(run.decode, z.to(run.device)).cpu()


def figures_of(g: Generative) -> dict[str, Any]:
    """Returns all measurements, for JSON."""
    means = {n: statistics.bootstrap_mean(v, 0) for n, v in g.columns.items()}
    return {
        **{n: [i.value, i.low, i.high] for n, i in means.items()},
        "frechet": {j: list(v) for j, v in g.frechet.items()},
        "real": list(g.real),
        "seconds": list(g.seconds),
    }
