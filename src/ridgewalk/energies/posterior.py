"""
The density of encoded data, by a discriminator and exactly.

A detector trained against draws of a reference r has the optimal logit l = log q - log r. It is no density of q by itself: what it
was compared with must be given back,

    PosteriorEnergy      E(z) = -l(z) + E_r(z),   E_r = -log r       so that exp(-E) = q at the optimum

and where q = r the logit is 0 and all of E is the reference's. With a reference energy that lacks its constant (``GaussianPrior``) E lacks
the same; with a whole one exp(-E) integrates to 1 at the optimum, and mean_r exp(l) to 1 in any case.

A Gaussian autoencoder's own density of codes is known exactly, for the images that it is taken over:

    AggregatePosterior   E(z) = -log 1/m sum_i N(z; mu_i, diag exp(l_i))

It costs m terms a point, and tells how near a discriminator came.

Source: Sugiyama, Suzuki and Kanamori (2012), Density ratio estimation in machine learning, chapter 4; Makhzani et al. (2015),
Adversarial autoencoders, equation 1 (aggregated posterior).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import torch
from torch import Tensor

from ridgewalk.context import Context
from ridgewalk.energies.discriminator import Logits, require_positive
from ridgewalk.energies.prior import GaussianPrior
from ridgewalk.models.discriminators import ON_DATA
from ridgewalk.protocols import Energy


@dataclass(frozen=True, eq=False)
class PosteriorEnergy:
    """
    -l(z) + E_r(z) of a detector: minus the log density of encoded data, up to the constant that the reference energy lacks.

    Attributes:
        discriminator: logits, positive for the data's side.
        reference: minus the log density of the negatives that it was trained against.
    """

    discriminator: Logits
    reference: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        require_positive(self.discriminator, ON_DATA, "PosteriorEnergy")

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,)."""
        return self.reference(z) - self.discriminator(z)


@dataclass(frozen=True, eq=False)
class AggregatePosterior:
    """
    -log 1/m sum_i N(z; mu_i, diag exp(l_i)), its constant included: an equal mixture of m axis-aligned Gaussians.

    Attributes:
        mean: (m, *).
        log_variance: of the same shape.
    """

    mean: Tensor
    log_variance: Tensor

    def __post_init__(self) -> None:
        if self.mean.shape != self.log_variance.shape or self.mean.dim() < 2 or not len(self.mean):
            raise ValueError(
                f"a mixture needs means and log-variances of one shape (m, *), m >= 1; got {tuple(self.mean.shape)} "
                f"and {tuple(self.log_variance.shape)}"
            )

    @cached_property
    def _terms(self) -> tuple[Tensor, Tensor, Tensor]:
        """1 / s^2 and mu / s^2, (d, m) each, and what does not depend on z, (m,)."""
        mean, log_variance = self.mean.flatten(1), self.log_variance.flatten(1)
        precision = torch.exp(-log_variance)
        constant = -((mean.square() * precision + log_variance).sum(1) + mean.shape[1] * log(2 * pi)) / 2
        return precision.T.contiguous(), (mean * precision).T.contiguous(), constant

    def __call__(self, z: Tensor, /) -> Tensor:
        """Maps (n, *) to (n,), by the expanded square: two matrix products."""
        precision, weighted, constant = self._terms
        flat = z.flatten(1)
        exponents = constant + flat @ weighted - flat.square() @ precision / 2
        return log(len(self.mean)) - torch.logsumexp(exponents, dim=1)

    def draw(self, which: Tensor, noise: Tensor) -> Tensor:
        """
        Draws of its components: (n, *).

        Args:
            which: int64 (n,), a component a draw; uniform over 0 ... m - 1 for draws of the mixture.
            noise: standard normal (n, *).
        """
        return self.mean[which] + torch.exp(self.log_variance[which] / 2) * noise


def build_posterior(context: Context) -> Energy:
    """The energy "posterior": of a VAE-GAN's latent discriminator, whose negatives are draws of N(0, I)."""
    return PosteriorEnergy(context.sensor("latent"), GaussianPrior())
