"""The verb `project`: a user's own latents, moved down to where the energy says that data are."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ridgewalk
from ridgewalk import processes
from ridgewalk.data import part
from ridgewalk.energies import FullGaussian
from ridgewalk.files import new_folder, write_arrays
from ridgewalk.finders import Descent, Exchanged, Langevin, Moved, Tempered
from ridgewalk.path import chunked
from ridgewalk.protocols import Energy
from ridgewalk.registry import ENERGIES
from ridgewalk.reports import Cell, Column, Figure, Page, Section, Table, TableBlock, figures, write
from ridgewalk.store.run import Run
from ridgewalk.verbs.report import Result

SHOWN = 36
"""Points whose images are on the page: the first, not chosen."""

ENERGY = "soft-ratio"
"""Energy that is descended where none is named: bounded in its pull, and flat where a point is plausible enough."""


HOTTEST = 30.0
"""Temperature of the hottest rung over that of the coldest."""

SELDOM = 0.1
"""A pair of rungs that accepts a smaller share of its swaps parts the ladder in two."""

Mover = Descent | Langevin | Tempered


@dataclass(frozen=True, eq=False)
class Crossings:
    """
    Who is in another mode after tempering than before, by the reference codes.

    Attributes:
        before: (n,) int64, class of the reference code nearest to each point; empty where images have no classes.
        after: of the same shape.
        outside: points that the Gaussian of the reference codes puts further out than any of these.
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


def project(
    run: Run,
    latents: Path,
    *,
    energy: str | None = None,
    langevin: bool = False,
    tempered: bool = False,
    steps: int | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    out: Path,
) -> Result:
    """
    Writes ``projected.npz`` and ``report.html`` into ``out``.

    ``projected.npz`` holds z_before, z_after (n, d), frames_before, frames_after (n, c, h, w) in [0, 1], energy_before, energy_after (n,)
    and moved (n,), the distance from before to after; of tempering where images have classes also class_before, class_after (n,), the
    class of the nearest reference code.

    Args:
        run: the model and its sensors.
        latents: .npy file with an array (n, d), or .npz file that holds it as ``z``.
        energy: one of ``registry.ENERGIES``; ``soft-ratio`` by default.
        langevin: sample exp(-E / T) from each point on, in place of descending.
        tempered: the same by parallel tempering over a Gaussian fitted to the run's reference codes, so that points change mode.
        steps: of the descent at most, or of a sampler after as many of burn-in.
        temperature: T of a sampler, 1 by default.
        seed: of a sampler's noise, 0 by default.
        out: folder that does not exist or is empty.
    """
    if steps is not None and steps < 1:
        raise ValueError(f"--steps must be at least 1; got {steps}")
    if langevin and tempered:
        raise ValueError("--langevin and --tempered are two samplers; give one of them")
    if temperature is not None and not (langevin or tempered):
        raise ValueError("--temperature belongs to --langevin and --tempered; give one of them, or leave it out")
    name = energy or ENERGY
    z = read_latents(latents, run.size).to(run.device)
    field = run.energy(name)
    heat = 1.0 if temperature is None else temperature
    settled: dict[str, Any] = {} if steps is None else {"steps": steps}
    mover: Mover = Descent(field, **settled)
    if langevin or tempered:
        settled |= {} if steps is None else {"burn": steps}
        mover = Langevin(field, heat, seed=seed or 0, **settled)
    if tempered:
        base = FullGaussian.of(run.references)
        mover = Tempered(field, heat, HOTTEST * heat, base=base, seed=seed or 0, **settled)
    folder = processes.first(lambda: new_folder(out))
    if processes.rank() != 0:  # a torchrun has nothing to share here
        return Result(folder, [], {})
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
        "latents": str(latents), "points": len(z), "energy": name, "mover": type(mover).__name__.lower(), "steps": mover.steps,
    }  # fmt: skip
    if not isinstance(mover, Descent):
        settings |= {"burn": mover.burn, "temperature": mover.temperature, "seed": mover.seed}
    if isinstance(mover, Tempered):
        settings |= {"temperatures": list(mover.temperatures), "every": mover.every}
    lines = _lines(mover, moved, name, before, distance, crossings)
    _write_page(folder / "report.html", run, mover, lines, frames, before, moved, distance, settings)
    result = {"folder": str(folder), **settings, "search": dict(moved.stats)}
    if isinstance(moved, Exchanged) and crossings:
        result |= {"swaps": moved.swaps.tolist(), "outside": crossings.outside}
        result |= {"changed_class": crossings.changed} if len(crossings.before) else {}
    result |= {"energy_before": float(before.median()), "energy_after": float(moved.energy.median())}
    return Result(folder / "report.html", lines, {**result, "moved": float(distance.median())})


def read_latents(file: Path, d: int) -> Tensor:
    """
    The points (n, d) of a .npy file, or of the array ``z`` of an .npz file, as float32; nothing is unpickled.

    Raises:
        ValueError: if there is no such file, it holds no such array, or values are not finite.
    """
    if not file.is_file():
        raise ValueError(f"no such file: '{file}'; --latents takes a .npy or .npz file")
    try:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                if "z" not in found:
                    has = ", ".join(found.files) or "nothing"
                    raise KeyError(f"{file} has no array `z`; it holds {has}: save the latents under that name")
                found = found["z"]
    except KeyError as error:
        raise ValueError(error.args[0]) from error
    except (
        ValueError,
        EOFError,
        OverflowError,
        MemoryError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"{file} is not a .npy or .npz file of plain numbers, or was cut short; write one with numpy.save (pickled objects are not read)"
        ) from error
    array = np.asarray(found)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"latents must be real numbers; those of {file} have type {array.dtype}")
    if array.ndim != 2 or array.shape[1] != d or len(array) == 0:
        raise ValueError(f"latents must be (n, {d}) with n >= 1 for this run; those of {file} are {array.shape}")
    with np.errstate(over="ignore"):
        z = torch.from_numpy(array.astype(np.float32))
    bad = ~z.isfinite().all(dim=1)
    if bad.any():
        raise ValueError(f"latents must be finite in float32; row {int(bad.nonzero()[0])} of {file} is not")
    return z


def _crossings(run: Run, base: Energy, z: Tensor, there: Tensor) -> Crossings:
    """Compares points (n, d) before and after with the run's reference codes."""
    codes, images = run.references, part(run.data, "model")
    outside = int((chunked(base, there) > chunked(base, codes).max()).sum())
    if len(images.class_names) < 2:
        none = torch.zeros(0, dtype=torch.int64)
        return Crossings(none, none, outside)
    labels = images.labels[: len(codes)]
    before, after = (labels[chunked(lambda p: torch.cdist(p, codes).argmin(1), at).cpu()] for at in (z, there))
    return Crossings(before, after, outside)


def _lines(
    mover: Mover, moved: Moved, name: str, before: Tensor, distance: Tensor, crossings: Crossings | None
) -> list[str]:
    n, fell = len(before), int((moved.energy < before).sum())
    lines = [
        f"{fell} of {n} points have a lower {name} than before: the median went from {float(before.median()):.2f} to "
        f"{float(moved.energy.median()):.2f}, over a median distance of {float(distance.median()):.2f}."
    ]
    if isinstance(moved, Exchanged) and crossings:
        lines += _of_tempering(moved, crossings)
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
            "the others may creep on, as an energy that flattens out has no sharp bottom."
        )
    lines.append("The energy says so itself: it guided the points, and grades nobody.")
    return lines


def _of_tempering(moved: Exchanged, crossings: Crossings) -> list[str]:
    n, worst, never = len(moved.z), int(moved.swaps.argmin()), int((moved.arrivals == 0).sum())
    lines = []
    if len(crossings.before):
        lines.append(
            f"{crossings.changed} of {n} points changed mode: the reference code nearest to them is of another class than before; "
            f"of points that forgot where they began, {crossings.by_chance:.0%} would."
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
            f"At {never} of {n} points none arrived, so these are where a chain of their own led them: give more --steps."
        )
    if crossings.outside:
        lines.append(
            f"{crossings.outside} of {n} points lie further out than any reference code: the energy does not hold them near the data "
            "at this temperature, and one that is flat far away has no samples at all; give a lower --temperature or another --energy."
        )
    return lines


def _ladder(mover: Tempered, moved: Exchanged) -> TableBlock:
    """Acceptance of swaps by pair of rungs."""
    columns = {
        "cold": Column("colder T", ".3g", about="temperature of the colder rung"),
        "hot": Column("hotter T", ".3g", about="temperature of the hotter rung"),
        "swaps": Column("swaps accepted", ".0%", about="share of the proposed swaps of the two, over all points"),
    }
    heat = mover.temperatures
    rows = {
        f"{i + 1} and {i + 2}": {"cold": Cell(heat[i]), "hot": Cell(heat[i + 1]), "swaps": Cell(accepted)}
        for i, accepted in enumerate(moved.swaps.tolist())
    }
    reading = "A state reaches the coldest rung through every pair; one that seldom swaps holds all of them up."
    return TableBlock(Table(columns, rows, corner="rungs"), "Swaps by pair of rungs", reading)


def _write_page(
    file: Path,
    run: Run,
    mover: Mover,
    lines: Sequence[str],
    frames: dict[str, Tensor],
    before: Tensor,
    moved: Moved,
    distance: Tensor,
    settings: dict[str, Any],
) -> None:
    n, shown = len(before), min(SHOWN, len(before))
    strip = figures.before_after(*(frames[k][:shown].numpy() for k in ("before", "after")))
    energies = {"before": before.cpu().numpy(), "after": moved.energy.cpu().numpy()}
    blocks = [
        Figure(
            figures.png(figures.histograms(energies, f"energy {settings['energy']}")),
            "Histogram of the energy before and after",
            f"{ENERGIES[settings['energy']].about}.",
            "The energy before and after",
            figures.READING["histograms"],
        ),
        Figure(
            figures.png(figures.histograms({"moved": distance.cpu().numpy()}, "distance from before to after, in latent length")),
            "Histogram of the distances that points have moved",
            "How long the jumps are; the prior's draws are about the square root of the latent dimension from its centre.",
            "How far the points moved",
            figures.READING["histograms"],
        ),
    ]  # fmt: skip
    picture = Figure(
        figures.png(strip),
        "Decoded points before and after",
        f"The first {shown} of {n} points, not chosen.",
        "What the points decode to",
        figures.READING["before_after"],
        wide=True,
    )
    sections = [Section("Images", blocks=[picture]), Section("Energy and distance", blocks=blocks)]
    if isinstance(mover, Tempered) and isinstance(moved, Exchanged):
        sections.append(Section("Tempering", blocks=[_ladder(mover, moved)]))
    o = run.origin
    budget = f"{o.budget}; model seed {o.seed}; {n} points of {Path(settings['latents']).name}; ridgewalk {ridgewalk.__version__}."
    page = Page(
        f"ridgewalk: latents projected by {settings['mover']} on {o.recipe}",
        budget,
        lines,
        sections,
        {"project": settings, "run": {**vars(o), "source": Path(o.source).name}},
    )
    write(page, file)
