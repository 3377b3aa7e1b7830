"""
Straight and great-circle interpolation between two points, as functions of times in [0, 1].

    lerp(a, b; t)  = (1 - t) a + t b
    slerp(a, b; t) = r(t) [sin((1 - t) w) a^ + sin(t w) b^] / sin w,   r(t) = (1 - t) |a| + t |b|,

where a^, b^ are unit vectors and w is the angle between them (Shoemake 1985); norms are interpolated separately.
"""

import torch
from torch import Tensor

from ridgewalk.fields import normal_part, row_norm, unit


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points (n, k, *) on straight lines from a to b (n, *) at times t (k,), exact at t = 0 and t = 1."""
    return torch.lerp(a[:, None], b[:, None], t.view(1, -1, *(1,) * (a.dim() - 1)).to(a.dtype))


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """
    Points (n, k, *) on great circles from a to b (n, *) at times t (k,), with linearly interpolated norms, exact at t = 0 and t = 1.

    Nearly collinear ends and ends at the origin are joined by ``lerp``. The great circle of antiparallel ends is not unique; the arc goes through the
    direction normal to ``a`` that is nearest to the coordinate axis on which ``a`` is smallest.
    """
    n = a.shape[0]
    straight = lerp(a, b, t)
    flat_a, flat_b = a.reshape(n, -1), b.reshape(n, -1)
    unit_a, unit_b = unit(flat_a), unit(flat_b)
    # the angle from both its sine and its cosine is accurate near 0 and near pi, where arccos is not
    across = normal_part(unit_b, unit_a)
    cosine = (unit_a * unit_b).sum(1, keepdim=True)
    angle = torch.atan2(row_norm(across), cosine)
    tolerance = 8 * torch.finfo(a.dtype).eps ** 0.5
    axis = torch.zeros_like(flat_a).scatter_(1, flat_a.abs().argmin(1, keepdim=True), 1.0)
    antiparallel = torch.pi - angle < tolerance
    direction = unit(torch.where(antiparallel, normal_part(axis, unit_a), across))
    times = t.to(a.dtype).view(1, -1, 1)
    turned = angle[:, None] * times
    arc = torch.cos(turned) * unit_a[:, None] + torch.sin(turned) * direction[:, None]
    norms = torch.lerp(row_norm(flat_a)[:, None], row_norm(flat_b)[:, None], times)
    curved = (norms * arc).view_as(straight)
    one_dimensional = torch.tensor(flat_a.shape[1] == 1, device=a.device)
    plain = (angle < tolerance) | (row_norm(flat_a) == 0) | (row_norm(flat_b) == 0) | one_dimensional
    out = torch.where(plain.view(-1, *(1,) * (straight.dim() - 1)), straight, curved)
    first, last = t == 0, t == 1
    out[:, first] = a[:, None].expand_as(out[:, first])
    out[:, last] = b[:, None].expand_as(out[:, last])
    return out
