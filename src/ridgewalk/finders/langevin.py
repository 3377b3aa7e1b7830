"""
Moves of single points to where an energy is low.

    descent     z <- z - h grad E(z)                               ends in the nearest valley
    Langevin    z <- z - h grad E(z) + sqrt(2 h T) xi              samples the density exp(-E / T)

Without adjustment, the density that the second samples differs from exp(-E / T) by an error of order h. The Metropolis-adjusted Langevin algorithm
(Roberts and Tweedie 1996) takes the move z' as a proposal with density q(z' | z) = N(z'; z - h grad E(z), 2 h T I) and accepts it with probability

    min(1, exp(-(E(z') - E(z)) / T) q(z | z') / q(z' | z)),

which leaves exp(-E / T) invariant for any h > 0. In many dimensions it is fastest at an acceptance rate of 0.574 (Roberts and Rosenthal 1998).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk.callables import outside_inference_mode
from ridgewalk.fields import energy_and_score, row_norm
from ridgewalk.finders.inputs import check_positive
from ridgewalk.progress import track
from ridgewalk.protocols import Energy
from ridgewalk.seeds import row_generators

GROWTH = 1.3
"""Factor of the step size of a descent after an accepted move."""

FALL = 1e-3
"""Armijo's constant of a descent: the share of the decrease that the slope predicts which a move must reach."""


@dataclass(frozen=True, eq=False)
class Moved:
    """
    The points after their moves.

    Attributes:
        z: (n, *) the points.
        energy: (n,) their energies.
        step: (n,) the last step size h of each point.
        accepted: (n,) the share of each point's moves that were accepted, after burn-in if there is one.
        stats: ``nfe`` (rows on which the energy was evaluated), ``iterations``, and the means of ``accepted`` and ``step`` over points.
    """

    z: Tensor
    energy: Tensor
    step: Tensor
    accepted: Tensor
    stats: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Descent:
    """
    Gradient descent with a separate step size for each point, which grows after an accepted move and is halved after a rejected one.

    A move is rejected unless it meets Armijo's rule (Armijo 1966), so that the energy of a point never rises.

    Attributes:
        energy: E, (n, *) -> (n,).
        steps: largest number of moves that are tried.
        step: the initial h, in units of squared latent length per unit of energy.
        longest: largest length of a move, so that no move crosses a ridge.
        tolerance: a point is at rest if |grad E| is at most this.
    """

    energy: Energy
    steps: int = 300
    step: float = 0.02
    longest: float = 0.25
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        check_positive(step=self.step, longest=self.longest)
        if self.steps < 0 or self.tolerance < 0:
            raise ValueError(f"a descent needs steps >= 0 and tolerance >= 0; got {self.steps}, {self.tolerance}")

    @outside_inference_mode
    def __call__(self, z: Tensor, /) -> Moved:
        """Moves points (n, *) downhill; the additional stat ``at_rest`` is the share of points at rest."""
        z, e, force = start_chains(self.energy, z)
        h = torch.full_like(e, self.step)
        tried, taken, nfe = torch.zeros_like(e), torch.zeros_like(e), len(z)
        rounds = 0
        for _ in track(range(self.steps), "descending"):
            # a point whose step has no length in floating point is also at rest
            on = ((_norm(force) > self.tolerance) & (h * _norm(force) > 0)).nonzero().flatten()
            if on.numel() == 0:
                break
            rounds += 1
            size = _norm(force[on])
            move = scale_rows(torch.minimum(h[on], self.longest / size), force[on])
            there = z[on] + move
            e_there, force_there = energy_and_score(self.energy, there)
            predicted = (move * force[on]).flatten(1).sum(dim=1)
            good = (e_there <= e[on] - FALL * predicted) & _finite(force_there)
            nfe += on.numel()
            tried[on] += 1
            taken[on] += good.to(e.dtype)
            yes = on[good]
            z[yes], e[yes], force[yes] = there[good], e_there[good], force_there[good]
            h[on] = torch.where(good, h[on] * GROWTH, torch.minimum(h[on], self.longest / size) / 2)
        accepted = taken / tried.clamp_min(1)
        at_rest = float((_norm(force) <= self.tolerance).float().mean())
        return Moved(z, e, h, accepted, {**summarise(nfe, rounds, accepted, h), "at_rest": at_rest})


@dataclass(frozen=True, eq=False)
class Langevin:
    """
    One Metropolis-adjusted Langevin chain for each point, with a separate step size. (The corrector of a sampler is ``diffusion.LangevinCorrector``.)

    At the t-th step of burn-in log h is increased by (a - target) / t^0.6, where a is the probability of acceptance (Andrieu and Thoms 2008). Afterwards
    h is fixed, because a step size that depends on the chain would change its density. exp(-E / T) must have a finite integral, which an energy that is
    flat far away does not give.

    Attributes:
        energy: E, (n, *) -> (n,).
        temperature: T; with T = 1 and E = -log p the chain samples p.
        steps: number of steps after burn-in; the last state is returned.
        burn: number of steps of burn-in.
        step: the initial h.
        target: acceptance rate that burn-in aims at.
        seed: seed of the noise, which depends on the seed and the index of the row alone, so that row i is the same in every batch.
    """

    energy: Energy
    temperature: float = 1.0
    steps: int = 200
    burn: int = 200
    step: float = 0.01
    target: float = 0.574
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive(temperature=self.temperature, step=self.step)
        if self.steps < 0 or self.burn < 0 or not 0 < self.target < 1:
            raise ValueError(
                f"Langevin needs steps >= 0, burn >= 0 and target in (0, 1); got {self.steps}, {self.burn}, {self.target}"
            )

    @outside_inference_mode
    def __call__(self, z: Tensor, /) -> Moved:
        """The last state of the chain that starts at each point of z (n, *)."""
        z, e, force = start_chains(self.energy, z)
        h, accepted = torch.full_like(e, self.step), torch.zeros_like(e)
        total = self.burn + self.steps
        for t, (xi, uniform) in enumerate(track(draw_noise(z, total, self.seed), "Langevin", total=total), start=1):
            there = propose(z, force, h, self.temperature, xi)
            e_there, force_there = energy_and_score(self.energy, there)
            probability = accept(z, e, there, e_there, force_there, h, self.temperature, xi)
            yes = uniform < probability
            z, force, e = where_rows(yes, there, z), where_rows(yes, force_there, force), where_rows(yes, e_there, e)
            if t <= self.burn:
                h = adapt(h, probability, self.target, t)
            else:
                accepted += yes.to(e.dtype)
        accepted = accepted / max(1, self.steps)
        return Moved(z, e, h, accepted, summarise(len(z) * (total + 1), total, accepted, h))


def propose(z: Tensor, force: Tensor, h: Tensor, temperature: float | Tensor, xi: Tensor) -> Tensor:
    """The proposals z - h grad E(z) + sqrt(2 h T) xi: (n, *)."""
    return z + scale_rows(h, force) + scale_rows((2 * h * temperature).sqrt(), xi)


def accept(
    z: Tensor,
    e: Tensor,
    there: Tensor,
    e_there: Tensor,
    force_there: Tensor,
    h: Tensor,
    temperature: float | Tensor,
    xi: Tensor,
) -> Tensor:
    """The probability (n,) of accepting the moves from z to ``there`` that were proposed with the noise xi."""
    back = _norm(z - there - scale_rows(h, force_there)).square()
    forth = 2 * h * temperature * _norm(xi).square()
    log_ratio = -(e_there - e) / temperature + (forth - back) / (4 * h * temperature)
    # a state whose energy or gradient is not finite has density 0
    sound = _finite(force_there) & log_ratio.isfinite()
    return torch.where(sound, log_ratio, -torch.inf).clamp_max(0).exp()


def adapt(h: Tensor, probability: Tensor, target: float, t: int) -> Tensor:
    """The step sizes after the t-th step of burn-in."""
    return h * ((probability - target) / t**0.6).exp()


_BLOCK = 64  # number of steps whose noise is drawn at once


def draw_noise(z: Tensor, steps: int, seed: int, uniforms: tuple[int, ...] = ()) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields a normal (n, *) and a uniform (n, *uniforms) draw for each step; each row has its own generator."""
    generators = row_generators(seed, len(z))
    for began in range(0, steps, _BLOCK):
        k = min(_BLOCK, steps - began)
        # blocks are always drawn completely, so that a longer chain begins like a shorter one
        normal = torch.stack([torch.randn(_BLOCK, *z.shape[1:], generator=g, dtype=z.dtype) for g in generators], 1)
        uniform = torch.stack([torch.rand(_BLOCK, *uniforms, generator=g, dtype=z.dtype) for g in generators], 1)
        yield from zip(normal[:k].to(z.device), uniform[:k].to(z.device))


def start_chains(energy: Energy, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A copy of the points (n, *) with their energies (n,) and scores (n, *); points without a finite energy and score are refused."""
    if z.dim() < 2 or len(z) == 0 or not z.is_floating_point():
        raise ValueError(f"points must be floating point (n, *) with n >= 1; got {z.dtype} {tuple(z.shape)}")
    z = z.detach().clone()
    e, force = energy_and_score(energy, z)
    bad = ~(e.isfinite() & _finite(force) & _finite(z))
    if bad.any():
        raise ValueError(
            f"point {int(bad.nonzero()[0])} has no finite energy and gradient to start from; look at the point and at the sensor"
        )
    return z, e, force


def _norm(v: Tensor) -> Tensor:
    return row_norm(v).flatten()


def scale_rows(factor: Tensor, v: Tensor) -> Tensor:
    """The rows of v (n, *) times the factors (n,)."""
    return factor.view(-1, *(1,) * (v.dim() - 1)) * v


def where_rows(yes: Tensor, there: Tensor, here: Tensor) -> Tensor:
    """The rows of ``there`` (n, *) where ``yes`` (n,), otherwise those of ``here``."""
    return torch.where(yes.view(-1, *(1,) * (here.dim() - 1)), there, here)


def _finite(v: Tensor) -> Tensor:
    return v.flatten(1).isfinite().all(dim=1)


def summarise(nfe: int, iterations: int, accepted: Tensor, step: Tensor) -> dict[str, float]:
    """The entries of ``Moved.stats``."""
    return {"nfe": nfe, "iterations": iterations, "accepted": float(accepted.mean()), "step": float(step.mean())}
