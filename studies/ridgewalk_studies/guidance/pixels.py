"""Guidance in the space of pixels: a small diffusion of images with a guide of its own, and in-painting by both."""

from collections.abc import Sequence
from math import inf
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.data.images import ImageData
from ridgewalk.diffusion import PerRows, RowNoise
from ridgewalk.diffusion.building import build_sampler
from ridgewalk.diffusion.conditioning import Replacement
from ridgewalk.diffusion.operators import Mask
from ridgewalk.judging import samples
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.protocols import VectorField
from ridgewalk.reports import Block, Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports import samples as pictures
from ridgewalk.reports.strips import strips
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import Claim, Criterion, by_value, judge, with_count
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Part
from ridgewalk_studies.guidance.judged import COLUMNS
from ridgewalk_studies.sources import GUIDANCE

MOST = 2000
"""Number of judged samples of pixels: each takes a hundred times as long as a sample of codes."""

PIXEL_GUIDE = ("guidance.negatives=8000", "guidance.epochs=12", "guidance.batch=64")
"""Changes for a guide of pixels: fewer samples, as each takes longer, and smaller batches."""

PAINTED = 200
"""Number of in-painted images."""

PIXELS = Claim(
    "Guidance works in pixels too, by a U-Net's encoder.",
    GUIDANCE,
    (by_value("Frechet distance over the unguided, of one seed,", "below", -inf, part=0.95),),
)
PAINTING = Claim(
    "In-painting under guidance gives more real images.",
    GUIDANCE,
    (Criterion("change of the share that both judges take for real", "above", 0),),
)

STEPS = 50
"""Number of steps of the ancestral sampler of in-painting."""


def measure(
    e: Experiment,
    judges: Sequence[Judge],
    rows: int,
) -> Part:
    """Trains the diffusion and its guide, judges samples, and in-paints images."""
    run = e.diffusion(e.settings.reproduce.seeds[0])
    assert isinstance(run.data, ImageData)
    guide = e.guide(run, "guide", run.origin.seed, PIXEL_GUIDE, beside=True)
    field, n = guide.score(run.diffusion, 1.0), min(rows, MOST)
    assert not isinstance(field, PerRows)
    cells, found, blocks = {}, {}, list[Block]()
    keys = ("frechet", "precision", "recall", "density", "coverage")
    for name, score in (("pixels", None), ("pixels, guided", field)):
        began = perf_counter()
        made = run.diffusion.sample(n, 3, score=score)
        seconds = perf_counter() - began
        graded = samples.pooled(samples.grade(made.x.clamp(0, 1), judges, 0))
        found[name] = {**{k: graded[k] for k in keys}, "nfe": float(made.nfe), "seconds": seconds}
        cells[name] = {k: Cell(v) for k, v in found[name].items()}
        blocks.append(
            Figure(
                figures.png(pictures.sheet(made.x.clamp(0, 1)[:48].numpy(), 16, 36)),
                f"A sheet of images: {name}.",
                f"{name}: the first 48, not chosen; the same noise.",
                name,
            )
        )
    spent = {"base": float(run.diffusion.record["seconds"]), "guide": float(sum(guide.record["seconds"].values()))}
    before, after = found["pixels"]["frechet"], found["pixels, guided"]["frechet"]
    section = Section(
        "Pixels",
        f"A small U-Net of images, {spent['base'] / 60:.1f} minutes of training, and its guide, {spent['guide'] / 60:.1f} minutes.",
        [TableBlock(Table(COLUMNS, cells), f"{n} samples of each"), *blocks],
    )
    painted = _inpaint(run, field, judges, min(rows, PAINTED))
    verdicts = [
        judge(
            PIXELS,
            with_count(after / before, n),
            figure=f"Frechet {before:.1f} becomes {after:.1f} ({after / before - 1:+.0%}), precision {found['pixels']['precision']:.3f} becomes "
            f"{found['pixels, guided']['precision']:.3f}, recall {found['pixels']['recall']:.3f} becomes {found['pixels, guided']['recall']:.3f}",
            how=f"one seed, {n} samples; a small U-Net after {spent['base'] / 60:.0f} minutes, its guide {spent['guide'] / 60:.0f} more",
        ),
    ]
    figures_found = {
        "samples": found,
        "seconds": spent,
        "account": guide.diagnosis.to_json(),
        "in-painting": dict(painted.figures),
    }
    return Part(figures_found, [*verdicts, *painted.verdicts], [section, *painted.sections])


def _inpaint(
    run: Run,
    field: VectorField,
    judges: Sequence[Judge],
    count: int,
) -> Part:
    """In-paints the middle of images by the score and by the guided score; the seen part replaces the state's after each step."""
    assert isinstance(run.data, ImageData)
    d = run.diffusion
    images = part(run.data, "test")
    truth = images.take(torch.arange(min(count, len(images)))).floats()
    x = d.standardiser.to_model(truth)
    _, h, w = truth.shape[1:]
    keep = torch.ones(1, h, w, dtype=torch.bool)
    keep[:, h // 4 : h - h // 4, w // 4 : w - w // 4] = False
    operator, sde = Mask(keep), d.denoiser.sde
    y = operator(x)
    sampler = build_sampler(Sampling("ancestral", STEPS), sde)
    rows: dict[str, Any] = {
        "truth": truth[:12].numpy(),
        "given": d.standardiser.to_data(operator.pseudo_inverse(y))[:12].clamp(0, 1).numpy(),
    }
    cells, found = {}, {}
    real: dict[str, Tensor] = {}
    for name, score in (("score", d.denoiser.score), ("guided", field)):
        made = sampler(score, RowNoise(5, len(x), d.shape), project=Replacement(operator, y, sde))
        out = d.standardiser.to_data(made.x).clamp(0, 1)
        error = (out - truth).flatten(1).square().mean(1).sqrt()
        real[name] = torch.stack([j.real(out) for j in judges]).mean(0)
        share = statistics.bootstrap_mean(real[name], 0)
        found[name] = {"error": float(error.mean()), "real": [share.value, share.low, share.high]}
        cells[name] = {"error": Cell.of(statistics.bootstrap_mean(error.double(), 0)), "real": Cell.of(share)}
        rows[name] = out[:12].numpy()
    change = statistics.paired_difference(real["guided"], real["score"], 0)
    columns = {
        "error": Column(
            "error", ".3f", "lower", "root mean square distance from the image that was hidden; many answers are right"
        ),
        "real": Column("real", ".3f", "higher", "share that the judges take for real, mean of both"),
    }
    section = Section(
        "In-painting under guidance",
        f"{len(x)} test images, {STEPS} ancestral steps, the same noise.",
        [
            TableBlock(Table(columns, cells), "The middle filled in"),
            Figure(
                figures.png(strips(rows, path=False)),
                "Rows of images: the truth, the given part, and the completed image.",
                "The given part, and its completion by the score and by the guided score.",
                "In-painting",
                wide=True,
            ),
        ],
    )
    verdicts = [
        judge(
            PAINTING,
            change,
            figure=f"share of filled-in images that both judges take for real, change {change:+.3f}; "
            f"root mean square error {found['score']['error']:.3f} becomes {found['guided']['error']:.3f}",
            how="the discriminator knows all images, not those that fit what is seen: it improves the prior alone, and is added before the seen part is put in",
        ),
    ]
    return Part(found, verdicts, [section])
