"""The prior as an energy: E(z) = |z|^2 / (2 sigma^2), minus the log density of N(0, sigma^2 I) up to a constant."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    """Minus log N(z; 0, sigma^2 I), without its constant: (n, *) -> (n,)."""

    sigma: float = 1.0

    def __call__(self, z: Tensor, /) -> Tensor:
        """|z|^2 / (2 sigma^2)."""
        return z.flatten(1).square().sum(dim=1) / (2 * self.sigma**2)
