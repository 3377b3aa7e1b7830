"""
A network as a denoiser and as a score, for any linear SDE.

With s_d^2 = E |x_0|^2 / d, the mean square of the data (their variance, if their mean is 0), and v = alpha^2 s_d^2 + sigma^2, the mean square of x_t,

    E[x_0 | x_t]  ~  D(x_t, t)  =  alpha s_d^2 / v x_t  +  sigma s_d / v^(1/2) F(x_t / v^(1/2), c)
    score         =  (alpha D - x_t) / sigma^2
                  =  -x_t / v  +  alpha s_d / (sigma v^(1/2)) F(x_t / v^(1/2), c),    c = log(sigma / alpha) / 4

The inputs and the targets of F have mean square 1, and F = 0 gives the exact score of N(0, s_d^2 I). This is the preconditioning of Karras, Aittala,
Aila and Laine (2022, table 1), who state it for alpha = 1, in x_t for any alpha.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ridgewalk.diffusion.sde import SDE, along
from ridgewalk.protocols import VectorField


@dataclass(frozen=True, eq=False)
class Denoiser:
    """
    A network over (x, c, labels) as E[x_0 | x_t] and as the score of p_t.

    Args:
        network: F, which maps (n, *), (n,) and labels (n,) or None to (n, *).
        sde: the forward diffusion that the network is trained on.
        deviation: s_d, the root mean square of the data (``scaling.root_mean_square``).
    """

    network: nn.Module
    sde: SDE
    deviation: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.deviation < float("inf"):
            raise ValueError(f"the standard deviation of the data must be above 0 and finite; got {self.deviation}")

    @property
    def prior_deviation(self) -> float:
        """The root mean square of x_1, (alpha(1)^2 s_d^2 + sigma(1)^2)^(1/2), for the Gaussian at t = 1 of a likelihood."""
        return float(self._variance(torch.ones((), dtype=torch.float64)).sqrt())

    def raw(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The network's output F (n, *) at x_t (n, *) and t () or (n,)."""
        t = t.to(x)
        v = self._variance(t)
        c = (self.sde.level(t).log() / 4).expand(x.shape[0])
        return self.network(x / along(v.sqrt(), x), c, labels)

    def denoise(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The expected data E[x_0 | x_t] (n, *) at x_t (n, *) and t () or (n,)."""
        t = t.to(x)
        v, alpha, sigma = self._variance(t), self.sde.alpha(t), self.sde.sigma(t)
        skip, out = alpha * self.deviation**2 / v, sigma * self.deviation / v.sqrt()
        return along(skip, x) * x + along(out, x) * self.raw(x, t, labels)

    def score(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The score grad log p_t (n, *) at x_t (n, *) and t () or (n,)."""
        t = t.to(x)
        v, alpha, sigma = self._variance(t), self.sde.alpha(t), self.sde.sigma(t)
        return self.raw(x, t, labels) * along(alpha * self.deviation / (sigma * v.sqrt()), x) - x / along(v, x)

    def given(self, labels: Tensor, weight: float = 1.0) -> VectorField:
        """
        The score conditioned on labels (n,), one for each row: (1 - w) s(x) + w s(x | label).

        A ``weight`` of 1 gives the conditional score and 0 the unconditional one. Above 1 it is classifier-free guidance (Ho and Salimans 2022, whose
        weight is w - 1), which sharpens the samples and is not the score of any noised density.
        """
        if not 0 <= weight < float("inf"):
            raise ValueError(f"the weight of the condition must be >= 0 and finite; got {weight}")

        def field(x: Tensor, t: Tensor, /) -> Tensor:
            if weight == 1:
                return self.score(x, t, labels)
            free = self.score(x, t)
            return free if weight == 0 else free + weight * (self.score(x, t, labels) - free)

        return field

    def _variance(self, t: Tensor) -> Tensor:
        return (self.sde.alpha(t) * self.deviation) ** 2 + self.sde.sigma(t) ** 2


def denoised(score: VectorField, sde: SDE, x: Tensor, t: Tensor) -> Tensor:
    """E[x_0 | x_t] (n, *) for any score, by Tweedie's formula (x_t + sigma^2 score) / alpha."""
    t = t.to(x)
    return (x + along(sde.sigma(t) ** 2, x) * score(x, t)) / along(sde.alpha(t), x)
