"""The verb `map`: an energy over a plane of the latent space, the data and paths on it, and what the plane decodes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ridgewalk import naming, processes
from ridgewalk.evaluation.ends import Ends, read_ends, refuse_resize
from ridgewalk.evaluation.search import search
from ridgewalk.fields import normal_part, score
from ridgewalk.files import new_folder, new_free_folder, write_arrays
from ridgewalk.finders.building import split_energy
from ridgewalk.geometry import Plane
from ridgewalk.path import Path as Curve
from ridgewalk.path import chunked
from ridgewalk.progress import track
from ridgewalk.protocols import Energy
from ridgewalk.registry import ENERGIES
from ridgewalk.store.run import Run

PLANES = ("abc", "pca")

METHODS = ("lerp", "string")
"""Methods whose paths are drawn by default."""

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
    The view of a map: a plane, its visible part, and the points on it.

    Attributes:
        plane: plane in latent space.
        limits: limits of the visible coordinates: x low, x high, y low, y high.
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


@dataclass(frozen=True)
class Request:
    """
    What to draw.

    Attributes:
        start: index of a test image or an image file, for A; with ``end``.
        end: the same for B.
        third: index of the test image of C, the third point of the plane "abc"; by default the image whose code is nearest to both A and B,
            of a third class where there is one, and not near the line through them.
        plane: one of ``PLANES``; by default abc with ends, pca without. Two-dimensional latents are shown whole.
        energies: names; by default those of the run's sensors.
        methods: names of the methods whose paths from A to B are drawn; by default lerp and string.
        resize: whether image files are resized to the run's size.
        out: folder of the result; by default RUN/maps/PLANE, or the next free name.
        seed: recorded on the page; nothing on a map is random.
    """

    start: str | None = None
    end: str | None = None
    third: int | None = None
    plane: str | None = None
    energies: Sequence[str] | None = None
    methods: Sequence[str] | None = None
    resize: bool = False
    out: Path | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Result:
    """
    The map.

    Attributes:
        folder: folder with ``map.npz``, which pictures and page go into.
        run: the run.
        view: the plane and its visible part.
        grid: coordinates x (w,) and y (h,) of the energies.
        energies: values (h, w) by name.
        arrows: place and projected score (m, 4) by energy.
        codes: coordinates (n, 2) of the held-out codes nearest to the plane.
        distance: distance (n,) of these codes from the plane.
        labels: classes (n,) of these codes.
        encoded: number of held-out codes that these were chosen among.
        paths: coordinates (k, 2) by method.
        cells: coordinates x (p,) and y (q,) of the decoded images.
        images: decoded images (q, p, c, h, w) in [0, 1].
        settings: values of the request by name.
        verdict: what is exact and what is projected, in sentences.
        figures: everything measured, for JSON.
    """

    folder: Path
    run: Run
    view: View
    grid: tuple[Tensor, Tensor]
    energies: Mapping[str, Tensor]
    arrows: Mapping[str, Tensor]
    codes: Tensor
    distance: Tensor
    labels: Tensor
    encoded: int
    paths: Mapping[str, Tensor]
    cells: tuple[Tensor, Tensor]
    images: Tensor
    settings: Mapping[str, Any]
    verdict: Sequence[str]
    figures: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The file of the report."""
        return self.folder / "map.html"


def draw_map(run: Run, request: Request) -> Result | None:
    """
    Computes a map of energies over a plane, and writes ``map.npz`` into a folder of its own.

    ``map.npz`` holds the plane (origin (d,), axes (2, d)), x (w,), y (h,), energy_NAME (h, w) and arrows_NAME (m, 4: place and
    projected score) for each energy, codes (n, 2), distance (n,) of each code from the plane, labels (n,) and index (n,) in the test part,
    marks (2 or 3, 2), and path_METHOD (k, 2).

    Returns:
        The map; None on all processes of a torchrun but the first.
    """
    d = run.size
    chosen, searched = _refuse(run, request)
    fields = {name: run.energy(name) for name in chosen}
    ends = None if request.start is None else read_ends(run, request.start, str(request.end), request.resize)
    count = min(CODES, len(run.data.test))
    held_out = run.data.test.take(torch.arange(count))
    codes = run.encode_images(held_out)
    fixed = torch.empty(0, d, device=run.device) if ends is None else run.encode(torch.cat([ends.x_a, ends.x_b]))
    name = "whole" if d == 2 else request.plane or ("abc" if ends is not None else "pca")
    third = request.third
    if name == "abc":
        assert ends is not None
        if third is None:
            third = _third(codes, held_out.labels, fixed, ends)
        own = run.encode(run.data.test.take(torch.tensor([third])).floats())
        fixed = torch.cat([fixed, own])
    flat = _plane(name, codes, fixed, third)
    folder = processes.first(
        lambda: new_folder(request.out) if request.out else new_free_folder(run.folder / "maps", name)
    )
    curves = {
        n: search(run, method, fixed[:1], fixed[1:2], energy)
        for n, (method, energy) in track(searched.items(), "methods", total=len(searched))
    }
    if processes.rank() != 0:
        return None

    distance = flat.distance(codes)
    near = distance.argsort()[:SHOWN_CODES].sort().values if d > 2 else torch.arange(count)
    shown = flat.coordinates(codes)
    paths = {n: flat.coordinates(c.nodes[0]) for n, c in curves.items()}
    letters = dict(zip("ABC", flat.coordinates(fixed).tolist()))
    limits = _limits(shown[near], torch.cat([flat.coordinates(fixed), *paths.values()]))
    view = View(flat, limits, name, _axes(name), {k: (u, v) for k, (u, v) in letters.items()})
    x, y = view.grid(GRID)
    values, arrows = {}, {}
    for n, energy in track(fields.items(), "energies", total=len(fields)):
        values[n] = chunked(energy, view.points(x, y)).view(len(y), len(x)).cpu()
        arrows[n] = _arrows(view, energy).cpu()
    column, row = view.grid(IMAGES, inside=True)
    images = chunked(run.decode, view.points(column, row)).unflatten(0, (len(row), len(column))).cpu()

    share = flat.share(codes)
    verdict = _verdict(view, share, distance, near, curves, third)
    settings: dict[str, Any] = {
        "run": str(run.folder), "recipe": run.origin.recipe, "budget": run.origin.budget, "model_seed": run.origin.seed,
        "seed": request.seed, "plane": name, "from": request.start, "to": request.end, "third": third,
        "energies": list(fields), "methods": list(curves),
    }  # fmt: skip
    arrays: dict[str, Tensor] = {"origin": flat.origin, "axes": flat.axes, "x": x, "y": y}
    arrays |= {f"energy_{n}": v for n, v in values.items()} | {f"arrows_{n}": v for n, v in arrows.items()}
    arrays |= {"codes": shown, "distance": distance, "labels": held_out.labels, "index": torch.arange(count)}
    arrays |= {"marks": flat.coordinates(fixed)} | {f"path_{n}": p for n, p in paths.items()}
    write_arrays(folder / "map.npz", arrays)
    figures = {"folder": str(folder), **settings, "share_of_variance": share, "codes": count}
    figures["distance_of_codes"] = float(distance.median())
    figures["lowest"] = {n: float(v.min()) for n, v in values.items()}
    figures["highest"] = {n: float(v.max()) for n, v in values.items()}
    return Result(
        folder,
        run,
        view,
        (x, y),
        values,
        arrows,
        shown[near].cpu(),
        distance[near].cpu(),
        held_out.labels[near.cpu()],
        count,
        {n: p.cpu() for n, p in paths.items()},
        (column, row),
        images,
        settings,
        verdict,
        figures,
    )


def default_energies(run: Run) -> list[str]:
    """The energies of a run's sensors: logit-squared of a matcher, soft-ratio, and pixel where one was trained."""
    wanted = ("logit-squared", "soft-ratio", "pixel")
    return [n for n in wanted if ENERGIES[n].sensor in run.sensors]


def _refuse(run: Run, request: Request) -> tuple[list[str], dict[str, tuple[str, str | None]]]:
    """Refuses what cannot be drawn; returns the energies' names, and method and energy by the paths' names."""
    start, end, third, plane, methods = request.start, request.end, request.third, request.plane, request.methods
    if (start is None) != (end is None):
        raise ValueError("map needs both --from and --to, or neither")
    if request.seed:
        raise ValueError("nothing on a map is drawn at random; leave out --seed")
    refuse_resize(request.resize, start, end)
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
    for name in (methods or METHODS) if start is not None else ():
        method, energy = split_energy(name)
        run.finder(method, energy)
        searched[name] = method, energy
    return list(dict.fromkeys(request.energies or default_energies(run))), searched


def _third(codes: Tensor, labels: Tensor, fixed: Tensor, ends: Ends) -> int:
    """
    The index of the code C with the least |CA| + |CB|: a datum near the middle between A and B.

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
    """Limits that hold 98 % of the codes along each axis and all ``needed`` points, with a margin and a bounded aspect ratio."""
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


def _verdict(
    view: View,
    share: float,
    distance: Tensor,
    near: Tensor,
    curves: Mapping[str, Curve],
    third: int | None,
) -> list[str]:
    """Says in a few sentences what is exact and what is projected."""
    if view.name == "whole":
        return ["The latents have two dimensions, so the map shows them whole: nothing on it is projected."]
    d = view.plane.origin.numel()
    of = f"{share:.0%} of the variance of {len(distance)} held-out codes in {d} dimensions"
    if view.name == "pca":
        lines = [f"The plane of the two principal directions shows {of}."]
    else:
        lines = [f"The plane through A, B and C (test image {third}) shows {of}."]
    furthest = float(distance[near].max())
    drawn = (
        f"; the map shows the {len(near)} that lie within {furthest:.1f} of it, nearer ones in stronger colours"
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
            f"Paths that leave the plane: {', '.join(leaving)}; their own energies may be low where their projection crosses dark ground."
        )
    lost = [n for n, c in curves.items() if not bool(c.arrived.all())]
    if lost:
        lines.append(f"Paths that did not arrive at B: {', '.join(lost)}.")
    return lines
