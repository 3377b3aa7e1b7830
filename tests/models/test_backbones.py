"""Networks of diffusion models: waves in closed form, and one contract kept by every backbone."""

from collections.abc import Callable
from math import cos, exp, pi, sin, sqrt
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from problems import curvature, points
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.models.embeddings import ClassEmbedding, Conditioning, FourierFeatures, Sinusoids, TimeEmbedding
from ridgewalk.models.unet import Attention, ResidualBlock, UNet, UNetEncoder, UNetLayers
from ridgewalk.models.weights import load_networks, save_networks

SMALL = {"channels": 4, "classes": 3}
BACKBONES = {  # name -> (shape of a row, shape of what comes back, how it is made)
    "mlp": ((2,), (2,), lambda: TimeMLP(2, (12, 12, 8), classes=3)),
    "mlp of spatial latents": ((2, 3, 3), (2, 3, 3), lambda: TimeMLP(18, (8, 8), classes=3)),
    "mlp of one output": ((5,), (1,), lambda: TimeMLP(5, (8, 8), outputs=1, fourier=6, classes=3, embedding="sinusoidal")),
    "unet": ((1, 8, 8), (1, 8, 8), lambda: UNet((1, 8, 8), UNetLayers(multipliers=(1, 2), **SMALL))),
    "unet of two blocks": ((2, 4, 6), (2, 4, 6), lambda: UNet((2, 4, 6), UNetLayers(blocks=2, attention=(3, 6), multipliers=(1, 3), **SMALL))),
    "unet of patches": ((1, 8, 8), (1, 8, 8), lambda: UNet((1, 8, 8), UNetLayers(patch=2, attention=(2,), embedding="sinusoidal", **SMALL))),
    "encoder": ((1, 8, 8), (1,), lambda: UNetEncoder((1, 8, 8), UNetLayers(multipliers=(1, 2), **SMALL))),
    "encoder of two outputs": ((3, 4, 8), (2,), lambda: UNetEncoder((3, 4, 8), UNetLayers(multipliers=(2, 1), patch=2, **SMALL), outputs=2)),
}  # fmt: skip
every_backbone = pytest.mark.parametrize("name", BACKBONES)


def woken(name: str, seed: int = 0) -> nn.Module:
    """A backbone in float64 all of whose weights are non-zero, as they are after some training."""
    torch.manual_seed(seed)
    network = BACKBONES[name][2]().double()
    for layer in network.modules():
        if isinstance(layer, nn.GroupNorm):
            nn.init.normal_(layer.weight, 1, 0.2)
            nn.init.normal_(layer.bias, 0, 0.2)
        elif isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=1 / sqrt(layer.weight[0].numel()))
            nn.init.normal_(layer.bias, std=0.1)
    return network


def inputs(name: str, n: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, noise levels of the usual order, and labels, none of them -1."""
    return points(n, *BACKBONES[name][0]), 0.7 * points(n, seed=1), torch.arange(n) % 3


# ------------------------------------------------------------------------------------------------------- waves


def test_fourier_features_are_cosines_and_sines_of_their_frequencies() -> None:
    features = FourierFeatures(3, 10, 0.7, seed=4).double()
    x, frequencies = points(6, 3), features.frequencies
    for i in range(6):
        for j in range(5):
            phase = 2 * pi * float(frequencies[j] @ x[i])
            assert float(features(x)[i, j]) == pytest.approx(cos(phase), abs=1e-12)
            assert float(features(x)[i, 5 + j]) == pytest.approx(sin(phase), abs=1e-12)


@pytest.mark.parametrize("scale", [0.2, 1.0])
def test_the_mean_product_of_fourier_features_is_a_gaussian_kernel(scale: float) -> None:
    m = 20_000  # frequencies: the mean of m cosines is within 5 / sqrt(m) of its expectation
    features = FourierFeatures(2, 2 * m, scale).double()
    x = 0.15 / scale * points(8, 2)
    f = features(x)
    expected = torch.exp(-2 * pi**2 * scale**2 * torch.cdist(x, x).square())
    assert expected.min() < 0.1  # the points are near and far
    torch.testing.assert_close(f @ f.T / m, expected, rtol=0, atol=5 / sqrt(m))


def test_sinusoids_are_a_geometric_progression() -> None:
    waves = Sinusoids(8, low=0.5, high=4.0).double()
    torch.testing.assert_close(waves.frequencies[:, 0], torch.tensor([0.5, 1, 2, 4]).double(), rtol=1e-6, atol=0)
    quarter = torch.full((1, 1), 0.25).double()  # an eighth, a quarter, a half and a whole turn
    expected = [sqrt(0.5), 0, -1, 1, sqrt(0.5), 1, 0, 0]
    torch.testing.assert_close(
        waves(quarter)[0], torch.tensor(expected).double(), rtol=0, atol=1e-6
    )  # float32's octaves


def test_fixed_features_come_from_their_seed_and_do_not_use_the_global_generator() -> None:
    state = torch.random.get_rng_state()
    one, same, other = FourierFeatures(3, 8), FourierFeatures(3, 8), FourierFeatures(3, 8, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.frequencies, same.frequencies)
    assert not torch.equal(one.frequencies, other.frequencies)
    assert not list(one.parameters())
    assert list(one.state_dict()) == ["frequencies"]
    torch.manual_seed(1)
    network = TimeMLP(2, (4,))
    torch.manual_seed(2)
    again = TimeMLP(2, (4,))
    assert torch.equal(network.features.frequencies, again.features.frequencies)
    assert not torch.equal(network.layers[0].weight, again.layers[0].weight)


def test_frequencies_have_their_scale() -> None:
    for scale in (0.5, 3.0):
        assert float(FourierFeatures(2, 20_000, scale).frequencies.std()) == pytest.approx(
            scale, rel=0.02
        )  # 20,000 draws
    latents = TimeMLP(16, (4,), fourier=2000).features
    assert float(latents.frequencies.norm(dim=1).square().mean()) == pytest.approx(
        0.25, rel=0.05
    )  # in any number of dimensions


def test_high_dimensional_rows_have_no_fourier_features_by_default() -> None:
    assert TimeMLP(4, (4,)).features is not None
    assert TimeMLP(5, (4,)).features is None
    assert TimeMLP(5, (4,), fourier=6).layers[0].in_features == 11


def test_the_mlp_is_modulated_layers_with_residuals_where_widths_agree() -> None:
    network = woken("mlp")
    x, c, labels = inputs("mlp")
    e = network.conditioning(c, labels)
    h = torch.cat([x, network.features(x)], dim=1)
    for i, width in enumerate((12, 12, 8)):
        gain, shift = network.films[i](e).split(width, dim=1)
        a = network.layers[i](h) * gain + network.layers[i](h) + shift
        h = a * a.sigmoid() + (h if i == 1 else 0)
    torch.testing.assert_close(network(x, c, labels), network.last(h), rtol=1e-11, atol=1e-12)


def test_a_class_is_a_row_of_the_table_and_no_class_its_first() -> None:
    classes = ClassEmbedding(2, 3)
    assert torch.equal(classes(torch.tensor([-1, 0, 1])), classes.table.weight)


def test_conditioning_adds_the_class_to_the_noise_level() -> None:
    told = Conditioning(6, classes=2).double()
    c, labels = points(4), torch.tensor([0, 1, -1, 0])
    torch.testing.assert_close(told(c, labels), told.time(c) + told.label(labels), rtol=1e-14, atol=0)


# ------------------------------------------------------------------------------------------------- the contract


@every_backbone
def test_outputs_have_their_shape_and_are_zero_before_training(name: str) -> None:
    _, out, make = BACKBONES[name]
    x, c, labels = inputs(name)
    network = make()
    for known in (None, labels):
        result = network(x.float(), c.float(), known)
        assert result.shape == (5, *out)
        assert result.dtype == torch.float32
        assert not result.any()


@every_backbone
def test_rows_do_not_depend_on_their_batch(name: str) -> None:
    network, (x, c, labels) = woken(name), inputs(name)
    whole = network(x, c, labels)
    assert whole.abs().min() > 1e-6
    for i in range(5):
        one = network(x[i : i + 1], c[i : i + 1], labels[i : i + 1])
        torch.testing.assert_close(one[0], whole[i], rtol=1e-11, atol=1e-12)


@every_backbone
def test_outputs_depend_on_the_row_the_noise_level_and_the_class(name: str) -> None:
    network, (x, c, labels) = woken(name), inputs(name)
    free = network(x, c)
    assert torch.equal(free, network(x, c, torch.full_like(labels, -1)))
    for other in (network(x, c, labels), network(x, c, (labels + 1) % 3), network(x, c + 0.1)):
        assert ((other - free).flatten(1).norm(dim=1) > 1e-4).all()
    x.requires_grad_(True)
    (heard,) = torch.autograd.grad(network(x, c, labels).square().sum(), x)
    assert (heard != 0).all()


@every_backbone
def test_inputs_are_not_modified(name: str) -> None:
    x, c, labels = inputs(name)
    before = [t.clone() for t in (x, c, labels)]
    woken(name)(x, c, labels)
    assert all(torch.equal(a, b) for a, b in zip(before, (x, c, labels)))


@every_backbone
def test_second_derivatives_are_those_of_a_smooth_function(name: str) -> None:
    network, (x, c, _) = woken(name), inputs(name, n=2)
    # the error of central differences falls with the step's square wherever the second derivative is continuous
    found, measured = curvature(lambda at: network(at, c), x, step=1e-5)
    assert found == pytest.approx(measured, rel=1e-5)


@every_backbone
def test_every_parameter_learns(name: str) -> None:
    network, (x, c, labels) = woken(name), inputs(name, n=8)
    labels[0] = -1
    network(x, c, labels).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.any(), key


@every_backbone
def test_a_new_network_leaves_zero_at_its_first_step(name: str) -> None:
    torch.manual_seed(0)
    _, out, make = BACKBONES[name]
    network, (x, c, labels) = make().double(), inputs(name)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    (network(x, c, labels) - points(5, *out)).square().sum().backward()
    optimiser.step()
    assert network(x, c, labels).any()


@every_backbone
def test_networks_come_back_from_disk_to_the_last_bit(name: str, tmp_path: Path) -> None:
    network, (x, c, labels) = woken(name), inputs(name)
    sha = save_networks(tmp_path / "w.safetensors", {"network": network})
    other = woken(name, seed=1)
    assert not torch.equal(other(x, c, labels), network(x, c, labels))
    load_networks(tmp_path / "w.safetensors", {"network": other}, sha)
    assert torch.equal(other(x, c, labels), network(x, c, labels))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1, 3]), "labels are 0 to 2, or -1 for no class; got 3"),
        (torch.tensor([0, -2, 1]), "got -2"),
        (torch.tensor([0, 1]), r"labels must be int64 \(3,\); got torch.int64 \(2,\)"),
        (torch.tensor([0.0, 1, 2]), "got torch.float32"),
    ],
)
@every_backbone
def test_labels_that_are_none_are_refused(name: str, labels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        woken(name)(*inputs(name, n=3)[:2], labels)


def test_an_unconditional_network_takes_no_class_and_refuses_any() -> None:
    network, c = TimeMLP(2, (4,)), torch.zeros(2)
    assert network(torch.ones(2, 2), c, torch.tensor([-1, -1])).shape == (2, 2)
    with pytest.raises(ValueError, match="labels are -1 alone: it was made with classes=0; got 1"):
        network(torch.ones(2, 2), c, torch.tensor([-1, 1]))


@every_backbone
def test_rows_of_another_shape_are_refused(name: str) -> None:
    x, c, _ = inputs(name)
    network = woken(name)
    for wrong, levels in ((x[..., :1], c), (x, c[:4]), (x, c[0]), (x, c[:, None])):
        with pytest.raises(ValueError, match="noise levels"):
            network(wrong, levels)


# ----------------------------------------------------------------------------------------------------- the U-Net


@pytest.mark.parametrize(
    ("side", "multipliers", "patch"),
    [(28, (1, 2, 2), 1), (28, (1, 2), 2), (32, (1, 1, 2, 2), 1), (8, (1, 2), 1), (8, (1, 1, 1, 1), 1), (5, (1,), 1),
     (256, (1, 1, 1, 1, 1, 2), 1), (256, (1, 1, 1, 1, 1, 1, 2), 1), (256, (1, 1, 1, 1, 2), 4)],
)  # fmt: skip
def test_sides_that_can_be_halved(side: int, multipliers: tuple[int, ...], patch: int) -> None:
    x, c = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)), torch.zeros(2)
    layers = UNetLayers(channels=2, multipliers=multipliers, patch=patch)
    network = UNet((3, side, side), layers)
    nn.init.normal_(network.last.weight)
    assert network(x, c).shape == x.shape
    assert network(x, c).any()
    assert UNetEncoder((3, side, side), layers)(x, c).shape == (2, 1)
    bottom = network.descent(x, c, None)[0][-1]
    assert bottom.shape[2] == side // patch // 2 ** (len(multipliers) - 1)


@pytest.mark.parametrize("network", [UNet, UNetEncoder])
@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((1, 28, 28), {"multipliers": (1, 2, 2, 2)},
         "images of 28 x 28 pixels cannot be halved 3 times: the side 28 is not a multiple of 8; "
         "pad or resize it to 24 or 32, or pass at most 3 multipliers"),
        ((1, 28, 27), {}, "the side 27 is not a multiple of 4; pad or resize it to 24 or 28, or pass at most 1 multiplier$"),
        ((1, 30, 28), {}, "the side 30 is not a multiple of 4; .* at most 2 multipliers"),
        ((3, 3, 4), {}, "the side 3 is not a multiple of 4; pad or resize it to 4, or"),
        ((1, 28, 28), {"patch": 2}, "halved 2 times after patches of 2: .* not a multiple of 8; .* at most 2 multipliers"),
        ((1, 28, 28), {"patch": 3}, "after patches of 3: .* not a multiple of 12; .* or pass patch 2"),
        ((1, 8, 8), {"channels": 0}, "channels 0"),
        ((1, 8, 8), {"channels": 5}, "even number of channels"),
        ((1, 8, 8), {"multipliers": ()}, "at least one multiplier"),
        ((8, 8), {}, r"images \(c, h, w\)"),
        ((1, 8, 8), {"classes": -1}, "0 classes"),
        ((1, 8, 8), {"embedding": "fourrier"}, "did you mean 'fourier'"),
    ],
)  # fmt: skip
def test_images_and_settings_that_make_no_unet_are_refused(network, shape, settings, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        network(shape, UNetLayers(**settings))


def test_attention_is_only_at_the_given_sides() -> None:
    def count(**settings: object) -> int:
        network = UNet((1, 28, 28), UNetLayers(channels=2, **settings))  # type: ignore[arg-type]
        return sum(isinstance(module, Attention) for module in network.modules())

    assert count(attention=()) == 0
    assert count() == 3  # side 7: going down, at the bottom, going up
    assert count(attention=(14,)) == 2
    assert count(attention=(7, 14), blocks=2) == 9
    assert count(patch=2, multipliers=(1, 2)) == 3  # 14 and 7, once the patches are channels


def test_a_new_block_is_its_input_over_root_two_and_attention_too() -> None:
    x, e = points(2, 4, 3, 3).float(), points(2, 6).float()
    torch.testing.assert_close(ResidualBlock(4, 4, 6, 0.0)(x, e), x / sqrt(2))
    torch.testing.assert_close(Attention(4)(x), x / sqrt(2))


def test_a_block_is_its_formula() -> None:
    block = next(m for m in woken("unet").modules() if isinstance(m, ResidualBlock) and isinstance(m.skip, nn.Conv2d))
    x, e = points(3, block.conv_1.in_channels, 4, 4), points(3, 16)
    a = block.norm_1(x)
    h = block.norm_2(block.conv_1(a * a.sigmoid()) + block.told(e)[:, :, None, None])
    expected = (block.skip(x) + block.conv_2(h * h.sigmoid())) / sqrt(2)
    torch.testing.assert_close(block(x, e), expected, rtol=1e-12, atol=1e-13)


def test_attention_is_a_softmax_mean_of_values() -> None:
    torch.manual_seed(0)
    layer = Attention(4).double()
    nn.init.normal_(layer.out.weight)
    x = points(1, 4, 2, 3)
    q, k, v = layer.qkv(layer.norm(x)).detach()[0].flatten(1).split(4)
    expected = torch.zeros(4, 6, dtype=torch.float64)
    for i in range(6):
        weights = torch.tensor([exp(float(q[:, i] @ k[:, j]) / 2) for j in range(6)], dtype=torch.float64)
        mean = (v * weights).sum(dim=1) / weights.sum()
        expected[:, i] = (x[0].flatten(1)[:, i] + layer.out.weight[:, :, 0, 0] @ mean) / sqrt(2)
    torch.testing.assert_close(layer(x)[0].flatten(1), expected, rtol=1e-12, atol=1e-13)


def test_dropout_is_off_in_evaluation() -> None:
    torch.manual_seed(0)
    network = UNet((1, 4, 4), UNetLayers(channels=4, multipliers=(1,), dropout=0.5))
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    x, c = torch.randn(3, 1, 4, 4), torch.zeros(3)
    assert not torch.equal(network(x, c), network(x, c))
    network.eval()
    assert torch.equal(network(x, c), network(x, c))


# ------------------------------------------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TimeMLP(2, ()), "at least one hidden width"),
        (lambda: TimeMLP(2, fourier=5), "even and positive; got 5"),
        (lambda: TimeMLP(2, outputs=0), "outputs >= 1"),
        (lambda: TimeMLP(2, act="silo"), "did you mean 'silu'"),
        (lambda: UNet((8,)), r"images \(c, h, w\)"),
    ],
)
def test_settings_that_make_no_network_are_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_waves_that_are_none_are_refused() -> None:
    for make in (lambda: FourierFeatures(0, 4), lambda: FourierFeatures(2, 4, 0.0), lambda: Sinusoids(4, 2.0, 1.0),
                 lambda: FourierFeatures(2, 0), lambda: Sinusoids(3), lambda: TimeEmbedding(7)):  # fmt: skip
        with pytest.raises(ValueError, match="got"):
            make()
