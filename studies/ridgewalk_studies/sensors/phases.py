"""
Constants of the walk as written and of guided exploration, over a grid on validation pairs: what they do, and which are best.

    arrived     share of walks that arrive
    from_half   |score - 1/2| of the AAE's own discriminator, mean over interior frames
    real        share of interior frames that the judges take for real
    value       the same where the walk arrives, and 0 where it does not: a walk that stops where frames are real is no path

The setting with the highest mean value over pairs and models is chosen for each energy, and compared with the default one, with walks that always
arrive and with the free paths on test pairs, which nothing was chosen on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ridgewalk.evaluation.changes import with_changes
from ridgewalk.evaluation.ends import Ends, count_pairs, draw_ends
from ridgewalk.evaluation.methods import Pooled, figures_of, pool_runs
from ridgewalk.evaluation.search import search
from ridgewalk.finders.building import default_energy
from ridgewalk.judging.comparison import PairedPaths
from ridgewalk.judging.comparison import measure as measure_pairs
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import crossed
from ridgewalk.metrics.statistics import Interval
from ridgewalk.progress import track
from ridgewalk.reports import Cell, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports.columns import FURTHER, PATHS
from ridgewalk.reports.comparison import realism_section
from ridgewalk.settings.autoencoder import Walks
from ridgewalk.store.run import Run
from ridgewalk_studies import endpoints
from ridgewalk_studies.claims import Claim, Criterion, Verdict, by_value, judge
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.sources import WALKS

Grid = Mapping[str, Sequence[float]]

WALK: Grid = {
    "sgw_alpha": (0.05, 0.1, 0.2),
    "sgw_beta": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    "sgw_clamp": (0.1, 0.25, 1.0, 4.0),
}
GUIDED: Grid = {"guided_gamma": (0.05, 0.1, 0.2, 0.4), "guided_alpha": (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)}
"""Settings that are tried; every combination of them."""

SWEPT = (("sgw", "logit-squared"), ("sgw", "bce-to-half"), ("sgw", "bce-to-0"), ("guided", "neg-log-d"))
"""Methods, each with the energies under which it is tried."""

PLACES: Mapping[str, Grid] = {"sgw": WALK, "guided": GUIDED}

QUANTITIES = {
    "arrived": "share that arrives",
    "from_half": "|score - 1/2| along the path",
    "real": "share of real frames",
    "value": "real frames, 0 if it stalls",
}

SMALL, LARGE = 0.05, 0.2
"""Betas of the claims: a small one, and the one that the walk was first run with."""

MOST = by_value("share of walks that arrive", "above", 0.5)
NEARER = Criterion("|score - 1/2| less LERP's", "below", 0)
TOLD = Claim(
    f"The walk as written arrives in most cases and is drawn to D = 1/2, at beta {SMALL:g}", WALKS, (MOST, NEARER)
)
TOLD_LARGE = replace(TOLD, statement=f"The same at beta {LARGE:g}")
BETTER = Criterion("share of real frames less the best free path's", "above", 0)
ALWAYS = by_value("share of walks that arrive", "at least", 0.95)


@dataclass(frozen=True, eq=False)
class Phase:
    """
    Walks by one setting.

    Attributes:
        walks: the setting, by key of the table ``walks``.
        columns: values (b,) by quantity; the pairs of one model after those of another.
    """

    walks: Mapping[str, float]
    columns: Mapping[str, Tensor]

    def mean(self, quantity: str, models: int) -> Interval:
        """Returns the mean of a quantity with its interval over pairs and models."""
        return crossed.estimate_mean(self.columns[quantity], 0, models)


def measure(e: Experiment) -> Findings:
    """Trains the models, sweeps the settings on validation pairs, chooses one for each energy, and compares the chosen ones on test pairs."""
    runs = e.runs()
    judges, models = [e.judges(run) for run in runs], len(runs)
    count = count_pairs(runs[0], "validation", None, e.points)
    ends = [draw_ends(run, count, 0, "validation") for run in runs]
    straight = _pool([walk_by(r, x, j, "lerp", None, {}) for r, x, j in zip(runs, ends, judges)], {})
    found = {
        f"{method}:{energy}": sweep_settings(runs, ends, judges, method, energy, grid_of(e, method))
        for method, energy in track(SWEPT, "settings of walks")
    }
    chosen = {name: choose(phases) for name, phases in found.items()}
    kinds = {kind: _by_kind(runs, judges, kind, e) for kind in endpoints.KINDS}
    pooled = _compare_chosen(runs, judges, chosen, e)
    if pooled is None:
        return Findings([], [], [])
    answer = [
        f"{name}, chosen on validation pairs: {describe(phase.walks)} ({phase.mean('value', models):.3f} of the frames are real and of walks that arrive)."
        for name, phase in chosen.items()
    ]
    sections = [
        *(diagram(name, phases, straight, models, e.settings.walks) for name, phases in found.items()),
        _kinds_section(kinds, models),
        _chosen_section(found, chosen, models, e.settings.walks),
        realism_section(pooled.summary),
    ]
    measured = {
        "diagram": _diagram_rows(found["sgw:logit-squared"], straight, models, e.settings.walks),
        "lerp": _figures(straight, models),
        "phases": {n: [_figures(p, models) for p in phases] for n, phases in found.items()},
        "kinds": {k: [_figures(p, models) for p in phases] for k, phases in kinds.items()},
        "chosen": {n: dict(p.walks) for n, p in chosen.items()},
    }
    test = figures_of(runs, pooled.summary, pooled.entries, judges[0], len(pooled.measured[0].ends), "test", 0)
    claims = [
        *judge_told(found["sgw:logit-squared"], straight, models, e.settings.walks),
        *_judge_chosen(pooled, chosen),
    ]
    return Findings(answer, claims, sections, {**measured, **test})


def grid_of(e: Experiment, method: str) -> Grid:
    """Returns the settings to try; in a smoke run the first and last of each."""
    grid = PLACES[method]
    return {key: (values[0], values[-1]) for key, values in grid.items()} if e.quick else grid


def sweep_settings(
    runs: Sequence[Run],
    ends: Sequence[Ends],
    judges: Sequence[Sequence[Judge]],
    method: str,
    energy: str,
    grid: Grid,
) -> list[Phase]:
    """Walks by every combination of the settings between the same pairs, and measures the walks."""
    return [
        _pool([walk_by(r, x, j, method, energy, walks) for r, x, j in zip(runs, ends, judges)], walks)
        for walks in (dict(zip(grid, values)) for values in product(*grid.values()))
    ]


def walk_by(
    run: Run, ends: Ends, judges: Sequence[Judge], method: str, energy: str | None, walks: Mapping[str, float]
) -> dict[str, Tensor]:
    """Returns the quantities (b,) of the walks of one run by one setting."""
    own = with_changes(run, changes_of(walks), [method])
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    path = search(own, method, z_a, z_b, energy)
    frames = path.map(run.decode).cpu()
    columns = measure_pairs(PairedPaths(path, frames, frames, z_a, z_b, ends.labels_a, ends.labels_b), judges)
    score = path.map(run.context.sensor("matcher")).sigmoid()[:, 1:-1].cpu().double()
    found = {name: columns[name].cpu() for name in ("arrived", "real")}
    return found | {"from_half": (score - 0.5).abs().mean(dim=1), "value": found["real"] * found["arrived"]}


def choose(phases: Sequence[Phase]) -> Phase:
    """Returns the setting with the highest mean value, the first of equals; by the share that arrives where the judges cannot tell."""
    blind = any(bool(phase.columns["value"].isnan().any()) for phase in phases)
    return max(phases, key=lambda phase: float(phase.columns["arrived" if blind else "value"].mean()))


def changes_of(walks: Mapping[str, float]) -> list[str]:
    """Returns a setting as changes of a recipe."""
    return [f"walks.{key}={value:g}" for key, value in walks.items()]


def describe(walks: Mapping[str, float]) -> str:
    """Returns a setting as the options of a command that set it."""
    return " ".join(f"--set {change}" for change in changes_of(walks))


def judge_told(phases: Sequence[Phase], straight: Phase, models: int, walks: Walks) -> list[Verdict]:
    """Judges what is told of the walk under l² by the share that arrives and by its scores, at two betas and the other constants as they are by default."""
    verdicts = []
    for beta, claim in ((SMALL, TOLD), (LARGE, TOLD_LARGE)):
        wanted = {"sgw_alpha": walks.sgw_alpha, "sgw_beta": beta, "sgw_clamp": walks.sgw_clamp}
        for phase in (p for p in phases if p.walks == wanted):
            arrived = phase.mean("arrived", models)
            nearer = crossed.estimate_difference(phase.columns["from_half"], straight.columns["from_half"], 0, models)
            figure = f"{arrived:.2f} arrive; |score - 1/2| less LERP's {nearer:+.3f}"
            verdicts.append(
                judge(claim, arrived, nearer, figure=figure, how="l², validation pairs of different classes")
            )
    return verdicts


def _pool(every: Sequence[Mapping[str, Tensor]], walks: Mapping[str, float]) -> Phase:
    return Phase(walks, {name: torch.cat([columns[name] for columns in every]) for name in every[0]})


def _by_kind(runs: Sequence[Run], judges: Sequence[Sequence[Judge]], kind: str, e: Experiment) -> list[Phase]:
    """Walks under l² between validation images of one kind of score, over beta alone."""
    role = "validation"
    ends = [endpoints.pairs(r, endpoints.scores(r, role=role), kind, e.points, 0, role) for r in runs]
    count = min(map(len, ends))  # of every model the same number, for the intervals
    ends = [_first(x, count) for x in ends]
    return sweep_settings(runs, ends, judges, "sgw", "logit-squared", {"sgw_beta": grid_of(e, "sgw")["sgw_beta"]})


def _first(ends: Ends, count: int) -> Ends:
    return Ends(**{name: values[:count] for name, values in vars(ends).items()})


def _compare_chosen(
    runs: Sequence[Run], judges: Sequence[Sequence[Judge]], chosen: Mapping[str, Phase], e: Experiment
) -> Pooled | None:
    """Compares the chosen settings with the default ones, and with walks that arrive, on test pairs."""
    finders = []
    for run in runs:
        own = {}
        for name, phase in chosen.items():
            method, energy = name.split(":")
            own[f"{name}, chosen"] = with_changes(run, changes_of(phase.walks), [method]).finder(method, energy)
        finders.append(own)
    names = [n.removesuffix(f":{default_energy(n.split(':')[0], runs[0].sensors)}") for n in chosen]
    methods = [*names, "sgw-arriving", "string"]
    return pool_runs(runs, count_pairs(runs[0], "test", None), "test", methods, 0, finders, judges)


def _judge_chosen(pooled: Pooled, chosen: Mapping[str, Phase]) -> list[Verdict]:
    verdicts = []
    for name in chosen:
        own = f"{name}, chosen"
        gain, arrived = pooled.summary.gains[own]["real"], pooled.summary.rows[own]["arrived"]
        claim = Claim(
            f"{name} by constants chosen for it arrives, and is more real than the best free path", "", (BETTER, ALWAYS)
        )
        figure = f"share of real frames less {pooled.summary.free.upper()}'s {gain:+.3f}; {arrived.value:.0%} arrive"
        verdicts.append(judge(claim, gain, arrived, figure=figure, how="test pairs, mean of the judges"))
    return verdicts


def diagram(name: str, phases: Sequence[Phase], straight: Phase, models: int, walks: Walks) -> Section:
    """Draws the quantities over the last but one and the first setting of a grid, and over the clamp where there is one."""
    keys = list(phases[0].walks)
    if "sgw_clamp" not in keys:
        return Section(f"Phase diagram: {name}", "", [_panels(name, phases, keys[1], keys[0], straight, models)])
    blocks = []
    for line, fixed in (("sgw_alpha", "sgw_clamp"), ("sgw_clamp", "sgw_alpha")):
        near = min({p.walks[fixed] for p in phases}, key=lambda v: abs(v - getattr(walks, fixed)))
        shown = [p for p in phases if p.walks[fixed] == near]
        blocks.append(_panels(f"{name}, {fixed} = {near:g}", shown, "sgw_beta", line, straight, models))
    return Section(f"Phase diagram: {name}", "Pairs of validation images of different classes.", blocks)


def _panels(title: str, phases: Sequence[Phase], x: str, line: str, straight: Phase | None, models: int) -> Figure:
    panels, lines = {}, {}
    for quantity, label in QUANTITIES.items():
        curves: dict[str, list[tuple[float, ...]]] = {}
        for phase in phases:
            i = phase.mean(quantity, models)
            name = f"{line} = {phase.walks[line]:g}" if line in phase.walks else line
            curves.setdefault(name, []).append((phase.walks[x], i.value, i.low, i.high))
        panels[label] = {name: np.array(points) for name, points in curves.items()}
        lines[label] = {} if straight is None else {"LERP": float(straight.columns[quantity].mean())}
    said = "A correction that is too large for the drive stops the walk; one that is too small leaves a straight line."
    drawn = figures.png(figures.sweep(panels, x, lines))
    return Figure(drawn, f"Quantities of the walk over {x}: {title}", said, title, figures.READING["sweep"])


def _kinds_section(kinds: Mapping[str, Sequence[Phase]], models: int) -> Section:
    """Draws the quantities over beta with a line for each kind of ends."""
    phases = {
        label: {
            kind: np.array(
                [(p.walks["sgw_beta"], i.value, i.low, i.high) for p in own for i in [p.mean(quantity, models)]]
            )
            for kind, own in kinds.items()
        }
        for quantity, label in QUANTITIES.items()
    }
    drawn = figures.png(figures.sweep(phases, "sgw_beta"))
    says = "Kinds of ends by the discriminator's own score: furthest from 1/2, highest, lowest and nearest to 1/2."
    picture = Figure(
        drawn, "Quantities of the walk over beta by kind of ends", says, "By kind of ends", figures.READING["sweep"]
    )
    return Section(
        "Ends that the score chooses", "The walk under l², alpha and clamp as they are by default.", [picture]
    )


def _chosen_section(
    found: Mapping[str, Sequence[Phase]], chosen: Mapping[str, Phase], models: int, walks: Walks
) -> Section:
    """Lays out the chosen settings beside the default ones where the grid has them."""
    columns = {q: {**PATHS, **FURTHER}[q] for q in QUANTITIES}
    rows = {}
    for name, phases in found.items():
        default = [p for p in phases if all(getattr(walks, k) == v for k, v in p.walks.items())]
        for label, phase in ((f"{name}, default", p) for p in default):
            rows[label] = {q: Cell.of(phase.mean(q, models)) for q in columns}
        best = chosen[name]
        rows[f"{name}: {describe(best.walks)}"] = {q: Cell.of(best.mean(q, models)) for q in columns}
    table = TableBlock(Table(columns, rows), "Settings on validation pairs")
    return Section(
        "What was chosen",
        "The setting with the highest share of frames that are real and of walks that arrive.",
        [table],
    )


def _diagram_rows(phases: Sequence[Phase], straight: Phase, models: int, walks: Walks) -> dict[str, Any]:
    """Returns the quantities by beta, with the other constants as they are by default, as ``reports.results`` reads tables."""
    own = [p for p in phases if (p.walks["sgw_alpha"], p.walks["sgw_clamp"]) == (walks.sgw_alpha, walks.sgw_clamp)]
    rows = {"LERP": straight, **{f"beta {p.walks['sgw_beta']:g}": p for p in own}}
    means = {n: {q: [i.value, i.low, i.high] for q in QUANTITIES for i in [p.mean(q, models)]} for n, p in rows.items()}
    return {"rows": means, **{key: {} for key in ("differences", "gains", "lines", "search")}}


def _figures(phase: Phase, models: int) -> dict[str, Any]:
    means = {q: phase.mean(q, models) for q in QUANTITIES}
    return {**phase.walks, **{q: [i.value, i.low, i.high] for q, i in means.items()}}
