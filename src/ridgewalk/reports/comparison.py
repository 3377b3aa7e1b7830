"""A comparison of methods on a page: its tables, and the section on realism."""

from collections.abc import Sequence
from math import isnan

from ridgewalk.judging.comparison import Entry, Summary, describe_agreement
from ridgewalk.reports import Cell, Figure, Section, Table, TableBlock, Text, figures
from ridgewalk.reports.columns import COST, PATHS, REAL, gains

HEADLINE = 5
"""Number of models, trained with different seeds, that a figure to quote needs."""

BENCHMARK = (
    "real",
    "real_A",
    "real_B",
    "wholly_real",
    "wholly_real_A",
    "wholly_real_B",
    "precision",
    "largest_step",
    "relative_length",
    "arrived",
    "end_error",
    "real_gain",
    "wholly_real_gain",
    "seconds_per_path",
)
"""Columns of the table that `ridgewalk benchmark` prints."""


def metrics_table(summary: Summary, keys: Sequence[str], lines: bool) -> Table:
    """
    Returns the table of some metrics by method.

    Args:
        summary: summary of the methods.
        keys: keys of the metrics; one that was measured for no method is left out.
        lines: whether rows of real images, ceiling and floor follow.
    """
    present = [k for k in keys if any(k in r and not isnan(r[k].value) for r in summary.rows.values())]
    rows: dict[str, dict[str, Cell]] = {
        m: {k: Cell.of(r[k]) for k in present if k in r} for m, r in summary.rows.items()
    }
    if lines:
        rows |= {line: {k: Cell(v[k]) for k in present if k in v} for line, v in summary.lines.items()}
    return Table({k: PATHS[k] for k in present}, rows, tuple(summary.lines))


def gains_table(summary: Summary) -> Table:
    """Differences to the best free path on the same pairs."""
    rows = {
        m: {f"{k}_gain": Cell.of(own[k]) for k in ("real", "wholly_real") if k in own}
        for m, own in summary.gains.items()
    }
    columns = {k: c for k, c in gains(summary.free).items() if any(k in row for row in rows.values())}
    return Table(columns, rows)


def cost_table(entries: Sequence[Entry]) -> Table:
    """Wall clock, evaluations, iterations and memory of each search."""
    columns = {k: COST[k] for k in ("seconds_per_path", "nfe", "iterations", "peak_mb")}
    rows = {}
    for e in entries:
        n = len(next(iter(e.columns.values())))
        row = {k: Cell(e.stats[k]) for k in columns if k in e.stats}
        row["seconds_per_path"] = Cell(1000 * e.stats.get("seconds_per_path", 0.0))
        row["nfe"] = Cell(e.stats.get("nfe", 0) / n)
        rows[e.method] = row
    return Table(columns, rows)


def describe_intervals(summary: Summary) -> str:
    """Says what the intervals of a comparison extend over, and whether its models are as many as a headline figure needs."""
    models = summary.models
    if models == 1:
        return "Brackets are 95 % bootstrap intervals over pairs, for this model: another seed of its training may give other figures."
    few = (
        f" {models} models tell little of the spread between seeds, so that the intervals are wide; figures to quote need {HEADLINE}."
        if models < HEADLINE
        else ""
    )
    return f"Brackets are 95 % intervals over pairs and over {models} models, trained with different seeds.{few}"


def realism_section(summary: Summary) -> Section:
    """Share of real frames and of wholly real paths of each method, and against smoothness; the table alone where a judge cannot tell."""
    rows = {m: (r["real"].value, r["real"].low, r["real"].high) for m, r in summary.rows.items()}
    points = {}
    for m, r in summary.rows.items():
        x, y = r["largest_step"], r["real"]
        points[m] = (x.value, y.value, x.low, x.high, y.low, y.high)
    title, table = "How real the frames are", metrics_table(summary, REAL, True)
    if not summary.best:
        return Section(
            title,
            "Not measured: a judge cannot tell on these data, as the next section shows. Whether frames are near real images in a classifier's features says "
            "little of frames in which two things are laid over each other.",
            [TableBlock(table, "Nearness")],
        )
    return Section(
        title,
        "A frame is real to a judge that was trained to tell real images from composites of two real ones; the next section shows what it can tell. Two "
        "judges grade, which share no data, architecture or seed, and neither of which guided a path. "
        f"{describe_intervals(summary)} The best of each column is set off.",
        [
            TableBlock(
                table,
                "Realism",
                "Arrows say which direction is better; rows in italics are to compare with.",
            ),
            TableBlock(
                gains_table(summary),
                "Against the best free path",
                f"LERP and SLERP cost nothing; the more real of the two, here {summary.free.upper()}, is what a method must beat. Differences are on "
                "the same pairs; an interval that excludes zero is a difference that is settled.",
            ),
            Figure(
                figures.png(
                    figures.intervals(
                        rows,
                        "share of real interior frames, mean of two judges",
                        {n: v["real"] for n, v in summary.lines.items()},
                    )
                ),
                "Share of real frames of each method with its interval, and that of real images, reconstructions and the prior",
                "Right is better. Reconstructions are the ceiling of what this decoder can do, decoded draws of the prior the floor. "
                "Pixel averages of two images are real to no eye.",
                "Share of real frames of each method",
                figures.READING["intervals"],
            ),
            Figure(
                figures.png(
                    figures.tradeoff(
                        points,
                        "largest step between frames / distance between the ends (left is smoother)",
                        "share of real frames (up is more real)",
                    )
                ),
                "Share of real frames of each method against its largest step",
                "Realism and smoothness trade off; the grey band joins the methods that none beats in both.",
                "Realism against smoothness",
                figures.READING["tradeoff"],
            ),
            Text(
                f"{describe_agreement(summary)}\n\nA path that repeats one frame that looks real would be wholly real: read the share of real "
                "frames together with the steps and the length below.",
                aside=True,
            ),
        ],
    )
