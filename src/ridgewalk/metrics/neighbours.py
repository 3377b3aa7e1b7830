"""
k-nearest-neighbour precision and realism: whether a feature is as near to real features as these are to each other.

    r_j       = distance of reference phi_j to its k-th nearest other reference
    inside    : |phi - phi_j| <= r_j for some j
    realism   = max_j r_j / |phi - phi_j|

Precision is the mean of ``inside``. An image lies in its own ball, so the two images from which a path was made must not judge its frames: keep them out
of the reference, or name them in ``exclude``.

Distances are computed from differences, not from |a|^2 - 2ab + |b|^2: equal features have distance 0 exactly, and a row's result does not depend on its
batch. A block of 1,024 rows against 5,000 references takes 20 MB in float32, twice that with ``exclude`` or for ``realism``.

Source: Kynkaanniemi, Karras, Laine, Lehtinen and Aila (2019), Improved precision and recall metric for assessing generative models, equations 1 and 3.
"""

import torch
from torch import Tensor

from ridgewalk.path import chunked

CHUNK = 1024
"""Number of rows whose distances to all references are in memory at once."""


def radii(reference: Tensor, k: int = 3) -> Tensor:
    """
    r_j = |phi_j - phi_(k)|, the distance of each reference to its k-th nearest other reference: (m,).

    Args:
        reference: (m, f) features of real images; equal rows count as different references.
        k: order of the neighbour, 1 <= k < m; the source takes 3.
    """
    _check_features("reference", reference)
    m = reference.shape[0]
    if not 1 <= k < m:
        raise ValueError(
            f"each reference needs k others, 1 <= k < m; got k = {k} and m = {m}: lower k or add references"
        )

    def kth(part: Tensor, own: Tensor) -> Tensor:
        return _distances(part, reference, own).topk(k, dim=1, largest=False).values.amax(dim=1)

    return chunked(kth, reference, torch.arange(m, device=reference.device)[:, None], chunk=CHUNK)


def inside(features: Tensor, reference: Tensor, radii: Tensor, exclude: Tensor | None = None) -> Tensor:
    """
    |phi_i - phi_j| <= r_j for some j that is not excluded: bool (n,).

    Args:
        features: (n, f) features of the judged frames.
        reference: (m, f) features of real images.
        radii: (m,) radii of the references.
        exclude: (n, e) integers; row i ignores the balls of the references with these indices, such as the ends of its path; -1 stands for none.
    """
    left_out = _check(features, reference, radii, exclude)

    def within(part: Tensor, own: Tensor) -> Tensor:
        return (_distances(part, reference, own) <= radii).any(dim=1)

    return chunked(within, features, left_out, chunk=CHUNK)


def realism(
    features: Tensor, reference: Tensor, radii: Tensor, exclude: Tensor | None = None, keep: float = 0.5
) -> Tensor:
    """
    max_j r_j / |phi_i - phi_j| over the balls that are kept and not excluded: (n,), at least 1 in one of these balls.

    It is inf at a reference, 0 where all balls are excluded, and NaN where the features are. The smallest balls are kept, a share ``keep`` of all, since the
    large ball of an outlier is near everything; the source keeps those up to the median. With ``keep`` = 1, realism >= 1 is equivalent to ``inside``. The
    other arguments are those of ``inside``.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep is the share of balls that are kept, 0 < keep <= 1; got {keep}")
    left_out = _check(features, reference, radii, exclude)
    kept = radii <= radii.quantile(keep)
    position = torch.where(kept, kept.cumsum(0) - 1, -1)
    left_out = torch.where(left_out < 0, -1, position[left_out.clamp_min(0)])
    centres, edges = reference[kept], radii[kept]

    def nearest(part: Tensor, own: Tensor) -> Tensor:
        distances = _distances(part, centres, own)
        return torch.where(distances == 0, torch.inf, edges / distances).amax(dim=1)

    return chunked(nearest, features, left_out, chunk=CHUNK)


def _distances(features: Tensor, reference: Tensor, left_out: Tensor) -> Tensor:
    """|phi_i - phi_j|, or inf where row i excludes j: (n, f), (m, f), (n, e) -> (n, m)."""
    distances = torch.cdist(features, reference, compute_mode="donot_use_mm_for_euclid_dist")
    if left_out.shape[1] == 0:
        return distances
    n, m = distances.shape
    nobody = torch.zeros(n, m + 1, dtype=torch.bool, device=features.device)  # the last column receives the -1s
    return distances.masked_fill(nobody.scatter(1, torch.where(left_out < 0, m, left_out), True)[:, :m], torch.inf)


def _check_features(name: str, features: Tensor) -> None:
    if features.dim() != 2 or not features.is_floating_point():
        raise ValueError(f"{name} must be floating features (n, f); got {features.dtype} {tuple(features.shape)}")


def _check(features: Tensor, reference: Tensor, radii: Tensor, exclude: Tensor | None) -> Tensor:
    """Checks shapes and returns the excluded indices as int64 (n, e), e = 0 where there are none."""
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
