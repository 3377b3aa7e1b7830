"""
Discriminator guidance of images (document 002): on the codes of a VAE, with every control, and beside it on pixels.

    controls      seeds of everything: VAE, base, negatives, discriminator, samples; against twice the evaluations and more training for the same time
    strength      gamma chosen on validation images, reported on others; likelihood of codes
    conditions    class by class, beside classifier-free guidance
    paths         through noise with and without guidance, judged as any other paths are
    pixels        a small diffusion of pixels with its own guide, and in-painting with it
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch

from ridgewalk.data import part
from ridgewalk.diffusion import PerRows, RowNoise
from ridgewalk.experiments import guidance_pixels as pixels
from ridgewalk.experiments.diffusion_images import PATH_COLUMNS
from ridgewalk.experiments.generative import decoded
from ridgewalk.experiments.guidance_judged import (
    COLUMNS,
    SAMPLES,
    VALIDATION,
    Bench,
    Row,
    frechet_change,
    judged,
    mean,
    recall_change,
    row,
)
from ridgewalk.experiments.running import Experiment, Findings
from ridgewalk.metrics.samples import frechet
from ridgewalk.reports import Cell, Claim, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports import samples as pictures
from ridgewalk.reports.claims import verdict
from ridgewalk.reports.strips import strips
from ridgewalk.runs import measuring
from ridgewalk.runs.diffused import Diffused
from ridgewalk.runs.diffusion_settings import Sampling
from ridgewalk.runs.guides import Guide
from ridgewalk.runs.record import Run

ASKED = 0.10
"""Share of the Frechet distance that guidance is asked to take off, at equal evaluations."""

OVERHEAD = 1.10
"""What a guided step may take, over the bare passes of score and discriminator."""

GAMMAS = (0.0, 0.5, 1.0, 1.5, 2.0)
METHODS = ("lerp", "flow", "flow-guided")


def measure(e: Experiment) -> Findings:
    """Trains, guides, samples, judges."""
    claims: list[Claim] = []
    seeds = e.settings.reproduce.seeds
    vaes = [e.run(seed, "vae") for seed in seeds]
    judges = measuring.judges_of(vaes[0])
    bench = Bench(judges, min(e.points, len(judges[0].reference)))
    controlled, seconds, sections, rows = _controls(e, vaes, bench, claims)
    vae, base, guide = vaes[0], e.codes(vaes[0]), e.guide(e.with_codes(vaes[0]), "guide", seeds[0], beside=True)
    strength, section = _strength(vae, base, guide, bench, claims)
    sections.append(section)
    given, section = _conditional(e, vae, bench, claims)
    sections.append(section)
    paths, section = _paths(e, e.with_codes(vae), claims)
    sections.append(section)
    cost, section = _overhead(base, guide, claims)
    sections.append(section)
    small, more = pixels.measure(e, judges, bench.rows, claims)
    sections += more
    changes = controlled["changes"]
    answer = [
        f"Guiding the diffusion of a VAE's codes changes the judges' Frechet distance by {changes['small']['told']} for a small score network and by "
        f"{changes['well']['told']} for one that is trained well, at equal evaluations ({len(seeds)} seeds).",
        f"Small network: base {rows['base'][0]:.2f}, guided {rows['guided'][0]:.2f}, trained on for the same time {rows['trained longer'][0]:.2f}, "
        f"twice the evaluations {rows['twice the evaluations'][0]:.2f}; a guided step takes {cost['step']:.2f} times an unguided one.",
    ]
    found = {
        "controls": controlled,
        "seconds": seconds,
        "strength": strength,
        "conditional": given,
        "paths": paths,
        "overhead": cost,
        "pixels": small,
    }
    return Findings(answer, claims, sections, found)


# ----------------------------------------------------------------------------------------------------- controls


def _controls(
    e: Experiment, vaes: Sequence[Run], bench: Bench, claims: list[Claim]
) -> tuple[dict[str, Any], list[dict[str, float]], list[Section], dict[str, list[float]]]:
    held: dict[str, list[Row]] = {}
    seconds = []
    for vae in vaes:
        seed, base = vae.origin.seed, e.codes(vae)
        guide = e.guide(e.with_codes(vae), "guide", seed, beside=True)
        plain = e.guide(e.with_codes(vae), "bce", seed, ["guidance.matching=0"])
        spent = float(base.record["seconds"]) + sum(guide.record["seconds"].values())
        epochs = max(1, round(base.settings.epochs * spent / float(base.record["seconds"])))
        longer = e.codes(vae, "longer", [f"diffusion.epochs={epochs}"])
        well = e.codes(vae, "well", e.settings.reproduce.variants["well"])
        of_well = e.guide(e.with_codes(vae, well, "well"), "guide", seed)
        how = base.sampling
        images = part(vae.data, "model").floats()[: bench.rows]
        own: dict[str, Row] = {
            "base": judged(vae, base, bench),
            "twice the evaluations": judged(vae, base, bench, replace(how, steps=2 * how.steps)),
            "trained longer": judged(vae, longer, bench),
            "guided": judged(vae, base, bench, score=guide.score(base, 1.0)),
            "guided, cross-entropy alone": judged(vae, base, bench, score=plain.score(base, 1.0)),
            "well trained": judged(vae, well, bench),
            "well trained, guided": judged(vae, well, bench, score=of_well.score(well, 1.0)),
            "reconstructions of training images": row(decoded(vae, vae.encode(images)), bench),
            "training images": row(images, bench),
        }
        for name, found in own.items():
            held.setdefault(name, []).append(found)
        seconds.append(
            {
                "VAE": float(vae.manifest["seconds"]),
                "base": float(base.record["seconds"]),
                **{k: float(v) for k, v in guide.record["seconds"].items()},
                "trained longer": float(longer.record["seconds"]),
                "well": float(well.record["seconds"]),
                "guide of well": float(sum(of_well.record["seconds"].values())),
            }
        )
    small = frechet_change(list(zip(held["base"], held["guided"])), bench)
    well_change = frechet_change(list(zip(held["well trained"], held["well trained, guided"])), bench)
    longer_change = frechet_change(list(zip(held["trained longer"], held["guided"])), bench)
    twice = frechet_change(list(zip(held["twice the evaluations"], held["guided"])), bench)
    recall = recall_change(held["base"], held["guided"])
    how_told = (
        f"{len(vaes)} seeds of everything, both judges, {bench.rows} samples with common noise; the wider of a bootstrap over samples and real images and of "
        "Student's interval over seeds"
    )
    claims += [
        Claim(
            f"Guidance takes at least {ASKED:.0%} off the Frechet distance at equal evaluations.",
            verdict(-small.value, -small.high, -small.low, ASKED),
            f"{small:+.0%}",
            how_told,
        ),
        Claim(
            "Recall is no worse.",
            "did not hold" if recall.high < 0 else "held" if recall.low > -0.01 else "undecided",
            f"{recall:+.3f}; of reconstructions of training images it is {mean(held['reconstructions of training images'], 'recall'):.3f}",
            "paired over real images, both judges and seeds; samples that lie off the data have wide balls, so that a poor base has more recall than real "
            "images have: read it beside coverage",
        ),
        Claim(
            "Guidance beats more training of the same network for the same time.",
            verdict(-longer_change.value, -longer_change.high, -longer_change.low),
            f"{longer_change:+.0%}",
            how_told,
        ),
        Claim(
            "Guidance beats twice the evaluations.",
            verdict(-twice.value, -twice.high, -twice.low),
            f"{twice:+.0%}",
            how_told,
        ),
        Claim(
            "Guidance of a well-trained base is no worse.",
            "held" if well_change.high < 0.05 else "did not hold" if well_change.low > 0 else "undecided",
            f"Frechet distance {well_change:+.0%}; precision {mean(held['well trained'], 'precision'):.3f} becomes "
            f"{mean(held['well trained, guided'], 'precision'):.3f}, recall {mean(held['well trained'], 'recall'):.3f} becomes "
            f"{mean(held['well trained, guided'], 'recall'):.3f}",
            how_told,
        ),
    ]
    cells = {
        name: {k: Cell(mean(rows, k)) for k in COLUMNS if all(k in r.values for r in rows)}
        for name, rows in held.items()
    }
    blocks: list[Any] = [
        TableBlock(
            Table(COLUMNS, cells, ("reconstructions of training images", "training images")),
            f"{bench.rows} samples of each, decoded; means over {len(vaes)} seeds and both judges",
        )
    ]
    for name in ("base", "guided", "trained longer"):
        blocks.append(
            Figure(
                figures.png(pictures.sheet(held[name][0].images[:48].numpy(), 16, 36)),
                f"A sheet of images: {name}.",
                f"{name}: the first 48, not chosen; the same noise in each sheet.",
                name,
            )
        )
    figures_found = {
        "rows": {name: [dict(r.values) for r in rows] for name, rows in held.items()},
        "changes": {
            name: {"told": f"{v:+.0%}", "interval": [v.value, v.low, v.high]}
            for name, v in (
                ("small", small),
                ("well", well_change),
                ("against longer", longer_change),
                ("against twice", twice),
            )
        },
        "recall": [recall.value, recall.low, recall.high],
    }
    section = Section(
        "Codes of a VAE: guidance against its controls",
        "No diffusion of codes can do better than codes of real images do: that is the row of reconstructions.",
        blocks,
    )
    told = {name: [mean(rows, "frechet")] for name, rows in held.items()}
    return figures_found, seconds, [section], told


# ----------------------------------------------------------------------------------------- strength, conditions


def _strength(
    vae: Run, base: Diffused, guide: Guide, bench: Bench, claims: list[Claim]
) -> tuple[dict[str, Any], Section]:
    """gamma: chosen by the Frechet distance to validation images, reported against the reference images."""
    held = bench.features(part(vae.data, "validation").floats())
    rows: dict[float, Row] = {}
    chosen: dict[float, float] = {}
    for gamma in GAMMAS:
        score = guide.score(base, gamma)
        rows[gamma] = judged(vae, base, bench, score=score)
        other = bench.features(decoded(vae, base.sample(bench.rows, VALIDATION, score=score).x))
        chosen[gamma] = sum(frechet(a, b) for a, b in zip(held, other)) / len(held)
    best = min(chosen, key=lambda g: chosen[g])
    claims.append(
        Claim(
            "Too much guidance costs variety (section 5.2).",
            "held" if rows[2.0].values["recall"] < rows[1.0].values["recall"] - 0.01 else "did not hold",
            "; ".join(
                f"gamma {g:g}: Frechet {r.values['frechet']:.2f}, precision {r.values['precision']:.3f}, recall {r.values['recall']:.3f}"
                for g, r in rows.items()
            ),
            f"one seed; validation images would choose gamma {best:g}. What theory asks for is 1: a better figure at another strength is the metric's wish, "
            "or a learned gradient that is too small",
        )
    )
    cells = {f"gamma {g:g}": {k: Cell(r.values[k]) for k in COLUMNS} for g, r in rows.items()}
    account = {
        f"{v.level:.2g}": {
            "bce": Cell(v.bce),
            "calibration": Cell(v.calibration),
            "gain": Cell(v.gain),
            "strength": Cell(v.strength),
        }
        for v in guide.account.levels
    }
    heads = {
        "bce": Column("cross-entropy", ".3f", "lower", "held out; chance is 0.693"),
        "calibration": Column("calibration error", ".3f", "lower", ""),
        "gain": Column("gain", ".4f", "higher", "taken off the held-out denoising error"),
        "strength": Column(
            "best strength", ".2f", None, "the multiple that gains most; where it is not clearly above 0 it is set to 0"
        ),
    }
    section = Section(
        "Strength, and what the discriminator knows by level",
        f"The first seed. Validation images choose gamma {best:g}.",
        [
            TableBlock(Table(COLUMNS, cells), f"{bench.rows} samples of each"),
            TableBlock(Table(heads, account), "By sigma / alpha, on held-out codes"),
        ],
    )
    found = {
        "rows": {f"{g:g}": dict(r.values) for g, r in rows.items()},
        "validation": {f"{g:g}": v for g, v in chosen.items()},
        "chosen": best,
        "account": guide.account.to_json(),
    }
    return found, section


def _conditional(e: Experiment, vae: Run, bench: Bench, claims: list[Claim]) -> tuple[dict[str, Any], Section]:
    """Class by class: a conditional score, classifier-free guidance, a class-conditional discriminator, and both."""
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
        x = decoded(vae, made.x)
        own = row(x, bench, {"nfe": float(made.nfe)})
        right = torch.stack([j.probabilities(x).argmax(1).cpu() == labels for j in bench.judges]).double().mean()
        found[name] = {**own.values, "class": float(right)}
        cells[name] = {**{k: Cell(own.values[k]) for k in COLUMNS if k in own.values}, "class": Cell(float(right))}
        shown[name] = x[:20].numpy()
    plain, better = found["conditional"], found["guided"]
    claims.append(
        Claim(
            "A class-conditional discriminator guides conditional samples.",
            "held"
            if better["frechet"] < plain["frechet"] and better["class"] > plain["class"] - 0.01
            else "did not hold",
            f"Frechet {plain['frechet']:.2f} becomes {better['frechet']:.2f}, share of the class asked for {plain['class']:.3f} becomes {better['class']:.3f}; "
            f"classifier-free guidance of weight 2: {found['classifier-free, weight 2']['frechet']:.2f} and {found['classifier-free, weight 2']['class']:.3f}",
            "one seed; negatives are samples of each class at weight 1, so that the guide beside weight 2 corrects another sampler than its own",
        )
    )
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
                "Rows of samples, two of each class, a row a way.",
                "The same noise and classes in each row.",
                "Samples by class",
                wide=True,
            ),
        ],
    )
    return found, section


# ------------------------------------------------------------------------------------------------ paths, overhead


def _paths(e: Experiment, vae: Run, claims: list[Claim]) -> tuple[dict[str, Any], Section]:
    pairs = min(e.settings.walks.pairs, 100)
    pooled = measuring.pool([vae], pairs, "test", METHODS, 0)
    assert pooled is not None
    rows = {m: {k: Cell.of(r.get(k)) for k in PATH_COLUMNS} for m, r in pooled.summary.rows.items()}
    plain, better = pooled.summary.rows["flow"]["precision"], pooled.summary.rows["flow-guided"]["precision"]
    smooth, smoother = pooled.summary.rows["flow"]["step_evenness"], pooled.summary.rows["flow-guided"]["step_evenness"]
    claims.append(
        Claim(
            "Guided, paths through noise are smoother and more real (section 5.3).",
            "held"
            if better.low > plain.high and smoother.value <= smooth.value
            else "held in part"
            if better.value > plain.value or smoother.value < smooth.value
            else "did not hold",
            f"precision {plain:.3f} becomes {better:.3f}, largest over mean step {smooth.value:.2f} becomes {smoother.value:.2f}; LERP "
            f"{pooled.summary.rows['lerp']['precision']:.3f}",
            f"{pairs} pairs of test images of two classes; held where the intervals of precision do not touch and steps are no less even",
        )
    )
    frames = {m: pooled.measured[0].frames[m][0].numpy() for m in METHODS}
    section = Section(
        "Paths through noise, with and without guidance",
        f"{pairs} pairs of test images of two classes, in codes.",
        [
            TableBlock(Table(PATH_COLUMNS, rows), "Paths between held-out images"),
            Figure(
                figures.png(strips(frames)),
                "Rows of frames from one image to another, a row a method.",
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
    return found, section


def _overhead(
    model: Diffused, guide: Guide, claims: list[Claim], rows: int = 5000, repeats: int = 5
) -> tuple[dict[str, float], Section]:
    """A guided step over an unguided one, and over the bare passes of both networks, in turns."""
    sampler = Sampling("heun", 10).make(model.denoiser.sde)
    score, free = guide.score(model, 1.0), model.denoiser.score
    assert not isinstance(score, PerRows)
    x = torch.randn(rows, *model.shape, generator=torch.Generator().manual_seed(0))
    c, noise = torch.zeros(rows), RowNoise(0, rows, model.shape)  # made before: it belongs to the start, not to a step
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
    times: dict[str, list[float]] = {k: [] for k in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            began = perf_counter()
            way()
            times[name].append(perf_counter() - began)
    medians = {k: sorted(v[1:])[repeats // 2] for k, v in times.items()}
    found = {**medians, "ratio": medians["guided"] / medians["bare"], "step": medians["guided"] / medians["unguided"]}
    claims.append(
        Claim(
            f"A guided step takes at most {OVERHEAD:.2f} of the bare passes of score and discriminator.",
            "held" if found["ratio"] <= OVERHEAD else "did not hold",
            f"{found['ratio']:.3f}; {found['step']:.2f} of an unguided step",
            f"Heun's sampler on {rows} codes, {nfe} evaluations, in turns, medians of {repeats}; a discriminator's pass is forward and backward",
        )
    )
    columns = {"seconds": Column("s", ".3f", "lower", f"for {nfe} evaluations of {rows} rows")}
    table = Table(columns, {k: {"seconds": Cell(v)} for k, v in medians.items()})
    return found, Section("What a guided step costs", "", [TableBlock(table, "Seconds, medians, in turns")])
