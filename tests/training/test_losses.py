"""Losses against closed forms, and each optimiser's gradient against its formula."""

from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn import functional as F

from ridgewalk.models import autoencoders
from ridgewalk.models.autoencoders import Architecture
from ridgewalk.models.discriminators import latent_discriminator
from ridgewalk.training import losses
from ridgewalk.training.families.adversarial import AAE
from ridgewalk.training.families.autoencoder import AE
from ridgewalk.training.families.vae import VAE
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Classification, Detector

G = torch.Generator


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=G().manual_seed(seed), dtype=torch.float64)


def test_gaussian_kl_is_that_of_torch_distributions() -> None:
    mean, log_variance = draws(7, 5), draws(7, 5, seed=1)
    exact = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(7, 5), torch.ones(7, 5)))
    assert torch.allclose(losses.gaussian_kl(mean, log_variance), exact.sum(1).mean())


def test_gaussian_kl_of_the_prior_is_zero() -> None:
    assert losses.gaussian_kl(torch.zeros(3, 4), torch.zeros(3, 4)) == 0


def test_classification_at_chance_is_ln_2() -> None:
    assert float(losses.classify(torch.zeros(9), torch.zeros(4))) == pytest.approx(log(2))
    assert float(losses.fool(torch.zeros(9))) == pytest.approx(log(2))


def test_classify_is_the_balanced_cross_entropy() -> None:
    l_p, l_n = draws(30), draws(10, seed=1)
    each = [F.binary_cross_entropy_with_logits(x, torch.full_like(x, y)) for x, y in ((l_p, 1.0), (l_n, 0.0))]
    assert torch.allclose(losses.classify(l_p, l_n), (each[0] + each[1]) / 2)


def test_fool_takes_the_rows_for_the_positive_class() -> None:
    logits = draws(30)
    assert torch.allclose(losses.fool(logits), F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)))


def test_reconstructions_are_sums_over_the_row_and_means_over_rows() -> None:
    x, x_hat = draws(4, 2, 3, 3).sigmoid(), draws(4, 2, 3, 3, seed=1).sigmoid()
    rows, rows_hat = x.flatten(1), x_hat.flatten(1)
    assert torch.allclose(losses.half_squared(x_hat, x), (rows - rows_hat).square().sum(1).mean() / 2)
    assert torch.allclose(losses.absolute(x_hat, x), (rows - rows_hat).abs().sum(1).mean())
    bits = (x > 0.5).double()
    exact = -Bernoulli(probs=x_hat).log_prob(bits).flatten(1).sum(1).mean()
    assert float(losses.bernoulli(x_hat, bits)) == pytest.approx(float(exact), rel=1e-5)  # its floats are 32 bits wide


def test_bernoulli_is_finite_at_0_and_1() -> None:
    sure = torch.tensor([[0.0, 1.0]])
    assert losses.bernoulli(sure, 1 - sure).isfinite()


def test_an_unknown_reconstruction_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="half_squared"):
        losses.reconstruction("half_square", torch.zeros(1, 1), torch.zeros(1, 1))


SHAPE = (1, 4, 4)


def images(n: int = 6) -> Tensor:
    return torch.rand(n, *SHAPE, generator=G().manual_seed(3))


def aae(posterior: str = "deterministic") -> AAE:
    torch.manual_seed(0)
    model = autoencoders.build(SHAPE, 3, posterior, Architecture(hidden=(8,)))
    return AAE(model, latent_discriminator(3, "prior", (8,)), adversarial=0.7, sigma=1.5)


def gradients(loss: Tensor, network: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters()), retain_graph=True))


def formula(objective: AAE, optimiser: str, x: Tensor, noise: Noise) -> Tensor:
    """The table of ``objectives``, written out."""
    encode, decode, judge = objective.model.encoder, objective.model.decoder, objective.discriminator
    z = encode(x)
    if optimiser == "autoencoder":
        return 0.5 * (decode(z) - x).square().flatten(1).sum(1).mean()
    if optimiser == "discriminator":
        prior = 1.5 * noise.normal(*z.shape)
        return 0.5 * (F.softplus(-judge(prior)).mean() + F.softplus(judge(z)).mean())
    return 0.7 * F.softplus(-judge(z)).mean()


@pytest.mark.parametrize("optimiser", ["autoencoder", "discriminator", "matcher"])
def test_each_optimiser_of_an_aae_has_its_formulas_gradient(optimiser: str) -> None:
    objective, x = aae(), images()
    loss, _ = objective.loss(optimiser, (x,), Noise(0, 0))
    exact = formula(objective, optimiser, x, Noise(0, 0))
    for name in objective.optimisers[optimiser]:
        network = objective.networks[name]
        for got, expected in zip(gradients(loss, network), gradients(exact, network)):
            assert torch.allclose(got, expected, atol=1e-7)
            assert expected.abs().sum() > 0


def test_a_gaussian_aae_matches_draws_of_q() -> None:
    objective, x = aae("gaussian"), images()
    mean, log_variance = objective.model.posterior(x)  # type: ignore[operator]
    z = mean + (log_variance / 2).exp() * Noise(0, 4).normal(*mean.shape)
    loss, _ = objective.loss("matcher", (x,), Noise(0, 4))
    assert torch.allclose(loss, 0.7 * F.softplus(-objective.discriminator(z)).mean())


@pytest.mark.parametrize("optimiser", ["autoencoder", "discriminator", "matcher"])
def test_a_move_changes_its_own_networks_only(optimiser: str) -> None:
    from ridgewalk.settings.training import Schedule
    from ridgewalk.training.loop import Fitting, fit

    class OneOptimiser:
        """An AAE in which one optimiser moves."""

        def __init__(self) -> None:
            self.inner = aae()
            self.networks = self.inner.networks
            self.optimisers = {optimiser: self.inner.optimisers[optimiser]}
            self.loss = self.inner.loss

    objective = OneOptimiser()
    before = {n: [p.detach().clone() for p in net.parameters()] for n, net in objective.networks.items()}
    fit(objective, [images(8)], Schedule(epochs=1, batch=8, optimiser="sgd", rate=0.1), Fitting("cpu"))
    for name, network in objective.networks.items():
        moved = any(not torch.equal(a, b) for a, b in zip(before[name], network.parameters()))
        assert moved == (name in objective.optimisers[optimiser]), name


def test_the_discriminators_loss_gives_the_encoder_nothing() -> None:
    objective = aae()
    loss, _ = objective.loss("discriminator", (images(),), Noise(0, 0))
    encoder = list(objective.model.encoder.parameters())
    assert all(g is None for g in torch.autograd.grad(loss, encoder, allow_unused=True))


def test_an_aae_refuses_a_discriminator_of_the_other_sign() -> None:
    with pytest.raises(ValueError, match="positive for 'prior'"):
        AAE(
            autoencoders.build(SHAPE, 3, architecture=Architecture(hidden=(8,))),
            latent_discriminator(3, "encoded", (8,)),
        )


def test_the_vae_is_the_negative_bound_with_a_weighted_kl() -> None:
    torch.manual_seed(0)
    model = autoencoders.build(SHAPE, 3, "gaussian", Architecture(hidden=(8,)))
    x = images()
    assert isinstance(model, autoencoders.GaussianAutoencoder)
    mean, log_variance = model.posterior(x)
    z = mean + (log_variance / 2).exp() * Noise(5, 2).normal(*mean.shape)
    kl = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(3), torch.ones(3))).sum(1).mean()
    exact = losses.half_squared(model.decode(z), x) + 0.3 * kl
    loss, terms = VAE(model, beta=0.3).loss("autoencoder", (x,), Noise(5, 2))
    assert torch.allclose(loss, exact)
    assert torch.allclose(terms["kl"], kl)


def test_the_loss_of_an_autoencoder_is_its_reconstruction_error() -> None:
    torch.manual_seed(0)
    model, x = autoencoders.build(SHAPE, 3, architecture=Architecture(hidden=(8,))), images()
    assert torch.equal(AE(model).loss("autoencoder", (x,), Noise(0, 0))[0], losses.half_squared(model(x), x))


def test_the_detector_is_positive_for_codes() -> None:
    class First(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return 10 * z[:, 0]

    ones = torch.ones(5, 2)
    right, _ = Detector(First(), lambda z, noise: -z).loss("discriminator", (ones,), Noise(0, 0))
    wrong, _ = Detector(First(), lambda z, noise: -z).loss("discriminator", (-ones,), Noise(0, 0))
    assert right < 1e-3 < 9 < wrong


def test_classification_logs_its_error() -> None:
    logits = torch.tensor([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0], [0.0, 5.0]])
    objective = Classification(nn.Identity())
    loss, terms = objective.loss("classifier", (logits, torch.tensor([0, 0, 1, 0])), Noise(0, 0))
    assert float(terms["error"]) == 0.25
    assert torch.allclose(loss, F.cross_entropy(logits, torch.tensor([0, 0, 1, 0])))
