"""Tables and pictures of the interpolation networks: all variants, the sweep of the attraction, the collapse."""

from collections.abc import Mapping

from ridgewalk.judging import comparison
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports.paths import strip_figure
from ridgewalk_studies.interpolation.paths import Judged
from ridgewalk_studies.interpolation.variants import COLLAPSED, DISTILLED, FALLING, FREE, RATIO, Trained

VARIETY = Column(
    "variety", ".3g", None, f"of outputs between pairs over straight lines'; below {COLLAPSED} one path for all"
)
ERROR = Column(
    "re-projection", ".3g", "lower", "mean |z - E(G(z))|^2 of its interior points over LERP's, held-out pairs"
)
REAL = Column("real", ".3f", "higher", "share of interior frames real to the judges")
STEP = Column(
    "largest step", ".3f", "lower", "between frames over the ends' distance, the jump to its first frame included"
)
GAP = Column("end gap", ".2g", "lower", "largest distance of an end from its latent over the ends'")


def table(found: Mapping[str, Trained], j: Judged, milliseconds: Mapping[str, float]) -> Section:
    """Returns the table of every variant, the free paths and the string method."""
    columns = {
        "variety": VARIETY,
        "error": ERROR,
        "real": REAL,
        "whole": Column("wholly real", ".3f", "higher", "share of paths with every interior frame real"),
        "step": STEP,
        "gap": GAP,
        "seconds": Column("seconds", ".0f", None, "of training, including the search of the paths to learn"),
        "pass": Column("ms a path", ".3g", "lower", "16 frames, in a batch of 128, on one thread"),
    }
    rows = {}
    for name, row in j.summary.rows.items():
        cells = {**_judged_cells(j, name), "whole": Cell.of(row["wholly_real"])}
        if name in found:
            cells |= {**_training_cells(found[name], j, name), "seconds": _seconds(found[name])}
            cells["pass"] = Cell(milliseconds[name])
        if name == "string":
            cells["pass"] = Cell(milliseconds[name], note="its search")
        rows[name] = cells
    return Section(
        "The variants",
        "Each trained for the same number of points. The string method searches every path anew, under the energy of the last two.",
        [TableBlock(Table(columns, rows, (*comparison.FREE, "string")), "Interpolation networks")],
    )


def sweep(found: Mapping[str, Trained], j: Judged, names: Mapping[float, str]) -> Section:
    """Returns the section on attractions from 0 up and falling: their variety and their share of real frames."""
    labels = {n: f"{w:g}" for w, n in names.items()} | {FALLING: "falling"}
    columns = {"variety": VARIETY, "error": ERROR, "real": REAL, "step": STEP, "gap": GAP}
    rows = {label: {**_judged_cells(j, n), **_training_cells(found[n], j, n)} for n, label in labels.items()}
    block = TableBlock(
        Table(columns, rows, caption="One time for each pair, fixed pairs; variety in training.", corner="lambda"),
        "The attraction",
    )
    points = {}
    for n, label in labels.items():
        x, y = j.reprojection(n), j.summary.rows[n]["real"]
        points[label] = (x.value, y.value, x.low, x.high, y.low, y.high)
    curves = {
        f"lambda {label}": (found[n].history.steps.numpy(), found[n].history.terms["variety"].numpy())
        for n, label in labels.items()
    }
    return Section(
        "How much attraction",
        "From none, with which any fixed point of E(G(.)) is a minimum, to one that allows only the straight line.",
        [
            block,
            Figure(
                figures.png(figures.losses(curves, log=True, lines=dict.fromkeys(curves, COLLAPSED))),
                "Variety between pairs over the training, a panel for each attraction",
                f"Below the dotted line, at {COLLAPSED}, it is one path for all.",
                "When it collapses",
                figures.READING["losses"],
            ),
            Figure(
                figures.png(
                    figures.tradeoff(
                        points,
                        "re-projection error over LERP's",
                        "share of real frames (up is more real)",
                        "upper left",
                    )
                ),
                "Precision of each attraction against its re-projection error",
                "The loss minimises the re-projection error; the vertical axis shows whether that makes paths real.",
                "The loss's aim and realism",
                figures.READING["tradeoff"],
            ),
            strip_figure(j.run, j.ends, {f"lambda {label}": j.shown[n] for n, label in labels.items()}, 0, j.others),
        ],
    )


def collapse(found: Mapping[str, Trained]) -> Section:
    """Returns the section on the network without attraction: its losses by step, and the events of its training."""
    free = found[FREE].history
    steps = free.steps.numpy()
    curves = {n: (steps, free.terms[n].numpy()) for n in ("reprojection", "variety", "interpolation_gradient")}
    picture = Figure(
        figures.png(figures.losses(curves, log=True)),
        "Re-projection error, variety and gradient norm of the network without attraction",
        "In a collapse by vanishing gradients the gradient would vanish before the variety does.",
        "Training without attraction",
        figures.READING["losses"],
    )
    events = [f"{n}: {e.sentence}" for n, t in found.items() for e in t.history.events]
    return Section(
        "How it collapses",
        "The network without attraction, step by step. "
        + (
            "Events during training: " + "; ".join(events) + "."
            if events
            else "No collapse was detected during training."
        ),
        [picture],
    )


def distillation(found: Mapping[str, Trained], j: Judged) -> Section:
    """Returns the section on both trainings of the exact network on one energy, and on the search that one learns from."""
    columns = {
        "real": REAL,
        "step": STEP,
        "search": Column("search, s", ".0f", None, "seconds before the first step"),
        "training": Column("training, s", ".0f", None, "seconds of its steps"),
        "steps": Column("steps", ".0f", None, "of training"),
    }
    rows = {}
    for n in (*comparison.FREE, RATIO, DISTILLED, "string"):
        rows[n] = {"real": Cell.of(j.summary.rows[n]["real"]), "step": _judged_cells(j, n)["step"]}
        if n in found:
            t = found[n]
            rows[n] |= {
                "search": Cell(t.before),
                "training": Cell(t.history.seconds),
                "steps": Cell(t.history.taken),
            }
    return Section(
        "Learned from the energy, or from its paths",
        "The exact network, trained on the density ratio along its own paths, or on the paths that the string method found under it.",
        [TableBlock(Table(columns, rows, (*comparison.FREE, "string")), "Two trainings on one energy")],
    )


def _judged_cells(j: Judged, name: str) -> dict[str, Cell]:
    row = j.summary.rows[name]
    return {
        "real": Cell.of(row["real"]),
        "step": Cell.of(row.get("largest_step")),
        "error": Cell.of(j.reprojection(name)),
    }


def _training_cells(t: Trained, j: Judged, name: str) -> dict[str, Cell]:
    note = None if t.collapsed_at is None else f"collapsed, step {t.collapsed_at}"
    return {"variety": Cell(t.end("variety"), note=note), "gap": Cell(j.paths[name].stats["end_gap"])}


def _seconds(t: Trained) -> Cell:
    return Cell(t.seconds, note=f"{t.before:.0f} s of search" if t.before >= 1 else None)
