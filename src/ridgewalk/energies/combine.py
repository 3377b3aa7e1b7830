"""Energies of energies: weighted sums, energies of the decoded point, and networks frozen for use inside one."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from ridgewalk.protocols import Energy

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
        terms = [w * energy(z) for w, energy in zip(self.weights, self.energies)]
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
