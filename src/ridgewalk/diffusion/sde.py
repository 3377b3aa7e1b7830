"""
Forward diffusions, each defined by the factor of the data alpha and the standard deviation of the noise sigma.

    x_t = alpha(t) x_0 + sigma(t) eps,    eps ~ N(0, I),    0 <= t <= 1

has at time t the distribution of the linear SDE  dx = f(t) x dt + g(t) dw  with

    f = d log alpha / dt,    g^2 = d sigma^2 / dt - 2 f sigma^2

Both are computed by differentiating alpha and sigma, so that the drift of an SDE always agrees with its noise.

    VP      log alpha = -beta_min t / 2 - (beta_max - beta_min) t^2 / 4,    sigma^2 = 1 - alpha^2        (DDPM's limit)
    sub-VP  the same alpha,                                                 sigma   = 1 - alpha^2
    VE      alpha = 1,    sigma = sigma_min (sigma_max / sigma_min)^t                                    (NCSN's limit)

VP and sub-VP are for data of about unit size, such as images in [-1, 1]. The sigmas of VE are in the units of the data: those of the source are for images in
[0, 1], and images in [-1, 1] need twice as much.

Source: Song, Sohl-Dickstein, Kingma, Kumar, Ermon and Poole (2021), section 3.4 and appendix B.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

_HALVINGS = 80  # number of bisections of [0, 1] in ``time_of``, which reach the spacing of float64


class SDE(ABC):
    """
    A linear forward diffusion. A new one only needs ``log_alpha`` and ``sigma``.

    Methods of t map times of any shape to values of that shape and dtype.
    """

    t_min: float = 1e-3
    """Default time at which sampling ends; below it the score grows without bound."""

    @abstractmethod
    def log_alpha(self, t: Tensor, /) -> Tensor:
        """The logarithm of the factor of the data; 0 at t = 0."""

    @abstractmethod
    def sigma(self, t: Tensor, /) -> Tensor:
        """The standard deviation of the noise, which increases with t."""

    def variance(self, t: Tensor, /) -> Tensor:
        """The variance sigma^2; overridden if sigma is a square root, which has no derivative at 0."""
        return self.sigma(t) ** 2

    def alpha(self, t: Tensor, /) -> Tensor:
        """The factor of the data."""
        return self.log_alpha(t).exp()

    def drift(self, t: Tensor, /) -> Tensor:
        """The coefficient f of the drift f(t) x."""
        return _rate(self.log_alpha, t)

    def diffusion_squared(self, t: Tensor, /) -> Tensor:
        """g(t)^2, never negative."""
        return (_rate(self.variance, t) - 2 * self.drift(t) * self.variance(t)).clamp_min(0)

    def level(self, t: Tensor, /) -> Tensor:
        """The level of noise in units of the data, sigma / alpha."""
        return self.sigma(t) / self.alpha(t)

    def time_of(self, level: Tensor, /) -> Tensor:
        """The time at which sigma / alpha is ``level``, by bisection; 0 or 1 for a level outside the range."""
        low, high = torch.zeros_like(level, dtype=torch.float64), torch.ones_like(level, dtype=torch.float64)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = self.level(middle) < level
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return ((low + high) / 2).to(level.dtype)

    def perturb(self, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """The noised data alpha(t) x + sigma(t) noise (n, *), for x and noise (n, *) and t () or (n,)."""
        return along(self.alpha(t), x) * x + along(self.sigma(t), x) * noise

    @property
    def prior_deviation(self) -> float:
        """The standard deviation sigma(1) of the noise from which sampling starts."""
        return float(self.sigma(torch.ones((), dtype=torch.float64)))

    def check_times(self, start: float, end: float) -> None:
        """Refuses times ``start`` and ``end`` of sampling that do not satisfy 0 < end < start <= 1."""
        if not 0 < end < start <= 1:
            raise ValueError(
                f"sampling runs from t = 1 or below down to a time above 0; got {start} to {end}: choose 0 < t_min < 1, such as {self.t_min}"
            )


def _rate(f: Callable[[Tensor], Tensor], t: Tensor) -> Tensor:
    # the derivative of each value is the gradient of the sum; forward mode is ten times slower here
    with torch.inference_mode(False), torch.enable_grad():
        u = t.detach().clone().requires_grad_()
        value = f(u)
        return torch.autograd.grad(value.sum(), u)[0] if value.requires_grad else torch.zeros_like(u)


def along(value: Tensor, x: Tensor) -> Tensor:
    """A value () or (n,) in a shape that multiplies x (n, *)."""
    return value if value.dim() == 0 else value.view(-1, *(1,) * (x.dim() - 1))


@dataclass(frozen=True)
class LinearBeta(SDE):
    """
    Diffusions with a rate of noise that increases linearly: log alpha = -beta_min t / 2 - (beta_max - beta_min) t^2 / 4.

    Args:
        beta_min: rate of the noise at t = 0.
        beta_max: rate of the noise at t = 1.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.beta_min < self.beta_max < math.inf:
            raise ValueError(
                f"beta_min and beta_max must be positive and rise; got {self.beta_min} and {self.beta_max}"
            )

    def log_alpha(self, t: Tensor, /) -> Tensor:
        return -self.beta_min * t / 2 - (self.beta_max - self.beta_min) * t**2 / 4

    def lost(self, t: Tensor, /) -> Tensor:
        """The lost share of the data's variance, 1 - alpha^2."""
        return -torch.expm1(2 * self.log_alpha(t))


@final
class VP(LinearBeta):
    """Variance preserving: sigma^2 = 1 - alpha^2."""

    def variance(self, t: Tensor, /) -> Tensor:
        return self.lost(t)

    def sigma(self, t: Tensor, /) -> Tensor:
        return self.lost(t).sqrt()


@final
class SubVP(LinearBeta):
    """Sub-variance preserving: alpha of VP, and sigma = 1 - alpha^2."""

    def sigma(self, t: Tensor, /) -> Tensor:
        return self.lost(t)


@final
@dataclass(frozen=True)
class VE(SDE):
    """
    Variance exploding: alpha = 1, and sigma rises geometrically from ``sigma_min`` at t = 0 to ``sigma_max`` at t = 1.

    Args:
        sigma_min: smallest noise, in units of the data; the default is the source's, for images in [0, 1].
        sigma_max: largest noise, about the largest distance between two data, in their units; the default is the source's for CIFAR-10 in [0, 1].
        t_min: default time at which sampling ends.
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0
    t_min: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise ValueError(f"VE needs 0 < sigma_min < sigma_max; got {self.sigma_min} and {self.sigma_max}")

    def log_alpha(self, t: Tensor, /) -> Tensor:
        return 0 * t

    def sigma(self, t: Tensor, /) -> Tensor:
        return self.sigma_min * torch.exp(t * math.log(self.sigma_max / self.sigma_min))


@final
@dataclass(frozen=True, eq=False)
class Tabulated(SDE):
    """
    A variance-preserving diffusion that is given at N levels, as in DDPM; between them the log signal-to-noise ratio is a monotone cubic.

    Level i of 0, ..., N - 1 is at t = i / (N - 1), so that t = 0 has the noise of the first level. With linear interpolation instead of a cubic (Fritsch
    and Butland 1984) the flow's velocity would jump at every level.

    Args:
        alphas_squared: alpha_i^2 (DDPM's cumulative products of 1 - beta), decreasing within (0, 1), at least two values.
    """

    alphas_squared: tuple[float, ...]

    def __post_init__(self) -> None:
        a = self.alphas_squared
        if len(a) < 2 or not all(0 < v < 1 for v in a) or any(v <= w for v, w in pairwise(a)):
            raise ValueError(
                f"a table of alpha^2 must hold at least two values that fall, all between 0 and 1; got {len(a)} from {a[0] if a else None} on"
            )
        from scipy.interpolate import PchipInterpolator

        table = torch.tensor(a, dtype=torch.float64)
        curve = PchipInterpolator(range(len(a)), (table.log() - torch.log1p(-table)).numpy())
        object.__setattr__(self, "_coefficients", torch.as_tensor(curve.c))

    def _at(self, t: Tensor) -> Tensor:
        """The log signal-to-noise ratio."""
        coefficients: Tensor = self._coefficients  # type: ignore[attr-defined]
        place = t * coefficients.shape[1]
        left = place.detach().floor().clamp(0, coefficients.shape[1] - 1).long()
        h, (a, b, c, d) = place - left, coefficients.to(t.device, t.dtype)[:, left]
        return ((a * h + b) * h + c) * h + d

    def log_alpha(self, t: Tensor, /) -> Tensor:
        return torch.nn.functional.logsigmoid(self._at(t)) / 2

    def sigma(self, t: Tensor, /) -> Tensor:
        return torch.sigmoid(-self._at(t)).sqrt()

    @classmethod
    def ddpm(cls, levels: int = 1000, beta_min: float | None = None, beta_max: float | None = None) -> "Tabulated":
        """
        The levels of DDPM, with beta from ``beta_min`` to ``beta_max`` in equal steps (Ho, Jain and Abbeel 2020, section 4).

        Args:
            levels: number of levels, more than 20 with the default betas.
            beta_min: 0.1 / levels by default, which is the source's 1e-4 for its 1000 levels.
            beta_max: 20 / levels by default, which is the source's 0.02; any number of levels thus ends in noise.
        """
        low = 0.1 / levels if beta_min is None else beta_min
        high = 20 / levels if beta_max is None else beta_max
        if not 0 < low < high < 1:
            raise ValueError(
                f"DDPM's betas must rise between 0 and 1; got {low:g} to {high:g} over {levels} levels: take more than 20 levels, or give both betas"
            )
        betas = torch.linspace(low, high, levels, dtype=torch.float64)
        return cls(tuple(torch.cumprod(1 - betas, 0).tolist()))
