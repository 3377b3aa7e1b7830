"""
The string method (E, Ren and Vanden-Eijnden 2007): a whole curve relaxes on an energy while its ends are fixed.

Each iteration moves every interior node down the gradient, smooths the curve, and redistributes the nodes at equal arc length:

    z_i <- z_i - h grad E(z_i)
    z_i <- (1 - s) z_i + s (z_{i-1} + z_{i+1}) / 2
    z   <- the same curve at equal arc length

On a smooth energy with s = 0 a fixed point is a minimum-energy path: the gradient is everywhere along the curve, and its highest point is a
saddle. Smoothing adds tension, so that the curve stays shorter and cuts corners where the energy allows it. Because the nodes are redistributed,
the component of the gradient along the curve does not change its shape. Unlike a greedy walk, a string always arrives.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk import polyline
from ridgewalk.callables import outside_inference_mode
from ridgewalk.context import Context
from ridgewalk.fields import energy_and_score
from ridgewalk.finders.graph import build_graph
from ridgewalk.finders.inputs import check_endpoints, warn_unguided
from ridgewalk.finders.straight import Lerp
from ridgewalk.path import Path
from ridgewalk.progress import track
from ridgewalk.protocols import Energy, PathFinder


@dataclass(frozen=True, eq=False)
class StringMethod:
    """
    Relaxes the curves of all pairs at once, in one tensor.

    Attributes:
        energy: E; if it becomes nan the search stops with a FloatingPointError, and components of its gradient that are not finite count as 0.
        nodes: k, the number of nodes of the relaxing curve and of the returned path.
        iterations: number of iterations.
        step: h, in units of squared latent length per unit of energy.
        cap: largest move of a node in one iteration, as a share of the spacing between nodes, which keeps the search stable on steep energies.
        smoothing: s, in [0, 1).
        start: finder of the initial curve, which is resampled to ``nodes`` nodes.
        spacing: (n, *) -> (n, *), such as the decoder; nodes of the returned path are at equal arc length between its values, or in latent space if None.
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

        Stats are ``nfe``, ``iterations``, ``moved`` (the last mean move over the spacing) and ``nonfinite`` (evaluations whose gradient was not finite).
        """
        check_endpoints(z_a, z_b, self.nodes)
        z, nfe = find_start(self.start, z_a.detach(), z_b.detach(), self.nodes)
        moved, nonfinite = torch.zeros(()), torch.zeros((), dtype=torch.long, device=z.device)
        for _ in track(range(self.iterations), "string method"):
            z, moved, bad = self._relax(z)
            nonfinite += bad
            nfe += z.shape[0] * (self.nodes - 2)
        warn_unguided(int(nonfinite), self.iterations * z.shape[0] * (self.nodes - 2))
        path = Path(z, torch.ones(len(z), dtype=torch.bool, device=z.device))
        if self.spacing is not None:
            path = path.resample(self.nodes, self.spacing)
        stats = {
            "nfe": nfe + z.shape[0] * self.nodes,
            "iterations": self.iterations,
            "moved": float(moved),
            "nonfinite": int(nonfinite),
        }
        return Path(path.nodes, path.arrived, {"energy": path.map(self.energy)}, stats)

    def _relax(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The curves after one iteration, their mean move over the spacing, and the number of nodes whose gradient was not finite."""
        inner = z[:, 1:-1]
        values, force = energy_and_score(self.energy, inner.flatten(0, 1))
        if values.isnan().any():
            pair = int(values.view(inner.shape[:2]).isnan().any(dim=1).nonzero()[0])
            raise FloatingPointError(
                f"the string's energy became nan on the path of pair {pair}; look at the sensor and at its input"
            )
        # a value that is not finite would spread along the whole curve
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


def find_start(start: PathFinder, z_a: Tensor, z_b: Tensor, nodes: int) -> tuple[Tensor, float]:
    """The initial curves (b, ``nodes``, *) at equal arc length, and the number of rows on which finding them evaluated an energy."""
    path = start(z_a, z_b)
    if not bool(path.arrived.all()):
        raise ValueError(
            f"a curve starts from paths that reach z_b; {int((~path.arrived).sum())} of its start's did not arrive"
        )
    return polyline.equally_spaced(path.nodes, nodes), path.stats.get("nfe", 0)


def build_string(context: Context, energy: Energy, start: PathFinder | None = None) -> StringMethod:
    """Builds the method "string", from a straight line or from the path of ``start``."""
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
    """Builds the method "graph-string"."""
    return build_string(context, energy, build_graph(context, context.walks.nodes))
