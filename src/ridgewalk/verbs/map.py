"""The verb `map`: an energy over a plane of the latent space, the data and paths on it, and what the plane decodes to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import ridgewalk
from ridgewalk import naming, processes
from ridgewalk.fields import normal_part, score
from ridgewalk.files import free_folder, new_folder, write_arrays, write_bytes
from ridgewalk.finders.building import split_energy
from ridgewalk.geometry import Plane
from ridgewalk.path import Path as Curve
from ridgewalk.path import chunked
from ridgewalk.progress import track
from ridgewalk.protocols import Energy
from ridgewalk.registry import ENERGIES
from ridgewalk.reports import Figure, Page, Section, figures, write
from ridgewalk.store.run import Run
from ridgewalk.verbs import paths as walking
from ridgewalk.verbs.report import Result

PLANES = ("abc", "pca")

CODES = 4000
"""Held-out images that are encoded: the plane of `pca`, the third image of `abc`, and the codes drawn are among them."""

SHOWN_CODES = 300
"""Codes that are drawn: those nearest to the plane, whose energy the map says best."""

GRID, ARROWS, IMAGES = 97, 18, 11
"""Points of the grid, arrows and decoded images along the longer side of the map."""

_EDGE = 0.06  # room around what is shown, as a share of its extent
_SLIMMEST = 0.75  # shorter side over longer side, at least
_HEIGHT = 1 / 3  # of the triangle ABC over |AB|, at least, where C is not given
_SCORE_CHUNK = 256  # rows differentiated at once: an energy may go through a decoder


@dataclass(frozen=True, eq=False)
class View:
    """
    What is seen: a plane, the piece of it on show, and the points on it.

    Attributes:
        plane: in latent space.
        limits: of its coordinates: x low, x high, y low, y high.
        name: abc, pca or whole.
        axes: what its two directions are.
        marks: coordinates of the ends and of the third point, by letter.
    """

    plane: Plane
    limits: tuple[float, float, float, float]
    name: str
    axes: tuple[str, str]
    marks: Mapping[str, tuple[float, float]]

    def grid(self, longer: int, inside: bool = False) -> tuple[Tensor, Tensor]:
        """Coordinates (w,), (h,), ``longer`` along the longer side; ``inside``: centres of as many equal cells."""
        x0, x1, y0, y1 = self.limits
        cell = max(x1 - x0, y1 - y0) / longer
        sides = []
        for low, high in ((x0, x1), (y0, y1)):
            n = max(2, round((high - low) / cell))
            edge = (high - low) / (2 * n) if inside else 0.0
            sides.append(torch.linspace(low + edge, high - edge, n))
        return sides[0], sides[1]

    def points(self, x: Tensor, y: Tensor) -> Tensor:
        """The latents of a grid, row by row: (h * w, d)."""
        v, u = torch.meshgrid(y, x, indexing="ij")
        return self.plane.points(torch.stack([u.flatten(), v.flatten()], dim=1).to(self.plane.origin))


def draw(
    run: Run,
    start: str | None = None,
    end: str | None = None,
    *,
    third: int | None = None,
    plane: str | None = None,
    energies: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    resize: bool = False,
    out: Path | None = None,
    seed: int = 0,
) -> Result:
    """
    Writes ``map.html``, ``map.png`` and ``map.npz`` into a folder of their own.

    ``map.npz`` holds the plane (origin (d,), axes (2, d)), x (w,), y (h,), energy_NAME (h, w) and arrows_NAME (m, 4: place and
    projected score) for each energy, codes (n, 2), distance (n,) of each code from the plane, labels (n,) and index (n,) in the test part,
    marks (2 or 3, 2), and path_METHOD (k, 2).

    Args:
        run: the model and its sensors.
        start: test-set index or image file of A, with ``end``.
        end: of B.
        third: test-set index of the third point of the plane ``abc``; by default the image, of a third class where there is one, whose
            code is nearest to both A and B, but for those near the line through them.
        plane: one of ``PLANES``; by default abc with ends, pca without. Two-dimensional latents are shown whole.
        energies: names; by default those of the run's sensors.
        methods: of the paths from A to B; lerp and string by default.
        resize: image files to the run's size.
        out: folder; RUN/maps/PLANE, or the next free name, by default.
        seed: said on the page; nothing here is random.
    """
    d = run.size
    chosen, searched = _refuse(run, start, end, third, plane, energies, methods)
    fields = {name: run.energy(name) for name in chosen}
    ends = None if start is None else walking.named(run, start, str(end), resize)
    count = min(CODES, len(run.data.test))
    held_out = run.data.test.take(torch.arange(count))
    codes = run.encode(held_out.floats())
    fixed = torch.empty(0, d, device=run.device) if ends is None else run.encode(torch.cat([ends.x_a, ends.x_b]))
    name = "whole" if d == 2 else plane or ("abc" if ends is not None else "pca")
    if name == "abc":
        assert ends is not None
        if third is None:
            third = _third(codes, held_out.labels, fixed, ends)
        own = run.encode(run.data.test.take(torch.tensor([third])).floats())
        fixed = torch.cat([fixed, own])
    flat = _plane(name, codes, fixed, third)
    folder = processes.first(lambda: new_folder(out or free_folder(run.folder / "maps", name)))
    curves = {
        n: walking.search(run, method, fixed[:1], fixed[1:2], energy)
        for n, (method, energy) in track(searched.items(), "methods", total=len(searched))
    }
    if processes.rank() != 0:
        return Result(folder, [], {})

    distance = flat.distance(codes)
    near = distance.argsort()[:SHOWN_CODES].sort().values if d > 2 else torch.arange(count)
    shown = flat.coordinates(codes)
    paths = {n: flat.coordinates(c.nodes[0]) for n, c in curves.items()}
    letters = dict(zip("ABC", flat.coordinates(fixed).tolist()))
    view = View(
        flat,
        _limits(shown[near], torch.cat([flat.coordinates(fixed), *paths.values()])),
        name,
        _axes(name),
        {k: (u, v) for k, (u, v) in letters.items()},
    )
    x, y = view.grid(GRID)
    values, arrows = {}, {}
    for n, energy in track(fields.items(), "energies", total=len(fields)):
        values[n] = chunked(energy, view.points(x, y)).view(len(y), len(x)).cpu()
        arrows[n] = _arrows(view, energy).cpu()
    column, row = view.grid(IMAGES, inside=True)
    images = chunked(run.decode, view.points(column, row)).unflatten(0, (len(row), len(column))).cpu()

    share = flat.share(codes)
    lines = _lines(run, view, share, distance, near, curves, third)
    settings: dict[str, Any] = {
        "run": str(run.folder), "recipe": run.origin.recipe, "budget": run.origin.budget, "model_seed": run.origin.seed, "seed": seed,
        "plane": name, "from": start, "to": end, "third": third, "energies": list(fields), "methods": list(curves),
    }  # fmt: skip
    arrays: dict[str, Tensor] = {"origin": flat.origin, "axes": flat.axes, "x": x, "y": y}
    arrays |= {f"energy_{n}": v for n, v in values.items()} | {f"arrows_{n}": v for n, v in arrows.items()}
    arrays |= {"codes": shown, "distance": distance, "labels": held_out.labels, "index": torch.arange(count)}
    arrays |= {"marks": flat.coordinates(fixed)} | {f"path_{n}": p for n, p in paths.items()}
    write_arrays(folder / "map.npz", arrays)
    overlay: dict[str, Any] = {
        "codes": shown[near].cpu().numpy(),
        "strength": _strength(distance[near]).cpu().numpy(),
        "labels": _names(run, held_out.labels[near.cpu()]),
        "paths": {n: p.cpu().numpy() for n, p in paths.items()},
        "marks": view.marks,
        "axes": view.axes,
    }
    grid = x.numpy(), y.numpy()
    ground, forces = {n: v.numpy() for n, v in values.items()}, {n: a.numpy() for n, a in arrows.items()}
    write_bytes(folder / "map.png", figures.png(figures.energy_map(*grid, ground, forces, **overlay)))
    single = {n: figures.png(figures.energy_map(*grid, {n: ground[n]}, {n: forces[n]}, **overlay)) for n in ground}
    below = {k: overlay[k] for k in ("paths", "marks", "axes")}
    decoded = figures.png(figures.decoded_map(column.numpy(), row.numpy(), images.numpy(), **below, limits=view.limits))
    _write_page(folder / "map.html", run, view, lines, single, decoded, settings, len(near), count)
    result = {"folder": str(folder), **settings, "share_of_variance": share}
    result["codes"] = count
    result["distance_of_codes"] = float(distance.median())
    result["lowest"] = {n: float(v.min()) for n, v in values.items()}
    result["highest"] = {n: float(v.max()) for n, v in values.items()}
    return Result(folder / "map.html", lines, result)


def default_energies(run: Run) -> list[str]:
    """The energies of a run's sensors: logit-squared of a matcher, soft-ratio, and pixel where one was trained."""
    wanted = ("logit-squared", "soft-ratio", "pixel")
    return [n for n in wanted if ENERGIES[n].sensor in run.sensors]


def _refuse(
    run: Run,
    start: str | None,
    end: str | None,
    third: int | None,
    plane: str | None,
    energies: Sequence[str] | None,
    methods: Sequence[str] | None,
) -> tuple[list[str], dict[str, tuple[str, str | None]]]:
    """Refuses what cannot be drawn; the energies' names, and method and energy by the paths' names."""
    if (start is None) != (end is None):
        raise ValueError("map needs both --from and --to, or neither")
    if plane is not None and plane not in PLANES:
        raise ValueError(naming.unknown("plane", plane, PLANES))
    if start is None and (plane == "abc" or third is not None or methods):
        given = "--plane abc" if plane == "abc" else "--third" if third is not None else "--methods"
        raise ValueError(f"{given} needs two ends; give --from and --to, or leave it out")
    d = run.size
    if d < 2:
        raise ValueError(f"a map needs latents of at least 2 dimensions; this run's have {d}")
    if third is not None and (plane == "pca" or d == 2):
        why = "latents of 2 dimensions are shown whole" if d == 2 else "the plane pca is the data's own"
        raise ValueError(f"--third chooses the plane through A, B and itself, but {why}; leave it out")
    if third is not None and not 0 <= third < len(run.data.test):
        raise ValueError(f"test image {third} does not exist; indices go from 0 to {len(run.data.test) - 1}")
    searched = {}
    for name in (methods or ("lerp", "string")) if start is not None else ():
        method, energy = split_energy(name)
        run.finder(method, energy)
        searched[name] = method, energy
    return list(dict.fromkeys(energies or default_energies(run))), searched


def _third(codes: Tensor, labels: Tensor, fixed: Tensor, ends: walking.Ends) -> int:
    """
    The index of the code C with the least |CA| + |CB|: data near the middle, which a path may lean on.

    Of a third class where there is one, and off the line through A and B by ``_HEIGHT`` of |AB|, or else as far as any.
    """
    across = fixed[1] - fixed[0]
    height = normal_part(codes - fixed[0], across.expand_as(codes)).norm(dim=1)
    other = ((labels != ends.labels_a) & (labels != ends.labels_b)).to(codes.device)
    allowed = other if other.any() else torch.ones_like(other)
    height = torch.where(allowed, height, -torch.inf)
    detour = (codes - fixed[0]).norm(dim=1) + (codes - fixed[1]).norm(dim=1)
    return int(torch.where(height >= torch.minimum(_HEIGHT * across.norm(), height.max()), detour, torch.inf).argmin())


def _plane(name: str, codes: Tensor, fixed: Tensor, third: int | None) -> Plane:
    if name == "whole":
        return Plane.whole()
    if name == "pca":
        return Plane.principal(codes)
    try:
        return Plane.through(*fixed)
    except ValueError as error:
        raise ValueError(
            f"test image {third} has a code on the line through A and B; choose another --third"
        ) from error


def _axes(name: str) -> tuple[str, str]:
    return {
        "whole": ("first latent", "second latent"),
        "pca": ("first principal direction, in units of latent length", "second principal direction"),
        "abc": ("from A to B, in units of latent length", "towards C"),
    }[name]


def _limits(codes: Tensor, needed: Tensor) -> tuple[float, float, float, float]:
    """What is shown: 98 % of the codes drawn each way and all that is ``needed``, with an edge, not too slim."""
    inner = codes.quantile(torch.tensor([0.01, 0.99], device=codes.device, dtype=codes.dtype), dim=0)
    every = torch.cat([inner, needed.to(inner)])
    low, high = every.amin(dim=0), every.amax(dim=0)
    middle, half = (low + high) / 2, (high - low) / 2 * (1 + 2 * _EDGE)
    half = torch.maximum(half, _SLIMMEST * half.max()).clamp_min(1e-6)
    (x0, y0), (x1, y1) = (middle - half).tolist(), (middle + half).tolist()
    return x0, x1, y0, y1


def _arrows(view: View, energy: Energy) -> Tensor:
    """Place and projected score on a coarse grid: (m, 4)."""
    x, y = view.grid(ARROWS, inside=True)
    z = view.points(x, y)
    return torch.cat([view.plane.coordinates(z), view.plane.project(score(energy, z, _SCORE_CHUNK))], dim=1)


def _strength(distance: Tensor) -> Tensor:
    """How strongly codes are drawn: 1 in the plane, falling to 0.6 for the furthest."""
    return 1 - 0.4 * distance / distance.max().clamp_min(torch.finfo(distance.dtype).tiny)


def _names(run: Run, labels: Tensor) -> np.ndarray:
    names = run.data.class_names
    return np.array([names[i] if len(names) > 1 and i >= 0 else "" for i in labels.tolist()])


def _lines(
    run: Run,
    view: View,
    share: float,
    distance: Tensor,
    near: Tensor,
    curves: Mapping[str, Curve],
    third: int | None,
) -> list[str]:
    """What is exact and what is projected, in a few sentences."""
    if view.name == "whole":
        return ["The latents have two dimensions, so the map shows them whole: nothing on it is projected."]
    d = run.size
    of = f"{share:.0%} of the variance of {len(distance)} held-out codes in {d} dimensions"
    if view.name == "pca":
        lines = [f"The plane of the two principal directions shows {of}."]
    else:
        lines = [f"The plane through A, B and C (test image {third}) shows {of}."]
    furthest = float(distance[near].max())
    drawn = (
        f"; drawn are the {len(near)} within {furthest:.1f} of it, the nearer the stronger"
        if len(near) < len(distance)
        else ""
    )
    lines.append(
        "Exact: the energy and the decoded images, which are those of the plane's own points"
        + (", and the places of A, B and C. " if view.name == "abc" else ". ")
        + f"Projected: codes (half of them lie further than {float(distance.median()):.1f} from the plane{drawn}), arrows and paths."
    )
    away = {n: float(view.plane.distance(c.nodes[0]).max()) for n, c in curves.items()}
    in_plane = [n for n, a in away.items() if a < 1e-3]
    lines += [f"The path {n} lies in the plane, so its energies can be read off the map." for n in in_plane]
    leaving = [f"{n} by up to {a:.1f}" for n, a in away.items() if n not in in_plane]
    if leaving:
        lines.append(
            f"Paths that leave the plane: {', '.join(leaving)}; where their shadow crosses dark ground, they themselves need not."
        )
    lost = [n for n, c in curves.items() if not bool(c.arrived.all())]
    if lost:
        lines.append(f"Did not arrive at B: {', '.join(lost)}.")
    return lines


def _write_page(
    file: Path,
    run: Run,
    view: View,
    lines: Sequence[str],
    maps: Mapping[str, bytes],
    decoded: bytes,
    settings: Mapping[str, Any],
    shown: int,
    count: int,
) -> None:
    projected = (
        "" if view.name == "whole" else f" The {shown} of {count} held-out codes nearest to the plane are drawn."
    )
    blocks = [
        Figure(
            image,
            f"Filled contours of the energy {n} over the plane, with codes, arrows of the score and paths",
            f"{ENERGIES[n].about}.{projected}",
            f"The energy {n}",
            figures.READING["energy_map"],
        )
        for n, image in maps.items()
    ]
    picture = Figure(
        decoded,
        "Decoded images on a coarse grid over the same plane",
        "The same piece of the plane as in the maps of the energies: where an energy is dark, see whether the images are broken.",
        "What the plane decodes to",
        figures.READING["decoded_map"],
    )
    o = run.origin
    budget = f"{o.budget}; model seed {o.seed}; a picture, which measures nothing; seed {settings['seed']}; ridgewalk {ridgewalk.__version__}."
    sections = [
        Section(
            "The energies",
            "Each map shows one energy over the same plane. An energy that guides well is pale around codes that lie in the plane, and dark between them.",
            blocks,
        ),
        Section("The images", "The decoder's word on the same ground.", [picture]),
    ]
    given = {k: json.dumps(v) if isinstance(v, list) else v for k, v in settings.items() if v is not None}
    page = Page(
        f"ridgewalk: a map of {o.recipe} on {Path(o.source).name}",
        budget,
        lines,
        sections,
        {"map": given, "run": {**vars(o), "source": Path(o.source).name}},
    )
    write(page, file)
