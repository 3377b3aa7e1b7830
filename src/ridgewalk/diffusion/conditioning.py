"""
Conditional sampling with a score that was trained without the condition. Bayes' rule at time t reads

    grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t)

The second term is an integral over x_0 that is known for few densities. For a linear measurement y = A x_0 + noise there are two approximations:

    Replacement        no second term: after each step the measured part of x_t is replaced by y noised to level t
    PosteriorScore     x_0 given x_t is taken as a Gaussian around x^ = E[x_0 | x_t], which the score gives, so that p(y | x_t) has a closed form

The second term is a gradient through the score, so that an evaluation, which is counted once, also costs a backward pass.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ridgewalk import naming
from ridgewalk.diffusion.noise import RowNoise
from ridgewalk.diffusion.operators import LinearOperator, residual
from ridgewalk.diffusion.sde import SDE, along
from ridgewalk.protocols import VectorField

METHODS = ("pgdm", "dps")


@final
@dataclass(frozen=True, eq=False)
class Replacement:
    """
    A ``Projection`` of a sampler that replaces the measured part of x_t, with new noise eps ~ N(0, I) at each step:

        x_t  <-  x_t + A^+ (alpha y + sigma A eps - A x_t),    and at the end  x  <-  x + A^+ (y - A x)

    Finished samples agree with y, but the part that A does not measure is approximate for any number of steps and any score: the score sees y with noise
    that is independent of that part, whereas under p(x_t | y) the two are dependent. The unmeasured part thus depends too little on y. For Gaussian data
    with correlation 0.8 and y = 1 its mean is 0.50 and its variance 0.49, instead of 0.80 and 0.36, and of two modes the nearer one has the share 0.62
    instead of 0.92.

    Args:
        operator: A.
        y: measurements without noise, (n, *), or one for all rows (1, *).
        sde: the forward diffusion.
        end: time at which y itself is written: 0 for samplers that are ``clean``, and t_min for others.

    Source: Song et al. (2021), appendix I.2 (for masks).
    """

    operator: LinearOperator
    y: Tensor
    sde: SDE
    end: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.end < 1:
            raise ValueError(f"y is written at a time within [0, 1); got {self.end}")

    def __call__(self, x: Tensor, t: float, noise: RowNoise, /) -> Tensor:
        """Replaces the measured part of x (n, *) at time t."""
        y = self.y.to(x)
        if t <= self.end:
            return self.operator.project(x, y)
        time = torch.tensor(t, dtype=torch.float64)
        eps = noise.normal().to(x)
        return self.operator.project(
            x, float(self.sde.alpha(time)) * y + float(self.sde.sigma(time)) * self.operator(eps)
        )


@final
@dataclass(frozen=True, eq=False)
class PosteriorScore:
    """
    The score of p(x_t | y) under a Gaussian approximation of x_0 given x_t:

        score + w J^T A^T (r^2 A A^T + s^2 I)^-1 (y - A x^),    x^ = (x_t + sigma^2 score) / alpha,    J = d x^ / d x_t

        pgdm    r^2 = sigma^2 s_d^2 / (sigma^2 + alpha^2 s_d^2), the variance of x_0 given x_t for data from N(0, s_d^2 I), for which it is exact
        dps     r = 0, which takes x_0 as x^ itself and is too certain at high noise; it needs s > 0

    For other data both are approximate, because the covariance of x_0 given x_t is not r^2 I. On two modes, where y gives one of them the probability 0.92
    (0.83 with s = 0.3), pgdm gives 0.66 to 0.72 (0.67 to 0.68), and dps with s = 0.3 gives 0.70 to 0.80 with too narrow modes; samplers with noise give
    the largest values. The field grows as 1 / (r^2 + s^2 / c), where A A^T = c I: dps needs about 10 / s^2 steps.

    The published algorithms take different steps from the same densities: PiGDM weights the term by r^2 in a DDIM step, and DPS divides by |y - A x^|
    instead of s^2, which makes its strength depend on the step size.

    Args:
        score: grad log p_t of all data, differentiable in x by autograd.
        sde: the forward diffusion.
        operator: A.
        y: measurements (n, *), or one for all rows (1, *).
        deviation: s_d, the root mean square of the data; dps does not use it.
        noise: s, the standard deviation of the noise of the measurements.
        method: ``pgdm`` or ``dps``.
        weight: w; Bayes' rule gives 1.

    Sources: Song, Vahdat, Mardani and Kautz (2023), Pseudoinverse-guided diffusion models, section 3; Chung, Kim, Mccann, Klasky and Ye (2023),
    Diffusion posterior sampling, equations 14 to 16.
    """

    score: VectorField
    sde: SDE
    operator: LinearOperator
    y: Tensor
    deviation: float
    noise: float = 0.0
    method: str = "pgdm"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(naming.unknown("method of guidance", self.method, METHODS))
        if not 0 < self.deviation < math.inf:
            raise ValueError(f"the standard deviation of the data must be above 0 and finite; got {self.deviation}")
        if not 0 <= self.noise < math.inf:
            raise ValueError(f"the noise of measurements must be >= 0 and finite; got {self.noise}")
        if self.method == "dps" and not self.noise:
            raise ValueError(
                "dps takes p(y | x_t) from the measurements' noise alone, and needs noise above 0; use pgdm for measurements without noise"
            )
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"the weight of guidance must be >= 0 and finite; got {self.weight}")

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        """The gradient (n, *) of log p(x_t | y) at x (n, *) and t () or (n,)."""
        alpha, sigma, y = self.sde.alpha(t.to(x)), self.sde.sigma(t.to(x)), self.y.to(x)

        def field(at: Tensor, again: bool) -> Tensor:
            s = self.score(at, t)
            if not s.requires_grad:
                raise ValueError(
                    "guidance differentiates through the score, and this one is not differentiable in x: leave out detach and torch.no_grad"
                )
            clean = (at + along(sigma**2, at) * s) / along(alpha, at)
            missed = self.operator.pseudo_inverse(residual(self.operator, clean, y))
            (pulled,) = torch.autograd.grad(clean, at, missed, create_graph=again)
            return s + self.weight * along(self._strength(alpha, sigma), at) * pulled

        if torch.is_grad_enabled() and x.requires_grad:
            return field(x, True)
        with torch.enable_grad():
            return field(x.detach().requires_grad_(True), False).detach()

    def _strength(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The factor c / (c r^2 + s^2) with A^T (r^2 A A^T + s^2 I)^-1 = factor A^+."""
        c, s_d = self.operator.gain, self.deviation
        spread = (sigma * s_d) ** 2 / (sigma**2 + (alpha * s_d) ** 2) if self.method == "pgdm" else 0 * sigma
        return c / (c * spread + self.noise**2)
