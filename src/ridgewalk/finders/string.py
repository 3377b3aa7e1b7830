"""
The string method (E, Ren and Vanden-Eijnden 2007): a whole curve relaxes on an energy with its ends held.

Each iteration moves every interior node down the gradient, smooths the curve, and puts the nodes back at equal arc length:

    z_i <- z_i - h grad E(z_i)
    z_i <- (1 - s) z_i + s (z_{i-1} + z_{i+1}) / 2
    z   <- the same curve at equal arc length

On a smooth energy with s = 0 a fixed point is a minimum-energy path: the gradient is everywhere along the curve, and its highest
point is a saddle. Smoothing adds tension: the curve stays shorter, and cuts corners whose energy allows it. Because nodes slide back to
equal spacing, the part of the gradient along the curve has no effect on its shape.

A greedy walk sees one point at a time and must arrive; a string sees the whole way, and its ends are exact by construction.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk import polyline
from ridgewalk.callables import outside_inference_mode
from ridgewalk.context import Context
from ridgewalk.fields import energy_and_score
from ridgewalk.finders import endpoints
from ridgewalk.finders.graph import build_graph
from ridgewalk.finders.straight import Lerp
from ridgewalk.path import Path
from ridgewalk.progress import track
from ridgewalk.protocols import Energy, PathFinder


@dataclass(frozen=True, eq=False)
class StringMethod:
    """
    Relaxes all pairs' curves at once, in one tensor.

    Attributes:
        energy: what the nodes descend; where it is nan the search stops with FloatingPointError, and components of its
            gradient that are not finite count as 0.
        nodes: k, of the relaxing curve and of the path returned.
        iterations: number of moves.
        step: h, in units of latent length squared per unit of energy.
        cap: longest move of a node in one iteration, as a share of the spacing between nodes; keeps steep energies stable.
        smoothing: s, in [0, 1).
        start: the finder of the curve to start from; its nodes are resampled to ``nodes``.
        spacing: (n, *) -> (n, *), such as the decoder: the path returned has its nodes at equal arc length between these values; by default in latent space.
    """

    energy: Energy
    nodes: int = 33
    iterations: int = 150
    step: float = 0.02
    cap: float = 0.5
    smoothing: float = 0.95
    start: PathFinder = field(default_factory=Lerp)
    spacing: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if self.iterations < 0 or self.step <= 0 or self.cap <= 0 or not 0 <= self.smoothing < 1:
            raise ValueError(
                "a string needs iterations >= 0, step > 0, cap > 0 and smoothing in [0, 1); got "
                f"{self.iterations}, {self.step}, {self.cap}, {self.smoothing}"
            )

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """
        (b, *), (b, *) -> nodes (b, k, *); trace ``energy``.

        Stats ``nfe``, ``iterations``, ``moved`` (last mean move over the spacing), ``nonfinite`` (evaluations whose gradient was not finite).
        """
        endpoints.check(z_a, z_b, self.nodes)
        began = self.start(z_a.detach(), z_b.detach())
        if not bool(began.arrived.all()):
            raise ValueError(
                f"a string starts from curves that reach z_b; {int((~began.arrived).sum())} of its start's did not arrive"
            )
        z = polyline.equally_spaced(began.nodes, self.nodes)
        nfe, moved = began.stats.get("nfe", 0), torch.zeros(())
        nonfinite = torch.zeros((), dtype=torch.long, device=z.device)  # read once, at the end
        for _ in track(range(self.iterations), "string method"):
            z, moved, bad = self._relax(z)
            nonfinite += bad
            nfe += z.shape[0] * (self.nodes - 2)
        path = Path(z, began.arrived)
        if self.spacing is not None:
            path = path.resample(self.nodes, self.spacing)
        traces = {"energy": path.map(self.energy)}
        stats = {"nfe": nfe + z.shape[0] * self.nodes, "iterations": self.iterations, "moved": float(moved)}
        stats["nonfinite"] = int(nonfinite)
        return Path(path.nodes, path.arrived, traces, stats)

    def _relax(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The curves after one move, their mean move over the spacing, and the number of nodes whose gradient was not finite."""
        inner = z[:, 1:-1]
        values, force = energy_and_score(self.energy, inner.flatten(0, 1))
        if values.isnan().any():
            pair = int(values.view(inner.shape[:2]).isnan().any(dim=1).nonzero()[0])
            raise FloatingPointError(
                f"the string's energy became nan on the path of pair {pair}; look at the sensor and at its input"
            )
        # one value that is not finite would spread along the whole curve
        finite = force.isfinite()
        move = self.step * torch.where(finite, force, torch.zeros_like(force)).view_as(inner)
        spacing = polyline.segments(z).mean(dim=1).view(-1, 1, *(1,) * (z.dim() - 2))
        size = move.flatten(2).norm(dim=2).view(*inner.shape[:2], *(1,) * (z.dim() - 2))
        move = move * (self.cap * spacing / size.clamp_min(torch.finfo(z.dtype).tiny)).clamp_max(1.0)
        pushed = torch.cat([z[:, :1], inner + move, z[:, -1:]], dim=1)
        smooth = torch.lerp(pushed[:, 1:-1], (pushed[:, :-2] + pushed[:, 2:]) / 2, self.smoothing)
        curve = torch.cat([z[:, :1], smooth, z[:, -1:]], dim=1)
        spaced = polyline.equally_spaced(curve, self.nodes)
        moved = ((spaced - z).flatten(2).norm(dim=2).mean(1) / spacing.flatten()).mean()
        return spaced, moved, (~finite).flatten(1).any(1).sum()


def build_string(context: Context, energy: Energy, start: PathFinder | None = None) -> StringMethod:
    """The method "string", from a straight line or from the path of ``start``."""
    w = context.walks
    return StringMethod(
        energy,
        nodes=w.nodes,
        iterations=w.iterations,
        step=w.step,
        smoothing=w.smoothing,
        start=start or Lerp(w.nodes),
        spacing=context.decode,
    )


def build_graph_string(context: Context, energy: Energy) -> StringMethod:
    """The method "graph-string"."""
    return build_string(context, energy, build_graph(context, context.walks.nodes))
