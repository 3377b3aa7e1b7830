"""
All-MLP networks with a live sensor: walks that follow it to a score of 1/2, and their decodings.

The walks go between four kinds of ends, the discriminator's outliers, highest, lowest and most typical scores, under each of three
energies. Judges that took no part in the training decide whether "ideal" points are real.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ridgewalk.diagnosis.misalignment import MEAN, POOLED, Misalignment
from ridgewalk.evaluation.misalignment import measure_misalignment
from ridgewalk.judging.comparison import FREE
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.metrics.ranks import bootstrap_spearman
from ridgewalk.progress import track
from ridgewalk.reports import Cell, Column, Section, Table, TableBlock, Text
from ridgewalk.reports.sensors import misalignment_section
from ridgewalk.store.run import Run
from ridgewalk_studies import endpoints as choosing
from ridgewalk_studies.claims import Claim, Criterion, Verdict, by_value, judge, with_count
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings, Part
from ridgewalk_studies.sensors.walks import (
    ENERGIES,
    Walked,
    figures_of,
    histogram,
    kind_section,
    matcher_of,
    shape_of,
    walk_pairs,
)
from ridgewalk_studies.sources import WALKS

MARGIN = 0.05
"""A smaller difference in the share of real frames counts as none."""

BELL = Claim(
    "The scores have the shape of a bell round 0.5: a live sensor",
    WALKS,
    (
        by_value("peaks of the smoothed histogram", "at most", 1),
        by_value("5 % quantile", "below", 0.5),
        by_value("95 % quantile", "above", 0.5),
        by_value("spread of the logits", "above", 0.1),
        by_value("spread of the logits", "below", 2),
    ),
)
DENSE = Claim(
    "Dense regions score 0.5, and outliers away from it",
    WALKS,
    (Criterion("rank correlation of |score - 1/2| with the distance to the 10 nearest codes", "above", 0.1),),
)
ENDS = Claim(
    "There are ends with scores near 0.85",
    WALKS,
    (by_value("highest score of a test image", "at least", 0.8),),
)
STAYS_OUT = Claim(
    "LERP between high scores stays out of D = 1/2",
    WALKS,
    (Criterion("|score - 1/2| of its interior frames", "above", 0.1),),
)
PULLED = Criterion("change of |score - 1/2| against LERP", "below", 0)
DIFFERS = Claim(
    "The correction is not 0: SGW differs from LERP",
    WALKS,
    (Criterion("distance from the straight line over that of the ends", "above", 0.05),),
)
ARRIVES = Claim(
    "The walk reaches B",
    WALKS,
    (by_value("share of walks between outliers that arrived", "at least", 1, part=0.5),),
)
SAME_ARTEFACTS = Criterion("change of the share of real frames against LERP", "within", MARGIN, refuted=0)
REAL_ENDS = Criterion("share of real frames of the ends' reconstructions less that of typical ends'", "above", -MARGIN)
MISALIGNED = Claim(
    "What D_z calls ideal is not what decodes to something real",
    WALKS,
    (Criterion("share of ideal points that is unreal less that of reconstructions, in every run", "above", 0),),
)
AFFINE = Claim(
    "With a discriminator of a single affine layer the sensor works as well",
    "",
    (by_value("share of the sensors that are alive", "at least", 1), PULLED),
)


def measure(e: Experiment) -> Findings:
    """Trains all-MLP networks, walks under their sensors, and judges the sensor, the walks and their decodings."""
    runs = e.runs()
    judges = e.judges(runs[0])
    diagnoses = [matcher_of(run) for run in runs]
    scores = torch.cat([d.scores["encoded"] for d in diagnoses])
    shape, spread = shape_of(scores), float(np.mean([d.spread for d in diagnoses]))
    found = {
        kind: walk_pairs(runs, judges, kind, e.points, 0)
        for kind in track(choosing.KINDS, "walks by kind of ends", total=len(choosing.KINDS))
    }
    claims = [*_sensor_claims(runs, shape, spread), *_walk_claims(found)]
    misaligned = [m for run in runs for m in measure_misalignment(run, judges, 0) if m.name == "matcher"]
    claims += _fidelity_claims(found, misaligned)
    affine = _affine(e, judges)
    sections = [
        Section("The sensor", diagnoses[0].sentence, [histogram(diagnoses[0], "Scores of the discriminator")]),
        *(kind_section(runs[0], judges, kind, w) for kind, w in found.items()),
        _directions(found),
        *([misalignment_section(misaligned[:1])] if misaligned else []),
        *affine.sections,
    ]
    answer = [_describe_kind(found, "high"), _describe_kind(found, "low")]
    ratio = {k: found[k].over_lerp("sgw, bce-to-0", "real") for k in ("high", "low")}
    answer.append(
        "With the energy of a density ratio (BCE to 0, which the authors ran) the same walk changes the share of real frames by "
        + " and ".join(f"{i:+.3f} ({k} scores)" for k, i in ratio.items())
        + ": the direction towards encoded data matters, and not the score of 1/2."
        * (ratio["high"].low > 0 and ratio["low"].low > 0)
    )
    measured: dict[str, object] = {
        "sensors": [d.figures() for d in diagnoses],
        "shape": shape,
        "walks": figures_of(found),
        "differences_to_lerp": {
            k: {
                walk: {m: [i.value, i.low, i.high] for m in ("from_half", "real") for i in [w.over_lerp(walk, m)]}
                for walk in ENERGIES
            }
            for k, w in found.items()
        },
        "ends": {k: float(w.own.mean()) for k, w in found.items()},
        "misalignment": [m.figures() for m in misaligned],
        "affine": dict(affine.figures),
    }
    return Findings(answer, [*claims, *affine.verdicts], sections, measured)


def _describe_kind(found: Mapping[str, Walked], kind: str) -> str:
    """Describes the walks between ends of one kind in a sentence."""
    pull, real = found[kind].over_lerp("sgw", "from_half"), found[kind].over_lerp("sgw", "real")
    near = "nearer to" if pull.high < 0 else "further from" if pull.low > 0 else "no nearer to"
    fate = "more real" if real.low > 0 else "less real" if real.high < 0 else "no more real"
    return (
        f"Between {kind} scores SGW comes {near} D = 1/2 than LERP (|score - 1/2| {pull:+.3f}, frame by frame), and its frames are "
        f"{fate} (share of real frames {real:+.3f})."
    )


def _sensor_claims(runs: Sequence[Run], shape: Mapping[str, float], spread: float) -> list[Verdict]:
    away, far = [], []
    for run in runs:
        codes = run.encode(run.data.test.take(torch.arange(min(2000, len(run.data.test)))).floats())
        away.append((run.sensors["matcher"](codes).sigmoid() - 0.5).abs().cpu())
        nearest = torch.cdist(codes, run.references[:5000]).topk(10, dim=1, largest=False).values
        far.append(nearest.mean(dim=1).cpu())
    rho = bootstrap_spearman(torch.cat(away), torch.cat(far), 0)
    top = max(float(choosing.scores(run).max()) for run in runs)
    return [
        judge(
            BELL,
            shape["peaks"],
            shape["low"],
            shape["high"],
            spread,
            spread,
            figure=f"{shape['peaks']:.0f} peak(s), median {shape['median']:.2f}, 90 % in [{shape['low']:.2f}, {shape['high']:.2f}]; "
            f"logits spread by {spread:.2f}",
            how="a smoothed histogram of held-out encodings",
        ),
        judge(
            DENSE,
            rho,
            figure=f"rank correlation of |score - 1/2| with the distance to the 10 nearest codes {rho:.2f}",
        ),
        judge(ENDS, top, figure=f"the highest score of a test image is {top:.2f}"),
    ]


def _walk_claims(found: Mapping[str, Walked]) -> list[Verdict]:
    w = found["high"]
    out = statistics.bootstrap_mean(w.columns["lerp"]["from_half"], 0)
    verdicts = [judge(STAYS_OUT, out, figure=f"|score - 1/2| of its interior frames {out:.3f}")]
    for kind in ("outlier", "high", "low"):
        for walk, energy in ENERGIES.items():
            d = found[kind].over_lerp(walk, "from_half")
            verdicts.append(
                judge(
                    Claim(f"From {kind} to {kind}, SGW under {energy} is pulled towards D = 1/2", WALKS, (PULLED,)),
                    d,
                    figure=f"|score - 1/2| changes by {d:+.3f} against LERP",
                    how="on the same pairs, mean over interior frames",
                )
            )
    moved = found["outlier"].mean("sgw", "deviation")
    arrived = found["outlier"].columns["sgw"]["arrived"].double()
    share = float(arrived.mean())
    return [
        *verdicts,
        judge(DIFFERS, moved, figure=f"leaves the straight line by {moved:.3f} of the ends' distance"),
        judge(
            ARRIVES,
            with_count(share, len(arrived)),
            figure=f"{share:.0%} of the walks between outliers arrived",
            how="as written, the walk has no guarantee of it",
        ),
    ]


def _fidelity_claims(found: Mapping[str, Walked], misaligned: Sequence[Misalignment]) -> list[Verdict]:
    claims = []
    for kind in ("high", "outlier"):
        for walk, energy in ENERGIES.items():
            w = found[kind]
            d = w.over_lerp(walk, "real")
            statement = (
                f"From {kind} to {kind}, pulled back under {energy}, the walk decodes to the same artefacts as LERP"
            )
            claims.append(
                judge(
                    Claim(statement, WALKS, (SAME_ARTEFACTS,)),
                    d,
                    figure=f"share of real frames {w.mean(walk, 'real'):.3f} against LERP's {w.mean('lerp', 'real'):.3f}: {d:+.3f}",
                    how="mean of two judges",
                )
            )
    for kind in ("outlier", "high"):
        own, typical = found[kind].own, found["typical"].own
        n = min(len(own), len(typical))
        gap = statistics.bootstrap(lambda m: m["own"] - m["typical"], {"own": own[:n], "typical": typical[:n]}, 0)
        statement = (
            f"The ends of kind '{kind}' decode to something real by themselves, so that artefacts are the walk's"
        )
        claims.append(
            judge(
                Claim(statement, "", (REAL_ENDS,)),
                gap,
                figure=f"real share of the ends' reconstructions {float(own.mean()):.3f} against {float(typical.mean()):.3f} of typical ends: {gap:+.3f}",
                how="a confound that the source leaves open",
            )
        )
    if misaligned:
        excess = [m.readings[0].over_encoded[POOLED][MEAN] for m in misaligned]
        known = [x for x in excess if x is not None]
        claims.append(judge(MISALIGNED, known, figure=" ".join(m.sentence for m in misaligned)))
    return claims


def _directions(found: Mapping[str, Walked]) -> Section:
    """Returns the section on which energies stop at D = 1/2, from above and from below."""
    columns = {
        "high": Column(
            "from high scores", ".3f", None, "mean score in the middle third of walks between the highest scores"
        ),
        "low": Column("from low scores", ".3f", None, "and between the lowest"),
    }
    rows = {}
    for walk in (*ENERGIES, *FREE):
        rows[ENERGIES.get(walk, walk)] = {
            kind: Cell.of(i) for kind in columns for i in [found[kind].mean(walk, "middle_score")]
        }
    return Section(
        "Which energies stop at D = 1/2",
        "l² and cross-entropy to 1/2 have their minimum there and pull from both sides; cross-entropy to 0 has none, and pulls on towards "
        "encoded data from wherever it is (exact checks of all three are among the tests).",
        [TableBlock(Table(columns, rows), "Score in the middle of the walk")],
    )


def _affine(e: Experiment, judges: Sequence[Judge]) -> Part:
    """Measures the same with a discriminator of one affine layer, if the recipe has that variant."""
    if "affine" not in e.settings.reproduce.variants:
        return Part({}, sections=[Section("A discriminator of one affine layer", "The recipe has no such variant.")])
    runs = e.runs("affine")
    diagnoses = [matcher_of(run) for run in runs]
    w = walk_pairs(runs, judges, "outlier", e.points, 0)
    d, pull, moved = w.over_lerp("sgw", "real"), w.over_lerp("sgw", "from_half"), w.mean("sgw", "deviation")
    alive = sum(x.verdict == "alive" for x in diagnoses) / len(diagnoses)
    claim = judge(
        AFFINE,
        alive,
        pull,
        figure=f"{', '.join(x.verdict for x in diagnoses)}; pull {pull:+.3f}, deviation {moved:.3f}, share of real frames {d:+.3f} against LERP",
        how="a weaker experiment than multilayer perceptrons: its level sets are parallel planes",
    )
    section = kind_section(runs[0], judges, "outlier", w)
    text = Text(
        "One affine layer gives a force of one direction everywhere: it can tell that encodings lie to one side of the prior, and no more.",
        aside=True,
    )
    own = {"sensors": [x.figures() for x in diagnoses], "walks": figures_of({"outlier": w})["outlier"]}
    section = Section(
        "A discriminator of one affine layer",
        f"{diagnoses[0].sentence} {section.lead}",
        [text, histogram(diagnoses[0], "Scores of one affine layer"), *section.blocks],
    )
    return Part(own, [claim], [section])
