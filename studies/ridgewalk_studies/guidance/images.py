"""
Discriminator guidance of images: on the codes of a VAE, with every control, and on pixels.

    controls      each seed has its own VAE, base, negatives, discriminator and samples; against twice the evaluations and more training for the same time
    strength      gamma chosen on validation images, reported on others; likelihood of codes
    conditions    class by class, compared with classifier-free guidance
    paths         through noise with and without guidance, judged as any other paths are
    pixels        a small diffusion of pixels with its own guide, and in-painting with it
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ridgewalk.data import part
from ridgewalk.metrics.samples import frechet
from ridgewalk.reports import Cell, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports import samples as pictures
from ridgewalk.reports.columns import GUIDES
from ridgewalk.store.diffusion import TrainedDiffusion
from ridgewalk.store.guide import Guide
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import SEEDS, Claim, Criterion, by_value, judge, with_count
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings, Part, join_parts
from ridgewalk_studies.generative import decode_images
from ridgewalk_studies.guidance import pixels, uses
from ridgewalk_studies.guidance.judged import (
    COLUMNS,
    Bench,
    Row,
    frechet_change,
    judge_images,
    judge_samples,
    mean,
    recall_change,
)
from ridgewalk_studies.guidance.measures import GAMMAS, VALIDATION
from ridgewalk_studies.sources import GUIDANCE

_CHANGE = Criterion("relative change of the Frechet distance, over seeds and judges", "below", 0, least=SEEDS)

TAKEN_OFF = Claim(
    "Guidance takes at least 10% off the Frechet distance at equal evaluations.",
    "",
    (replace(_CHANGE, threshold=-0.1),),
)
RECALL = Claim(
    "Recall is no worse.",
    GUIDANCE,
    (Criterion("change of recall, paired over real images", "above", -0.01, refuted=0),),
)
LONGER = Claim("Guidance beats more training of the same network for the same time.", GUIDANCE, (_CHANGE,))
TWICE = Claim("Guidance beats twice the evaluations.", GUIDANCE, (_CHANGE,))
WELL_TRAINED = Claim(
    "Guidance of a well-trained base is no worse.", GUIDANCE, (replace(_CHANGE, threshold=0.05, refuted=0),)
)
VARIETY = Claim(
    "Too much guidance costs variety.",
    GUIDANCE,
    (by_value("recall at strength 2 less that at 1", "below", -0.01),),
)


def measure(e: Experiment) -> Findings:
    """Trains the models and guides, samples from them, and judges samples and claims."""
    seeds = e.settings.reproduce.seeds
    vaes = [e.run(seed, "vae") for seed in seeds]
    judges = e.judges(vaes[0])
    bench = Bench(judges, min(e.points, len(judges[0].reference)))
    controlled, seconds = _controls(e, vaes, bench)
    vae, base, guide = vaes[0], e.codes(vaes[0]), e.guide(e.with_codes(vaes[0]), "guide", seeds[0], beside=True)
    cost = uses.overhead(base, guide)
    changes = controlled["changes"]
    distance = {name: sum(r["frechet"] for r in rows) / len(rows) for name, rows in controlled["rows"].items()}
    answer = [
        f"Guiding the diffusion of a VAE's codes changes the judges' Frechet distance by {changes['small']['told']} for a small score network and by "
        f"{changes['well']['told']} for one that is trained well, at equal evaluations ({len(seeds)} seeds).",
        f"Small network: base {distance['base']:.2f}, guided {distance['guided']:.2f}, trained on for the same time {distance['trained longer']:.2f}, "
        f"twice the evaluations {distance['twice the evaluations']:.2f}; a guided step takes {cost['step']:.2f} times an unguided one.",
    ]
    return join_parts(
        answer,
        ("controls", controlled),
        ("", Part({"seconds": seconds})),
        ("strength", _strength(vae, base, guide, bench)),
        ("conditional", uses.conditional(e, vae, bench)),
        ("paths", uses.paths(e, e.with_codes(vae))),
        ("overhead", cost),
        ("pixels", pixels.measure(e, judges, bench.rows)),
    )


# ----------------------------------------------------------------------------------------------------- controls


def _controls(
    e: Experiment,
    vaes: Sequence[Run],
    bench: Bench,
) -> tuple[Part, list[dict[str, float]]]:
    held: dict[str, list[Row]] = {}
    seconds = []
    for vae in vaes:
        seed, base = vae.origin.seed, e.codes(vae)
        guide = e.guide(e.with_codes(vae), "guide", seed, beside=True)
        plain = e.guide(e.with_codes(vae), "bce", seed, ["guidance.matching=0"])
        spent = float(base.record["seconds"]) + sum(guide.record["seconds"].values())
        epochs = e.epochs(spent, float(base.record["seconds"]) / base.settings.epochs)
        longer = e.codes(vae, "longer", [f"diffusion.epochs={epochs}"])
        well = e.codes(vae, "well", e.settings.reproduce.variants["well"])
        of_well = e.guide(e.with_codes(vae, well, "well"), "guide", seed)
        how = base.sampling
        images = part(vae.data, "model").floats()[: bench.rows]
        own: dict[str, Row] = {
            "base": judge_samples(vae, base, bench),
            "twice the evaluations": judge_samples(vae, base, bench, replace(how, steps=2 * how.steps)),
            "trained longer": judge_samples(vae, longer, bench),
            "guided": judge_samples(vae, base, bench, score=guide.score(base, 1.0)),
            "guided, cross-entropy alone": judge_samples(vae, base, bench, score=plain.score(base, 1.0)),
            "well trained": judge_samples(vae, well, bench),
            "well trained, guided": judge_samples(vae, well, bench, score=of_well.score(well, 1.0)),
            "reconstructions of training images": judge_images(decode_images(vae, vae.encode(images)), bench),
            "training images": judge_images(images, bench),
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
    how_changed = (
        f"{len(vaes)} seeds of everything, both judges, {bench.rows} samples with common noise; the wider of a bootstrap over samples and real images and of "
        "Student's interval over seeds"
    )
    verdicts = [
        judge(TAKEN_OFF, small, figure=f"{small:+.0%}", how=how_changed),
        judge(
            RECALL,
            recall,
            figure=f"{recall:+.3f}; of reconstructions of training images it is {mean(held['reconstructions of training images'], 'recall'):.3f}",
            how="both judges and seeds; samples that lie off the data have wide balls, so that a poor base has more recall than real "
            "images have: read it beside coverage",
        ),
        judge(LONGER, longer_change, figure=f"{longer_change:+.0%}", how=how_changed),
        judge(TWICE, twice, figure=f"{twice:+.0%}", how=how_changed),
        judge(
            WELL_TRAINED,
            well_change,
            figure=f"Frechet distance {well_change:+.0%}; precision {mean(held['well trained'], 'precision'):.3f} becomes "
            f"{mean(held['well trained, guided'], 'precision'):.3f}, recall {mean(held['well trained'], 'recall'):.3f} becomes "
            f"{mean(held['well trained, guided'], 'recall'):.3f}",
            how=how_changed,
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
        "The row of reconstructions is the limit: no diffusion of codes can do better than codes of real images.",
        blocks,
    )
    return Part(figures_found, verdicts, [section]), seconds


# ----------------------------------------------------------------------------------------- strength, conditions


def _strength(
    vae: Run,
    base: TrainedDiffusion,
    guide: Guide,
    bench: Bench,
) -> Part:
    """Selects gamma by the Frechet distance to validation images, and measures it against the reference images."""
    held = bench.features(part(vae.data, "validation").floats())
    rows: dict[float, Row] = {}
    chosen: dict[float, float] = {}
    for gamma in GAMMAS:
        score = guide.score(base, gamma)
        rows[gamma] = judge_samples(vae, base, bench, score=score)
        other = bench.features(decode_images(vae, base.sample(bench.rows, VALIDATION, score=score).x))
        chosen[gamma] = sum(frechet(a, b) for a, b in zip(held, other)) / len(held)
    best = min(chosen, key=lambda g: chosen[g])
    cells = {f"gamma {g:g}": {k: Cell(r.values[k]) for k in COLUMNS} for g, r in rows.items()}
    account = {
        f"{v.level:.2g}": {
            "bce": Cell(v.bce),
            "calibration": Cell(v.calibration),
            "gain": Cell(v.gain),
            "strength": Cell(v.strength),
        }
        for v in guide.diagnosis.levels
    }
    heads = {k: GUIDES[k] for k in ("bce", "calibration", "gain", "strength")}
    section = Section(
        "Strength, and the discriminator's accuracy by level",
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
        "account": guide.diagnosis.to_json(),
    }
    verdicts = [
        judge(
            VARIETY,
            with_count(rows[2.0].values["recall"] - rows[1.0].values["recall"], bench.rows),
            figure="; ".join(
                f"gamma {g:g}: Frechet {r.values['frechet']:.2f}, precision {r.values['precision']:.3f}, recall {r.values['recall']:.3f}"
                for g, r in rows.items()
            ),
            how=f"one seed; validation images would choose gamma {best:g}. Theory requires 1: a better figure at another strength is an effect "
            "of the metric, or of a learned gradient that is too small",
        ),
    ]
    return Part(found, verdicts, [section])
