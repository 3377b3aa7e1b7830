"""
Sliced Wasserstein distance: the mean cost of transporting one sample to the other along lines.

    SW_p(x, y) = ( mean over unit directions u of W_p(x . u, y . u)^p )^(1/p)
    W_p^p      = int_0^1 |F^-1(s) - G^-1(s)|^p ds on a line, with the empirical quantile functions F^-1 and G^-1

For samples of equal size the integral is the mean of |x_(i) - y_(i)|^p over sorted values; for sizes n and m it is a sum over fewer than n + m intervals
on which both quantile functions are constant. It is exact along each direction.

The distance between two samples of one law is above 0 and decreases with their size: compare it with that of fresh data. It decreases with the dimension d,
as the mean of (u . v)^2 is |v|^2 / d.

POT has the same function (``ot.sliced_wasserstein_distance``). It is not used because its import takes three seconds and 175 MB, and because it projects
on all directions at once, where a block of directions takes 32 MB here.

Source: Rabin, Peyre, Delon and Bernot (2011), Wasserstein barycenter and its application to texture mixing; Bonneel, Rabin, Peyre and Pfister (2015),
Sliced and Radon Wasserstein barycenters of measures.
"""

from math import isfinite

import torch
from torch import Tensor

_VALUES = 2**22  # projected values in memory at once: 32 MB


def sliced_wasserstein(x: Tensor, y: Tensor, projections: int = 256, seed: int = 0, p: float = 2.0) -> float:
    """
    (mean_u W_p(x . u, y . u)^p)^(1/p), in units of x.

    Args:
        x: (n, d) points; other shapes (n, *) are flattened.
        y: (m, d) points, of the shape of x apart from m.
        projections: number of directions u, uniform on the sphere.
        seed: seed of the directions, which are drawn on the CPU.
        p: order of the distance, at least 1.
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
    """Cuts [0, 1] at all i / n and j / m; returns the indices of the sorted values of both samples on each interval, and its width."""
    ends = torch.cat([torch.arange(n + 1) * m, torch.arange(m + 1) * n]).unique()  # in units of 1 / n m: exact
    left = ends[:-1]
    return (left // m).to(device), (left // n).to(device), (ends.diff().double() / (n * m)).to(device)


def _check(x: Tensor, y: Tensor, projections: int, p: float) -> None:
    if x.dim() < 2 or x.shape[1:] != y.shape[1:] or 0 in (*x.shape, *y.shape):
        raise ValueError(
            f"samples must be (n, *) and (m, *), of one shape and not empty; got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if projections < 1 or not (p >= 1 and isfinite(p)):
        raise ValueError(f"at least 1 direction and a finite p >= 1 are needed; got {projections} and p = {p:g}")
    for name, points in (("first", x), ("second", y)):
        if not bool(points.isfinite().all()):
            raise ValueError(f"points must be finite; some of the {name} sample are not: check what computed them")
