"""
The Parzen log-likelihood of an adversarial autoencoder (``measures.likelihood``), compared with that of real images in place of its samples.

The samples of a seed are ``points`` decoded draws of the prior; the oracle is scored with as many real images. Variants are other settings.
"""

from math import inf, nan
from pathlib import Path

import torch

from ridgewalk.data import part
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, Text
from ridgewalk.reports.samples import sheet
from ridgewalk.reports.style import png
from ridgewalk.store.priors import prior_draws
from ridgewalk_studies.adversarial_autoencoders import shared
from ridgewalk_studies.adversarial_autoencoders.priors import draw_codes
from ridgewalk_studies.claims import Claim, by_value, judge
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.generative import decode_images
from ridgewalk_studies.measures.likelihood import SAMPLES, VALIDATION, likelihood, oracle
from ridgewalk_studies.measures.parzen import WORTH, Parzen
from ridgewalk_studies.measures.posterior import match
from ridgewalk_studies.sources import AAE as PAPER

AAE, GAN = "adversarial autoencoder", "GAN"

PUBLISHED: dict[str, dict[str, float]] = {
    "aae-likelihood": {
        "deep belief network": 138.0,
        "stacked contractive autoencoder": 121.0,
        "deep GSN": 214.0,
        GAN: 225.0,
        "GMMN + AE": 282.0,
        AAE: 340.0,
    },
    "aae-tfd": {
        "deep belief network": 1909.0,
        "stacked contractive autoencoder": 2110.0,
        "deep GSN": 1890.0,
        GAN: 2057.0,
        "GMMN + AE": 2204.0,
        AAE: 2252.0,
    },
}
"""MNIST and the Toronto Face Database, by recipe: 10000 samples, in nats, as the paper's table has them."""

WORTH_OF_IT = Claim(
    "A higher Parzen likelihood is a better model",
    PAPER,
    (by_value("our best model's likelihood less that of real images, in standard errors", "at most", -inf, refuted=2),),
)
"""A model whose images score higher than real ones refutes it; no measurement of this kind can confirm it."""

SHOWN = 64


def measure(e: Experiment) -> Findings:
    """Trains the runs, draws samples, measures their likelihood, and judges the claims."""
    runs = {v or "run": e.runs(v) for v in shared.settings_of(e)}
    first = runs["run"][0]
    published = shared.published_of(e, first, PUBLISHED.get(Path(e.recipe).stem, {}))
    count, limit = min(SAMPLES, e.points, len(part(first.data, "model"))), None if e.budget != "smoke" else e.points
    chosen_on = min(VALIDATION, len(part(first.data, "judge_b")))
    real = oracle(first.data, count, points=limit)
    rows: dict[str, dict[str, Cell]] = {"real images in place of samples": _row([real])}
    figures: dict[str, object] = {"oracle": _figure(real), "samples": count}
    scores: dict[str, list[Parzen]] = {}
    claims, answers, images, matches = [], [], {}, []
    for name, own in runs.items():
        drawn = [decode_images(run, prior_draws(run, count, run.origin.seed)) for run in own]
        found = [likelihood(x, first.data, points=limit) for x in drawn]
        rows[f"ours, {name}"] = _row(found) | {
            "minutes": shared.over_seeds([float(r.manifest["seconds"]) / 60 for r in own])
        }
        figures[name] = [_figure(p) for p in found]
        scores[name] = found
        values = [p.value for p in found]
        how = f"{count} samples, sigma chosen on {chosen_on} images that took no part in training; {len(own)} seeds"
        if not name.startswith("paper"):  # the paper's own setting is shown in the table, and no claim is made about it
            statements = {"is that of the paper": published.get(AAE), "is above a GAN's": published.get(GAN)}
            claims += [
                shared.judge_published(
                    f"[{name}] the log-likelihood {says}", values, value, how, lower=False, unit=" nats"
                )
                for says, value in statements.items()
                if value is not None
            ]
        answers.append(f"{name}: {shared.describe_seeds(values, ' nats')} with {count} samples.")
        images[name] = drawn[0][:SHOWN]
        z = draw_codes(own[0], part(own[0].data, "test").floats())
        m = match(z, prior_draws(own[0], 2 * len(z), 1).cpu(), steps=shared.probe_steps(e))
        matches.append(f"{name}: {m}")
    best = max((p for own in scores.values() for p in own), key=lambda p: p.value)
    error = (best.error**2 + real.error**2) ** 0.5
    claims.append(
        judge(
            WORTH_OF_IT,
            (best.value - real.value) / error if error > 0 else nan,
            figure=f"real images score {real.value:.1f} +- {real.error:.1f} nats, our best model {best.value:.1f} +- {best.error:.1f}",
            how=f"{count} samples of each",
        )
    )
    rows |= {f"{n}, published": {"value": Cell(v)} for n, v in published.items()}
    columns = {
        "value": Column("nats", ".1f", "higher", "mean log-likelihood of the test part under a Parzen window"),
        "sigma": Column("sigma", ".3f", None, "width, chosen on validation images"),
        "minutes": Column("minutes", ".0f", None, "of training, mean over seeds"),
    }
    pictures = [
        Figure(
            png(sheet(x.numpy(), columns=16)),
            f"{len(x)} samples of {name}",
            "Decoded draws of the prior, not chosen.",
            f"Samples: {name}",
            wide=True,
        )
        for name, x in images.items()
    ]
    sections = [
        Section(
            "Log-likelihood",
            WORTH[0].upper() + WORTH[1:] + "." + shared.of_others(e, first),
            [TableBlock(Table(columns, rows), f"{count} samples")],
        ),
        Section("Samples", blocks=pictures),
        Section("Is the aggregated posterior the prior?", blocks=[Text("\n\n".join(matches), aside=True)]),
        shared.games(runs),
    ]
    return Findings(
        [*answers, f"Real images in place of samples: {real.value:.2f} nats; {WORTH}."], claims, sections, figures
    )


def _row(found: list[Parzen]) -> dict[str, Cell]:
    errors = max(p.error for p in found)
    return {
        "value": shared.over_seeds([p.value for p in found], f"standard error {errors:.1f}"),
        "sigma": Cell(float(torch.tensor([p.sigma for p in found]).mean())),
    }


def _figure(p: Parzen) -> dict[str, object]:
    return {
        "value": p.value,
        "error": p.error,
        "sigma": p.sigma,
        "samples": p.samples,
        "points": p.points,
        "grid": list(p.grid),
    }
