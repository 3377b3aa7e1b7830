"""Re-projection as an energy: the distance that a point moves when it is decoded and encoded again."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ridgewalk.context import Context
from ridgewalk.protocols import Energy


@dataclass(frozen=True, eq=False)
class Reprojection:
    """
    The squared distance |z - E(G(z))|^2, which is 0 at the fixed points of decoding and encoding.

    A small value does not mean that a point is realistic: a fixed point with a constant output has one, and so has a blurred region that the encoder
    maps back to itself.
    """

    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]

    def __call__(self, z: Tensor, /) -> Tensor:
        return (z - self.encode(self.decode(z))).flatten(1).square().sum(dim=1)


def build_reprojection(context: Context) -> Energy:
    """Builds the energy "reprojection"."""
    return Reprojection(context.encode, context.decode)
