"""What every finder checks of its endpoints, and what it returns where they cannot be joined."""

import torch
from torch import Tensor

from ridgewalk.callables import check_tensor


def check(z_a: Tensor, z_b: Tensor, nodes: int) -> None:
    """
    Refuses endpoints that no path can join.

    Raises:
        ValueError: for shapes that differ or are not (b, *), values that are not finite, ends equal to each other, or
            fewer than 2 nodes.
    """
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


def all_arrived(z_a: Tensor) -> Tensor:
    """(b,) True."""
    return torch.ones(z_a.shape[0], dtype=torch.bool, device=z_a.device)
