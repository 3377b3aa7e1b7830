"""The page of the verb `project`: images, energies and distances, and of tempering the ladder."""

from pathlib import Path

from ridgewalk.finders import Exchanged, Tempered
from ridgewalk.registry import ENERGIES
from ridgewalk.reports import Cell, Column, Figure, Page, Section, Table, TableBlock, figures
from ridgewalk.reports import write as write_page
from ridgewalk.reports.pages.origin import budget_line, origin_values
from ridgewalk.verbs.project import Result

SHOWN = 36
"""Points whose images are on the page: the first ones."""


def write(result: Result) -> Path | None:
    """Writes ``report.html`` into the result's folder, and its tables; returns the folder of the tables, if there are any."""
    run, settings = result.run, result.settings
    n, shown = len(result.energy), min(SHOWN, len(result.energy))
    picture = Figure(
        figures.png(figures.before_after(*(result.frames[k][:shown].numpy() for k in ("before", "after")))),
        "Decoded points before and after",
        f"The first {shown} of {n} points, not chosen.",
        "What the points decode to",
        figures.READING["before_after"],
        wide=True,
    )
    sections = [
        Section("Images", blocks=[picture]),
        Section("Energy and distance", blocks=[_energies(result), _distances(result)]),
    ]
    if isinstance(result.mover, Tempered) and isinstance(result.moved, Exchanged):
        sections.append(Section("Tempering", blocks=[_ladder(result.mover, result.moved)]))
    page = Page(
        f"ridgewalk: latents projected by {settings['mover']} on {run.origin.recipe}",
        budget_line(run.origin, f"{n} points of {Path(settings['latents']).name}"),
        result.verdict,
        sections,
        {"project": settings, "run": origin_values(run)},
    )
    return write_page(page, result.page)


def _energies(result: Result) -> Figure:
    name = result.settings["energy"]
    energies = {"before": result.energy.cpu().numpy(), "after": result.moved.energy.cpu().numpy()}
    return Figure(
        figures.png(figures.histograms(energies, f"energy {name}")),
        "Histogram of the energy before and after",
        f"{ENERGIES[name].about}.",
        "The energy before and after",
        figures.READING["histograms"],
    )


def _distances(result: Result) -> Figure:
    moved = {"moved": result.distance.cpu().numpy()}
    return Figure(
        figures.png(figures.histograms(moved, "distance from before to after, in latent length")),
        "Histogram of the distances that points have moved",
        "For comparison: draws of the prior lie at about the square root of the latent dimension from its centre.",
        "How far the points moved",
        figures.READING["histograms"],
    )


def _ladder(mover: Tempered, moved: Exchanged) -> TableBlock:
    """Acceptance of swaps by pair of rungs."""
    columns = {
        "cold": Column("colder T", ".3g", about="temperature of the colder rung"),
        "hot": Column("hotter T", ".3g", about="temperature of the hotter rung"),
        "swaps": Column("swaps accepted", ".0%", about="share of the proposed swaps of the two, over all points"),
    }
    heat = mover.temperatures
    rows = {
        f"{i + 1} and {i + 2}": {"cold": Cell(heat[i]), "hot": Cell(heat[i + 1]), "swaps": Cell(accepted)}
        for i, accepted in enumerate(moved.swaps.tolist())
    }
    reading = "A state reaches the coldest rung through every pair, so a pair that rarely swaps slows down all of them."
    return TableBlock(Table(columns, rows, corner="rungs"), "Swaps by pair of rungs", reading)
