"""Losses as pure functions. Each returns a scalar, the mean over rows; per-row terms are sums over the row."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk import naming


def half_squared(x_hat: Tensor, x: Tensor) -> Tensor:
    """mean_i 1/2 |x_hat_i - x_i|^2, the sum over the row's values: -log N(x; x_hat, I) up to a constant."""
    return F.mse_loss(x_hat, x, reduction="sum") / (2 * x.shape[0])


def bernoulli(x_hat: Tensor, x: Tensor) -> Tensor:
    """mean_i -sum_j [x log x_hat + (1 - x) log(1 - x_hat)], the negative log-likelihood of Bernoulli pixels."""
    return F.binary_cross_entropy(x_hat.float().clamp(1e-6, 1 - 1e-6), x.float(), reduction="sum") / x.shape[0]


def absolute(x_hat: Tensor, x: Tensor) -> Tensor:
    """mean_i |x_hat_i - x_i|_1."""
    return F.l1_loss(x_hat, x, reduction="sum") / x.shape[0]


RECONSTRUCTIONS = {"half_squared": half_squared, "bernoulli": bernoulli, "absolute": absolute}


def reconstruction(name: str, x_hat: Tensor, x: Tensor) -> Tensor:
    """The reconstruction loss called ``name``."""
    if name not in RECONSTRUCTIONS:
        raise ValueError(naming.unknown("reconstruction loss", name, RECONSTRUCTIONS))
    return RECONSTRUCTIONS[name](x_hat, x)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """mean_i KL(N(mu_i, diag exp l_i) || N(0, I)) = mean_i 1/2 sum_j (mu^2 + exp l - l - 1) (Kingma and Welling 2014, appendix B)."""
    return (mean.square() + log_variance.exp() - log_variance - 1).sum() / (2 * mean.shape[0])


def classify(logits_positive: Tensor, logits_negative: Tensor) -> Tensor:
    """Binary cross-entropy of a discriminator over balanced classes, 1/2 (mean softplus(-l+) + mean softplus(l-)); chance is ln 2."""
    return (F.softplus(-logits_positive).mean() + F.softplus(logits_negative).mean()) / 2


def fool(logits_negative: Tensor) -> Tensor:
    """Mean softplus(-l): the non-saturating loss of the network whose rows should be classified as positive (Goodfellow et al. 2014)."""
    return F.softplus(-logits_negative).mean()


def feature_matching(features_hat: Tensor, features: Tensor) -> Tensor:
    """
    mean_i 1/2 |f_i_hat - f_i|^2, the sum over features: -log N(f; f_hat, I) up to a constant.

    With f a layer of a discriminator it is the learned reconstruction loss of the VAE-GAN (Larsen et al. 2016, equation 8).
    """
    return (features_hat - features).flatten(1).square().sum() / (2 * features.shape[0])


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """mean_i |grad_x D(x_i)|^2 on real rows; its weight is gamma / 2 (Mescheder et al. 2018, R1). Differentiable in D's parameters."""
    with torch.enable_grad():
        x = real.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).mean()
