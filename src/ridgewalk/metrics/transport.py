"""
Sliced Wasserstein distance: how far mass must be moved, seen along random lines.

    SW_p = (mean over directions u of W_p(u . x, u . y)^p)^(1/p),    W_p^p in one dimension = integral of |Q_x(s) - Q_y(s)|^p ds

Source: Bonneel, Rabin, Peyre and Pfister (2015).
"""

import torch
from torch import Tensor


def sliced_wasserstein(x: Tensor, y: Tensor, projections: int = 256, seed: int = 0, p: float = 2.0) -> float:
    """
    Sliced Wasserstein distance of two sets.

    Args:
        x: (n, *) points or images.
        y: (m, *), of one shape with x's. Sets of other sizes are compared at max(n, m) quantiles.
        projections: directions.
        seed: of the directions.
        p: of the distance, at least 1.
    """
    if x.shape[1:] != y.shape[1:] or x.dim() < 2 or min(len(x), len(y)) < 1:
        raise ValueError(f"sets must be (n, *) and (m, *) of one shape; got {tuple(x.shape)} and {tuple(y.shape)}")
    if projections < 1 or p < 1:
        raise ValueError(f"at least one projection and p >= 1 are needed; got {projections} and {p}")
    a, b = x.flatten(1), y.flatten(1)
    u = torch.randn(a.shape[1], projections, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    u = (u / u.norm(dim=0)).to(a)
    along_x, along_y = (a @ u).sort(dim=0).values, (b @ u).sort(dim=0).values
    if len(a) != len(b):
        n = max(len(a), len(b))
        along_x, along_y = _quantiles(along_x, n), _quantiles(along_y, n)
    return float((along_x - along_y).abs().pow(p).mean().pow(1 / p))


def _quantiles(rows: Tensor, n: int) -> Tensor:
    """The step function Q at the middles of n equal parts."""
    places = (torch.arange(n, dtype=torch.float64) + 0.5) / n * len(rows)
    return rows[places.floor().long().clamp(0, len(rows) - 1)]
