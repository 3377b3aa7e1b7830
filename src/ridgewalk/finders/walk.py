"""
Greedy walks from z_a towards z_b.

    score-guided walk (as written)   z <- z + alpha u - beta clamp(grad E(z))              u = (z_b - z) / |z_b - z|
    guided exploration               z <- z - alpha grad E(z) + gamma (z_b - z)
    arriving walk                    z <- z + alpha u + c,   c = -beta grad E(z) made normal to u, |c| <= share alpha

The first two need not arrive: a walker stops where drive and correction balance. Making the correction normal to the drive is not enough, because a
walker with a correction of size n stalls at the distance (alpha^2 + n^2) / (2 alpha), where the sideways error of a step equals its gain. With the cap
|c| <= share * alpha, share < 1, that distance is below alpha, from where z_b is one step away: for every distance r >= alpha,

    r'^2 = (r - alpha)^2 + |c|^2 <= r^2 - (1 - share^2) alpha r,   so that r falls by at least (1 - share^2) alpha / 2 per step,

and the walk arrives within 2 r_0 / ((1 - share^2) alpha) + 1 steps for any energy. The last step, of length r <= alpha, is no longer than the others.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.callables import outside_inference_mode
from ridgewalk.context import Context
from ridgewalk.fields import energy_and_score, normal_part, row_norm, unit
from ridgewalk.finders.inputs import check_endpoints, check_not_negative, check_positive, warn_unguided
from ridgewalk.path import Path
from ridgewalk.progress import track
from ridgewalk.protocols import Energy

Step = tuple[Tensor, dict[str, Tensor]]
"""The displacement of walkers (m, *), with the norm of its ``correction`` (m,) and the events that each walker met, (m,) bool by name."""

LOST = 100.0
"""A walker is given up at a distance from z_b that exceeds this many times the distance between the ends."""


@dataclass(frozen=True, eq=False)
class ScoreGuidedWalk:
    """
    The score-guided walk as first published: a drive of fixed length and a clamped gradient, without a guarantee of arrival.

    Attributes:
        energy: E, (n, *) -> (n,).
        alpha: length of the drive.
        beta: size of the correction per unit of gradient.
        eps: distance from z_b, at most ``alpha``, at which the last step goes to z_b.
        clamp: bound on each component of the gradient; components that are NaN count as 0.
        max_steps: number of steps after which a walker is given up.
        nodes: number of nodes of the returned path, at equal arc length along the walk.
    """

    energy: Energy
    alpha: float = 0.1
    beta: float = 0.2
    eps: float = 0.1
    clamp: float = 1.0
    max_steps: int = 400
    nodes: int = 33

    def __post_init__(self) -> None:
        check_positive(alpha=self.alpha, eps=self.eps, clamp=self.clamp, max_steps=self.max_steps)
        check_not_negative(beta=self.beta)
        if self.eps > self.alpha:
            raise ValueError(
                f"eps must be at most alpha, so that the last step is no longer than the others; got eps {self.eps}, alpha {self.alpha}"
            )

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); traces ``energy``, ``correction``, ``distance``; stats ``clamped``, ``nonfinite``."""

        def move(z: Tensor, target: Tensor) -> Step:
            force, nonfinite = _finite_score(self.energy, z, infinite=torch.inf)
            clamped = force.clamp(-self.clamp, self.clamp)
            correction = self.beta * clamped
            events = {"clamped": (clamped != force).flatten(1).any(1), "nonfinite": nonfinite}
            return self.alpha * unit(target - z) + correction, {"correction": row_norm(correction).flatten(), **events}

        return _walk(z_a, z_b, self.energy, move, self.eps, self.max_steps, self.nodes)


@dataclass(frozen=True, eq=False)
class GuidedExploration:
    """
    A walk with a drive proportional to the distance and the full score: z <- z - alpha grad E(z) + gamma (z_b - z).

    With E = -log D this is guided exploration along grad log D. The drive fades near z_b, so that the walk stalls where both terms balance.

    Attributes:
        energy: E, (n, *) -> (n,).
        alpha: size of the correction per unit of score.
        gamma: share of the remaining distance that a step covers.
        eps: distance from z_b at which the last step goes to z_b.
        max_steps: number of steps after which a walker is given up.
        nodes: number of nodes of the returned path, at equal arc length along the walk.
    """

    energy: Energy
    alpha: float = 0.05
    gamma: float = 0.05
    eps: float = 0.1
    max_steps: int = 400
    nodes: int = 33

    def __post_init__(self) -> None:
        check_positive(gamma=self.gamma, eps=self.eps, max_steps=self.max_steps)
        check_not_negative(alpha=self.alpha)

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); traces ``energy``, ``correction``, ``distance``."""

        def move(z: Tensor, target: Tensor) -> Step:
            force, nonfinite = _finite_score(self.energy, z)
            correction = self.alpha * force
            step = self.gamma * (target - z) + correction
            return step, {"correction": row_norm(correction).flatten(), "nonfinite": nonfinite}

        return _walk(z_a, z_b, self.energy, move, self.eps, self.max_steps, self.nodes)


@dataclass(frozen=True, eq=False)
class ArrivingWalk:
    """
    A score-guided walk that always arrives: its correction is normal to the drive, shorter than the drive, and fades near the end.

    Attributes:
        energy: E, (n, *) -> (n,).
        steps: nominal number of steps; the drive of a pair is alpha = |z_b - z_a| / steps.
        beta: size of the correction, in units of alpha, per unit of gradient.
        share: largest length of the correction relative to the drive, below 1.
        fade: distance from z_b, relative to |z_b - z_a|, within which the cap of the correction falls linearly to 0.
        nodes: number of nodes of the returned path, at equal arc length along the walk.
    """

    energy: Energy
    steps: int = 64
    beta: float = 2.0
    share: float = 0.9
    fade: float = 0.2
    nodes: int = 33

    def __post_init__(self) -> None:
        check_positive(steps=self.steps)
        check_not_negative(beta=self.beta, fade=self.fade)
        if not 0 <= self.share < 1:
            raise ValueError(
                f"share must be in [0, 1): a correction as large as the drive need not arrive; got {self.share}"
            )

    @property
    def most_steps(self) -> int:
        """The bound on the number of steps, from the formula at the head of this file."""
        return math.ceil(2 * self.steps / (1 - self.share**2)) + 2

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); traces ``energy``, ``correction``, ``distance``; every walk arrives."""
        check_endpoints(z_a, z_b, self.nodes)
        whole = row_norm(z_b - z_a).detach()
        alpha = whole / self.steps

        def move(z: Tensor, target: Tensor, whole: Tensor, alpha: Tensor) -> Step:
            force, nonfinite = _finite_score(self.energy, z)
            drive = target - z
            # scaled to at most 1, so that the squares of a steep gradient do not overflow
            largest = force.flatten(1).abs().amax(1).clamp_min(1).view_as(alpha)
            normal = normal_part(force / largest, drive)
            size = self.beta * alpha * row_norm(normal) * largest
            near = (row_norm(drive) / (self.fade * whole)).clamp_max(1.0) if self.fade > 0 else torch.ones_like(alpha)
            cap = self.share * alpha * near
            correction = torch.minimum(size, cap) * unit(normal)
            events = {"capped": (size > cap).flatten(), "nonfinite": nonfinite}
            return alpha * unit(drive) + correction, {"correction": row_norm(correction).flatten(), **events}

        return _walk(z_a, z_b, self.energy, move, alpha, self.most_steps, self.nodes, whole, alpha)


def _finite_score(energy: Energy, z: Tensor, infinite: float = 0.0) -> tuple[Tensor, Tensor]:
    """-grad E (m, *) with 0 for NaN and +-``infinite`` for infinite components, and whether a row has such components or its E is NaN (m,)."""
    value, force = energy_and_score(energy, z)
    bounded = force.nan_to_num(nan=0.0, posinf=infinite, neginf=-infinite)
    return bounded, value.isnan() | (~force.isfinite()).flatten(1).any(1)


def _walk(
    z_a: Tensor,
    z_b: Tensor,
    energy: Energy,
    move: Callable[..., Step],
    reach: float | Tensor,
    max_steps: int,
    nodes: int,
    *per_pair: Tensor,
) -> Path:
    """
    Moves each walker until it is within ``reach`` of its end, from where the last step goes to the end, or until ``max_steps`` steps are made.

    Walkers that have arrived or are lost stay where they are and are not evaluated again. ``move(z, z_b, *per_pair)`` gets the rows of the others.
    """
    check_endpoints(z_a, z_b, nodes)
    z_a, z_b = z_a.detach(), z_b.detach()
    b = z_a.shape[0]
    within = torch.as_tensor(reach, dtype=z_a.dtype, device=z_a.device).expand(b, *(1,) * (z_a.dim() - 1)).flatten()
    z, arrived = z_a.clone(), torch.zeros(b, dtype=torch.bool, device=z_a.device)
    lost = torch.zeros_like(arrived)
    steps = torch.zeros(b, dtype=torch.long, device=z_a.device)
    walked, corrections, counts, nfe = [z_a], [torch.zeros(b, dtype=z_a.dtype, device=z_a.device)], dict[str, int](), 0
    for _ in track(range(max_steps), "walking"):
        moving = (~(arrived | lost)).nonzero().flatten()
        if moving.numel() == 0:
            break
        at_end = row_norm(z_b[moving] - z[moving]).flatten() <= within[moving]
        z, correction = z.clone(), torch.zeros_like(corrections[0])
        last = moving[at_end]
        z[last], arrived[last] = z_b[last], True
        on = moving[~at_end]
        if on.numel():
            step, record = move(z[on], z_b[on], *(p[on] for p in per_pair))
            stepped = z[on] + step
            # a walker on a steep energy may overshoot further with every step; it stays at its last place when it is lost
            near = row_norm(stepped - z_b[on]) <= LOST * row_norm(z_b[on] - z_a[on])  # False also for nan
            lost[on] = ~near.flatten()
            z[on] = torch.where(near, stepped, z[on])
            correction[on] = torch.where(near.flatten(), record.pop("correction"), correction[on])
            nfe += on.numel()
            for name, happened in record.items():
                counts[name] = counts.get(name, 0) + int(happened.sum())
        steps[moving] += 1
        walked.append(z)
        corrections.append(correction)
    warn_unguided(counts.get("nonfinite", 0), nfe)
    line = Path(torch.stack(walked, 1), arrived, {"correction": torch.stack(corrections, 1)}).resample(nodes)
    distance = (line.nodes - z_b[:, None]).flatten(2).norm(dim=2)
    traces = {"energy": line.map(energy), "correction": line.traces["correction"], "distance": distance}
    residual = row_norm(z_b - z).flatten()
    stats = {
        "nfe": nfe + b * nodes,
        "iterations": len(walked) - 1,
        "steps_mean": float(steps.float().mean()),
        "steps_max": int(steps.max()),
        "lost": int(lost.sum()),
        "arrived": float(arrived.float().mean()),
        "residual_mean": float(residual.mean()),
        **counts,
    }
    return Path(line.nodes, arrived, traces, stats)


def build_score_guided_walk(context: Context, energy: Energy) -> ScoreGuidedWalk:
    """Builds the method "sgw"."""
    w = context.walks
    return ScoreGuidedWalk(energy, w.sgw_alpha, w.sgw_beta, eps=w.sgw_alpha, clamp=w.sgw_clamp, nodes=w.frames)


def build_guided_exploration(context: Context, energy: Energy) -> GuidedExploration:
    """Builds the method "guided"."""
    w = context.walks
    return GuidedExploration(energy, w.guided_alpha, w.guided_gamma, nodes=w.frames)


def build_arriving_walk(context: Context, energy: Energy) -> ArrivingWalk:
    """Builds the method "sgw-arriving"."""
    return ArrivingWalk(energy, nodes=context.walks.frames)
