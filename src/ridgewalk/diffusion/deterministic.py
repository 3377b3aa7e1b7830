"""
Samplers of the probability-flow ODE, whose marginals are those of the SDE:

    dx / dt = f(t) x - g(t)^2 / 2 score(x, t)

With y = x / alpha, r = sigma / alpha and the denoiser D it reads  dy / dr = -r alpha score = (y - D) / r.

Sources: Song et al. (2021), section 4.3 and appendix D.1; Karras, Aittala, Aila and Laine (2022), algorithms 1 and 2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ridgewalk import naming
from ridgewalk.diffusion.denoiser import denoised
from ridgewalk.diffusion.noise import RowNoise
from ridgewalk.diffusion.sampling import Counted, Projection, Sampled, Sampler, Transition, levels
from ridgewalk.diffusion.sde import SDE
from ridgewalk.protocols import VectorField


@final
@dataclass(frozen=True, eq=False)
class Heun(Sampler):
    """
    Heun's method of order 2 on the flow in r, with churn. It takes 2 evaluations per step, minus one with ``clean``.

    With ``churn`` > 0, new noise raises r to r' = (1 + g) r with g = min(churn / steps, 2^(1/2) - 1) before each step, except for the first step and a
    clean last one.

    Args:
        churn: amount of new noise; 0 for the ODE.
        order: 2, or 1 for Euler's method (DDIM).
        rho: exponent of the levels r = (r_max^(1/rho) + i / steps' (r_min^(1/rho) - r_max^(1/rho)))^rho, i = 0, ..., steps'; the source uses 7.
        clean: whether the last step is an Euler step from t_min to r = 0, which gives the mean of the data given x.
    """

    steps: int = 18
    churn: float = 0.0
    order: int = 2
    rho: float = 7.0

    def __post_init__(self) -> None:
        if not 0 <= self.churn < math.inf or self.order not in (1, 2) or not 0 < self.rho < math.inf:
            raise ValueError(
                f"Heun's sampler needs churn >= 0, order 1 or 2 and rho above 0; got {self.churn}, {self.order}, {self.rho}"
            )

    def times(self) -> Tensor:
        """The times (count,) of the levels r that are spaced by rho."""
        ends = self.sde.level(torch.tensor([1.0, self.end], dtype=torch.float64)) ** (1 / self.rho)
        roots = torch.linspace(float(ends[0]), float(ends[1]), self.count, dtype=torch.float64)
        times = self.sde.time_of(roots**self.rho)
        times[-1], times[0] = self.end, 1.0
        return times

    def step(self, score: Counted, x: Tensor, move: Transition, noise: RowNoise) -> Tensor:
        at, to = move.noisier, move.cleaner
        gain = min(self.churn / self.steps, math.sqrt(2) - 1)
        if gain and at.t < 1:
            raised = torch.tensor((1 + gain) * at.ratio, dtype=torch.float64)
            up = levels(self.sde, self.sde.time_of(raised)[None])[0]
            x = up.alpha * (x / at.alpha + math.sqrt(max(up.ratio**2 - at.ratio**2, 0)) * noise.normal())
            at = up
        y, s = x / at.alpha, score(x, at.t)
        slope = -at.ratio * at.alpha * s
        ahead = y + (to.ratio - at.ratio) * slope
        if self.order == 1:
            return to.alpha * ahead
        there = -to.ratio * to.alpha * score(to.alpha * ahead, to.t)
        return to.alpha * (y + (to.ratio - at.ratio) * (slope + there) / 2)


FIXED = ("euler", "midpoint", "heun2", "rk4")
ADAPTIVE = ("dopri5", "dopri8", "bosh3", "adaptive_heun")


@dataclass(frozen=True, eq=False)
class Flow:
    """
    The probability-flow ODE, solved by torchdiffeq in either direction.

    An adaptive solver chooses its steps for the whole batch, so that a sample depends on its batch within the tolerance.

    Args:
        sde: the forward diffusion.
        solver: a fixed solver (``euler``, ``midpoint``, ``heun2``, ``rk4``) or an adaptive one (``dopri5``, ``dopri8``, ``bosh3``, ``adaptive_heun``).
        steps: number of equal steps of t of a fixed solver.
        rtol: relative tolerance of an adaptive solver.
        atol: absolute tolerance of an adaptive solver.
        max_nfe: number of evaluations after which an adaptive solver stops with an error.
    """

    sde: SDE
    solver: str = "dopri5"
    steps: int = 100
    rtol: float = 1e-5
    atol: float = 1e-5
    max_nfe: int = 5000

    def __post_init__(self) -> None:
        if self.solver not in (*FIXED, *ADAPTIVE):
            raise ValueError(naming.unknown("solver", self.solver, (*FIXED, *ADAPTIVE)))
        if self.steps < 1 or not (0 < self.rtol < 1 and 0 < self.atol < 1) or self.max_nfe < 1:
            raise ValueError(
                f"a flow needs steps >= 1, tolerances between 0 and 1 and max_nfe >= 1; got {self.steps}, {self.rtol}, {self.atol}, {self.max_nfe}"
            )

    def velocity(self, score: Counted, x: Tensor, t: Tensor) -> Tensor:
        """The velocity f(t) x - g(t)^2 / 2 score(x, t) at one time t ()."""
        t = t.double()
        half = self.sde.diffusion_squared(t) / 2
        return self.sde.drift(t).to(x) * x - half.to(x) * score(x, float(t))

    def solve(
        self,
        derivative: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]],
        states: tuple[Tensor, ...],
        times: Tensor,
    ) -> tuple[Tensor, ...]:
        """
        Integrates several states at once and returns each of them at the times (k,), as (k, *).

        Raises:
            ValueError: if an adaptive solver does not reach its tolerance within ``max_nfe`` evaluations.
            FloatingPointError: if a derivative is not finite.
        """
        from torchdiffeq import odeint

        nfe, adaptive = 0, self.solver in ADAPTIVE

        def guarded(t: Tensor, x: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            nonlocal nfe
            nfe += 1
            if adaptive and nfe > self.max_nfe:
                raise ValueError(
                    f"the flow's solver {self.solver} did not get from t = {float(times[0]):.3g} to {float(times[-1]):.3g} within {self.max_nfe} evaluations "
                    f"(it is at {float(t):.3g}); raise its tolerance (rtol {self.rtol:g}, atol {self.atol:g}), or max_nfe"
                )
            out = derivative(t, x)
            if not all(bool(o.isfinite().all()) for o in out):
                raise FloatingPointError(
                    f"the flow met values that are not finite at evaluation {nfe} (t = {float(t):.3g}): the score has diverged there"
                )
            return out

        # an adaptive solver begins with a small step, and must end exactly at the last time, beyond which the SDE is not defined
        span = abs(float(times[0] - times[-1]))
        options = {"first_step": span / 1000, "step_t": times[-1:]} if adaptive else {"grid_constructor": self._grid}
        try:
            return odeint(guarded, states, times, rtol=self.rtol, atol=self.atol, method=self.solver, options=options)
        except AssertionError as error:  # raised by torchdiffeq for a step that is too small
            raise ValueError(
                f"the flow's solver {self.solver} cannot keep rtol {self.rtol:g} and atol {self.atol:g}: its steps became too small ({error}); "
                "raise the tolerance, or use a fixed solver"
            ) from error

    def _grid(self, derivative: object, states: Tensor, times: Tensor) -> Tensor:
        return torch.linspace(float(times[0]), float(times[-1]), self.steps + 1, dtype=times.dtype, device=times.device)

    def __call__(self, score: VectorField, x: Tensor, times: Tensor) -> tuple[Tensor, int]:
        """
        Transports x along the flow and returns its states (k, n, *) and the number of evaluations.

        Args:
            score: grad log p_t.
            x: (n, *) at times[0].
            times: (k,), increasing or decreasing within (0, 1].
        """
        counted = Counted(score)
        with torch.no_grad():
            states = self.solve(lambda t, v: (self.velocity(counted, v[0], t),), (x,), times.to(x.device, x.dtype))
        return states[0], counted.nfe

    def encode(self, score: VectorField, x: Tensor, t_min: float | None = None) -> tuple[Tensor, int]:
        """Transports data x (n, *) at t_min to noise at t = 1, and returns it with the number of evaluations."""
        states, nfe = self(score, x, self._ends(t_min).flip(0))
        return states[-1], nfe

    def decode(self, score: VectorField, x: Tensor, t_min: float | None = None) -> tuple[Tensor, int]:
        """Transports noise x (n, *) at t = 1 to data at t_min, and returns them with the number of evaluations."""
        states, nfe = self(score, x, self._ends(t_min))
        return states[-1], nfe

    def _ends(self, t_min: float | None) -> Tensor:
        end = self.sde.t_min if t_min is None else t_min
        self.sde.check_times(1.0, end)
        return torch.tensor([1.0, end], dtype=torch.float64)


@final
@dataclass(frozen=True, eq=False)
class ProbabilityFlow:
    """
    Samples by the flow from t = 1 to t_min, with the signature of a ``Sampler``.

    Args:
        flow: the ODE and its solver.
        t_min: the last time; the SDE's own if it is None.
        clean: whether x at t_min is replaced by the mean of the data given x, which takes one more evaluation.
        keep: number of states to keep.
    """

    flow: Flow
    t_min: float | None = None
    clean: bool = True
    keep: int = 0

    def __call__(
        self, score: VectorField, noise: RowNoise, x: Tensor | None = None, project: Projection | None = None
    ) -> Sampled:
        """Draws samples; see ``Sampler``. A projection between the steps of an ODE solver is refused."""
        if project is not None:
            raise ValueError("the probability flow has no steps to project between; choose another sampler")
        sde = self.flow.sde
        end = sde.t_min if self.t_min is None else self.t_min
        sde.check_times(1.0, end)
        start = sde.prior_deviation * noise.normal() if x is None else x
        times = torch.linspace(1.0, end, max(2, self.keep + 1), dtype=torch.float64)
        states, nfe = self.flow(score, start, times)
        out = states[-1]
        if self.clean:
            with torch.no_grad():
                out = denoised(score, sde, out, times[-1])
            nfe += 1
        kept = (times, states) if self.keep else (torch.empty(0), torch.empty(0))
        return Sampled(out, nfe, *kept)
