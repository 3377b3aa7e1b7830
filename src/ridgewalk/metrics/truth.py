r"""
Distances of a path to the true one, where the things between two ends are known: of a digit that turns, a shape that grows, a process over time.

Both curves are polylines in images (b, k, \*) and (b, m, \*), P with the frames x_i and T with the true frames y_j. With d(x, T) the distance of a point to the
nearest point of the polyline T, and means over the arc length of the curve whose points are taken, so that frames that crowd count no more than others,

    departure    D(P, T) = mean_P d(x, T)          0 where the path runs on the true one
    coverage     D(T, P) = mean_T d(y, P)          0 where it runs through all of it
    hausdorff    (D(P, T) + D(T, P)) / 2 / |y_m - y_1|
    frechet      min over monotone matchings of both curves' frames of the largest distance of two that are matched, / |y_m - y_1|

A path that leaves out what lies between its ends has a small departure and a large coverage. ``hausdorff`` does not see in which order a path passes its
frames; ``frechet`` does.

Source: Dubuisson and Jain (1994), A modified Hausdorff distance for object matching (the mean, here over arc length and of both sides); Eiter and Mannila
(1994), Computing discrete Fréchet distance.
"""

import torch
from torch import Tensor

from ridgewalk import polyline


def departure(path: Tensor, truth: Tensor) -> Tensor:
    """D(P, T): (b, k, *), (b, m, *) -> (b,), in pixel units."""
    p, t = _curves(path, truth)
    return polyline.mean_along(distances_to_curve(p, t), polyline.segments(p))


def coverage(path: Tensor, truth: Tensor) -> Tensor:
    """D(T, P): (b, k, *), (b, m, *) -> (b,), in pixel units."""
    return departure(truth, path)


def hausdorff(path: Tensor, truth: Tensor) -> Tensor:
    """(D(P, T) + D(T, P)) / 2 / |y_m - y_1|: (b, k, *), (b, m, *) -> (b,); a ValueError where true ends are equal."""
    return (departure(path, truth) + coverage(path, truth)) / 2 / _between_ends(truth)


def frechet(path: Tensor, truth: Tensor) -> Tensor:
    """The discrete Fréchet distance over that of the true ends: (b, k, *), (b, m, *) -> (b,); a ValueError where true ends are equal."""
    p, t = _curves(path, truth)
    apart = torch.cdist(p, t, compute_mode="donot_use_mm_for_euclid_dist")
    k, m = apart.shape[1:]
    reached = apart.cummax(dim=2).values[
        :, 0
    ]  # the least largest distance of matchings that end at frame i of the path, by true frame
    for i in range(1, k):
        ends = [torch.maximum(reached[:, 0], apart[:, i, 0])]
        for j in range(1, m):
            before = torch.minimum(torch.minimum(reached[:, j], reached[:, j - 1]), ends[-1])
            ends.append(torch.maximum(before, apart[:, i, j]))
        reached = torch.stack(ends, dim=1)
    return reached[:, -1] / _between_ends(truth)


def distances_to_curve(points: Tensor, curve: Tensor) -> Tensor:
    """
    Distance of each point to the nearest point of a polyline: float64 (b, n, d), (b, m, d) -> (b, n).

    With s and u the start and the direction of a segment, the squared distance of x to it is |x - s - t u|^2, t = clamp((x - s).u / |u|^2, 0, 1).
    """
    start, along = curve[:, :-1], curve[:, 1:] - curve[:, :-1]
    length = along.square().sum(dim=2)[:, None]
    offset = points @ along.mT - (start * along).sum(dim=2)[:, None]  # (x - s).u: (b, n, m - 1)
    t = (offset / length.clamp_min(torch.finfo(length.dtype).tiny)).clamp(0, 1)
    from_start = torch.cdist(points, start, compute_mode="donot_use_mm_for_euclid_dist").square()
    squared = from_start - 2 * t * offset + t.square() * length
    return squared.clamp_min(0).amin(dim=2).sqrt()


def _curves(path: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Both curves as float64 (b, k, d) and (b, m, d), after checks."""
    if path.dim() < 3 or path.shape[:1] != truth.shape[:1] or path.shape[2:] != truth.shape[2:]:
        raise ValueError(
            f"a path (b, k, *) and the true one (b, m, *) must be of the same pairs and images; got {tuple(path.shape)} and {tuple(truth.shape)}"
        )
    if min(path.shape[1], truth.shape[1]) < 2:
        raise ValueError(f"a path needs at least 2 frames; got {path.shape[1]} and {truth.shape[1]}")
    return path.flatten(2).double(), truth.flatten(2).double()


def _between_ends(truth: Tensor) -> Tensor:
    apart = (truth[:, -1] - truth[:, 0]).flatten(1).double().norm(dim=1)
    if not bool((apart > 0).all()):
        raise ValueError(
            f"the true path of pair {int((apart == 0).nonzero()[0])} ends where it begins: choose ends that differ"
        )
    return apart
