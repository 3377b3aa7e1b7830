"""
Sequences whose true frames are known: digits that turn, coloured shapes of which one factor changes, and the spectra of a fermentation.

    rotated    R(p + t (q - p)) x           one digit x, turned from the angle p to q; the model is trained on digits that are turned by random angles
    shapes     render(f + t (g - f) e_j)    all factors f of a shape but one stay
    spectra    the spectra that were measured between the times i and j

Each gives pairs of ends that no model was trained on, and ``FRAMES`` true frames between them, the ends included.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk.data import ImageData, file_rows, role_slice
from ridgewalk.data.shapes import FOLDS, POSITIONS, SEED, SIZES, Factors, part_factors, render
from ridgewalk.files import write_bytes
from ridgewalk.seeds import mixed_seed

FRAMES = 33
"""Number of true frames of a sequence."""

WIDEST, LEAST = 75.0, 25.0
"""Largest angle of a turned digit, in degrees to either side; and the least one of an end."""

FACTORS = ("hue", "size", "x", "y", "rotation")
"""Factors of a shape of which one changes along a sequence."""

PHASES = ("early", "middle", "late")
"""Classes of spectra, which their judges learn: thirds of the time."""

GAP = 1 / 3
"""Least share of the time between the ends of a sequence of spectra."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """
    True sequences, one for each pair of ends.

    Attributes:
        frames: (b, FRAMES, c, h, w) in [0, 1]; the first and the last ones are the ends.
        labels_a: (b,) class of each first frame.
        labels_b: (b,) class of each last frame.
    """

    frames: Tensor
    labels_a: Tensor
    labels_b: Tensor


def rotate(x: Tensor, degrees: Tensor) -> Tensor:
    """Images (n, c, h, w) turned anticlockwise by the angles (n,) about their centres, bilinearly; what comes from outside is 0."""
    angle = degrees.to(x) * (torch.pi / 180)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    h, w = x.shape[2:]  # the grid's coordinates are relative to each side
    maps = torch.stack([cos, -sin * (h / w), zero, sin * (w / h), cos, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(maps, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def write_rotated(data: ImageData, folder: Path) -> Path:
    """
    Writes the images of a data set, each turned by an angle of its own, into a folder in MNIST's format, and returns the folder.

    Image i of a part is in row i of its file; angles are uniform in [-WIDEST, WIDEST] and depend on i alone.

    Raises:
        ValueError: for images with more than one channel, of which the format has one, and for rows of numbers.
    """
    c, h, _ = data.shape
    if c != 1 or h == 1:
        raise ValueError(
            f"digits that turn are grey images (1, h, w); '{data.name}' has {tuple(data.shape)}: choose --data with such images, as MNIST or digits"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, images, seed in (("train", data.train, 0), ("t10k", data.test, 1)):
        files = [folder / f"{name}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
        if not all(file.is_file() for file in files):
            turned = rotate(images.floats(), _angles(len(images), seed))
            pixels = (turned[:, 0] * 255).round().to(torch.uint8).numpy()
            write_bytes(files[0], _idx(pixels))
            write_bytes(files[1], _idx(images.labels.to(torch.uint8).numpy()))
    return folder


def rotated_sequences(data: ImageData, count: int, seed: int) -> Sequences:
    """
    Draws digits of the role test of the data that ``write_rotated`` writes, each turned from a random angle on one side to one on the other.

    Args:
        data: the images before they were turned.
        count: number of sequences; digits repeat where there are fewer.
        seed: seed of the draw.
    """
    n = len(data.test)
    rows = role_slice("test", len(data.train), n)[1]
    generator = torch.Generator().manual_seed(mixed_seed(seed, 1))
    digits = file_rows(n)[rows][_draws(rows.stop - rows.start, count, generator)]
    p, q, swap = torch.rand(3, count, generator=generator)
    p, q = -LEAST - (WIDEST - LEAST) * p, LEAST + (WIDEST - LEAST) * q
    p, q = torch.where(swap < 0.5, p, q), torch.where(swap < 0.5, q, p)
    images = data.test.take(digits)
    turning = torch.stack([rotate(images.floats(), torch.lerp(p, q, float(t))) for t in torch.linspace(0, 1, FRAMES)])
    return Sequences(turning.transpose(0, 1), images.labels, images.labels)


def shape_sequences(data: ImageData, count: int, seed: int) -> Sequences:
    """
    Draws shapes of the role test, of each of which one factor changes; the factors take turns.

    Size and position change from the lower third of their range to the upper one or back, the hue by a quarter to two fifths of the circle, the
    rotation by 0.3 to 0.45 of its period (of squares and triangles alone), so that the shorter way between the ends is the true one.

    Args:
        data: the data set "shapes".
        count: number of sequences.
        seed: seed of the draw.
    """
    n = len(data.test)
    rows = role_slice("test", len(data.train), n)[1]
    factors = part_factors(SEED, len(data.train), n)[1].take(file_rows(n)[rows])
    generator = torch.Generator().manual_seed(mixed_seed(seed, 2))
    order, polygons = _draws(len(factors), len(factors), generator), factors.shape != 0
    turning = order[polygons[order]]
    chosen = [(turning if FACTORS[i % 5] == "rotation" else order)[i % len(turning)] for i in range(count)]
    base = factors.take(torch.stack(chosen))
    u, v, swap = torch.rand(3, count, generator=generator, dtype=torch.float64)
    which = torch.arange(count) % len(FACTORS)
    ends = [dict(vars(base)), dict(vars(base))]
    for j, name in enumerate(FACTORS):
        first, last = _range_of(name, base, u, v)
        first, last = torch.where(swap < 0.5, first, last), torch.where(swap < 0.5, last, first)
        for end, values in zip(ends, (first, last)):
            end[name] = torch.where(which == j, values, end[name])
    frames = [render(_between(ends[0], ends[1], float(t))) for t in torch.linspace(0, 1, FRAMES)]
    return Sequences(torch.stack(frames, dim=1).float(), base.shape, base.shape)


def _range_of(name: str, base: Factors, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The two values of a factor that changes, for draws u, v (b,) in [0, 1)."""
    if name == "hue":
        return base.hue, base.hue + 0.25 + 0.15 * u
    if name == "rotation":
        period = 2 * torch.pi / torch.tensor(FOLDS, dtype=torch.float64)[base.shape].clamp_min(1)
        return base.rotation, base.rotation + (0.3 + 0.15 * u) * period
    low, high = SIZES if name == "size" else POSITIONS
    third = (high - low) / 3
    return low + third * u, high - third * v


def _between(first: dict[str, Tensor], last: dict[str, Tensor], t: float) -> Factors:
    mixed = {name: torch.lerp(first[name], last[name], t) for name in first if name not in ("shape", "hue")}
    return Factors(shape=first["shape"], hue=torch.lerp(first["hue"], last["hue"], t) % 1, **mixed)


def fermentation_file() -> Path:
    """Returns the file of spectra in the package chemotools; a ValueError says how to install it where it is missing."""
    from importlib.resources import files

    try:
        return Path(str(files("chemotools.datasets"))) / "data" / "fermentation_spectra.csv"
    except ModuleNotFoundError:
        raise ValueError(
            "the spectra of a fermentation come with the package chemotools, which is not installed: run `pip install chemotools`"
        ) from None


def write_spectra(file: Path, target: Path) -> Path:
    """
    Writes spectra in order of time (n, d) with their third of the time as class into a table, and returns its file.

    Args:
        file: a CSV file with a line of wavelengths and a line for each spectrum, in order of time.
        target: the .npz file to write.
    """
    values = np.loadtxt(file, delimiter=",", skiprows=1, dtype=np.float32, ndmin=2)
    third = np.minimum(3 * np.arange(len(values)) // len(values), 2)
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez(target, X=values, y=np.array(PHASES)[third])
    return target


def spectra_sequences(data: ImageData, count: int, seed: int) -> Sequences:
    """
    Draws pairs of times i < j of spectra of the role test, at least a third of the time apart, with the spectra measured between them at ``FRAMES`` times.

    Args:
        data: the table that ``write_spectra`` writes, as images of one row.
        count: number of sequences.
        seed: seed of the draw.
    """
    n_train, n = len(data.train), len(data.train) + len(data.test)
    order = file_rows(n)
    in_time = torch.cat([data.train.pixels, data.test.pixels])[order.argsort()]
    labels = torch.cat([data.train.labels, data.test.labels])[order.argsort()]
    rows = role_slice("test", n_train, n - n_train)[1]
    times = order[n_train:][rows]
    generator = torch.Generator().manual_seed(mixed_seed(seed, 3))
    pairs = torch.combinations(times.sort().values, 2)
    far = pairs[pairs[:, 1] - pairs[:, 0] >= GAP * n]
    if not len(far):
        raise ValueError(
            f"no two of the {len(times)} spectra of the role test are a third of the time apart: take a longer series"
        )
    i, j = far[_draws(len(far), count, generator)].unbind(dim=1)
    between = torch.stack([(i + t * (j - i)).round().long() for t in torch.linspace(0, 1, FRAMES)], dim=1)
    return Sequences(in_time[between], labels[i], labels[j])


def _draws(n: int, count: int, generator: torch.Generator) -> Tensor:
    """``count`` of n rows in random order, each again only after all others: (count,)."""
    return torch.cat([torch.randperm(n, generator=generator) for _ in range(-(-count // n))])[:count]


def _angles(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(mixed_seed(seed, 0))
    return WIDEST * (2 * torch.rand(n, generator=generator) - 1)


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + np.ascontiguousarray(array).tobytes()
