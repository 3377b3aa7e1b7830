"""The page of the verb `compare`: the front of realism against smoothness and against time."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import ridgewalk
from ridgewalk.judging.front import Standing
from ridgewalk.reports import Cell, Figure, Page, Section, Table, TableBlock, Text, figures
from ridgewalk.reports import write as write_page
from ridgewalk.reports.columns import CLASSES, COST, FURTHER, PATHS, SHAPE
from ridgewalk.reports.comparison import cost_table, gains_table, metrics_table, realism_section
from ridgewalk.reports.pages.origin import source_name
from ridgewalk.reports.paths import strip_figure
from ridgewalk.reports.power import power_section
from ridgewalk.verbs.compare import AMORTISED, Front, Result

STRIPS = ("lerp", "slerp", "geodesic", "graph", "string", "ridge@4", "ridge@16", AMORTISED)
"""Methods whose frames are shown."""

SHOWN = 3
"""Pairs whose frames are shown: the first ones."""

Mark = tuple[float, float, float, float, float, float]
"""x, y, ends of the interval of x, ends of the interval of y."""


def write(result: Result) -> Path | None:
    """Writes ``report.html`` into the result's folder, and its tables; returns the folder of the tables, if there are any."""
    runs, request = result.front.runs, result.request
    o = runs[0].origin
    seeds = ", ".join(str(r.origin.seed) for r in runs)
    about = f"{result.pairs} pairs ({request.role} images), pair seed {request.seed}; model seeds {seeds}"
    page = Page(
        f"Finders compared on {source_name(runs[0])}",
        f"{o.recipe}, {o.budget}; {about}; ridgewalk {ridgewalk.__version__}.",
        result.verdict,
        sections(result.front),
    )
    return write_page(page, result.page)


def sections(front: Front) -> list[Section]:
    """Returns the front, the paths, their realism and their cost."""
    m, run = front.pooled.measured[0], front.runs[0]
    chosen = {n: f for n, f in m.frames.items() if n.partition(":")[0] in STRIPS}
    strips = [strip_figure(run, m.ends, chosen, i, m.judges) for i in range(min(SHOWN, len(m.ends)))]
    return [
        _front(front),
        Section(
            "The paths",
            "The first pairs, not chosen. A red bar stands under a frame that is real to neither judge.",
            strips,
        ),
        realism_section(front.pooled.summary),
        power_section(m.judges),
        Section(
            "The cost of the search",
            "Measured on the threads of this run; decoding for display is not included.",
            [TableBlock(cost_table(front.pooled.entries), "Cost")],
        ),
    ]


def _front(front: Front) -> Section:
    s = front.pooled.summary
    points: dict[str, Mark] = {}
    times: dict[str, Mark] = {}
    for e in front.pooled.entries:
        if e.method not in front.smooth:
            continue
        p, length = s.rows[e.method]["real"], s.rows[e.method]["relative_length"]
        points[e.method] = (length.value, p.value, length.low, length.high, p.low, p.high)
        time = math.log10(max(1e-3, 1000 * e.stats.get("cpu_seconds_per_path", 0.0)))
        times[e.method] = (time, p.value, math.nan, math.nan, p.low, p.high)
    by_length = "length of the path in images over LERP's (left is smoother)"
    by_time = "CPU milliseconds a path, powers of ten (left is quicker)"
    return Section(
        "The front",
        "Up is more real; left is shorter, or quicker. The grey band joins the finders that no other beats in both; a finder is off the front "
        "only where another is better in both by intervals that exclude zero, on the same pairs. Methods some of whose walks did not arrive are "
        "left out.",
        [
            *([_picture(points, by_length, "Realism against smoothness")] if points else []),
            *([_picture(times, by_time, "Realism against time")] if times else []),
            TableBlock(_table(front), "The finders"),
            *([Text(f"Length: {_places(front.smooth)}\n\nTime: {_places(front.quick)}")] if points else []),
            TableBlock(metrics_table(s, (*CLASSES, *SHAPE), False), "Classes and shape"),
        ],
    )


def _table(front: Front) -> Table:
    s = front.pooled.summary
    gained = gains_table(s)
    columns = {
        "real": PATHS["real"],
        "gain": gained.columns["real_gain"],
        "length": PATHS["relative_length"],
        "middle": FURTHER["middle"],
        "ms": COST["cpu_ms"],
    }
    rows: dict[str, dict[str, Cell]] = {}
    for e in front.pooled.entries:
        row = s.rows[e.method]
        rows[e.method] = {
            "real": Cell.of(row["real"]),
            "gain": gained.rows.get(e.method, {}).get("real_gain", Cell(None)),
            "length": Cell.of(row["relative_length"]),
            "middle": Cell(_mean(front.middles, e.method)),
            "ms": Cell(1000 * e.stats.get("cpu_seconds_per_path", 0.0)),
        }
    rows["reconstructions"] = {
        "real": Cell(s.lines["reconstructions"]["real"]),
        "middle": Cell(_mean(front.middles, "reconstructions")),
    }
    return Table(columns, rows, ("reconstructions",))


def _mean(middles: Sequence[Mapping[str, Mapping[str, float]]], name: str) -> float:
    values = [v for m in middles for v in m[name].values()]
    return sum(values) / len(values)


def _picture(points: Mapping[str, Mark], xlabel: str, title: str) -> Figure:
    return Figure(
        figures.png(figures.tradeoff(points, xlabel, "share of real frames (up is more real)")),
        f"{title}: share of real frames of each finder.",
        "Lines are 95 % intervals over pairs, and over models where there are several.",
        title,
        figures.READING["tradeoff"],
    )


def _places(found: Mapping[str, Standing]) -> str:
    """Returns the standing of every finder in a few sentences."""
    on = ", ".join(m for m, v in found.items() if v.place == "on")
    near = ", ".join(m for m, v in found.items() if v.place == "near")
    off = ", ".join(f"{m} (beaten by {v.beaten_by})" for m, v in found.items() if v.place == "off")
    return f"on the front {on}; not settled {near or 'none'}; off it {off or 'none'}."
