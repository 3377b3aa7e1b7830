"""
Diffusions of pixels and of a VAE's codes, compared with that VAE's own samples and with real held-out images.

    samples          judged: Frechet distance, precision, recall, density, coverage; by sampler and number of evaluations
    likelihood       bits per dimension of held-out images by the flow of pixels
    paths            between held-out images through noise, in codes, judged as any other paths are
    inverse problems in-painting, super-resolution with the unconditional score: pictures, and their distance from the truth
    overhead         the sampler's time over that of its network's bare passes
"""

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.data.images import ImageData
from ridgewalk.diffusion import RowNoise
from ridgewalk.diffusion.building import build_sampler
from ridgewalk.diffusion.conditioning import PosteriorScore, Replacement
from ridgewalk.diffusion.operators import Downsample, LinearOperator, Mask
from ridgewalk.evaluation.likelihood import held_out_bits
from ridgewalk.evaluation.methods import pool_runs
from ridgewalk.judging import samples
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports import samples as pictures
from ridgewalk.reports.columns import BITS, IMAGES, PATHS, SAMPLING
from ridgewalk.reports.strips import strips
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.diffusion import TrainedDiffusion
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk.verbs import diffuse
from ridgewalk_studies import timing
from ridgewalk_studies.claims import Claim, Verdict, by_value, judge, with_count
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.generative import decode_images
from ridgewalk_studies.sources import GUIDANCE

LIKELIHOODS = 256
"""Number of test images whose bits per dimension are measured."""

SHOWN = 48

NO_FLOOR = (
    "A Frechet distance below that of real held-out images is no merit: those are another part of the data than the images that it is measured to, "
    "and samples may lie nearer to the latter than real ones do; precision and recall say what the samples are like."
)

CHEAP = Claim(
    "The sampler's own overhead over the bare passes of its network is at most 1.10.",
    "",
    (by_value("seconds of the sampler over those of bare passes", "at most", 1.1),),
)
CODES = Claim(
    "A diffusion of codes beats the same autoencoder's prior samples on precision and on Frechet distance.",
    GUIDANCE,
    (
        by_value("Frechet distance less that of the prior's samples, by each judge", "below", 0),
        by_value("gap between the intervals of precision, by each judge", "above", 0),
    ),
    "some",
)

STEPS = 100
"""Number of steps of the ancestral sampler on inverse problems."""


def measure(e: Experiment) -> Findings:
    """Trains both diffusions, samples from them, and judges samples and claims."""
    seed = e.settings.reproduce.seeds[0]
    pixels = e.diffusion(seed)
    vae = e.run(seed, "vae")
    if not vae.has_diffusion:
        diffuse.diffuse(vae, (), seed, e.device)
        vae = e.run(seed, "vae")
    if not isinstance(pixels.dataset, ImageData):
        raise ValueError("this experiment needs images, such as a folder with MNIST's files")
    judges = e.judges(pixels)
    rows, seconds, images = _samples(e, pixels, vae, judges)
    graded = {name: samples.grade(x, judges, seed) for name, x in rows.items()}
    claims = _claims(graded)
    bits, bits_figures = _bits(pixels, min(LIKELIHOODS, e.points))
    paths, paths_section = _paths(e, vae)
    inverse, inverse_section = _inverse(pixels, vae, min(64, e.points))
    overhead = _overhead(pixels)
    claims.append(
        judge(
            CHEAP,
            overhead["ratio"],
            figure=f"{overhead['ratio']:.3f}",
            how=f"Heun's sampler on {overhead['rows']} images, {overhead['nfe']} evaluations, against as many bare passes, in turns, medians of 5",
        )
    )
    trained = {
        "pixels": float(pixels.diffusion.record["seconds"]),
        "VAE": float(vae.manifest["seconds"]),
        "codes": float(vae.diffusion.record["seconds"]),
    }
    best = samples.pooled(graded["codes"]), samples.pooled(graded["prior of the VAE"])
    answer = [
        f"Diffusion of codes: Frechet distance {best[0]['frechet']:.2f} against {best[1]['frechet']:.2f} of the VAE's own prior, precision "
        f"{best[0]['precision']:.3f} against {best[1]['precision']:.3f}; real held-out images {samples.pooled(graded['real, held out'])['frechet']:.2f} "
        f"and {samples.pooled(graded['real, held out'])['precision']:.3f} (means of both judges).",
        f"Diffusion of pixels after {trained['pixels'] / 60:.0f} minutes: {samples.pooled(graded['pixels'])['frechet']:.2f} and "
        f"{samples.pooled(graded['pixels'])['precision']:.3f}, {bits['mean']:.3f} +- {bits['error']:.3f} bits per dimension.",
        NO_FLOOR,
    ]
    sections = [
        _table_section(graded, seconds, images, len(next(iter(rows.values())))),
        Section(
            "Likelihood",
            f"{bits['images']:.0f} test images, uniform dequantisation, Hutchinson's estimator.",
            [bits_figures],
        ),
        paths_section,
        inverse_section,
    ]
    found: dict[str, Any] = {
        "samples": {
            n: {g.judge: {k: [v.value, v.low, v.high] for k, v in g.values.items()} for g in gs}
            for n, gs in graded.items()
        },
        "sampling_seconds": seconds,
        "training_seconds": trained,
        "bits_per_dim": bits,
        "paths": paths,
        "inverse": inverse,
        "overhead": overhead,
    }
    return Findings(answer, claims, sections, found)


def _samples(
    e: Experiment, pixels: Run, vae: Run, judges: list[Judge]
) -> tuple[dict[str, Tensor], dict[str, float], dict[str, Tensor]]:
    """Returns samples by name (at most as many as reference images), the seconds that each took, and the samples to show."""
    assert isinstance(pixels.dataset, ImageData)
    n = min(e.points, len(judges[0].reference))
    rows, seconds = {}, {}
    held = torch.cat([part(pixels.data, role).floats() for role in ("validation", "test")])
    rows["real, held out"] = held[:n]
    codes = vae.encode(held[:n])
    rows["reconstructions of the VAE"] = decode_images(vae, codes)
    rows["prior of the VAE"] = decode_images(vae, prior_draws(vae, n, 0))
    own = e.settings.sampling
    plans: list[tuple[str, TrainedDiffusion, Sampling]] = [
        ("codes", vae.diffusion, own),
        ("pixels", pixels.diffusion, own),
    ]
    plans += [(f"pixels, {how.sampler}", pixels.diffusion, how) for how in _other_samplings(own)]
    plans += [(f"codes, {how.sampler}", vae.diffusion, how) for how in _other_samplings(own)]
    for name, model, how in plans:
        began = perf_counter()
        made = model.sample(n, 0, how)
        rows[name] = decode_images(vae, made.x) if model is vae.diffusion else made.x.clamp(0, 1)
        seconds[name] = perf_counter() - began
    shown = {name: x[:SHOWN] for name, x in rows.items()}
    return rows, seconds, shown


def _other_samplings(own: Sampling) -> list[Sampling]:
    """Two other samplers at about the same number of evaluations."""
    nfe = 2 * own.steps
    return [replace(own, sampler="ddim", steps=nfe), replace(own, sampler="pc", steps=max(1, nfe // 2))]


def _claims(graded: Mapping[str, list[samples.GradedImages]]) -> list[Verdict]:
    pairs = [(a, a.values, b, b.values) for a, b in zip(graded["codes"], graded["prior of the VAE"])]
    figure = "; ".join(
        f"judge {a.judge}: {own['frechet'].value:.2f} against {base['frechet'].value:.2f}, precision {_with(a)} against {_with(b)}"
        for a, own, b, base in pairs
    )
    nearer = [with_count(own["frechet"].value - base["frechet"].value, own["frechet"].n) for _, own, _, base in pairs]
    apart = [with_count(own["precision"].low - base["precision"].high, own["precision"].n) for _, own, _, base in pairs]
    return [judge(CODES, nearer, apart, figure=figure)]


def _with(graded: samples.GradedImages) -> str:
    p = graded.values["precision"]
    return f"{p.value:.3f} [{p.low:.3f}, {p.high:.3f}]"


def _bits(run: Run, count: int) -> tuple[dict[str, float], TableBlock]:
    found = held_out_bits(run, count)
    rows, nfe = float(len(found.values)), float(found.nfe)
    values = {"mean": found.mean, "error": found.standard_error, "images": rows, "nfe": nfe}
    cells = {
        "pixels": {
            "bits": Cell(
                found.mean, found.mean - 1.96 * found.standard_error, found.mean + 1.96 * found.standard_error
            ),
            "nfe": Cell(found.nfe),
        }
    }
    return values, TableBlock(Table(BITS, cells), "Bits per dimension")


METHODS = ("lerp", "slerp", "string", "flow")

PATH_COLUMNS: Mapping[str, Column] = {
    k: PATHS[k] for k in ("real", "wholly_real", "third_class", "relative_length", "step_evenness")
}
"""Columns of a table of judged paths through noise."""


def _paths(e: Experiment, vae: Run) -> tuple[dict[str, Any], Section]:
    pairs = min(e.settings.walks.pairs, 100)
    pooled = pool_runs([vae], pairs, "test", METHODS, 0, judges=[e.judges(vae)])
    assert pooled is not None
    rows = {m: {k: Cell.of(r.get(k)) for k in PATH_COLUMNS} for m, r in pooled.summary.rows.items()}
    frames = {m: pooled.measured[0].frames[m][0].numpy() for m in METHODS}
    trip = pooled.entries[-1].stats.get("round_trip", float("nan"))
    values = {
        "rows": {
            m: {k: [r[k].value, r[k].low, r[k].high] for k in PATH_COLUMNS if k in r}
            for m, r in pooled.summary.rows.items()
        },
        "pairs": pairs,
        "round_trip": trip,
    }
    section = Section(
        "Paths through noise",
        f"{pairs} pairs of test images of two classes, in the VAE's codes. There and back, an end is missed by {trip:.1%} of the pair's distance (median).",
        [
            TableBlock(Table(PATH_COLUMNS, rows), "Paths between held-out images"),
            Figure(
                figures.png(strips(frames)),
                "Rows of frames from one image to another, one row for each method.",
                "'flow' goes through noise: the ends are carried to t = 1 by the probability flow, joined on a great circle, and carried back.",
                "The first pair",
                wide=True,
            ),
        ],
    )
    return values, section


def _inverse(pixels: Run, vae: Run, count: int) -> tuple[dict[str, Any], Section]:
    """Measures in-painting and super-resolution with the unconditional score; errors are those of unseen pixels."""
    assert isinstance(pixels.dataset, ImageData)
    d = pixels.diffusion
    truth = part(pixels.data, "test").take(torch.arange(count)).floats()
    x = d.standardiser.to_model(truth)
    _, h, w = truth.shape[1:]
    keep = torch.ones(1, h, w, dtype=torch.bool)
    keep[:, h // 4 : h - h // 4, w // 4 : w - w // 4] = False
    problems: dict[str, LinearOperator] = {"in-painting": Mask(keep)}
    if h % 4 == 0 and w % 4 == 0:
        problems["super-resolution"] = Downsample(4 if h > 8 else 2)
    values: dict[str, Any] = {}
    rows: dict[str, Any] = {"truth": truth[:12].numpy()}
    cells = {}
    sde = d.denoiser.sde
    for name, operator in problems.items():
        y = operator(x)
        sampler = build_sampler(Sampling("ancestral", STEPS), sde)
        replaced = sampler(d.denoiser.score, RowNoise(0, count, d.shape), project=Replacement(operator, y, sde))
        posterior = PosteriorScore(d.denoiser.score, sde, operator, y, d.denoiser.deviation)
        ways = {"replacement": replaced, "posterior": sampler(posterior, RowNoise(0, count, d.shape))}
        seen = operator.pseudo_inverse(y)
        rows[f"{name}: given"] = d.standardiser.to_data(seen)[:12].clamp(0, 1).numpy()
        for way, made in ways.items():
            out = d.standardiser.to_data(made.x)
            error = (out - truth).flatten(1).square().mean(1).sqrt()
            broken = (operator(made.x) - y).flatten(1).square().mean(1).sqrt()
            values[f"{name}, {way}"] = {
                "error": float(error.mean()),
                "constraint": float(broken.mean()),
                "nfe": made.nfe,
            }
            cells[f"{name}, {way}"] = {
                "error": Cell.of(statistics.bootstrap_mean(error.double(), 0)),
                "constraint": Cell(float(broken.mean())),
                "nfe": Cell(made.nfe),
            }
            rows[f"{name}: {way}"] = out[:12].clamp(0, 1).numpy()
    columns = {
        "error": Column(
            "error", ".3f", "lower", "root mean square distance from the image that was hidden; many answers are right"
        ),
        "constraint": Column("broken", ".4f", "lower", "root mean square of A x - y, in the network's units"),
        "nfe": Column("NFE", ".0f", None, "evaluations of the score"),
    }
    section = Section(
        "Inverse problems with the unconditional score",
        f"{count} test images; nothing was trained for these.",
        [
            TableBlock(Table(columns, cells), "In-painting and super-resolution"),
            Figure(
                figures.png(strips(rows, path=False)),
                "Rows of images: the truth, the given part, and the completed image.",
                "The given part, and how the model completed it.",
                "In-painting and super-resolution",
                wide=True,
            ),
        ],
    )
    return values, section


def _overhead(run: Run, rows: int = 64, repeats: int = 5) -> dict[str, float]:
    """Measures the sampler's seconds over those of its network's bare passes, timed in alternation."""
    d = run.diffusion
    sampler = build_sampler(Sampling("heun", 8), d.denoiser.sde)
    x = torch.randn(rows, *d.shape, generator=torch.Generator().manual_seed(0))
    c = torch.zeros(rows)
    nfe = sampler(d.denoiser.score, RowNoise(0, rows, d.shape)).nfe

    def bare() -> None:
        with torch.no_grad():
            for _ in range(nfe):
                d.denoiser.network(x, c, None)

    took = timing.medians(
        {"sampler": lambda: sampler(d.denoiser.score, RowNoise(0, rows, d.shape)), "bare": bare}, repeats
    )
    return {**took, "ratio": took["sampler"] / took["bare"], "rows": float(rows), "nfe": float(nfe)}


def _table_section(
    graded: Mapping[str, list[samples.GradedImages]], seconds: Mapping[str, float], shown: Mapping[str, Tensor], n: int
) -> Section:
    shown_columns = ("frechet", "kid", "precision", "recall", "density", "coverage")
    columns = {**{k: IMAGES[k] for k in shown_columns}, "seconds": SAMPLING["seconds"]}
    rows = {}
    for name, grades in graded.items():
        mean = samples.pooled(grades)
        rows[name] = {k: Cell(mean[k]) for k in columns if k in mean}
        if name in seconds:
            rows[name]["seconds"] = Cell(seconds[name])
    lines = ("real, held out", "reconstructions of the VAE")
    blocks: list[Any] = [TableBlock(Table(columns, rows, lines), f"{n} samples of each, against as many real images")]
    for name in ("real, held out", "prior of the VAE", "codes", "pixels"):
        blocks.append(
            Figure(
                figures.png(pictures.sheet(shown[name].numpy(), 16, 36)),
                f"A sheet of images: {name}.",
                f"{name}: the first {len(shown[name])}, not chosen.",
                name,
            )
        )
    return Section(
        "Samples", "Judged by two classifiers that saw none of the images that the models learned from.", blocks
    )
