"""Ablations of guidance in the plane: its strength, its discriminator, and joint training of score and discriminator."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.diffusion.guidance import DiscriminatorGuidance, Window
from ridgewalk.fields import add
from ridgewalk.judging import samples
from ridgewalk.metrics import statistics, transport
from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk.reports.columns import GUIDES, POINTS
from ridgewalk.store.guide import GUIDE, Guide
from ridgewalk.store.run import Run, load
from ridgewalk.verbs import guide as guiding
from ridgewalk_studies.claims import SEEDS, Claim, Criterion, by_value, judge, with_count
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Part
from ridgewalk_studies.guidance.measures import GAMMAS, SAMPLES, VALIDATION, Ledger, Way, measure_way, nll
from ridgewalk_studies.guidance.measures import guided_score as by_guide
from ridgewalk_studies.sources import GUIDANCE

PILOT = 6
"""Number of epochs from which the time of joint training is estimated."""

FORWARD = 400
"""Number of data points whose likelihood is measured."""

BUILT: Mapping[str, tuple[str, Sequence[str]]] = {
    "cross-entropy alone": ("bce", ["guidance.matching=0"]),
    "cross-entropy, R1 of 0.1": ("r1", ["guidance.matching=0", "guidance.r1=0.1"]),
    "cross-entropy, spectral norm": ("spectral", ["guidance.matching=0", "guidance.spectral=true"]),
    "cross-entropy, times uniform": ("uniform", ["guidance.matching=0", "guidance.times=uniform"]),
    "cross-entropy, states of the rollout": ("rollout", ["guidance.matching=0", "guidance.kind=rollout"]),
    "cross-entropy, samples and states": ("both", ["guidance.matching=0", "guidance.kind=both"]),
    "gradients 100 to 1 (negatives hardly count)": ("gradients", ["guidance.matching=100"]),
    "no Fourier features": ("plain", ["guidance.fourier=0"]),
    "on the score network's own features": ("backbone", ["guidance.network=backbone"]),
}
"""Discriminators other than the recipe's, by their difference from it: the name of their folder, and their changes."""

SPARED = ("r1", "uniform", "gradients", "plain")
"""Folders of the discriminators that a smoke run leaves out: they differ from the others by one number only."""

VARIETY = Claim(
    "Too much guidance costs variety, and quality alone does not show it.",
    GUIDANCE,
    (
        by_value("lesser of the rise of precision and the fall of recall from strength 1 to 2", "above", 0),
        by_value("rise of KL(model || data) from strength 1 to 2", "above", 0),
    ),
    "weaker",
)
NOISY_LEVELS = Claim(
    "The strength should be small where there is much noise.",
    GUIDANCE,
    (
        by_value("levels above sigma / alpha = 2 at which guidance raises the held-out denoising error", "above", 0),
        by_value("sliced Wasserstein distance without guidance there, less that with it", "below", 0),
    ),
    "some",
)
ROLLOUT = Claim(
    "Negatives from the sampler's own way are as good as its samples noised again.",
    "",
    (by_value("KL over that with noised samples", "at most", 1.1),),
)
AFTERWARDS = Claim(
    "A discriminator trained after the score is the efficient choice.",
    GUIDANCE,
    (Criterion("KL less that of training together, over seeds", "below", 0, least=SEEDS),),
)


def strengths(
    e: Experiment,
    run: Run,
    guide: Guide,
    density: GaussianMixture,
) -> Part:
    """Measures guidance at several strengths gamma, and under schedules of gamma over levels."""
    model = run.diffusion
    ledger, forward = Ledger(), {}
    data = samples.draws(density, 20 if e.quick else FORWARD, 21)
    log_p = density.to(torch.float64).log_prob(data)
    held = run.rows("validation")[:5000].double()
    chosen: dict[float, float] = {}
    for gamma in GAMMAS:
        name, score = f"gamma {gamma:g}", by_guide(model, guide, gamma)
        values = measure_way(Way(model, score), density, e.points, SAMPLES)
        missed = nll(model, score, data)
        forward[name] = statistics.bootstrap_mean(missed + log_p, 0)
        ledger.add(name, {**values, "forward": forward[name].value, "nll": float(missed.mean())})
        x = model.sample(len(held), VALIDATION, score=score).x.double()
        chosen[gamma] = transport.sliced_wasserstein(x, held, seed=5)
    best = min(chosen, key=lambda g: chosen[g])
    rows = {g: ledger.mean(f"gamma {g:g}") for g in GAMMAS}
    rise = {k: rows[2.0][k] - rows[1.0][k] for k in ("precision", "recall", "kl")}
    columns = {
        **{k: POINTS[k] for k in ("kl", "sliced_wasserstein", "precision", "recall", "mode_error")},
        "forward": Column("KL(data || model)", ".3f", "lower", "by the guided flow's likelihood"),
        "nll": Column("NLL", ".3f", "lower", "of data under the guided flow, in nats"),
    }
    sections = [
        Section(
            "Strength",
            f"One seed. Chosen by the validation points alone, the strength is {best:g}. The truth's NLL is {float(-log_p.mean()):.3f}.",
            [TableBlock(ledger.table(columns=columns), f"{e.points} samples of each; likelihoods of {len(data)} data")],
        )
    ]
    scheduled = _schedules(e, run, guide, density)
    found = {
        "gamma": {k: v[0] for k, v in ledger.rows.items()},
        "forward": {k: [v.value, v.low, v.high] for k, v in forward.items()},
        "chosen": best,
        "validation": {str(k): v for k, v in chosen.items()},
        "schedules": dict(scheduled.figures),
    }
    verdicts = [
        judge(
            VARIETY,
            with_count(min(rise["precision"], -rise["recall"]), e.points),
            with_count(rise["kl"], e.points),
            figure="; ".join(
                f"gamma {g:g}: precision {v['precision']:.3f}, recall {v['recall']:.3f}, KL {v['kl']:.3f}, KL(data || model) {v['forward']:.3f}"
                for g, v in rows.items()
            ),
            how=f"one seed; by sliced Wasserstein distance to held-out validation points gamma {best:g} would be chosen",
        ),
    ]
    return Part(found, [*verdicts, *scheduled.verdicts], [*sections, *scheduled.sections])


def _schedules(
    e: Experiment,
    run: Run,
    guide: Guide,
    density: GaussianMixture,
) -> Part:
    """Measures schedules for a discriminator trained by cross-entropy alone, whose gradients are wrong at high noise."""
    model, sde = run.diffusion, run.diffusion.denoiser.sde
    bce = e.guide(run, "bce", run.origin.seed, ["guidance.matching=0"])
    own = guide.diagnosis
    weights: Mapping[str, Callable[[Tensor], Tensor]] = {
        "1 everywhere": Window(),
        "1 below sigma / alpha = 0.5": Window(0, 0.5),
        "1 below sigma / alpha = 2": Window(0, 2.0),
        "1 above sigma / alpha = 0.5": Window(0.5),
        "falling as 1 - t": lambda level: 1 - sde.time_of(level.double()).to(level),
        "calibrated on held-out data": bce.diagnosis.strengths,
    }
    ledger = Ledger()
    ledger.add("none", measure_way(Way(model), density, e.points, SAMPLES))
    for name, weight in weights.items():
        score = add(model.denoiser.score, DiscriminatorGuidance(bce.ratio, sde, 1.0, weight))
        ledger.add(name, measure_way(Way(model, score), density, e.points, SAMPLES))
    noisy = [v for v in bce.diagnosis.levels if v.level > 2]
    quiet = [v for v in bce.diagnosis.levels if v.level <= 2]
    harm = sum(v.gain < -3 * v.gain_error for v in noisy)
    all_of_it, little = ledger.mean("1 everywhere"), ledger.mean("1 below sigma / alpha = 2")
    blocks = [TableBlock(ledger.table(), "Schedules over levels")]
    for name, figures in (("cross-entropy alone", bce.diagnosis), ("cross-entropy and gradients (the recipe's)", own)):
        cells = {
            f"{v.level:.2g}": {
                k: Cell(float(getattr(v, k))) if getattr(v, k) is not None else Cell(None) for k in GUIDES
            }
            for v in figures.levels
        }
        blocks.append(TableBlock(Table(GUIDES, cells), f"By sigma / alpha: {name}"))
    section = Section(
        "Schedules of the strength, and the discriminator's accuracy by level",
        "Measured on held-out data. Cross-entropy near chance does not show whether gradients are right; the gain does.",
        blocks,
    )
    found = {
        "schedules": {k: v[0] for k, v in ledger.rows.items()},
        "account": {"cross-entropy": bce.diagnosis.to_json(), "recipe": own.to_json()},
    }
    verdicts = [
        judge(
            NOISY_LEVELS,
            harm,
            with_count(little["sliced_wasserstein"] - all_of_it["sliced_wasserstein"], e.points),
            figure=f"guidance raises the held-out denoising error at {harm} of {len(noisy)} levels above sigma / alpha = 2 and at "
            f"{sum(v.gain < -3 * v.gain_error for v in quiet)} of {len(quiet)} below; sliced Wasserstein {all_of_it['sliced_wasserstein']:.3f} with it, "
            f"{little['sliced_wasserstein']:.3f} without it there",
            how="a discriminator trained by cross-entropy alone; not for the document's reason: scores are right there, and a gradient learned from a "
            "cross-entropy at chance is noise. An exact discriminator needs 1 everywhere",
        ),
    ]
    return Part(found, verdicts, [section])


def discriminators(
    e: Experiment,
    run: Run,
    guide: Guide,
    density: GaussianMixture,
) -> Part:
    """Compares objectives, negatives and networks of the discriminator, each calibrated on held-out data."""
    model, ledger = run.diffusion, Ledger()
    ledger.add("no guidance", measure_way(Way(model), density, e.points, SAMPLES))
    ledger.add("the recipe's", _row(model, guide, density, e.points))
    built = {n: v for n, v in BUILT.items() if not (e.quick and v[0] in SPARED)}
    for name, (folder, changes) in built.items():
        ledger.add(name, _row(model, e.guide(run, folder, run.origin.seed, changes), density, e.points))
    same, own, both = (
        ledger.mean(f"cross-entropy{k}")["kl"] for k in (" alone", ", states of the rollout", ", samples and states")
    )
    columns = {
        **ledger.table().columns,
        "gain": Column("gain", ".3f", "higher", "reduction of the held-out denoising error, sum over levels"),
        "training": Column("s to train", ".0f", None, ""),
    }
    section = Section(
        "Objectives, negatives and networks",
        "One seed; everything else is the recipe's, and every strength is calibrated on held-out data.",
        [TableBlock(ledger.table(columns=columns), f"{e.points} samples of each")],
    )
    verdicts = [
        judge(
            ROLLOUT,
            with_count(own / same, e.points),
            figure=f"KL {own:.3f} against {same:.3f}, of both together {both:.3f}",
            how="one seed, cross-entropy alone",
        ),
    ]
    return Part({k: v[0] for k, v in ledger.rows.items()}, verdicts, [section])


def _row(model: Any, guide: Guide, density: GaussianMixture, rows: int) -> dict[str, float]:
    values = measure_way(Way(model, by_guide(model, guide)), density, rows, SAMPLES)
    seconds = guide.record["seconds"]
    return {
        **values,
        "gain": sum(v.gain for v in guide.diagnosis.levels),
        "training": float(seconds.get("training", seconds.get("joint", 0.0))),
    }


def joint(
    e: Experiment,
    runs: Sequence[Run],
    guide: Mapping[int, Guide],
    density: GaussianMixture,
) -> Part:
    """Trains score and discriminator together for the time that training one after the other took."""
    ledger = Ledger()
    for run in runs:
        seed, own = run.origin.seed, guide[run.origin.seed]
        spent = float(run.diffusion.record["seconds"]) + sum(own.record["seconds"].values())
        tried = 1 if e.quick else PILOT  # about as long as one bank lasts
        pilot, _ = _train_jointly(e, run, "pilot-joint", tried)
        epochs = e.epochs(spent, float(pilot.diffusion.record["seconds"]) / tried)
        both, together = _train_jointly(e, run, "joint", epochs)
        ledger.add("one after the other", {**_row(run.diffusion, own, density, e.points), "training": spent})
        ledger.add("together", _row(both.diffusion, together, density, e.points))
        ledger.add("together, unguided", measure_way(Way(both.diffusion), density, e.points, SAMPLES))
        assert both.origin.seed == seed
    better = ledger.difference("one after the other", "together", "kl")
    after, during = ledger.mean("one after the other")["kl"], ledger.mean("together")["kl"]
    columns = {
        **ledger.table().columns,
        "training": Column("s to train", ".0f", None, "score, negatives and discriminator"),
    }
    section = Section(
        "One after the other, or together",
        f"{len(runs)} seeds. Trained together, both move at each step, and the bank of negatives is drawn anew every {runs[0].recipe.guidance.refresh} steps.",
        [TableBlock(ledger.table(columns=columns), f"{e.points} samples of each")],
    )
    verdicts = [
        judge(
            AFTERWARDS,
            better,
            figure=f"KL {after:.3f} one after the other, {during:.3f} together, difference {better:+.3f}",
            how=f"{len(runs)} seeds, equal time, Student's interval; together, negatives are drawn anew as the score learns",
        ),
    ]
    return Part(ledger.rows, verdicts, [section])


def _train_jointly(e: Experiment, run: Run, name: str, epochs: int) -> tuple[Run, Guide]:
    folder = e.folder / f"{name}-{run.origin.seed}"
    if GUIDE.is_in(folder):
        whole = load(folder, e.device)
        return whole, whole.guide
    return guiding.train_jointly(run, folder, [f"diffusion.epochs={epochs}"])
