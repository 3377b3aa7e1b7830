"""
Energies of the codes of data, without a network. They map (n, *) to (n,).

    NearestNeighbours   1/k sum of |z - r|^2 over the k nearest references r
    KernelDensity       -log [1/m sum_r exp(-|z - r|^2 / 2 h^2)] h^2

Both grow with the distance from the data, and as its square far from them; the kernel density has no flat tail, which -log of an underflowing
sum would have. They compute m distances per point: use a few thousand references, or centroids.
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from ridgewalk.callables import check_tensor
from ridgewalk.context import Context
from ridgewalk.protocols import Energy

REFERENCES = 2000
"""Number of reference codes that the named energies use."""


@dataclass(frozen=True, eq=False)
class NearestNeighbours:
    """
    The mean squared distance to the k nearest references.

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
        return _squared(z, self.references).topk(self.neighbours, dim=1, largest=False).values.mean(dim=1)


@dataclass(frozen=True, eq=False)
class KernelDensity:
    """
    Minus the log of a Gaussian kernel density without its constant, times h^2.

    The factor h^2 makes the gradient a distance: z minus the mean of the references weighted by their kernels (mean shift, Comaniciu and Meer 2002).

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
        exponent = -_squared(z, self.references) / (2 * self.bandwidth**2)
        return self.bandwidth**2 * (log(len(self.references)) - torch.logsumexp(exponent, dim=1))


def _squared(z: Tensor, references: Tensor) -> Tensor:
    """Squared distances (n, m) by one matrix product, clamped at 0."""
    a, b = z.flatten(1), references.flatten(1)
    return (a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T).clamp_min(0.0)


def build_nearest_neighbours(context: Context) -> Energy:
    """Builds the energy "neighbours"."""
    return NearestNeighbours(context.references()[:REFERENCES])


def build_kernel_density(context: Context) -> Energy:
    """Builds the energy "kernel"."""
    return KernelDensity(context.references()[:REFERENCES])
