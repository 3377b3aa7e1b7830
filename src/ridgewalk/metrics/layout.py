"""
Two measures of the coherence of images that need no network. Compare them with those of real images.

    asymmetry     |x - M x| / (2^(1/2) |x - c|),    M the mirror image left to right, c the mean of each channel over the image
    borders       correlation over images and channels of the mean colour along the left border with that along the right border

Asymmetry is 0 for an image that equals its mirror image, 1 where the two halves are uncorrelated, and 2^(1/2) where they are opposite about c. Borders are
near 1 where backgrounds continue behind the objects. Neither shows that an image is real.
"""

import math

import torch
from torch import Tensor

STRIP = 8
"""A border is the width of the image divided by this number, at least one pixel wide."""


def asymmetry(images: Tensor) -> Tensor:
    """The asymmetry of each image, 0 for a constant one: (n, c, h, w) -> float64 (n,)."""
    x = _checked(images)
    apart = (x - x.flip(-1)).flatten(1).norm(dim=1)
    spread = math.sqrt(2) * (x - x.mean(dim=(2, 3), keepdim=True)).flatten(1).norm(dim=1)
    return torch.where(spread > 0, apart / torch.where(spread > 0, spread, torch.ones_like(spread)), 0.0)


def borders(images: Tensor) -> float:
    """The correlation of left and right borders of images (n, c, h, w), n > 1; NaN where a border is the same in all images, such as black."""
    x = _checked(images)
    if len(x) < 2:
        raise ValueError(f"a correlation over images needs at least two; got {len(x)}")
    strip = max(1, x.shape[-1] // STRIP)
    left, right = (v.mean(dim=(2, 3)) for v in (x[..., :strip], x[..., -strip:]))
    left, right = (v - v.mean(dim=0) for v in (left, right))
    size = left.norm() * right.norm()
    return float((left * right).sum() / size) if float(size) > 0 else math.nan


def _checked(images: Tensor) -> Tensor:
    if images.dim() != 4 or not images.numel():
        raise ValueError(f"images must be (n, c, h, w), at least one; got {tuple(images.shape)}")
    if not bool(images.isfinite().all()):
        raise ValueError("images must hold finite values only")
    return images.double()
