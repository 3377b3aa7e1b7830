"""The verb `walk`: the paths of one method compared with the free paths, between two named images or between drawn pairs."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ridgewalk import processes
from ridgewalk.evaluation import parts
from ridgewalk.evaluation.ends import Ends, draw_ends, read_ends, refuse_resize, roles_of
from ridgewalk.evaluation.judged import (
    describe_blindness,
    describe_budget,
    describe_power,
    keeping,
    power_figures,
    prepare_judges,
)
from ridgewalk.evaluation.methods import refuse_energy, refuse_role, with_shares
from ridgewalk.evaluation.reconstructions import measure_reconstructions, warn_of_reconstruction
from ridgewalk.evaluation.search import distances_to_end, search
from ridgewalk.evaluation.sensors import dead_forces, describe_weights, force_figures
from ridgewalk.files import new_folder, new_free_folder, write_arrays, write_bytes
from ridgewalk.finders.building import default_energy, measure_forces
from ridgewalk.judging.comparison import FREE, Columns, PairedPaths, best_free, describe_gain, measure
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics.reconstructions import Reconstruction
from ridgewalk.metrics.statistics import paired_difference
from ridgewalk.path import Path as Curve
from ridgewalk.records import json_bytes
from ridgewalk.registry import METHODS
from ridgewalk.store.run import Run
from ridgewalk.thresholds import FEWEST

MOST_FRAMES = 10_000
"""Largest number of frames of a path; more are taken for a mistake, and would fill the memory."""


@dataclass(frozen=True)
class Request:
    """
    What to walk, and how.

    Attributes:
        start: index of a test image or an image file, with ``end``.
        end: the other image.
        pairs: number of drawn pairs, in place of ``start`` and ``end``.
        role: role of the test images that pairs are drawn from.
        method: name of the method.
        energy: name of an energy in place of the method's default.
        shares: weights of the latent and the pixel force of the energy "dual" in place of the recipe's.
        keep: the part of the code, style or class, that stays as in the first image.
        same_class: whether drawn pairs are of one class.
        frames: frames of each path; by default the recipe's.
        resize: whether image files are resized to the run's size.
        out: folder of the result; by default RUN/walks/METHOD, or the next free name.
        seed: seed of the pairs and of the sensors' diagnosis.
    """

    start: str | None = None
    end: str | None = None
    pairs: int | None = None
    role: str = "test"
    method: str = "string"
    energy: str | None = None
    shares: tuple[float, float] | None = None
    keep: str | None = None
    same_class: bool = False
    frames: int | None = None
    resize: bool = False
    out: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.pairs is None) == (self.start is None and self.end is None):
            raise ValueError("walk needs either --from and --to, or --pairs")
        if self.pairs is None and (self.start is None or self.end is None):
            raise ValueError("walk needs both --from and --to")
        if self.frames is not None and self.frames < 3:
            raise ValueError(f"a path to judge needs at least 3 frames; got --frames {self.frames}")
        if self.frames is not None and self.frames > MOST_FRAMES:
            raise ValueError(f"a path has at most {MOST_FRAMES} frames; got --frames {self.frames}")
        if self.same_class and self.pairs is None:
            raise ValueError("--same-class draws pairs of one class; give --pairs, or leave it out")
        if self.role != "test" and self.pairs is None:
            raise ValueError("--role is that of drawn pairs; give --pairs, or leave it out")
        refuse_resize(self.resize, self.start, self.end)


@dataclass(frozen=True, eq=False)
class Result:
    """
    The paths of the method and the free paths, measured.

    Attributes:
        folder: folder with ``paths.npz`` and ``stats.json``, which the page goes into.
        run: the run.
        ends: the pairs.
        frames: decoded paths (b, k, c, h, w) in [0, 1] by method.
        columns: values (b,) by metric by method.
        energies: the detector's energy (b, k) along the paths by method.
        distances: distance to b (b, k) along the paths by method.
        judges: the judges.
        reconstruction: how well held-out images are reconstructed; None where there are too few.
        settings: values of the request by name.
        verdict: the result in sentences.
        figures: everything measured, for JSON.
    """

    folder: Path
    run: Run
    ends: Ends
    frames: Mapping[str, Tensor]
    columns: Mapping[str, Columns]
    energies: Mapping[str, Tensor]
    distances: Mapping[str, Tensor]
    judges: Sequence[Judge]
    reconstruction: Reconstruction | None
    settings: Mapping[str, Any]
    verdict: Sequence[str]
    figures: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The file of the report."""
        return self.folder / "report.html"

    @property
    def animation(self) -> Path:
        """The file of the animation, where one was asked for."""
        return self.folder / "path.gif"


def walk(run: Run, request: Request) -> Result | None:
    """
    Walks by one method, judges its paths and the free paths, and writes ``paths.npz`` and ``stats.json``.

    ``paths.npz`` holds nodes (b, k, d), frames (b, k, c, h, w) in [0, 1], z_a and z_b (b, d), index_a, index_b, labels_a, labels_b and
    arrived (b,), and trace_NAME (b, k) for each trace of the finder. A dead sensor gives a warning.

    Returns:
        The result; None on all processes of a torchrun but the first.
    """
    method, keep = request.method, request.keep
    run = with_shares(run, request.shares, [request.energy])
    if keep is not None:
        parts.refuse_keep(run, keep, method)
    refuse_energy(run, method, request.energy)
    refuse_role(request.role, request.pairs)
    if request.pairs is not None:
        ends = draw_ends(run, request.pairs, request.seed, request.role, request.same_class)
    else:
        ends = read_ends(run, str(request.start), str(request.end), request.resize)
    folder = processes.first(
        lambda: new_folder(request.out) if request.out else new_free_folder(run.folder / "walks", method)
    )
    judges = prepare_judges(run, ends.digests())  # --from and --to may name reference images
    forces = measure_forces(method, run.context, request.energy)
    notes = processes.first(lambda: dead_forces(run, method, forces, request.seed))
    for note in notes:
        warnings.warn(note, stacklevel=2)
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    moving = run
    if keep is not None:
        (z_a, z_b), moving = parts.encode_ends(run, ends.x_a, ends.x_b, keep), parts.restrict(run, keep)
    curve = search(moving, method, z_a, z_b, request.energy, request.frames)
    # a great circle would not keep a part of the code
    free = [m for m in FREE if keep is None or METHODS[m].keeps]
    curves = {method: curve} | {m: search(run, m, z_a, z_b, None, request.frames) for m in free if m != method}
    if processes.rank() != 0:
        return None
    frames = {name: c.map(run.decode).cpu() for name, c in curves.items()}
    arrays = _arrays(ends, curve, frames[method], z_a, z_b)
    write_arrays(folder / "paths.npz", arrays)
    labels_b = ends.labels_a if keep == "class" else ends.labels_b
    with keeping(arrays, lambda: folder):
        columns = {
            name: measure(PairedPaths(c, frames[name], frames["lerp"], z_a, z_b, ends.labels_a, labels_b), judges)
            for name, c in curves.items()
        }
    settings = _settings(run, request)
    found: dict[str, Any] = {"forces": force_figures(forces), "notes": notes, "pairs": len(ends)}
    found["walks"] = asdict(run.recipe.walks)
    found["arrived"] = int(curve.arrived.sum())
    reconstruction = measure_reconstructions(run)
    found["reconstruction"] = reconstruction and reconstruction.figures()
    found["search"] = dict(curve.stats)
    found["metrics"] = {n: float(v.mean()) for n, v in columns[method].items()}
    found["power"] = power_figures(judges)
    found["free"] = {m: {n: float(v.mean()) for n, v in columns[m].items()} for m in free}
    record = {**settings, **found, "frames": frames[method].shape[1], "roles": roles_of(run, ends)}
    write_bytes(folder / "stats.json", json_bytes(record))
    verdict = [
        *describe_budget(run),
        *_compare(request, columns, found["arrived"], judges),
        *_caveats(len(ends), judges),
        *warn_of_reconstruction(reconstruction),
        *([f"The {keep} stays that of the first image: the path ends at a code that no image has."] if keep else []),
        *([f"Dual energy: {describe_weights(run, forces)}."] if len(forces) > 1 else []),
        *_repairs(curve.stats),
        *notes,
    ]
    energy = run.energy("ratio")
    energies = {m: c.map(energy).cpu() for m, c in curves.items()}
    distances = distances_to_end(curves, z_b)
    figures = {"folder": str(folder), **settings, **found}
    return Result(
        folder, run, ends, frames, columns, energies, distances, judges, reconstruction, settings, verdict, figures
    )


def _settings(run: Run, request: Request) -> dict[str, Any]:
    return {
        "run": str(run.folder),
        "method": request.method,
        "energy": request.energy or default_energy(request.method, run.sensors),
        "seed": request.seed,
        "model_seed": run.origin.seed,
        "recipe": run.origin.recipe,
        "budget": run.origin.budget,
        "from": request.start,
        "to": request.end,
        "keep": request.keep,
        "same_class": request.same_class,
    }


def _arrays(ends: Ends, curve: Curve, frames: Tensor, z_a: Tensor, z_b: Tensor) -> dict[str, Tensor]:
    arrays = {"nodes": curve.nodes, "frames": frames, "z_a": z_a, "z_b": z_b}
    arrays |= {"index_a": ends.index_a, "index_b": ends.index_b, "labels_a": ends.labels_a, "labels_b": ends.labels_b}
    return arrays | {"arrived": curve.arrived} | {f"trace_{n}": t for n, t in curve.traces.items()}


def _compare(request: Request, columns: Mapping[str, Columns], arrived: int, judges: Sequence[Judge]) -> list[str]:
    """Returns the shares of real frames in a sentence, and from ``FEWEST`` pairs on another about the gain over the best free path."""
    method, real = request.method, {m: c["real"] for m, c in columns.items()}
    pairs, free = len(real[method]), best_free(columns)
    if blind := describe_blindness(judges):
        return [*blind, f"{method}: {arrived} of {pairs} paths arrived."]
    others = ", ".join(f"{m.upper()} {float(v.mean()):.0%}" for m, v in real.items() if m != method)
    shares = (
        f"{method}: {float(real[method].mean()):.0%} of the frames between the ends are real by the mean of two judges ({others}); "
        f"{arrived} of {pairs} paths arrived."
    )
    told = [describe_power(judges)]
    if pairs < FEWEST or method == free:
        return [shares, *told]
    return [shares, describe_gain(method, paired_difference(real[method], real[free], request.seed), free), *told]


def _caveats(pairs: int, judges: Sequence[Judge]) -> list[str]:
    """Returns a sentence that says why a share of real frames is no measurement: few pairs, or judges that were calibrated on few real images."""
    if describe_blindness(judges):
        return []
    known = min(len(judge.composite.calibration) for judge in judges)
    reasons = [f"it is of {pairs} pair{'s' * (pairs > 1)}"] if pairs < FEWEST else []
    reasons += [f"the judges were calibrated on {known} real images"] if known < FEWEST else []
    return [f"This share is an impression and no measurement: {' and '.join(reasons)}."] if reasons else []


def _repairs(stats: Mapping[str, float]) -> list[str]:
    """Returns a sentence about the gradients that a search had to repair; none where it repaired none."""
    done = []
    if stats.get("nonfinite", 0) > 0:
        done.append(f"not finite on {stats['nonfinite']:.0f} of {stats['nfe']:.0f} evaluations, and counted as 0")
    if stats.get("clamped", 0) > 0:
        done.append(f"clamped on {stats['clamped']:.0f} of {stats['nfe']:.0f} evaluations")
    return [f"The gradient was {'; '.join(done)}."] if done else []
