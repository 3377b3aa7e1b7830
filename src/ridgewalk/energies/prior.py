"""
Gaussians as energies: minus their log density, up to a constant.

    GaussianPrior   E(z) = |z|^2 / (2 sigma^2)
    FullGaussian    E(z) = (z - mu)' C^-1 (z - mu) / 2        the broadest density with the mean and the covariance of given codes
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    """Minus log N(z; 0, sigma^2 I), without its constant: (n, *) -> (n,)."""

    sigma: float = 1.0

    def __call__(self, z: Tensor, /) -> Tensor:
        """|z|^2 / (2 sigma^2)."""
        return z.flatten(1).square().sum(dim=1) / (2 * self.sigma**2)


@dataclass(frozen=True, eq=False)
class FullGaussian:
    """
    Minus log N(z; mu, C), without its constant.

    Attributes:
        mean: mu, (*).
        covariance: C, (d, d) over the d values of a point, symmetric and positive definite.
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
                "FullGaussian.of shrinks that of few or flat codes until it is one"
            )

    @classmethod
    def of(cls, codes: Tensor, shrinkage: float = 0.05) -> "FullGaussian":
        """
        The Gaussian with the mean of codes and (1 - s) S + s tr(S) / d I, S their covariance (Ledoit and Wolf 2004, with s given).

        Args:
            codes: (n, *), n >= 2, not all the same.
            shrinkage: s in (0, 1]; above 0 a direction in which codes do not vary keeps some width.
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
        """W with W' W = C^-1: (d, d)."""
        factor = torch.linalg.cholesky(self.covariance)
        eye = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
        return torch.linalg.solve_triangular(factor, eye, upper=False)

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return ((z - self.mean).flatten(1) @ self._whitening.T).square().sum(dim=1) / 2
