"""
The front of realism against smoothness, and against time: every finder on one model and the same pairs, judged independently.

Smoothness is the length of the path in decoded images over LERP's; time is that of the search, of all threads. Ridge paths take part at several
settings of their knob, and an interpolation network that has learned their objective, with one pass for a path.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

import ridgewalk
from ridgewalk.data import part
from ridgewalk.files import free_folder, refuse_used, write_bytes
from ridgewalk.finders import Amortised
from ridgewalk.judging.claims import Claim, Criterion, Verdict, judge
from ridgewalk.judging.comparison import Entry
from ridgewalk.judging.front import Standing, middle_distance, standings
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics.statistics import Interval
from ridgewalk.models.interpolator import interpolator
from ridgewalk.path import chunked
from ridgewalk.progress import track
from ridgewalk.reports import (
    Cell,
    Claims,
    Column,
    Figure,
    Page,
    Section,
    Table,
    TableBlock,
    Text,
    figures,
    write,
)
from ridgewalk.reports.claims import summary
from ridgewalk.reports.columns import CLASSES, SHAPE
from ridgewalk.reports.findings import Findings
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.training import Schedule
from ridgewalk.store.run import Run, load
from ridgewalk.training.interpolation import Distilled
from ridgewalk.training.loop import fit
from ridgewalk.verbs import measurement, pages, paths
from ridgewalk.verbs.measurement import Pooled
from ridgewalk.verbs.report import Result
from ridgewalk.verbs.tables import cost_table, metrics_table

KNOBS = (1, 2, 4, 8, 16, 32)
"""Realisms of the ridge paths."""

AMORTISED = "amortised"

TEACHER = "ridge-quick@16"
"""Whose paths the network learns."""

ONE_IN = 6
"""One pair in so many codes of the pool is searched for it."""

MATTERS = 0.05
"""A gain in precision below this is none that matters."""

LONG = 1.3
"""Length over LERP's up to which a path counts as smooth."""

JUMPY = Claim(
    "A path over a graph of codes is real and jumpy",
    "",
    (Criterion("precision less LERP's", "above", 0), Criterion("length over LERP's", "above", LONG)),
)
SMOOTH = Claim(
    "A geodesic of the pull-back metric is smooth and no more real than a straight line",
    "",
    (Criterion("precision less LERP's", "at most", MATTERS, refuted=0), Criterion("length over LERP's", "below", 1)),
)

STRIPS = ("lerp", "geodesic", "graph", "string", "ridge@4", "ridge@16", AMORTISED)
SHOWN = 3


def methods_for(run: Run) -> list[str]:
    """What is compared where nothing is named: by the dual sensor where the run has one, by the density ratio otherwise."""
    dual = ":dual" if "pixel" in run.sensors else ""
    both = ["string:dual"] if dual else []
    return [
        *("lerp", "slerp", "geodesic", "graph", "sgw-arriving", "string", "graph-string", "string:neighbours", *both),
        *(f"ridge@{r}{dual}" for r in KNOBS),
        *(["ridge@8", "ridge-quick@8"] if dual else ["ridge-quick@8"]),
    ]


def compare(runs: Sequence[Run], pairs: int, role: str, methods: Sequence[str] | None, seed: int) -> Findings:
    """
    All methods over the same pairs of all runs.

    Args:
        runs: of one recipe and data, with different seeds.
        pairs: of images of the role.
        role: test, or validation.
        methods: by name; ``methods_for`` by default, and then the interpolation network as well.
        seed: of the pairs and intervals.
    """
    energy = "dual" if all("pixel" in run.sensors for run in runs) else "soft-ratio"
    learned = [] if methods else [amortised(run, energy) for run in track(runs, "interpolation networks")]
    own = [{AMORTISED: a.finder} for a in learned] if learned else None
    pooled = measurement.pool(runs, pairs, role, list(methods or methods_for(runs[0])), seed, own)
    if pooled is None:
        return Findings([], [], [])
    groups = torch.arange(pairs).repeat(len(runs))
    entries = [_with_milliseconds(e) for e in pooled.entries]
    smooth = standings(entries, "precision", "relative_length", seed, groups)
    quick = standings(entries, "precision", "milliseconds", seed, groups)
    middles = [_middles(run, m.frames, m.judges, role) for run, m in zip(runs, pooled.measured)]
    s = pooled.summary
    figures_found: dict[str, Any] = {
        **measurement.figures_of(runs, s, pooled.entries, pooled.measured[0].judges, pairs, role, seed),
        "front": {m: {"smoothness": vars(smooth[m]), "time": vars(quick[m])} for m in smooth},
        "middle_frechet": middles,
        "amortised": [{"search": a.searching, "training": a.training, "distance": a.distance} for a in learned],
    }
    sections = [
        _front_section(pooled, smooth, quick, middles),
        _strips(runs[0], pooled),
        pages.realism_section(s),
        _costs(pooled),
    ]
    return Findings(_answer(pooled, smooth, quick), _judged(pooled), sections, figures_found)


# ------------------------------------------------------------------------------------------------- the network


@dataclass(frozen=True, eq=False)
class Learned:
    """A network's paths; the seconds of search and of training behind it, and how far it ended from what it learned (straight lines: 1)."""

    finder: Amortised
    searching: float
    training: float
    distance: float


def amortised(run: Run, energy: str) -> Learned:
    """
    An interpolation network, exact by construction, that has learned ridge paths between codes that the model was trained on.

    Trained on their objective itself, it finds points that please the sensors and no judge: searched paths are the safer teacher.
    """
    i = run.recipe.interpolation
    pool = run.references[: i.pool]
    count = max(2, len(pool) // ONE_IN)
    generator = torch.Generator().manual_seed(mixed_seed(run.origin.seed, Stream.TAUGHT_PAIRS))
    first = torch.randperm(len(pool), generator=generator)[:count]
    second = (first + torch.randint(1, len(pool), (count,), generator=generator)) % len(pool)
    began = perf_counter()
    taught = paths.search(run, TEACHER, pool[first.to(pool.device)], pool[second.to(pool.device)], energy).nodes
    searching = perf_counter() - began
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(run.origin.seed, Stream.INTERPOLATOR))
        network = interpolator(run.size, True, i.hidden, i.activation)
    objective = Distilled(network, taught, i.times)
    schedule = Schedule(epochs=i.epochs, batch=min(i.batch, count), rate=i.rate, decay="cosine", seed=run.origin.seed)
    history = fit(objective, objective.data(), schedule, device=str(run.device), label=AMORTISED, shared=False)
    away = history.terms["distance"]
    finder = Amortised(objective.network.eval(), run.recipe.walks.frames, spacing=run.decode)
    return Learned(finder, searching, history.seconds, float(away[-max(1, len(away) // 10) :].mean()))


# ----------------------------------------------------------------------------------------------------- figures


def _with_milliseconds(e: Entry) -> Entry:
    time = 1000 * e.stats.get("cpu_seconds_per_path", 0.0)
    return Entry(e.method, {**e.columns, "milliseconds": torch.full_like(e.columns["precision"], time)}, e.stats)


def _middles(run: Run, frames: Mapping[str, Tensor], judges: Sequence[Judge], role: str) -> dict[str, dict[str, float]]:
    """Fréchet distance of middle frames to held-out images over LERP's, by method and judge; and of reconstructions, over the same."""
    x = part(run.data, role).floats()[: measurement.CEILING_IMAGES]
    real = {j.name: j.features(x) for j in judges}
    found = {
        n: middle_distance(f, real, judges) for n, f in track(frames.items(), "Fréchet distances", total=len(frames))
    }
    shown = chunked(run.decode, run.encode(x)).cpu()[:, None].expand(-1, 6, -1, -1, -1)
    count = min(len(x), len(next(iter(frames.values()))))
    found["reconstructions"] = middle_distance(shown[:count], real, judges)
    return {n: {j: v / found["lerp"][j] for j, v in values.items()} for n, values in found.items()}


def _middle(middles: Sequence[Mapping[str, Mapping[str, float]]], name: str) -> float:
    values = [v for m in middles for v in m[name].values()]
    return sum(values) / len(values)


def _front_section(
    pooled: Pooled,
    smooth: Mapping[str, Standing],
    quick: Mapping[str, Standing],
    middles: Sequence[Mapping[str, Mapping[str, float]]],
) -> Section:
    s = pooled.summary
    points, times = {}, {}
    for e in pooled.entries:
        if e.method not in smooth:
            continue
        p, length = s.rows[e.method]["precision"], s.rows[e.method]["relative_length"]
        points[e.method] = (length.value, p.value, length.low, length.high, p.low, p.high)
        time = math.log10(max(1e-3, 1000 * e.stats.get("cpu_seconds_per_path", 0.0)))
        times[e.method] = (time, p.value, math.nan, math.nan, p.low, p.high)
    columns = {
        "precision": Column("precision", ".3f", "higher", "share of interior frames that are real, mean of two judges"),
        "length": Column("length / LERP", ".2f", "lower", "of the path in decoded images"),
        "middle": Column(
            "Fréchet / LERP's",
            ".2f",
            "lower",
            "distance of the middle frames to held-out images, mean over judges and runs",
        ),
        "ms": Column("CPU ms a path", ".1f", "lower", "of all threads; sensors and decoder included"),
    }
    rows: dict[str, dict[str, Cell]] = {}
    for e in pooled.entries:
        row = s.rows[e.method]
        rows[e.method] = {
            "precision": Cell.of(row["precision"]),
            "length": Cell.of(row["relative_length"]),
            "middle": Cell(_middle(middles, e.method)),
            "ms": Cell(1000 * e.stats.get("cpu_seconds_per_path", 0.0)),
        }
    rows["reconstructions"] = {
        "precision": Cell(s.lines["reconstructions"]["precision"]),
        "middle": Cell(_middle(middles, "reconstructions")),
    }
    return Section(
        "The front",
        "Up is more real; left is shorter, or quicker. The grey band joins the finders that none beats in both; a finder is named off the front only "
        "where another is better in both by intervals that exclude zero, on the same pairs. Walks that do not all arrive are not drawn.",
        [
            _picture(
                points, "length of the path in images over LERP's (left is smoother)", "Realism against smoothness"
            ),
            _picture(times, "CPU milliseconds a path, powers of ten (left is quicker)", "Realism against time"),
            TableBlock(Table(columns, rows, ("reconstructions",)), "The finders"),
            Text(f"Length: {_places(smooth)}\n\nTime: {_places(quick)}"),
            TableBlock(metrics_table(s, (*CLASSES, *SHAPE), False), "Classes and shape"),
        ],
    )


def _picture(points: Mapping[str, tuple[float, float, float, float, float, float]], xlabel: str, title: str) -> Figure:
    image = figures.png(figures.tradeoff(points, xlabel, "precision (up is more real)"))
    return Figure(
        image,
        f"{title}: precision of each finder.",
        "Lines are 95 % intervals over pairs.",
        title,
        figures.READING["tradeoff"],
    )


def _places(found: Mapping[str, Standing]) -> str:
    """Who stands where, in a few sentences."""
    on = ", ".join(m for m, v in found.items() if v.place == "on")
    near = ", ".join(m for m, v in found.items() if v.place == "near")
    off = ", ".join(f"{m} (beaten by {v.beaten_by})" for m, v in found.items() if v.place == "off")
    return f"on the front {on}; not settled {near or 'none'}; off it {off or 'none'}."


def _strips(run: Run, pooled: Pooled) -> Section:
    m = pooled.measured[0]
    chosen = {n: f for n, f in m.frames.items() if n.partition(":")[0] in STRIPS}
    pictures = [
        pages.strip_figure(chosen, i, m.judges, pages.ends_name(run, m.ends, i)) for i in range(min(SHOWN, len(m.ends)))
    ]
    return Section(
        "The paths",
        "The first pairs, not chosen. A red bar stands under a frame that neither judge takes for real.",
        pictures,
    )


def _costs(pooled: Pooled) -> Section:
    return Section(
        "What they cost",
        "On the threads of this run; the bars of the pictures leave decoding for display out.",
        [TableBlock(cost_table(pooled.entries), "Cost")],
    )


# ------------------------------------------------------------------------------------------------------ claims


def _judged(pooled: Pooled) -> list[Verdict]:
    s, verdicts = pooled.summary, []
    for method, claim in (("graph", JUMPY), ("geodesic", SMOOTH)):
        if method in s.rows:
            gain, length = s.differences[method]["precision"], s.rows[method]["relative_length"]
            figure = f"precision less LERP's {gain:+.3f}, length {length:.2f} of LERP's"
            verdicts.append(judge(claim, gain, length, figure=figure))
    ceiling = s.lines["reconstructions"]["precision"]
    short = {
        m: r["precision"] for m, r in s.rows.items() if r["relative_length"].value <= LONG and r["arrived"].value == 1
    }
    best = max(short, key=lambda m: short[m].value)
    figure = f"most real at a length of at most {LONG}: {best}, precision {short[best]:.3f} against the reconstructions' {ceiling:.3f}"
    below = Criterion("precision of the most real smooth finder", "below", ceiling)
    neither = Claim("No finder is both as real as reconstructions and smooth", "", (below,))
    return [*verdicts, judge(neither, short[best], figure=figure, how="the mean of two judges")]


def _answer(pooled: Pooled, smooth: Mapping[str, Standing], quick: Mapping[str, Standing]) -> list[str]:
    s = pooled.summary

    def row(m: str) -> str:
        p: Interval = s.rows[m]["precision"]
        return f"{m} ({p.value:.3f} at {s.rows[m]['relative_length'].value:.2f})"

    on = sorted((m for m, v in smooth.items() if v.place == "on"), key=lambda m: s.rows[m]["relative_length"].value)
    off = [m for m, v in smooth.items() if v.place == "off"]
    fast = [m for m, v in quick.items() if v.place == "on"]
    return [
        f"On the front of realism against length (precision at length over LERP's): {', '.join(row(m) for m in on)}.",
        f"Off it beyond doubt: {', '.join(off) or 'none'}.",
        f"On the front of realism against time: {', '.join(fast)}.",
    ]


def compare_runs(
    folders: Sequence[Path],
    pairs: int | None,
    role: str,
    methods: Sequence[str] | None,
    seed: int,
    out: Path | None,
    device: str,
) -> Result:
    """
    Compares finders over runs of one recipe.

    Raises:
        ValueError: if a run is named twice, the runs are of different recipes or images, or ``out`` exists and is not empty.
    """
    runs = [load(folder, device) for folder in folders]
    measurement.refuse_mixed(runs)
    folder = out or free_folder(runs[0].folder, "compare")
    refuse_used(folder)
    count = runs[0].recipe.walks.pairs if pairs is None else pairs
    found = compare(runs, count, role, methods, seed)
    figures = {**found.figures, "answer": list(found.answer), "claims": Claims(found.claims, "claims").to_rows()}
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "result.json", json.dumps(figures, indent=1).encode())
    page = folder / "report.html"
    verdict = [*found.answer, summary(found.claims)]
    first = Section("What is said of them, and what was found", "", [Claims(found.claims, "Claims and verdicts")])
    o = runs[0].origin
    about = (
        f"{count} pairs ({role} images), pair seed {seed}; model seeds {', '.join(str(r.origin.seed) for r in runs)}"
    )
    write(
        Page(
            f"Finders compared on {Path(o.source).name}",
            f"{o.recipe}, {o.budget}; {about}; ridgewalk {ridgewalk.__version__}.",
            verdict,
            [first, *found.sections],
        ),
        page,
    )
    return Result(page, verdict, {"report": str(page), **figures})
