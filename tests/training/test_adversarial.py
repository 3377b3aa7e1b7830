"""The VAE-GAN's optimisers against their formulas, the penalty against a closed form, and the events of the log when adversarial training fails."""

from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.models import autoencoders
from ridgewalk.models.autoencoders import Architecture, GaussianAutoencoder
from ridgewalk.models.discriminators import Discriminator, image_discriminator, latent_discriminator
from ridgewalk.settings.training import Schedule
from ridgewalk.training import losses
from ridgewalk.training.families.vae_gan import VAEGAN
from ridgewalk.training.health import WINDOW, Health
from ridgewalk.training.log import read_log
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.noise import Noise

SHAPE = (1, 4, 4)


def images(n: int = 6) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(3))


def vaegan(**settings: object) -> VAEGAN:
    torch.manual_seed(0)
    model = autoencoders.build(SHAPE, 3, "gaussian", Architecture(hidden=(8,)))
    assert isinstance(model, GaussianAutoencoder)
    critic = image_discriminator(SHAPE, "real", (8, 5), "softplus")
    given = {"latent": latent_discriminator(3, "encoded", (8,)), "beta": 0.3, "pixel": 0.6, "feature": 0.8}
    return VAEGAN(model, critic, **(given | {"adversarial": 0.7} | settings))  # type: ignore[arg-type]


def formula(o: VAEGAN, optimiser: str, network: str, x: Tensor, noise: Noise) -> Tensor:
    """The table of ``training.adversarial``, written out for one of an optimiser's networks."""
    d, decode, half = o.critic.body, o.model.decoder, len(x) // 2
    mean, log_variance = o.model.encoder(x).chunk(2, dim=1)
    z = mean + (log_variance / 2).exp() * noise.normal(len(x), 3)
    z_p = noise.normal(len(x), 3)
    if optimiser == "latent":
        return 0.5 * (F.softplus(-o.latent(z)).mean() + F.softplus(o.latent(z_p)).mean())
    if optimiser == "critic":
        on_made = F.softplus(d(decode(z[:half]))).mean() + F.softplus(d(decode(z_p[half:]))).mean()
        return 0.5 * F.softplus(-d(x)).mean() + 0.25 * on_made
    x_hat = decode(z)
    fit = 0.6 * 0.5 * (x_hat - x).square().sum() / len(x)
    fit = fit + 0.8 * 0.5 * (d[:-1](x_hat) - d[:-1](x)).square().sum() / len(x)
    if network == "encoder":
        return fit + 0.3 * 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum() / len(x)
    on_made = F.softplus(-d(decode(z[:half]))).mean() + F.softplus(-d(decode(z_p[half:]))).mean()
    return fit + 0.7 / 2 * on_made


PLAYERS = ("critic", "autoencoder", "latent")


@pytest.mark.parametrize("rows", [6, 7])
@pytest.mark.parametrize("optimiser", PLAYERS)
def test_each_network_of_a_vaegan_has_its_formulas_gradient(optimiser: str, rows: int) -> None:
    o, x = vaegan(), images(rows)
    loss, _ = o.loss(optimiser, (x,), Noise(0, 0))
    for name in o.optimisers[optimiser]:
        exact = formula(o, optimiser, name, x, Noise(0, 0))
        weights = list(o.networks[name].parameters())
        wanted = torch.autograd.grad(exact, weights)
        for got, expected in zip(torch.autograd.grad(loss, weights, retain_graph=True), wanted):
            torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-5)
        assert any(g.abs().sum() > 0 for g in wanted)


@pytest.mark.parametrize("optimiser", PLAYERS)
def test_an_optimisers_step_does_not_change_other_networks(optimiser: str) -> None:
    o = vaegan(r1=1.0, instance_noise=0.1)

    class OneOptimiser:
        networks, optimisers, loss = o.networks, {optimiser: o.optimisers[optimiser]}, o.loss

    before = {n: [w.detach().clone() for w in net.parameters()] for n, net in o.networks.items()}
    fit(OneOptimiser(), [images(8)], Schedule(epochs=1, batch=8, optimiser="sgd", rate=0.1), Fitting("cpu"))
    for name, network in o.networks.items():
        moved = any(not torch.equal(a, b) for a, b in zip(before[name], network.parameters()))
        assert moved == (name in o.optimisers[optimiser]), name


def test_a_fixed_encoder_has_no_optimiser_and_without_a_latent_discriminator_there_is_none_for_codes() -> None:
    assert vaegan(encoder_moves=False, latent=None).optimisers == {"critic": ("critic",), "autoencoder": ("decoder",)}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"latent": latent_discriminator(3, "prior", (4,))}, "positive for 'encoded'"),
        ({"pixel": 0.0, "feature": 0.0}, "a pixel or a feature loss"),
    ],
)
def test_a_vaegan_refuses_what_would_train_something_else(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vaegan(**changed)


def test_a_vaegan_refuses_a_critic_of_the_other_sign() -> None:
    model = autoencoders.build(SHAPE, 3, "gaussian", Architecture(hidden=(8,)))
    assert isinstance(model, GaussianAutoencoder)
    with pytest.raises(ValueError, match="positive for 'real'"):
        VAEGAN(model, image_discriminator(SHAPE, "decoded", (8,)))


def test_r1_of_a_quadratic_is_its_closed_form_and_reaches_the_weights() -> None:
    scale = torch.tensor(1.5, requires_grad=True)
    x = images().double()
    penalty = losses.r1_penalty(lambda v: scale * v.flatten(1).square().sum(1) / 2, x)
    exact = scale.detach() ** 2 * x.flatten(1).square().sum(1).mean()
    assert float(penalty.detach()) == pytest.approx(float(exact), rel=1e-12)
    (slope,) = torch.autograd.grad(penalty, scale)
    assert float(slope) == pytest.approx(float(2 * exact / scale.detach()), rel=1e-6)


def test_r1_is_added_with_half_its_weight() -> None:
    x = images()
    plain, _ = vaegan().loss("critic", (x,), Noise(0, 0))
    o = vaegan(r1=3.0)
    steadied, terms = o.loss("critic", (x,), Noise(0, 0))
    torch.testing.assert_close(steadied - plain, 1.5 * terms["r1"])
    assert float(terms["critic"]) == pytest.approx(
        float(plain.detach())
    )  # the log shows the cross-entropy without its penalty


def test_instance_noise_is_on_all_that_the_critic_sees_and_on_nothing_else() -> None:
    class Seen(Discriminator):
        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(x)  # type: ignore[operator, union-attr]
            return super().forward(x)

    for optimiser, times in (("critic", 2), ("autoencoder", 1)):
        o = vaegan(instance_noise=2.0)
        critic = Seen(o.critic.body, "real")
        critic.seen = []  # type: ignore[assignment]
        o.critic = critic
        o.loss(optimiser, (images(400),), Noise(0, 0))
        assert len(critic.seen) == times  # type: ignore[arg-type]
        for x in critic.seen:  # type: ignore[union-attr]
            assert float(x.std()) > 1.9


def test_features_are_what_the_last_layer_reads() -> None:
    for network, hidden in (("mlp", (8, 5)), ("conv", (4, 8))):
        d = image_discriminator(SHAPE, "real", hidden, network=network)
        x = images()
        assert isinstance(d.body, nn.Sequential)
        torch.testing.assert_close(d.body[-1](d.features(x)).squeeze(1), d(x))


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_a_spectral_critic_is_lipschitz(network: str) -> None:
    torch.manual_seed(0)
    d = image_discriminator((1, 8, 8), "real", (8, 16), network=network, spectral=True).train()
    for _ in range(60):
        d(torch.rand(4, 1, 8, 8))  # power iterations
    d.eval()
    x = torch.rand(64, 1, 8, 8)
    y = x + 0.1 * torch.randn_like(x)
    slope = (d(x) - d(y)).abs() / (x - y).flatten(1).norm(dim=1)
    # a convolution's matrix is held at 1, whose overlapping patches may raise the norm by the kernel's side at stride 2: 2 a layer
    assert float(slope.max()) <= (1.001 if network == "mlp" else 2**2)


def lines(steps: range, **terms: float) -> list[dict[str, float]]:
    return [{"step": s, **terms} for s in steps]


HEALTHY = {"critic": 0.5, "critic_gap": 1.0, "critic_spread": 0.5, "diversity": 0.9, "kl": 8.0}


@pytest.mark.parametrize(
    ("name", "state", "terms"),
    [
        ("critic", "saturated", {"critic": 1e-4, "critic_gap": 20.0}),
        ("critic", "at chance", {"critic": log(2), "critic_gap": 0.0, "critic_spread": 0.01}),
        ("decoder", "collapsed", {"diversity": 0.02}),
        ("encoder", "posterior", {"kl": 0.01}),
    ],
)
def test_each_failure_is_reported_once_and_so_is_its_end(name: str, state: str, terms: dict[str, float]) -> None:
    health = Health()
    assert list(health.feed(lines(range(1, 2 * WINDOW + 1), **HEALTHY))) == []
    ill = list(health.feed(lines(range(2 * WINDOW + 1, 5 * WINDOW + 1), **(HEALTHY | terms))))
    assert [(e.name, e.state, e.step) for e in ill] == [(name, state, 3 * WINDOW)]
    assert name in ill[0].sentence
    well = list(health.feed(lines(range(5 * WINDOW + 1, 6 * WINDOW + 1), **HEALTHY)))
    assert [(e.name, e.state) for e in well] == [(name, "recovered")]


def test_one_bad_step_is_no_event() -> None:
    one = [*lines(range(1, WINDOW), **HEALTHY), {"step": WINDOW, **HEALTHY, "critic_gap": 500.0}]
    assert list(Health().feed(one)) == []


def test_a_cross_entropy_at_chance_is_named_only_where_the_logits_are_flat() -> None:
    terms = HEALTHY | {"critic": log(2), "critic_gap": 0.0, "critic_spread": 0.5}
    assert list(Health().feed(lines(range(1, 4 * WINDOW + 1), **terms))) == []


class Saturating:
    """One optimiser whose logged gap is far apart from step 101 on."""

    def __init__(self) -> None:
        self.network = nn.Linear(1, 1)
        self.networks, self.optimisers = {"critic": self.network}, {"critic": ("critic",)}

    def loss(self, optimiser: str, batch: tuple[Tensor, ...], noise: Noise) -> tuple[Tensor, dict[str, Tensor]]:
        value = self.network(batch[0]).square().mean()
        gap = torch.tensor(20.0 if noise.step >= WINDOW else 1.0)
        return value, {"critic": value, "critic_gap": gap, "critic_spread": torch.ones(())}


def test_the_log_names_it_and_a_resumed_run_logs_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    data = [torch.randn(4, 1)]
    whole = Schedule(epochs=300, batch=4, checkpoint_every=150, log_every=10)
    with pytest.warns(UserWarning, match=r"step 200: critic is saturated"):
        straight = fit(Saturating(), data, whole, Fitting("cpu"), folder=tmp_path / "a")
    steps, events = read_log(tmp_path / "a" / "log.jsonl")
    assert [e["event"] for e in events] == ["saturated"]
    assert [int(line["step"]) for line in steps] == list(range(1, 301))

    class Killed(Exception):
        pass

    class Dying(Saturating):
        def loss(self, optimiser: str, batch: tuple[Tensor, ...], noise: Noise) -> tuple[Tensor, dict[str, Tensor]]:
            if noise.step == 260:
                raise Killed
            return super().loss(optimiser, batch, noise)

    torch.manual_seed(0)
    with pytest.raises(Killed), pytest.warns(UserWarning, match="saturated"):
        fit(Dying(), data, whole, Fitting("cpu"), folder=tmp_path / "b")
    with pytest.warns(UserWarning, match="saturated"):  # back at step 150, the window up to 200 is seen again
        again = fit(Saturating(), data, whole, Fitting("cpu", resume=True), folder=tmp_path / "b")
    assert again.events == straight.events
    assert [e["step"] for e in read_log(tmp_path / "b" / "log.jsonl")[1]] == [200]
