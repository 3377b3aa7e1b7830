"""
Mixtures of Gaussians, whose score is known in closed form, also for the data with noise and for the posterior given a linear measurement.

    p(x) = sum_k w_k N(x; mu_k, C_k),    C_k = U_k diag(v_k) U_k^T,    r_k(x) = w_k N(x; mu_k, C_k) / p(x)

    score          grad log p(x)              = -sum_k r_k(x) C_k^-1 (x - mu_k)
    noise          alpha X + sigma eps        ~ sum_k w_k N(alpha mu_k, alpha^2 C_k + sigma^2 I)
    denoising      E[X | alpha X + sigma eps] = sum_k r_k (mu_k + alpha C_k (alpha^2 C_k + sigma^2 I)^-1 (x - alpha mu_k))

Noise changes v_k to alpha^2 v_k + sigma^2 and keeps the axes U_k, so each covariance is decomposed only once. The score is computed by the formula, not by
autograd, and can be differentiated.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

import torch
from torch import Tensor

_BLOCK = 2**20  # number of (row, component, dimension) values in one block: 8 MB in float64

Number = float | Tensor


class Noising(Protocol):
    """The noise schedule of a diffusion: x_t = alpha(t) x_0 + sigma(t) eps."""

    def alpha(self, t: Tensor, /) -> Tensor:
        """Factor of the data, of the shape of t."""

    def sigma(self, t: Tensor, /) -> Tensor:
        """Standard deviation of the noise, of the shape of t."""


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """
    sum_k w_k N(mu_k, U_k diag(v_k) U_k^T).

    Densities and scores are computed in the dtype and on the device of the points; samples have those of the mixture.

    Args:
        means: (m, d) means mu.
        variances: (m, d) variances v > 0 along the axes of each component.
        weights: (m,) weights w >= 0 with sum 1.
        axes: (m, d, d) orthonormal matrices U with one axis in each column; None for the coordinate axes.
    """

    means: Tensor
    variances: Tensor
    weights: Tensor
    axes: Tensor | None = None

    def __post_init__(self) -> None:
        given = [self.means, self.variances, self.weights, *([] if self.axes is None else [self.axes])]
        if self.means.dim() != 2 or 0 in self.means.shape:
            raise ValueError(f"means must be (m, d), one row for each component; got {tuple(self.means.shape)}")
        m, d = self.means.shape
        expected = [(m, d), (m, d), (m,), (m, d, d)][: len(given)]
        if [tuple(v.shape) for v in given] != expected:
            raise ValueError(
                f"means, variances, weights and axes must be {', '.join(map(str, expected))}; "
                f"got {', '.join(str(tuple(v.shape)) for v in given)}"
            )
        if not self.means.is_floating_point() or any(v.dtype != self.means.dtype for v in given):
            raise ValueError(f"a mixture's tensors must be floats of one type; got {[str(v.dtype) for v in given]}")
        if not all(v.isfinite().all() for v in given):
            raise ValueError("a mixture must be finite; its means, variances, weights or axes have NaN or Inf")
        if self.variances.min() <= 0:
            k = int(self.variances.amin(dim=1).argmin())
            raise ValueError(
                f"variances must be positive; component {k} has {float(self.variances[k].min()):g}; widen it"
            )
        total = float(self.weights.double().sum())
        if self.weights.min() < 0 or abs(total - 1) > 1e-5:
            raise ValueError(
                f"weights must be at least 0 and sum to 1; got a least of {float(self.weights.min()):g} and a sum of "
                f"{total:g}; divide them by their sum"
            )
        if self.axes is not None:
            off = (self.axes.mT @ self.axes - torch.eye(d).to(self.axes)).abs().max()
            if off > 1e-4:
                raise ValueError(f"axes must be orthonormal columns; U^T U differs from the identity by {float(off):g}")

    @classmethod
    def from_deviations(cls, means: Tensor, deviations: Number, weights: Tensor | None = None) -> "GaussianMixture":
        """
        A mixture whose components have the coordinate axes.

        Args:
            means: (m, d) means.
            deviations: standard deviations: one number, (m,) one for each component, or (m, d).
            weights: (m,) weights; equal by default.
        """
        s = _like(deviations, means)
        if s.shape not in ((), means.shape[:1], means.shape):
            raise ValueError(
                f"deviations must be one, (m,) or (m, d) for means {tuple(means.shape)}; got {tuple(s.shape)}"
            )
        if not (s > 0).all():
            raise ValueError(f"deviations must be positive; got {float(s.min()):g}")
        s = s[:, None] if s.dim() == 1 else s
        weights = means.new_full(means.shape[:1], 1 / len(means)) if weights is None else weights
        return cls(means, (s**2).expand(means.shape).clone(), weights)

    def __len__(self) -> int:
        """The number of components, m."""
        return len(self.means)

    @property
    def dims(self) -> int:
        """The number of dimensions, d."""
        return self.means.shape[1]

    @property
    def covariances(self) -> Tensor:
        """U_k diag(v_k) U_k^T: (m, d, d)."""
        roots = self._roots()
        return roots @ roots.mT

    @property
    def mean(self) -> Tensor:
        """Mean of the mixture, sum_k w_k mu_k: (d,)."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Tensor:
        """Covariance of the mixture, sum_k w_k (C_k + (mu_k - mean)(mu_k - mean)^T): (d, d)."""
        away = self.means - self.mean
        return torch.einsum("k,kij->ij", self.weights, self.covariances + away[:, :, None] * away[:, None])

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> "GaussianMixture":
        """The mixture with another dtype or on another device."""
        means, variances, weights = (
            v.to(device=device, dtype=dtype) for v in (self.means, self.variances, self.weights)
        )
        axes = None if self.axes is None else self.axes.to(device=device, dtype=dtype)
        return GaussianMixture(means, variances, weights, axes)

    def log_prob(self, x: Tensor) -> Tensor:
        """The log density log p(x): (n, d) -> (n,)."""
        return self._at(x, lambda at: torch.logsumexp(at.log_joint, dim=1))

    def responsibilities(self, x: Tensor) -> Tensor:
        """r_k(x), the probability that x was drawn from component k: (n, d) -> (n, m)."""
        return self._at(x, lambda at: torch.softmax(at.log_joint, dim=1))

    def score(self, x: Tensor) -> Tensor:
        """The score grad log p(x) = -sum_k r_k(x) C_k^-1 (x - mu_k): (n, d) -> (n, d)."""
        return self._at(x, _Terms.score)

    def denoised(self, x_t: Tensor, alpha: Number, sigma: Number) -> Tensor:
        """
        E[X | alpha X + sigma eps = x_t], equal to Tweedie's (x_t + sigma^2 grad log p_t(x_t)) / alpha, but exact for small alpha too.

        Args:
            x_t: (n, d) noised points.
            alpha: factor of the data; a number, () or (n,).
            sigma: standard deviation of the noise; a number, () or (n,).

        Source: B. Efron, "Tweedie's formula and selection bias" (2011).
        """
        return self._at(x_t, _Terms.clean, alpha, sigma)

    def noised_score(self, x_t: Tensor, alpha: Number, sigma: Number) -> Tensor:
        """The score of the law of alpha X + sigma eps at x_t: (n, d), numbers or (n,) -> (n, d)."""
        return self._at(x_t, _Terms.score, alpha, sigma)

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draws n points mu_k + U_k (v_k^(1/2) eps), eps ~ N(0, I); returns them as (n, d) with their components k, int64 (n,)."""
        if n < 1:
            raise ValueError(f"the number of points must be at least 1; got {n}")
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.dims, generator=generator, dtype=self.means.dtype, device=self.means.device)
        x = self.variances[k].sqrt() * noise
        if self.axes is not None:
            for j in range(len(self)):  # the axes of every row at once would be (n, d, d)
                x[k == j] = x[k == j] @ self.axes[j].T
        return self.means[k] + x, k

    def noised(self, alpha: float, sigma: float) -> "GaussianMixture":
        """The law of alpha X + sigma eps, eps ~ N(0, I): means alpha mu_k, covariances alpha^2 C_k + sigma^2 I."""
        alpha, sigma = float(alpha), float(sigma)
        if sigma < 0:
            raise ValueError(f"sigma is a standard deviation, at least 0; got {sigma:g}")
        return GaussianMixture(alpha * self.means, alpha**2 * self.variances + sigma**2, self.weights, self.axes)

    def affine(self, scale: Number, shift: Number = 0.0) -> "GaussianMixture":
        """The law of scale X + shift; both are numbers or (d,), and no scale is 0."""
        s, b = _like(scale, self.means), _like(shift, self.means)
        if any(v.shape not in ((), (self.dims,)) for v in (s, b)):
            raise ValueError(
                f"scale and shift must be numbers or ({self.dims},); got {tuple(s.shape)} and {tuple(b.shape)}"
            )
        if (s == 0).any():
            raise ValueError("a scale of 0 leaves no density; choose another")
        means = s * self.means + b
        if self.axes is None or s.dim() == 0:
            return GaussianMixture(means, s**2 * self.variances, self.weights, self.axes)
        return _of_roots(means, s[:, None] * self._roots(), self.weights)

    def standardised(self) -> "GaussianMixture":
        """The law of (X - E X) / s, with the number s for which the variance, averaged over dimensions, is 1."""
        s = float(self.covariance.diagonal().mean().sqrt())
        return self.affine(1 / s, -self.mean / s)

    def posterior(self, operator: Tensor, y: Tensor, noise: float) -> "GaussianMixture":
        """
        The law of X given A X + noise eps = y, eps ~ N(0, I): with S_k = A C_k A^T + noise^2 I and K_k = C_k A^T S_k^-1,

            w_k' ~ w_k N(y; A mu_k, S_k),   mu_k' = mu_k + K_k (y - A mu_k),   C_k' = (I - K_k A) C_k (I - K_k A)^T + noise^2 K_k K_k^T

        The covariance, in Joseph's form with the root [(I - K A) C^(1/2), noise K], stays positive for small noise.

        Args:
            operator: A, (q, d), such as rows of the identity for in-painting.
            y: (q,) measurement.
            noise: standard deviation of the measurement noise, above 0.
        """
        if operator.dim() != 2 or operator.shape[1] != self.dims or y.shape != operator.shape[:1]:
            raise ValueError(
                f"an operator (q, {self.dims}) and y (q,) are needed; got {tuple(operator.shape)} and {tuple(y.shape)}"
            )
        if not noise > 0:
            raise ValueError(f"the noise of a measurement must be above 0; got {noise:g}; choose a small one")
        a, y = operator.to(self.means), y.to(self.means)
        roots = self._roots()
        seen = a @ roots  # (m, q, d)
        eye = torch.eye(len(a)).to(a)
        lower = torch.linalg.cholesky(seen @ seen.mT + noise**2 * eye)
        gain = torch.cholesky_solve(seen @ roots.mT, lower).mT  # (m, d, q)
        residual = y - self.means @ a.T
        whitened = torch.linalg.solve_triangular(lower, residual[:, :, None], upper=False).squeeze(2)
        log_density = -whitened.square().sum(dim=1) / 2 - lower.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        return _of_roots(
            self.means + (gain @ residual[:, :, None]).squeeze(2),
            torch.cat([roots - gain @ seen, noise * gain], dim=2),
            torch.softmax(self.weights.log() + log_density, dim=0),
        )

    def _roots(self) -> Tensor:
        """U_k diag(v_k)^(1/2): (m, d, d)."""
        deviations = self.variances.sqrt()
        return torch.diag_embed(deviations) if self.axes is None else self.axes * deviations[:, None]

    def _at(self, x: Tensor, value: "Callable[[_Terms], Tensor]", alpha: Number = 1.0, sigma: Number = 0.0) -> Tensor:
        """Evaluates ``value`` on the terms at x (n, d) in blocks of rows."""
        if x.dim() != 2 or x.shape[1] != self.dims or not x.is_floating_point():
            raise ValueError(f"points must be floats (n, {self.dims}); got {x.dtype} {tuple(x.shape)}")
        mixture = self if (x.dtype, x.device) == (self.means.dtype, self.means.device) else self.to(x.dtype, x.device)
        rows = max(1, _BLOCK // self.means.numel())
        blocks = zip(x.split(rows), _by_rows(alpha, x, rows), _by_rows(sigma, x, rows))
        found = [value(_Terms(mixture, *block)) for block in blocks]
        return found[0] if len(found) == 1 else torch.cat(found)


class _Terms:
    """The terms of the components at rows x (n, d) of the law of alpha X + sigma eps; alpha and sigma are (1, 1, 1) or (n, 1, 1)."""

    def __init__(self, mixture: GaussianMixture, x: Tensor, alpha: Tensor, sigma: Tensor) -> None:
        self.mixture, self.alpha = mixture, alpha
        away = x[:, None] - alpha * mixture.means
        along = away if mixture.axes is None else torch.einsum("nki,kij->nkj", away, mixture.axes)
        variances = alpha**2 * mixture.variances + sigma**2
        self.pull = along / variances  # U_k^T C_k^-1 (x - mu_k), (n, m, d)
        log_volume = (2 * math.pi * variances).log().sum(dim=2)
        self.log_joint = mixture.weights.log() - ((along * self.pull).sum(dim=2) + log_volume) / 2
        """log w_k N(x; mu_k, C_k), (n, m)."""

    def score(self) -> Tensor:
        """-sum_k r_k U_k pull_k."""
        return -self._mean(self.pull)

    def clean(self) -> Tensor:
        """sum_k r_k (mu_k + U_k (alpha v_k pull_k))."""
        shares = torch.softmax(self.log_joint, dim=1)
        return shares @ self.mixture.means + self._mean(self.alpha * self.mixture.variances * self.pull)

    def _mean(self, along: Tensor) -> Tensor:
        """sum_k r_k U_k along_k, (n, d)."""
        shares = torch.softmax(self.log_joint, dim=1)
        if self.mixture.axes is None:
            return torch.einsum("nk,nki->ni", shares, along)
        return torch.einsum("nkj,kij->ni", shares[:, :, None] * along, self.mixture.axes)


def exact_score(density: GaussianMixture, sde: Noising) -> Callable[[Tensor, Tensor], Tensor]:
    """
    The vector field (x, t) -> grad log p_t(x), with p_t the law of alpha(t) X + sigma(t) eps for X of law ``density``.

    x is (n, d) and t () or (n,). The field is differentiable in x. For float32 points its relative error is about 1e-5; alpha and sigma are computed in
    float64.
    """

    def field(x: Tensor, t: Tensor, /) -> Tensor:
        if t.shape not in ((), x.shape[:1]):
            raise ValueError(f"times must be () or ({len(x)},), one for each point; got {tuple(t.shape)}")
        t = t.double()
        return density.noised_score(x, sde.alpha(t), sde.sigma(t))

    return field


def _like(value: Number, x: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=x.dtype, device=x.device)


def _of_roots(means: Tensor, roots: Tensor, weights: Tensor) -> GaussianMixture:
    """The mixture with covariances B_k B_k^T for roots B (m, d, q), q >= d."""
    axes, deviations, _ = torch.linalg.svd(roots, full_matrices=False)
    return GaussianMixture(means, deviations**2, weights, axes)


def _by_rows(value: Number, x: Tensor, rows: int) -> Iterable[Tensor]:
    """A value (n,) in blocks of rows, or a number repeated for every block, with the shape to broadcast with (rows, m, d)."""
    v = _like(value, x)
    if v.shape not in ((), x.shape[:1]):
        raise ValueError(f"alpha and sigma must be numbers or ({len(x)},), one for each point; got {tuple(v.shape)}")
    return v.view(-1, 1, 1).split(rows) if v.dim() else repeat(v.view(1, 1, 1))
