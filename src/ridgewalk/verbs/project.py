"""The verb `project`: latents that the user gives are moved to where an energy is low, as it is near data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ridgewalk import processes
from ridgewalk.data import part
from ridgewalk.data.arrays import Archive, open_arrays
from ridgewalk.energies import FullGaussian
from ridgewalk.files import new_folder, write_arrays
from ridgewalk.finders import Descent, Exchanged, Langevin, Moved, Tempered
from ridgewalk.path import chunked
from ridgewalk.protocols import Energy
from ridgewalk.store.run import Run

ENERGY = "soft-ratio"
"""Default energy: its gradient is bounded, and vanishes where a point is plausible enough."""

HOTTEST = 30.0
"""Temperature of the hottest rung over that of the coldest."""

SELDOM = 0.1
"""Share of accepted swaps below which a pair of rungs divides the ladder in two."""

Mover = Descent | Langevin | Tempered


@dataclass(frozen=True, eq=False)
class Crossings:
    """
    The modes that points belong to before and after tempering.

    Attributes:
        before: class of the reference code nearest to each point (n,) int64; empty where images have no classes.
        after: the same after tempering.
        outside: number of points that a Gaussian fitted to the reference codes finds less likely than all of these.
    """

    before: Tensor
    after: Tensor
    outside: int

    @property
    def changed(self) -> int:
        """How many points have another class than before."""
        return int((self.before != self.after).sum())

    @property
    def by_chance(self) -> float:
        """The share that would change if classes before and after had nothing to do with each other: 1 - sum_c p_c q_c."""
        k = int(torch.cat([self.before, self.after]).max()) + 1
        p, q = (torch.bincount(c, minlength=k).double() / len(c) for c in (self.before, self.after))
        return 1 - float(p @ q)


LEAST_TEMPERED = 2 * Tempered.every
"""Least number of steps in which each pair of neighbouring temperatures is exchanged once."""


@dataclass(frozen=True)
class Request:
    """
    What to move, and how.

    Attributes:
        latents: .npy file with an array (n, d), or .npz file that holds it as ``z``.
        out: folder of the result, new or empty.
        energy: name of the energy.
        langevin: whether to sample exp(-E / T) from each point on, in place of descending.
        tempered: the same by parallel tempering over a Gaussian fitted to the run's reference codes, so that points change mode.
        steps: largest number of steps of the descent, or steps of a sampler after as many of burn-in; by default the mover's.
        temperature: T of a sampler, 1 by default.
        seed: seed of a sampler's noise.
    """

    latents: Path
    out: Path
    energy: str = ENERGY
    langevin: bool = False
    tempered: bool = False
    steps: int | None = None
    temperature: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"--steps must be at least 1; got {self.steps}")
        if self.langevin and self.tempered:
            raise ValueError("--langevin and --tempered are two samplers; give one of them")
        if self.temperature is not None and not (self.langevin or self.tempered):
            raise ValueError("--temperature belongs to --langevin and --tempered; give one of them, or leave it out")
        if self.seed and not (self.langevin or self.tempered):
            raise ValueError("a descent draws nothing at random; give --langevin or --tempered, or leave out --seed")
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(f"--temperature must be positive; got {self.temperature}")
        if self.tempered and self.steps is not None and self.steps < LEAST_TEMPERED:
            raise ValueError(f"--tempered needs --steps of at least {LEAST_TEMPERED}; got {self.steps}")


@dataclass(frozen=True, eq=False)
class Result:
    """
    The points before and after.

    Attributes:
        folder: folder with ``projected.npz``, which the page goes into.
        run: the run.
        mover: what moved the points.
        moved: the points after, and statistics of the mover.
        frames: decoded points (n, c, h, w) in [0, 1] ``before`` and ``after``.
        energy: energies (n,) before.
        distance: distance (n,) from before to after.
        settings: values of the request by name.
        verdict: the result in sentences.
        figures: everything measured, for JSON.
    """

    folder: Path
    run: Run
    mover: Mover
    moved: Moved
    frames: Mapping[str, Tensor]
    energy: Tensor
    distance: Tensor
    settings: Mapping[str, Any]
    verdict: Sequence[str]
    figures: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The file of the report."""
        return self.folder / "report.html"


def project(run: Run, request: Request) -> Result | None:
    """
    Moves latents by descent or by a sampler, and writes ``projected.npz`` into a folder.

    ``projected.npz`` holds z_before, z_after (n, d), frames_before, frames_after (n, c, h, w) in [0, 1], energy_before, energy_after (n,)
    and moved (n,), the distance from before to after; of tempering where images have classes also class_before, class_after (n,), the
    class of the nearest reference code.

    Returns:
        The result; None on all processes of a torchrun but the first, as there is nothing to share.
    """
    z = read_latents(request.latents, run.size).to(run.device)
    field = run.energy(request.energy)
    mover = _mover(run, field, request)
    folder = processes.first(lambda: new_folder(request.out))
    if processes.rank() != 0:
        return None
    moved = mover(z)
    before = chunked(field, z)
    frames = {"before": chunked(run.decode, z).cpu(), "after": chunked(run.decode, moved.z).cpu()}
    distance = (moved.z - z).norm(dim=1)
    arrays = {"z_before": z, "z_after": moved.z, "energy_before": before, "energy_after": moved.energy}
    arrays |= {f"frames_{n}": f for n, f in frames.items()} | {"moved": distance}
    crossings = _crossings(run, mover.base, z, moved.z) if isinstance(mover, Tempered) and mover.base else None
    if crossings and len(crossings.before):
        arrays |= {"class_before": crossings.before, "class_after": crossings.after}
    write_arrays(folder / "projected.npz", arrays)
    settings: dict[str, Any] = {
        "run": str(run.folder), "recipe": run.origin.recipe, "budget": run.origin.budget, "model_seed": run.origin.seed,
        "latents": str(request.latents), "points": len(z), "energy": request.energy, "mover": type(mover).__name__.lower(),
        "steps": mover.steps,
    }  # fmt: skip
    if not isinstance(mover, Descent):
        settings |= {"burn": mover.burn, "temperature": mover.temperature, "seed": mover.seed}
    if isinstance(mover, Tempered):
        settings |= {"temperatures": list(mover.temperatures), "every": mover.every}
    figures = {"folder": str(folder), **settings, "search": dict(moved.stats)}
    if isinstance(moved, Exchanged) and crossings:
        figures |= {"swaps": moved.swaps.tolist(), "outside": crossings.outside}
        figures |= {"changed_class": crossings.changed} if len(crossings.before) else {}
    figures |= {"energy_before": float(before.median()), "energy_after": float(moved.energy.median())}
    figures["moved"] = float(distance.median())
    verdict = _verdict(mover, moved, request.energy, before, distance, crossings)
    return Result(folder, run, mover, moved, frames, before, distance, settings, verdict, figures)


def _mover(run: Run, field: Energy, request: Request) -> Mover:
    heat = 1.0 if request.temperature is None else request.temperature
    steps: dict[str, Any] = {} if request.steps is None else {"steps": request.steps}
    if not (request.langevin or request.tempered):
        return Descent(field, **steps)
    steps |= {} if request.steps is None else {"burn": request.steps}
    if request.langevin:
        return Langevin(field, heat, seed=request.seed, **steps)
    base = FullGaussian.of(run.references)
    return Tempered(field, heat, HOTTEST * heat, base=base, seed=request.seed, **steps)


def read_latents(file: Path, d: int) -> Tensor:
    """
    The points (n, d) of a .npy file, or of the array ``z`` of an .npz file, as float32; nothing is unpickled.

    Raises:
        ValueError: if there is no such file, it holds no such array, or values are not finite.
    """
    if not file.is_file():
        raise ValueError(f"no such file: '{file}'; --latents takes a .npy or .npz file")
    found = open_arrays(file)
    if isinstance(found, Archive) and "z" not in found.names:
        has = ", ".join(found.names) or "nothing"
        raise ValueError(f"{file} has no array `z`; it holds {has}: save the latents under that name")
    array = found.read("z") if isinstance(found, Archive) else found
    if array.dtype.kind not in "fiu":
        raise ValueError(f"latents must be real numbers; those of {file} have type {array.dtype}")
    if array.ndim != 2 or array.shape[1] != d or len(array) == 0:
        came = " x ".join(map(str, array.shape))
        raise ValueError(
            f"the latents of this run are a table of at least one row, with {d} columns; the array in {file} is {came}"
        )
    with np.errstate(over="ignore"):
        z = torch.from_numpy(array.astype(np.float32))
    bad = ~z.isfinite().all(dim=1)
    if bad.any():
        raise ValueError(f"latents must be finite in float32; row {int(bad.nonzero()[0])} of {file} is not")
    return z


def _crossings(run: Run, base: Energy, z: Tensor, there: Tensor) -> Crossings:
    """Compares points (n, d) before and after with the reference codes of the run."""
    codes, images = run.references, part(run.data, "model")
    outside = int((chunked(base, there) > chunked(base, codes).max()).sum())
    if len(images.class_names) < 2:
        none = torch.zeros(0, dtype=torch.int64)
        return Crossings(none, none, outside)
    labels = images.labels[: len(codes)]
    before, after = (labels[chunked(lambda p: torch.cdist(p, codes).argmin(1), at).cpu()] for at in (z, there))
    return Crossings(before, after, outside)


def _verdict(
    mover: Mover, moved: Moved, name: str, before: Tensor, distance: Tensor, crossings: Crossings | None
) -> list[str]:
    n, fell = len(before), int((moved.energy < before).sum())
    lines = [
        f"{fell} of {n} points have a lower {name} than before: the median went from {float(before.median()):.2f} to "
        f"{float(moved.energy.median()):.2f}, over a median distance of {float(distance.median()):.2f}."
    ]
    if isinstance(moved, Exchanged) and crossings:
        lines += _verdict_of_tempering(moved, crossings)
    if not isinstance(mover, Descent):
        chain = "Langevin" if isinstance(mover, Langevin) else "The coldest rung"
        lines.append(
            f"{chain} at temperature {mover.temperature:g} accepted {moved.stats['accepted']:.0%} of its moves (it aims at "
            f"{mover.target:.0%}), with a mean step of {moved.stats['step']:.3g}; one sample for each point."
        )
        if abs(moved.stats["accepted"] - mover.target) > 0.15:
            lines.append("The acceptance is far from its aim: give more --steps before these count as samples.")
    else:
        at_rest = moved.stats["at_rest"]
        moves = int(moved.stats["iterations"])
        lines.append(
            f"The descent came to rest after {moves} moves."
            if at_rest == 1
            else f"The descent was stopped after {moves} moves, with {at_rest:.0%} of the points at rest; "
            "the others may move further, as an energy that flattens out has no sharp minimum."
        )
    lines.append("These are values of the energy that moved the points, not an independent judgement of them.")
    return lines


def _verdict_of_tempering(moved: Exchanged, crossings: Crossings) -> list[str]:
    n, worst, never = len(moved.z), int(moved.swaps.argmin()), int((moved.arrivals == 0).sum())
    lines = []
    if len(crossings.before):
        lines.append(
            f"{crossings.changed} of {n} points changed mode: the reference code nearest to them is of another class than before; "
            f"if classes before and after were independent, {crossings.by_chance:.0%} would."
        )
    lines.append(
        f"Swaps between rungs were accepted {moved.stats['swaps']:.0%} of the time, least often ({float(moved.swaps[worst]):.0%}) "
        f"between rungs {worst + 1} and {worst + 2}; a state from the hottest rung arrived at the coldest "
        f"{moved.stats['arrivals']:.1f} times a point."
    )
    if moved.swaps[worst] < SELDOM:
        lines.append("The ladder has a gap: ridgewalk.finders.Tempered takes more rungs than this verb does.")
    if never:
        lines.append(
            f"At {never} of {n} points no such state arrived, so their own chain alone moved them: give more --steps."
        )
    if crossings.outside:
        lines.append(
            f"{crossings.outside} of {n} points lie further out than any reference code: the energy does not hold them near the data "
            "at this temperature, and one that is flat far away has no samples at all; give a lower --temperature or another --energy."
        )
    return lines
