"""
Does a path pass the things that are truly in between, and do judges order methods as the truth does?

Each of three data sets has sequences whose true frames are known (``sequences``). A model is trained on it, paths are searched between the ends of each
sequence, and their distance to the true one is measured (``ridgewalk.metrics.truth``) beside what every judge says of the same frames. Two rows are to
compare with: the pixel averages of the decoded ends, and the reconstructions of the true frames, which are as near as the decoder allows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data import load
from ridgewalk.evaluation.search import search
from ridgewalk.finders.building import split_energy
from ridgewalk.geometry import lerp
from ridgewalk.judging.comparison import PairedPaths
from ridgewalk.judging.comparison import measure as measure_pairs
from ridgewalk.metrics import crossed, statistics, truth
from ridgewalk.metrics.statistics import Interval
from ridgewalk.path import chunked
from ridgewalk.progress import track
from ridgewalk.reports import Block, Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports.columns import PATHS, TRUTH
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import Claim, Criterion, Verdict, judge, plain
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.truth import sequences
from ridgewalk_studies.truth.sequences import Sequences

METHODS = ("lerp", "slerp", "geodesic", "graph", "string", "ridge@8")
AVERAGE, CEILING = "pixel averages", "reconstructed truth"

DISTANCE = "hausdorff"
"""The distance by which the truth orders methods."""

SCORES = ("realism", "real", "precision")
"""What a judge says of a path, by which its order of methods is taken."""

SHOWN = 3

AGREES = Criterion("Kendall's tau of the judge's realism and the nearness to the truth over methods", "above", 0)
NEARER = Criterion("distance to the truth less the best free path's", "below", 0)


@dataclass(frozen=True, eq=False)
class World:
    """
    The paths of one data set, measured against the truth.

    Attributes:
        name: name of the data set.
        runs: a run for each seed.
        columns: values (b,) by quantity by method, the same sequences in every run, one run after the other.
        frames: frames (b, k, c, h, w) of the first run by method, the true ones among them.
        along: distance (b, k) of each frame to the true path over that between its ends, by method, of the first run.
    """

    name: str
    runs: Sequence[Run]
    columns: Mapping[str, Mapping[str, Tensor]]
    frames: Mapping[str, Tensor]
    along: Mapping[str, Tensor]

    @property
    def models(self) -> int:
        """Number of runs."""
        return len(self.runs)

    def mean(self, method: str, quantity: str) -> Interval:
        """Returns the mean of a quantity over sequences and runs."""
        return crossed.estimate_mean(self.columns[method][quantity], 0, self.models)

    def scores(self) -> list[str]:
        """Returns the names of the judges' scores, as ``realism_A``."""
        return [n for n in self.columns[AVERAGE] if n.partition("_")[0] in SCORES and "_" in n]


def measure(e: Experiment) -> Findings:
    """Trains a model on each data set, measures paths against the truth, and checks the judges against it."""
    worlds = [_measure_world(e, "rotated", _rotated), _measure_world(e, "shapes", _shapes)]
    missing = ""
    try:
        sequences.fermentation_file()
    except ValueError as error:
        missing = f"The spectra are left out: {error}."
    else:
        worlds.append(_measure_world(e, "spectra", _spectra))
    sections = [section for world in worlds for section in _sections(world)]
    answer = [sentence for world in worlds for sentence in _answer(world)]
    figures_ = {world.name: _figures(world) for world in worlds}
    return Findings(
        [*answer, *([missing] if missing else [])],
        [v for w in worlds for v in _claims(w)],
        [*sections, _judges_section(worlds)],
        figures_,
    )


def _rotated(e: Experiment) -> tuple[str, Sequences]:
    data = load(e.source)
    return str(sequences.write_rotated(data, e.folder / "data" / "rotated")), sequences.rotated_sequences(
        data, e.points, 0
    )


def _shapes(e: Experiment) -> tuple[str, Sequences]:
    return "shapes", sequences.shape_sequences(load("shapes"), e.points, 0)


def _spectra(e: Experiment) -> tuple[str, Sequences]:
    source = str(sequences.write_spectra(sequences.fermentation_file(), e.folder / "data" / "spectra.npz"))
    return source, sequences.spectra_sequences(load(source), e.points, 0)


def _measure_world(e: Experiment, name: str, given: Any) -> World:
    source, known = given(e)
    runs = e.runs(name, source)
    every = [_measure_run(run, known, e) for run in track(runs, f"paths of {name}")]
    columns = {m: {q: torch.cat([one[0][m][q] for one in every]) for q in own} for m, own in every[0][0].items()}
    return World(name, runs, columns, every[0][1], every[0][2])


Columns = dict[str, dict[str, Tensor]]


def _measure_run(run: Run, known: Sequences, e: Experiment) -> tuple[Columns, dict[str, Tensor], dict[str, Tensor]]:
    """Returns the columns, the frames and the distances along the paths, by method."""
    judges = e.judges(run)
    true = known.frames
    z_a, z_b = run.encode(true[:, 0]), run.encode(true[:, -1])
    curves = {name: search(run, *_split(name, z_a, z_b)) for name in METHODS}
    frames = {name: curve.map(run.decode).cpu() for name, curve in curves.items()}
    k = run.recipe.walks.frames
    ends = frames["lerp"]
    frames[AVERAGE] = lerp(ends[:, 0], ends[:, -1], torch.linspace(0, 1, k))
    at = torch.linspace(0, true.shape[1] - 1, k).round().long()
    frames[CEILING] = (
        chunked(lambda x: run.decode(run.encode(x)), true[:, at].flatten(0, 1)).cpu().unflatten(0, (-1, k))
    )
    columns, along = {}, {}
    apart = (true[:, -1] - true[:, 0]).flatten(1).norm(dim=1).double()
    for name, own in frames.items():
        path = curves.get(name, curves["lerp"])
        judged = measure_pairs(PairedPaths(path, own, ends, z_a, z_b, known.labels_a, known.labels_b), judges)
        found = {
            DISTANCE: truth.hausdorff(own, true),
            "departure": truth.departure(own, true) / apart,
            "coverage": truth.coverage(own, true) / apart,
            "truth_frechet": truth.frechet(own, true),
        }
        columns[name] = {n: v.cpu() for n, v in {**judged, **found}.items()}
        along[name] = truth.distances_to_curve(own.flatten(2).double(), true.flatten(2).double()) / apart[:, None]
    return columns, {"truth": true[:, at], **frames}, along


def _split(name: str, z_a: Tensor, z_b: Tensor) -> tuple[str, Tensor, Tensor, str | None]:
    method, energy = split_energy(name)
    return method, z_a, z_b, energy


# ------------------------------------------------------------------------------------------------ judges against the truth


def ordered(columns: Mapping[str, Mapping[str, Tensor]], score: str, models: int = 1) -> tuple[Interval, Interval]:
    """
    Compares a judge's order of methods with the truth's, the reconstructed truth left out.

    Kendall's tau_a of two orders is the mean over pairs of methods of the sign of (s_i - s_j)(d_j - d_i), with scores s and distances to the truth d.

    Args:
        columns: values (b,) by quantity by method.
        score: name of the judge's score, as ``realism_A``.
        models: number of runs, whose sequences follow one another; scores and distances are averaged over them.

    Returns:
        Tau of the means over sequences, with its bootstrap interval over sequences, and the mean over sequences of the tau of each.
    """
    names = [m for m in columns if m != CEILING]
    flat = {}
    for m in names:
        for sign, quantity in ((1.0, score), (-1.0, DISTANCE)):
            flat[f"{quantity} {m}"] = sign * columns[m][quantity].double().view(models, -1).mean(dim=0)

    def tau(means: Mapping[str, Tensor]) -> Tensor:
        signs = [
            (
                (means[f"{score} {a}"] - means[f"{score} {b}"]) * (means[f"{DISTANCE} {a}"] - means[f"{DISTANCE} {b}"])
            ).sign()
            for a, b in combinations(names, 2)
        ]
        return torch.stack(signs).mean(dim=0)

    return statistics.bootstrap(tau, flat, 0), statistics.bootstrap_mean(tau(flat), 0)


def _claims(world: World) -> list[Verdict]:
    verdicts = []
    for score in (s for s in world.scores() if s.startswith("realism")):
        own, each = ordered(world.columns, score, world.models)
        claim = Claim(f"[{world.name}] judge {score.partition('_')[2]} orders methods as the truth does", "", (AGREES,))
        figure = f"tau {own:.2f}; on single sequences {each:.2f}"
        verdicts.append(judge(claim, own, figure=figure, how="methods and pixel averages, interval over sequences"))
    free = min(("lerp", "slerp"), key=lambda m: world.mean(m, DISTANCE).value)
    for method in ("string", "ridge@8"):
        gain = crossed.estimate_difference(
            world.columns[method][DISTANCE], world.columns[free][DISTANCE], 0, world.models
        )
        claim = Claim(f"[{world.name}] {method} is nearer to the truth than the best free path", "", (NEARER,))
        verdicts.append(judge(claim, gain, figure=f"distance less {free.upper()}'s {gain:+.3f}"))
    return verdicts


def _answer(world: World) -> list[str]:
    means = {m: world.mean(m, DISTANCE) for m in world.columns}
    nearest = min((m for m in METHODS), key=lambda m: means[m].value)
    said = ", ".join(f"{m} {means[m].value:.3f}" for m in sorted(means, key=lambda m: means[m].value))
    return [f"{world.name}: nearest to the truth is {nearest}. Distances over that of the ends: {said}."]


def _figures(world: World) -> dict[str, Any]:
    rows = {m: {q: world.mean(m, q) for q, v in own.items() if not v.isnan().any()} for m, own in world.columns.items()}
    orders = {s: dict(zip(("tau", "tau_of_single"), ordered(world.columns, s, world.models))) for s in world.scores()}
    return {
        **{key: {} for key in ("differences", "gains", "lines", "search")},  # as ``reports.results`` reads tables
        "rows": {m: {q: [i.value, i.low, i.high] for q, i in own.items()} for m, own in rows.items()},
        "judges": plain(orders),
        "sequences": len(world.columns[AVERAGE][DISTANCE]) // world.models,
    }


# ------------------------------------------------------------------------------------------------ pages


def _sections(world: World) -> list[Section]:
    judged = {s: PATHS.get(s, Column(s.replace("_", ", "), ".3f", "higher")) for s in world.scores()}
    columns = {**TRUTH, **judged}
    rows = {m: {q: Cell.of(world.mean(m, q)) for q in columns if q in own} for m, own in world.columns.items()}
    spread = {m: (i.value, i.low, i.high) for m in world.columns for i in [world.mean(m, DISTANCE)]}
    along = {m: v.numpy() for m, v in world.along.items() if m != AVERAGE}
    blocks: list[Block] = [
        TableBlock(Table(columns, rows, (AVERAGE, CEILING)), "Distance to the truth, and what judges say"),
        Figure(
            figures.png(
                figures.intervals(spread, "distance to the true path over that of the ends, left is nearer", form=".3f")
            ),
            "Distance to the true path of each method with its interval",
            "The reconstructed truth is as near as this decoder allows; pixel averages are the control.",
            f"Distance to the truth, {world.name}",
            figures.READING["intervals"],
        ),
        Figure(
            figures.png(figures.traces(along, "distance to the true path over that of the ends")),
            "Distance of the frames to the true path against position, a line for each method",
            "The distance at the ends is the error of their reconstruction.",
            f"Where paths leave the truth, {world.name}",
            figures.READING["traces"],
        ),
    ]
    if world.frames["truth"].shape[-2] > 1:
        for i in range(min(SHOWN, len(world.frames["truth"]))):
            drawn = figures.png(figures.strips({m: f[i].numpy() for m, f in world.frames.items()}))
            blocks.append(
                Figure(
                    drawn, f"Frames of sequence {i}", "The first row is the true sequence.", f"Sequence {i}", wide=True
                )
            )
    count = len(world.columns[AVERAGE][DISTANCE]) // world.models
    return [Section(f"Paths and the truth: {world.name}", f"{count} sequences, {world.models} models.", blocks)]


def _judges_section(worlds: Sequence[World]) -> Section:
    columns = {
        "tau": Column(
            "tau", ".2f", "higher", "Kendall's tau of the judge's order of methods by their means and that of the truth"
        ),
        "each": Column("tau of one sequence", ".2f", "higher", "the same on each sequence, mean"),
    }
    rows = {}
    for world in worlds:
        for score in world.scores():
            own, each = ordered(world.columns, score, world.models)
            rows[f"{world.name}, {score.replace('_', ' ')}"] = {"tau": Cell.of(own), "each": Cell.of(each)}
    lead = (
        "1 is the truth's order of methods, 0 an order that has nothing to do with it, -1 the reverse. A judge sees single frames: it cannot see whether a "
        "path is the right one of several real ones."
    )
    return Section("Judges against the truth", lead, [TableBlock(Table(columns, rows), "Orders of methods")])
