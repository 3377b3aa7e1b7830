"""Judged images of a diffusion, and the change of their distance from real images between two sets with the same noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from ridgewalk.judging import samples
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import coverage, statistics
from ridgewalk.metrics.samples import frechet
from ridgewalk.metrics.statistics import Interval
from ridgewalk.reports import Column
from ridgewalk.reports.columns import IMAGES, SAMPLING
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.diffusion import TrainedDiffusion
from ridgewalk.store.run import Run
from ridgewalk_studies.generative import decode_images
from ridgewalk_studies.guidance.measures import SAMPLES, student

RESAMPLES = 200

COLUMNS: Mapping[str, Column] = {
    **{k: IMAGES[k] for k in ("frechet", "precision", "recall", "density", "coverage")},
    **SAMPLING,
}


@dataclass(frozen=True, eq=False)
class Bench:
    """
    The judges of samples, and the number of samples.

    Attributes:
        judges: Both judges.
        rows: Number of samples of each way of sampling.
    """

    judges: Sequence[Judge]
    rows: int

    def features(self, x: Tensor) -> list[Tensor]:
        """Returns the features of images by each judge."""
        return [j.features(x) for j in self.judges]


@dataclass(frozen=True, eq=False)
class Row:
    """
    Judged samples of one way of sampling.

    Attributes:
        values: Figures by metric, means over judges.
        features: Features of the samples by each judge.
        seen: Whether each real image lies in a ball of a sample, by each judge.
        images: The first samples.
    """

    values: Mapping[str, float]
    features: Sequence[Tensor]
    seen: Sequence[Tensor]
    images: Tensor


def judge_samples(
    run: Run, model: TrainedDiffusion, bench: Bench, how: Sampling | None = None, score: Any = None, seed: int = SAMPLES
) -> Row:
    """Draws samples of codes, decodes them, and judges the images."""
    began = perf_counter()
    made = model.sample(bench.rows, seed, how, score=score)
    seconds = perf_counter() - began
    return judge_images(decode_images(run, made.x), bench, {"nfe": float(made.nfe), "seconds": seconds})


def judge_images(x: Tensor, bench: Bench, more: Mapping[str, float] | None = None) -> Row:
    """Judges images (n, c, h, w) against the reference images."""
    values: dict[str, list[float]] = {}
    seen, features = [], bench.features(x)
    for judge, fake in zip(bench.judges, features):
        real = judge.balls[0][: len(fake)]
        both, dense = coverage.precision_recall(real, fake, samples.BALL), coverage.density_coverage(real, fake)
        own = {
            "frechet": frechet(real, fake),
            "precision": both.precision,
            "recall": both.recall,
            "density": dense.density,
            "coverage": dense.coverage,
            f"frechet_{judge.name}": frechet(real, fake),
        }
        seen.append(both.inside_fake)
        for k, v in own.items():
            values.setdefault(k, []).append(v)
    return Row({**{k: sum(v) / len(v) for k, v in values.items()}, **(more or {})}, features, seen, x[:64])


def frechet_change(pairs: Sequence[tuple[Row, Row]], bench: Bench) -> Interval:
    """
    The mean over seeds and judges of FD(guided) / FD(base) - 1, with an interval.

    Samples i of both have the same noise: the bootstrap draws the same rows for both with replacement, and rows of real images. With several seeds the
    interval is the wider of this one and Student's over seeds, as resampled rows do not show the variation between seeds.

    Args:
        pairs: Base and guided rows, one pair for each seed.
        bench: The bench whose reference images are used.
    """
    generator = torch.Generator().manual_seed(0)
    n = min(len(f) for b, g in pairs for f in (*b.features, *g.features))

    def change(i: Tensor | None, k: Tensor | None) -> list[float]:
        every = []
        for base, guided in pairs:
            each = []
            for judge, b, g in zip(bench.judges, base.features, guided.features):
                real = judge.balls[0][:n]
                real, own, other = (real, b, g) if i is None or k is None else (real[k], b[i], g[i])
                each.append(frechet(real, other) / frechet(real, own) - 1)
            every.append(sum(each) / len(each))
        return every

    whole = change(None, None)
    m = min(n, len(bench.judges[0].balls[0]))
    drawn = []
    for _ in range(RESAMPLES):
        i, k = (torch.randint(size, (size,), generator=generator) for size in (n, m))
        each = change(i, k)
        drawn.append(sum(each) / len(each))
    spread = torch.tensor(drawn, dtype=torch.float64)
    tail = (1 - statistics.LEVEL) / 2
    low, high = float(spread.quantile(tail)), float(spread.quantile(1 - tail))
    over = student(torch.tensor(whole, dtype=torch.float64))
    if len(whole) > 1:
        low, high = min(low, over.low), max(high, over.high)
    return Interval(over.value, low, high, statistics.LEVEL, len(whole))


def recall_change(base: Sequence[Row], guided: Sequence[Row]) -> Interval:
    """Returns the mean difference of recall, paired over real images; an image's value is its mean over judges and seeds."""
    a = torch.stack([s.double() for r in guided for s in r.seen]).mean(0)
    b = torch.stack([s.double() for r in base for s in r.seen]).mean(0)
    return statistics.paired_difference(a, b, 0)


def mean(rows: Sequence[Row], key: str) -> float:
    return sum(r.values[key] for r in rows) / len(rows)
