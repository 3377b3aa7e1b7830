"""
Guidance by a discriminator: the gradient of a log density ratio, added to a score.

    guided score    s(x, t) + gamma w(t) grad log r(x, t),    r = p_t / q_t

p_t is the law of noised data and q_t that of noised samples of the model that is to be guided. With s the score of q_t, gamma w = 1 and the exact
ratio, the sum is the score of p_t. Where s is not the score of its own samples' noised law, what is left is s - grad log q_t, which no
discriminator can see. gamma other than 1 tilts every level by itself, and is the score of no noised density.

The guidance is a vector field like any other: every sampler, likelihood and path takes the sum.

Source: Kim, Kim, Kwon, Kang and Moon (2023), equation 6 and theorem 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ridgewalk.callables import refuse_missing_gradient
from ridgewalk.diffusion.sde import SDE, along
from ridgewalk.fields import add
from ridgewalk.protocols import VectorField

Logit = Callable[[Tensor, Tensor], Tensor]
"""log p_t(x) / q_t(x) at x (n, *) and t () or (n,): (n,)."""


@dataclass(frozen=True, eq=False)
class TimeRatio:
    """
    A network over (x, c, labels) read as the log ratio of noised data to noised samples; inputs as a ``Denoiser``'s.

    Args:
        network: (n, *), (n,), labels (n,) or None -> (n, 1); smooth activations, since its gradient enters an ODE.
        sde: that both sides are noised by.
        deviation: of the data.
    """

    network: nn.Module
    sde: SDE
    deviation: float = 1.0

    def __call__(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The logit for data against samples: (n,)."""
        t = t.to(x)
        v = (self.sde.alpha(t) * self.deviation) ** 2 + self.sde.sigma(t) ** 2
        c = (self.sde.level(t).log() / 4).expand(x.shape[0])
        return self.network(x / along(v.sqrt(), x), c, labels).squeeze(1)


@dataclass(frozen=True)
class Window:
    """
    w = 1 where sigma / alpha lies between ``low`` and ``high``, and 0 beyond, with smooth ramps of half a factor ``ramp`` at each end.

    In u = log(sigma / alpha) each ramp is a smoothstep 3 y^2 - 2 y^3, once differentiable, so that the flow of a guided score stays solvable.

    Args:
        low: least level; 0 for none.
        high: greatest level; infinite for none.
        ramp: factor over which an end rises or falls, above 1.
    """

    low: float = 0.0
    high: float = math.inf
    ramp: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high or not 1 < self.ramp < math.inf:
            raise ValueError(
                f"a window needs 0 <= low < high and ramp above 1; got {self.low}, {self.high}, {self.ramp}"
            )

    def __call__(self, level: Tensor) -> Tensor:
        """W at levels sigma / alpha of any shape."""
        u, width = level.log(), math.log(self.ramp)
        w = torch.ones_like(u)
        if self.low > 0:
            w = w * _smoothstep((u - math.log(self.low)) / width + 0.5)
        if self.high < math.inf:
            w = w * _smoothstep((math.log(self.high) - u) / width + 0.5)
        return w


@dataclass(frozen=True)
class Strengths:
    """
    w given at some levels sigma / alpha, and between them by smoothsteps in log(sigma / alpha), once differentiable; beyond the ends constant.

    Args:
        levels: rising, above 0.
        values: w at each, at least 0.
    """

    levels: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(0 < a < b for a, b in pairwise(self.levels))
        if not self.levels or len(self.levels) != len(self.values) or not rising:
            raise ValueError(
                f"strengths need as many levels as values, the levels rising and above 0; got {self.levels} and {self.values}"
            )
        if not all(0 <= v < math.inf for v in self.values):
            raise ValueError(f"strengths must be at least 0 and finite; got {self.values}")

    def __call__(self, level: Tensor) -> Tensor:
        """W at levels sigma / alpha of any shape."""
        u, last = level.double().log(), len(self.values) - 1
        if last == 0:
            return torch.full_like(level, self.values[0])
        knots, values = (torch.tensor(v, dtype=torch.float64, device=u.device) for v in (self.levels, self.values))
        knots = knots.log()
        left = (torch.bucketize(u, knots, right=True) - 1).clamp(0, last - 1)
        share = _smoothstep((u - knots[left]) / (knots[left + 1] - knots[left]))
        return (values[left] + (values[left + 1] - values[left]) * share).to(level)


def _smoothstep(y: Tensor) -> Tensor:
    y = y.clamp(0, 1)
    return y * y * (3 - 2 * y)


@dataclass(frozen=True, eq=False)
class DiscriminatorGuidance:
    """
    gamma w(t) grad log r(x, t): a vector field.

    Under autograd (in a likelihood) the gradient keeps its graph, so that the divergence of the whole guided drift can be taken.

    Args:
        ratio: log r.
        sde: whose levels the window is of.
        gamma: at least 0; 1 is what theory asks for.
        window: w as a function of sigma / alpha: a ``Window`` or ``Strengths``.
    """

    ratio: Logit
    sde: SDE
    gamma: float = 1.0
    window: Callable[[Tensor], Tensor] = Window()

    def __post_init__(self) -> None:
        if not 0 <= self.gamma < math.inf:
            raise ValueError(f"the strength of guidance must be at least 0 and finite; got {self.gamma}")
        own = getattr(self.ratio, "sde", self.sde)
        if own != self.sde:
            raise ValueError(
                f"the discriminator was trained under {own}, and is to guide under {self.sde}: its times and scales are others; "
                "train one under the sampler's own SDE"
            )

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        """(n, *), () or (n,) -> (n, *)."""
        keep = x.requires_grad and torch.is_grad_enabled()
        with torch.inference_mode(False), torch.enable_grad():
            leaf = x if keep else x.detach().clone().requires_grad_(True)
            logit = self.ratio(leaf, t)
            if logit.shape != x.shape[:1]:
                raise ValueError(
                    f"a log ratio maps (n, *) to (n,); for {tuple(x.shape)} it returned {tuple(logit.shape)}"
                )
            if not logit.requires_grad:
                refuse_missing_gradient(lambda at: self.ratio(at, t), leaf, logit, "the discriminator")
                return torch.zeros_like(x)
            gradient = torch.autograd.grad(logit.sum(), leaf, create_graph=keep)[0]
        weight = self.gamma * self.window(self.sde.level(t.double())).to(x)
        return along(weight, x) * gradient


def guided(score: VectorField, guidance: VectorField) -> VectorField:
    """The sum; of a blind discriminator, the score bit for bit."""
    return add(score, guidance)
