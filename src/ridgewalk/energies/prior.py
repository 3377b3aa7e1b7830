"""
Energies of Gaussians: minus their log density up to a constant. They map (n, *) to (n,).

    GaussianPrior   E(z) = |z|^2 / (2 sigma^2)
    FullGaussian    E(z) = (z - mu)' C^-1 (z - mu) / 2        the broadest density with the mean and the covariance of given codes
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    """Minus log N(z; 0, sigma^2 I) without its constant, |z|^2 / (2 sigma^2)."""

    sigma: float = 1.0

    def __call__(self, z: Tensor, /) -> Tensor:
        return z.flatten(1).square().sum(dim=1) / (2 * self.sigma**2)


@dataclass(frozen=True, eq=False)
class FullGaussian:
    """
    Minus log N(z; mu, C) without its constant.

    Attributes:
        mean: mu, in the shape of one point with d values.
        covariance: C, (d, d), symmetric and positive definite.
    """

    mean: Tensor
    covariance: Tensor

    def __post_init__(self) -> None:
        d = self.mean.numel()
        if self.covariance.shape != (d, d):
            raise ValueError(
                f"a Gaussian whose mean has {d} values needs a covariance ({d}, {d}); got {tuple(self.covariance.shape)}"
            )
        if not (self.mean.isfinite().all() and torch.allclose(self.covariance, self.covariance.T)) or int(
            torch.linalg.cholesky_ex(self.covariance).info
        ):
            raise ValueError(
                "a Gaussian needs a finite mean and a symmetric positive definite covariance; "
                "FullGaussian.of makes one from few or flat codes by shrinkage"
            )

    @classmethod
    def of(cls, codes: Tensor, shrinkage: float = 0.05) -> "FullGaussian":
        """
        The Gaussian with the mean of codes and the covariance (1 - s) S + s tr(S) / d I, where S is theirs (Ledoit and Wolf 2004, with given s).

        Args:
            codes: (n, *) with n >= 2, not all equal.
            shrinkage: s in (0, 1], which gives some width to directions in which codes do not vary.
        """
        if codes.dim() < 2 or len(codes) < 2 or not codes.isfinite().all():
            raise ValueError(f"a Gaussian is fitted to finite codes (n, *) with n >= 2; got {tuple(codes.shape)}")
        if not 0 < shrinkage <= 1:
            raise ValueError(f"shrinkage must be in (0, 1]; got {shrinkage}")
        flat = codes.detach().flatten(1)
        covariance = torch.atleast_2d(flat.T.cov())
        width = covariance.diagonal().mean()
        if not width > 0:
            raise ValueError(f"all {len(codes)} codes are the same point: no Gaussian has their covariance")
        eye = torch.eye(flat.shape[1], dtype=flat.dtype, device=flat.device)
        return cls(codes.detach().mean(dim=0), (1 - shrinkage) * covariance + shrinkage * width * eye)

    @cached_property
    def _whitening(self) -> Tensor:
        """W (d, d) with W' W = C^-1."""
        factor = torch.linalg.cholesky(self.covariance)
        eye = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
        return torch.linalg.solve_triangular(factor, eye, upper=False)

    def __call__(self, z: Tensor, /) -> Tensor:
        return ((z - self.mean).flatten(1) @ self._whitening.T).square().sum(dim=1) / 2
