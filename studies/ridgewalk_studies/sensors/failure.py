"""
Strong networks against a weak discriminator: is the sensor dead, and is the walk LERP then?

Each variant of the recipe trains the same convolutional autoencoder against another discriminator. Scores concentrated at 1/2 do not
distinguish a dead sensor from an equilibrium; a probe that is trained afresh on held-out codes does.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk.reports.columns import SENSORS
from ridgewalk_studies.claims import Claim, Criterion, Verdict, by_value, judge
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.sensors.walks import (
    DEVIATION,
    figures_of,
    histogram,
    kind_section,
    matcher_of,
    shape_of,
    walk_pairs,
)
from ridgewalk_studies.sources import WALKS

DESCRIBED = "as described"
NEGLIGIBLE = 0.01
"""Share of the drive, or of the ends' distance, below which a walk counts as LERP."""

PILED = by_value("share of encodings within 0.05 of 1/2", "at least", 0.9, part=0.5)
DEAD = by_value("share of the sensors that are dead by a fresh probe", "at least", 1)
VANISHES = Criterion("size of the correction over the drive's", "below", NEGLIGIBLE)
STRAIGHT = Criterion("distance from the straight line over that of the ends", "below", NEGLIGIBLE)
FLAT = by_value("range of LERP's score, median of walks,", "below", 0.02)


def measure(e: Experiment) -> Findings:
    """Trains strong networks against weak discriminators, and judges whether these are dead and walks equal LERP."""
    variants = list(e.settings.reproduce.variants) or [""]
    claims: list[Verdict] = []
    sections: list[Section] = []
    measured: dict[str, object] = {}
    rows, dead, straight = {}, list[str](), list[str]()
    for variant in variants:
        runs = e.runs(variant)
        judges = e.judges(runs[0])
        diagnoses = [matcher_of(run) for run in runs]
        scores = torch.cat([d.scores["encoded"] for d in diagnoses])
        shape, spread = shape_of(scores), float(np.mean([d.spread for d in diagnoses]))
        probe = float(np.mean([d.probe_auc for d in diagnoses]))
        w = walk_pairs(runs, judges, "outlier", e.points, 0)
        correction, deviation = w.mean("sgw", "correction"), w.mean("sgw", "deviation")
        is_dead = all(d.verdict == "dead" for d in diagnoses)
        dead += [variant or DESCRIBED] if is_dead else []
        straight += [variant or DESCRIBED] if deviation.high < NEGLIGIBLE else []
        flat = float((w.scores["lerp"].amax(1) - w.scores["lerp"].amin(1)).median())
        name = variant or DESCRIBED
        claims += [
            judge(
                Claim(f"[{name}] scores of the weak discriminator pile up at 0.5", WALKS, (PILED,)),
                shape["near_half"],
                figure=f"{shape['near_half']:.0%} of encodings within 0.05 of 1/2; logits spread by {spread:.2f}",
            ),
            judge(
                Claim(
                    f"[{name}] it gave up although encodings and prior differ: a dead sensor, not an equilibrium",
                    WALKS,
                    (DEAD,),
                ),
                sum(d.verdict == "dead" for d in diagnoses) / len(diagnoses),
                figure=f"verdicts {', '.join(d.verdict for d in diagnoses)}; a fresh probe's AUC {probe:.2f}",
                how="a probe trained afresh on held-out codes tells the two apart where it exceeds 0.6",
            ),
            judge(
                Claim(f"[{name}] the correction vanishes", WALKS, (VANISHES,)),
                correction,
                figure=f"{correction:.3f} of the drive's size, on walks between outliers",
            ),
            judge(
                Claim(f"[{name}] the walk equals LERP", WALKS, (STRAIGHT,)),
                deviation,
                figure=f"leaves the straight line by {deviation:.3f} of the ends' distance",
            ),
            judge(
                Claim(f"[{name}] the score along the path is a flat line", WALKS, (FLAT,)),
                flat,
                figure=f"LERP's score ranges over {flat:.3f} (median of walks)",
            ),
        ]
        rows[name] = {
            "bce": Cell(float(np.mean([d.bce for d in diagnoses]))),
            "spread": Cell(spread),
            "probe": Cell(probe),
            "near_half": Cell(shape["near_half"]),
            "correction": Cell.of(correction),
            "deviation": Cell.of(deviation),
        }
        section = kind_section(runs[0], judges, "outlier", w)
        sections.append(
            Section(
                f"Variant: {name}",
                " ".join([*(d.sentence for d in diagnoses), section.lead]),
                [histogram(diagnoses[0], f"Scores, {name}"), *section.blocks],
            )
        )
        measured[name] = {
            "sensors": [d.figures() for d in diagnoses],
            "shape": shape,
            "walks": figures_of({"outlier": w})["outlier"],
        }
    columns = {
        "bce": SENSORS["bce"],
        "spread": replace(SENSORS["logit_spread"], form=".3f"),
        "probe": SENSORS["probe_auc"],
        "near_half": Column("at 0.5", ".0%", None, "share of encodings that score within 0.05 of 1/2"),
        "correction": Column("correction / drive", ".4f", None, "mean size along walks between outliers"),
        "deviation": replace(DEVIATION, form=".4f"),
    }
    table = TableBlock(Table(columns, rows), "The variants compared")
    answer = [
        f"The sensor is dead in {_join_names(dead)}."
        if dead
        else "In no variant is the sensor dead: a weak discriminator is not enough.",
        f"The walk equals LERP in {_join_names(straight)}." if straight else "In no variant does the walk equal LERP.",
    ]
    strayed = [v for v in dead if v not in straight]
    if strayed:
        answer.append(
            f"A dead sensor may still have a gradient: in {_join_names(strayed)} the score ignores the data, and its gradient drives the walk off the line."
        )
    return Findings(answer, claims, [Section("Comparison", "", [table]), *sections], measured)


def _join_names(names: Sequence[str]) -> str:
    return ", ".join(names)
