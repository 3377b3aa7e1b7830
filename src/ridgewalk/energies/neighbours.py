"""
Energies of the data's own codes, without a network.

    NearestNeighbours   1/k sum of |z - r|^2 over the k nearest references r
    KernelDensity       -log [1/m sum_r exp(-|z - r|^2 / 2 h^2)] h^2

Both grow with the distance from the data, far from it as its square; a kernel density does so without the flat tail that -log of an
underflowing sum would have. Their cost is that of m distances a point: use a few thousand references, or centroids.
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from ridgewalk.callables import check_tensor
from ridgewalk.context import Context
from ridgewalk.protocols import Energy

REFERENCES = 2000
"""Number of reference codes to which the named energies measure distances."""


@dataclass(frozen=True, eq=False)
class NearestNeighbours:
    """
    Mean squared distance to the k nearest references.

    Attributes:
        references: (m, *) codes of real data.
        neighbours: k, from 1 to m.
    """

    references: Tensor
    neighbours: int = 10

    def __post_init__(self) -> None:
        check_tensor(self.references, "references")
        if not 1 <= self.neighbours <= len(self.references):
            raise ValueError(
                f"neighbours must be from 1 to the number of references; got {self.neighbours} of {len(self.references)}"
            )

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return _squared(z, self.references).topk(self.neighbours, dim=1, largest=False).values.mean(dim=1)


@dataclass(frozen=True, eq=False)
class KernelDensity:
    """
    h^2 times minus the log of a Gaussian kernel density, its constant left out.

    The factor h^2 makes its gradient a distance: z minus the mean of the references, weighted by their kernels (Comaniciu and
    Meer 2002, mean shift).

    Attributes:
        references: (m, *) codes of real data.
        bandwidth: h, in units of the codes.
    """

    references: Tensor
    bandwidth: float = 0.5

    def __post_init__(self) -> None:
        check_tensor(self.references, "references")
        if not self.bandwidth > 0:
            raise ValueError(f"bandwidth must be positive; got {self.bandwidth}")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        exponent = -_squared(z, self.references) / (2 * self.bandwidth**2)
        return self.bandwidth**2 * (log(len(self.references)) - torch.logsumexp(exponent, dim=1))


def _squared(z: Tensor, references: Tensor) -> Tensor:
    """Squared distances (n, m) by the expanded square, held at 0: one matrix product, differentiable everywhere."""
    a, b = z.flatten(1), references.flatten(1)
    return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T).clamp_min(0.0)


def build_nearest_neighbours(context: Context) -> Energy:
    """The energy "neighbours"."""
    return NearestNeighbours(context.references()[:REFERENCES])


def build_kernel_density(context: Context) -> Energy:
    """The energy "kernel"."""
    return KernelDensity(context.references()[:REFERENCES])
