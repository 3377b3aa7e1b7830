"""
Fields: the score of an energy, sums of vector fields, and the part of a vector normal to a direction.

    score(z) = -grad E(z)
"""

import operator
from functools import reduce

import torch
from torch import Tensor

from ridgewalk.callables import check_energy, differentiate, evaluate_copy, evaluation_mode
from ridgewalk.protocols import Energy, VectorField

CHUNK = 8192
"""Default number of rows that ``score`` differentiates at once."""


def energy_and_score(energy: Energy, z: Tensor, chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """
    E(z) and -grad E(z) for z (n, *): detached tensors (n,) and (n, *).

    Rows are independent, so the gradient of the sum is the stack of the rows' gradients. An energy that does not depend
    on z has the score 0. Inside ``torch.inference_mode`` the result is the same as outside.

    Raises:
        ValueError: if the energy does not return one value per row, or depends on z in a way that autograd does not see.
    """
    values, scores = [], []
    for part in z.detach().split(chunk):
        with torch.inference_mode(False), torch.enable_grad(), evaluation_mode(energy):
            leaf = part.clone().requires_grad_(True)
            e = check_energy(evaluate_copy(energy, leaf, "the energy"), leaf)
            slope = differentiate(energy, leaf, e, "the energy")
        values.append(e.detach())
        scores.append(-slope)
    return torch.cat(values), torch.cat(scores)


def score(energy: Energy, z: Tensor, chunk: int = CHUNK) -> Tensor:
    """-grad E(z): (n, *) -> (n, *), detached and computed ``chunk`` rows at a time."""
    return energy_and_score(energy, z, chunk)[1]


def add(*fields: VectorField) -> VectorField:
    """The sum of fields: (x, t) -> sum_i f_i(x, t)."""

    def total(x: Tensor, t: Tensor, /) -> Tensor:
        return reduce(operator.add, (f(x, t) for f in fields))

    return total


def normal_part(v: Tensor, direction: Tensor) -> Tensor:
    """The part of v (n, *) normal to the direction (n, *), row by row: v - (v . u) u with u = direction / |direction|; v itself where the direction is 0."""
    u = unit(direction)
    return v - (v * u).flatten(1).sum(dim=1).view(-1, *(1,) * (v.dim() - 1)) * u


def unit(v: Tensor) -> Tensor:
    """Unit vectors v / |v| row by row, and 0 where v is 0: (n, *) -> (n, *)."""
    norm = row_norm(v)
    return torch.where(norm > 0, v / torch.where(norm > 0, norm, torch.ones_like(norm)), torch.zeros_like(v))


def row_norm(v: Tensor) -> Tensor:
    """Euclidean norms |v_i| of the rows, in a shape that divides v: (n, *) -> (n, 1, ...)."""
    return v.flatten(1).norm(dim=1).view(-1, *(1,) * (v.dim() - 1))
