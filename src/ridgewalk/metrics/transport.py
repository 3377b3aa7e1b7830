"""
Sliced Wasserstein distance: how far mass must be moved along lines to turn one sample into the other.

    SW_p(x, y) = ( mean over unit directions u of W_p(x . u, y . u)^p )^(1/p)
    W_p^p      = int_0^1 |F^-1(s) - G^-1(s)|^p ds on a line, with F^-1 and G^-1 the sorted values as steps

For equal numbers this is the mean of |x_(i) - y_(i)|^p over sorted values; for n and m points the steps meet on fewer than n + m intervals, over which
the integral is a sum. Along each direction it is exact for the two samples: no value is interpolated.

Between two samples of one law it is above 0, and falls with their number: compare with what fresh data give. It shrinks with the dimension, as the
mean of (u . v)^2 is |v|^2 / d.

The package POT computes the same (``ot.sliced_wasserstein_distance``). It is not used, because importing it takes over three seconds of processor time and
175 MB, and because it projects all points on all directions at once, where here a block of directions takes 32 MB.

Source: Rabin, Peyre, Delon and Bernot (2011), Wasserstein barycenter and its application to texture mixing; Bonneel, Rabin, Peyre and Pfister (2015),
Sliced and Radon Wasserstein barycenters of measures.
"""

from math import isfinite

import torch
from torch import Tensor

_VALUES = 2**22  # projected values at once, 32 MB


def sliced_wasserstein(x: Tensor, y: Tensor, projections: int = 256, seed: int = 0, p: float = 2.0) -> float:
    """
    (mean_u W_p(x . u, y . u)^p)^(1/p), in the units of x.

    Args:
        x: (n, d) points; images (n, c, h, w) are flattened.
        y: (m, d), of x's shape otherwise.
        projections: number of directions u, uniform on the sphere.
        seed: seed of the directions, drawn on the CPU; one seed gives every pair of samples the same.
        p: order, at least 1.

    Raises:
        ValueError: if shapes do not fit, points are not finite, p < 1, or there are no directions.

    Source: Bonneel et al. (2015), with the mean over directions drawn.
    """
    _check(x, y, projections, p)
    x, y = x.detach().flatten(1).double(), y.detach().flatten(1).double()
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(projections, x.shape[1], generator=generator, dtype=torch.float64)
    directions = (u / u.norm(dim=1, keepdim=True)).T.to(x.device)
    i, j, widths = _steps(len(x), len(y), x.device)
    total = 0.0
    for part in directions.split(max(1, _VALUES // (len(x) + len(y))), dim=1):
        along_x, along_y = (x @ part).sort(dim=0).values, (y @ part).sort(dim=0).values
        total += float((widths @ (along_x[i] - along_y[j]).abs() ** p).sum())
    return (total / projections) ** (1 / p)


def _steps(n: int, m: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """On [0, 1] cut at every i / n and j / m: which of the n and of the m sorted values holds on each interval, and its width."""
    ends = torch.cat([torch.arange(n + 1) * m, torch.arange(m + 1) * n]).unique()  # in units of 1 / n m: exact
    left = ends[:-1]
    return (left // m).to(device), (left // n).to(device), (ends.diff().double() / (n * m)).to(device)


def _check(x: Tensor, y: Tensor, projections: int, p: float) -> None:
    if x.dim() < 2 or x.shape[1:] != y.shape[1:] or 0 in (*x.shape, *y.shape):
        raise ValueError(
            f"samples must be (n, *) and (m, *), of one shape and none of them empty; "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if projections < 1 or not (p >= 1 and isfinite(p)):
        raise ValueError(f"at least 1 direction and a finite p >= 1 are needed; got {projections} and p = {p:g}")
    for name, points in (("first", x), ("second", y)):
        if not bool(points.isfinite().all()):
            raise ValueError(f"points must be finite; some of the {name} sample are not: look at what made them")
