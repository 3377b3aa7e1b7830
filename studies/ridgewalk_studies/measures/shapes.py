"""
The factors of coloured shapes (``ridgewalk.data.shapes``), read from images by formula.

No judge is trained: ``measure`` inverts the formulas by which the shapes are drawn.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.data.shapes import FOLDS, Factors, pixel_centres, render

_REACH = 2 * 3**-0.75  # from a triangle's centre to its corners, over its size: the farthest that any shape reaches
_PASSES = 4  # number of passes of the window that closes round a shape; renderings need none
_BLOCK = 1024  # images measured at once: fixed, so that the result of image i does not depend on their count


@dataclass(frozen=True, eq=False)
class Measured:
    """
    The result of ``measure``.

    Attributes:
        factors: The estimated factors of the best shape.
        residuals: The values |image - rendering| / |image| for each of ``SHAPES``, rendered with its own estimates, (n, 3).
    """

    factors: Factors
    residuals: Tensor

    @property
    def residual(self) -> Tensor:
        """Returns the least of the residuals, (n,): 0 for a rendering, about 1 for an image unlike any shape; NaN for black."""
        return self.residuals.amin(dim=1)


def measure(images: Tensor) -> Measured:
    """
    Returns the factors of images, in float64, each by a formula:

        hue        of the total colour (Sum r, Sum g, Sum b), as HSV has it: free of brightness and of added grey
        mass m     the largest channel of each pixel, which for a rendering is its coverage
        x, y       the centroid of m
        size       sqrt(pixel^2 (Sum m - (pi + k) / 12)),   k = fold tan(pi / fold), pi for the circle
        rotation   arg(-Sum m z^fold) / fold,   z = the pixel's place from the centroid, as a complex number
        shape      the one whose rendering by these estimates leaves the least residual |image - rendering| / |image|

    The term with pi and k is what the hat of variance 1/6 adds to the area, by Steiner's formula outside (pi per
    pixel^2) and by the smaller polygon inside (k). All sums run over a disc round the centroid, as wide as the largest
    shape of that mass and two pixels more: a rendering lies inside it, and of the haze that a decoder leaves in an
    empty background, which would outweigh the shape in the moments, only the part near the shape counts. The
    residual sees the whole image. The estimates need not be the best fit, so it is an upper bound of the relative
    distance to the nearest rendering.

    Errors at 32 x 32 for images of ``draw`` are at most 1e-12 in hue (0.001 in images of 8 bits), 0.03 pixels in x
    and y, 0.4 % in size, 0.4 degrees in rotation; the residual is below 0.015, and above 0.2 for the wrong shapes.

    Args:
        images: (n, 3, size, size) in [0, 1].

    Returns:
        The estimates and residuals. Black images have shape -1 and NaN otherwise; grey ones, whose hue is NaN, are
        compared with red shapes.

    Raises:
        ValueError: If the images are not square floating-point images of three channels.
    """
    if images.dim() != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ValueError(f"images must be (n, 3, size, size); got {tuple(images.shape)}; load them with channels=3")
    if not images.is_floating_point():
        raise ValueError(f"images must be floats in [0, 1]; got {images.dtype}; Images.floats gives them")
    parts = [_measure_block(block.double()) for block in images.detach().split(_BLOCK)]
    factors = [vars(part.factors) for part in parts]
    return Measured(
        Factors(**{name: torch.cat([each[name] for each in factors]) for name in factors[0]}),
        torch.cat([part.residuals for part in parts]),
    )


def hue_of(colour: Tensor) -> Tensor:
    """
    Returns the hue of colours, the inverse of ``rgb`` at any brightness: (n, 3) to (n,) in [0, 1); NaN for greys.

    With the channels rolled so that the largest comes first, hue = (its index + (second - third) / 2 (max - min)) / 3.
    """
    largest, first = colour.max(dim=1)
    chroma = largest - colour.amin(dim=1)
    second, third = (colour.gather(1, ((first + i) % 3).unsqueeze(1)).squeeze(1) for i in (1, 2))
    return (first + (second - third) / (2 * chroma)) / 3 % 1


def gaps(a: Factors, b: Factors) -> Mapping[str, Tensor]:
    """
    Returns the distances |a - b| of two images' factors, along the shorter arc for angles: (n,) each.

    Hue in turns (at most 1/2), size, x and y in shares of the side, rotation in radians (at most pi / fold; NaN for
    circles and where the shapes differ).
    """
    plain = {name: (getattr(a, name) - getattr(b, name)).abs() for name in ("size", "x", "y")}
    period = 2 * math.pi / torch.tensor(FOLDS, dtype=a.rotation.dtype, device=a.shape.device)[a.shape]
    turned = _round(a.rotation - b.rotation, period)
    return {
        "hue": _round(a.hue - b.hue, torch.ones_like(a.hue)),
        **plain,
        "rotation": torch.where((a.shape == b.shape) & period.isfinite(), turned, torch.nan),
    }


def _measure_block(image: Tensor) -> Measured:
    n, side = len(image), image.shape[2]
    x, y = pixel_centres(side, image)
    seen = torch.ones_like(image[:, 0])
    for _ in range(_PASSES):
        mass = image.amax(dim=1) * seen
        total = mass.sum(dim=(1, 2))
        centre_x, centre_y = ((mass * v).sum(dim=(1, 2)) / total for v in (x, y))
        z = torch.complex(*torch.broadcast_tensors(x - centre_x.view(-1, 1, 1), y - centre_y.view(-1, 1, 1)))
        disc = (z.abs() <= (_REACH * total.clamp_min(0).sqrt() + 2).view(-1, 1, 1) / side).to(mass.dtype)
        filled = (mass * disc).sum(dim=(1, 2), keepdim=True) > 0  # two shapes far apart may leave the disc empty
        seen = torch.where(filled, disc, seen)
    hue = hue_of((image * seen.unsqueeze(1)).sum(dim=(2, 3)))
    norm = image.flatten(1).norm(dim=1)
    candidates, residuals = [], []
    for i, fold in enumerate(FOLDS):
        spread = fold * math.tan(math.pi / fold) if fold else math.pi
        area = (total - (math.pi + spread) / 12) / side**2
        moment = -(mass * z**fold).sum(dim=(1, 2))
        candidate = Factors(
            shape=torch.full((n,), i, device=image.device),
            hue=hue,
            size=area.clamp_min(0).sqrt(),
            x=centre_x,
            y=centre_y,
            rotation=moment.angle() / fold % (2 * math.pi / fold) if fold else torch.full_like(total, torch.nan),
        )
        drawn = render(Factors(**{**vars(candidate), "hue": hue.nan_to_num(0.0)}), side)
        candidates.append(candidate)
        residuals.append((image - drawn).flatten(1).norm(dim=1) / norm)
    every = torch.stack(residuals, dim=1)
    best = every.argmin(dim=1)
    visible = norm > 0
    chosen = {
        name: torch.stack([getattr(c, name) for c in candidates]).gather(0, best.unsqueeze(0)).squeeze(0)
        for name in vars(candidates[0])
    }
    return Measured(
        Factors(**{name: torch.where(visible, v, -1 if name == "shape" else torch.nan) for name, v in chosen.items()}),
        every,
    )


def _round(difference: Tensor, period: Tensor) -> Tensor:
    """Returns the distance of two angles from their difference and period."""
    rest = difference % period
    return torch.minimum(rest, period - rest)
