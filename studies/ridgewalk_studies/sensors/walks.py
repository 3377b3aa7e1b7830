"""
Score-guided walks under an adversarial autoencoder's own discriminator: is the sensor alive, and where does it lead the walks?

The experiments ``sensors.failure`` and ``sensors.alive`` both measure the following figures of walks between ends that are selected by the
discriminator's own score (``endpoints``):

    score       sigmoid(l(z)) along the path, SGW against LERP
    pull        |score - 1/2| of LERP's interior frames minus that of SGW's, on the same pairs: above 0 where SGW comes nearer to 1/2
    deviation   largest distance of a path's node from the straight line, over |z_b - z_a|
    correction  mean size of the correction over the drive, |c| / alpha
    real        share of interior frames that the judges take for real, SGW minus LERP
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.evaluation.ends import Ends
from ridgewalk.evaluation.search import distances_to_end, search
from ridgewalk.evaluation.sensors import diagnose_sensors
from ridgewalk.fields import normal_part, row_norm
from ridgewalk.judging import comparison
from ridgewalk.judging.comparison import PairedPaths
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.metrics.statistics import Interval
from ridgewalk.path import Path as Curve
from ridgewalk.reports import Block, Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports.columns import PATHS
from ridgewalk.reports.paths import strip_figure
from ridgewalk.store.run import Run
from ridgewalk_studies import endpoints as choosing

ENERGIES = {"sgw": "logit-squared", "sgw, bce-to-half": "bce-to-half", "sgw, bce-to-0": "bce-to-0"}
"""The energy of each walk, by the name under which the walk is shown."""

DEVIATION = Column("deviation", ".3f", None, "largest distance from the straight line over the ends' distance")

SHOWN = 2


@dataclass(frozen=True, eq=False)
class Walked:
    """
    The walks between ends of one kind, and their figures.

    Attributes:
        ends: Ends of the first run, for the pictures.
        curves: Curves of the first run by walk, the free paths included.
        frames: Frames of the first run, by walk.
        scores: Scores (b, k) by walk, over all runs.
        distances: Distances to z_b, (b, k), by walk.
        corrections: Sizes of the correction over alpha, (b, k), of the guided walks.
        columns: Values (b,) by walk and metric.
        own: Precision of the ends' own reconstructions (b,), mean of both ends and judges.
    """

    ends: Ends
    curves: Mapping[str, Curve]
    frames: Mapping[str, Tensor]
    scores: Mapping[str, Tensor]
    distances: Mapping[str, Tensor]
    corrections: Mapping[str, Tensor]
    columns: Mapping[str, Mapping[str, Tensor]]
    own: Tensor

    def mean(self, walk: str, metric: str) -> Interval:
        """Returns the mean of a metric over pairs."""
        return statistics.bootstrap_mean(self.columns[walk][metric], 0)

    def over_lerp(self, walk: str, metric: str) -> Interval:
        """Returns the walk's mean minus LERP's on the same pairs."""
        return statistics.paired_difference(self.columns[walk][metric], self.columns["lerp"][metric], 0)


def off_line(path: Curve, z_a: Tensor, z_b: Tensor) -> Tensor:
    """Returns the largest distance of each path's nodes from the line through its ends, over |z_b - z_a|: (b,)."""
    across = (z_b - z_a)[:, None].expand_as(path.nodes)
    off = row_norm(normal_part((path.nodes - z_a[:, None]).flatten(0, 1), across.flatten(0, 1)))
    return off.view(path.nodes.shape[:2]).amax(dim=1) / row_norm(z_b - z_a).flatten()


def walk_pairs(runs: Sequence[Run], judges: Sequence[Judge], kind: str, count: int, seed: int) -> Walked:
    """Pools the walks between ends of one kind over all runs."""
    every = [_walk_one_run(run, judges, kind, count, seed) for run in runs]
    first = every[0]

    def pooled(name: str) -> dict[str, Tensor]:
        return {w: torch.cat([getattr(e, name)[w] for e in every]) for w in getattr(first, name)}

    columns = {w: {m: torch.cat([e.columns[w][m] for e in every]) for m in c} for w, c in first.columns.items()}
    own = torch.cat([e.own for e in every])
    pool = {n: pooled(n) for n in ("scores", "distances", "corrections")}
    return Walked(first.ends, first.curves, first.frames, columns=columns, own=own, **pool)


def _walk_one_run(run: Run, judges: Sequence[Judge], kind: str, count: int, seed: int) -> Walked:
    ends = choosing.pairs(run, choosing.scores(run), kind, count, seed)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    curves = {w: search(run, "sgw", z_a, z_b, e) for w, e in ENERGIES.items()}
    curves |= {w: search(run, w, z_a, z_b) for w in comparison.FREE}
    frames = {w: c.map(run.decode).cpu() for w, c in curves.items()}
    matcher, alpha = run.sensors["matcher"], run.recipe.walks.sgw_alpha
    scores = {w: c.map(matcher).sigmoid().cpu() for w, c in curves.items()}
    columns = {}
    for w, curve in curves.items():
        found = comparison.measure(
            PairedPaths(curve, frames[w], frames["lerp"], z_a, z_b, ends.labels_a, ends.labels_b), judges
        )
        inner = scores[w][:, 1:-1].double()
        found["from_half"] = (inner - 0.5).abs().mean(dim=1)
        found["middle_score"] = inner[:, inner.shape[1] // 3 : -(inner.shape[1] // 3) or None].mean(dim=1)
        found["deviation"] = off_line(curve, z_a, z_b).cpu().double()
        if "correction" in curve.traces:
            found["correction"] = curve.traces["correction"].mean(dim=1).cpu().double() / alpha
        columns[w] = {m: v.cpu() for m, v in found.items()}
    made = torch.cat([run.decode(z_a), run.decode(z_b)]).cpu()
    own = comparison.single_images(made, judges)["real"].view(2, -1).mean(dim=0)
    distances = distances_to_end(curves, z_b)
    corrections = {w: c.traces["correction"].cpu() / alpha for w, c in curves.items() if "correction" in c.traces}
    return Walked(ends, curves, frames, scores, distances, corrections, columns, own)


def kind_section(run: Run, judges: Sequence[Judge], kind: str, w: Walked) -> Section:
    """Returns the section on one kind of ends: score, distance, correction, strips, figures."""
    main = ("sgw", *comparison.FREE)

    def along(
        values: Mapping[str, Tensor], names: Sequence[str], label: str, title: str, says: str, half: bool
    ) -> Figure:
        shown = {n: values[n].numpy() for n in names if n in values}
        lines = {"D = 1/2": 0.5} if half else None
        drawn = figures.png(figures.traces(shown, label, lines=lines))
        return Figure(drawn, f"{title} against position, a line for each walk", says, title, figures.READING["traces"])

    pulled = w.over_lerp("sgw", "from_half")
    blocks: list[Block] = [
        along(
            w.scores,
            [*ENERGIES, "lerp"],
            "score, sigmoid of D_z's logit",
            "Score along the path",
            f"SGW under l² (blue) is {-pulled.value:+.3f} nearer to 1/2 than LERP (orange), frame by frame.",
            True,
        ),
        along(
            w.distances,
            main,
            "distance to b in latent space",
            "Distance to B along the path",
            f"{float(w.columns['sgw']['arrived'].mean()):.0%} of SGW's walks arrived.",
            False,
        ),
        along(
            w.corrections,
            list(ENERGIES),
            "size of the correction over the drive's",
            "Correction along the path",
            "Where this is 0 the walk is LERP; near 1 correction and drive can balance, and the walk stalls.",
            False,
        ),
        *(strip_figure(run, w.ends, {n: w.frames[n] for n in main}, i, judges) for i in range(min(SHOWN, len(w.ends)))),
        TableBlock(
            kind_table(w),
            "Figures of the walks",
            "LERP and SLERP have no correction; differences are in the claims above.",
        ),
    ]
    own = statistics.bootstrap_mean(w.own, 0)
    return Section(
        f"From {kind} to {kind}",
        f"{len(w.own)} walks. Of the ends' own reconstructions {own:.0%} are real to the judges.",
        blocks,
    )


def kind_table(w: Walked) -> Table:
    """Returns the table of figures of one kind of ends by walk."""
    columns = {
        "from_half": Column("|score - 1/2|", ".3f", None, "mean over interior frames"),
        "middle_score": Column("score, middle", ".3f", None, "mean over the middle third"),
        "deviation": DEVIATION,
        "correction": Column("correction / drive", ".3f", None, "mean size of the correction over the drive's"),
        **{k: PATHS[k] for k in ("real", "arrived")},
    }
    rows = {}
    for walk, own in w.columns.items():
        found = {m: w.mean(walk, m) for m in columns if m in own}
        rows[walk] = {m: Cell.of(i) for m, i in found.items()}
    return Table(columns, rows)


def histogram(d: SensorDiagnosis, title: str) -> Figure:
    """Draws the scores of encodings, draws of the prior and LERP points."""
    scores = {g: s.numpy() for g, s in d.scores.items() if g != "negatives"}
    return Figure(
        figures.png(figures.score_histogram(scores, "score, sigmoid of D_z's logit: 1 is the prior, 0 encoded data")),
        "Histogram of the discriminator's scores by group of points",
        d.sentence,
        title,
        figures.READING["score_histogram"],
    )


def shape_of(scores: Tensor) -> dict[str, float]:
    """Returns 5, 50 and 95 % quantiles of scores (n,), their share within 0.05 of 1/2, and the number of peaks of a smoothed histogram."""
    low, middle, high = np.quantile(scores.double().numpy(), (0.05, 0.5, 0.95))
    counts = np.histogram(scores.numpy(), 25, (0.0, 1.0))[0]
    smooth = np.convolve(np.pad(counts, 2), np.ones(5) / 5, "valid")
    inner = np.diff(np.sign(np.diff(np.r_[-1, smooth, -1])[np.diff(np.r_[-1, smooth, -1]) != 0]))
    near = float(((scores - 0.5).abs() < 0.05).double().mean())
    return {"low": low, "median": middle, "high": high, "near_half": near, "peaks": float((inner < 0).sum())}


def figures_of(found: Mapping[str, Walked]) -> dict[str, object]:
    """Returns every mean with its interval, by kind of ends, walk and metric."""
    out: dict[str, object] = {}
    for kind, w in found.items():
        out[kind] = {
            walk: {
                m: [i.value, i.low, i.high]
                for m in w.columns[walk]
                if not w.columns[walk][m].isnan().any()
                for i in [w.mean(walk, m)]
            }
            for walk in w.columns
        }
    return out


def matcher_of(run: Run) -> SensorDiagnosis:
    """Returns the diagnosis of a run's own discriminator of codes."""
    return diagnose_sensors(run, names=["matcher"])[0]
