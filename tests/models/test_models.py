"""Networks of any image size, Gaussian posteriors, and checkpoints that are whole or refused by name."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from problems import points
from ridgewalk.models.autoencoders import Architecture, Autoencoder, GaussianAutoencoder, Layers, build, reparameterise
from ridgewalk.models.blocks import mlp, restart
from ridgewalk.models.categories import build_categorical, build_conditional
from ridgewalk.models.classifiers import convolutional, mixer
from ridgewalk.models.discriminators import POSITIVES, Discriminator, latent_discriminator
from ridgewalk.models.weights import load_networks, save_networks

NETWORKS = [("mlp", (16, 8)), ("conv", (8, 12)), ("conv", (4, 6, 10)), ("conv", (3,))]


def images(n: int, *shape: int) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


def made(seed: int, posterior: str = "deterministic", **layers) -> Autoencoder:  # type: ignore[no-untyped-def]
    torch.manual_seed(seed)
    return build((3, 9, 13), 4, posterior, Architecture(**layers))


# ------------------------------------------------------------------------------------------------- autoencoders


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 13), (1, 1, 1), (2, 5, 1), (3, 16, 32)])
@pytest.mark.parametrize(("network", "hidden"), NETWORKS)
@pytest.mark.parametrize("posterior", ["deterministic", "gaussian"])
def test_codes_and_images_have_their_shapes(
    posterior: str, network: str, hidden: tuple[int, ...], shape: tuple[int, int, int]
) -> None:
    model = build(shape, 5, posterior, Architecture(network, hidden))
    x = images(3, *shape)
    z = model.encode(x)
    assert z.shape == (3, 5)
    decoded = model.decode(100 * z)
    assert decoded.shape == x.shape
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    assert torch.equal(model(x), model.decode(z))


def test_a_decoder_may_be_of_a_network_of_its_own() -> None:
    architecture = Architecture("conv", (8, 12), decoder=Layers("mlp", (10, 6)))
    for model in (
        build((3, 9, 13), 4, architecture=architecture),
        build_categorical((3, 9, 13), 4, 2, architecture),
        build_conditional((3, 9, 13), 4, 2, architecture),
    ):
        widths = [layer.out_features for layer in model.decoder.modules() if isinstance(layer, nn.Linear)]
        assert widths == [6, 10, 3 * 9 * 13]  # read from the image inwards, as the encoder's
        assert sum(isinstance(layer, nn.Conv2d) for layer in model.encoder.modules()) == 2
        assert model(images(2, 3, 9, 13)).shape == (2, 3, 9, 13)
    with pytest.raises(ValueError, match="at least one hidden layer"):
        build((3, 9, 13), 4, architecture=Architecture(decoder=Layers("mlp", ())))


@pytest.mark.parametrize(("network", "hidden"), NETWORKS)
def test_rows_do_not_depend_on_their_batch(network: str, hidden: tuple[int, ...]) -> None:
    model = made(0, network=network, hidden=hidden).double()
    x, z = images(6, 3, 9, 13).double(), points(6, 4)
    for i in range(6):
        torch.testing.assert_close(model.encode(x[i : i + 1])[0], model.encode(x)[i], rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(model.decode(z[i : i + 1])[0], model.decode(z)[i], rtol=1e-12, atol=1e-13)


def test_codes_depend_on_every_pixel_and_images_on_every_coordinate() -> None:
    for network, hidden in NETWORKS:
        model = made(0, network=network, hidden=hidden, act="tanh").double()
        x = images(1, 3, 9, 13).double().requires_grad_(True)
        assert (torch.autograd.grad(model.encode(x).sum(), x)[0] != 0).all()
        z = points(1, 4).requires_grad_(True)
        assert (torch.autograd.grad(model.decode(z).sum(), z)[0] != 0).all()


def test_a_gaussian_posterior_is_the_encoders_halves_with_its_variance_held() -> None:
    out = torch.tensor([[1.0, -2.0, 0.5, 99.0], [0.0, 3.0, -99.0, -1.0]])
    model = GaussianAutoencoder(lambda_module(out), nn.Identity())
    mean, log_variance = model.posterior(torch.zeros(2, 1, 1, 1))
    assert mean.tolist() == [[1, -2], [0, 3]]
    assert log_variance.tolist() == [[0.5, 12], [-12, -1]]
    assert torch.equal(model.encode(torch.zeros(2, 1, 1, 1)), mean)


def lambda_module(out: Tensor) -> nn.Module:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return out

    return Constant()


def test_a_draw_of_the_posterior() -> None:
    mean, log_variance, noise = points(5, 3), points(5, 3, seed=1), points(5, 3, seed=2)
    torch.testing.assert_close(
        reparameterise(mean, log_variance, noise), mean + log_variance.exp().sqrt() * noise, rtol=1e-14, atol=0
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"posterior": "normal"}, "unknown posterior 'normal'"),
        ({"architecture": Architecture("resnet")}, "network must be 'mlp' or 'conv'; got 'resnet'"),
        ({"latent": 0}, "latent >= 1"),
        ({"architecture": Architecture(hidden=())}, "at least one hidden layer"),
        ({"architecture": Architecture(act="rlu")}, "unknown activation 'rlu'; did you mean 'relu'"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**({"shape": (1, 8, 8), "latent": 2} | settings))  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- the others


def test_an_mlp_is_affine_layers_with_activations_between() -> None:
    network = mlp([3, 5, 2], "tanh").double()
    first, _, last = network
    z = points(4, 3)
    expected = torch.tanh(z @ first.weight.T + first.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(network(z), expected, rtol=1e-12, atol=1e-14)
    assert [type(layer) for layer in mlp([3, 2])] == [nn.Linear]
    with pytest.raises(ValueError, match="at least an input and an output"):
        mlp([3])


def test_spectral_layers_have_norm_one() -> None:
    torch.manual_seed(0)
    network = mlp([6, 8, 1], spectral=True)
    for _ in range(200):  # steps of the power iteration
        network(torch.zeros(1, 6))
    network.eval()
    for layer in (network[0], network[2]):
        assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("positive", POSITIVES)
def test_a_discriminator_knows_the_sign_of_its_logit_on_data(positive: str) -> None:
    sensor = Discriminator(nn.Linear(1, 1), positive)
    nn.init.ones_(sensor.body.weight)  # the logit rises with z
    rising = sensor.data_sign * sensor(torch.tensor([[1.0], [2.0]])).diff() > 0
    assert rising.item() is (positive in ("encoded", "real", "data"))
    behind = sensor.behind(nn.Tanh())
    assert behind.positive == positive
    torch.testing.assert_close(behind(points(5, 1).float()), sensor(points(5, 1).float().tanh()))


def test_a_discriminator_gives_one_logit_a_row_of_any_shape() -> None:
    assert latent_discriminator(24, "prior", (8,))(points(5, 2, 3, 4).float()).shape == (5,)
    assert latent_discriminator(3, "encoded", ())(points(1, 3).float()).shape == (1,)


@pytest.mark.parametrize("family", [convolutional, mixer])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 13)])
def test_classifiers_read_features(family, shape: tuple[int, int, int]) -> None:  # type: ignore[no-untyped-def]
    judge = family(shape, classes=7)
    x = images(4, *shape)
    assert judge(x).shape == (4, 7)
    assert judge.features(x).shape == (4, judge.head.in_features)
    torch.testing.assert_close(judge.head(judge.features(x)), judge(x))


# --------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("posterior", ["deterministic", "gaussian"])
@pytest.mark.parametrize(("network", "hidden"), NETWORKS)
def test_networks_come_back_to_the_last_bit(
    tmp_path: Path, network: str, hidden: tuple[int, ...], posterior: str
) -> None:
    settings = {"network": network, "hidden": hidden, "posterior": posterior}
    model, matcher = made(0, **settings), latent_discriminator(4, "prior", (8,), spectral=True)
    sha = save_networks(tmp_path / "new" / "w.safetensors", {"model": model, "matcher": matcher})
    other, again = made(1, **settings), latent_discriminator(4, "prior", (8,), spectral=True)
    x = images(3, 3, 9, 13)
    assert not torch.equal(other(x), model(x))
    load_networks(tmp_path / "new" / "w.safetensors", {"model": other, "matcher": again}, sha)
    assert torch.equal(other(x), model(x))
    assert torch.equal(again.eval()(x[:, 0, 0, :4]), matcher.eval()(x[:, 0, 0, :4]))
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["w.safetensors"]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, str, Autoencoder]:
    model = made(0, hidden=(16, 8))
    file = tmp_path / "w.safetensors"
    return file, save_networks(file, {"model": model}), model


def refused(file: Path, message: str, network: nn.Module, sha: str | None = None, name: str = "model") -> None:
    """Loading raises ``message``, names the file, and does not change the network."""
    before = {k: t.clone() for k, t in network.state_dict().items()}
    with pytest.raises(ValueError, match=message) as error:
        load_networks(file, {name: network}, sha)
    assert str(file) in str(error.value)
    assert all(torch.equal(t, before[k]) for k, t in network.state_dict().items())


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.999])
def test_a_file_cut_short_is_refused_with_and_without_its_checksum(
    saved: tuple[Path, str, Autoencoder], keep: float
) -> None:
    file, sha, _ = saved
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    refused(file, "not a whole safetensors file", made(1, hidden=(16, 8)))
    refused(file, "not the file that was written", made(1, hidden=(16, 8)), sha)


def test_one_altered_bit_is_refused_by_the_checksum(saved: tuple[Path, str, Autoencoder]) -> None:
    file, sha, _ = saved
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    refused(file, "its checksum differs", made(1, hidden=(16, 8)), sha)


def test_another_architecture_is_refused_with_the_first_difference(saved: tuple[Path, str, Autoencoder]) -> None:
    file, sha, _ = saved
    refused(
        file, r"'model.decoder.0.bias' is \(8,\) in the file and \(6,\) in the network", made(1, hidden=(16, 6)), sha
    )
    refused(file, "another architecture", made(1, hidden=(16,)), sha)
    refused(file, "another architecture", made(1, hidden=(16, 8), posterior="gaussian"), sha)
    refused(file, "'ae.decoder.0.bias' is missing in the file", made(1, hidden=(16, 8)), sha, name="ae")
    refused(file, r"\(8,\) in the file and missing in the network", made(1, hidden=(16, 8)), sha, name="vae")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "no weights at", made(0))


def test_saving_again_replaces_the_file_whole(saved: tuple[Path, str, Autoencoder]) -> None:
    file, sha, _ = saved
    other = made(5, hidden=(16, 8))
    assert save_networks(file, {"model": other}) != sha
    again = made(6, hidden=(16, 8))
    load_networks(file, {"model": again})
    assert torch.equal(again.encoder[1].weight, other.encoder[1].weight)


def test_weights_are_redrawn_with_the_given_deviation() -> None:
    torch.manual_seed(0)
    network = mlp([200, 300, 1])
    restart(network, 0.01)
    first = network[0]
    assert isinstance(first, nn.Linear)
    assert float(first.weight.std()) == pytest.approx(0.01, rel=0.02)  # 60,000 draws
    assert float(first.weight.mean()) == pytest.approx(0, abs=2e-4)
    assert float(first.bias.abs().max()) == 0
