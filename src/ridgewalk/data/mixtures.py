"""
Mixtures of Gaussians: densities whose score is known in closed form, and stays so under noise and under measurements.

    p(x) = sum_k w_k N(x; mu_k, C_k),    C_k = U_k diag(v_k) U_k^T,    r_k(x) = w_k N(x; mu_k, C_k) / p(x)

    score          grad log p(x)              = -sum_k r_k(x) C_k^-1 (x - mu_k)
    noise          alpha X + sigma eps        = sum_k w_k N(alpha mu_k, alpha^2 C_k + sigma^2 I)
    denoising      E[X | alpha X + sigma eps] = sum_k r_k (mu_k + alpha C_k (alpha^2 C_k + sigma^2 I)^-1 (x - alpha mu_k))

Noise turns v_k into alpha^2 v_k + sigma^2 and leaves the axes U_k, so a covariance is decomposed once, when its mixture is made. The score is no
derivative taken by autograd: it is the formula, and can be differentiated once more.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

import torch
from torch import Tensor

_BLOCK = 2**20  # values of (rows, components, dimensions) at once: 8 MB each in float64

Number = float | Tensor


class Noising(Protocol):
    """What noise a diffusion has put on the data by time t: x_t = alpha(t) x_0 + sigma(t) eps."""

    def alpha(self, t: Tensor, /) -> Tensor:
        """The factor of the data, shaped as t."""
        ...

    def sigma(self, t: Tensor, /) -> Tensor:
        """The standard deviation of the noise, shaped as t."""
        ...


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """
    sum_k w_k N(mu_k, U_k diag(v_k) U_k^T); ``from_deviations`` makes one from standard deviations.

    Values at points x are computed in their dtype and on their device; samples have those of the mixture.

    Args:
        means: (m, d) mu.
        variances: (m, d) v > 0, along each component's axes.
        weights: (m,) w >= 0, of sum 1.
        axes: (m, d, d) U, orthonormal, an axis a column; None for the coordinate axes.

    Raises:
        ValueError: if shapes or types disagree, or the values are none of a mixture.
    """

    means: Tensor
    variances: Tensor
    weights: Tensor
    axes: Tensor | None = None

    def __post_init__(self) -> None:
        given = [self.means, self.variances, self.weights, *([] if self.axes is None else [self.axes])]
        if self.means.dim() != 2 or 0 in self.means.shape:
            raise ValueError(f"means must be (m, d), a row a component; got {tuple(self.means.shape)}")
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
                raise ValueError(f"axes must be orthonormal columns; U^T U is {float(off):g} off the identity")

    @classmethod
    def from_deviations(cls, means: Tensor, deviations: Number, weights: Tensor | None = None) -> "GaussianMixture":
        """
        Components along the coordinate axes.

        Args:
            means: (m, d).
            deviations: standard deviations; one for all, (m,) one a component, or (m, d).
            weights: (m,); equal where absent.

        Raises:
            ValueError: if a deviation is not positive, or they are shaped otherwise, and as the class.
        """
        s = _like(deviations, means)
        if s.shape not in ((), means.shape[:1], means.shape):
            raise ValueError(
                f"deviations must be one, (m,) or (m, d) for means {tuple(means.shape)}; got {tuple(s.shape)}"
            )
        if not (s > 0).all():
            raise ValueError(f"deviations must be positive; got {float(s.min()):g}")
        s = s[:, None] if s.dim() == 1 else s
        return cls(means, (s**2).expand(means.shape).clone(), _equal(means) if weights is None else weights)

    def __len__(self) -> int:
        """The number of components, m."""
        return len(self.means)

    @property
    def dims(self) -> int:
        """The number of dimensions, d."""
        return self.means.shape[1]

    @property
    def covariances(self) -> Tensor:
        """U_k diag(v_k) U_k^T of each component: (m, d, d)."""
        roots = self._roots()
        return roots @ roots.mT

    @property
    def mean(self) -> Tensor:
        """sum_k w_k mu_k, of the whole: (d,)."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Tensor:
        """sum_k w_k (C_k + (mu_k - mean)(mu_k - mean)^T), of the whole: (d, d)."""
        away = self.means - self.mean
        return torch.einsum("k,kij->ij", self.weights, self.covariances + away[:, :, None] * away[:, None])

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> "GaussianMixture":
        """The same mixture in another type or on another device."""
        means, variances, weights = (
            v.to(device=device, dtype=dtype) for v in (self.means, self.variances, self.weights)
        )
        axes = None if self.axes is None else self.axes.to(device=device, dtype=dtype)
        return GaussianMixture(means, variances, weights, axes)

    # --------------------------------------------------------------------------------------------- at points

    def log_prob(self, x: Tensor) -> Tensor:
        """Log p(x): (n, d) -> (n,)."""
        return self._at(x, lambda at: torch.logsumexp(at.log_joint, dim=1))

    def responsibilities(self, x: Tensor) -> Tensor:
        """r_k(x), the probability that x came from component k: (n, d) -> (n, m)."""
        return self._at(x, lambda at: torch.softmax(at.log_joint, dim=1))

    def score(self, x: Tensor) -> Tensor:
        """Grad log p(x) = -sum_k r_k(x) C_k^-1 (x - mu_k): (n, d) -> (n, d)."""
        return self._at(x, _Terms.score)

    def denoised(self, x_t: Tensor, alpha: Number, sigma: Number) -> Tensor:
        """
        E[X | alpha X + sigma eps = x_t], which by Tweedie's formula is (x_t + sigma^2 grad log p_t(x_t)) / alpha.

        Computed as the mean over components, which is exact where alpha is small, too.

        Args:
            x_t: (n, d).
            alpha: factor of the data; a number, () or (n,).
            sigma: standard deviation of the noise; likewise.

        Source: B. Efron, "Tweedie's formula and selection bias" (2011).
        """
        return self._at(x_t, _Terms.clean, alpha, sigma)

    def noised_score(self, x_t: Tensor, alpha: Number, sigma: Number) -> Tensor:
        """The score of the law of alpha X + sigma eps, at x_t (n, d), with an alpha and a sigma for all rows or for each (n,)."""
        return self._at(x_t, _Terms.score, alpha, sigma)

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """
        mu_k + U_k (v_k^(1/2) eps) with k of the weights and eps ~ N(0, I).

        Args:
            n: how many.
            generator: generator of random numbers on the mixture's device.

        Returns:
            x (n, d) and the component k of each, int64 (n,).
        """
        if n < 1:
            raise ValueError(f"at least 1 point must be asked for; got {n}")
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.dims, generator=generator, dtype=self.means.dtype, device=self.means.device)
        x = self.variances[k].sqrt() * noise
        if self.axes is not None:
            for j in range(len(self)):  # a component at a time: axes of every row would be (n, d, d)
                x[k == j] = x[k == j] @ self.axes[j].T
        return self.means[k] + x, k

    # --------------------------------------------------------------------------------------------- other laws

    def noised(self, alpha: float, sigma: float) -> "GaussianMixture":
        """The law of alpha X + sigma eps, eps ~ N(0, I): means alpha mu_k, covariances alpha^2 C_k + sigma^2 I."""
        alpha, sigma = float(alpha), float(sigma)
        if sigma < 0:
            raise ValueError(f"sigma is a standard deviation, at least 0; got {sigma:g}")
        return GaussianMixture(alpha * self.means, alpha**2 * self.variances + sigma**2, self.weights, self.axes)

    def affine(self, scale: Number, shift: Number = 0.0) -> "GaussianMixture":
        """
        The law of scale X + shift.

        Args:
            scale: not 0; one for all dimensions, or (d,).
            shift: a number, or (d,).

        Raises:
            ValueError: if they are shaped otherwise, or a scale is 0.
        """
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
        """The law of (X - E X) / s with the one s for which the variance, averaged over dimensions, is 1."""
        s = float(self.covariance.diagonal().mean().sqrt())
        return self.affine(1 / s, -self.mean / s)

    def posterior(self, operator: Tensor, y: Tensor, noise: float) -> "GaussianMixture":
        """
        The law of X given that A X + noise eps = y, eps ~ N(0, I): with S_k = A C_k A^T + noise^2 I and K_k = C_k A^T S_k^-1,

            w_k' ~ w_k N(y; A mu_k, S_k),   mu_k' = mu_k + K_k (y - A mu_k),   C_k' = (I - K_k A) C_k (I - K_k A)^T + noise^2 K_k K_k^T

        The covariance is Joseph's form, whose root [(I - K A) C^(1/2), noise K] is at hand: it stays positive for small noise.

        Args:
            operator: A, (q, d); rows of the identity for in-painting.
            y: (q,) what was measured.
            noise: its standard deviation, above 0: without noise the law has no density.

        Raises:
            ValueError: if shapes disagree, or there is no noise.
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

    # -------------------------------------------------------------------------------------------------------

    def _roots(self) -> Tensor:
        """U_k diag(v_k)^(1/2): (m, d, d)."""
        deviations = self.variances.sqrt()
        return torch.diag_embed(deviations) if self.axes is None else self.axes * deviations[:, None]

    def _at(self, x: Tensor, ask: "Callable[[_Terms], Tensor]", alpha: Number = 1.0, sigma: Number = 0.0) -> Tensor:
        """``ask`` of the terms at x (n, d), computed in blocks of rows."""
        if x.dim() != 2 or x.shape[1] != self.dims or not x.is_floating_point():
            raise ValueError(f"points must be floats (n, {self.dims}); got {x.dtype} {tuple(x.shape)}")
        mixture = self if (x.dtype, x.device) == (self.means.dtype, self.means.device) else self.to(x.dtype, x.device)
        rows = max(1, _BLOCK // self.means.numel())
        blocks = zip(x.split(rows), _by_rows(alpha, x, rows), _by_rows(sigma, x, rows))
        found = [ask(_Terms(mixture, *block)) for block in blocks]
        return found[0] if len(found) == 1 else torch.cat(found)


class _Terms:
    """What the components say of rows x (n, d) of the law of alpha X + sigma eps; alpha and sigma (1, 1, 1) or (n, 1, 1)."""

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
    The field (x, t) -> grad log p_t(x) with p_t the law of alpha(t) X + sigma(t) eps: what a learned score should be.

    Differentiable in x. Float32 points get it to about 1e-5 of its size: alpha and sigma are taken in float64.

    Args:
        density: the law of X.
        sde: anything with ``alpha(t)`` and ``sigma(t)``.

    Returns:
        A vector field of x (n, d) and t () or (n,).
    """

    def field(x: Tensor, t: Tensor, /) -> Tensor:
        if t.shape not in ((), x.shape[:1]):
            raise ValueError(f"times must be () or ({len(x)},), one a point; got {tuple(t.shape)}")
        t = t.double()
        return density.noised_score(x, sde.alpha(t), sde.sigma(t))

    return field


def _like(value: Number, x: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=x.dtype, device=x.device)


def _equal(means: Tensor) -> Tensor:
    return means.new_full(means.shape[:1], 1 / len(means))


def _of_roots(means: Tensor, roots: Tensor, weights: Tensor) -> GaussianMixture:
    """The mixture whose covariances are B_k B_k^T, with roots B (m, d, q) and q >= d."""
    axes, deviations, _ = torch.linalg.svd(roots, full_matrices=False)
    return GaussianMixture(means, deviations**2, weights, axes)


def _by_rows(value: Number, x: Tensor, rows: int) -> Iterable[Tensor]:
    """(n,) in blocks of rows, or a number again and again: shaped to meet (rows, m, d)."""
    v = _like(value, x)
    if v.shape not in ((), x.shape[:1]):
        raise ValueError(f"alpha and sigma must be numbers or ({len(x)},), one a point; got {tuple(v.shape)}")
    return v.view(-1, 1, 1).split(rows) if v.dim() else repeat(v.view(1, 1, 1))
