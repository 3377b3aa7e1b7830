"""
Amortised paths: a trained network computes every node of every path in one pass.

    z_i = I(z_a, z_b, t_i),   t_i = i / (k - 1)

If the network meets both ends to a share ``TOLERANCE`` of their distance, the path arrives and its ends are z_a and z_b exactly. Otherwise
the path still begins at z_a, but its last node is the network's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ridgewalk.callables import evaluation_mode
from ridgewalk.fields import row_norm
from ridgewalk.finders.inputs import check_endpoints
from ridgewalk.path import Path

TOLERANCE = 1e-5
"""Largest distance of the network's ends from z_a and z_b, relative to |z_b - z_a|, at which a path has arrived."""


@dataclass(frozen=True, eq=False)
class Amortised:
    """
    Paths of an interpolation network.

    Attributes:
        network: I, which maps (n, *), (n, *), (n,) to (n, *).
        nodes: k, the number of nodes of a path.
        spacing: (n, *) -> (n, *), such as the decoder; nodes are placed at equal arc length between its values, or at equal times if it is None.
    """

    network: Callable[[Tensor, Tensor, Tensor], Tensor]
    nodes: int = 33
    spacing: Callable[[Tensor], Tensor] | None = None

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); stats ``network_rows`` and ``end_gap``, the largest relative distance of an end; no energy is evaluated."""
        check_endpoints(z_a, z_b, self.nodes)
        b, k = len(z_a), self.nodes
        with torch.no_grad(), evaluation_mode(self.network):
            # the network computes in the precision of its weights, and the path has that of the ends
            weights = self.network.parameters() if isinstance(self.network, nn.Module) else iter(())
            dtype = next((w.dtype for w in weights), z_a.dtype)
            t = torch.linspace(0, 1, k, device=z_a.device, dtype=dtype).repeat(b)
            a, b_ = (z.to(dtype).repeat_interleave(k, dim=0) for z in (z_a, z_b))
            z = self.network(a, b_, t).to(z_a.dtype).view(b, k, *z_a.shape[1:])
            apart = row_norm(z_b - z_a).flatten().clamp_min(torch.finfo(z.dtype).tiny)
            gap = torch.maximum(row_norm(z[:, 0] - z_a).flatten(), row_norm(z[:, -1] - z_b).flatten()) / apart
            arrived = gap <= TOLERANCE
            z[:, 0] = z_a
            z[:, -1] = torch.where(arrived.view(-1, *(1,) * (z_a.dim() - 1)), z_b, z[:, -1])
        path = Path(z, arrived)
        if self.spacing is not None:
            path = path.resample(k, self.spacing)
        return Path(path.nodes, path.arrived, {}, {"nfe": 0, "network_rows": b * k, "end_gap": float(gap.max())})
