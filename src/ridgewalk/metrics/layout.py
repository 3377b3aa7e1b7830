"""
Two measures of the coherence of images that need no network; read them beside those of real images.

    asymmetry     |x - M x| / (2^(1/2) |x - c|),    M the mirror image left to right, c the mean of each channel over the image
    borders       correlation over images and channels of the mean colour along the left border with that along the right one

Asymmetry is 0 for an image that is its own mirror image, 1 where the two halves have nothing to do with one another, and 2^(1/2) for one whose halves are
opposite about c. Borders near 1 mean that backgrounds continue behind the objects. Neither shows that an image is real: compare sets.
"""

import math

import torch
from torch import Tensor

STRIP = 8
"""A border is an eighth of the width, one pixel at least."""


def asymmetry(images: Tensor) -> Tensor:
    """
    The asymmetry of each image: (n, c, h, w) -> float64 (n,); 0 for an image that does not vary.

    Args:
        images: (n, c, h, w), of finite values.
    """
    x = _checked(images)
    apart = (x - x.flip(-1)).flatten(1).norm(dim=1)
    spread = math.sqrt(2) * (x - x.mean(dim=(2, 3), keepdim=True)).flatten(1).norm(dim=1)
    return torch.where(spread > 0, apart / torch.where(spread > 0, spread, torch.ones_like(spread)), 0.0)


def borders(images: Tensor) -> float:
    """
    The correlation of left and right borders, from -1 to 1; NaN where a border is the same in all images, as the black one of digits is.

    Args:
        images: (n, c, h, w), n > 1, of finite values.
    """
    x = _checked(images)
    if len(x) < 2:
        raise ValueError(f"a correlation over images needs two at least; got {len(x)}")
    strip = max(1, x.shape[-1] // STRIP)
    left, right = (v.mean(dim=(2, 3)) for v in (x[..., :strip], x[..., -strip:]))
    left, right = (v - v.mean(dim=0) for v in (left, right))
    size = left.norm() * right.norm()
    return float((left * right).sum() / size) if float(size) > 0 else math.nan


def _checked(images: Tensor) -> Tensor:
    if images.dim() != 4 or not images.numel():
        raise ValueError(f"images are (n, c, h, w), one at least; got {tuple(images.shape)}")
    if not bool(images.isfinite().all()):
        raise ValueError("images must hold finite values only")
    return images.double()
