"""
Samples under a condition, by a score that was trained without it. Bayes' rule for the law at time t reads

    grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t)

The second term is an integral over x_0, and known for few laws. For a linear measurement y = A x_0 + noise there are here, from the simplest up:

    Replacement        no second term: after each step what A sees of x_t is replaced by y noised to level t
    PosteriorScore     x_0 given x_t taken for a Gaussian around x^ = E[x_0 | x_t], which the score knows: p(y | x_t) in closed form

The second term is a gradient, through the score: an evaluation costs a backward pass too, and is counted as one.
"""

import math
from collections.abc import Callable
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
    x_t  <-  x_t + A^+ (alpha y + sigma A eps - A x_t),    eps ~ N(0, I) anew at each step; at the end  x + A^+ (y - A x).

    A ``Projection`` of a sampler: finished samples agree with y. It is approximate however many steps are taken, and however exact the score. What A
    does not see moves by the score at a y that was noised anew and knows nothing of it, where p(x_t | y) has the two agree at each level; as long as the noise
    is high the score learns little of y, and what the unseen part has settled on by then is not taken back. So the unseen is told too little: of Gaussian
    data with correlation 0.8 and y = 1 it has mean 0.50 and variance 0.49, for 0.80 and 0.36, and shares of modes are less decided than they should be
    (0.62 of the nearer of two, for 0.92).

    Args:
        operator: A.
        y: measurements without noise, (n, *), or one for all rows (1, *).
        sde: forward diffusion.
        end: the time from which on y itself is written; 0 is where samplers that are ``clean`` end, for others it is their t_min.

    Source: Song et al. (2021), appendix I.2, there for masks.
    """

    operator: LinearOperator
    y: Tensor
    sde: SDE
    end: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.end < 1:
            raise ValueError(f"y is written at a time within [0, 1); got {self.end}")

    def __call__(self, x: Tensor, t: float, noise: RowNoise, /) -> Tensor:
        """X (n, *) at time t with what A sees of it replaced."""
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
    score + w J^T A^T (r^2 A A^T + s^2 I)^-1 (y - A x^),    x^ = (x_t + sigma^2 score) / alpha,    J = d x^ / d x_t

        pgdm    r^2 = sigma^2 s_d^2 / (sigma^2 + alpha^2 s_d^2), the variance of x_0 given x_t where data are N(0, s_d^2 I); exact for such data
        dps     r = 0: x_0 taken for x^ itself, which knows too well at high noise; needs s > 0

    Of other data both are approximate: the spread of x_0 given x_t is no r^2 I. Measured on two modes, of which y makes one 0.92 likely (0.83 with
    s = 0.3): by pgdm it is 0.66 to 0.72 (0.67 to 0.68), by dps with s = 0.3 0.70 to 0.80 and each mode too narrow; the most by samplers with noise.
    The field grows as 1 / (r^2 + s^2 / c), with A A^T = c I: dps needs about 10 / s^2 steps, and with fewer its shares mean nothing.

    Published algorithms step differently: that of PiGDM weighs the term by r^2 in DDIM's step, that of DPS divides by |y - A x^| in place of s^2, which
    ties its strength to the length of a step. Here are the densities that they start from.

    Args:
        score: grad log p_t of all data; differentiable in x by autograd.
        sde: forward diffusion.
        operator: A.
        y: measurements, (n, *) one a row, or one for all rows (1, *).
        deviation: s_d of the data; not used by dps.
        noise: s, the standard deviation of the measurements' noise.
        method: ``pgdm`` or ``dps``.
        weight: w; 1 by the formula.

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
                "dps takes p(y | x_t) from the measurements' noise alone, and needs noise above 0; use pgdm where there is none"
            )
        _check_weight(self.weight)

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        """Grad log p(x_t | y) at x (n, *), t () or (n,): (n, *)."""
        alpha, sigma, y = self.sde.alpha(t.to(x)), self.sde.sigma(t.to(x)), self.y.to(x)

        def guided(at: Tensor, again: bool) -> Tensor:
            s = self.score(at, t)
            _check_differentiable(s, "score")
            clean = (at + along(sigma**2, at) * s) / along(alpha, at)
            missed = self.operator.pseudo_inverse(residual(self.operator, clean, y))
            (pulled,) = torch.autograd.grad(clean, at, missed, create_graph=again)
            return s + self.weight * along(self._strength(alpha, sigma), at) * pulled

        return _differentiating(guided, x)

    def _strength(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The factor c / (c r^2 + s^2), by which A^T (r^2 A A^T + s^2 I)^-1 = strength A^+."""
        c, s_d = self.operator.gain, self.deviation
        spread = (sigma * s_d) ** 2 / (sigma**2 + (alpha * s_d) ** 2) if self.method == "pgdm" else 0 * sigma
        return c / (c * spread + self.noise**2)


def _differentiating(field: Callable[[Tensor, bool], Tensor], x: Tensor) -> Tensor:
    """A field of x that differentiates by x, within ``torch.no_grad`` too; itself differentiable where x is, and is told so."""
    if torch.is_grad_enabled() and x.requires_grad:
        return field(x, True)
    with torch.enable_grad():
        return field(x.detach().requires_grad_(True), False).detach()


def _check_differentiable(value: Tensor, what: str) -> None:
    if not value.requires_grad:
        raise ValueError(
            f"guidance differentiates through the {what}, and this one is not differentiable in x: let it hold no detach and no torch.no_grad"
        )


def _check_weight(weight: float) -> None:
    if not 0 <= weight < math.inf:
        raise ValueError(f"the weight of guidance must be >= 0 and finite; got {weight}")
