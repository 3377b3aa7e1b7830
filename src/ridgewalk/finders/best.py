"""
The best path of several finders, for each pair.

A relaxing curve ends in the valley that it started in. Started from several curves it finds several valleys, and the path with the smallest

    (1 / L) int E(z) ds + w L / |x_b - x_a|,   L = sum_i |x_{i+1} - x_i|,

is kept, where x are the nodes or their images under ``spacing``, and s is the arc length between them. The mean energy
alone would favour detours; w is the cost of length.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk import polyline
from ridgewalk.context import Context
from ridgewalk.finders.graph import build_graph
from ridgewalk.finders.straight import Lerp, Slerp
from ridgewalk.finders.string import build_string
from ridgewalk.path import Path
from ridgewalk.protocols import Energy, PathFinder


@dataclass(frozen=True, eq=False)
class BestOf:
    """
    The best of several finders' paths for each pair; a path that arrived is preferred to one that did not.

    Attributes:
        finders: finders whose paths have the same number of nodes.
        energy: E, low where a node is plausible.
        length_weight: w, at least 0.
        spacing: (n, *) -> (n, *), such as the decoder; lengths are measured between its values, or between the nodes if it is None.
    """

    finders: Sequence[PathFinder]
    energy: Energy
    length_weight: float = 0.3
    spacing: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not self.finders or not self.length_weight >= 0:
            raise ValueError(
                f"a choice needs at least one finder and length_weight >= 0; got {len(self.finders)}, {self.length_weight}"
            )

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); traces ``energy`` and ``choice``, the index of the finder; stats are sums over the finders."""
        found = [finder(z_a, z_b) for finder in self.finders]
        if len({p.nodes.shape for p in found}) != 1:
            raise ValueError(f"the finders must return equally many nodes; got {[p.nodes.shape[1] for p in found]}")
        costs, energies = zip(*(self._rate(p) for p in found))
        choice = torch.stack(costs).argmin(dim=0)
        rows = torch.arange(len(choice), device=choice.device)
        nodes = torch.stack([p.nodes for p in found])[choice, rows]
        arrived = torch.stack([p.arrived for p in found])[choice, rows]
        traces = {
            "energy": torch.stack(energies)[choice, rows],
            "choice": choice.to(nodes)[:, None].expand(nodes.shape[:2]),
        }
        stats = {
            "nfe": sum(p.stats.get("nfe", 0) for p in found) + len(found) * nodes.shape[0] * nodes.shape[1],
            "iterations": max(p.stats.get("iterations", 0) for p in found),
            "nonfinite": sum(p.stats.get("nonfinite", 0) for p in found),
        }
        return Path(nodes, arrived, traces, stats)

    def _rate(self, path: Path) -> tuple[Tensor, Tensor]:
        """The cost of each path (b,) and the energies of its nodes (b, k)."""
        energy = path.map(self.energy)
        x = path.nodes if self.spacing is None else path.map(self.spacing)
        between = (x[:, -1] - x[:, 0]).flatten(1).norm(dim=1)
        lengths = polyline.segments(x)
        cost = polyline.mean_along(energy, lengths)
        if self.length_weight:  # the clamp is for ends with equal images
            shortest = between.clamp_min(torch.finfo(x.dtype).tiny)
            cost = cost + self.length_weight * lengths.sum(dim=1) / shortest
        return torch.where(path.arrived, cost, torch.full_like(cost, float("inf"))), energy


def build_best_string(context: Context, energy: Energy) -> BestOf:
    """Builds the method "best-string"."""
    w = context.walks
    starts = (Lerp(w.nodes), Slerp(w.nodes), build_graph(context, w.nodes))
    strings = [build_string(context, energy, start) for start in starts]
    return BestOf(strings, energy, w.length_weight, context.decode)
