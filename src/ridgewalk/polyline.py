r"""
Polylines, many at once: lengths along them, and the points at given lengths.

A polyline is a tensor of nodes (b, k, \*). Its arc length at node i is the sum of the segments before it,

    s_0 = 0,   s_i = s_{i-1} + |y_i - y_{i-1}|,

where y are the nodes themselves or features of them (b, k, \*), such as decoded images: one measures, the other moves.
"""

import torch
from torch import Tensor


def segments(nodes: Tensor) -> Tensor:
    """Euclidean lengths of the k - 1 segments: (b, k, *) -> (b, k - 1)."""
    return (nodes[:, 1:] - nodes[:, :-1]).flatten(2).norm(dim=2)


def cumulative(lengths: Tensor) -> Tensor:
    """Arc length at each node from the segments' lengths: (b, k - 1) -> (b, k), beginning at 0."""
    return torch.nn.functional.pad(lengths.cumsum(dim=1), (1, 0))


def at(nodes: Tensor, arc: Tensor, positions: Tensor) -> Tensor:
    """
    Points of the polyline at given arc lengths, linear between nodes.

    Args:
        nodes: (b, k, *).
        arc: (b, k), arc length of each node in any measure, not decreasing along a row.
        positions: (b, m), wanted arc lengths; outside [arc[:, 0], arc[:, -1]] they are held at the ends.

    Returns:
        (b, m, *). At the first and last arc length the end nodes come back bit for bit.
    """
    right = torch.searchsorted(arc.contiguous(), positions.contiguous(), right=True).clamp(1, arc.shape[1] - 1)
    left = right - 1
    low, high = arc.gather(1, left), arc.gather(1, right)
    width = (high - low).clamp_min(torch.finfo(arc.dtype).tiny)
    share = ((positions - low) / width).clamp(0, 1)
    trailing = (1,) * (nodes.dim() - 2)
    rows = torch.arange(nodes.shape[0], device=nodes.device)[:, None]
    start, end = nodes[rows, left], nodes[rows, right]
    return torch.lerp(start, end, share.to(nodes.dtype).view(*share.shape, *trailing))


def equally_spaced(nodes: Tensor, k: int, arc: Tensor | None = None) -> Tensor:
    """``k`` points at equal steps of ``arc`` (by default the polyline's own arc length): (b, m, *) -> (b, k, *)."""
    if arc is None:
        arc = cumulative(segments(nodes))
    steps = torch.linspace(0, 1, k, device=nodes.device, dtype=arc.dtype)
    spaced = at(nodes, arc, arc[:, :1] + steps * (arc[:, -1:] - arc[:, :1]))
    spaced[:, 0], spaced[:, -1] = nodes[:, 0], nodes[:, -1]
    return spaced
