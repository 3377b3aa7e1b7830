"""The baselines: straight lines and great circles. They ask no energy anything."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.context import Context
from ridgewalk.finders import endpoints
from ridgewalk.geometry import lerp, slerp
from ridgewalk.path import Path


@dataclass(frozen=True)
class Lerp:
    """z(t) = (1 - t) z_a + t z_b at ``nodes`` equal steps of t."""

    nodes: int = 33

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *)."""
        endpoints.check(z_a, z_b, self.nodes)
        t = torch.linspace(0, 1, self.nodes, device=z_a.device, dtype=z_a.dtype)
        return Path(lerp(z_a.detach(), z_b.detach(), t), endpoints.all_arrived(z_a), stats={"nfe": 0})


@dataclass(frozen=True)
class Slerp:
    """Great circles with norms interpolated apart (``geometry.slerp``), at ``nodes`` equal steps of t."""

    nodes: int = 33

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *)."""
        endpoints.check(z_a, z_b, self.nodes)
        t = torch.linspace(0, 1, self.nodes, device=z_a.device, dtype=z_a.dtype)
        return Path(slerp(z_a.detach(), z_b.detach(), t), endpoints.all_arrived(z_a), stats={"nfe": 0})


def build_lerp(context: Context) -> Lerp:
    """The method "lerp"."""
    return Lerp(context.walks.frames)


def build_slerp(context: Context) -> Slerp:
    """The method "slerp"."""
    return Slerp(context.walks.frames)
