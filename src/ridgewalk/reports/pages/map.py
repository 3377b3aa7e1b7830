"""The page and the picture of the verb `map`."""

import json

import numpy as np

from ridgewalk.files import write_bytes
from ridgewalk.registry import ENERGIES
from ridgewalk.reports import Figure, Page, Section, figures
from ridgewalk.reports import write as write_page
from ridgewalk.reports.pages.origin import budget_line, origin_values, source_name
from ridgewalk.verbs.map import Result

FURTHEST_STRENGTH = 0.6
"""Strength of the colour of the furthest code; a code in the plane has 1."""


def write(result: Result) -> None:
    """Writes ``map.png``, with all energies side by side, and ``map.html`` into the result's folder."""
    run, view = result.run, result.view
    paths = {n: p.numpy() for n, p in result.paths.items()}
    overlay = figures.Overlay(paths, view.marks, view.axes)
    codes = figures.Codes(result.codes.numpy(), _labels(result), _strength(result))
    grid = result.grid[0].numpy(), result.grid[1].numpy()
    energies, arrows = ({n: v.numpy() for n, v in values.items()} for values in (result.energies, result.arrows))
    write_bytes(result.folder / "map.png", figures.png(figures.energy_map(*grid, energies, arrows, codes, overlay)))
    few = f" The {len(result.codes)} of {result.encoded} held-out codes nearest to the plane are drawn."
    maps = [
        Figure(
            figures.png(figures.energy_map(*grid, {n: energies[n]}, {n: arrows[n]}, codes, overlay)),
            f"Filled contours of the energy {n} over the plane, with codes, arrows of the score and paths",
            f"{ENERGIES[n].about}.{'' if view.name == 'whole' else few}",
            f"The energy {n}",
            figures.READING["energy_map"],
        )
        for n in energies
    ]
    x, y = (v.numpy() for v in result.cells)
    decoded = Figure(
        figures.png(figures.decoded_map(x, y, result.images.numpy(), overlay, view.limits)),
        "Decoded images on a coarse grid over the same plane",
        "The same piece of the plane as in the maps of the energies: where an energy is dark, see whether the images are broken.",
        "What the plane decodes to",
        figures.READING["decoded_map"],
    )
    sections = [
        Section(
            "The energies",
            "Each map shows one energy over the same plane. An energy that guides well is pale around codes that lie in the plane, and dark between them.",
            maps,
        ),
        Section("The images", "Decoded points of the same piece of the plane.", [decoded]),
    ]
    settings = {k: json.dumps(v) if isinstance(v, list) else v for k, v in result.settings.items() if v is not None}
    page = Page(
        f"ridgewalk: a map of {run.origin.recipe} on {source_name(run)}",
        budget_line(run.origin, f"a picture, which measures nothing; seed {settings['seed']}"),
        result.verdict,
        sections,
        {"map": settings, "run": origin_values(run)},
    )
    write_page(page, result.page)


def _strength(result: Result) -> np.ndarray:
    """Strength of each code's colour (n,), falling linearly with its distance from the plane."""
    distance = result.distance
    tiny = float(np.finfo(distance.numpy().dtype).tiny)
    strength: np.ndarray = (1 - (1 - FURTHEST_STRENGTH) * distance / distance.max().clamp_min(tiny)).numpy()
    return strength


def _labels(result: Result) -> np.ndarray:
    """The class name of each code (n,); empty where there is one class only, or the class is unknown."""
    names = result.run.data.class_names
    return np.array([names[i] if len(names) > 1 and i >= 0 else "" for i in result.labels.tolist()])
