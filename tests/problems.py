"""Small energies with exact answers: Gaussians, a mixture of them, the Mueller-Brown surface, a ring, and a counter of rows."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.diffusion import SDE
from ridgewalk.protocols import Energy


def points(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal draws of a shape, in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def rows(*values: tuple[float, ...]) -> Tensor:
    """Points (n, d) in float64."""
    return torch.tensor(values, dtype=torch.float64)


def mixture_of_covariances(means: Tensor, covariances: Tensor, weights: Tensor | None = None) -> GaussianMixture:
    """sum_k w_k N(mu_k, C_k) of means (m, d), covariances (m, d, d) and weights (m,), which are equal where they are not given."""
    variances, axes = torch.linalg.eigh(covariances)
    return GaussianMixture(
        means, variances, means.new_full((len(means),), 1 / len(means)) if weights is None else weights, axes
    )


BAD_POINTS = [
    (torch.zeros(3), r"\(n, \*\)"),
    (torch.zeros(0, 2), "n >= 1"),
    (torch.zeros(3, 2, dtype=torch.long), "floating point"),
    (rows((0, 0), (float("nan"), 0)), "point 1"),
]
"""Points that nothing moves, and what is said of them."""


def curvature(f: Callable[[Tensor], Tensor], x: Tensor, step: float) -> tuple[float, float]:
    """w^T H v of sum f(x)^2, H its Hessian, along two random directions: by autograd, and by central differences."""
    v, w = points(*x.shape, seed=3), points(*x.shape, seed=4)

    def slope(at: Tensor, create_graph: bool = False) -> Tensor:
        at = at if create_graph else at.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(f(at).square().sum(), at, create_graph=create_graph)
        return (gradient * v).sum()

    x = x.detach().requires_grad_(True)
    (hessian_v,) = torch.autograd.grad(slope(x, create_graph=True), x)
    measured = (slope(x + step * w) - slope(x - step * w)) / (2 * step)
    return float((hessian_v * w).sum()), float(measured)


@dataclass(frozen=True)
class Gaussian:
    """|z - mu|^2 / (2 sigma^2), whose score is -(z - mu) / sigma^2."""

    sigma: float = 1.0
    mean: float = 0.0

    def __call__(self, z: Tensor, /) -> Tensor:
        return (z - self.mean).flatten(1).square().sum(dim=1) / (2 * self.sigma**2)


@dataclass(frozen=True, eq=False)
class Mixture:
    """-log sum_j exp(-|z - mu_j|^2 / (2 sigma^2)), minus the log density of equal Gaussians at means (m, d)."""

    means: Tensor
    sigma: float = 1.0

    def __call__(self, z: Tensor, /) -> Tensor:
        squared = (z.flatten(1)[:, None] - self.means.to(z)).square().sum(dim=2)
        return -torch.logsumexp(-squared / (2 * self.sigma**2), dim=1)


@dataclass(frozen=True)
class MuellerBrown:
    """sum_j A_j exp(a_j (x - X_j)^2 + b_j (x - X_j)(y - Y_j) + c_j (y - Y_j)^2) (Mueller and Brown 1979)."""

    terms = (
        (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
        (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
        (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
        (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
    )
    minima = ((-0.558, 1.442), (-0.050, 0.467), (0.623, 0.028))
    saddles = ((-0.822, 0.624), (0.212, 0.293))

    def __call__(self, z: Tensor, /) -> Tensor:
        x, y = z[:, 0], z[:, 1]
        total = torch.zeros_like(x)
        for height, a, b, c, x_0, y_0 in self.terms:
            u, v = x - x_0, y - y_0
            total = total + height * torch.exp(a * u**2 + b * u * v + c * v**2)
        return total


@dataclass(frozen=True)
class Ring:
    """s (|z| - 1)^2 / 2: the valley is the unit circle."""

    stiffness: float = 1.0

    def __call__(self, z: Tensor, /) -> Tensor:
        return self.stiffness * (z.flatten(1).norm(dim=1) - 1).square() / 2


@dataclass(frozen=True)
class GaussianLogit:
    """log N(z; 0, s_+^2) - log N(z; 0, s_-^2), the optimal logit of two Gaussians, and the name of the positive one."""

    positive: str
    sigma_positive: float = 1.0
    sigma_negative: float = 2.0

    def __call__(self, z: Tensor, /) -> Tensor:
        flat = z.flatten(1)
        ratio = torch.log(torch.tensor(self.sigma_negative / self.sigma_positive, dtype=z.dtype))
        bend = 1 / self.sigma_negative**2 - 1 / self.sigma_positive**2
        return flat.shape[1] * ratio + bend / 2 * flat.square().sum(dim=1)


@dataclass(frozen=True, eq=False)
class Counted:
    """An energy that counts its evaluated rows."""

    energy: Energy
    asked: list[int] = field(default_factory=list)

    def __call__(self, z: Tensor, /) -> Tensor:
        self.asked.append(z.shape[0])
        return self.energy(z)

    @property
    def rows(self) -> int:
        """Rows evaluated since it was made."""
        return sum(self.asked)


@dataclass(frozen=True, eq=False)
class Noised:
    """Equal Gaussians of deviation s at means (m, d) under x_t = alpha x_0 + sigma eps: the exact score of p_t, and draws of p_0."""

    sde: SDE
    means: Tensor
    deviation: float

    def variance(self, t: Tensor) -> Tensor:
        """alpha^2 s^2 + sigma^2."""
        return (self.sde.alpha(t) * self.deviation) ** 2 + self.sde.sigma(t) ** 2

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        t = t.double().expand(len(x))
        v, away = self.variance(t).to(x), x[:, None] - (self.sde.alpha(t)[:, None, None] * self.means.double()).to(x)
        share = torch.softmax(-away.square().sum(dim=2) / (2 * v[:, None]), dim=1)
        return -(share[:, :, None] * away).sum(dim=1) / v[:, None]

    def draw(self, n: int, seed: int = 0) -> Tensor:
        """Draws (n, d) in float64; as many of each mode as its share, to one."""
        of = self.means[torch.arange(n) % len(self.means)].double()
        return of + self.deviation * points(*of.shape, seed=seed)
