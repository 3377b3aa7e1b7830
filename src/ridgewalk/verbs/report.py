"""What the verbs `walk`, `report`, `sensors` and `benchmark` do: search, judge, and put it on a page."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ridgewalk import processes
from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.files import free_file, free_folder, new_folder, refuse_existing
from ridgewalk.finders.building import Force, default_energy, measure_forces, parse_method, split_energy
from ridgewalk.judging import comparison
from ridgewalk.judging.comparison import PairedPaths, Summary
from ridgewalk.store.run import Run
from ridgewalk.verbs import keep as keeping
from ridgewalk.verbs import misalignment, pages, paths, tables
from ridgewalk.verbs.measurement import (
    diagnose,
    figures_of,
    judges_of,
    measure,
    pool,
    refuse_energy,
    refuse_mixed,
    refuse_role,
)


@dataclass(frozen=True)
class Result:
    """What a verb says: the page that it wrote, a verdict in a few lines, and every figure."""

    page: Path
    verdict: list[str]
    figures: dict[str, Any]


def dead(run: Run, method: str, forces: Sequence[Force], seed: int = 0) -> list[str]:
    """A sentence for each of the forces whose sensor is dead: by the force itself, or by the sensor's diagnosis on held-out codes."""
    found = []
    for force in forces:
        if not force.alive:
            name = f"sensor {force.sensor}" if force.sensor else f"energy {force.name}"
            found.append(
                f"the {name} is dead: the median force of {force.name} on {len(run.context.lerp_points)} LERP points is "
                f"{force.size:.3g}{'' if math.isfinite(force.size) else ', and what is not finite counts as 0'}. "
                f"The walk will equal {parse_method(method)[0].unguided}; {force.remedy}."
            )
        elif force.sensor in run.sensors:
            diagnosis = diagnose(run, seed, [str(force.sensor)])[0]
            strong = f" The walk takes its force times {force.weight:.3g}." if force.weight > 1 else ""
            found += [diagnosis.sentence + strong] if diagnosis.verdict == "dead" else []
    return found


def weighed(run: Run, forces: Sequence[Force]) -> str:
    """The forces of a dual walk, and the weights that follow from them."""
    sizes = ", ".join(f"{f.name} {f.size:.3g}" for f in forces)
    weights = " and ".join(f"{f.weight:.3g}" for f in forces)
    return f"forces on {len(run.context.lerp_points)} LERP points: {sizes}; weights {weights}"


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
    named = [split_energy(m) for m in methods or ()]
    run = _shared(run, shares, [energy for _, energy in named])
    if out is not None:
        refuse_existing(out)
    target = out or free_file(run.folder / "report.html")
    measured = measure(run, pairs, role, methods, seed)
    if measured is None:
        return Result(target, [], {})
    summary = comparison.summarise(measured.entries, measured.lines, seed)
    diagnoses = diagnose(run, seed)
    verdict = verdict_of(summary, diagnoses, len(measured.ends))
    figures = figures_of([run], summary, measured.entries, measured.judges, len(measured.ends), role, seed)
    figures["sensors"] = {d.name: d.figures() for d in diagnoses}
    misaligned = misalignment.measure(run, measured.judges, seed, role)
    verdict += misalignment.verdict(misaligned)
    figures["misalignment"] = {m.name: m.figures() for m in misaligned}
    for method, energy in named:
        if energy == "dual" and "forces" not in figures:  # the same for every method
            forces = measure_forces(method, run.context, energy)
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
    keep: str | None = None,
    same_class: bool = False,
) -> Result:
    """
    One method between named ends or drawn pairs: paths.npz, stats.json, a page, and an animation where asked for.

    Warns where what guides it is dead. ``shares`` are the recipe's ``walks.dual_shares`` otherwise. ``keep`` is the part of the code,
    style or class, that stays the first image's (``keeping``); ``same_class`` draws pairs of one class.
    """
    if (pairs is None) == (start is None and end is None):
        raise ValueError("walk needs either --from and --to, or --pairs")
    if pairs is None and (start is None or end is None):
        raise ValueError("walk needs both --from and --to")
    if frames is not None and frames < 3:
        raise ValueError(f"a path to judge needs at least 3 frames; got --frames {frames}")
    if same_class and pairs is None:
        raise ValueError("--same-class draws pairs of one class; give --pairs, or leave it out")
    run = _shared(run, shares, [energy])
    refuse_energy(run, method, energy)
    refuse_role(role)
    if keep is not None:
        keeping.refuse(run, keep, method)
    ends = (
        paths.drawn(run, pairs, seed, role, same_class)
        if pairs is not None
        else paths.named(run, str(start), str(end), resize)
    )
    folder = processes.first(lambda: new_folder(out or free_folder(run.folder / "walks", method)))
    forces = measure_forces(method, run.context, energy)
    notes = processes.first(lambda: dead(run, method, forces, seed))
    for note in notes:
        warnings.warn(note, stacklevel=2)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    free = run
    if keep is not None:
        (z_a, z_b), free = keeping.ends(run, ends.x_a, ends.x_b, keep), keeping.free(run, keep)
    labels_b = ends.labels_a if keep == "class" else ends.labels_b
    curve = paths.search(free, method, z_a, z_b, energy, frames)
    baseline = paths.search(run, "lerp", z_a, z_b, None, frames or run.recipe.walks.frames)
    if processes.rank() != 0:
        return Result(folder, [], {})
    judges = [j.without(ends.digests()) for j in judges_of(run)]  # --from and --to may name reference images
    both = {method: curve, "lerp": baseline}
    decoded = {name: c.map(run.decode).cpu() for name, c in both.items()}
    columns = {
        name: comparison.measure(
            PairedPaths(c, decoded[name], decoded["lerp"], z_a, z_b, ends.labels_a, labels_b), judges
        )
        for name, c in both.items()
    }
    settings = {
        "run": str(run.folder), "method": method, "energy": energy or default_energy(method, run.sensors), "seed": seed,
        "model_seed": run.origin.seed, "recipe": run.origin.recipe, "budget": run.origin.budget, "from": start, "to": end,
        "keep": keep, "same_class": same_class,
    }  # fmt: skip
    guide = {"forces": _figures_of(forces), "notes": notes}
    paths.write(folder, run, ends, curve, z_a, z_b, {**settings, **guide}, columns[method])
    own, base = columns[method], columns["lerp"]
    arrived = int(curve.arrived.sum())
    share, lerp_share = float(own["precision"].mean()), float(base["precision"].mean())
    verdict = [
        f"{method}: {share:.0%} of the frames between the ends are real by the mean of two judges (LERP {lerp_share:.0%}); "
        f"{arrived} of {len(ends)} paths arrived",
        *([f"the {keep} stays the first image's: the end is no image's own code"] if keep else []),
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


def benchmark(
    runs: Sequence[Run], pairs: int, role: str, methods: Sequence[str] | None, seed: int
) -> tuple[str, dict[str, Any]]:
    """All runs' paths over the same pairs, pooled: a Markdown table, and the figures."""
    refuse_mixed(runs)
    pooled = pool(runs, pairs, role, methods, seed)
    if pooled is None:
        return "", {}
    figures = figures_of(runs, pooled.summary, pooled.entries, pooled.measured[0].judges, pairs, role, seed)
    return tables.benchmark_table(pooled.summary, pooled.entries).to_markdown(), figures


def verdict_of(summary: Summary, diagnoses: Sequence[SensorDiagnosis], pairs: int) -> list[str]:
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
