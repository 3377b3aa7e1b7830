"""A run measured: its judges, its sensors' diagnoses, its paths by every method, and several runs' paths pooled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ridgewalk import processes
from ridgewalk.data import part
from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.diagnosis.sensors import diagnose as diagnose_sensor
from ridgewalk.energies import frozen
from ridgewalk.finders.building import available_methods, split_energy
from ridgewalk.finders.building import refuse_energy as refuse_energy_of
from ridgewalk.geometry import lerp
from ridgewalk.judging import comparison
from ridgewalk.judging.comparison import Entry, PairedPaths, Summary
from ridgewalk.judging.judges import NAMES, Judge, judge
from ridgewalk.path import Path as Curve
from ridgewalk.progress import track
from ridgewalk.protocols import PathFinder
from ridgewalk.registry import SENSORS
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk.training.negatives import BOUNDARIES
from ridgewalk.training.noise import Noise
from ridgewalk.verbs import paths
from ridgewalk.verbs.paths import Ends

CEILING_IMAGES = 1000
"""Test images whose reconstructions make the ceiling, and draws of the prior that make the floor."""


def judges_of(run: Run) -> list[Judge]:
    """Both judges of the run's data, trained now or read from the cache."""
    return [judge(run.data, name, run.recipe.judges) for name in NAMES]


def lines_of(run: Run, judges: Sequence[Judge], role: str, seed: int) -> dict[str, dict[str, Tensor]]:
    """Ceiling, floor and real images, judged: per-image columns."""
    images = part(run.data, role)
    real = images.take(torch.arange(min(CEILING_IMAGES, len(images)))).floats()
    codes = run.encode(real)
    prior = prior_draws(run, CEILING_IMAGES, seed)
    # a control that no decoder touched: the mean of two images is real to no eye, so what a judge says of it is its leniency
    averages = (real + real.roll(1, dims=0)) / 2
    shown = {
        "real": real,
        "reconstructions": _decoded(run, codes),
        "prior": _decoded(run, prior),
        "pixel averages": averages,
    }
    return {name: comparison.single_images(x, judges) for name, x in shown.items()}


def _decoded(run: Run, z: Tensor) -> Tensor:
    from ridgewalk.path import chunked

    return chunked(run.decode, z).cpu()


def diagnose(run: Run, seed: int = 0, names: Sequence[str] | None = None) -> list[SensorDiagnosis]:
    """Each sensor of the run, or those of ``names``, on codes of the roles test and reference, which neither model nor sensor saw."""
    codes = torch.cat([run.encode(part(run.data, role).floats()).cpu() for role in ("test", "reference")])
    noise = Noise(seed, 0)
    prior = prior_draws(run, len(codes), seed).cpu()
    half = min(len(codes) // 2, 200)
    ends_a, ends_b = codes[:half], codes[half : 2 * half]
    nodes = lerp(ends_a, ends_b, torch.linspace(0, 1, 17))
    off_data = BOUNDARIES[run.recipe.detector.negatives]()(codes, noise)
    found = []
    wanted = {n: s for n, s in run.sensors.items() if names is None or n in names}
    for name, sensor in track(sorted(wanted.items()), "diagnosing sensors"):
        seen = sensor.behind(run.model.decoder) if SENSORS[name].on_images else sensor
        others = prior if SENSORS[name].against_prior else off_data
        found.append(diagnose_sensor(name, frozen(seen).cpu(), codes, others, nodes, prior, seed))
    return found


@dataclass(frozen=True, eq=False)
class Measured:
    """One run's paths by every method: curves and frames by name, entries, lines, judges and the ends."""

    ends: Ends
    curves: Mapping[str, Curve]
    frames: Mapping[str, Tensor]
    entries: Sequence[Entry]
    lines: Mapping[str, Mapping[str, Tensor]]
    judges: Sequence[Judge]


def measure(
    run: Run,
    pairs: int | None,
    role: str,
    methods: Sequence[str] | None,
    seed: int,
    finders: Mapping[str, PathFinder] | None = None,
) -> Measured | None:
    """Searches and judges; None on all processes of a torchrun but the first. ``finders`` that have no name in recipes come last."""
    refuse_role(role)
    wanted = list(methods or available_methods(run.context))
    for name in wanted:
        method, energy = split_energy(name)
        refuse_energy(run, method, energy)
    wanted = ["lerp", *(m for m in wanted if m != "lerp")]
    ends = paths.drawn(run, run.recipe.walks.pairs if pairs is None else pairs, seed, role)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    curves = {
        name: paths.search(run, method, z_a, z_b, energy)
        for name, (method, energy) in track([(n, split_energy(n)) for n in wanted], "methods")
    }
    curves |= {n: paths.search(run, n, z_a, z_b, finder=f) for n, f in (finders or {}).items()}
    if processes.rank() != 0:
        return None
    judges = judges_of(run)
    lines = lines_of(run, judges, role, seed)
    frames = {name: curve.map(run.decode).cpu() for name, curve in curves.items()}
    entries = []
    for name, curve in track(curves.items(), "judging", total=len(curves)):
        columns = comparison.measure(
            PairedPaths(curve, frames[name], frames["lerp"], z_a, z_b, ends.labels_a, ends.labels_b), judges
        )
        entries.append(Entry(name, {n: v.cpu() for n, v in columns.items()}, curve.stats))
    return Measured(ends, curves, frames, entries, lines, judges)


@dataclass(frozen=True, eq=False)
class Pooled:
    """Several runs' paths over the same pairs, together: the summary, its entries, and what was measured of each run."""

    summary: Summary
    entries: Sequence[Entry]
    measured: Sequence[Measured]


def pool(
    runs: Sequence[Run],
    pairs: int,
    role: str,
    methods: Sequence[str] | None,
    seed: int,
    finders: Sequence[Mapping[str, PathFinder]] | None = None,
) -> Pooled | None:
    """
    Searches and judges in every run; a pair and its runs are resampled together. None on all processes but the first.

    ``finders`` are further ones by name, the same names for each run.
    """
    own = finders or [{} for _ in runs]
    every = [measure(run, pairs, role, methods, seed, more) for run, more in zip(runs, own, strict=True)]
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
    groups = torch.arange(pairs).repeat(len(measured))
    return Pooled(comparison.summarise(entries, lines, seed, groups), entries, measured)


def figures_of(
    runs: Sequence[Run],
    summary: Summary,
    entries: Sequence[Entry],
    judges: Sequence[Judge],
    pairs: int,
    role: str,
    seed: int,
) -> dict[str, Any]:
    """Everything measured, for JSON."""
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
        "gap_closed": {m: [i.value, i.low, i.high] for m, i in summary.gap_closed.items()},
        "whole_ratio": {m: [i.value, i.low, i.high] for m, i in summary.whole_ratio.items()},
        "lines": {line: dict(v) for line, v in summary.lines.items()},
        "judges": {j.name: {"accuracy": j.accuracy, "labelled": j.labelled} for j in judges},
        "agreement": {"tau": summary.agreement[0], "different": summary.agreement[1]},
        "search": {e.method: dict(e.stats) for e in entries},
    }


def refuse_role(role: str) -> None:
    if role == "reference":
        raise ValueError("pairs of the role 'reference' would be judged by themselves; choose validation or test")


def refuse_energy(run: Run, method: str, energy: str | None) -> None:
    """Refuses unknown methods and energies before anything is made."""
    refuse_energy_of(method, energy)
    if energy is not None:
        run.energy(energy)


def refuse_mixed(runs: Sequence[Run]) -> None:
    """Refuses runs that cannot be pooled."""
    if len({r.folder.resolve() for r in runs}) != len(runs):
        raise ValueError("a comparison pools different runs; one of these is named twice")
    if len({r.origin.recipe for r in runs}) != 1:
        raise ValueError(
            f"a comparison pools runs of one recipe; these are of {', '.join(sorted({r.origin.recipe for r in runs}))}"
        )
    if len({r.origin.data for r in runs}) != 1:
        raise ValueError("a comparison pools runs on the same images; these runs' differ")
