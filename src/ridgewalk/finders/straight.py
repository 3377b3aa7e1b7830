"""The baselines, which use no energy: straight lines and great circles."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.context import Context
from ridgewalk.finders.inputs import all_arrived, check_endpoints
from ridgewalk.geometry import lerp, slerp
from ridgewalk.path import Path


@dataclass(frozen=True)
class _Interpolation(ABC):
    """(b, *), (b, *) -> nodes (b, k, *) at ``nodes`` equal steps of t."""

    nodes: int = 33

    @staticmethod
    @abstractmethod
    def curve(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        """Points (b, k, *) at times t (k,) between a and b (b, *)."""

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        check_endpoints(z_a, z_b, self.nodes)
        t = torch.linspace(0, 1, self.nodes, device=z_a.device, dtype=z_a.dtype)
        return Path(self.curve(z_a.detach(), z_b.detach(), t), all_arrived(z_a), stats={"nfe": 0})


class Lerp(_Interpolation):
    """Straight lines z(t) = (1 - t) z_a + t z_b."""

    curve = staticmethod(lerp)


class Slerp(_Interpolation):
    """Great circles with linearly interpolated norms (``geometry.slerp``)."""

    curve = staticmethod(slerp)


def build_lerp(context: Context) -> Lerp:
    """Builds the method "lerp"."""
    return Lerp(context.walks.frames)


def build_slerp(context: Context) -> Slerp:
    """Builds the method "slerp"."""
    return Slerp(context.walks.frames)
