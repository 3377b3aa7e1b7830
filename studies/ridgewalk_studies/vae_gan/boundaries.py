"""
Where should fake latents come from? One detector for each boundary, on the same codes, compared as sensors.

    whole     uniform over a box around the codes
    ball      uniform in a ball around each code
    density   around the data's edge by k-nearest-neighbour density
    prior     draws of the prior
    mixture   prior, LERP points and shells: the default

Measured for each detector are held-out BCE and AUC of its own task, the rank correlation of its logit with the judges' realism (over prior
draws, LERP points and encodings), the share of its ideal points that is unreal, and the realism of strings under it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.diagnosis.misalignment import MEAN, POOLED, Misalignment, compare, grade
from ridgewalk.evaluation.ends import draw_ends
from ridgewalk.evaluation.judged import judge_lines
from ridgewalk.evaluation.misalignment import sample_points
from ridgewalk.finders.building import build_finder
from ridgewalk.judging import comparison
from ridgewalk.judging.comparison import FREE, Entry, PairedPaths, Summary
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import calibration, statistics
from ridgewalk.metrics.statistics import Interval
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.path import chunked
from ridgewalk.progress import track
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.store.run import Run
from ridgewalk.training.detectors import train_model_detector
from ridgewalk.training.negatives import BOUNDARIES
from ridgewalk.training.noise import Noise
from ridgewalk_studies.claims import Claim, Criterion, Verdict, judge, plain
from ridgewalk_studies.sources import CONFUSION


@dataclass(frozen=True, eq=False)
class Boundary:
    """
    Figures of one boundary's detectors, one for each run.

    Attributes:
        bce: Held-out BCE of each detector's own task; chance is ln 2.
        auc: Held-out AUC of the same task.
        alignment: Alignment of each detector with the judges.
        mixture_auc: AUC of each detector for held-out encodings against the default mixture, whatever it was trained on.
    """

    bce: Sequence[float]
    auc: Sequence[float]
    mixture_auc: Sequence[float]
    alignment: Sequence[Misalignment]


def detector(run: Run, boundary: str) -> Discriminator:
    """Trains a detector of this boundary on the run's codes, with the recipe's settings."""
    images = part(run.data, "model")
    return train_model_detector(run.model, images, run.recipe.detector, BOUNDARIES[boundary](), run.origin.seed)


def compare_boundaries(
    runs: Sequence[Run], judges: Sequence[Judge], points: int, pairs: int, names: Sequence[str] = tuple(BOUNDARIES)
) -> tuple[dict[str, Boundary], Summary]:
    """
    Compares every boundary in every run, and strings under each.

    Args:
        runs: Runs of one recipe and data.
        judges: Judges of the decodings.
        points: Number of points of each group for the rank correlation.
        pairs: Number of pairs of test images for the strings.
        names: The compared boundaries, some of ``BOUNDARIES``.
    """
    found: dict[str, list[tuple[float, float, float, Misalignment]]] = {n: [] for n in names}
    entries: dict[str, list[Entry]] = {n: [] for n in (*FREE, *names)}
    lines: list[Mapping[str, Mapping[str, Tensor]]] = []
    for run in runs:
        ends = draw_ends(run, pairs, 0, "test")
        others = [j.without(ends.digests()) for j in judges]
        z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
        graded = grade(sample_points(run, 0, "test", points), run.decode, others)
        held_out = run.encode(part(run.data, "test").floats()).cpu()
        lines.append(judge_lines(run, judges, "test", 0))
        base_frames = run.finder("lerp")(z_a, z_b).map(run.decode).cpu()
        for name in track((*FREE, *names), "boundaries", total=len(FREE) + len(names)):
            if name in FREE:
                path = run.finder(name)(z_a, z_b)
            else:
                sensor = detector(run, name)
                found[name].append((*_task(sensor, held_out, name), compare(name, sensor, graded, 0)))
                context = replace(run.context, sensors={**run.sensors, "detector": sensor.to(run.device)})
                path = build_finder("string", context)(z_a, z_b).resample(run.recipe.walks.frames, run.decode)
            columns = comparison.measure(
                PairedPaths(path, path.map(run.decode).cpu(), base_frames, z_a, z_b, ends.labels_a, ends.labels_b),
                others,
            )
            entries[name].append(Entry(name, {n: v.cpu() for n, v in columns.items()}))
    pooled = [Entry(n, {c: torch.cat([e.columns[c] for e in es]) for c in es[0].columns}) for n, es in entries.items()]
    every = {line: {c: torch.cat([own[line][c] for own in lines]) for c in lines[0][line]} for line in lines[0]}
    boundaries = {
        n: Boundary([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows])
        for n, rows in found.items()
    }
    return boundaries, comparison.summarise(pooled, every, 0, len(runs))


def _task(sensor: Discriminator, held_out: Tensor, boundary: str) -> tuple[float, float, float]:
    """Returns held-out BCE and AUC of the detector's own task, and its AUC against the default mixture."""
    values = []
    for name in (boundary, "mixture"):
        fake = BOUNDARIES[name]()(held_out, Noise(0, 0))
        logits = torch.cat([chunked(sensor, held_out), chunked(sensor, fake)])
        truth = torch.cat([torch.ones(len(held_out)), torch.zeros(len(fake))]).long()
        values += [calibration.bce(logits, truth), calibration.auc(logits, truth)]
    return values[0], values[1], values[3]


def mean_alignment(b: Boundary) -> Interval | None:
    """Returns the rank correlation of the logit with realism over all points, the mean over runs; None if there were too few points."""
    found = [m.readings[-1].correlation[POOLED][MEAN] for m in b.alignment]
    return _mean([i for i in found if i is not None])


def unreal(b: Boundary) -> Interval | None:
    """Returns the share of the detector's ideal points that is unreal, the mean over runs."""
    found = [m.readings[-1].unreal[POOLED][MEAN] for m in b.alignment]
    return _mean([i for i in found if i is not None])


def _mean(found: Sequence[Interval]) -> Interval | None:
    """Returns the mean over runs, with the mean of their intervals' ends, an interval as wide as that of one run."""
    if not found:
        return None
    n = len(found)
    value, low, high = (sum(getattr(i, k) for i in found) / n for k in ("value", "low", "high"))
    return Interval(value, low, high, statistics.LEVEL, found[0].n)


def section(found: Mapping[str, Boundary], s: Summary) -> Section:
    """Returns one table of all boundaries, and a picture of the share of real frames of strings under each."""
    columns = {
        "bce": Column(
            "held-out BCE", ".3f", None, "of its own task; 0.693 is chance. Tasks differ, so that lower is not better"
        ),
        "auc": Column("AUC", ".3f", None, "of its own task"),
        "mixture": Column(
            "AUC, mixture",
            ".3f",
            "higher",
            "AUC for encodings against prior, LERP points and shells, whatever it learned from",
        ),
        "rank": Column(
            "rank correlation",
            ".2f",
            "higher",
            "of its logit with the judges' realism, over prior, LERP points and encodings",
        ),
        "unreal": Column(
            "ideal but unreal",
            ".1%",
            "lower",
            "share of the points that it scores above 0.6 which the judges call unreal",
        ),
        "real": Column("string, share of real frames", ".3f", "higher", "share of interior frames real to the judges"),
        "whole": Column("string, wholly real", ".3f", "higher", "share of paths with every interior frame real"),
        "step": Column("string, largest step", ".3f", "lower", "largest step between frames over the ends' distance"),
    }
    rows: dict[str, dict[str, Cell]] = {}
    for name, b in found.items():
        row = s.rows[name]
        rows[name] = {
            "bce": Cell(sum(b.bce) / len(b.bce)),
            "auc": Cell(sum(b.auc) / len(b.auc)),
            "mixture": Cell(sum(b.mixture_auc) / len(b.mixture_auc)),
            "real": Cell.of(row["real"]),
            "whole": Cell.of(row["wholly_real"]),
            "step": Cell.of(row["largest_step"]),
        }
        for key, value in (("rank", mean_alignment(b)), ("unreal", unreal(b))):
            if value is not None:
                rows[name][key] = Cell.of(value)
    for free in FREE:
        base = s.rows[free]
        rows[free.upper()] = {
            "real": Cell.of(base["real"]),
            "whole": Cell.of(base["wholly_real"]),
            "step": Cell.of(base["largest_step"]),
        }
    values = {n: (s.rows[n]["real"].value, s.rows[n]["real"].low, s.rows[n]["real"].high) for n in s.rows}
    picture = Figure(
        figures.png(
            figures.intervals(
                values, "share of real frames of strings guided by each", {n: v["real"] for n, v in s.lines.items()}
            )
        ),
        "Precision of strings under the detector of each boundary",
        "Right is better; LERP and SLERP use no detector.",
        "Strings under each boundary",
        figures.READING["intervals"],
    )
    return Section(
        "Where fake latents come from",
        "One detector for each boundary on the same codes, with the same settings. A good sensor is not one with an easy task of its own, "
        "but one whose high-scoring points are real.",
        [TableBlock(Table(columns, rows, tuple(free.upper() for free in FREE)), "The boundaries as sensors"), picture],
    )


TOO_WIDE = Claim(
    "Taking the whole space for fake is too wide: the discriminator cannot learn",
    CONFUSION,
    (Criterion("rank correlation with realism of the best other boundary less its own", "above", 0),),
)
REASONABLE = Claim(
    "A density-based boundary is the reasonable one of the three round the codes",
    CONFUSION,
    (Criterion("rank correlation with realism less that of each of the two others", "above", 0),),
)


def verdicts(found: Mapping[str, Boundary]) -> list[Verdict]:
    """Judges the source's claims on the boundaries."""
    ranks = {n: i for n, b in found.items() if (i := mean_alignment(b)) is not None}
    order = sorted(ranks, key=lambda n: -ranks[n].value)
    figure = f"rank correlation with realism: {', '.join(f'{n} {ranks[n]:.2f}' for n in order)}"
    how = "over prior draws, LERP points and encodings, mean of two judges and all seeds"
    given = []
    if "whole" in ranks and len(ranks) > 1:
        learned = sum(found["whole"].bce) / len(found["whole"].bce)
        easiest = f"its own task is the easiest (held-out BCE {learned:.3f}); {figure}"
        best = next(n for n in order if n != "whole")
        given.append(judge(TOO_WIDE, _apart(ranks[best], ranks["whole"]), figure=easiest, how=how))
    if rivals := [ranks[n] for n in ("whole", "ball") if n in ranks and "density" in ranks]:
        given.append(judge(REASONABLE, [_apart(ranks["density"], r) for r in rivals], figure=figure, how=how))
    return given


def _apart(a: Interval, b: Interval) -> Interval:
    """Returns the difference of two figures, from the nearest to the furthest ends of their intervals."""
    return Interval(a.value - b.value, a.low - b.high, a.high - b.low, a.level, min(a.n, b.n))


def figures_of(found: Mapping[str, Boundary], s: Summary) -> dict[str, object]:
    """Returns all measurements, for JSON."""
    return {
        "boundaries": {
            n: {
                "bce": list(b.bce),
                "auc": list(b.auc),
                "mixture_auc": list(b.mixture_auc),
                "alignment": [m.figures() for m in b.alignment],
            }
            for n, b in found.items()
        },
        "strings": {m: {n: [i.value, i.low, i.high] for n, i in row.items()} for m, row in s.rows.items()},
        "free": s.free,
        "gains": {m: plain(row["real"]) for m, row in s.gains.items()},
    }
