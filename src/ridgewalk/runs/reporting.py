"""What the verbs `walk`, `report`, `sensors` and `benchmark` do: search, judge, and put it on a page."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ridgewalk.data import part
from ridgewalk.energies import frozen
from ridgewalk.evaluation import comparison
from ridgewalk.evaluation.comparison import Entry, Summary
from ridgewalk.evaluation.judges import NAMES, Judge, judge
from ridgewalk.evaluation.sensors import Diagnosis
from ridgewalk.evaluation.sensors import diagnose as diagnose_sensor
from ridgewalk.geometry import lerp
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.path import Path as Curve
from ridgewalk.progress import track
from ridgewalk.runs import alignment, build, pages, players, processes, tables, walking
from ridgewalk.runs.build import Force
from ridgewalk.runs.record import Run
from ridgewalk.runs.train import prior_draws
from ridgewalk.runs.walking import Ends
from ridgewalk.training.noise import Noise

CEILING_IMAGES = 1000
"""Test images whose reconstructions make the ceiling, and draws of the prior that make the floor."""


@dataclass(frozen=True)
class Result:
    """What a verb says: the page that it wrote, a verdict in a few lines, and every figure."""

    page: Path
    verdict: list[str]
    figures: dict[str, Any]


def judges_of(run: Run) -> list[Judge]:
    """Both judges of the run's data, trained now or read from the cache."""
    j = run.recipe.judges
    return [judge(run.data, name, j.epochs, j.batch, j.rate, j.neighbours) for name in NAMES]


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


def diagnose(run: Run, seed: int = 0, names: Sequence[str] | None = None) -> list[Diagnosis]:
    """Each sensor of the run, or those of ``names``, on codes of the roles test and reference, which neither model nor sensor saw."""
    codes = torch.cat([run.encode(part(run.data, role).floats()).cpu() for role in ("test", "reference")])
    noise = Noise(seed, 0)
    prior = prior_draws(run, len(codes), seed).cpu()
    half = min(len(codes) // 2, 200)
    ends_a, ends_b = codes[:half], codes[half : 2 * half]
    nodes = lerp(ends_a, ends_b, torch.linspace(0, 1, 17))
    off_data = players.negatives(run.recipe)(codes, noise)
    found = []
    wanted = {n: s for n, s in run.sensors.items() if names is None or n in names}
    for name, sensor in track(sorted(wanted.items()), "diagnosing sensors"):
        seen = (
            Discriminator(nn.Sequential(run.model.decoder, sensor.body), sensor.positive)
            if name in build.ON_IMAGES
            else sensor
        )
        found.append(
            diagnose_sensor(
                name, frozen(seen).cpu(), codes, prior if name in build.AGAINST_PRIOR else off_data, nodes, prior, seed
            )
        )
    return found


_UNGUIDED = {"graph-string": "the graph's path, smoothed", "best-string": "the best of its starts, smoothed"}
"""What a method does without a force; every other walks as LERP does."""


def dead(run: Run, method: str, forces: Sequence[Force], seed: int = 0) -> list[str]:
    """A sentence for each of the forces whose sensor is dead: by the force itself, or by the sensor's diagnosis on held-out codes."""
    found = []
    for force in forces:
        if not force.alive:
            name = f"sensor {force.sensor}" if force.sensor else f"energy {force.name}"
            found.append(
                f"the {name} is dead: the median force of {force.name} on {len(run.materials.lerp_points)} LERP points is "
                f"{force.size:.3g}{'' if math.isfinite(force.size) else ', and what is not finite counts as 0'}. "
                f"The walk will equal {_UNGUIDED.get(method, 'LERP')}; {force.mending}."
            )
        elif force.sensor is not None:
            diagnosis = diagnose(run, seed, [force.sensor])[0]
            strong = f" The walk takes its force times {force.weight:.3g}." if force.weight > 1 else ""
            found += [diagnosis.sentence + strong] if diagnosis.verdict == "dead" else []
    return found


def weighed(run: Run, forces: Sequence[Force]) -> str:
    """The forces of a dual walk, and the weights that follow from them."""
    sizes = ", ".join(f"{f.name} {f.size:.3g}" for f in forces)
    weights = " and ".join(f"{f.weight:.3g}" for f in forces)
    return f"forces on {len(run.materials.lerp_points)} LERP points: {sizes}; weights {weights}"


def _figures_of(forces: Sequence[Force]) -> dict[str, dict[str, float | None]]:
    return {
        f.name: {"median": f.size if math.isfinite(f.size) else None, "weight": f.weight} for f in forces
    }  # JSON has no nan


def _mended(stats: Mapping[str, float]) -> list[str]:
    """What a search had to do to the gradients that it was given."""
    done = []
    if stats.get("nonfinite", 0) > 0:
        done.append(f"gradient not finite on {stats['nonfinite']:.0f} of {stats['nfe']:.0f} evaluations; counted as 0")
    if stats.get("clamped", 0) > 0:
        done.append(f"gradient clamped on {stats['clamped']:.0f} of {stats['nfe']:.0f} evaluations")
    return ["; ".join(done)] if done else []


def _shared(run: Run, shares: tuple[float, float] | None, energies: Sequence[str | None]) -> Run:
    """The run with other shares of the two forces of the energy "dual"."""
    if shares is None:
        return run
    if "dual" not in energies:
        raise ValueError(
            "--shares weighs the two forces of the energy 'dual', which is not asked for; leave it out, or name dual"
        )
    walks = replace(run.recipe.walks, dual_shares=shares)
    return replace(run, recipe=replace(run.recipe, walks=walks))


@dataclass(frozen=True, eq=False)
class Measured:
    """One run's paths by every method: curves and frames by name, entries, lines, judges and the ends."""

    ends: Ends
    curves: Mapping[str, Curve]
    frames: Mapping[str, Tensor]
    entries: Sequence[Entry]
    lines: Mapping[str, Mapping[str, Tensor]]
    judges: Sequence[Judge]


def measure(run: Run, pairs: int | None, role: str, methods: Sequence[str] | None, seed: int) -> Measured | None:
    """Searches and judges; None on all processes of a torchrun but the first."""
    _refuse_role(role)
    wanted = list(methods or build.METHODS)
    for name in wanted:
        method, energy = build.method_and_energy(name)
        _refuse_energy(run, method, energy)
    wanted = ["lerp", *(m for m in wanted if m != "lerp")]
    ends = walking.drawn(run, run.recipe.walks.pairs if pairs is None else pairs, seed, role)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    curves = {
        name: walking.search(run, method, z_a, z_b, energy)
        for name, (method, energy) in track([(n, build.method_and_energy(n)) for n in wanted], "methods")
    }
    if processes.rank() != 0:
        return None
    judges = judges_of(run)
    lines = lines_of(run, judges, role, seed)
    frames = {name: curve.map(run.decode).cpu() for name, curve in curves.items()}
    entries = []
    for name, curve in track(curves.items(), "judging", total=len(curves)):
        columns = comparison.measure(
            frames[name], curve.nodes, z_a, z_b, curve.arrived, judges, ends.labels_a, ends.labels_b, frames["lerp"]
        )
        entries.append(Entry(name, {n: v.cpu() for n, v in columns.items()}, curve.stats))
    return Measured(ends, curves, frames, entries, lines, judges)


def report(
    run: Run,
    *,
    pairs: int | None = None,
    role: str = "test",
    methods: Sequence[str] | None = None,
    seed: int = 0,
    out: Path | None = None,
    shares: tuple[float, float] | None = None,
) -> Result:
    """Compares methods on one run and writes the page; never over another file. ``shares`` are the recipe's ``walks.dual_shares`` otherwise."""
    named = [build.method_and_energy(m) for m in methods or ()]
    run = _shared(run, shares, [energy for _, energy in named])
    target = _free_file(out or run.folder / "report.html", given=out is not None)
    measured = measure(run, pairs, role, methods, seed)
    if measured is None:
        return Result(target, [], {})
    summary = comparison.summarise(measured.entries, measured.lines, seed)
    diagnoses = diagnose(run, seed)
    verdict = verdict_of(summary, diagnoses, len(measured.ends))
    figures = figures_of([run], summary, measured.entries, measured.judges, len(measured.ends), role, seed)
    figures["sensors"] = {d.name: d.figures() for d in diagnoses}
    misaligned = alignment.measure(run, measured.judges, seed, role)
    verdict += alignment.verdict(misaligned)
    figures["misalignment"] = {m.name: m.figures() for m in misaligned}
    for method, energy in named:
        if energy == "dual" and "forces" not in figures:  # the same for every method
            forces = build.forces(method, run.materials, energy)
            figures["forces"] = _figures_of(forces)
            verdict.append(f"dual: {weighed(run, forces)}")
    pages.write_report(target, run, measured, summary, diagnoses, misaligned, verdict, role, seed)
    return Result(target, verdict, {"report": str(target), **figures})


def walk(
    run: Run,
    start: str | None,
    end: str | None,
    pairs: int | None,
    role: str,
    method: str,
    energy: str | None,
    *,
    frames: int | None = None,
    out: Path | None = None,
    gif: bool = False,
    resize: bool = False,
    seed: int = 0,
    shares: tuple[float, float] | None = None,
) -> Result:
    """
    One method between named ends or drawn pairs: paths.npz, stats.json, a page, and an animation where asked for.

    Warns where what guides it is dead. ``shares`` are the recipe's ``walks.dual_shares`` otherwise.
    """
    if (pairs is None) == (start is None and end is None):
        raise ValueError("walk needs either --from and --to, or --pairs")
    if pairs is None and (start is None or end is None):
        raise ValueError("walk needs both --from and --to")
    if frames is not None and frames < 3:
        raise ValueError(f"a path to judge needs at least 3 frames; got --frames {frames}")
    run = _shared(run, shares, [energy])
    _refuse_energy(run, method, energy)
    _refuse_role(role)
    ends = (
        walking.drawn(run, pairs, seed, role) if pairs is not None else walking.named(run, str(start), str(end), resize)
    )
    folder = processes.first(lambda: _new_folder(run, method, out))
    forces = build.forces(method, run.materials, energy)
    notes = processes.first(lambda: dead(run, method, forces, seed))
    for note in notes:
        warnings.warn(note, stacklevel=2)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    curve = walking.search(run, method, z_a, z_b, energy, frames)
    baseline = walking.search(run, "lerp", z_a, z_b, None, frames or run.recipe.walks.frames)
    if processes.rank() != 0:
        return Result(folder, [], {})
    judges = [j.without(ends.digests()) for j in judges_of(run)]  # --from and --to may name reference images
    both = {method: curve, "lerp": baseline}
    decoded = {name: c.map(run.decode).cpu() for name, c in both.items()}
    columns = {
        name: comparison.measure(
            decoded[name], c.nodes, z_a, z_b, c.arrived, judges, ends.labels_a, ends.labels_b, decoded["lerp"]
        )
        for name, c in both.items()
    }
    settings = {
        "run": str(run.folder), "method": method, "energy": energy or walking.default_energy(run, method), "seed": seed,
        "model_seed": run.origin.seed, "recipe": run.origin.recipe, "budget": run.origin.budget, "from": start, "to": end,
    }  # fmt: skip
    guide = {"forces": _figures_of(forces), "notes": notes}
    walking.write(folder, run, ends, curve, z_a, z_b, {**settings, **guide}, columns[method])
    own, base = columns[method], columns["lerp"]
    arrived = int(curve.arrived.sum())
    share, lerp_share = float(own["precision"].mean()), float(base["precision"].mean())
    verdict = [
        f"{method}: {share:.0%} of the frames between the ends are real by the mean of two judges (LERP {lerp_share:.0%}); "
        f"{arrived} of {len(ends)} paths arrived",
        *([weighed(run, forces)] if len(forces) > 1 else []),
        *_mended(curve.stats),
        *notes,
    ]
    page = folder / "report.html"
    pages.write_walk(page, run, ends, both, decoded, columns, judges, settings, verdict)
    if gif:
        from ridgewalk.reports import write_gif

        write_gif(decoded[method][: min(8, len(ends))].numpy(), folder / "path.gif")
    figures = {
        "folder": str(folder),
        **settings,
        **guide,
        "pairs": len(ends),
        "arrived": arrived,
        "search": dict(curve.stats),
    }
    figures["metrics"] = {n: float(v.mean()) for n, v in own.items()}
    return Result(page, verdict, figures)


@dataclass(frozen=True, eq=False)
class Pooled:
    """Several runs' paths over the same pairs, together: the summary, its entries, and what was measured of each run."""

    summary: Summary
    entries: Sequence[Entry]
    measured: Sequence[Measured]


def pool(runs: Sequence[Run], pairs: int, role: str, methods: Sequence[str] | None, seed: int) -> Pooled | None:
    """Searches and judges in every run; a pair and its runs are resampled together. None on all processes but the first."""
    every = [measure(run, pairs, role, methods, seed) for run in runs]
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


def benchmark(
    runs: Sequence[Run], pairs: int, role: str, methods: Sequence[str] | None, seed: int
) -> tuple[str, dict[str, Any]]:
    """All runs' paths over the same pairs, pooled: a Markdown table, and the figures."""
    if len({r.folder.resolve() for r in runs}) != len(runs):
        raise ValueError("a benchmark pools different runs; one of these is named twice")
    if len({r.origin.recipe for r in runs}) != 1:
        raise ValueError(
            f"a benchmark pools runs of one recipe; these are of {', '.join(sorted({r.origin.recipe for r in runs}))}"
        )
    if len({r.origin.data for r in runs}) != 1:
        raise ValueError("a benchmark pools runs on the same images; these runs' differ")
    pooled = pool(runs, pairs, role, methods, seed)
    if pooled is None:
        return "", {}
    figures = figures_of(runs, pooled.summary, pooled.entries, pooled.measured[0].judges, pairs, role, seed)
    return tables.benchmark_table(pooled.summary, pooled.entries).to_markdown(), figures


def verdict_of(summary: Summary, diagnoses: Sequence[Diagnosis], pairs: int) -> list[str]:
    """The comparison in a few sentences."""
    best = summary.best
    rows, base = summary.rows[best], summary.rows["lerp"]
    if best == "lerp":
        first = f"No method that arrives beats LERP here: {base['precision'].value:.0%} of its interior frames are real ({pairs} pairs, mean of two judges)."
    else:
        difference = summary.differences[best]["precision"]
        sure = (
            "the interval excludes zero" if difference.low > 0 else "the interval includes zero, so this is not settled"
        )
        gap = summary.gap_closed[best]
        ceiling = summary.lines["reconstructions"]["precision"]
        ceiling = summary.lines["reconstructions"]["precision"]
        closes = (
            f" It closes {gap.value:.2f} of LERP's gap to the reconstructions ({ceiling:.1%})."
            if ceiling > base["precision"].value
            else ""
        )
        first = (
            f"Best: {best}. {rows['precision'].value:.1%} of its interior frames are real against LERP's {base['precision'].value:.1%} "
            f"(difference {difference.value:+.1%}, 95 % interval {difference.low:+.1%} to {difference.high:+.1%}: {sure}).{closes}"
        )
    lost = [f"{m} {1 - r['arrived'].value:.0%}" for m, r in summary.rows.items() if r["arrived"].value < 1]
    arrival = f"Did not arrive: {', '.join(lost)} of its walks." if lost else "Every walk arrived."
    tau, swapped = summary.agreement
    judged = f"The two judges order the methods with Kendall's tau {tau:.2f}" + (
        f"; they disagree on {', '.join(f'{a}/{b}' for a, b in swapped[:4])}."
        if swapped
        else " and agree on every pair."
    )
    averages, real = summary.lines["pixel averages"]["precision"], summary.lines["real"]["precision"]
    lenient = (
        f"The judges take {averages:.0%} of the pixel averages of two images for real, and {real:.0%} of real images"
    )
    lenient += ": they are lenient here, so small differences in precision say little." if averages > real / 2 else "."
    return [first, arrival, judged, lenient, *(d.sentence for d in diagnoses)]


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


def _refuse_role(role: str) -> None:
    if role == "reference":
        raise ValueError("pairs of the role 'reference' would be judged by themselves; choose validation or test")


def _refuse_energy(run: Run, method: str, energy: str | None) -> None:
    """Refuses unknown methods and energies before anything is made."""
    default = build.default_energy(method, run.sensors)
    if default is None and energy is not None:
        raise ValueError(
            f"method '{method}' asks no energy; leave out --energy {energy}, or choose a method that asks one"
        )
    if energy is not None:
        run.energy(energy)


def _new_folder(run: Run, method: str, out: Path | None) -> Path:
    folder = out or walking.free_folder(run.folder / "walks", method)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists already and is not empty; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _free_file(target: Path, given: bool) -> Path:
    if not target.exists():
        return target
    if given:
        raise ValueError(f"{target} exists already; choose another --out")
    number = 2
    while (other := target.with_name(f"{target.stem}-{number}{target.suffix}")).exists():
        number += 1
    return other
