"""
Walks without a second end: from where a point is to where the energy says it should be.

    descent     z <- z - h grad E(z)                               to the nearest valley, and no further
    Langevin    z <- z - h grad E(z) + sqrt(2 h T) xi              among the points of exp(-E / T)

Unadjusted, the second samples another density than exp(-E / T), by an error of the order of h. The Metropolis-adjusted Langevin
algorithm (Roberts and Tweedie 1996) takes the move z' as a proposal, of density q(z' | z) = N(z'; z - h grad E(z), 2 h T I),
and accepts it with probability

    min(1, exp(-(E(z') - E(z)) / T) q(z | z') / q(z' | z)),

after which exp(-E / T) is invariant for any h > 0. Roberts and Rosenthal (1998): in many dimensions it is fastest where a share 0.574 is accepted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite

import torch
from torch import Tensor

from ridgewalk.callables import outside_inference_mode
from ridgewalk.fields import energy_and_score, row_norm
from ridgewalk.progress import track
from ridgewalk.protocols import Energy
from ridgewalk.seeds import row_generators


@dataclass(frozen=True, eq=False)
class Moved:
    """
    Where points have gone.

    Attributes:
        z: (n, *).
        energy: (n,), there.
        step: (n,), the last size h of each point's steps.
        accepted: (n,), the share of each point's moves that were accepted (after burn-in, where there is one).
        stats: ``nfe`` (rows on which the energy was evaluated), ``iterations``, and means over points of ``accepted`` and ``step``.
    """

    z: Tensor
    energy: Tensor
    step: Tensor
    accepted: Tensor
    stats: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Descent:
    """
    Gradient flow, with a step for each point that grows by ``growth`` after a move and is halved after a refusal.

    A move is refused unless the energy falls by ``fall`` of what its slope promises (Armijo 1966): no point's energy ever rises.

    Attributes:
        energy: what falls.
        steps: moves tried, at most.
        step: first h, in units of latent length squared per unit of energy.
        longest: a move is cut to this length, so that none leaps over a ridge.
        tolerance: a point whose |grad E| is at most this is at rest.
        growth: factor of the step size after a move that was accepted.
        fall: share of the promised fall that must come true.
    """

    energy: Energy
    steps: int = 300
    step: float = 0.02
    longest: float = 0.25
    tolerance: float = 1e-4
    growth: float = 1.3
    fall: float = 1e-3

    def __post_init__(self) -> None:
        _positive(step=self.step, longest=self.longest)
        if self.steps < 0 or self.tolerance < 0 or not self.growth >= 1 or not 0 <= self.fall < 1:
            raise ValueError(
                "a descent needs steps >= 0, tolerance >= 0, growth >= 1 and fall in [0, 1); got "
                f"{self.steps}, {self.tolerance}, {self.growth}, {self.fall}"
            )

    @outside_inference_mode
    def __call__(self, z: Tensor, /) -> Moved:
        """(n, *) -> the same points further down; stats gain ``at_rest``, the share of points that are."""
        z, e, force = _begin(self.energy, z)
        h = torch.full_like(e, self.step)
        tried, taken, nfe = torch.zeros_like(e), torch.zeros_like(e), len(z)
        rounds = 0
        for _ in track(range(self.steps), "descending"):
            # a step of no length in floating point is a point at rest as well
            on = ((_norm(force) > self.tolerance) & (h * _norm(force) > 0)).nonzero().flatten()
            if on.numel() == 0:
                break
            rounds += 1
            size = _norm(force[on])
            move = _by_row(torch.minimum(h[on], self.longest / size), force[on])
            there = z[on] + move
            e_there, force_there = energy_and_score(self.energy, there)
            promised = (move * force[on]).flatten(1).sum(dim=1)
            good = (e_there <= e[on] - self.fall * promised) & _finite(force_there)
            nfe += on.numel()
            tried[on] += 1
            taken[on] += good.to(e.dtype)
            yes = on[good]
            z[yes], e[yes], force[yes] = there[good], e_there[good], force_there[good]
            h[on] = torch.where(good, h[on] * self.growth, torch.minimum(h[on], self.longest / size) / 2)
        accepted = taken / tried.clamp_min(1)
        at_rest = float((_norm(force) <= self.tolerance).float().mean())
        return Moved(z, e, h, accepted, {**_stats(nfe, rounds, accepted, h), "at_rest": at_rest})


@dataclass(frozen=True, eq=False)
class Langevin:
    """
    One Metropolis-adjusted Langevin chain a point, each with a step of its own.

    During burn-in log h moves by (a - target) / t^0.6 at the t-th step, a the probability of acceptance (Andrieu and Thoms
    2008); then it stays, since a step that goes on learning from the chain would bend its law. exp(-E / T) must have a finite integral:
    an energy that is flat far away holds no chain.

    Attributes:
        energy: E.
        temperature: T; at 1 and E = -log p, the samples are of p.
        steps: after burn-in; the last state is returned.
        burn: steps of burn-in.
        step: first h.
        target: share of accepted moves that burn-in aims at.
        seed: seed of the noise, which depends on the seed and the row's index only: row i is the same in every batch.
    """

    energy: Energy
    temperature: float = 1.0
    steps: int = 200
    burn: int = 200
    step: float = 0.01
    target: float = 0.574
    seed: int = 0

    def __post_init__(self) -> None:
        _positive(temperature=self.temperature, step=self.step)
        if self.steps < 0 or self.burn < 0 or not 0 < self.target < 1:
            raise ValueError(
                f"Langevin needs steps >= 0, burn >= 0 and target in (0, 1); got {self.steps}, {self.burn}, {self.target}"
            )

    @outside_inference_mode
    def __call__(self, z: Tensor, /) -> Moved:
        """(n, *) -> the last state of the chain that starts at each point."""
        z, e, force = _begin(self.energy, z)
        h, accepted = torch.full_like(e, self.step), torch.zeros_like(e)
        total = self.burn + self.steps
        for t, (xi, uniform) in enumerate(track(_noise(z, total, self.seed), "Langevin", total=total), start=1):
            there = _proposed(z, force, h, self.temperature, xi)
            e_there, force_there = energy_and_score(self.energy, there)
            probability = _acceptance(z, e, there, e_there, force_there, h, self.temperature, xi)
            yes = uniform < probability
            z, force, e = _where(yes, there, z), _where(yes, force_there, force), _where(yes, e_there, e)
            if t <= self.burn:
                h = _adapted(h, probability, self.target, t)
            else:
                accepted += yes.to(e.dtype)
        accepted = accepted / max(1, self.steps)
        return Moved(z, e, h, accepted, _stats(len(z) * (total + 1), total, accepted, h))


def _proposed(z: Tensor, force: Tensor, h: Tensor, temperature: float | Tensor, xi: Tensor) -> Tensor:
    """Z - h grad E(z) + sqrt(2 h T) xi: (n, *)."""
    return z + _by_row(h, force) + _by_row((2 * h * temperature).sqrt(), xi)


def _acceptance(
    z: Tensor,
    e: Tensor,
    there: Tensor,
    e_there: Tensor,
    force_there: Tensor,
    h: Tensor,
    temperature: float | Tensor,
    xi: Tensor,
) -> Tensor:
    """The probability with which the move from z to ``there`` by noise xi is accepted: (n,)."""
    back = _norm(z - there - _by_row(h, force_there)).square()
    forth = 2 * h * temperature * _norm(xi).square()
    log_ratio = -(e_there - e) / temperature + (forth - back) / (4 * h * temperature)
    # a state without a finite energy and gradient has density 0
    sound = _finite(force_there) & log_ratio.isfinite()
    return torch.where(sound, log_ratio, -torch.inf).clamp_max(0).exp()


def _adapted(h: Tensor, probability: Tensor, target: float, t: int) -> Tensor:
    """The step after the t-th move of burn-in."""
    return h * ((probability - target) / t**0.6).exp()


_BLOCK = 64  # steps whose noise is drawn at once


def _noise(z: Tensor, steps: int, seed: int, uniforms: tuple[int, ...] = ()) -> Iterator[tuple[Tensor, Tensor]]:
    """A normal (n, *) and a uniform (n, *uniforms) draw for each step; row i's come from a generator of its own."""
    generators = row_generators(seed, len(z))
    for began in range(0, steps, _BLOCK):
        k = min(_BLOCK, steps - began)
        # every block is drawn whole, so that a chain of more steps begins as one of fewer
        normal = torch.stack([torch.randn(_BLOCK, *z.shape[1:], generator=g, dtype=z.dtype) for g in generators], 1)
        uniform = torch.stack([torch.rand(_BLOCK, *uniforms, generator=g, dtype=z.dtype) for g in generators], 1)
        yield from zip(normal[:k].to(z.device), uniform[:k].to(z.device))


def _begin(energy: Energy, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A copy of the points with their energy and score."""
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


def _by_row(factor: Tensor, v: Tensor) -> Tensor:
    return factor.view(-1, *(1,) * (v.dim() - 1)) * v


def _where(yes: Tensor, there: Tensor, here: Tensor) -> Tensor:
    return torch.where(yes.view(-1, *(1,) * (here.dim() - 1)), there, here)


def _finite(v: Tensor) -> Tensor:
    return v.flatten(1).isfinite().all(dim=1)


def _stats(nfe: int, iterations: int, accepted: Tensor, step: Tensor) -> dict[str, float]:
    return {"nfe": nfe, "iterations": iterations, "accepted": float(accepted.mean()), "step": float(step.mean())}


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (value > 0 and isfinite(value)):
            raise ValueError(f"{name} must be positive and finite; got {value}")
