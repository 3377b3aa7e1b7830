"""Guidance in the plane by sampler, by guided part and by number of evaluations; and the places where it acts."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.judging import samples
from ridgewalk.metrics import statistics
from ridgewalk.protocols import VectorField
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.guide import Guide
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import Claim, Criterion, Verdict, by_value, judge, with_count
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Part
from ridgewalk_studies.guidance.measures import (
    SAMPLES,
    Ledger,
    Way,
    arrivals,
    format_values,
    guided_score,
    measure_way,
    nll,
)
from ridgewalk_studies.measures import scores
from ridgewalk_studies.sources import GUIDANCE

WAY = "steps of the sampler, from noise (0) to data (1)"
TIMES = (0.05, 0.1, 0.2, 0.4)
STEPS = (5, 10, 20, 40, 80)
CORRECTIONS = (0, 1, 2, 4)

BOTH_PARTS = Claim(
    "A learned guide belongs in predictor and corrector both.",
    "",
    (by_value("KL with both parts guided over the least with one alone", "below", 1),),
)
FEWER_CORRECTIONS = Claim(
    "Guided, fewer corrector steps are needed.",
    GUIDANCE,
    (by_value("KL with one guided correction over the least with any number of unguided ones", "at most", 1),),
)
FEWER_STEPS = Claim(
    "Guided, fewer evaluations give the same quality.",
    GUIDANCE,
    (by_value("steps whose guided KL is that of the most unguided steps, over the most", "below", 1),),
)
MENDED = Claim(
    "Guidance acts most where data are rare, and mends the score there.",
    GUIDANCE,
    (
        by_value("strength in the thinnest tenth over that in the densest, at each level", "above", 1),
        by_value("error in the thinnest tenth, guided over unguided, at each level", "below", 1),
        by_value("error outside of the data, guided over unguided, at each level", "below", 1),
    ),
    "some",
)
SOONER = Claim(
    "Guided trajectories reach the data sooner.",
    GUIDANCE,
    (
        by_value("largest lead in the share that arrived", "above", 0.05),
        by_value("least lead", "above", -0.02),
    ),
    "first",
)
TAILS = Claim(
    "Guidance improves the likelihood, above all of the tails.",
    GUIDANCE,
    (
        Criterion("change of the NLL in nats", "below", 0),
        Criterion("change of the NLL in the thinnest tenth", "below", 0, least=20),
    ),
    "first",
)


def samplers(
    e: Experiment,
    run: Run,
    guide: Guide,
    density: GaussianMixture,
) -> Part:
    """Compares steps, corrections, and the guided parts of a predictor-corrector."""
    model = run.diffusion
    few = 8 if e.quick else 100
    corrections, tried = (CORRECTIONS[:2], STEPS[:3]) if e.quick else (CORRECTIONS, STEPS)
    pc = Sampling("pc", few)
    own = e.guide(run, "pc", run.origin.seed, [f"sampling.sampler={pc.sampler}", f"sampling.steps={pc.steps}"])
    field, plain = guided_score(model, own), model.denoiser.score
    parts = Ledger()
    parts.add("neither", measure_way(Way(model, how=pc), density, e.points, SAMPLES))
    for name, score, corrector in (
        ("both", field, None),
        ("predictor alone", field, plain),
        ("corrector alone", plain, field),
    ):
        parts.add(name, measure_way(Way(model, score, pc, corrector), density, e.points, SAMPLES))
    kls = {k: parts.mean(k)["kl"] for k in parts.rows}
    corrected = Ledger()
    for m in corrections:
        how = replace(pc, corrections=m) if m else Sampling("reverse-diffusion", few)
        corrected.add(f"M = {m}", measure_way(Way(model, how=how), density, e.points, SAMPLES))
        corrected.add(f"M = {m}, guided", measure_way(Way(model, field, how), density, e.points, SAMPLES))
    least = min(corrected.mean(f"M = {m}")["kl"] for m in corrections)
    evaluated = Ledger()
    for steps in tried:
        how = replace(run.recipe.sampling, steps=steps)
        evaluated.add(f"{steps} steps", measure_way(Way(model, how=how), density, e.points, SAMPLES))
        evaluated.add(
            f"{steps} steps, guided",
            measure_way(Way(model, guided_score(model, guide), how), density, e.points, SAMPLES),
        )
    matched = e.guide(run, "ten", run.origin.seed, ["sampling.steps=10"])
    ten = replace(run.recipe.sampling, steps=10)
    evaluated.add(
        "10 steps, guided, negatives of 10 steps",
        measure_way(Way(model, guided_score(model, matched), ten), density, e.points, SAMPLES),
    )
    most = evaluated.mean(f"{tried[-1]} steps")["kl"]
    enough = [s for s in tried if evaluated.mean(f"{s} steps, guided")["kl"] <= most]
    sections = [
        Section(
            "Which part of a predictor-corrector, how many corrections, how many evaluations",
            f"One seed; {e.points} samples of each. Negatives are of {few} levels with one correction, or of Heun's in {run.recipe.sampling.steps} steps.",
            [
                TableBlock(parts.table(), "Parts guided"),
                TableBlock(corrected.table(), "Corrections M at each level"),
                TableBlock(evaluated.table(), "Steps of Heun's method"),
            ],
        )
    ]
    found = {
        name: {k: v[0] for k, v in t.rows.items()}
        for name, t in (("parts", parts), ("corrections", corrected), ("steps", evaluated))
    }
    verdicts = [
        judge(
            BOTH_PARTS,
            with_count(kls["both"] / min(kls["predictor alone"], kls["corrector alone"]), e.points),
            figure=", ".join(f"{k} {v:.3f}" for k, v in kls.items()),
            how=f"KL, {few} levels of one correction each, negatives of that sampler, one seed",
        ),
        judge(
            FEWER_CORRECTIONS,
            with_count(corrected.mean("M = 1, guided")["kl"] / least, e.points),
            figure="; ".join(
                f"M = {m}: {corrected.mean(f'M = {m}')['kl']:.3f} unguided, {corrected.mean(f'M = {m}, guided')['kl']:.3f} guided"
                for m in corrections
            ),
        ),
        judge(
            FEWER_STEPS,
            with_count(min(enough, default=math.inf) / tried[-1], e.points),
            figure=f"unguided {most:.3f} with {tried[-1]} steps; guided "
            + ", ".join(f"{evaluated.mean(f'{s} steps, guided')['kl']:.3f} with {s}" for s in tried),
            how="evaluations of the score: a guided one has the discriminator's gradient too, see the seconds",
        ),
    ]
    return Part(found, verdicts, sections)


def where(run: Run, guide: Guide, density: GaussianMixture, quick: bool = False) -> Part:
    """Measures where guidance is strong, whether it improves the score there, how soon states arrive, and the tails' likelihood."""
    model, field = run.diffusion, guided_score(run.diffusion, guide)
    own, sde = model.density(density), model.denoiser.sde
    rows = 500 if quick else 10000

    def added(x: Tensor, t: Tensor) -> Tensor:
        return field(x, t) - model.denoiser.score(x, t)

    before = scores.score_error(model.denoiser.score, own, sde, TIMES, rows)
    after = scores.score_error(field, own, sde, TIMES, rows)
    acts = scores.score_error(_from_truth(added, own, sde), own, sde, TIMES, rows)
    cells, found = {}, {}
    for b, a, s in zip(before, after, acts):
        line = {
            "acts_thin": float(s.tenths[0]),
            "acts_dense": float(s.tenths[-1]),
            "thin_before": float(b.tenths[0]),
            "thin_after": float(a.tenths[0]),
            "dense_before": float(b.tenths[-1]),
            "dense_after": float(a.tenths[-1]),
            "outside_before": b.outside,
            "outside_after": a.outside,
        }
        found[f"{b.t:g}"] = line
        cells[f"t = {b.t:g}"] = {k: Cell(v) for k, v in line.items()}
    heads = {
        "acts_thin": Column(
            "guidance, thin",
            ".3f",
            None,
            "median |w grad log r| in the thinnest tenth of p_t, over the mean size of the score",
        ),
        "acts_dense": Column("guidance, dense", ".3f", None, "the same in the densest tenth"),
        "thin_before": Column("error, thin", ".3f", "lower", "of the score, unguided"),
        "thin_after": Column("guided", ".3f", "lower", ""),
        "dense_before": Column("error, dense", ".3f", "lower", ""),
        "dense_after": Column("guided", ".3f", "lower", ""),
        "outside_before": Column(
            "error, outside", ".3f", "lower", "where p_t is thinner than at all but a thousandth of its draws"
        ),
        "outside_after": Column("guided", ".3f", "lower", ""),
    }
    stronger = [v["acts_thin"] / max(v["acts_dense"], 1e-12) for v in found.values()]
    mended = [v["thin_after"] / v["thin_before"] for v in found.values()]
    outside = [
        v["outside_after"] / v["outside_before"] for v in found.values() if v["outside_before"] == v["outside_before"]
    ]
    few = 200 if quick else 5000
    ways = {
        "base": arrivals(Way(model), density, few, SAMPLES),
        "guided": arrivals(Way(model, field), density, few, SAMPLES),
    }
    ahead = [g - b for g, b in zip(ways["guided"]["arrived"], ways["base"]["arrived"])]
    tails, of_tails = _tails(run, field, density, 20 if quick else 400)
    shown = {name: torch.tensor(v["arrived"]).numpy() for name, v in ways.items()}
    errors = {name: torch.tensor(v["kl"]).numpy() for name, v in ways.items()}
    sections = [
        Section(
            "Where guidance acts, and how soon samples arrive",
            "One seed. Errors are relative to the mean size of the exact score at that level.",
            [
                TableBlock(Table(heads, cells), "By density of the data at each level"),
                Figure(
                    figures.png(figures.traces(shown, "share arrived", xlabel=WAY)),
                    "Share of states whose expected data lie where data are, from noise to data.",
                    "Share of states whose E[x_0 | x_t] lies where data are.",
                    "Arrival",
                ),
                Figure(
                    figures.png(figures.traces(errors, "KL(states || p_t)", xlabel=WAY)),
                    "Divergence of the states' law from the noised data's, from noise to data.",
                    "How far the law of the states is from the noised data's, level by level.",
                    "Divergence along the trajectory",
                ),
            ],
        )
    ]
    verdicts = [
        judge(
            MENDED,
            stronger,
            mended,
            outside,
            figure=f"strength in the thinnest tenth over the densest {format_values(stronger, '.2f')}; "
            f"error there after over before {format_values(mended, '.2f')}; outside the data {format_values(outside, '.2f')}",
            how="at t = " + ", ".join(f"{t:g}" for t in TIMES),
        ),
        judge(
            SOONER,
            max(ahead),
            min(ahead),
            figure="; ".join(
                f"{lv:.2g}: {b:.2f} and {g:.2f}"
                for lv, b, g in zip(ways["base"]["level"], ways["base"]["arrived"], ways["guided"]["arrived"])
                if lv < 3
            ),
            how="share of states whose expected data lie where data are, by sigma / alpha, without and with guidance; the noise is the same",
        ),
    ]
    return Part({"score": found, "arrival": ways, "tails": tails}, [*verdicts, of_tails], sections)


def _from_truth(added: VectorField, density: GaussianMixture, sde: Any) -> VectorField:
    """Returns a score whose error, as ``score_error`` reports it, is ``added``."""

    def field(x: Tensor, t: Tensor) -> Tensor:
        time = t.double()
        return added(x, t) + density.noised(float(sde.alpha(time)), float(sde.sigma(time))).score(x.double()).to(x)

    return field


def _tails(run: Run, field: VectorField, density: GaussianMixture, count: int) -> tuple[dict[str, Any], Verdict]:
    """Measures the NLL of all data and of their thinnest tenth, unguided and guided."""
    x = samples.draws(density, count, 31)
    log_p = density.to(torch.float64).log_prob(x)
    thin = log_p <= log_p.quantile(0.1)
    before, after = nll(run.diffusion, run.diffusion.denoiser.score, x), nll(run.diffusion, field, x)
    whole = statistics.paired_difference(after, before, 0)
    tail = statistics.paired_difference(after[thin], before[thin], 0)
    found = {
        "truth": float(-log_p.mean()),
        "before": float(before.mean()),
        "after": float(after.mean()),
        "truth_tail": float(-log_p[thin].mean()),
        "before_tail": float(before[thin].mean()),
        "after_tail": float(after[thin].mean()),
    }
    verdict = judge(
        TAILS,
        whole,
        tail,
        figure=f"NLL {found['before']:.3f} becomes {found['after']:.3f} (truth {found['truth']:.3f}), change {whole:+.3f}; in the thinnest tenth "
        f"{found['before_tail']:.3f} becomes {found['after_tail']:.3f} (truth {found['truth_tail']:.3f}), change {tail:+.3f}",
        how=f"{count} draws, the flow's likelihood with the divergence of the whole guided drift",
    )
    return found, verdict
