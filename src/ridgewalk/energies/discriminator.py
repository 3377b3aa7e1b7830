"""
Discriminators read as energies, in terms of the logit l(z) and the class it is positive for.

A *matcher* is the discriminator that an adversarial autoencoder trained its encoder against (positive: ``prior``). Where
encoded data and prior have equal density its logit is 0, which is a level set and not a region of high density. Three
energies of it, all functions of l alone:

    LogitSquared     l^2                              minimum at l = 0, gradient 2 l unbounded
    Ideal            softplus(l) - l / 2 - ln 2       minimum at l = 0, gradient sigmoid(l) - 1/2 in (-1/2, 1/2)
    TowardsEncoded   softplus(l) = BCE(l, target 0)   no minimum: falls as l -> -inf, ever further to the encoded side

A *detector* is a discriminator trained to tell encoded data from points off the data (positive: ``encoded``), whose optimal
logit is log q(z) - log r(z) for a reference density r. Three energies of it:

    DensityRatio     -l                               minus the log density ratio
    SoftRatio        softplus(m - l)                  the ratio, its pull fading where l exceeds the margin m
    NegativeLogD     softplus(-l) = -log sigmoid(l)   minus log D, flat where D is near 1
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

from torch import Tensor
from torch.nn.functional import softplus

Logits = Callable[[Tensor], Tensor]


_ON_DATA = ("encoded", "real")
"""Positive classes of a detector: the side that is on the data."""


def _require(discriminator: Logits, positives: tuple[str, ...], energy: str) -> None:
    named = getattr(discriminator, "positive", positives[0])
    if named not in positives:
        wanted = " or ".join(f"'{p}'" for p in positives)
        raise ValueError(
            f"{energy} reads a discriminator whose positive class is {wanted}; this one's is '{named}': "
            f"use an energy made for '{named}', or train one for '{positives[0]}'"
        )


@dataclass(frozen=True, eq=False)
class LogitSquared:
    """l(z)^2: lowest where the discriminator is undecided."""

    discriminator: Logits

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return self.discriminator(z).square()


@dataclass(frozen=True, eq=False)
class Ideal:
    """Softplus(l) - l / 2 - ln 2, binary cross-entropy to the target 1/2: lowest, and 0, where the discriminator is undecided."""

    discriminator: Logits

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        logit = self.discriminator(z)
        return softplus(logit) - logit / 2 - log(2)


@dataclass(frozen=True, eq=False)
class TowardsEncoded:
    """Softplus(l), binary cross-entropy to the target 0 of a matcher: has no minimum, and falls towards "encoded"."""

    discriminator: Logits

    def __post_init__(self) -> None:
        _require(self.discriminator, ("prior",), "TowardsEncoded")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return softplus(self.discriminator(z))


@dataclass(frozen=True, eq=False)
class DensityRatio:
    """-l(z) of a detector: minus the log ratio of encoded data to its reference."""

    discriminator: Logits

    def __post_init__(self) -> None:
        _require(self.discriminator, _ON_DATA, "DensityRatio")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return -self.discriminator(z)


@dataclass(frozen=True, eq=False)
class SoftRatio:
    """
    Softplus(m - l(z)) of a detector: as ``DensityRatio`` where l is below the margin m, flat where it is above.

    The plain ratio draws every node on to the densest point nearby, at the cost of longer paths and larger jumps; the margin says
    what is plausible enough. m = 0 is ``NegativeLogD``; a large m is the plain ratio.
    """

    discriminator: Logits
    margin: float = 1.5

    def __post_init__(self) -> None:
        _require(self.discriminator, _ON_DATA, "SoftRatio")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return softplus(self.margin - self.discriminator(z))


@dataclass(frozen=True, eq=False)
class NegativeLogD:
    """-log sigmoid(l(z)) = softplus(-l) of a detector, computed on the raw logit so that it never saturates in floating point."""

    discriminator: Logits

    def __post_init__(self) -> None:
        _require(self.discriminator, _ON_DATA, "NegativeLogD")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return softplus(-self.discriminator(z))
