"""
Frechet distance between two sets of features, as Gaussians, and the check that two such sets are comparable.

    |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))    with the means m and the covariances S of the features

Source: Heusel et al. (2017), equation 6, which defines it for one published network; here the features may come from any network.
"""

import torch
from torch import Tensor, nn


class _Given(nn.Module):
    """Returns features that were computed before."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.num_features = features

    def forward(self, x: Tensor) -> Tensor:
        return x


def frechet(a: Tensor, b: Tensor) -> float:
    """Frechet distance of features a (n, f) and b (m, f) by torchmetrics in float64; it falls with n and m, so compare sets of equal size."""
    refuse_unlike("features", a, b)  # an eigenvalue solver may end the process on values that are not finite
    from torchmetrics.image.fid import FrechetInceptionDistance

    distance = FrechetInceptionDistance(feature=_Given(a.shape[1])).set_dtype(torch.float64)
    distance.update(a.double().cpu(), real=True)
    distance.update(b.double().cpu(), real=False)
    return float(distance.compute())


def refuse_unlike(name: str, a: Tensor, b: Tensor) -> None:
    """Raises ValueError unless a is (n, f) and b is (m, f) with at least 2 rows each and finite values; ``name`` says what they are."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"{name} must be (n, f) and (m, f) with at least 2 rows each; got {tuple(a.shape)}, {tuple(b.shape)}: "
            "take both from one network or data set"
        )
    for which, rows in (("first", a), ("second", b)):
        if not bool(rows.isfinite().all()):
            raise ValueError(f"{name} must be finite; some of the {which} set are not: check what computed them")
