"""
A comparison of other packages' interpolants with ridgewalk's on the same trained model, test pairs, frames and judges.

    python benchmarks/peers/run.py RUN [RUN ...] --pairs 200 --frames 16 --seed 0 --out result.json

Pairs are those of ``ridgewalk benchmark`` with the same seed, figures those of its table, and a few more:

    Frechet      distance of the paths' middle frames from held-out real images in a judge's features, mean over judges and runs
    curve energy (k - 1) sum |G(z_{i+1}) - G(z_i)|^2, what stochman minimises
    ms a path    wall clock on one thread, in batches of 128 pairs, after a first call
    once, s      work done once for each run, such as training a network or building a graph, without the sensors from `ridgewalk train`

Frames are at equal arc length in pixels for paths of ridgewalk with more nodes than frames, and at equal steps of their own t for curves of
other packages. Nothing here is tuned on the test pairs.
"""

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from ridgewalk import naming
from ridgewalk.cli.common import bars, guarded
from ridgewalk.data import part
from ridgewalk.evaluation.ends import Ends, draw_ends
from ridgewalk.evaluation.judged import judge_lines, judges_of
from ridgewalk.evaluation.methods import figures_of, refuse_energy
from ridgewalk.files import write_bytes
from ridgewalk.finders import Amortised
from ridgewalk.finders.building import split_energy
from ridgewalk.judging import comparison
from ridgewalk.judging.comparison import Columns, Entry, PairedPaths
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import paths
from ridgewalk.metrics.samples import frechet
from ridgewalk.path import Path as Curve
from ridgewalk.path import chunked
from ridgewalk.progress import track
from ridgewalk.reports import Table
from ridgewalk.reports.results import figures_table
from ridgewalk.store.run import Run, load

BATCH = 128
"""Number of pairs in one tensor of a search."""

TOLERANCE = 1e-4
"""Largest distance of a peer's ends from the given ones, over the distance between these, with which it has arrived."""

PEERS: Mapping[str, str | None] = {"stochman": "stochman", "pythae": "pythae", "metric-flow": None}
"""The peers, each with the package to install; metric flow matching's interpolants are part of this folder."""

SHOWN = (
    "precision", "wholly_real", "mean_confidence", "worst_confidence", "third_class", "frechet", "relative_length", "largest_step",
    "step_evenness", "curve_energy", "end_error", "precision_gain", "seconds_per_path", "once_seconds",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Contender:
    """
    A named interpolant.

    Attributes:
        name: Name in the table.
        prepare: Function that makes the interpolant for a run; it returns the search over a batch of pairs, and figures of the interpolant itself.
    """

    name: str
    prepare: Callable[[Run], tuple[Callable[[Ends, Tensor, Tensor], Curve], Mapping[str, float]]]


# ------------------------------------------------------------------------------------------------- contenders


def contenders(methods: Sequence[str], without: Sequence[str], frames: int, seed: int) -> list[Contender]:
    """Returns ridgewalk's methods by name, the free paths first, then the peers that are not left out."""
    named = list(dict.fromkeys([*comparison.FREE, *methods]))
    found = [Contender(m, _ours(m, frames)) for m in named]
    if "stochman" not in without:
        names = ("stochman", "stochman-discrete", "stochman-spline-adam", "stochman-discrete-adam")
        found += [Contender(n, _stochman(n, frames)) for n in names]
    if "pythae" not in without:
        found.append(Contender("pythae", _pythae(frames)))
    if "metric-flow" not in without:
        found += [Contender(f"mfm-{m}", _metric_flow(m, frames, seed)) for m in ("land", "rbf")]
    return found


def _ours(name: str, frames: int) -> Callable[[Run], Any]:
    method, energy = split_energy(name)

    def prepare(run: Run) -> Any:
        refuse_energy(run, method, energy)
        shown = replace(run, recipe=replace(run.recipe, walks=replace(run.recipe.walks, frames=frames)))
        finder = shown.finder(method, energy)

        def search(ends: Ends, z_a: Tensor, z_b: Tensor) -> Curve:
            path = finder(z_a, z_b)
            return path if path.nodes.shape[1] == frames else path.resample(frames, run.decode)

        return search, {}

    return prepare


def _stochman(name: str, frames: int) -> Callable[[Run], Any]:
    def prepare(run: Run) -> Any:
        import stochman_curves

        find = stochman_curves.finders(run.decode, frames)[name]
        return lambda ends, z_a, z_b: _curve(find(z_a, z_b), z_a, z_b), {}

    return prepare


def _pythae(frames: int) -> Callable[[Run], Any]:
    def prepare(run: Run) -> Any:
        import pythae_line

        find = pythae_line.finder(run.model.encode, run.decode, run.origin.shape, run.references.shape[1], frames)
        return lambda ends, z_a, z_b: _curve(find(ends.x_a, ends.x_b), z_a, z_b), {}

    return prepare


def _metric_flow(name: str, frames: int, seed: int) -> Callable[[Run], Any]:
    def prepare(run: Run) -> Any:
        import metric_flow

        network, energy = metric_flow.trained(name, run.references, seed)
        finder = Amortised(network, frames)
        return lambda ends, z_a, z_b: finder(z_a, z_b), {"training_energy_over_lerp": energy}

    return prepare


def _curve(nodes: Tensor, z_a: Tensor, z_b: Tensor) -> Curve:
    """Returns a peer's nodes as a curve, with their own ends."""
    return Curve(nodes, paths.end_error(nodes, z_a, z_b) <= TOLERANCE * (z_b - z_a).norm(dim=1))


# -------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures of one run: an entry for each contender, Frechet distances by row and judge, judged single images, and the judges."""

    entries: Sequence[Entry]
    distances: Mapping[str, Mapping[str, float]]
    lines: Mapping[str, Columns]
    judges: Sequence[Judge]


def measure(run: Run, field: Sequence[Contender], pairs: int, seed: int) -> Measured:
    """Searches and judges every contender's paths between the same ends."""
    ends = draw_ends(run, pairs, seed, "test")
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    _ = run.references  # read once, outside every clock
    curves = {c.name: _search(c, run, ends, z_a, z_b) for c in track(field, "interpolants")}
    frames = {name: curve.map(run.decode) for name, curve in curves.items()}
    judges = judges_of(run)
    lines = judge_lines(run, judges, "test", seed)
    entries = []
    for name, curve in track(curves.items(), "judging", total=len(curves)):
        columns = comparison.measure(
            PairedPaths(curve, frames[name], frames["lerp"], z_a, z_b, ends.labels_a, ends.labels_b), judges
        )
        columns["curve_energy"] = paths.curve_energy(frames[name]).double()
        away = (curve.nodes - curves["lerp"].nodes).flatten(1).norm(dim=1)
        entries.append(Entry(name, columns, {**curve.stats, "largest_distance_from_lerp": float(away.max())}))
    k = next(iter(frames.values())).shape[1]
    middles = {name: x[:, (k - 1) // 2 : k // 2 + 1].flatten(0, 1) for name, x in frames.items()}
    held_out = part(run.data, "test")
    real = held_out.take(torch.arange(min(len(middles["lerp"]), len(held_out)))).floats()  # as many as middle frames
    middles |= {"real": real, "reconstructions": chunked(run.decode, run.encode(real))}
    distances = {
        name: {j.name: frechet(j.features(x), j.balls[0]) for j in judges}
        for name, x in track(middles.items(), "Frechet distances", total=len(middles))
    }
    return Measured(entries, distances, lines, judges)


def _search(contender: Contender, run: Run, ends: Ends, z_a: Tensor, z_b: Tensor) -> Curve:
    """Searches the paths of all pairs; ``once`` is the time of preparation and of the first call less that of the second."""
    began = time.perf_counter()
    search, notes = contender.prepare(run)
    made = time.perf_counter() - began
    few = slice(0, min(2, len(z_a)))
    calls = []
    for _ in range(2):
        began = time.perf_counter()
        search(_some(ends, few), z_a[few], z_b[few])
        calls.append(time.perf_counter() - began)
    found, seconds, cpu = [], 0.0, 0.0
    for rows in track([slice(i, i + BATCH) for i in range(0, len(z_a), BATCH)], contender.name):
        batch = _some(ends, rows)
        began, cpu_began = time.perf_counter(), time.process_time()
        found.append(search(batch, z_a[rows], z_b[rows]))
        seconds, cpu = seconds + time.perf_counter() - began, cpu + time.process_time() - cpu_began
    stats = {"seconds_per_path": seconds / len(z_a), "cpu_seconds_per_path": cpu / len(z_a), **notes}
    stats |= {"once_seconds": made + max(0.0, calls[0] - calls[1])}
    return Curve(torch.cat([p.nodes for p in found]), torch.cat([p.arrived for p in found]), {}, stats)


def _some(ends: Ends, rows: slice) -> Ends:
    return Ends(
        ends.x_a[rows], ends.x_b[rows], ends.index_a[rows], ends.index_b[rows], ends.labels_a[rows], ends.labels_b[rows]
    )


# -------------------------------------------------------------------------------------------------- reporting


def table_of(figures: Mapping[str, Any]) -> Table:
    """Returns the printed table: one row for each contender, and reference lines."""
    table = figures_table(figures, SHOWN)
    end_error = replace(table.columns["end_error"], form=".1e", better=None)
    return replace(table, columns={**table.columns, "end_error": end_error})


def pooled(measured: Sequence[Measured]) -> tuple[list[Entry], dict[str, Columns], dict[str, dict[str, float]]]:
    """Pools several runs over the same pairs: columns are concatenated, stats and distances are means."""
    entries = []
    for same in zip(*(m.entries for m in measured)):
        columns = {n: torch.cat([e.columns[n] for e in same]) for n in same[0].columns}
        stats = {n: sum(e.stats[n] for e in same) / len(same) for n in same[0].stats}
        entries.append(Entry(same[0].method, columns, stats))
    first = measured[0]
    lines: dict[str, Columns] = {
        line: {n: torch.cat([m.lines[line][n] for m in measured]) for n in columns}
        for line, columns in first.lines.items()
    }
    distances = {
        name: {j: sum(m.distances[name][j] for m in measured) / len(measured) for j in by_judge}
        for name, by_judge in first.distances.items()
    }
    return entries, lines, distances


@guarded
def main(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders that `ridgewalk train` made.", show_default=False),
    ],
    pairs: Annotated[int, typer.Option(help="Pairs of test images.", min=2)] = 200,
    frames: Annotated[int, typer.Option(help="Frames of each path.", min=3)] = 16,
    methods: Annotated[
        str, typer.Option(help="Comma-separated methods of ridgewalk, each alone or with an energy, as string:dual.")
    ] = "lerp,slerp,graph,string",
    without: Annotated[
        list[str] | None,
        typer.Option(help=f"A peer to leave out: {', '.join(PEERS)}; may be repeated.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Seed of pairs, training and intervals.", min=0, max=2**31 - 1)] = 0,
) -> None:
    """Compare other packages' interpolants with ridgewalk's."""
    left_out = without or []
    check_installed(left_out)
    if out is not None and out.exists():
        raise ValueError(f"{out} exists already; choose another --out")
    field = contenders([m.strip() for m in methods.split(",")], left_out, frames, seed)
    torch.set_num_threads(1)
    opened = [load(folder) for folder in runs]
    if len({r.folder.resolve() for r in opened}) != len(opened):
        raise ValueError("the benchmark pools different runs; one of these is named twice")
    if len({(r.origin.recipe, r.origin.data) for r in opened}) != 1:
        raise ValueError("the benchmark pools runs of one recipe on the same images; these runs' differ")
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first optimiser imports for seconds
    with bars():
        measured = [measure(run, field, pairs, seed) for run in track(opened, "runs")]
    entries, lines, distances = pooled(measured)
    summary = comparison.summarise(entries, lines, seed, len(measured))
    figures = figures_of(opened, summary, entries, measured[0].judges, pairs, "test", seed) | {
        "frames": frames,
        "batch": BATCH,
        "threads": torch.get_num_threads(),
        "frechet": distances,
        "frechet_by_run": [m.distances for m in measured],
        "versions": dict(versions(left_out)),
    }
    if out is not None:
        write_bytes(out, json.dumps(figures, indent=1).encode())
    print(table_of(figures).to_markdown())
    if "pythae" not in left_out:
        away = figures["search"]["pythae"]["largest_distance_from_lerp"]
        print(f"\npythae interpolates linearly: its nodes are at most {away:.1e} from LERP's.")
    if "metric-flow" not in left_out:
        energies = ", ".join(
            f"{n} {figures['search'][n]['training_energy_over_lerp']:.2f}" for n in ("mfm-land", "mfm-rbf")
        )
        print(
            f"\nEnergy of metric flow matching's curves over straight lines', on training codes, after training: {energies}."
        )


def check_installed(without: Sequence[str]) -> None:
    """Refuses unknown names of peers, and peers that are not installed."""
    for name in without:
        if name not in PEERS:
            raise ValueError(naming.unknown("peer", name, PEERS))
    for name, package in PEERS.items():
        if name not in without and package is not None and find_spec(package) is None:
            raise ValueError(
                f"{package} is not installed in this environment; install benchmarks/peers/requirements.txt, or leave it out with --without {name}"
            )


def versions(without: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields the name and version of each measured package."""
    yield "python", platform.python_version()
    for package in ("ridgewalk", "torch", *(p for n, p in PEERS.items() if p is not None and n not in without)):
        yield package, version(package)


if __name__ == "__main__":
    typer.run(main)
