"""Checks of the inputs of finders: endpoints and numbers."""

import warnings
from math import isfinite

import torch
from torch import Tensor

from ridgewalk.callables import check_tensor


def check_endpoints(z_a: Tensor, z_b: Tensor, nodes: int) -> None:
    """Refuses endpoints whose shapes differ or are not (b, *), whose values are not finite, or which are equal, and fewer than 2 nodes."""
    check_tensor(z_a, "z_a")
    check_tensor(z_b, "z_b")
    if z_a.shape != z_b.shape or z_a.dim() < 2 or z_a.shape[0] == 0:
        raise ValueError(
            f"endpoints must share shape (b, *) with b >= 1; got z_a {tuple(z_a.shape)}, z_b {tuple(z_b.shape)}"
        )
    if not (z_a.is_floating_point() and z_b.dtype == z_a.dtype and z_b.device == z_a.device):
        raise ValueError(
            f"endpoints must be floating point, of one dtype and device; got {z_a.dtype} on {z_a.device} and {z_b.dtype} on {z_b.device}"
        )
    if nodes < 2:
        raise ValueError(f"a path has at least 2 nodes; got nodes={nodes}")
    for name, z in (("z_a", z_a), ("z_b", z_b)):
        bad = ~z.flatten(1).isfinite().all(dim=1)
        if bad.any():
            raise ValueError(
                f"{name} of pair {int(bad.nonzero()[0])} has values that are not finite; check the encoder and its input"
            )
    equal = (z_a == z_b).flatten(1).all(dim=1)
    if equal.any():
        raise ValueError(f"the ends of pair {int(equal.nonzero()[0])} are equal; a path needs two different points")


def check_positive(**values: float) -> None:
    """Refuses named numbers that are not above 0 and finite."""
    for name, value in values.items():
        if not (value > 0 and isfinite(value)):
            raise ValueError(f"{name} must be positive and finite; got {value}")


def check_not_negative(**values: float) -> None:
    """Refuses named numbers that are below 0 or not finite."""
    for name, value in values.items():
        if not (value >= 0 and isfinite(value)):
            raise ValueError(f"{name} must be >= 0 and finite; got {value}")


def all_arrived(z_a: Tensor) -> Tensor:
    """``Path.arrived`` of a finder that always arrives: True (b,)."""
    return torch.ones(z_a.shape[0], dtype=torch.bool, device=z_a.device)


def warn_unguided(nonfinite: int, evaluated: int) -> None:
    """Warns where the gradient of an energy, evaluated at so many places, was finite at none of them."""
    if nonfinite == evaluated > 0:
        warnings.warn(
            f"the energy has no finite value and gradient at any of the {evaluated} places where it was evaluated, so that it guided no path",
            stacklevel=4,
        )
