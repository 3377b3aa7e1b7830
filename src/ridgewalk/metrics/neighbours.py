"""
k-nearest-neighbour precision and realism (Kynkaanniemi et al. 2019, Improved precision and recall).

Around each real feature phi_r stands a ball of radius NN_k(phi_r), the distance to its k-th nearest other real feature. A frame's feature
phi is *inside* when it lies in any ball. Its *realism* is max_r NN_k(phi_r) / |phi - phi_r| over the half of the references with the smaller radii
(eq. 3 of the paper, which leaves out large balls for robustness).

The reference must not hold what is judged: leave a path's own ends out of it, or name them in ``exclude``.
"""

import torch
from torch import Tensor

ROWS = 1024
"""Rows whose distances to all m references are held at once: ROWS x m floats."""


def radii(reference: Tensor, k: int = 3) -> Tensor:
    """
    Distance of each reference to its k-th nearest other reference: (m, f) -> (m,).

    Raises:
        ValueError: if there are not more than k references.
    """
    if reference.dim() != 2 or not 1 <= k < reference.shape[0]:
        raise ValueError(f"k-NN balls need references (m, f) with m > k >= 1; got shape {tuple(reference.shape)} and k {k}")
    # kthvalue counts from 1, and the nearest of all is the reference itself
    return torch.cat([torch.cdist(part, reference).kthvalue(k + 1, dim=1).values for part in reference.split(ROWS)])


def inside(features: Tensor, reference: Tensor, balls: Tensor, exclude: Tensor | None = None) -> Tensor:
    """
    Whether each feature lies in any ball, its border included: bool (n,).

    Args:
        features: (n, f).
        reference: (m, f).
        balls: (m,) from ``radii``.
        exclude: int64 (n, e), references that do not count for a row; -1 for none.
    """
    out = []
    for rows, left_out in _split(features, exclude):
        within = _distances(rows, reference, left_out) <= balls
        out.append(within.any(dim=1))
    return torch.cat(out)


def realism(features: Tensor, reference: Tensor, balls: Tensor, exclude: Tensor | None = None, keep: float = 0.5) -> Tensor:
    """
    max_r radius_r / |phi - phi_r|: (n,); infinite at a reference itself.

    Args:
        features: (n, f).
        reference: (m, f).
        balls: (m,) from ``radii``.
        exclude: int64 (n, e), references that do not count for a row; -1 for none.
        keep: share of the references that count, those with the smallest radii; 1 for all.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep is a share of the references in (0, 1]; got {keep}")
    limit = balls.kthvalue(max(1, round(keep * len(balls)))).values
    out = []
    for rows, left_out in _split(features, exclude):
        ratio = balls / _distances(rows, reference, left_out)
        out.append(torch.where(balls <= limit, ratio, torch.zeros_like(ratio)).amax(dim=1))
    return torch.cat(out)


def _split(features: Tensor, exclude: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
    parts = features.split(ROWS)
    left_out = [None] * len(parts) if exclude is None else list(exclude.split(ROWS))
    return list(zip(parts, left_out))


def _distances(rows: Tensor, reference: Tensor, exclude: Tensor | None) -> Tensor:
    distance = torch.cdist(rows, reference)
    if exclude is not None:
        for column in exclude.unbind(dim=1):
            named = (column >= 0).nonzero().flatten()
            distance[named, column[named]] = float("inf")
    return distance
