"""Further uses of a guide of codes, and its cost: classes, paths through noise, seconds of a step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from ridgewalk.diffusion import PerRows, RowNoise
from ridgewalk.diffusion.building import build_sampler
from ridgewalk.evaluation.methods import pool_runs
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports.strips import strips
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.diffusion import TrainedDiffusion
from ridgewalk.store.guide import Guide
from ridgewalk.store.run import Run
from ridgewalk_studies import timing
from ridgewalk_studies.claims import Claim, by_value, judge, with_count
from ridgewalk_studies.diffusion.images import PATH_COLUMNS
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Part
from ridgewalk_studies.generative import decode_images
from ridgewalk_studies.guidance.judged import COLUMNS, Bench, judge_images
from ridgewalk_studies.guidance.measures import SAMPLES
from ridgewalk_studies.sources import GUIDANCE

OVERHEAD = 1.10
"""Largest allowed ratio of a guided step's time to that of the bare passes of score and discriminator."""

CLASSES = Claim(
    "A class-conditional discriminator guides conditional samples.",
    GUIDANCE,
    (
        by_value("Frechet distance less the unguided", "below", 0),
        by_value("share of the class asked for less the unguided", "above", -0.01),
    ),
)
PATHS = Claim(
    "Guided, paths through noise are smoother and more real.",
    GUIDANCE,
    (
        by_value("gap between the intervals of the share of real frames", "above", 0),
        by_value("share of real frames less the unguided", "above", 0),
        by_value("largest over mean step less the unguided", "at most", 0),
    ),
    "some",
)
STEP = Claim(
    f"A guided step takes at most {OVERHEAD:.2f} of the bare passes of score and discriminator.",
    "",
    (by_value("seconds of the guided sampler over those of bare passes", "at most", OVERHEAD),),
)

METHODS = ("lerp", "flow", "flow-guided")


def conditional(e: Experiment, vae: Run, bench: Bench) -> Part:
    """Compares by class a conditional score, classifier-free guidance, a class-conditional discriminator, and both."""
    model = e.codes(vae, "labels", e.settings.reproduce.variants["labels"])
    guide = e.guide(e.with_codes(vae, model, "labels"), "guide", vae.origin.seed, ["guidance.labels=true"])
    labels = torch.arange(bench.rows) % model.classes
    ways: dict[str, tuple[Any, Sampling]] = {
        "conditional": (None, model.sampling),
        "classifier-free, weight 2": (None, replace(model.sampling, weight=2.0)),
        "guided": (guide.score(model, 1.0, labels), model.sampling),
        "classifier-free and guided": (
            guide.score(model, 1.0, labels, 2.0),
            replace(model.sampling, weight=2.0),
        ),
    }
    cells, found, shown = {}, {}, {}
    for name, (score, how) in ways.items():
        made = model.sample(bench.rows, SAMPLES, how, labels if score is None else None, score=score)
        x = decode_images(vae, made.x)
        own = judge_images(x, bench, {"nfe": float(made.nfe)})
        right = torch.stack([j.probabilities(x).argmax(1).cpu() == labels for j in bench.judges]).double().mean()
        found[name] = {**own.values, "class": float(right)}
        cells[name] = {**{k: Cell(own.values[k]) for k in COLUMNS if k in own.values}, "class": Cell(float(right))}
        shown[name] = x[:20].numpy()
    plain, better = found["conditional"], found["guided"]
    columns = {
        **COLUMNS,
        "class": Column(
            "class asked for", ".3f", "higher", "share of samples that the judges give the class asked for"
        ),
    }
    section = Section(
        "Class by class",
        "A diffusion of codes trained with labels, the first seed.",
        [
            TableBlock(
                Table({k: c for k, c in columns.items() if k != "seconds"}, cells),
                f"{bench.rows} samples, as many of each class",
            ),
            Figure(
                figures.png(strips(shown, path=False)),
                "Rows of samples, two of each class, one row for each way of sampling.",
                "The same noise and classes in each row.",
                "Samples by class",
                wide=True,
            ),
        ],
    )
    verdicts = [
        judge(
            CLASSES,
            with_count(better["frechet"] - plain["frechet"], bench.rows),
            with_count(better["class"] - plain["class"], bench.rows),
            figure=f"Frechet {plain['frechet']:.2f} becomes {better['frechet']:.2f}, "
            f"share of the class asked for {plain['class']:.3f} becomes {better['class']:.3f}; "
            f"classifier-free guidance of weight 2: {found['classifier-free, weight 2']['frechet']:.2f} and {found['classifier-free, weight 2']['class']:.3f}",
            how="one seed; negatives are samples of each class at weight 1, so that with weight 2 the guide corrects another sampler than its own",
        ),
    ]
    return Part(found, verdicts, [section])


def paths(e: Experiment, vae: Run) -> Part:
    pairs = min(e.settings.walks.pairs, 100)
    pooled = pool_runs([vae], pairs, "test", METHODS, 0, judges=[e.judges(vae)])
    assert pooled is not None
    rows = {m: {k: Cell.of(r.get(k)) for k in PATH_COLUMNS} for m, r in pooled.summary.rows.items()}
    plain, better = pooled.summary.rows["flow"]["real"], pooled.summary.rows["flow-guided"]["real"]
    smooth, smoother = pooled.summary.rows["flow"]["step_evenness"], pooled.summary.rows["flow-guided"]["step_evenness"]
    frames = {m: pooled.measured[0].frames[m][0].numpy() for m in METHODS}
    section = Section(
        "Paths through noise, with and without guidance",
        f"{pairs} pairs of test images of two classes, in codes.",
        [
            TableBlock(Table(PATH_COLUMNS, rows), "Paths between held-out images"),
            Figure(
                figures.png(strips(frames)),
                "Rows of frames from one image to another, one row for each method.",
                "The ends are carried to t = 1 by the probability flow, joined on a great circle, and carried back, by the score and by the guided score.",
                "The first pair",
                wide=True,
            ),
        ],
    )
    found = {
        m: {k: [r[k].value, r[k].low, r[k].high] for k in PATH_COLUMNS if k in r}
        for m, r in pooled.summary.rows.items()
    }
    verdicts = [
        judge(
            PATHS,
            with_count(better.low - plain.high, plain.n),
            with_count(better.value - plain.value, plain.n),
            with_count(smoother.value - smooth.value, plain.n),
            figure=f"share of real frames {plain:.3f} becomes {better:.3f}, largest over mean step {smooth.value:.2f} becomes {smoother.value:.2f}; LERP "
            f"{pooled.summary.rows['lerp']['real']:.3f}",
            how=f"{pairs} pairs of test images of two classes",
        ),
    ]
    return Part(found, verdicts, [section])


def overhead(model: TrainedDiffusion, guide: Guide, rows: int = 5000, repeats: int = 5) -> Part:
    """Measures the time of a guided step over an unguided one and over the bare passes of both networks, in alternation."""
    sampler = build_sampler(Sampling("heun", 10), model.denoiser.sde)
    score, free = guide.score(model, 1.0), model.denoiser.score
    assert not isinstance(score, PerRows)
    x = torch.randn(rows, *model.shape, generator=torch.Generator().manual_seed(0))
    c, noise = (
        torch.zeros(rows),
        RowNoise(0, rows, model.shape),
    )  # drawn here, as it is part of the start and not of a step
    nfe = sampler(free, noise, x).nfe

    def bare() -> None:
        for _ in range(nfe):
            with torch.no_grad():
                model.denoiser.network(x, c, None)
            leaf = x.clone().requires_grad_(True)
            torch.autograd.grad(guide.ratio.network(leaf, c, None).sum(), leaf)

    ways: dict[str, Callable[[], Any]] = {
        "guided": lambda: sampler(score, noise, x),
        "unguided": lambda: sampler(free, noise, x),
        "bare": bare,
    }
    took = timing.medians(ways, repeats)
    found = {**took, "ratio": took["guided"] / took["bare"], "step": took["guided"] / took["unguided"]}
    columns = {"seconds": Column("s", ".3f", "lower", f"for {nfe} evaluations of {rows} rows")}
    table = Table(columns, {k: {"seconds": Cell(v)} for k, v in took.items()})
    verdicts = [
        judge(
            STEP,
            found["ratio"],
            figure=f"{found['ratio']:.3f}; {found['step']:.2f} of an unguided step",
            how=f"Heun's sampler on {rows} codes, {nfe} evaluations, in turns, medians of {repeats}; a discriminator's pass is forward and backward",
        ),
    ]
    section = Section("What a guided step costs", "", [TableBlock(table, "Seconds, medians, in turns")])
    return Part(found, verdicts, [section])
