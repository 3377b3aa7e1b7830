"""Re-projection as an energy: how far a point moves when it is decoded and encoded again."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ridgewalk.context import Context
from ridgewalk.protocols import Energy


@dataclass(frozen=True, eq=False)
class Reprojection:
    """
    |z - E(G(z))|^2: 0 at the fixed points of decoding and encoding.

    A small value is not realism: any constant output at a fixed point has it, and so has every point of a blurred region
    that the encoder maps back.
    """

    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return (z - self.encode(self.decode(z))).flatten(1).square().sum(dim=1)


def build_reprojection(context: Context) -> Energy:
    """The energy "reprojection"."""
    return Reprojection(context.encode, context.decode)
