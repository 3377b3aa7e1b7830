"""
Minimises the objectives of many curves at once by limited-memory BFGS, with separate steps for each pair.

The stiffness of a curve grows with the number of nodes: the energy of a chain of n nodes has a condition number of about n^2. Directions are
therefore preconditioned along the chain by the inverse of the discrete Laplacian

    L = tridiag(-1, 2, -1),   d = -H grad J,   H_0 = g L^(-1),   g = <s, y> / <y, L^(-1) y>

where s is the last step and y is the change of the gradient in it. A step is shortened until J falls enough (Armijo's rule). A pair whose J falls by
less than the tolerance is finished and is not evaluated again.

Sources: Nocedal and Wright (2006), algorithm 7.4 and equation 7.20; Neuberger (1997) on gradients in Sobolev spaces.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.callables import differentiate
from ridgewalk.progress import track

DECREASE = 1e-4
"""Armijo's constant."""

SHRINK, TRIALS = 0.35, 6
"""The factor by which a step that is too long is shortened, and the largest number of times."""

FIRST = 0.1
"""Largest move of a node in the first step, relative to the distance of the ends."""

MEMORY = 6
"""Number of past steps that determine a direction."""


@dataclass(frozen=True, eq=False)
class Minimised:
    """
    The result of a minimisation.

    Attributes:
        z: (b, n, d) the interior nodes of every pair.
        values: (b,) the objective of every pair.
        evaluations: number of curves that were evaluated.
        iterations: number of iterations until the last pair was finished.
        done: (b,) bool, whether a pair met the tolerance.
        nonfinite: number of gradients that were not finite and were replaced by 0.
    """

    z: Tensor
    values: Tensor
    evaluations: int
    iterations: int
    done: Tensor
    nonfinite: int


Objective = Callable[[Tensor, Tensor], Tensor]
"""Maps interior nodes (m, n, d) of the pairs ``rows`` (m,) to values (m,); the value of a pair depends on its own nodes alone."""


def minimise(objective: Objective, z: Tensor, distance: Tensor, iterations: int, tolerance: float) -> Minimised:
    """
    Minimises the objective of every pair.

    Args:
        objective: maps interior nodes and rows to the values to be minimised.
        z: (b, n, d) the initial interior nodes.
        distance: (b,) the distance between the ends of each pair, the unit of the first step.
        iterations: largest number of iterations.
        tolerance: a pair is finished when an iteration lowers its value by less than this share of it, twice in a row.

    Raises:
        FloatingPointError: if the objective is nan at the start.
    """
    b, n, _ = z.shape
    if n == 0:
        nothing = torch.zeros(b, dtype=z.dtype, device=z.device)
        return Minimised(z.detach().clone(), nothing, 0, 0, nothing == 0, 0)
    search = _Search(objective, z.detach(), distance)
    result, values, done = z.detach().clone(), search.v.clone(), torch.zeros(b, dtype=torch.bool, device=z.device)
    count = 0
    for _ in track(range(iterations), "minimising curves"):
        if not len(search.rows):
            break
        count += 1
        still = search.step(tolerance)
        result[search.rows], values[search.rows] = search.z, search.v
        done[search.rows[still]] = True
        search.keep(~still)
    return Minimised(result, values, search.evaluations, count, done, search.nonfinite)


class _Search:
    """The state of the pairs that are not finished: their nodes, values, gradients and past steps."""

    def __init__(self, objective: Objective, z: Tensor, distance: Tensor) -> None:
        self.objective, self.z = objective, z
        self.rows = torch.arange(len(z), device=z.device)
        self.evaluations, self.nonfinite = 0, 0
        n = z.shape[1]
        off = torch.ones(n - 1, dtype=z.dtype, device=z.device)
        laplacian = 2 * torch.eye(n, dtype=z.dtype, device=z.device) - torch.diag(off, 1) - torch.diag(off, -1)
        self.inverse = torch.linalg.inv(laplacian)
        self.v, self.g = self._evaluate(z, self.rows)
        if self.v.isnan().any():
            pair = int(self.v.isnan().nonzero()[0])
            raise FloatingPointError(
                f"the energy of the curve of pair {pair} is nan; look at the sensor, the decoder and their input"
            )
        self.reach = FIRST * distance
        self.past: list[tuple[Tensor, Tensor, Tensor]] = []
        self.idle = torch.zeros(len(z), dtype=torch.bool, device=z.device)

    def _evaluate(self, z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = z.detach().clone().requires_grad_(True)
            values = self.objective(leaf, rows)
            slope = differentiate(
                lambda at: self.objective(at, rows), leaf, values, "the decoder or the energy of a curve"
            )
        finite = slope.isfinite()
        self.nonfinite += int((~finite).flatten(1).any(1).sum())
        self.evaluations += len(rows)
        return values.detach(), torch.where(finite, slope, torch.zeros_like(slope))

    def _smooth(self, g: Tensor) -> Tensor:
        return torch.einsum("ij,bjd->bid", self.inverse, g)

    def _direction(self) -> Tensor:
        q, shares = self.g, []
        for s, y, r in reversed(self.past):
            a = r * _dot(s, q)
            shares.append(a)
            q = q - _wide(a) * y
        if self.past:
            s, y, r = self.past[-1]
            scale = _dot(s, y) / _dot(y, self._smooth(y)).clamp_min(torch.finfo(y.dtype).tiny)
            q = _wide(torch.where(r > 0, scale, self._scale_first())) * self._smooth(q)
        else:
            q = _wide(self._scale_first()) * self._smooth(q)
        for (s, y, r), a in zip(self.past, reversed(shares)):
            q = q + _wide(a - r * _dot(y, q)) * s
        d = -q
        steepest = -_wide(self._scale_first()) * self._smooth(self.g)
        return torch.where(_wide(_dot(self.g, d) < 0), d, steepest)

    def _scale_first(self) -> Tensor:
        """The factors (m,) by which the smoothed gradients move no node by more than ``reach``."""
        largest = self._smooth(self.g).norm(dim=2).amax(dim=1)
        return self.reach / largest.clamp_min(torch.finfo(largest.dtype).tiny)

    def step(self, tolerance: float) -> Tensor:
        """Makes one iteration and returns whether each pair is finished, (m,) bool."""
        d = self._direction()
        slope = _dot(self.g, d)
        share = torch.ones_like(self.v)
        z = self.z + d
        v, g = self._evaluate(z, self.rows)
        for _ in range(TRIALS):
            high = ~(v <= self.v + DECREASE * share * slope)
            if not high.any():
                break
            i = high.nonzero()[:, 0]
            share[i] *= SHRINK
            z[i] = self.z[i] + _wide(share[i]) * d[i]
            v[i], g[i] = self._evaluate(z[i], self.rows[i])
        worse = ~(v <= self.v)
        z, g = torch.where(_wide(worse), self.z, z), torch.where(_wide(worse), self.g, g)
        v = torch.where(worse, self.v, v)
        s, y = z - self.z, g - self.g
        along = _dot(s, y)
        curved = along > 1e-10 * _dot(y, y)
        self.past.append((s, y, torch.where(curved, 1 / along.clamp_min(torch.finfo(v.dtype).tiny), 0 * along)))
        self.past = self.past[-MEMORY:]
        slow = self.v - v <= tolerance * v.abs()
        done, self.idle = slow & self.idle, slow
        self.z, self.v, self.g = z, v, g
        return done

    def keep(self, live: Tensor) -> None:
        """Drops the pairs that are not ``live``, (m,) bool."""
        if bool(live.all()):
            return
        self.rows, self.z, self.v, self.g = self.rows[live], self.z[live], self.v[live], self.g[live]
        self.reach, self.idle = self.reach[live], self.idle[live]
        self.past = [(s[live], y[live], r[live]) for s, y, r in self.past]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(dim=1)


def _wide(v: Tensor) -> Tensor:
    return v.view(-1, 1, 1)
