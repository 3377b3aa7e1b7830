"""The verb `project`: a user's own latents, moved down to where the energy says that data are."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ridgewalk
from ridgewalk.path import chunked
from ridgewalk.paths import Descent, Langevin, Moved
from ridgewalk.reports import Figure, Page, Section, figures, write
from ridgewalk.runs import build, processes
from ridgewalk.runs.mapping import claimed, write_arrays
from ridgewalk.runs.record import Run
from ridgewalk.runs.reporting import Result

SHOWN = 36
"""Points whose images are on the page: the first, not chosen."""

ENERGY = "soft-ratio"
"""Energy that is descended where none is named: bounded in its pull, and flat where a point is plausible enough."""


def project(
    run: Run,
    latents: Path,
    *,
    energy: str | None = None,
    langevin: bool = False,
    steps: int | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    out: Path,
) -> Result:
    """
    Writes ``projected.npz`` and ``report.html`` into ``out``.

    ``projected.npz`` holds z_before, z_after (n, d), frames_before, frames_after (n, c, h, w) in [0, 1], energy_before, energy_after (n,)
    and moved (n,), the distance from before to after.

    Args:
        run: the model and its sensors.
        latents: .npy file with an array (n, d), or .npz file that holds it as ``z``.
        energy: one of ``runs.build.ENERGIES``; ``soft-ratio`` by default.
        langevin: sample exp(-E / T) from each point on, in place of descending.
        steps: of the descent at most, or of Langevin after as many of burn-in.
        temperature: T of Langevin, 1 by default.
        seed: of Langevin's noise, 0 by default.
        out: folder that does not exist or is empty.
    """
    if steps is not None and steps < 1:
        raise ValueError(f"--steps must be at least 1; got {steps}")
    if temperature is not None and not langevin:
        raise ValueError("--temperature belongs to --langevin; give both, or leave it out")
    name = energy or ENERGY
    z = read_latents(latents, run.recipe.model.latent).to(run.device)
    field = run.energy(name)
    mover: Descent | Langevin = Descent(field, **({} if steps is None else {"steps": steps}))
    if langevin:
        settled: dict[str, Any] = {} if steps is None else {"steps": steps, "burn": steps}
        mover = Langevin(field, 1.0 if temperature is None else temperature, seed=seed or 0, **settled)
    folder = processes.first(lambda: claimed(out))
    if processes.rank() != 0:  # a torchrun has nothing to share here
        return Result(folder, [], {})
    moved = mover(z)
    before = chunked(field, z)
    frames = {"before": chunked(run.decode, z).cpu(), "after": chunked(run.decode, moved.z).cpu()}
    distance = (moved.z - z).norm(dim=1)
    arrays = {"z_before": z, "z_after": moved.z, "energy_before": before, "energy_after": moved.energy}
    arrays |= {f"frames_{n}": f for n, f in frames.items()} | {"moved": distance}
    write_arrays(folder / "projected.npz", arrays)
    settings: dict[str, Any] = {
        "run": str(run.folder), "recipe": run.origin.recipe, "budget": run.origin.budget, "model_seed": run.origin.seed,
        "latents": str(latents), "points": len(z), "energy": name, "mover": "langevin" if langevin else "descent", "steps": mover.steps,
    }  # fmt: skip
    if isinstance(mover, Langevin):
        settings |= {"burn": mover.burn, "temperature": mover.temperature, "seed": mover.seed}
    lines = _lines(mover, moved, name, before, distance)
    _write_page(folder / "report.html", run, lines, frames, before, moved, distance, settings)
    result = {"folder": str(folder), **settings, "search": dict(moved.stats)}
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


def _lines(mover: Descent | Langevin, moved: Moved, name: str, before: Tensor, distance: Tensor) -> list[str]:
    n, fell = len(before), int((moved.energy < before).sum())
    lines = [
        f"{fell} of {n} points have a lower {name} than before: the median went from {float(before.median()):.2f} to "
        f"{float(moved.energy.median()):.2f}, over a median distance of {float(distance.median()):.2f}."
    ]
    if isinstance(mover, Langevin):
        lines.append(
            f"Langevin at temperature {mover.temperature:g} accepted {moved.stats['accepted']:.0%} of its moves (it aims at "
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


def _write_page(
    file: Path,
    run: Run,
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
            f"{build.ENERGIES[settings['energy']].formula}.",
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
    o = run.origin
    budget = f"{o.budget}; model seed {o.seed}; {n} points of {Path(settings['latents']).name}; ridgewalk {ridgewalk.__version__}."
    page = Page(
        f"ridgewalk: latents projected by {settings['mover']} on {o.recipe}",
        budget,
        lines,
        [Section("Images", blocks=[picture]), Section("Energy and distance", blocks=blocks)],
        {"project": settings, "run": {**vars(o), "source": Path(o.source).name}},
    )
    write(page, file)
