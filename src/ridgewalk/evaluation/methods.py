"""Methods compared on the same pairs of images: in one run, and pooled over several runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import isnan
from typing import Any

import torch
from torch import Tensor

from ridgewalk import processes
from ridgewalk.evaluation.ends import Ends, count_pairs, draw_ends
from ridgewalk.evaluation.judged import judge_lines, keeping, power_figures, prepare_judges
from ridgewalk.evaluation.search import search
from ridgewalk.files import new_free_folder
from ridgewalk.finders import building
from ridgewalk.finders.building import available_methods, split_energy
from ridgewalk.judging.comparison import FREE, Entry, PairedPaths, Summary, measure, summarise
from ridgewalk.judging.judges import Judge
from ridgewalk.naming import unknown
from ridgewalk.path import Path as Curve
from ridgewalk.progress import track
from ridgewalk.protocols import PathFinder
from ridgewalk.store.run import Run


@dataclass(frozen=True, eq=False)
class Measured:
    """
    The paths of one run by every method, judged.

    Attributes:
        ends: the pairs.
        curves: paths by method.
        frames: decoded paths (b, k, c, h, w) by method, on the CPU.
        entries: the measured columns of each method.
        lines: columns of real images, ceiling, floor and control, as ``judge_lines`` returns them.
        judges: the judges.
    """

    ends: Ends
    curves: Mapping[str, Curve]
    frames: Mapping[str, Tensor]
    entries: Sequence[Entry]
    lines: Mapping[str, Mapping[str, Tensor]]
    judges: Sequence[Judge]


def measure_methods(
    run: Run,
    pairs: int | None,
    role: str,
    methods: Sequence[str] | None,
    seed: int,
    finders: Mapping[str, PathFinder] | None = None,
    make_judges: Callable[[Run], Sequence[Judge]] = prepare_judges,
) -> Measured | None:
    """
    Searches the paths of every method, and the free paths, between the same pairs, and judges them.

    Args:
        run: the run.
        pairs: number of pairs; by default the recipe's.
        role: role of the test images that the pairs are drawn from.
        methods: names of methods, alone or with an energy as ``string:dual``; by default all that the run has what they need for.
        seed: seed of the pairs and of the prior's draws.
        finders: further finders by name, measured last.
        make_judges: returns the judges of the run's data; it is called before the search.

    Returns:
        The measurement; None on all processes of a torchrun but the first.
    """
    wanted = list(methods or available_methods(run.context))
    count = count_pairs(run, role, pairs)
    refuse_comparison(run, count, role, wanted, seed)
    wanted = list(dict.fromkeys([*FREE, *wanted]))
    ends = draw_ends(run, count, seed, role)
    judges = make_judges(run)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    curves = {
        name: search(run, method, z_a, z_b, energy)
        for name, (method, energy) in track([(n, split_energy(n)) for n in wanted], "methods")
    }
    curves |= {n: search(run, n, z_a, z_b, finder=f) for n, f in (finders or {}).items()}
    if processes.rank() != 0:
        return None
    frames = {name: curve.map(run.decode).cpu() for name, curve in curves.items()}
    entries = []
    arrays = {"z_a": z_a, "z_b": z_b, "index_a": ends.index_a, "index_b": ends.index_b}
    arrays |= {f"nodes_{name}": curve.nodes for name, curve in curves.items()}
    with keeping(arrays, lambda: new_free_folder(run.folder / "walks", "unjudged")):
        lines = judge_lines(run, judges, role, seed)
        for name, curve in track(curves.items(), "judging", total=len(curves)):
            paired = PairedPaths(curve, frames[name], frames["lerp"], z_a, z_b, ends.labels_a, ends.labels_b)
            columns = measure(paired, judges)
            entries.append(Entry(name, {n: v.cpu() for n, v in columns.items()}, curve.stats))
    return Measured(ends, curves, frames, entries, lines, judges)


@dataclass(frozen=True, eq=False)
class Pooled:
    """
    The paths of several runs over the same pairs, together.

    Attributes:
        summary: intervals, differences and lines over all runs.
        entries: the columns of each method, the runs one after another.
        measured: the measurement of each run.
    """

    summary: Summary
    entries: Sequence[Entry]
    measured: Sequence[Measured]


def pool_runs(
    runs: Sequence[Run],
    pairs: int,
    role: str,
    methods: Sequence[str] | None,
    seed: int,
    finders: Sequence[Mapping[str, PathFinder]] | None = None,
    judges: Sequence[Sequence[Judge]] | None = None,
) -> Pooled | None:
    """
    Measures the methods in every run over the same pairs, and pools them, with intervals over runs and pairs.

    Args:
        runs: runs of one recipe and data, with different seeds.
        pairs: number of pairs.
        role: role of the test images that the pairs are drawn from.
        methods: names of methods, as in ``measure_methods``.
        seed: seed of the pairs, the prior's draws and the bootstrap.
        finders: further finders by name for each run, with the same names for all runs.
        judges: judges for each run; by default all are made, before the first search.

    Returns:
        The pooled measurement; None on all processes of a torchrun but the first.
    """
    own = finders or [{} for _ in runs]
    for run in runs:
        refuse_comparison(run, pairs, role, methods or (), seed)
    judges = judges or [prepare_judges(run) for run in runs]
    every = [
        measure_methods(run, pairs, role, methods, seed, more, partial(_given, made))
        for run, more, made in zip(runs, own, judges, strict=True)
    ]
    measured = [m for m in every if m is not None]
    if not measured:
        return None
    entries = []
    for same in zip(*(m.entries for m in measured)):
        columns = {n: torch.cat([e.columns[n] for e in same]) for n in same[0].columns}
        stats = {n: sum(e.stats.get(n, 0) for e in same) / len(same) for n in same[0].stats}
        entries.append(Entry(same[0].method, columns, stats))
    lines = {
        line: {n: torch.cat([m.lines[line][n] for m in measured]) for n in measured[0].lines[line]}
        for line in measured[0].lines
    }
    return Pooled(summarise(entries, lines, seed, len(measured)), entries, measured)


def _given(judges: Sequence[Judge], _run: Run) -> Sequence[Judge]:
    return judges


def figures_of(
    runs: Sequence[Run],
    summary: Summary,
    entries: Sequence[Entry],
    judges: Sequence[Judge],
    pairs: int,
    role: str,
    seed: int,
) -> dict[str, Any]:
    """Returns everything that was measured of the methods, for JSON."""
    tau, swapped = summary.agreement
    return {
        "recipe": runs[0].origin.recipe,
        "budget": runs[0].origin.budget,
        "model_seeds": [r.origin.seed for r in runs],
        "pairs": pairs,
        "role": role,
        "seed": seed,
        "best": summary.best,
        "rows": {m: {n: [i.value, i.low, i.high] for n, i in row.items()} for m, row in summary.rows.items()},
        "differences": {
            m: {n: [i.value, i.low, i.high] for n, i in row.items()} for m, row in summary.differences.items()
        },
        "free": summary.free,
        "gains": {m: {n: [i.value, i.low, i.high] for n, i in row.items()} for m, row in summary.gains.items()},
        "lines": {line: dict(v) for line, v in summary.lines.items()},
        "judges": {j.name: {"accuracy": j.accuracy, "labelled": j.labelled, "features": j.source} for j in judges},
        "power": power_figures(judges),
        "agreement": {"tau": None if isnan(tau) else tau, "different": swapped},
        "search": {e.method: dict(e.stats) for e in entries},
        "walks": asdict(runs[0].recipe.walks),
    }


def with_shares(run: Run, shares: tuple[float, float] | None, energies: Sequence[str | None]) -> Run:
    """
    Returns the run with other weights of the two forces of the energy "dual".

    Args:
        run: the run.
        shares: weights of the latent and of the pixel force; None keeps the recipe's ``walks.dual_shares``.
        energies: names of the energies of the walks; shares are refused unless "dual" is one of them.
    """
    if shares is None:
        return run
    if "dual" not in energies:
        raise ValueError(
            "--shares weighs the two forces of the energy 'dual', which is not used; leave it out, or name dual"
        )
    walks = replace(run.recipe.walks, dual_shares=shares)
    return replace(run, recipe=replace(run.recipe, walks=walks))


def refuse_comparison(run: Run, pairs: int, role: str, methods: Sequence[str], seed: int) -> None:
    """Refuses a comparison of methods whose pairs cannot be drawn, or that a run cannot search, before anything is searched."""
    refuse_role(role, pairs)
    for name in methods:
        refuse_energy(run, *split_energy(name))
    draw_ends(run, pairs, seed, role)


def refuse_role(role: str, pairs: int | None = None) -> None:
    """Refuses less than one pair, and roles whose images cannot be judged: the judges compare with those of ``reference``."""
    if pairs is not None and pairs < 1:
        raise ValueError(f"the number of pairs must be at least 1; got {pairs}")
    if role == "reference":
        raise ValueError("pairs of the role 'reference' would be judged by themselves; choose validation or test")
    if role not in ("validation", "test"):
        raise ValueError(f"{unknown('role of pairs', role, ('validation', 'test'))}; pairs join test images only")


def refuse_energy(run: Run, method: str, energy: str | None) -> None:
    """Refuses unknown methods and energies, and methods that need what the run has not, before anything is made."""
    building.refuse_energy(method, energy)
    if not all(map(run.context.provides, building.parse_method(method)[0].needs)):
        run.finder(method)  # says what is missing
    if energy is not None:
        run.energy(energy)


def refuse_mixed(runs: Sequence[Run]) -> None:
    """Refuses runs that cannot be pooled: one named twice, or of different recipes or data."""
    if len({r.folder.resolve() for r in runs}) != len(runs):
        raise ValueError("a comparison pools different runs; one of these is named twice")
    if len({r.origin.recipe for r in runs}) != 1:
        raise ValueError(
            f"a comparison pools runs of one recipe; these are of {', '.join(sorted({r.origin.recipe for r in runs}))}"
        )
    if len({r.origin.data for r in runs}) != 1:
        raise ValueError("a comparison pools runs on the same images; these runs' differ")
