"""
Diffusions of points of a known density: samplers and likelihoods with the exact score (``diffusion.exact``), then with a learned score.

    learned score        the same samplers; KL both ways, modes, distances; training time
    where it is wrong    error of the score by density
    other choices        weightings, implicit and sliced matching, VE and sub-VP; other densities up to 64 dimensions
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.diffusion import VE, VP, Flow, SubVP
from ridgewalk.diffusion.likelihood import Likelihood
from ridgewalk.judging import samples
from ridgewalk.metrics import statistics
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports import samples as pictures
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import Claim, by_value, judge, with_count
from ridgewalk_studies.diffusion.exact import COLUMNS, COMPARED, FINEST, known_density, prove
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings, Part, join_parts
from ridgewalk_studies.measures import scores
from ridgewalk_studies.sources import GUIDANCE, WEIGHTING

LEARNED = 0.15
"""Largest KL(model || data) that a learned score may have."""

LEARNS = Claim(
    f"KL(model || data) of a learned score is at most {LEARNED} after at most two minutes of training.",
    "",
    (
        by_value("KL(model || data) of the worst seed", "at most", LEARNED),
        by_value("longest training in seconds", "at most", 120),
    ),
)
RARE = Claim(
    "The score is wrong above all where data are rare.",
    GUIDANCE,
    (
        by_value("error in the thinnest tenth over the densest, at each level", "above", 1),
        by_value("error outside of the data over the middle, at each level", "above", 1),
    ),
    "first",
)
BEST_WEIGHTING = Claim(
    "Likelihood weighting gives the best likelihood.",
    WEIGHTING,
    (by_value("KL(data || model) less the usual weighting's, of one seed", "below", -0.005, refuted=0.005),),
)

EXACT = 16
"""Dimensions up to which the divergence is taken exactly."""

TIMES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
OTHERS = ("grid", "swiss-roll", "moons", "mixture-16", "mixture-64")


def measure(e: Experiment) -> Findings:
    """Measures with the exact score, trains, measures with the learned score, and judges the claims."""
    runs = [e.diffusion(seed) for seed in e.settings.reproduce.seeds]
    first = runs[0]
    density = known_density(first)
    n = e.points
    floor = samples.floor(density, n, True)
    plans = [replace(how, steps=min(how.steps, 12)) for how in COMPARED] if e.quick else list(COMPARED)
    sdes = (VP(),) if e.quick else (VP(), SubVP(), VE())
    proven = prove(first, density, n, floor, plans, sdes, FINEST // 2 if e.quick else FINEST)
    learned = _measure_learned(runs, density, n, floor, plans)
    best = learned[first.recipe.sampling.sampler]
    answer = [
        f"With the exact score every sampler comes within {proven['worst_floor_ratio']:.2f} of the floor's KL and the likelihood within "
        f"{proven['likelihood_error']:.4f} nat of the truth. Learned in {best['seconds']:.0f} s, KL(model || data) is {best['kl']:.3f} "
        f"(floor {floor['kl']:.3f}), KL(data || model) {best['forward_kl']:.3f}."
    ]
    return join_parts(
        answer,
        ("", Part({"floor": floor})),
        ("", proven),
        ("learned", learned),
        ("score_error", _measure_where_wrong(first, density)),
        ("", _measure_others(e, first, n)),
    )


def _measure_learned(
    runs: Sequence[Run],
    density: GaussianMixture,
    n: int,
    floor: Mapping[str, float],
    plans: Sequence[Sampling],
) -> Part:
    rows: dict[str, Any] = {}
    cells: dict[str, dict[str, Cell]] = {}
    shown: dict[str, Any] = {}
    ways: dict[str, Any] = {}
    own = runs[0].recipe.sampling
    for how in (own, *(r for r in plans if r.sampler != own.sampler)):
        every = []
        for run in runs:
            made = run.diffusion.sample(n, 3, how)
            every.append({**samples.compare_with_density(made.x, density, True), "nfe": made.nfe})
        mean = {k: sum(v[k] for v in every) / len(every) for k in every[0]}
        rows[how.sampler] = {**mean, "each_kl": [v["kl"] for v in every]}
        cells[how.sampler] = {k: Cell(v) for k, v in mean.items()}
        if how.sampler in _SHOWN:
            few = runs[0].diffusion.sample(pictures.WAYS, 5, how, keep=30)
            shown[how.sampler] = runs[0].diffusion.sample(4000, 4, how).x.numpy()
            ways[how.sampler] = few.states.numpy()
    forward = [_forward_kl(run, density) for run in runs]
    seconds = [float(r.diffusion.record["seconds"]) for r in runs]
    rows[own.sampler] |= {
        "forward_kl": sum(f.value for f in forward) / len(forward),
        "forward_each": [[f.value, f.low, f.high] for f in forward],
        "seconds": max(seconds),
    }
    cells["draws of the density"] = {k: Cell(v) for k, v in floor.items()}
    kls = rows[own.sampler]["each_kl"]
    ground = samples.plane(density)
    draws = samples.draws(density, 4000, 9).float().numpy()
    section = Section(
        "The learned score",
        f"{len(runs)} seeds; figures are means over them.",
        [
            TableBlock(Table(COLUMNS, cells, ("draws of the density",)), "Samplers with the learned score"),
            Figure(
                figures.png(pictures.clouds({"draws of the density": draws, **shown}, ground)),
                "Clouds of points over the density, one panel for draws of the density and one for each sampler.",
                "Samples of the learned score, and draws of the density itself.",
                "Samples",
                "Grey is the data's density (its square root, so that thin places show).",
            ),
            Figure(
                figures.png(pictures.trajectories(ways, ground)),
                "Lines from noise to data, one panel for each sampler.",
                f"The trajectories of {pictures.WAYS} samples from noise to data, from the same noise in each panel.",
                "Trajectories",
                "Lines darken towards data; dots are the samples. Deterministic trajectories are smooth, stochastic ones are not.",
            ),
        ],
    )
    verdicts = [
        judge(
            LEARNS,
            with_count(max(kls), n),
            max(seconds),
            figure=f"{', '.join(f'{k:.3f}' for k in kls)} (floor {floor['kl']:.3f}) after {', '.join(f'{s:.0f}' for s in seconds)} s, one value for each seed",
            how=f"{own.sampler}, {n} samples, KL by a histogram",
        ),
    ]
    return Part(rows, verdicts, [section])


_SHOWN = ("heun", "euler-maruyama", "pc", "langevin", "ode")


def _forward_kl(run: Run, density: GaussianMixture) -> statistics.Interval:
    """Returns KL(data || model), the mean of log p - log q over draws of p, with log q by the flow."""
    d = run.diffusion
    x = samples.draws(density, 200 if run.origin.budget == "smoke" else 2000, 21)
    inner = d.standardiser.to_model(x.float())
    divergence = "exact" if density.dims <= EXACT else "hutchinson"
    like = Likelihood(
        Flow(d.denoiser.sde, rtol=1e-4, atol=1e-4), divergence, prior_deviation=d.denoiser.prior_deviation
    )
    log_q = d.log_likelihood(inner, like).values.double() - d.standardiser.log_volume(d.shape)
    return statistics.bootstrap_mean(density.to(torch.float64).log_prob(x) - log_q, 0)


def _measure_where_wrong(run: Run, density: GaussianMixture) -> Part:
    d = run.diffusion
    own = d.density(density)
    found = scores.score_error(d.denoiser.score, own, d.denoiser.sde, TIMES)
    cells = {
        f"t = {f.t:g}": {
            "thin": Cell(float(f.tenths[0])),
            "middle": Cell(float(f.tenths[4:6].mean())),
            "dense": Cell(float(f.tenths[-1])),
            "outside": Cell(f.outside),
            "mean": Cell(f.mean),
        }
        for f in found
    }
    ratios = [float(f.tenths[0] / f.tenths[-1]) for f in found]
    away = [f.outside / float(f.tenths[4:6].mean()) for f in found if f.outside == f.outside]
    columns = {
        "thin": Column(
            "thinnest tenth", ".3f", "lower", "median relative error where p_t is smallest, among its own draws"
        ),
        "middle": Column("middle", ".3f", "lower", "at middling density"),
        "dense": Column("densest tenth", ".3f", "lower", "where p_t is largest"),
        "outside": Column(
            "outside", ".3f", "lower", "over a box, where p_t is thinner than at all but a thousandth of its draws"
        ),
        "mean": Column("squared", ".4f", "lower", "mean squared error over mean squared score: what training sees"),
    }
    section = Section(
        "Where the score is wrong",
        "The learned score against the exact one, by the density at the point of evaluation.",
        [TableBlock(Table(columns, cells), "Relative error of the score")],
    )
    values = [
        {"t": f.t, "level": f.level, "tenths": f.tenths.tolist(), "outside": f.outside, "mean": f.mean} for f in found
    ]
    verdicts = [
        judge(
            RARE,
            ratios,
            away,
            figure=f"error in the thinnest tenth of p_t over that in the densest: {', '.join(f'{r:.1f}' for r in ratios)} "
            f"(t = {', '.join(f'{t:g}' for t in TIMES)}); outside of what p_t reaches, over the middle: {', '.join(f'{a:.1f}' for a in away)}",
            how="median relative error of the learned score against the exact one, 20,000 points at each level",
        ),
    ]
    return Part({"levels": values}, verdicts, [section])


def _measure_others(e: Experiment, first: Run, n: int) -> Part:
    seed = e.settings.reproduce.seeds[0]
    variants, rows = {}, {}
    density = known_density(first)
    names = list(e.settings.reproduce.variants)[: 2 if e.quick else None]
    for name in ("", *names):
        run = e.diffusion(seed, name)
        values = samples.compare_with_density(run.diffusion.sample(n, 3).x, density, True)
        forward = _forward_kl(run, density)
        label = name or "unit (the recipe)"
        seconds = float(run.diffusion.record["seconds"])
        variants[label] = {**values, "forward_kl": forward.value, "seconds": seconds}
        rows[label] = {k: Cell(v) for k, v in values.items()} | {
            "forward_kl": Cell.of(forward),
            "seconds": Cell(seconds),
        }
    densities, more = {}, {}
    if not e.quick:
        for source in OTHERS:
            run = e.diffusion(seed, "", source)
            own = known_density(run)
            values = samples.compare_with_density(run.diffusion.sample(n, 3).x, own, source in samples.MODES)
            floor = samples.floor(own, n, source in samples.MODES)
            seconds = float(run.diffusion.record["seconds"])
            forward = _forward_kl(run, own)
            densities[source] = {**values, "forward_kl": forward.value, "floor": floor, "seconds": seconds}
            more[source] = {k: Cell(v, note=f"floor {floor[k]:.3g}") for k, v in values.items()} | {
                "forward_kl": Cell.of(forward),
                "seconds": Cell(seconds),
            }
    reverse = {k: v["kl"] for k, v in variants.items()}
    both = [variants[k]["forward_kl"] for k in ("likelihood", "usual")] if "likelihood" in variants else [math.nan] * 2
    blocks = [TableBlock(Table({**COLUMNS, **_MORE}, rows), "Weightings, matchings and SDEs")]
    if more:
        blocks.append(TableBlock(Table({**COLUMNS, **_MORE}, more), "Other densities, up to 64 dimensions"))
    section = Section(
        "Other choices",
        "One seed each, the same network and time of training; sampled as the recipe says.",
        blocks,
    )
    verdicts = [
        judge(
            BEST_WEIGHTING,
            both[0] - both[1],
            figure=", ".join(f"{k} {v['forward_kl']:.3f}" for k, v in variants.items()),
            how="KL(data || model) by the flow; one seed cannot distinguish 0.005 from 0",
        ),
    ]
    return Part({"variants": variants, "densities": densities, "reverse": reverse}, verdicts, [section])


_MORE = {
    "forward_kl": Column("KL(data || model)", ".3f", "lower", "with the model's density by the probability flow"),
    "seconds": Column("s", ".0f", None, "of training"),
}
