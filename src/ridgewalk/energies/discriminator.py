"""
Energies of discriminators, as functions of the logit l(z) and its positive class. All of them map (n, *) to (n,).

A *matcher* is the discriminator that an adversarial autoencoder trained its encoder against; its positive class is ``prior``. Its logit is 0 where
encoded data and prior have equal density, which is a level set and not a region of high density. Three energies read a matcher:

    LogitSquared     l^2                              minimum at l = 0, gradient 2 l unbounded
    Ideal            softplus(l) - l / 2 - ln 2       minimum at l = 0, gradient sigmoid(l) - 1/2 in (-1/2, 1/2)
    TowardsEncoded   softplus(l) = BCE(l, target 0)   no minimum: it falls as l -> -inf, further and further to the encoded side

A *detector* is trained to separate encoded data from points off the data; its positive class is ``encoded``. Its optimal logit is
log q(z) - log r(z) for a reference density r. Three energies read a detector:

    DensityRatio     -l                               minus the log density ratio
    SoftRatio        softplus(m - l)                  the ratio, whose gradient fades where l exceeds the margin m
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
    """Refuses a discriminator whose positive class is none of ``positives``; logits without a named class are accepted."""
    named = getattr(discriminator, "positive", positives[0])
    if named not in positives:
        wanted = " or ".join(f"'{p}'" for p in positives)
        raise ValueError(
            f"{energy} reads a discriminator whose positive class is {wanted}; this one's is '{named}': "
            f"use an energy made for '{named}', or train one for '{positives[0]}'"
        )


@dataclass(frozen=True, eq=False)
class LogitSquared:
    """The squared logit l(z)^2, which is lowest where the discriminator is undecided."""

    discriminator: Logits

    def __call__(self, z: Tensor, /) -> Tensor:
        return self.discriminator(z).square()


@dataclass(frozen=True, eq=False)
class Ideal:
    """Binary cross-entropy to the target 1/2, softplus(l) - l / 2 - ln 2, which is 0 and lowest where the discriminator is undecided."""

    discriminator: Logits

    def __call__(self, z: Tensor, /) -> Tensor:
        logit = self.discriminator(z)
        return softplus(logit) - logit / 2 - log(2)


@dataclass(frozen=True, eq=False)
class TowardsEncoded:
    """Binary cross-entropy of a matcher to the target 0, softplus(l), which has no minimum and falls towards "encoded"."""

    discriminator: Logits

    def __post_init__(self) -> None:
        require_positive(self.discriminator, ("prior",), "TowardsEncoded")

    def __call__(self, z: Tensor, /) -> Tensor:
        return softplus(self.discriminator(z))


@dataclass(frozen=True, eq=False)
class _DetectorEnergy:
    """An energy of a discriminator that is positive on data."""

    discriminator: Logits

    def __post_init__(self) -> None:
        require_positive(self.discriminator, ON_DATA, type(self).__name__)


class DensityRatio(_DetectorEnergy):
    """Minus the log density ratio of encoded data to the reference, -l(z)."""

    def __call__(self, z: Tensor, /) -> Tensor:
        return -self.discriminator(z)


class NegativeLogD(_DetectorEnergy):
    """-log sigmoid(l(z)) = softplus(-l), computed from the logit so that it does not saturate in floating point."""

    def __call__(self, z: Tensor, /) -> Tensor:
        return softplus(-self.discriminator(z))


@dataclass(frozen=True, eq=False)
class SoftRatio(_DetectorEnergy):
    """
    The density ratio with a margin, softplus(m - l(z)): like ``DensityRatio`` where l is below m, and flat where l is above m.

    The plain ratio moves every node to the densest point nearby, which makes paths longer and jumps larger; the margin says how large a logit is
    plausible enough. m = 0 is ``NegativeLogD``, and a large m is the plain ratio.
    """

    margin: float = 1.5

    def __call__(self, z: Tensor, /) -> Tensor:
        return softplus(self.margin - self.discriminator(z))


def build_logit_squared(context: Context) -> Energy:
    """Builds the energy "logit-squared"."""
    return LogitSquared(context.sensor("matcher"))


def build_towards_encoded(context: Context) -> Energy:
    """Builds the energy "bce-to-0"."""
    return TowardsEncoded(context.sensor("matcher"))


def build_ideal(context: Context) -> Energy:
    """Builds the energy "bce-to-half"."""
    return Ideal(context.sensor("matcher"))


def build_density_ratio(context: Context) -> Energy:
    """Builds the energy "ratio"."""
    return DensityRatio(context.sensor("detector"))


def build_negative_log_d(context: Context) -> Energy:
    """Builds the energy "neg-log-d"."""
    return NegativeLogD(context.sensor("detector"))


def build_soft_ratio(context: Context, sensor: str = "detector") -> Energy:
    """Builds the energy "soft-ratio", or the same energy of another sensor of codes."""
    return SoftRatio(context.sensor(sensor), context.walks.margin)


def build_latent(context: Context) -> Energy:
    """Builds the energy "latent"."""
    return build_soft_ratio(context, "latent")


def build_pixel(context: Context, sensor: str = "pixel") -> Energy:
    """Builds the energy "pixel", or the same energy of another sensor of decoded images."""
    return Decoded(build_soft_ratio(context, sensor), context.decode)


def build_pixel_real(context: Context) -> Energy:
    """Builds the energy "pixel-real"."""
    return build_pixel(context, "pixel-real")


def build_critic(context: Context) -> Energy:
    """Builds the energy "critic"."""
    return build_pixel(context, "critic")
