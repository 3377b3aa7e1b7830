"""
Minus the log density of encoded data, estimated by a discriminator and computed exactly. The energies map (n, *) to (n,).

A detector trained against draws of a reference r has the optimal logit l = log q - log r. The log density of q also needs that of the reference:

    PosteriorEnergy      E(z) = -l(z) + E_r(z),   E_r = -log r       so that exp(-E) = q at the optimum

Where q = r the logit is 0 and E is the reference's energy. E lacks the same constant as the reference energy (``GaussianPrior``); with a
normalised reference exp(-E) integrates to 1 at the optimum, and mean_r exp(l) is 1 in any case.

The density of codes of a Gaussian autoencoder over given images is known exactly, and shows the error of a discriminator:

    AggregatePosterior   E(z) = -log 1/m sum_i N(z; mu_i, diag exp(l_i))

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
    Minus the log density of encoded data, -l(z) + E_r(z), up to the constant that the reference energy lacks.

    Attributes:
        discriminator: a detector, (n, *) -> logits (n,), positive on data.
        reference: E_r, minus the log density of the negatives that the detector was trained against, (n, *) -> (n,).
    """

    discriminator: Logits
    reference: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        require_positive(self.discriminator, ON_DATA, "PosteriorEnergy")

    def __call__(self, z: Tensor, /) -> Tensor:
        return self.reference(z) - self.discriminator(z)


@dataclass(frozen=True, eq=False)
class AggregatePosterior:
    """
    Minus the log density of an equal mixture of m axis-aligned Gaussians, including its constant.

    Attributes:
        mean: mu, (m, *).
        log_variance: l, (m, *).
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
        """1 / s^2 and mu / s^2, (d, m) each, and the term that does not depend on z, (m,)."""
        mean, log_variance = self.mean.flatten(1), self.log_variance.flatten(1)
        precision = torch.exp(-log_variance)
        constant = -((mean.square() * precision + log_variance).sum(1) + mean.shape[1] * log(2 * pi)) / 2
        return precision.T.contiguous(), (mean * precision).T.contiguous(), constant

    def __call__(self, z: Tensor, /) -> Tensor:
        precision, weighted, constant = self._terms
        flat = z.flatten(1)
        exponents = constant + flat @ weighted - flat.square() @ precision / 2
        return log(len(self.mean)) - torch.logsumexp(exponents, dim=1)

    def draw(self, which: Tensor, noise: Tensor) -> Tensor:
        """
        Draws (n, *) of the components.

        Args:
            which: (n,) int64, the component of each draw; uniform over 0 ... m - 1 for draws of the mixture.
            noise: (n, *) standard normal.
        """
        return self.mean[which] + torch.exp(self.log_variance[which] / 2) * noise


def build_posterior(context: Context) -> Energy:
    """Builds the energy "posterior" of a VAE-GAN's latent discriminator, whose negatives are draws of N(0, I)."""
    return PosteriorEnergy(context.sensor("latent"), GaussianPrior())
