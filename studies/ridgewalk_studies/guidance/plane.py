"""
Discriminator guidance of a known density: tests with exact ratios, then the effect of a learned discriminator on a learned score.

    exact        the guided score, its likelihood, and which part of a predictor-corrector must be guided
    controls     five seeds of a base that is too small, against twice the evaluations, more training for the same time, and a larger network
    ablations    strength, schedule, negatives, objective, architecture, joint training; samplers; where guidance acts
    limits       bases that are trained well or hardly at all, other densities
"""

from collections.abc import Sequence
from dataclasses import replace

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.judging import samples
from ridgewalk.reports import Figure, Section, TableBlock, figures
from ridgewalk.reports import samples as pictures
from ridgewalk.store.guide import Guide
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import SEEDS, Claim, Criterion, Verdict, by_value, judge, with_count
from ridgewalk_studies.diffusion.exact import known_density
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings, Part, join_parts
from ridgewalk_studies.guidance import ablations, oracle, ways
from ridgewalk_studies.guidance.measures import SAMPLES, Ledger, Way, format_values, guided_score, measure_way, quality
from ridgewalk_studies.sources import GUIDANCE

TAKEN_OFF = {
    key: Claim(
        f"Guidance of a score network of 2 x 16 takes at least {share:.0%} off its {what}, at equal evaluations.",
        "",
        (Criterion(f"relative change of the {what}, over seeds", "below", -share, least=SEEDS),),
    )
    for key, share, what in (
        ("kl", 0.70, "KL(model || data)"),
        ("sliced_wasserstein", 0.25, "sliced Wasserstein distance"),
    )
}
RECALL = Claim(
    "Recall is no worse.",
    GUIDANCE,
    (Criterion("change of recall, over seeds", "above", -0.01, refuted=0, least=SEEDS),),
)
CONTROLS = {
    control: Claim(
        f"Guidance beats this control: {control}.",
        GUIDANCE,
        (Criterion("KL less the control's, over seeds", "below", 0, least=SEEDS),),
    )
    for control in ("trained longer", "base, twice the evaluations", "larger network")
}
CONVERGED = Claim(
    "Where the small network has learned what it can, guidance beats more training for the same time.",
    GUIDANCE,
    (Criterion("KL less that of more training, over seeds", "below", 0, least=SEEDS),),
)
WELL_TRAINED = Claim(
    "Guidance of a well-trained base is no worse.",
    GUIDANCE,
    (
        by_value("mean rise of KL", "at most", 0.01),
        by_value("mean rise of the sliced Wasserstein distance", "at most", 0.005),
    ),
)


def measure(e: Experiment) -> Findings:
    """Measures with exact ratios, trains, measures learned guidance, and judges the claims."""
    first = e.diffusion(e.settings.reproduce.seeds[0])
    density = known_density(first)
    exact = oracle.prove(density, e.points, quick=e.quick)
    runs = [first, *(e.diffusion(seed) for seed in e.settings.reproduce.seeds[1:])]
    guide = {run.origin.seed: e.guide(run, "guide", run.origin.seed, beside=True) for run in runs}
    ledger, controls = _controls(e, runs, guide, density)
    own = guide[first.origin.seed]
    change = ledger.change("guided", "base", "kl")
    answer = [
        f"With the exact ratio the guided score is the data's (error {exact['score_error']:.1e}) and its likelihood true within {exact['nll_error']:.4f} nat.",
        f"Learned, on a base of 2 x 16: KL(model || data) changes by {change:.0%} and the sliced Wasserstein distance by "
        f"{ledger.change('guided', 'base', 'sliced_wasserstein'):.0%} at equal evaluations (means over {len(runs)} seeds and 95 % intervals).",
        f"The same time spent on a larger score network gives KL {ledger.mean('larger network')['kl']:.3f}, guidance {ledger.mean('guided')['kl']:.3f}, "
        f"more training of the small one {ledger.mean('trained longer')['kl']:.3f}: guide a score that cannot be trained anew.",
    ]
    return join_parts(
        answer,
        ("exact", exact),
        ("controls", controls),
        ("strengths", ablations.strengths(e, first, own, density)),
        ("discriminators", ablations.discriminators(e, first, own, density)),
        ("joint", ablations.joint(e, runs[:2], guide, density)),
        ("samplers", ways.samplers(e, first, own, density)),
        ("where", ways.where(first, own, density, quick=e.quick)),
        ("bases", _measure_bases(e, density)),
        ("others", _measure_others(e)),
    )


def cost(guide: Guide) -> float:
    """Returns the seconds that a guide took: its negatives, its training, its diagnosis."""
    return float(sum(guide.record["seconds"].values()))


def longer(e: Experiment, run: Run, guide: Guide, name: str, variant: str = "") -> Run:
    """Returns the same diffusion, trained from the beginning for as long as it and its guide took together."""
    base = float(run.diffusion.record["seconds"])
    epochs = e.epochs(base + cost(guide), base / run.recipe.diffusion.epochs)
    return e.diffusion(run.origin.seed, variant, changes=[f"diffusion.epochs={epochs}"], name=name)


def larger(e: Experiment, run: Run, guide: Guide) -> Run:
    """Returns the network of the variant "well", trained for as long as base and guide took together."""
    pilot = e.diffusion(run.origin.seed, "well", changes=["diffusion.epochs=2"], name="pilot")
    per_epoch = float(pilot.diffusion.record["seconds"]) / 2
    epochs = e.epochs(float(run.diffusion.record["seconds"]) + cost(guide), per_epoch)
    return e.diffusion(run.origin.seed, "well", changes=[f"diffusion.epochs={epochs}"], name="larger")


def _controls(
    e: Experiment,
    runs: Sequence[Run],
    guide: dict[int, Guide],
    density: GaussianMixture,
) -> tuple[Ledger, Part]:
    ledger, seconds = Ledger(), []
    for run in runs:
        own, model = guide[run.origin.seed], run.diffusion
        plain = e.guide(run, "bce", run.origin.seed, ["guidance.matching=0"])
        more, other = longer(e, run, own, "longer"), larger(e, run, own)
        how = run.recipe.sampling
        rows = {
            "base": Way(model),
            "base, twice the evaluations": Way(model, how=replace(how, steps=2 * how.steps)),
            "trained longer": Way(more.diffusion),
            "larger network": Way(other.diffusion),
            "guided": Way(model, guided_score(model, own)),
            "guided, cross-entropy alone": Way(model, guided_score(model, plain)),
        }
        for name, way in rows.items():
            ledger.add(name, measure_way(way, density, e.points, SAMPLES))
        ledger.add("draws of the density", quality(samples.draws(density, e.points, 101 + run.origin.seed), density))
        seconds.append(
            {
                "base": float(model.record["seconds"]),
                **{k: float(v) for k, v in own.record["seconds"].items()},
                "trained longer": float(more.diffusion.record["seconds"]),
                "larger network": float(other.diffusion.record["seconds"]),
            }
        )
    ground = samples.plane(density)
    model = runs[0].diffusion
    shown = {
        "draws of the density": samples.draws(density, 4000, 9).float().numpy(),
        "base": model.sample(4000, SAMPLES).x.numpy(),
        "guided": model.sample(4000, SAMPLES, score=guided_score(model, guide[runs[0].origin.seed])).x.numpy(),
    }
    few = {
        "base": model.sample(24, 5, keep=40).states.numpy(),
        "guided": model.sample(24, 5, keep=40, score=guided_score(model, guide[runs[0].origin.seed])).states.numpy(),
    }
    section = Section(
        "A base that is too small: guidance against its controls",
        f"Means over {len(runs)} seeds. Base {format_values([s['base'] for s in seconds], '.0f')} s of training; negatives, discriminator and diagnosis "
        f"{format_values([sum(s.get(k, 0.0) for k in ('negatives', 'training', 'account')) for s in seconds], '.0f')} s.",
        [
            TableBlock(ledger.table(("draws of the density",)), f"{e.points} samples of each"),
            Figure(
                figures.png(pictures.clouds(shown, ground)),
                "Clouds of points over the density: draws, the base, the guided base.",
                "Samples of the first seed, the same noise for both.",
                "Samples",
                "Grey is the data's density (its square root, so that thin places show).",
            ),
            Figure(
                figures.png(pictures.trajectories(few, ground)),
                "Lines from noise to data, without and with guidance.",
                "The trajectories of 24 samples from the same noise, without and with guidance.",
                "Trajectories",
            ),
        ],
    )
    return ledger, Part(
        {**ledger.rows, "seconds": seconds}, _judge_controls(ledger, e.points, size_of(other)), [section]
    )


def _judge_controls(ledger: Ledger, points: int, larger: str) -> list[Verdict]:
    """Judges the reductions by guidance, its recall, and whether it beats each control."""
    seeds = len(ledger.rows["base"])
    changes = {key: ledger.change("guided", "base", key) for key in TAKEN_OFF}
    better = {control: ledger.difference("guided", control, "kl") for control in CONTROLS}
    recall, kl = ledger.difference("guided", "base", "recall"), {name: ledger.mean(name)["kl"] for name in ledger.rows}
    how = (
        f"{seeds} seeds, each a base, negatives, a discriminator and samples of its own; mean change and Student's interval over seeds; "
        f"{points} samples, common noise"
    )
    equal = (
        f"equal time counts negatives, the discriminator's training and its diagnosis; the larger network is {larger}"
    )
    return [
        *(judge(claim, changes[key], figure=f"{changes[key]:.0%}", how=how) for key, claim in TAKEN_OFF.items()),
        judge(RECALL, recall, figure=f"{recall:+.3f}", how="mean difference over seeds"),
        *(
            judge(
                claim,
                better[c],
                figure=f"KL {kl['guided']:.3f} against {kl[c]:.3f}, difference {better[c]:+.3f}",
                how=equal,
            )
            for c, claim in CONTROLS.items()
        ),
    ]


def size_of(run: Run) -> str:
    """Returns layers and units of a diffusion's network, as in "2 x 16"."""
    hidden = run.recipe.diffusion.hidden
    return f"{len(hidden)} x {hidden[0]}"


def _measure_bases(e: Experiment, density: GaussianMixture) -> Part:
    """Measures guidance of bases that lack training or capacity, and of one that is trained well."""
    ledger, seconds, names = Ledger(), {}, {}
    for variant, what, seeds in (
        ("under", "hardly trained", e.settings.reproduce.seeds[:2]),
        ("converged", "converged", e.settings.reproduce.seeds),
        ("well", "well trained", e.settings.reproduce.seeds[:2]),
    ):
        for seed in seeds:
            run = e.diffusion(seed, variant)
            name = names[variant] = f"{what} ({size_of(run)})"
            own = e.guide(run, "guide", seed, beside=True)
            more = longer(e, run, own, f"{variant}-longer", variant)
            ledger.add(name, measure_way(Way(run.diffusion), density, e.points, SAMPLES))
            ledger.add(f"{name}, trained longer", measure_way(Way(more.diffusion), density, e.points, SAMPLES))
            corrected = Way(run.diffusion, guided_score(run.diffusion, own))
            ledger.add(f"{name}, guided", measure_way(corrected, density, e.points, SAMPLES))
            seconds[f"{variant}-{seed}"] = {"base": float(run.diffusion.record["seconds"]), "guide": cost(own)}
    small, well = names["converged"], names["well"]
    better = ledger.difference(f"{small}, guided", f"{small}, trained longer", "kl")
    worse = ledger.difference(f"{well}, guided", well, "kl")
    distance = ledger.difference(f"{well}, guided", well, "sliced_wasserstein")
    section = Section(
        "When it is worth it",
        "A base that lacks training, one that lacks capacity, one that lacks little; 'trained longer' had the time that base and guide took together.",
        [TableBlock(ledger.table(), f"{e.points} samples of each")],
    )
    verdicts = [
        judge(
            CONVERGED,
            better,
            figure=f"KL {ledger.mean(small)['kl']:.3f}; trained longer {ledger.mean(f'{small}, trained longer')['kl']:.3f}, guided "
            f"{ledger.mean(f'{small}, guided')['kl']:.3f}, difference {better:+.3f}; change by guidance {ledger.change(f'{small}, guided', small, 'kl'):.0%}",
            how=f"{len(e.settings.reproduce.seeds)} seeds of everything, Student's interval",
        ),
        judge(
            WELL_TRAINED,
            with_count(worse.value, e.points),
            with_count(distance.value, e.points),
            figure=f"KL {format_values(ledger.values(well, 'kl'))} becomes {format_values(ledger.values(f'{well}, guided', 'kl'))}; sliced Wasserstein "
            f"{format_values(ledger.values(well, 'sliced_wasserstein'))} becomes {format_values(ledger.values(f'{well}, guided', 'sliced_wasserstein'))}",
            how="two seeds",
        ),
    ]
    return Part({**ledger.rows, "seconds": seconds}, verdicts, [section])


def _measure_others(e: Experiment) -> Part:
    """Measures guidance on other densities, and draws the trajectories of samples."""
    ledger, blocks = Ledger(), []
    for source in ("swiss-roll", "grid"):
        run = e.diffusion(e.settings.reproduce.seeds[0], source=source)
        density, own = known_density(run), e.guide(run, "guide", 0, beside=True)
        modes = source in samples.MODES
        corrected = guided_score(run.diffusion, own)
        for name, way in ((source, Way(run.diffusion)), (f"{source}, guided", Way(run.diffusion, corrected))):
            ledger.add(name, measure_way(way, density, e.points, SAMPLES, modes))
        few = {
            "base": run.diffusion.sample(24, 5, keep=40).states.numpy(),
            "guided": run.diffusion.sample(24, 5, keep=40, score=corrected).states.numpy(),
        }
        blocks.append(
            Figure(
                figures.png(pictures.trajectories(few, samples.plane(density))),
                f"Lines from noise to data on the {source}, without and with guidance.",
                f"{source}: the trajectories of 24 samples from the same noise.",
                source,
            )
        )
    section = Section(
        "Other densities",
        "One seed, the same small network and the same settings.",
        [TableBlock(ledger.table(), f"{e.points} samples of each"), *blocks],
    )
    return Part(ledger.rows, sections=[section])
