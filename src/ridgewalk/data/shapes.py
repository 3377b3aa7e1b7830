"""
Coloured shapes, rendered from known factors.

An image shows one circle, square or equilateral triangle of a pure hue on black,

    image(p) = rgb(hue) c(d(p)),   c(d) = (1 + sign(s) (1 - (1 - |s|)^2)) / 2,   s = clamp(-d / pixel, -1, 1),

with d the signed distance to the shape's edge (negative inside) and c its coverage: a step convolved with a triangle of one pixel full width at half maximum,
whose derivative is continuous and which aliases five times less than a straight ramp. Lengths are fractions of the image's side; x points right and y down
from the corner, and a pixel's value is taken at its centre.

``size`` is the square root of the area, so the area does not depend on the shape. Hue is an angle, so that the hue halfway between two can be compared with
an interpolation. Factors are drawn independently, from ranges in which the largest triangle lies inside the image.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.data.images import ImageData, Images

SHAPES = ("circle", "square", "triangle")
"""The names of the shapes; a label is an index of this tuple."""

FOLDS = (0, 4, 3)
"""Number of rotations that leave each shape unchanged; 0 for the circle, which has no rotation."""

SIZES = (0.22, 0.36)
"""Range of sizes in ``draw``; the largest triangle reaches 0.316 from its centre."""

POSITIONS = (0.35, 0.65)
"""Range of x and y in ``draw``, which keeps a distance of one pixel of 1/32 to the border."""

SIDE = 32
"""Default number of pixels per side."""

SEED = 20_261
"""Seed of the data set ``shapes``; another seed gives other images."""

_BLOCK = 1024  # images drawn or rendered at once; it is constant, so that image i does not depend on their number


@dataclass(frozen=True, eq=False)
class Factors:
    """
    The factors of n images.

    Attributes:
        shape: int64 (n,) index of ``SHAPES``; -1 for an image without a shape.
        hue: (n,) in [0, 1): 0 red, 1/3 green, 2/3 blue.
        size: (n,) square root of the area, as a fraction of the side.
        x: (n,) coordinate of the centre of mass, as a fraction of the side.
        y: (n,) coordinate of the centre of mass, as a fraction of the side.
        rotation: (n,) direction of an edge's outward normal, in radians from x towards y, in [0, 2 pi / fold); NaN for circles.
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


def circle_distance(p: Tensor, size: Tensor) -> Tensor:
    """|p| - r with pi r^2 = size^2, for points p (n, h, w, 2) relative to the centre and sizes (n,): (n, h, w)."""
    return torch.linalg.vector_norm(p, dim=-1) - (size / math.sqrt(math.pi)).view(-1, 1, 1)


def polygon_distance(p: Tensor, size: Tensor, rotation: Tensor, fold: int) -> Tensor:
    """
    Signed distance to a regular polygon: (n, h, w).

    With u the normal of the edge with the largest p.u and v its tangent, the edge is p.u = a, |p.v| <= b, and

        d = p.u - a inside,   |(p.u - a, max(|p.v| - b, 0))| outside,   b = a tan(pi / fold),   fold a b = size^2.

    Args:
        p: (n, h, w, 2) points relative to the centre of mass.
        size: (n,) square roots of the areas.
        rotation: (n,) direction of one normal, in radians.
        fold: number of edges.
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
    """Signed distance from the centre of each pixel to the edge of each image's shape: (n, size, size)."""
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
    """Fraction of a pixel that is inside an edge at signed distance d in pixels: 1 for d <= -1, 1/2 at 0, 0 for d >= 1."""
    s = (-d).clamp(-1, 1)
    return (1 + s * (2 - s.abs())) / 2


def rgb(hue: Tensor) -> Tensor:
    """Pure colours, clamp(|(6 hue + (0, 4, 2)) mod 6 - 3| - 1, 0, 1), with maximum 1 and minimum 0: (n,) -> (n, 3)."""
    start = torch.tensor([0.0, 4.0, 2.0], dtype=hue.dtype, device=hue.device)
    return (((6 * hue[:, None] + start) % 6 - 3).abs() - 1).clamp(0, 1)


def render(factors: Factors, size: int = SIDE) -> Tensor:
    """Renders images of ``size`` >= 2 pixels per side: (n, 3, size, size) in [0, 1], differentiable in every factor but the shape."""
    if size < 2:
        raise ValueError(f"an image must have at least 2 pixels a side; got {size}")
    return rgb(factors.hue).view(-1, 3, 1, 1) * coverage(distance(factors, size) * size).unsqueeze(1)


def pixel_centres(size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The coordinates of the pixel centres as fractions of the side, with the dtype of ``like``: x (1, 1, size) and y (1, size, 1)."""
    at = (torch.arange(size, dtype=like.dtype, device=like.device) + 0.5) / size
    return at.view(1, 1, -1), at.view(1, -1, 1)


def draw(count: int, seed: int) -> Factors:
    """Draws independent, uniform factors in float64; row i depends only on the seed and i. A rotation is uniform over the period of its polygon."""
    if count < 1:
        raise ValueError(f"the number of images must be at least 1; got {count}")
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
    """The factors of the train and of the test images of ``dataset``, in two independent sequences."""
    return draw(train, 2 * data_seed), draw(test, 2 * data_seed + 1)


def dataset(train: int = 30_000, test: int = 6_000, seed: int = SEED, size: int = SIDE) -> ImageData:
    """
    ``train`` and ``test`` images (3, size, size) in the order in which they are drawn, with the classes ``SHAPES``: 110 MB by default.

    The sequences of the two parts depend only on the seed, so fewer images are the first of more.
    """
    return ImageData("shapes", *(_images(factors, size) for factors in part_factors(seed, train, test)))


def _images(factors: Factors, size: int) -> Images:
    pixels = torch.empty(len(factors), 3, size, size, dtype=torch.uint8)
    for start in range(0, len(factors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        pixels[rows] = (render(factors.take(rows), size) * 255).round().to(torch.uint8)
    return Images(pixels, factors.shape.clone(), SHAPES)
