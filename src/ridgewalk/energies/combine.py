"""Energies made of other energies: weighted sums, energies of decoded points, and scaled and calibrated energies."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ridgewalk.callables import check_gradient, evaluate_copy
from ridgewalk.fields import row_norm, score
from ridgewalk.path import chunked
from ridgewalk.protocols import Energy

FAINT = 1e-6
"""A force is dead if it is below this share of the force that it is compared with, because scaling it up would amplify rounding errors."""

Network = TypeVar("Network", bound=nn.Module)


def freeze(network: Network) -> Network:
    """Returns a copy of the network, which may be TorchScript, in eval mode; its parameters require no gradient."""
    with torch.no_grad():  # otherwise the parameters of a copy of TorchScript are computed from those of the network
        copied = copy.deepcopy(network).eval()
    for parameter in copied.parameters():
        parameter.requires_grad_(False)  # nn.Module.requires_grad_ is refused by TorchScript
    return copied


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """The weighted sum of energies, sum_i w_i E_i(z)."""

    energies: Sequence[Energy]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.energies) != len(self.weights) or not self.energies:
            raise ValueError(
                f"a sum needs as many weights as energies; got {len(self.energies)} and {len(self.weights)}"
            )

    def __call__(self, z: Tensor, /) -> Tensor:
        values = [evaluate_copy(energy, z, "an energy of the sum") for energy in self.energies]
        for energy, value in zip(self.energies, values):
            check_gradient(energy, z, value, "an energy of the sum")
        terms = [w * value for w, value in zip(self.weights, values)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


@dataclass(frozen=True, eq=False)
class Decoded:
    """The energy E(G(z)) of the decoded point, where E is an energy of images and G the decoder."""

    energy: Energy
    decode: Callable[[Tensor], Tensor]

    def __call__(self, z: Tensor, /) -> Tensor:
        return self.energy(self.decode(z))


@dataclass(frozen=True, eq=False)
class Along:
    """An energy or another map f(z) of points, without a gradient along the values of z that are not ``moving``, (d,) bool."""

    f: Callable[[Tensor], Tensor]
    moving: Tensor

    def __call__(self, z: Tensor, /) -> Tensor:
        return self.f(torch.where(self.moving, z, z.detach()))


@dataclass(frozen=True, eq=False)
class Scaled:
    """The scaled energy w E(z)."""

    energy: Energy
    weight: float

    def __call__(self, z: Tensor, /) -> Tensor:
        return self.weight * self.energy(z)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The energy in units in which ``low`` is 0 and ``high`` is 1: (E(z) - low) / (high - low)."""

    energy: Energy
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high < float("inf"):
            raise ValueError(
                f"an energy is calibrated from its value on data to a higher one off the data, both finite; got {self.low:.4g} and "
                f"{self.high:.4g}: one that is no higher off the data than on them cannot guide"
            )

    def __call__(self, z: Tensor, /) -> Tensor:
        return (self.energy(z) - self.low) / (self.high - self.low)

    @classmethod
    def between(cls, energy: Energy, data: Tensor, off: Tensor) -> "Calibrated":
        """
        Calibrates an energy by its medians, to 0 on data and 1 off the data; refuses one that is no higher off the data.

        Args:
            energy: E, (n, *) -> (n,).
            data: (n, *) codes of data, none of which the energy itself refers to.
            off: (m, *) points off the data, such as LERP points.
        """
        return cls(energy, *(float(chunked(energy, z).median()) for z in (data, off)))


def median_force(energy: Energy, points: Tensor) -> float:
    """The median of |grad E| over points (n, *), which may be 0 or not finite if a sensor is dead."""
    return float(row_norm(score(energy, points)).median())


def is_alive(force: float, beside: float) -> bool:
    """Whether a median force is above 0, finite, and not negligible compared with the force ``beside``."""
    return 0 < force < math.inf and not (math.isfinite(beside) and force < FAINT * beside)


def typical_force(energy: Energy, points: Tensor) -> float:
    """The median of |grad E| over points (n, *), such as LERP points; raises a ValueError if it is 0 or not finite."""
    size = median_force(energy, points)
    if not 0 < size < float("inf"):
        raise ValueError(
            f"the median force of {type(energy).__name__} on {len(points)} points is {size}: a dead sensor cannot be weighed against another"
        )
    return size


def balance(energies: Sequence[Energy], points: Tensor, shares: Sequence[float] | None = None) -> WeightedSum:
    """
    The weighted sum of energies with weights share_i f_0 / f_i, where f_i is the typical force of energy i.

    Args:
        energies: the energies; the first one sets the scale.
        points: (n, *) points on which forces are measured, such as LERP points.
        shares: the share of each force, at least 0; equal shares that sum to 1 by default.
    """
    given = [1 / len(energies)] * len(energies) if shares is None else list(shares)
    if len(given) != len(energies) or not all(0 <= s < float("inf") for s in given) or not any(given):
        raise ValueError(
            f"shares must be one number >= 0 for each of {len(energies)} energies, not all 0, and finite; got {given}"
        )
    forces = [typical_force(energy, points) for energy in energies]
    return WeightedSum(tuple(energies), tuple(share * forces[0] / force for share, force in zip(given, forces)))
