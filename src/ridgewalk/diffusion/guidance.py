"""
Guidance by a discriminator: the gradient of a log density ratio is added to a score.

    guided score    s(x, t) + gamma w(t) grad log r(x, t),    r = p_t / q_t

p_t is the density of noised data and q_t that of noised samples of the model. If s is the score of q_t, gamma w = 1 and r is exact, the sum is the score
of p_t. If s is not the score of its own noised samples, the difference s - grad log q_t remains, which no discriminator can see. With another gamma the
sum is not the score of any noised density.

The guidance is a vector field, so that every sampler, likelihood and path takes the sum ``fields.add(score, guidance)``.

Source: Kim, Kim, Kwon, Kang and Moon (2023), equation 6 and theorem 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ridgewalk.callables import evaluate_copy, is_connected, refuse_missing_gradient
from ridgewalk.diffusion.sde import SDE, along

Logit = Callable[[Tensor, Tensor], Tensor]
"""Maps x (n, *) and t () or (n,) to log p_t(x) / q_t(x), (n,)."""


@dataclass(frozen=True, eq=False)
class TimeRatio:
    """
    A network over (x, c, labels) as the log ratio of noised data to noised samples, with the inputs of a ``Denoiser``'s network.

    Args:
        network: maps (n, *), (n,) and labels (n,) or None to (n, 1), with smooth activations because its gradient enters an ODE.
        sde: the forward diffusion by which both sides are noised.
        deviation: root mean square of the data.
    """

    network: nn.Module
    sde: SDE
    deviation: float = 1.0

    def __call__(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The logits (n,) of data against samples at x (n, *) and t () or (n,)."""
        t = t.to(x)
        v = (self.sde.alpha(t) * self.deviation) ** 2 + self.sde.sigma(t) ** 2
        c = (self.sde.level(t).log() / 4).expand(x.shape[0])
        return self.network(x / along(v.sqrt(), x), c, labels).squeeze(1)


@dataclass(frozen=True)
class Window:
    """
    A weight w that is 1 where sigma / alpha lies between ``low`` and ``high`` and 0 outside, with a ramp centred at each end.

    Each ramp is a smoothstep 3 y^2 - 2 y^3 in log(sigma / alpha), which is differentiable, so that the flow of a guided score can be solved.

    Args:
        low: lowest level sigma / alpha; 0 for no lower bound.
        high: highest level; infinite for no upper bound.
        ramp: factor of sigma / alpha over which w rises or falls, above 1.
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
        """The weights at levels sigma / alpha, in their shape."""
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
    A weight w that is given at some levels sigma / alpha, interpolated by smoothsteps in log(sigma / alpha), and constant beyond the ends.

    Args:
        levels: levels sigma / alpha, increasing and above 0.
        values: w at each level, at least 0.
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
        """The weights at levels sigma / alpha, in their shape."""
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
    The vector field gamma w(t) grad log r(x, t).

    Under autograd, as in a likelihood, the gradient keeps its graph, so that the divergence of the guided drift can be computed.

    Args:
        ratio: log r.
        sde: the forward diffusion that defines the levels of ``window``.
        gamma: strength, at least 0; the theory gives 1.
        window: w as a function of sigma / alpha, such as a ``Window`` or ``Strengths``.
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
                f"the discriminator was trained under {own} and cannot guide under {self.sde}, which has other times and scales; "
                "train one under the sampler's own SDE"
            )

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        """The correction (n, *) at x (n, *) and t () or (n,)."""
        keep = x.requires_grad and torch.is_grad_enabled()
        with torch.inference_mode(False), torch.enable_grad():
            leaf = x if keep else x.detach().clone().requires_grad_(True)
            logit = evaluate_copy(lambda at: self.ratio(at, t), leaf, "the discriminator")
            if logit.shape != x.shape[:1]:
                raise ValueError(
                    f"a log ratio maps (n, *) to (n,); for {tuple(x.shape)} it returned {tuple(logit.shape)}"
                )
            if not is_connected(logit, leaf):
                refuse_missing_gradient(lambda at: self.ratio(at, t), leaf, logit, "the discriminator")
                return torch.zeros_like(x)
            gradient = torch.autograd.grad(logit.sum(), leaf, create_graph=keep)[0]
        weight = self.gamma * self.window(self.sde.level(t.double())).to(x)
        return along(weight, x) * gradient
