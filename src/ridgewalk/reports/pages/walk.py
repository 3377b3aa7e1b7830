"""The page of the verb `walk`: one method compared with the free paths; and the animation."""

from pathlib import Path

from ridgewalk.evaluation.reconstructions import describe_reconstruction
from ridgewalk.reports import Cell, Page, Section, Table, TableBlock, write_gif
from ridgewalk.reports import write as write_page
from ridgewalk.reports.columns import CLASSES, PATHS, REAL, SHAPE
from ridgewalk.reports.pages.origin import all_settings, budget_line
from ridgewalk.reports.paths import strip_figure, trace_figures
from ridgewalk.reports.power import power_section
from ridgewalk.verbs.walk import Result

SHOWN = 8
"""Pairs whose frames are shown, and animated: the first ones."""


def write(result: Result, gif: bool = False) -> Path | None:
    """Writes ``report.html`` into the result's folder, its tables, and with ``gif`` also ``path.gif``; returns the folder of the tables, if there are any."""
    run, ends, kept = result.run, result.ends, result.settings["keep"]
    shown = min(SHOWN, len(ends))
    keys = [k for k in (*REAL, *CLASSES, *SHAPE) if k in result.columns["lerp"]]
    table = Table(
        {k: PATHS[k] for k in keys},
        {m: {k: Cell(float(c[k].mean())) for k in keys if k in c} for m, c in result.columns.items()},
    )
    sections = [
        Section(
            "Frames",
            " ".join(
                [
                    *([f"{shown} of {len(ends)} pairs."] if len(ends) > shown else []),
                    *([f"The animation of these paths is in {result.animation.name}."] if gif else []),
                    *([describe_reconstruction(result.reconstruction)] if result.reconstruction else []),
                ]
            ),
            [strip_figure(run, ends, result.frames, i, result.judges, kept is None) for i in range(shown)],
        ),
        Section(
            "Figures",
            "Means over the pairs. Means of a few pairs give an impression only; `ridgewalk report` gives intervals.",
            [TableBlock(table)],
        ),
        power_section(result.judges),
        Section("Energy and distance along the path", blocks=trace_figures(result.energies, result.distances)),
    ]
    settings = {k: v for k, v in result.settings.items() if v is not None}
    described = "images as given" if "from" in settings else f"drawn by pair seed {settings['seed']}"
    page = Page(
        f"ridgewalk: {settings['method']} on {run.origin.recipe}",
        budget_line(run.origin, f"{len(ends)} pairs ({described})"),
        result.verdict,
        sections,
        {"walk": settings, **all_settings(run)},
    )
    tables = write_page(page, result.page)
    if gif:
        write_gif(result.frames[settings["method"]][:shown].numpy(), result.animation)
    return tables
