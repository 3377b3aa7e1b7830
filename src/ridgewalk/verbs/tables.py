"""The tables of a comparison: which columns there are, what they mean, and which direction is better."""

from collections.abc import Sequence

from ridgewalk.judging.comparison import HIGHER, Entry, Summary
from ridgewalk.reports import Cell, Column, Table

_ABOUT = {
    "precision": (
        "precision",
        ".3f",
        "share of interior frames within a k-NN ball of a real image; mean of both judges",
    ),
    "precision_A": ("precision, A", ".3f", "precision by judge A alone"),
    "precision_B": ("precision, B", ".3f", "precision by judge B alone"),
    "wholly_real": ("wholly real", ".3f", "share of paths with every interior frame real; mean of both judges"),
    "wholly_real_A": ("wholly real, A", ".3f", "the same by judge A alone"),
    "wholly_real_B": ("wholly real, B", ".3f", "the same by judge B alone"),
    "realism": ("realism", ".3f", "largest ratio of a ball's radius to the distance of its centre, mean over frames"),
    "mean_confidence": ("confidence", ".3f", "largest class probability, mean over interior frames"),
    "worst_confidence": ("worst", ".3f", "largest class probability at the least certain frame"),
    "third_class": ("third class", ".3f", "probability of neither end's class"),
    "monotonicity": ("monotony", ".3f", "share of the change of P(B) - P(A) that goes the right way"),
    "relative_length": ("length / LERP", ".2f", "length of the path in pixels over LERP's"),
    "largest_step": (
        "largest step",
        ".3f",
        "largest step between frames over the distance between the ends, in pixels",
    ),
    "step_evenness": ("largest / mean", ".2f", "largest step over the mean step"),
    "end_error": ("end error", ".1g", "distance of the path's ends from the codes of A and B"),
    "arrived": ("arrived", ".0%", "share of paths that reached B by steps no longer than the others"),
}
REAL = ("precision", "precision_A", "precision_B", "wholly_real", "wholly_real_A", "wholly_real_B", "realism")
CLASSES = ("mean_confidence", "worst_confidence", "third_class", "monotonicity")
SHAPE = ("arrived", "end_error", "relative_length", "largest_step", "step_evenness")


def column(key: str) -> Column:
    """The column of a metric by its key."""
    heading, form, about = _ABOUT[key]
    better = (
        None
        if key in ("relative_length",)
        else "higher"
        if key in HIGHER or key.removesuffix("_A").removesuffix("_B") in HIGHER
        else "lower"
    )
    return Column(heading, form, better, about)


def metrics_table(summary: Summary, keys: Sequence[str], lines: bool) -> Table:
    """Each method's values of some metrics, and where asked for those of real images, ceiling and floor."""
    present = [k for k in keys if any(k in r for r in summary.rows.values())]
    rows: dict[str, dict[str, Cell]] = {
        m: {k: Cell.of(r[k]) for k in present if k in r} for m, r in summary.rows.items()
    }
    if lines:
        rows |= {line: {k: Cell(v[k]) for k in present if k in v} for line, v in summary.lines.items()}
    return Table({k: column(k) for k in present}, rows, tuple(summary.lines))


def against_lerp(summary: Summary) -> Table:
    """Differences, shares of the gap and ratios to LERP on the same pairs."""
    columns = {
        "precision": Column("precision - LERP's", "+.3f", "higher", "paired difference"),
        "gap": Column("gap closed", ".2f", "higher", "(precision - LERP's) / (reconstructions' - LERP's)"),
        "wholly_real": Column("wholly real - LERP's", "+.3f", "higher", "paired difference"),
        "ratio": Column("wholly real / LERP's", ".2f", "higher", "ratio of shares"),
    }
    rows = {}
    for m, d in summary.differences.items():
        rows[m] = {
            "precision": Cell.of(d["precision"]),
            "gap": Cell.of(summary.gap_closed[m]),
            "wholly_real": Cell.of(d["wholly_real"]),
        }
        if m in summary.whole_ratio:
            rows[m]["ratio"] = Cell.of(summary.whole_ratio[m])
    return Table(columns, rows)


def cost_table(entries: Sequence[Entry]) -> Table:
    """What each search cost."""
    columns = {
        "seconds_per_path": Column("ms a path", ".2f", "lower", "wall clock of the search over the number of paths"),
        "nfe": Column("NFE a path", ".0f", None, "evaluations of the energy (forward, or forward and backward)"),
        "iterations": Column("iterations", ".0f", None, "moves of a whole curve, or steps of the longest walk"),
        "peak_mb": Column("peak MB", ".0f", None, "peak resident memory of the process up to then"),
    }
    rows = {}
    for e in entries:
        n = len(next(iter(e.columns.values())))
        row = {k: Cell(e.stats[k]) for k in columns if k in e.stats}
        row["seconds_per_path"] = Cell(1000 * e.stats.get("seconds_per_path", 0.0))
        row["nfe"] = Cell(e.stats.get("nfe", 0) / n)
        rows[e.method] = row
    return Table(columns, rows)


def benchmark_table(summary: Summary, entries: Sequence[Entry]) -> Table:
    """One wide table: what the benchmark's figures ask for."""
    table = metrics_table(
        summary,
        (
            "precision",
            "precision_A",
            "precision_B",
            "wholly_real",
            "wholly_real_A",
            "wholly_real_B",
            "largest_step",
            "relative_length",
            "arrived",
            "end_error",
        ),
        True,
    )
    columns, rows = dict(table.columns), {n: dict(r) for n, r in table.rows.items()}
    columns |= {
        "gap": Column("gap closed", ".2f", "higher"),
        "ratio": Column("wholly real / LERP's", ".2f", "higher"),
        "ms": Column("ms a path", ".2f", "lower"),
    }
    for e in entries:
        rows[e.method] |= {"gap": Cell.of(summary.gap_closed[e.method]), "ms": Cell(1000 * e.stats["seconds_per_path"])}
        if e.method in summary.whole_ratio:
            rows[e.method]["ratio"] = Cell.of(summary.whole_ratio[e.method])
    return Table(columns, rows, table.unranked)
