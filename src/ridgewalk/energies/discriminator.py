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

from ridgewalk.context import Context
from ridgewalk.energies.combine import Decoded
from ridgewalk.models.discriminators import ON_DATA
from ridgewalk.protocols import Energy

Logits = Callable[[Tensor], Tensor]


def require_positive(discriminator: Logits, positives: tuple[str, ...], energy: str) -> None:
    """Refuses a discriminator whose positive class is none of ``positives``; logits that name no class are taken as they are."""
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
        require_positive(self.discriminator, ("prior",), "TowardsEncoded")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return softplus(self.discriminator(z))


@dataclass(frozen=True, eq=False)
class DensityRatio:
    """-l(z) of a detector: minus the log ratio of encoded data to its reference."""

    discriminator: Logits

    def __post_init__(self) -> None:
        require_positive(self.discriminator, ON_DATA, "DensityRatio")

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
        require_positive(self.discriminator, ON_DATA, "SoftRatio")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return softplus(self.margin - self.discriminator(z))


@dataclass(frozen=True, eq=False)
class NegativeLogD:
    """-log sigmoid(l(z)) = softplus(-l) of a detector, computed on the raw logit so that it never saturates in floating point."""

    discriminator: Logits

    def __post_init__(self) -> None:
        require_positive(self.discriminator, ON_DATA, "NegativeLogD")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return softplus(-self.discriminator(z))


def build_logit_squared(context: Context) -> Energy:
    """The energy "logit-squared"."""
    return LogitSquared(context.sensor("matcher"))


def build_towards_encoded(context: Context) -> Energy:
    """The energy "bce-to-0"."""
    return TowardsEncoded(context.sensor("matcher"))


def build_ideal(context: Context) -> Energy:
    """The energy "bce-to-half"."""
    return Ideal(context.sensor("matcher"))


def build_density_ratio(context: Context) -> Energy:
    """The energy "ratio"."""
    return DensityRatio(context.sensor("detector"))


def build_soft_ratio(context: Context, sensor: str = "detector") -> Energy:
    """The energy "soft-ratio", to whose force the others are scaled; or the same of another sensor of codes."""
    return SoftRatio(context.sensor(sensor), context.walks.margin)


def build_negative_log_d(context: Context) -> Energy:
    """The energy "neg-log-d"."""
    return NegativeLogD(context.sensor("detector"))


def build_pixel(context: Context, sensor: str = "pixel") -> Energy:
    """The energy "pixel", or the same of another sensor of decoded images."""
    return Decoded(build_soft_ratio(context, sensor), context.decode)


def build_pixel_real(context: Context) -> Energy:
    """The energy "pixel-real"."""
    return build_pixel(context, "pixel-real")


def build_critic(context: Context) -> Energy:
    """The energy "critic"."""
    return build_pixel(context, "critic")


def build_latent(context: Context) -> Energy:
    """The energy "latent"."""
    return build_soft_ratio(context, "latent")
