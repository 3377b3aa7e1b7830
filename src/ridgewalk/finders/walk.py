"""
Greedy walks: from z_a, step after step, towards z_b.

    score-guided walk (as written)   z <- z + alpha u - beta clamp(grad E(z))              u = (z_b - z) / |z_b - z|
    guided exploration               z <- z - alpha grad E(z) + gamma (z_b - z)
    arriving walk                    z <- z + alpha u + c,   c = -beta grad E(z) made normal to u, |c| <= share alpha

The first two need not arrive: where drive and correction balance, the walker stays. A correction normal to the drive is not
enough by itself, since a walker whose correction has size n then stalls at distance (alpha^2 + n^2) / 2 alpha, where the step
overshoots sideways by as much as it gains. Capped at |c| <= share * alpha with share < 1 that distance is below alpha, and from
there z_b is one step away: for every distance r >= alpha,

    r'^2 = (r - alpha)^2 + |c|^2 <= r^2 - (1 - share^2) alpha r,   so r falls by at least (1 - share^2) alpha / 2 a step,

and the walk arrives within 2 r_0 / ((1 - share^2) alpha) + 1 steps, whatever the energy. The last step, of length r <= alpha, is no
longer than any other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.callables import outside_inference_mode
from ridgewalk.context import Context
from ridgewalk.fields import energy_and_score, normal_part, row_norm, unit
from ridgewalk.finders import endpoints
from ridgewalk.path import Path
from ridgewalk.progress import track
from ridgewalk.protocols import Energy

Move = Callable[[Tensor, Tensor], tuple[Tensor, dict[str, Tensor]]]
"""(z, z_b), both (m, *) -> the displacement (m, *) and per-row records (m,)."""


LOST = 100.0
"""A walker further from z_b than this many times the distance of the ends has left the space, and is given up."""


@dataclass(frozen=True, eq=False)
class ScoreGuidedWalk:
    """
    The score-guided walk as its authors wrote it: unit drive, clamped gradient, no guarantee of arrival.

    Attributes:
        energy: what the correction descends.
        alpha: length of the drive.
        beta: size of the correction per unit of gradient.
        eps: a walker nearer than this to z_b has arrived, and its last step goes there; at most ``alpha``.
        clamp: each component of the gradient is held in [-clamp, clamp]; values that are not finite count as 0.
        max_steps: when a walker is given up.
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
        _positive(alpha=self.alpha, eps=self.eps, clamp=self.clamp, max_steps=self.max_steps)
        _not_negative(beta=self.beta)
        if self.eps > self.alpha:
            raise ValueError(
                f"eps must be at most alpha, so that the last step is no longer than the others; got eps {self.eps}, alpha {self.alpha}"
            )

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); traces ``energy``, ``correction``, ``distance``; stats ``clamped``, ``nonfinite``."""

        def move(z: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            _, force = energy_and_score(self.energy, z)
            finite = force.isfinite()
            clean = torch.where(finite, force, torch.zeros_like(force))
            held = clean.clamp(-self.clamp, self.clamp)
            correction = self.beta * held
            counts = {"clamped": (held != clean).flatten(1).any(1), "nonfinite": (~finite).flatten(1).any(1)}
            return self.alpha * unit(target - z) + correction, {"correction": row_norm(correction).flatten(), **counts}

        return _walk(z_a, z_b, self.energy, move, self.eps, self.max_steps, self.nodes)


@dataclass(frozen=True, eq=False)
class GuidedExploration:
    """
    z <- z - alpha grad E(z) + gamma (z_b - z): a drive proportional to the distance, and the full score.

    With E = -log D this is the guided exploration along grad log D; its drive fades near z_b, so that it stalls where the two terms balance.

    Attributes:
        energy: what the correction descends.
        alpha: size of the correction per unit of score.
        gamma: share of the remaining way that each step drives.
        eps: a walker nearer than this to z_b has arrived, and its last step goes there.
        max_steps: when a walker is given up.
        nodes: number of nodes of the returned path, at equal arc length along the walk.
    """

    energy: Energy
    alpha: float = 0.05
    gamma: float = 0.05
    eps: float = 0.1
    max_steps: int = 400
    nodes: int = 33

    def __post_init__(self) -> None:
        _positive(gamma=self.gamma, eps=self.eps, max_steps=self.max_steps)
        _not_negative(alpha=self.alpha)

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); traces ``energy``, ``correction``, ``distance``."""

        def move(z: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            _, force = energy_and_score(self.energy, z)
            finite = force.isfinite()
            correction = self.alpha * torch.where(finite, force, torch.zeros_like(force))
            counts = {"nonfinite": (~finite).flatten(1).any(1)}
            return self.gamma * (target - z) + correction, {"correction": row_norm(correction).flatten(), **counts}

        return _walk(z_a, z_b, self.energy, move, self.eps, self.max_steps, self.nodes)


@dataclass(frozen=True, eq=False)
class ArrivingWalk:
    """
    The score-guided walk made to arrive: the correction is normal to the drive, capped below it, and fades near the end.

    Attributes:
        energy: what the correction descends.
        steps: nominal number: each pair's drive is alpha = |z_b - z_a| / steps.
        beta: size of the correction, in units of alpha, per unit of gradient.
        share: largest correction as a share of the drive, below 1.
        fade: share of the way before z_b over which the cap falls linearly to 0.
        nodes: number of nodes of the returned path, at equal arc length along the walk.
    """

    energy: Energy
    steps: int = 64
    beta: float = 2.0
    share: float = 0.9
    fade: float = 0.2
    nodes: int = 33

    def __post_init__(self) -> None:
        _positive(steps=self.steps)
        _not_negative(beta=self.beta, fade=self.fade)
        if not 0 <= self.share < 1:
            raise ValueError(
                f"share must be in [0, 1): a correction as large as the drive need not arrive; got {self.share}"
            )

    @property
    def most_steps(self) -> int:
        """The bound on the steps of any walk, from the formula at the head of this file."""
        return math.ceil(2 * self.steps / (1 - self.share**2)) + 2

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); traces ``energy``, ``correction``, ``distance``; every walk arrives."""
        endpoints.check(z_a, z_b, self.nodes)
        whole = row_norm(z_b - z_a).detach()
        alpha = whole / self.steps

        def move(z: Tensor, target: Tensor, whole: Tensor, alpha: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            _, force = energy_and_score(self.energy, z)
            finite = force.isfinite()
            drive = target - z
            clean = torch.where(finite, force, torch.zeros_like(force))
            # scaled to at most 1, so that the squares of a steep gradient do not overflow
            largest = clean.flatten(1).abs().amax(1).clamp_min(1).view_as(alpha)
            normal = normal_part(clean / largest, drive)
            size = self.beta * alpha * row_norm(normal) * largest
            near = (row_norm(drive) / (self.fade * whole)).clamp_max(1.0) if self.fade > 0 else torch.ones_like(alpha)
            cap = self.share * alpha * near
            correction = torch.minimum(size, cap) * unit(normal)
            counts = {"capped": (size > cap).flatten(), "nonfinite": (~finite).flatten(1).any(1)}
            return alpha * unit(drive) + correction, {"correction": row_norm(correction).flatten(), **counts}

        return _walk(z_a, z_b, self.energy, move, alpha, self.most_steps, self.nodes, whole, alpha)


def _walk(
    z_a: Tensor,
    z_b: Tensor,
    energy: Energy,
    move: Callable[..., tuple[Tensor, dict[str, Tensor]]],
    reach: float | Tensor,
    max_steps: int,
    nodes: int,
    *per_pair: Tensor,
) -> Path:
    """
    Moves all walkers until each is within ``reach`` of its end, and takes the last step there, or ``max_steps`` are spent.

    Walkers that have arrived, or are further than ``LOST`` times the ends' distance from z_b, hold their place; only the others are
    moved and counted. Stat ``lost`` counts the latter.
    """
    endpoints.check(z_a, z_b, nodes)
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
            # a drive against a steep energy may overshoot ever further: such a walker is given up where it last was
            away = row_norm(stepped - z_b[on]) <= LOST * row_norm(z_b[on] - z_a[on])  # False for nan, too
            lost[on] = ~away.flatten()
            z[on] = torch.where(away, stepped, z[on])
            correction[on] = torch.where(away.flatten(), record.pop("correction"), correction[on])
            nfe += on.numel()
            for name, happened in record.items():
                counts[name] = counts.get(name, 0) + int(happened.sum())
        steps[moving] += 1
        walked.append(z)
        corrections.append(correction)
    line = Path(torch.stack(walked, 1), arrived, {"correction": torch.stack(corrections, 1)}).resample(nodes)
    distance = (line.nodes - z_b[:, None]).flatten(2).norm(dim=2)
    traces = {"energy": line.map(energy), "correction": line.traces["correction"], "distance": distance}
    stats = {
        "nfe": nfe + b * nodes,
        "iterations": len(walked) - 1,
        "steps_mean": float(steps.float().mean()),
        "steps_max": int(steps.max()),
    }
    residual = row_norm(z_b - z).flatten()
    stats |= {
        "lost": int(lost.sum()),
        "arrived": float(arrived.float().mean()),
        "residual_mean": float(residual.mean()),
        **counts,
    }
    return Path(line.nodes, arrived, traces, stats)


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be positive and finite; got {value}")


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be >= 0 and finite; got {value}")


def build_score_guided_walk(context: Context, energy: Energy) -> ScoreGuidedWalk:
    """The method "sgw"."""
    w = context.walks
    return ScoreGuidedWalk(energy, alpha=w.sgw_alpha, beta=w.sgw_beta, eps=w.sgw_alpha, nodes=w.frames)


def build_guided_exploration(context: Context, energy: Energy) -> GuidedExploration:
    """The method "guided"."""
    return GuidedExploration(energy, nodes=context.walks.frames)


def build_arriving_walk(context: Context, energy: Energy) -> ArrivingWalk:
    """The method "sgw-arriving"."""
    return ArrivingWalk(energy, nodes=context.walks.frames)
