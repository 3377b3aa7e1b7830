"""
k-nearest-neighbour precision and realism: whether a feature lies as near to real ones as real ones lie to each other.

    r_j       = distance of reference phi_j to its k-th nearest other reference
    inside    : |phi - phi_j| <= r_j for some j
    realism   = max_j r_j / |phi - phi_j|

Precision is the mean of ``inside``. An image lies in its own ball, so the two images that a path was made from must not
judge its frames: leave them out of the reference, or name them in ``exclude``.

Distances are summed from differences, not expanded into |a|^2 - 2ab + |b|^2: equal features are at distance 0 exactly,
a point on a ball's edge is on it, and a row's answer does not depend on its batch. ``chunk`` rows meet all m references
at once, which takes chunk x m values, twice that with ``exclude`` or for ``realism``: 20 to 40 MB for 1,024 rows and
5,000 in float32.

Source: Kynkaanniemi, Karras, Laine, Lehtinen and Aila (2019), Improved precision and recall metric for assessing
generative models, equations 1 and 3.
"""

import torch
from torch import Tensor

from ridgewalk.path import chunked

CHUNK = 1024
"""Rows whose distances to all references are held at once."""


def radii(reference: Tensor, k: int = 3, chunk: int = CHUNK) -> Tensor:
    """
    r_j = |phi_j - phi_(k)|, the distance of each reference to its k-th nearest other reference: (m,).

    Args:
        reference: (m, f) features of real images. Equal rows count as others of each other.
        k: which neighbour, 1 <= k < m.
        chunk: rows at once.

    Source: Kynkaanniemi et al. (2019), equation 1; their k is 3.
    """
    _check_features("reference", reference)
    m = reference.shape[0]
    if not 1 <= k < m:
        raise ValueError(
            f"each reference needs k others, 1 <= k < m; got k = {k} and m = {m}: lower k or add references"
        )

    def kth(part: Tensor, own: Tensor) -> Tensor:
        return _distances(part, reference, own).topk(k, dim=1, largest=False).values.amax(dim=1)

    return chunked(kth, reference, torch.arange(m, device=reference.device)[:, None], chunk=chunk)


def inside(
    features: Tensor, reference: Tensor, radii: Tensor, exclude: Tensor | None = None, chunk: int = CHUNK
) -> Tensor:
    """
    |phi_i - phi_j| <= r_j for some j not left out: bool (n,); the edge belongs to the ball.

    Args:
        features: (n, f) of the frames judged. A row with NaN is inside nothing.
        reference: (m, f).
        radii: (m,) of ``radii(reference, k)``.
        exclude: (n, e) integers; row i does not count the balls of the references with these indices, such as its
            path's ends; -1 stands for none. The other balls keep the radii that they have in the whole reference.
        chunk: rows at once.

    Source: Kynkaanniemi et al. (2019), equation 1.
    """
    left_out = _check(features, reference, radii, exclude)

    def within(part: Tensor, own: Tensor) -> Tensor:
        return (_distances(part, reference, own) <= radii).any(dim=1)

    return chunked(within, features, left_out, chunk=chunk)


def realism(
    features: Tensor,
    reference: Tensor,
    radii: Tensor,
    exclude: Tensor | None = None,
    keep: float = 0.5,
    chunk: int = CHUNK,
) -> Tensor:
    """
    max_j r_j / |phi_i - phi_j| over the balls that are kept and not left out: (n,), at least 1 inside one of them.

    It is inf at a reference itself, 0 where no ball is left, NaN where the features are.

    Args:
        features: (n, f).
        reference: (m, f).
        radii: (m,) of ``radii(reference, k)``.
        exclude: (n, e) indices to leave out, row by row; see ``inside``.
        keep: share of the balls that count, the smallest: radii up to their ``keep`` quantile. An outlier's ball is so
            large that everything is near it; the source drops those above the median. With 1, realism >= 1 just where
            ``inside``.
        chunk: rows at once.

    Source: Kynkaanniemi et al. (2019), equation 3 and the paragraph after it.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep is the share of the balls that count, 0 < keep <= 1; got {keep}")
    left_out = _check(features, reference, radii, exclude)
    kept = radii <= radii.quantile(keep)
    position = torch.where(kept, kept.cumsum(0) - 1, -1)
    left_out = torch.where(left_out < 0, -1, position[left_out.clamp_min(0)])
    centres, edges = reference[kept], radii[kept]

    def nearest(part: Tensor, own: Tensor) -> Tensor:
        distances = _distances(part, centres, own)
        return torch.where(distances == 0, torch.inf, edges / distances).amax(dim=1)

    return chunked(nearest, features, left_out, chunk=chunk)


def _distances(features: Tensor, reference: Tensor, left_out: Tensor) -> Tensor:
    """|phi_i - phi_j|, inf where j is left out of row i: (n, f), (m, f), (n, e) -> (n, m)."""
    distances = torch.cdist(features, reference, compute_mode="donot_use_mm_for_euclid_dist")
    if left_out.shape[1] == 0:
        return distances
    n, m = distances.shape
    nobody = torch.zeros(n, m + 1, dtype=torch.bool, device=features.device)  # the last column takes the -1s
    return distances.masked_fill(nobody.scatter(1, torch.where(left_out < 0, m, left_out), True)[:, :m], torch.inf)


def _check_features(name: str, features: Tensor) -> None:
    if features.dim() != 2 or not features.is_floating_point():
        raise ValueError(f"{name} must be floating features (n, f); got {features.dtype} {tuple(features.shape)}")


def _check(features: Tensor, reference: Tensor, radii: Tensor, exclude: Tensor | None) -> Tensor:
    """Shapes that fit, and the indices to leave out as (n, e) int64; e = 0 without any."""
    _check_features("features", features)
    _check_features("reference", reference)
    n, m = features.shape[0], reference.shape[0]
    if features.shape[1] != reference.shape[1]:
        raise ValueError(
            f"features and reference must share their f; got {tuple(features.shape)} and {tuple(reference.shape)}"
        )
    if radii.shape != (m,):
        raise ValueError(f"every reference has one radius, ({m},); got {tuple(radii.shape)}")
    if exclude is None:
        return torch.empty(n, 0, dtype=torch.int64, device=features.device)
    if exclude.dim() != 2 or exclude.shape[0] != n or exclude.is_floating_point() or exclude.dtype == torch.bool:
        raise ValueError(f"exclude must hold indices, ({n}, e) integers; got {exclude.dtype} {tuple(exclude.shape)}")
    if exclude.numel() and not -1 <= int(exclude.min()) <= int(exclude.max()) < m:
        raise ValueError(
            f"exclude must hold indices of the {m} references, or -1 for none; "
            f"got values from {int(exclude.min())} to {int(exclude.max())}"
        )
    return exclude.long()
