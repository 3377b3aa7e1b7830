"""The factors of paths between coloured shapes, which a formula reads from every frame (``measures.factors``)."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.metrics.ranks import bootstrap_spearman
from ridgewalk.metrics.statistics import Interval
from ridgewalk.path import chunked
from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk_studies.claims import Claim, Criterion, judge, of, plain, signed
from ridgewalk_studies.findings import Part
from ridgewalk_studies.interpolation.paths import Judged, on_the_line
from ridgewalk_studies.interpolation.variants import MANY, projection
from ridgewalk_studies.measures import factors
from ridgewalk_studies.measures.shapes import measure
from ridgewalk_studies.sources import NETWORK

ONE_SHAPE = Claim(
    "A small re-projection error means a picture of one shape",
    NETWORK,
    (Criterion("rank correlation of a small error with a small residual", "above", 0.5),),
)
MORE_SHAPES = Claim(
    "The learned paths show more shapes than straight lines",
    NETWORK,
    (Criterion("share of frames that are shapes, less that of straight lines,", "above", 0),),
)

COLUMNS = {
    "residual": Column("residual", ".3f", "lower", "of the interior frames, mean: 0 for a picture of one shape"),
    "worst": Column("worst", ".3f", "lower", "residual of the path's worst frame"),
    "real": Column("shapes", ".3f", "higher", "share of interior frames whose residual is below the limit"),
    "whole": Column("wholly", ".3f", "higher", "share of paths whose every interior frame is"),
    "deviation_x": Column("x", ".4f", "lower", "mean distance from the straight line between the ends' x, in sides"),
    "deviation_y": Column("y", ".4f", "lower", "the same of y"),
    "deviation_size": Column("size", ".4f", "lower", "the same of the size"),
    "deviation_hue": Column("hue", ".3f", "lower", "the same of the hue, in turns, along the shorter arc"),
    "monotonicity": Column("monotone", ".2f", "higher", "share of the factors' motion that goes from a to b"),
    "foreign": Column("foreign hue", ".3f", "lower", "share of frames whose hue lies not between the ends'"),
    "switches": Column(
        "switches", ".2f", "lower", "of the shape along a path; pairs differ in shape, so 1 is the least"
    ),
}


def compare_factors(j: Judged, judges: Sequence[Judge], points: int) -> Part:
    """Compares the factors of every method's paths, and correlates re-projection error and judges with the residual."""
    held_out = part(j.run.data, "validation").floats()
    below = factors.limit(chunked(j.run.decode, j.run.encode(held_out)).cpu())
    first, last = (measure(j.shown["lerp"][:, side]).factors for side in (0, -1))
    found = {n: factors.columns(frames, first, last, below) for n, frames in j.shown.items()}
    rows = {n: {c: _mean(v) for c, v in own.items()} for n, own in found.items()}
    ranks = _ranks(j, judges, points)
    gain = statistics.paired_difference(found[MANY]["real"], found["lerp"]["real"], 0)
    base = found["lerp"]
    claims = [
        judge(
            ONE_SHAPE,
            replace(ranks["reprojection"], n=min(ranks["reprojection"].n, gain.n)),
            figure=f"rank correlation with small residuals on straight lines {of(ranks['reprojection'])}; the judges' realism {of(ranks['judges'])}",
            how="the residual is exact: it needs no judge",
        ),
        judge(
            MORE_SHAPES,
            gain,
            figure=f"share of frames that are shapes less LERP's {signed(gain)} (many times, fresh pairs); LERP {float(base['real'].mean()):.3f}",
            how=f"a shape where the residual is below {below:.3f}, as 95 % of the reconstructions are",
        ),
    ]
    table = Table(
        COLUMNS,
        {n: {c: Cell.of(rows[n][c]) for c in COLUMNS} for n in rows},
        ("lerp",),
        f"A frame is a shape where |frame - rendering| / |frame| is below {below:.3f}, as it is for 95 % of the reconstructions of held-out images.",
    )
    section = Section(
        "The factors of the frames, by formula",
        "Shape, hue, size and place are read from every frame; no judge was trained for it. Factors are compared with the straight line between "
        "the ends' own. Brackets are 95 % bootstrap intervals over pairs.",
        [TableBlock(table, "Factors along the paths")],
    )
    measured = {
        "limit": below,
        "rows": plain({n: {c: i for c, i in row.items() if i is not None} for n, row in rows.items()}),
        "ranks": plain(ranks),
        "gain": plain(gain),
    }
    return Part(measured, claims, [section])


def _mean(values: Tensor) -> Interval | None:
    """Returns the mean over the pairs that have the figure; None if fewer than two do."""
    defined = values[~values.isnan()]
    return statistics.bootstrap_mean(defined, 0) if len(defined) > 1 else None


def _ranks(j: Judged, judges: Sequence[Judge], points: int) -> dict[str, Interval]:
    """Returns the rank correlations of re-projection error and judges' realism with a small residual, on LERP points."""
    z = on_the_line(j, points)
    error = (z - chunked(projection(j.run), z)).flatten(1).norm(dim=1).cpu()
    images = chunked(j.run.decode, z).cpu()
    residual = factors.residuals(images)
    realism = torch.stack([judge.margin(images) for judge in judges]).mean(dim=0)
    return {"reprojection": bootstrap_spearman(error, residual, 0), "judges": bootstrap_spearman(realism, -residual, 0)}
