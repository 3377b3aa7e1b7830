"""
Distances of two sets by a kernel: squared maximum mean discrepancy, unbiased.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)

    MMD   k(x, y) = mean over widths h of exp(-|x - y|^2 / 2 h^2)      Gretton et al. (2012), equation 3
    KID   k(x, y) = (x . y / f + 1)^3, over subsets                    Binkowski, Sutherland, Arbel and Gretton (2018)

Both are unbiased, so that they may be below 0 where the sets are of one law.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernel, in units of the median distance."""


@dataclass(frozen=True)
class Kid:
    """Kernel distance: the mean over subsets, and the standard error of that mean as if they did not overlap."""

    mean: float
    error: float


def kid(a: Tensor, b: Tensor, subset: int = 1000, subsets: int = 100, seed: int = 0) -> Kid:
    """
    Kernel distance of two sets of features, by torchmetrics' polynomial kernel.

    Args:
        a: (n, f) features.
        b: (m, f) features.
        subset: rows of each a subset, at least 2 and no more than there are.
        subsets: how many.
        seed: of the subsets.
    """
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be (n, f) and (m, f); got {tuple(a.shape)} and {tuple(b.shape)}")
    if not 2 <= subset <= min(len(a), len(b)) or subsets < 1:
        raise ValueError(
            f"subsets must have between 2 rows and the {min(len(a), len(b))} that there are, and be at least one; got {subset} rows, {subsets} subsets"
        )
    from torchmetrics.image.kid import poly_mmd

    generator = torch.Generator().manual_seed(seed)
    values = torch.stack(
        [
            poly_mmd(
                a[torch.randperm(len(a), generator=generator)[:subset]].double(),
                b[torch.randperm(len(b), generator=generator)[:subset]].double(),
            )
            for _ in range(subsets)
        ]
    )
    error = float(values.std() / subsets**0.5) if subsets > 1 else float("nan")
    return Kid(float(values.mean()), error)


def mmd(x: Tensor, y: Tensor, widths: Sequence[float] = WIDTHS) -> float:
    """
    Squared maximum mean discrepancy with Gaussian kernels, unbiased.

    Args:
        x: (n, d), n > 1.
        y: (m, d), m > 1.
        widths: in units of the median distance of the two sets' rows.
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"points must be (n, d) and (m, d), at least 2 of each; got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not widths or min(widths) <= 0:
        raise ValueError(f"a kernel needs widths above 0; got {list(widths)}")
    xx, yy, xy = (torch.cdist(a, b).square() for a, b in ((x, x), (y, y), (x, y)))
    unit = xy.median().clamp_min(torch.finfo(x.dtype).tiny)
    total = 0.0
    for width in widths:
        k_xx, k_yy, k_xy = (torch.exp(-d / (2 * width**2 * unit)) for d in (xx, yy, xy))
        n, m = len(x), len(y)
        within_x = (k_xx.sum() - k_xx.diagonal().sum()) / (n * (n - 1))
        within_y = (k_yy.sum() - k_yy.diagonal().sum()) / (m * (m - 1))
        total += float(within_x + within_y - 2 * k_xy.mean())
    return total / len(widths)
