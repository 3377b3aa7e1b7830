"""Adversarial autoencoders with classes: each network's gradient is its formula's, written out here, and reaches no other network."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.models import autoencoders, categories
from ridgewalk.models.autoencoders import Architecture
from ridgewalk.models.discriminators import latent_discriminator
from ridgewalk.settings.training import Schedule
from ridgewalk.training.duels import Augmentation, Corruption, Duel
from ridgewalk.training.families.adversarial import AAE
from ridgewalk.training.families.categorical import Categorical, apart
from ridgewalk.training.families.conditioned import LabelConditioned
from ridgewalk.training.families.matching import Matching
from ridgewalk.training.families.style import StyleContent
from ridgewalk.training.labelled import Labelled
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.noise import Noise
from ridgewalk.training.priors import Gaussian, Mixture

SHAPE, K, D = (1, 4, 4), 3, 2
X = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(3))
LABELS = torch.tensor([0, 2, -1, 1, -1, 2])
KNOWN = torch.tensor([0, 2, 1, 1, 0, 2])
GIVEN = Labelled(X[:4], KNOWN[:4], batch=5)


def disc(size: int) -> nn.Module:
    return latent_discriminator(size, "prior", (7,), "softplus")


def of_images(**settings: object) -> AAE:
    torch.manual_seed(0)
    model = autoencoders.build(
        SHAPE, D, str(settings.pop("posterior", "deterministic")), Architecture(hidden=(8,)), noise=3
    )
    return AAE(model, disc(D), Gaussian(D, 1.5), adversarial=0.7, **settings)  # type: ignore[arg-type]


def conditioned(**settings: object) -> LabelConditioned:
    torch.manual_seed(0)
    return LabelConditioned(
        autoencoders.build(SHAPE, 2, architecture=Architecture(hidden=(8,))),
        disc(2 + K + 1),
        Mixture(K),
        adversarial=0.7,
        **settings,  # type: ignore[arg-type]
    )


def style(**settings: object) -> StyleContent:
    torch.manual_seed(0)
    model = categories.build_conditional(SHAPE, D, K, Architecture(hidden=(8,)))
    return StyleContent(model, disc(D), Gaussian(D, 1.5), adversarial=0.7, **settings)  # type: ignore[arg-type]


def categorical(kind: str = "categorical", labelled: Labelled | None = GIVEN, **settings: object) -> Categorical:
    torch.manual_seed(0)
    model = categories.build_categorical(SHAPE, D, K, Architecture(hidden=(9, 8)), kind)
    given: dict[str, object] = {"adversarial": 0.7, "label_weight": 0.4, "supervision": 1.3}
    given |= {"margin": 4.0, "hinge": 0.6} if kind == "reduced" else {}
    return Categorical(model, disc(D), disc(K), Gaussian(D, 1.5), labelled, **(given | settings))  # type: ignore[arg-type]


MAKERS: Mapping[str, Callable[..., Matching]] = {
    "aae": of_images,
    "universal": lambda **s: of_images(posterior="universal", **s),
    "conditioned": conditioned,
    "style": style,
    "semi-supervised": categorical,
    "clustering": lambda **s: categorical(labelled=None, **s),
    "reduction": lambda **s: categorical("reduced", **s),
}
BATCHES = {"conditioned": (X, LABELS), "style": (X, KNOWN)}


def fooled(logits: Tensor) -> Tensor:
    return torch.log1p(torch.exp(-logits)).mean()


def bce(positive: Tensor, negative: Tensor) -> Tensor:
    return 0.5 * (torch.log1p(torch.exp(-positive)).mean() + torch.log1p(torch.exp(negative)).mean())


def one_hot(labels: Tensor, size: int) -> Tensor:
    return torch.eye(size)[labels]


def squared(x_hat: Tensor) -> Tensor:
    return 0.5 * (x_hat - X).square().flatten(1).sum(1).mean()


def simple(o: Matching, optimiser: str, noise: Noise, name: str) -> Tensor:
    """The loss of the three members with one discriminator, from the formulas of ``training.matching``."""
    e, g, d = o.model.encoder, o.model.decoder, o.discriminators["discriminator"]
    z = e(X, noise.normal(len(X), 3)) if name == "universal" else e(X)
    told = one_hot(torch.where(LABELS < 0, K, LABELS), K + 1)
    seen = torch.cat([z, told], 1) if name == "conditioned" else z
    if optimiser == "autoencoder":
        return squared(g(torch.cat([z, one_hot(KNOWN, K)], 1)) if name == "style" else g(z))
    if optimiser == "matcher":
        return 0.7 * fooled(d(seen))
    if name == "conditioned":
        drawn = torch.cat([o.prior.given(LABELS, noise), told], 1)  # type: ignore[attr-defined]
    else:
        drawn = 1.5 * noise.normal(len(X), D)
    return bce(d(drawn), d(seen))


def heads(o: Matching, optimiser: str, noise: Noise, name: str) -> Tensor:
    """The loss of those with styles and classes, from the table of ``training.categories``."""
    m = o.model
    assert isinstance(m, categories.CategoricalAutoencoder)
    if optimiser == "supervised":
        rows = noise.integers(4, 5)
        log_p = m.label(m.encoder(X[rows])).log_softmax(1)
        return -1.3 * log_p[torch.arange(5), KNOWN[rows]].mean()
    f = m.encoder(X)
    s, y = m.style(f), m.label(f).softmax(1)
    d_s, d_y = o.discriminators["style_discriminator"], o.discriminators["label_discriminator"]
    if optimiser == "matcher":
        return 0.7 * fooled(d_s(s)) + 0.4 * fooled(d_y(y))
    if optimiser == "discriminator":
        y_p = one_hot(noise.integers(K, len(X)), K)
        return bce(d_s(1.5 * noise.normal(len(X), D)), d_s(s)) + bce(d_y(y_p), d_y(y))
    if name != "reduction":
        return squared(m.decoder(torch.cat([s, y], 1)))
    w = m.clusters.weight  # type: ignore[union-attr]
    pairs = [(w[:, i] - w[:, j]).norm() for i in range(K) for j in range(i)]  # type: ignore[index]
    return squared(m.decoder(y @ w.T + s)) + 0.6 * sum(F.relu(4.0 - p) for p in pairs)  # type: ignore[union-attr, return-value]


def formula(o: Matching, optimiser: str, noise: Noise, name: str) -> Tensor:
    return (heads if isinstance(o, Categorical) else simple)(o, optimiser, noise, name)


def optimisers(name: str) -> list[str]:
    return list(MAKERS[name]().optimisers)


CASES = [(name, optimiser) for name in MAKERS for optimiser in optimisers(name)]


@pytest.mark.parametrize(("name", "optimiser"), CASES)
def test_each_networks_gradient_is_its_formulas(name: str, optimiser: str) -> None:
    o = MAKERS[name]()
    loss, _ = o.loss(optimiser, BATCHES.get(name, (X,)), Noise(0, 0))
    exact = formula(o, optimiser, Noise(0, 0), name)
    torch.testing.assert_close(loss, exact)
    for network in o.optimisers[optimiser]:
        weights = list(o.networks[network].parameters())
        wanted = torch.autograd.grad(exact, weights, retain_graph=True)
        for got, expected in zip(torch.autograd.grad(loss, weights, retain_graph=True), wanted):
            torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-5)
        assert any(g.abs().sum() > 0 for g in wanted), network


@pytest.mark.parametrize(("name", "optimiser"), CASES)
def test_a_move_changes_its_own_networks_and_no_other(name: str, optimiser: str) -> None:
    o = MAKERS[name]()

    class OneOptimiser:
        networks, optimisers, loss = o.networks, {optimiser: o.optimisers[optimiser]}, o.loss

    before = {n: [w.detach().clone() for w in net.parameters()] for n, net in o.networks.items()}
    fit(OneOptimiser(), BATCHES.get(name, (X,)), Schedule(epochs=1, batch=6, optimiser="sgd", rate=0.1), Fitting("cpu"))
    for network, own in before.items():
        moved = any(not torch.equal(a, b) for a, b in zip(own, o.networks[network].parameters()))
        assert moved == (network in o.optimisers[optimiser]), network


@pytest.mark.parametrize("name", MAKERS)
def test_together_each_network_has_the_sum_of_its_gradients(name: str) -> None:
    o, whole = MAKERS[name](), MAKERS[name](together=True)
    assert set(whole.optimisers) == {"autoencoder", "discriminator"}
    batch = BATCHES.get(name, (X,))
    if name == "universal":  # whose code is drawn once in place of twice
        return
    loss, _ = whole.loss("autoencoder", batch, Noise(0, 0))
    apart_ = {p: o.loss(p, batch, Noise(0, 0))[0] for p in o.optimisers if p != "discriminator"}
    for network in whole.optimisers["autoencoder"]:
        got = torch.autograd.grad(loss, list(whole.networks[network].parameters()), retain_graph=True)
        sums = [torch.zeros_like(g) for g in got]
        for optimiser, own in apart_.items():
            if network in o.optimisers[optimiser]:
                grads = torch.autograd.grad(own, list(o.networks[network].parameters()), retain_graph=True)
                sums = [a + b for a, b in zip(sums, grads)]
        for a, b in zip(got, sums):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_the_discriminators_loss_gives_the_autoencoder_nothing(name: str) -> None:
    o = MAKERS[name]()
    loss, _ = o.loss("discriminator", BATCHES.get(name, (X,)), Noise(0, 0))
    for network in o.model.networks.values():
        assert all(g is None for g in torch.autograd.grad(loss, list(network.parameters()), allow_unused=True))


def test_a_universal_posterior_differs_from_draw_to_draw_and_its_code_does_not() -> None:
    o = of_images(posterior="universal")
    noise = Noise(0, 0)
    a, b = (o.codes((X,), noise)[0] for _ in range(2))
    assert (a - b).abs().max() > 1e-3
    assert torch.equal(o.model.encode(X), o.model.encode(X))
    assert torch.equal(o.model.encode(X), o.model.encoder(X, torch.zeros(6, 3)))


def test_the_hinge_is_zero_for_heads_apart_and_known_for_near_ones() -> None:
    assert float(apart(torch.eye(3) * 10, 4.0)) == 0
    line = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    assert float(apart(line, 2.5)) == pytest.approx(1.5 + 0.5, abs=1e-5)
    same = torch.zeros(2, 2, requires_grad=True)
    apart(same, 1.0).backward()
    assert same.grad is not None
    assert same.grad.isfinite().all()


def test_the_decoder_reconstructs_the_clean_image_of_a_corrupted_one() -> None:
    o = of_images(corruption=Corruption(noise=0.5))
    loss, _ = o.loss("autoencoder", (X,), Noise(0, 3))
    noisy = X + 0.5 * Noise(0, 3).normal(*X.shape)
    torch.testing.assert_close(loss, squared(o.model.decoder(o.model.encoder(noisy))))


@pytest.mark.parametrize("name", MAKERS)
def test_noise_on_codes_is_on_styles_alone_and_before_all_that_reads_them(name: str) -> None:
    batch = BATCHES.get(name, (X,))
    plain, noisy = MAKERS[name](), MAKERS[name](code_noise=0.5)
    before = plain.codes(batch, Noise(0, 1))
    noise = Noise(0, 1)
    after = noisy.codes(batch, noise)
    own = Noise(0, 1)
    if name == "universal":
        own.normal(len(X), 3)
    assert torch.allclose(after[0], before[0] + 0.5 * own.normal(*before[0].shape))
    assert all(torch.equal(a, b) for a, b in zip(after[1:], before[1:]))
    shown = noisy.sides(batch, Noise(0, 1))
    d = next(iter(shown))
    assert torch.allclose(shown[d][2][:, : after[0].shape[1]], after[0])
    assert torch.equal(noisy.model.encode(X), plain.model.encode(X))  # of training only


def test_noise_on_classes_is_on_logits_of_images_without_a_label() -> None:
    plain, noisy = categorical(), categorical(label_noise=0.7)
    style, logits = plain.model.heads(X)
    after = noisy.codes((X,), Noise(0, 1))
    assert torch.equal(after[0], style)
    assert torch.allclose(after[1], (logits + 0.7 * Noise(0, 1).normal(*logits.shape)).softmax(1))
    pays = [o.loss("supervised", (X,), Noise(0, 1))[0] for o in (plain, noisy)]
    assert torch.equal(*pays)


def test_classes_are_read_from_an_augmented_image_and_styles_from_the_image_itself() -> None:
    turn = Augmentation(rotation=40)
    plain, told = categorical(), categorical(invariance=turn)
    style, logits = told.model.heads(X)
    after = told.codes((X,), Noise(0, 1))
    assert torch.equal(after[0], style)
    assert torch.allclose(after[1], told.model.logits(turn(X, Noise(0, 1))).softmax(1))
    assert not torch.allclose(after[1], logits.softmax(1), atol=1e-4)
    assert torch.equal(plain.codes((X,), Noise(0, 1))[1], logits.softmax(1))


def test_an_augmentation_turns_and_moves_by_its_settings_also_for_images_that_are_not_square() -> None:
    class Fixed:
        def __init__(self, *u: float) -> None:
            self.u = u

        def uniform(self, *shape: int) -> torch.Tensor:
            return torch.tensor([self.u]).expand(shape)

    for h, w in ((41, 41), (31, 61)):
        y, x = torch.meshgrid(torch.arange(h) - h // 2, torch.arange(w) - w // 2, indexing="ij")
        bar = ((y.abs() <= 1) & (x.abs() <= 12)).float()[None, None]
        half = 0.5
        for u, angle in ((1.0, 30.0), (0.0, -30.0)):
            turned = Augmentation(rotation=30.0)(bar, Fixed(u, half, half, half, half, half))[0, 0]  # type: ignore[arg-type]
            assert float(turned.sum()) == pytest.approx(float(bar.sum()), rel=0.03)  # turning keeps areas
            spread = torch.stack([x, y]).float().flatten(1).mul(turned.flatten().sqrt())
            axis = torch.linalg.eigh(spread @ spread.T).eigenvectors[:, -1]
            slope = float(torch.rad2deg(torch.atan(axis[1] / axis[0])))
            assert abs(slope) == pytest.approx(abs(angle), abs=1.0)
            assert (slope > 0) == (angle < 0)  # it is read turned, and so it turns the other way
        moved = Augmentation(shift=4.0)(bar, Fixed(half, half, half, half, 1.0, 0.0))[0, 0]  # type: ignore[arg-type]
        assert torch.allclose(moved, bar[0, 0].roll((4, -4), (0, 1)), atol=1e-4)  # reads 4 to the right and 4 higher
        post = ((x.abs() <= 1) & (y.abs() <= 10)).float()[None, None]
        sheared = Augmentation(shear=0.5)(post, Fixed(half, 1.0, half, half, half, half))[0, 0]  # type: ignore[arg-type]
        for row in (-8, -4, 4, 8):  # what stands in row y is read half of y further right
            line = sheared[h // 2 + row]
            assert float((line * x[0]).sum() / line.sum()) == pytest.approx(-0.5 * row, abs=0.1)
        grown = Augmentation(scale=0.25)(bar, Fixed(half, half, 0.0, half, half, half))[0, 0]  # type: ignore[arg-type]
        assert float(grown[h // 2].sum()) == pytest.approx(25 / 0.75, abs=1.0)  # reads three quarters as wide


def test_dropout_of_the_input_keeps_its_mean() -> None:
    x = torch.ones(200, 1, 8, 8)
    out = Corruption(dropout=0.2)(x, Noise(0, 0))
    assert set(out.unique().tolist()) == {0.0, 1.25}
    assert float(out.mean()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("loss", "of_d", "of_opponent"),
    [
        ("bce", lambda p, q: bce(p, q), fooled),
        ("hinge", lambda p, q: 0.5 * ((1 - p).clamp_min(0).mean() + (1 + q).clamp_min(0).mean()), lambda q: -q.mean()),
        ("wasserstein", lambda p, q: 0.5 * (q.mean() - p.mean()), lambda q: -q.mean()),
    ],
)
def test_each_adversarial_loss_is_its_formula_with_optional_r1_and_noise(
    loss: str, of_d: Callable[[Tensor, Tensor], Tensor], of_opponent: Callable[[Tensor], Tensor]
) -> None:
    d = disc(D)
    p, q = torch.randn(2, 50, D, generator=torch.Generator().manual_seed(0)).unbind()
    pays, terms = Duel(loss).discriminate("d", d, p, q, Noise(0, 0))
    torch.testing.assert_close(pays, of_d(d(p), d(q)))
    torch.testing.assert_close(terms["d"], bce(d(p), d(q)))
    torch.testing.assert_close(Duel(loss).fool(d, q, Noise(0, 0)), of_opponent(d(q)))
    steadied, more = Duel(loss, r1=3.0).discriminate("d", d, p, q, Noise(0, 0))
    leaf = p.clone().requires_grad_()
    slope = torch.autograd.grad(d(leaf).sum(), leaf)[0].square().sum(1).mean()
    torch.testing.assert_close(steadied - pays, 1.5 * slope)
    assert ("d_gap" in more) == (loss == "bce")
    noise = Noise(0, 1)
    shaken = of_d(d(p + 0.3 * noise.normal(50, D)), d(q + 0.3 * noise.normal(50, D)))
    torch.testing.assert_close(Duel(loss, noise=0.3).discriminate("d", d, p, q, Noise(0, 1))[0], shaken)


def test_what_an_objective_cannot_use_is_refused() -> None:
    with pytest.raises(ValueError, match="a prior for each class"):
        LabelConditioned(autoencoders.build(SHAPE, 2, architecture=Architecture(hidden=(8,))), disc(6), Gaussian(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"labels must lie in 0 .. 2.*got 0 to 3"):
        categorical(labelled=Labelled(X, torch.tensor([0, 1, 2, 3, 0, 1])))
    with pytest.raises(ValueError, match="reduced autoencoder"):
        categorical(margin=1.0)
    with pytest.raises(ValueError, match="did you mean 'hinge'"):
        Duel("hing")
    model = categories.build_categorical(SHAPE, D, K, Architecture(hidden=(8,)))
    with pytest.raises(ValueError, match="positive for 'prior'"):
        Categorical(model, latent_discriminator(D, "encoded", (4,)), disc(K), Gaussian(D))


def test_labelled_images_are_drawn_by_step_and_each_process_has_its_share() -> None:
    whole = GIVEN.draw(Noise(0, 7))[1]
    assert torch.equal(whole, GIVEN.draw(Noise(0, 7))[1])
    assert not all(torch.equal(whole, GIVEN.draw(Noise(0, s))[1]) for s in range(8, 12))
    both = Labelled(X[:4], KNOWN[:4], batch=6)
    parts = torch.cat([both.draw(Noise(0, 7, rank=r, world=2))[1] for r in range(2)])
    assert torch.equal(parts, both.draw(Noise(0, 7))[1])
