r"""
Batches of polylines: arc lengths along them, and the points at given arc lengths.

A batch of polylines is a tensor of nodes (b, k, \*). The arc length at node i is the total length of the segments before it,

    s_0 = 0,   s_i = s_{i-1} + |y_i - y_{i-1}|,

where y are the nodes themselves or features of the nodes (b, k, \*), such as decoded images.
"""

import torch
from torch import Tensor


def segments(nodes: Tensor) -> Tensor:
    """Euclidean lengths of the segments between neighbouring nodes: (b, k, *) -> (b, k - 1)."""
    return (nodes[:, 1:] - nodes[:, :-1]).flatten(2).norm(dim=2)


def cumulative(lengths: Tensor) -> Tensor:
    """Arc length at each node, from the lengths of the segments: (b, k - 1) -> (b, k), beginning at 0."""
    return torch.nn.functional.pad(lengths.cumsum(dim=1), (1, 0))


def mean_along(values: Tensor, lengths: Tensor) -> Tensor:
    """
    The means (b,) over arc length of values (b, k) at the nodes, by the trapezoidal rule: sum_i l_i (v_i + v_{i+1}) / 2 / sum_i l_i.

    Args:
        values: (b, k) v, one for each node.
        lengths: (b, k - 1) l, of the segments; where all are 0, they count as equal.
    """
    weights = lengths.clamp_min(torch.finfo(lengths.dtype).tiny ** 0.5)
    return (weights * (values[:, 1:] + values[:, :-1]) / 2).sum(dim=1) / weights.sum(dim=1)


def at(nodes: Tensor, arc: Tensor, positions: Tensor) -> Tensor:
    """
    Points (b, m, *) of the polylines at given arc lengths, interpolated linearly between the nodes.

    Args:
        nodes: (b, k, *).
        arc: (b, k), the arc length of each node in any measure; it must not decrease along a row.
        positions: (b, m), arc lengths of the points; those outside [arc[:, 0], arc[:, -1]] give the end nodes, bit for bit.
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
    """Points at ``k`` equal steps of ``arc``, by default the arc length of the nodes themselves: (b, m, *) -> (b, k, *)."""
    if arc is None:
        arc = cumulative(segments(nodes))
    steps = torch.linspace(0, 1, k, device=nodes.device, dtype=arc.dtype)
    spaced = at(nodes, arc, arc[:, :1] + steps * (arc[:, -1:] - arc[:, :1]))
    spaced[:, 0], spaced[:, -1] = nodes[:, 0], nodes[:, -1]
    return spaced
