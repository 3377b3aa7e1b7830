"""
Frechet distance of a set of samples from real images, in a judge's features.

    Frechet distance   |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)) of the features' means m and covariances S

Source: Heusel et al. (2017), equation 6, there of one published network's features; here of whatever network is given.
"""

import torch
from torch import Tensor, nn


class _Given(nn.Module):
    """Features that were made before."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.num_features = features

    def forward(self, x: Tensor) -> Tensor:
        return x


def frechet(a: Tensor, b: Tensor) -> float:
    """
    Frechet distance of two sets of features as Gaussians, by torchmetrics in float64.

    It falls with more samples, as their covariances are estimated better: compare sets of one size.

    Args:
        a: (n, f), n > 1.
        b: (m, f), m > 1.
    """
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"features must be (n, f) and (m, f) with at least 2 rows each; got {tuple(a.shape)}, {tuple(b.shape)}"
        )
    for name, f in (("a", a), ("b", b)):
        if not bool(f.isfinite().all()):  # an eigenvalue solver may take the process down with it
            raise ValueError(f"features must be finite; some of {name} are not: look at the images and at the network")
    from torchmetrics.image.fid import FrechetInceptionDistance

    distance = FrechetInceptionDistance(feature=_Given(a.shape[1])).set_dtype(torch.float64)
    distance.update(a.double().cpu(), real=True)
    distance.update(b.double().cpu(), real=False)
    return float(distance.compute())
