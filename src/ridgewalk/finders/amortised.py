"""
Amortised paths: a trained network says every node of every path in one pass.

    z_i = I(z_a, z_b, t_i),   t_i = i / (k - 1)

A network that is exact by construction gives paths that arrive. One that is not gives what it gives: a path begins at z_a, from where it jumps to
what the network says, and has arrived only where both ends are met to ``tolerance`` of their distance; otherwise its last node is the network's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ridgewalk.callables import evaluation_mode
from ridgewalk.fields import row_norm
from ridgewalk.finders import endpoints
from ridgewalk.path import Path


@dataclass(frozen=True, eq=False)
class Amortised:
    """
    The path of an interpolation network.

    Attributes:
        network: (n, *), (n, *), (n,) -> (n, *).
        nodes: k.
        spacing: (n, *) -> (n, *), such as the decoder: the nodes are put at equal arc length between these values; by default at equal times.
        tolerance: distance of a path's ends from z_a and z_b over theirs, up to which it has arrived.
    """

    network: Callable[[Tensor, Tensor, Tensor], Tensor]
    nodes: int = 33
    spacing: Callable[[Tensor], Tensor] | None = None
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise ValueError(f"an amortised path needs tolerance >= 0; got {self.tolerance}")

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); stats ``network_rows`` and ``end_gap`` (largest distance of an end over theirs); no energy is asked."""
        endpoints.check(z_a, z_b, self.nodes)
        b, k = len(z_a), self.nodes
        with torch.no_grad(), evaluation_mode(self.network):
            kind = _dtype_of(self.network, z_a)
            t = torch.linspace(0, 1, k, device=z_a.device, dtype=kind).repeat(b)
            a, b_ = (z.to(kind).repeat_interleave(k, dim=0) for z in (z_a, z_b))
            z = self.network(a, b_, t).to(z_a.dtype).view(b, k, *z_a.shape[1:])
            apart = row_norm(z_b - z_a).flatten().clamp_min(torch.finfo(z.dtype).tiny)
            gap = torch.maximum(row_norm(z[:, 0] - z_a).flatten(), row_norm(z[:, -1] - z_b).flatten()) / apart
            arrived = gap <= self.tolerance
            # within the tolerance the ends are rounding, and a path that has arrived ends exactly
            z[:, 0] = z_a
            z[:, -1] = torch.where(arrived.view(-1, *(1,) * (z_a.dim() - 1)), z_b, z[:, -1])
        path = Path(z, arrived)
        if self.spacing is not None:
            path = path.resample(k, self.spacing)
        return Path(path.nodes, path.arrived, {}, {"nfe": 0, "network_rows": b * k, "end_gap": float(gap.max())})


def _dtype_of(network: object, like: Tensor) -> torch.dtype:
    """That of a module's weights: the network computes in its own precision, and the path has the ends'."""
    weights = network.parameters() if isinstance(network, nn.Module) else iter(())
    return next((w.dtype for w in weights), like.dtype)
