"""
Coloured shapes, drawn by formula: images whose every factor is known.

An image is one circle, square or equilateral triangle of a pure hue on black,

    image(p) = rgb(hue) c(d(p)),   c(d) = (1 + sign(s) (1 - (1 - |s|)^2)) / 2,   s = clamp(-d / pixel, -1, 1),

with d the signed distance to the shape's edge (negative inside) and c its coverage: a step blurred by a hat whose
width at half its height is one pixel. It has a continuous derivative, and summed over pixels it aliases five times less
than a straight ramp, which matters to whoever measures. Lengths are shares of the image's side, x to the right and y
downwards from the corner; a pixel's value is taken at its centre.

A shape's ``size`` is the root of its area, so that the pixel mass says nothing about which shape it is. Hue is an
angle rather than one of a palette: halfway between two hues is then a number that can be checked against what an
interpolation shows, while of a palette one could only say that the colour is none of it. Factors are drawn
independently of each other, from ranges in which the largest triangle stays inside the image wherever it lies.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.data.images import ImageData, Images

SHAPES = ("circle", "square", "triangle")
"""The shapes; a label is an index of this."""

FOLDS = (0, 4, 3)
"""Rotations by 2 pi / fold leave a shape as it is; 0 for the circle, which has no rotation."""

SIZES = (0.22, 0.36)
"""Range of sizes that ``draw`` takes: the largest triangle reaches 0.316 from its centre."""

POSITIONS = (0.35, 0.65)
"""Range of x and of y that ``draw`` takes: a pixel of 1/32 is left at the border."""

SIDE = 32
"""Pixels a side, where nothing else is asked for."""

SEED = 20_261
"""Seed of the data set that the source ``shapes`` names; a change makes other images."""

_BLOCK = 1024  # images drawn, rendered or measured at once: fixed, so that image i does not depend on their count


@dataclass(frozen=True, eq=False)
class Factors:
    """
    What n images show.

    Attributes:
        shape: int64 (n,), an index of ``SHAPES``; -1 where nothing is to be seen.
        hue: (n,) in [0, 1): 0 red, 1/3 green, 2/3 blue.
        size: (n,) root of the area.
        x: (n,) of the centre of mass.
        y: (n,) of the centre of mass.
        rotation: (n,) radians in [0, 2 pi / fold): where an edge's outward normal points, from x towards y; NaN for
            circles.

    Raises:
        ValueError: if lengths or types differ.
    """

    shape: Tensor
    hue: Tensor
    size: Tensor
    x: Tensor
    y: Tensor
    rotation: Tensor

    def __post_init__(self) -> None:
        floats = (self.hue, self.size, self.x, self.y, self.rotation)
        if self.shape.dtype != torch.int64 or any(not v.is_floating_point() for v in floats):
            raise ValueError(
                f"shape must be int64 and the other factors floats; got {self.shape.dtype} "
                f"and {', '.join(str(v.dtype) for v in floats)}"
            )
        if self.shape.dim() != 1 or any(v.shape != self.shape.shape for v in floats):
            raise ValueError(
                f"factors must share one shape (n,); got {[tuple(v.shape) for v in (self.shape, *floats)]}"
            )

    def __len__(self) -> int:
        """The number of images, n."""
        return len(self.shape)

    def take(self, index: Tensor | slice) -> "Factors":
        """The factors at ``index``: int64 (m,), bool (n,) or a slice."""
        return Factors(*(v[index] for v in vars(self).values()))


# ------------------------------------------------------------------------------------------------------- rendering


def circle_distance(p: Tensor, size: Tensor) -> Tensor:
    """
    |p| - r with pi r^2 = size^2: (n, h, w).

    Args:
        p: (n, h, w, 2) points, from the centre.
        size: (n,).
    """
    return torch.linalg.vector_norm(p, dim=-1) - (size / math.sqrt(math.pi)).view(-1, 1, 1)


def polygon_distance(p: Tensor, size: Tensor, rotation: Tensor, fold: int) -> Tensor:
    """
    Signed distance to a regular polygon, exact everywhere: (n, h, w).

    With u the normal of the edge that p faces (the largest p.u) and v along it, the edge is p.u = a, |p.v| <= b, and

        d = p.u - a inside,   |(p.u - a, max(|p.v| - b, 0))| outside,   b = a tan(pi / n),   n a b = size^2.

    Args:
        p: (n, h, w, 2) points, from the centre of mass.
        size: (n,).
        rotation: (n,) radians, the direction of one normal.
        fold: the number of edges.
    """
    edge = math.tan(math.pi / fold)
    a = (size / math.sqrt(fold * edge)).view(-1, 1, 1)
    turns = torch.arange(fold, dtype=p.dtype, device=p.device) * (2 * math.pi / fold)
    angle = rotation[:, None] + turns
    u = torch.stack([angle.cos(), angle.sin()], dim=1).unsqueeze(1)  # (n, 1, 2, fold)
    v = torch.stack([-angle.sin(), angle.cos()], dim=1).unsqueeze(1)
    facing, which = (p @ u).max(dim=-1)
    along = (p @ v).gather(-1, which.unsqueeze(-1)).squeeze(-1)
    beyond = facing - a
    outside = torch.linalg.vector_norm(torch.stack([beyond, (along.abs() - a * edge).clamp_min(0)], dim=-1), dim=-1)
    return torch.where(beyond > 0, outside, beyond)


def distance(factors: Factors, size: int) -> Tensor:
    """Signed distance from each pixel's centre to the edge of each image's shape: (n, size, size)."""
    if ((factors.shape < 0) | (factors.shape >= len(SHAPES))).any():
        raise ValueError(
            f"shapes must be 0 .. {len(SHAPES) - 1} ({', '.join(SHAPES)}); got {factors.shape.unique().tolist()}"
        )
    x, y = pixel_centres(size, factors.x)
    p = torch.stack(torch.broadcast_tensors(x - factors.x.view(-1, 1, 1), y - factors.y.view(-1, 1, 1)), dim=-1)
    d = p.new_empty(p.shape[:3])
    for i, fold in enumerate(FOLDS):
        of = factors.shape == i
        its = factors.size[of]
        d[of] = polygon_distance(p[of], its, factors.rotation[of], fold) if fold else circle_distance(p[of], its)
    return d


def coverage(d: Tensor) -> Tensor:
    """The share of a pixel inside an edge at signed distance d, in pixels: 1 at d <= -1, 1/2 at 0, 0 at d >= 1."""
    s = (-d).clamp(-1, 1)
    return (1 + s * (2 - s.abs())) / 2


def rgb(hue: Tensor) -> Tensor:
    """Pure colours, max 1 and min 0, clamp(|(6 hue + (0, 4, 2)) mod 6 - 3| - 1, 0, 1): (n,) to (n, 3)."""
    start = torch.tensor([0.0, 4.0, 2.0], dtype=hue.dtype, device=hue.device)
    return (((6 * hue[:, None] + start) % 6 - 3).abs() - 1).clamp(0, 1)


def render(factors: Factors, size: int = SIDE) -> Tensor:
    """
    The images of ``factors``: (n, 3, size, size) in [0, 1], differentiable in every factor but the shape.

    Args:
        factors: n images; the rotation of a circle is not looked at.
        size: pixels a side, at least 2.

    Raises:
        ValueError: if a shape is none of ``SHAPES``, or the size is below 2.
    """
    if size < 2:
        raise ValueError(f"an image must have at least 2 pixels a side; got {size}")
    return rgb(factors.hue).view(-1, 3, 1, 1) * coverage(distance(factors, size) * size).unsqueeze(1)


def pixel_centres(size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The coordinates of the pixels' centres in shares of the side: x (1, 1, size) and y (1, size, 1), of the type of ``like``."""
    at = (torch.arange(size, dtype=like.dtype, device=like.device) + 0.5) / size
    return at.view(1, 1, -1), at.view(1, -1, 1)


# ------------------------------------------------------------------------------------------------------- a data set


def draw(count: int, seed: int) -> Factors:
    """
    Independent factors, uniform each, in float64: row i is a function of (seed, i), whatever ``count``.

    Rotations are uniform over a polygon's own period, NaN for circles.

    Raises:
        ValueError: if fewer than 1 are asked for.
    """
    if count < 1:
        raise ValueError(f"at least 1 image must be asked for; got {count}")
    generator = torch.Generator().manual_seed(seed)
    blocks = [torch.rand(_BLOCK, 6, dtype=torch.float64, generator=generator) for _ in range(-(-count // _BLOCK))]
    shape, hue, size, x, y, rotation = torch.cat(blocks)[:count].unbind(dim=1)
    shape = (shape * len(SHAPES)).to(torch.int64)
    fold = torch.tensor(FOLDS, dtype=torch.float64)[shape]
    return Factors(
        shape,
        hue.clone(),
        SIZES[0] + (SIZES[1] - SIZES[0]) * size,
        POSITIONS[0] + (POSITIONS[1] - POSITIONS[0]) * x,
        POSITIONS[0] + (POSITIONS[1] - POSITIONS[0]) * y,
        torch.where(fold > 0, rotation * 2 * math.pi / fold, torch.nan),
    )


def part_factors(data_seed: int, train: int, test: int) -> tuple[Factors, Factors]:
    """The factors of the train and of the test images of ``dataset``, row by row: two sequences of their own."""
    return draw(train, 2 * data_seed), draw(test, 2 * data_seed + 1)


def dataset(train: int = 30_000, test: int = 6_000, seed: int = SEED, size: int = SIDE) -> ImageData:
    """
    ``train`` and ``test`` images (3, size, size) in the order drawn, with ``SHAPES`` for classes: 110 MB by default.

    The sequences of the two parts depend on the seed alone, so fewer images are the first of more.
    """
    return ImageData("shapes", *(_images(factors, size) for factors in part_factors(seed, train, test)))


def _images(factors: Factors, size: int) -> Images:
    pixels = torch.empty(len(factors), 3, size, size, dtype=torch.uint8)
    for start in range(0, len(factors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        pixels[rows] = (render(factors.take(rows), size) * 255).round().to(torch.uint8)
    return Images(pixels, factors.shape.clone(), SHAPES)
