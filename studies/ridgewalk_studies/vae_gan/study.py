"""
The two-discriminator VAE-GAN compared with the VAE that it is built on.

Trained for each seed: the recipe itself (learned feature loss, all optimisers at once), and the variants ``vae`` (given at least the same training
time), ``plain`` (adversarial loss without features) and ``separate`` (first the VAE, then decoder and critic). Compared on held-out images:

    reconstructions   squared error, sharpness, distance in the judges' features
    samples           Frechet distance to real images in the judges' features, share that is real
    D_z               trained with the model (``latent``) and afterwards, against the same prior: held-out BCE, rank correlation with realism

Variants called ``steady-...`` are stabilisers of the critic, on the first seed; ``l1`` is a VAE with absolute errors. ``boundaries`` compares
fake latents, ``latent_claims`` tests the smaller claims.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ridgewalk.data import part
from ridgewalk.diagnosis.misalignment import MEAN, POOLED, compare, grade
from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.evaluation.misalignment import sample_points
from ridgewalk.evaluation.sensors import diagnose_sensors
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import crossed, statistics
from ridgewalk.metrics.statistics import Interval
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import Claim, Criterion, Verdict, by_value, judge
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings, Part, join_parts
from ridgewalk_studies.generative import Generative, decode_images, figures_of, generative
from ridgewalk_studies.sources import CONFUSION
from ridgewalk_studies.vae_gan import boundaries, latent_claims, stabilisers

SHARPER = 0.2
"""Required relative reduction of the judges' feature distance."""

SHARPER_BY = Criterion("feature distance of reconstructions over the VAE's", "below", 1 - SHARPER)
NO_WORSE = by_value("Frechet distance over the VAE's, mean of two judges, of every seed", "at most", 1)
NOT_BETA = Claim(
    "[vae-gan] the gain is the discriminator's, and not that of a lighter KL term",
    "",
    (
        Criterion("feature distance over that of a VAE with the same beta", "below", 1),
        by_value("Frechet distance over that VAE's, of every seed", "below", 1),
    ),
    "some",
)
JOINTLY = Claim(
    "Whether encoder, decoder and discriminator are trained jointly or in turn has to be found by experiment: joint training is better",
    CONFUSION,
    (
        Criterion("feature distance of separate over joint training", "above", 1),
        by_value("Frechet distance of separate over joint training, of every seed", "at least", 1),
    ),
    "some",
)

SHOWN = 10

SAME = "vae-same-beta"
COMPARED = ("vae", SAME, "plain", "separate")
"""Variants that are compared with the recipe as models of images."""


def measure(e: Experiment) -> Findings:
    """Trains the variants, compares them, and judges the claims."""
    variants = e.settings.reproduce.variants
    runs = {"vae-gan": e.runs()} | {n: e.runs(n) for n in COMPARED if n in variants}
    judges = e.judges(runs["vae-gan"][0])
    found = {n: generative(own, judges, e.points) for n, own in runs.items()}
    bounds, strings = boundaries.compare_boundaries(
        runs["vae-gan"], judges, min(e.points, 1000), e.settings.walks.pairs
    )
    parts = [
        (
            "models",
            Part(
                {n: figures_of(g) for n, g in found.items()},
                [*_main_claims(found), *_order_claims(found)],
                [_models_section(found, judges)],
            ),
        ),
        ("latent", _latents(runs, judges, e.points)),
        (
            "boundaries",
            Part(
                boundaries.figures_of(bounds, strings),
                boundaries.verdicts(bounds),
                [boundaries.section(bounds, strings)],
            ),
        ),
        ("steady", stabilisers.compare_stabilisers(e, judges)),
        ("small_claims", latent_claims.measure(runs["vae-gan"][0], judges, 0, e.points)),
    ]
    if "l1" in variants and "vae" in runs:
        other = e.run(e.settings.reproduce.seeds[0], "l1")
        parts.append(("", Part({}, [latent_claims.reconstructions(runs["vae"][0], other, judges, 0)])))
    return join_parts(_answer(found), *parts)


# ------------------------------------------------------------------------------------------------- the models


def _ratio(own: Generative, base: Generative) -> Interval:
    """Returns the feature distance of the reconstructions over the other's, on the same images."""
    columns = {"own": own.features, "base": base.features}
    return crossed.estimate(lambda mean: mean["own"] / mean["base"], columns, 0, len(own.seconds))


def _frechet_ratio(own: Generative, base: Generative) -> list[float]:
    """Returns the Frechet distance over the other's, the mean over judges, one value for each run."""
    names = list(own.frechet)
    return [sum(own.frechet[j][i] / base.frechet[j][i] for j in names) / len(names) for i in range(len(own.seconds))]


def _answer(found: Mapping[str, Generative]) -> list[str]:
    if "vae" not in found:
        return ["There is no VAE to compare with: the recipe has no variant 'vae'."]
    own, base = found["vae-gan"], found["vae"]
    ratio, sample = _ratio(own, base), _frechet_ratio(own, base)
    time = sum(own.seconds) / sum(base.seconds)
    return [
        f"At {time:.2f} of its training time the VAE-GAN's reconstructions are at {ratio:.2f} of the VAE's distance from their images in the "
        f"judges' features ({'sharper by at least' if ratio.high <= 1 - SHARPER else 'not sharper by'} {SHARPER:.0%}), and its samples at "
        f"{', '.join(f'{s:.2f}' for s in sample)} of the VAE's Frechet distance (one value for each seed).",
    ]


def _main_claims(found: Mapping[str, Generative]) -> list[Verdict]:
    if "vae" not in found:
        return []
    base, claims = found["vae"], []
    for name in [n for n in found if n not in ("vae", SAME)]:
        own = found[name]
        ratio, sample = _ratio(own, base), _frechet_ratio(own, base)
        sharp = statistics.paired_difference(own.columns["sharpness"], base.columns["sharpness"], 0)
        claims += [
            judge(
                Claim(
                    f"[{name}] a discriminator of images makes reconstructions sharper: a judge's feature distance at least 20 % lower than a VAE's",
                    CONFUSION,
                    (SHARPER_BY,),
                ),
                ratio,
                figure=f"{ratio:.3f} of the VAE's; edges {sharp:+.3f} (1 is the images' own), squared error "
                f"{float(own.columns['squared'].mean() / base.columns['squared'].mean()):.2f} of the VAE's",
                how=f"{own.columns['squared'].numel()} held-out images; {sum(own.seconds):.0f} s of training against the VAE's {sum(base.seconds):.0f} s",
            ),
            judge(
                Claim(f"[{name}] its samples are no worse", CONFUSION, (NO_WORSE,)),
                sample,
                figure=f"Frechet distance {', '.join(f'{s:.2f}' for s in sample)} of the VAE's; real to the judges "
                f"{', '.join(f'{s:.0%}' for s in own.real)} against {', '.join(f'{s:.0%}' for s in base.real)}",
            ),
        ]
    if SAME in found:
        ratio, sample = _ratio(found["vae-gan"], found[SAME]), _frechet_ratio(found["vae-gan"], found[SAME])
        figure = f"against a VAE with the same beta: feature distance {ratio:.3f}, Frechet distance {', '.join(f'{s:.2f}' for s in sample)}"
        claims.append(judge(NOT_BETA, ratio, sample, figure=figure))
    return claims


def _order_claims(found: Mapping[str, Generative]) -> list[Verdict]:
    if not {"plain", "separate"} <= set(found):
        return []
    joint, separate = found["plain"], found["separate"]
    ratio, sample = _ratio(separate, joint), _frechet_ratio(separate, joint)
    figure = (
        f"separate over joint: feature distance {ratio:.3f}, Frechet distance {', '.join(f'{s:.2f}' for s in sample)}"
    )
    how = "both with the plain adversarial loss, and equally many epochs"
    return [judge(JOINTLY, ratio, sample, figure=figure, how=how)]


def _models_section(found: Mapping[str, Generative], judges: Sequence[Judge]) -> Section:
    columns = {
        "squared": Column("squared error", ".4f", "lower", "mean over pixels of held-out reconstructions"),
        "sharpness": Column(
            "edges", ".2f", None, "mean length of pixel differences over the image's own; below 1 is blur"
        ),
        **{
            f"features_{j.name}": Column(
                f"features, {j.name}", ".3f", "lower", f"distance in judge {j.name}'s features over that of two images"
            )
            for j in judges
        },
        **{
            f"frechet_{j.name}": Column(
                f"Frechet, {j.name}", ".1f", "lower", f"of samples, in judge {j.name}'s features, mean over seeds"
            )
            for j in judges
        },
        "real": Column("samples real", ".1%", "higher", "share of draws of the prior that the judges take for real"),
        "seconds": Column("seconds", ".0f", None, "of training, mean over seeds"),
    }
    rows: dict[str, dict[str, Cell]] = {}
    for name, g in found.items():
        row = {k: Cell.of(statistics.bootstrap_mean(g.columns[k], 0)) for k in columns if k in g.columns}
        for j in judges:
            row[f"frechet_{j.name}"] = Cell(sum(g.frechet[j.name]) / len(g.frechet[j.name]))
        row["real"], row["seconds"] = Cell(sum(g.real) / len(g.real)), Cell(sum(g.seconds) / len(g.seconds))
        rows[name] = row
    return Section(
        "The models compared",
        "Every judge is a classifier that saw none of the images, and none of the models.",
        [TableBlock(Table(columns, rows), "Reconstructions and samples"), *_pictures(found)],
    )


def _pictures(found: Mapping[str, Generative]) -> list[Figure]:
    first = next(iter(found.values())).run
    x = part(first.data, "test").take(torch.arange(SHOWN)).floats()
    made = {"images": x} | {n: decode_images(g.run, g.run.encode(x)) for n, g in found.items()}
    drawn = {n: decode_images(g.run, prior_draws(g.run, SHOWN, 0)) for n, g in found.items()}
    pictures = []
    for title, rows, says in (
        ("Reconstructions", made, f"The first {SHOWN} test images, not chosen, and each model's reconstructions."),
        ("Samples", drawn, "Decoded draws of the prior, the same draws for each model."),
    ):
        image = figures.png(figures.strips({n: f.cpu().numpy() for n, f in rows.items()}, path=False))
        pictures.append(
            Figure(image, f"{title} of each model, one row each", says, title, "Each row is one model.", wide=True)
        )
    return pictures


# ------------------------------------------------------------------------------------- D_z, boundaries, stabilisers


def _latents(runs: Mapping[str, Sequence[Run]], judges: Sequence[Judge], points: int) -> Part:
    """Compares D_z trained with the model with D_z trained afterwards on the same prior, in every run that has one."""
    rows: dict[str, dict[str, Cell]] = {}
    measured: dict[str, Any] = {}
    for name, own in runs.items():
        for run in [r for r in own if "latent" in r.sensors]:
            graded = grade(sample_points(run, 0, "test", min(points, 1000)), run.decode, judges)
            sensors = {"along": run.sensors["latent"], "afterwards": boundaries.detector(run, "prior").to(run.device)}
            for when, sensor in sensors.items():
                diagnosis = _diagnose(run, sensor)
                m = compare(when, sensor, graded, 0)
                rank = m.readings[-1].correlation[POOLED][MEAN]
                rows[f"{name}, seed {run.origin.seed}, {when}"] = {
                    "bce": Cell(diagnosis.bce),
                    "auc": Cell(diagnosis.auc),
                    "probe": Cell(diagnosis.probe_auc),
                    **({"rank": Cell.of(rank)} if rank is not None else {}),
                }
                measured[f"{name}-{run.origin.seed}-{when}"] = {**diagnosis.figures(), "alignment": m.figures()}
    columns = {
        "bce": Column("held-out BCE", ".3f", "lower", "encodings against the prior; 0.693 is chance"),
        "auc": Column("AUC", ".3f", "higher", "of the same task"),
        "probe": Column(
            "probe AUC", ".3f", None, "of a classifier trained afresh on held-out codes: the visible difference"
        ),
        "rank": Column("rank correlation", ".2f", "higher", "of its logit with the judges' realism"),
    }
    section = Section(
        "D_z trained with the model, and afterwards",
        "Both tell draws of q(z|x) from the prior. The first has followed a moving encoder; the second saw the final codes.",
        [TableBlock(Table(columns, rows), "The latent discriminators as sensors")],
    )
    return Part(measured, sections=[section])


def _diagnose(run: Run, sensor: Any) -> SensorDiagnosis:
    return next(d for d in diagnose_sensors(run.with_autoencoder(sensors={"latent": sensor})) if d.name == "latent")
