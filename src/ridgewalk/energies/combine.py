"""Energies of energies: weighted sums, energies of the decoded point, and networks frozen for use inside one."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ridgewalk.callables import check_gradient
from ridgewalk.fields import row_norm, score
from ridgewalk.path import chunked
from ridgewalk.protocols import Energy

FAINT = 1e-6
"""A force below this share of the one that it is weighed against is dead: scaled up, it would be rounding."""

Network = TypeVar("Network", bound=nn.Module)


def frozen(network: Network) -> Network:
    """A copy in eval mode whose parameters need no gradient; the network that came is left as it was."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """sum_i w_i E_i(z)."""

    energies: Sequence[Energy]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.energies) != len(self.weights) or not self.energies:
            raise ValueError(
                f"a sum needs as many weights as energies; got {len(self.energies)} and {len(self.weights)}"
            )

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        values = [energy(z) for energy in self.energies]
        for energy, value in zip(self.energies, values):
            check_gradient(energy, z, value, "an energy of the sum")
        terms = [w * value for w, value in zip(self.weights, values)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


@dataclass(frozen=True, eq=False)
class Decoded:
    """E(G(z)): an energy of images, felt through the decoder."""

    energy: Energy
    decode: Callable[[Tensor], Tensor]

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return self.energy(self.decode(z))


@dataclass(frozen=True, eq=False)
class Along:
    """f(z), an energy or another map of points, without a gradient along the values of z that are not ``moving``, bool (d,)."""

    f: Callable[[Tensor], Tensor]
    moving: Tensor

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, d) as f does."""
        return self.f(torch.where(self.moving, z, z.detach()))


@dataclass(frozen=True, eq=False)
class Scaled:
    """w E(z)."""

    energy: Energy
    weight: float

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return self.weight * self.energy(z)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """(E(z) - low) / (high - low): 0 at one typical value and 1 at another."""

    energy: Energy
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high < float("inf"):
            raise ValueError(
                f"an energy is calibrated between two values of which the second is higher, both finite; got {self.low} and {self.high}: "
                "one that is no higher off the data than on them cannot guide"
            )

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return (self.energy(z) - self.low) / (self.high - self.low)


def calibrated(energy: Energy, data: Tensor, off: Tensor) -> Calibrated:
    """
    The energy as 0 where data are and 1 where they are not, by its medians on points of both.

    Args:
        energy: of points.
        data: (n, *) codes of data, none of which the energy itself refers to.
        off: (m, *), such as LERP points.

    Raises:
        ValueError: if it is no higher on ``off`` than on ``data``.
    """
    return Calibrated(energy, *(float(chunked(energy, z).median()) for z in (data, off)))


def median_force(energy: Energy, points: Tensor) -> float:
    """Median over points (n, *) of |grad E|, whatever it is: 0 or not finite says that there is nothing to follow."""
    return float(row_norm(score(energy, points)).median())


def is_alive(force: float, beside: float) -> bool:
    """Whether a median force can be followed, beside another one against which it is weighed."""
    return 0 < force < math.inf and not (math.isfinite(beside) and force < FAINT * beside)


def typical_force(energy: Energy, points: Tensor) -> float:
    """
    Median over points of |grad E|: what an energy's force amounts to where paths go, such as on LERP points.

    Args:
        energy: of the points.
        points: (n, *).

    Raises:
        ValueError: if it is 0 or not finite: a dead sensor has no force to weigh.
    """
    size = median_force(energy, points)
    if not 0 < size < float("inf"):
        raise ValueError(
            f"the median force of {type(energy).__name__} on {len(points)} points is {size}: a dead sensor cannot be weighed against another"
        )
    return size


def balanced(energies: Sequence[Energy], points: Tensor, shares: Sequence[float] | None = None) -> WeightedSum:
    """
    The weighted sum in which each energy's typical force is its share of the first one's: -sum_i beta_i grad E_i with beta_i = share_i f_0 / f_i.

    Args:
        energies: the first sets the scale.
        points: (n, *) where forces are measured, such as LERP points.
        shares: of the forces, at least 0; equal shares that sum to 1 by default.
    """
    given = [1 / len(energies)] * len(energies) if shares is None else list(shares)
    if len(given) != len(energies) or not all(0 <= s < float("inf") for s in given) or not any(given):
        raise ValueError(
            f"shares must be one number >= 0 for each of {len(energies)} energies, not all 0, and finite; got {given}"
        )
    forces = [typical_force(energy, points) for energy in energies]
    return WeightedSum(tuple(energies), tuple(share * forces[0] / force for share, force in zip(given, forces)))
