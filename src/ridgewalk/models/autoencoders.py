"""
Autoencoders, each an encoder E and a decoder, which differ in how they define the code of an image x.

    deterministic   z = E(x)
    Gaussian        q(z | x) = N(mu(x), diag exp(l(x))); the code is mu(x)
    universal       z = E(x, eta), eta ~ N(0, I), so that q(z | x) may have any shape (Makhzani et al. 2015, section 2.1); the code is E(x, 0)

Encoder and decoder may be any two modules; this module builds multilayer perceptrons and convolutional networks, whose images lie in [0, 1].
``models.categories`` has the autoencoders whose code contains a class.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ridgewalk import naming
from ridgewalk.models.blocks import activation, mlp

Shape = tuple[int, int, int]
Normal = Callable[..., Tensor]
"""Maps sizes to standard normal draws of that shape, as ``Noise.normal`` does."""

POSTERIORS = ("deterministic", "gaussian", "universal")


class Autoencoder(nn.Module):
    """
    A deterministic autoencoder.

    Args:
        encoder: maps images (n, c, h, w) to codes (n, *).
        decoder: maps codes (n, *) to images (n, c, h, w) in [0, 1].
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, x: Tensor) -> Tensor:
        """Codes (n, *) of images (n, c, h, w)."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Images (n, c, h, w) of codes (n, *)."""
        return self.decoder(z)

    def draw(self, x: Tensor, normal: Normal) -> Tensor:
        """Draws one code from q(z | x) for each image; differentiable in the encoder."""
        return self.encode(x)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The submodules by attribute name: these are trained, and saved to one file."""
        return dict(self.named_children())

    def put(self, networks: Mapping[str, nn.Module]) -> None:
        """Replaces each submodule by the one of the same name in ``networks``."""
        for name in self.networks:
            setattr(self, name, networks[name])

    def forward(self, x: Tensor) -> Tensor:
        """Reconstructions of images: (n, c, h, w) -> (n, c, h, w)."""
        return self.decode(self.encode(x))


class GaussianAutoencoder(Autoencoder):
    """An autoencoder whose encoder returns mean and log-variance concatenated, (n, 2 d, *); its code is the mean."""

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), (n, d, *) each; the log-variance is clamped to [-12, 12]."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 12.0)

    def encode(self, x: Tensor) -> Tensor:
        """The means of q(z | x): (n, d, *)."""
        return self.posterior(x)[0]

    def draw(self, x: Tensor, normal: Normal) -> Tensor:
        """Draws one code from q(z | x) for each image by reparameterisation."""
        mean, log_variance = self.posterior(x)
        return reparameterise(mean, log_variance, normal(*mean.shape))


class NoiseFed(nn.Module):
    """
    A network that reads noise together with each image.

    Args:
        body: maps (n, c h w + e) values, or (n, c + e, h, w) with noise channels that are constant over the image, to (n, *).
        noise: e, the number of noise values for each image.
        channels: whether the noise is read as further channels rather than as further values of the flattened image.
    """

    def __init__(self, body: nn.Module, noise: int, channels: bool) -> None:
        super().__init__()
        self.body = body
        self.noise = noise
        self.channels = channels

    def forward(self, x: Tensor, eta: Tensor | None = None) -> Tensor:
        """Maps images (n, c, h, w) and noise (n, e), zero by default, to (n, *)."""
        eta = x.new_zeros(len(x), self.noise) if eta is None else eta
        if self.channels:
            return self.body(torch.cat([x, eta[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1))
        return self.body(torch.cat([x.flatten(1), eta], dim=1))


class UniversalAutoencoder(Autoencoder):
    """An autoencoder with a ``NoiseFed`` encoder: q(z | x) is the law of E(x, eta), and the code is E(x, 0)."""

    encoder: NoiseFed

    def draw(self, x: Tensor, normal: Normal) -> Tensor:
        """E(x, eta) with fresh noise eta: (n, d)."""
        return self.encoder(x, normal(len(x), self.encoder.noise))


def mlp_encoder(
    shape: Shape,
    hidden: Sequence[int],
    outputs: int,
    act: str = "relu",
    spectral: bool = False,
    batch_norm: bool = False,
    extra: int = 0,
) -> nn.Module:
    """A multilayer perceptron with layers of the widths ``hidden`` that maps images of ``shape`` and ``extra`` further values to (n, outputs)."""
    return nn.Sequential(nn.Flatten(), *mlp([prod(shape) + extra, *hidden, outputs], act, spectral, batch_norm))


class Clipped(nn.Module):
    """Clamps to [0, 1] in evaluation mode and is the identity in training mode: the output of a linear decoder."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, *) -> (n, *)."""
        return x if self.training else x.clamp(0, 1)


OUTPUTS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "linear": Clipped}
"""The last layer of a decoder, by name."""


def mlp_decoder(
    shape: Shape, hidden: Sequence[int], latent: int, act: str = "relu", output: str = "sigmoid"
) -> nn.Module:
    """A multilayer perceptron that maps codes (n, latent) to images of ``shape``; ``hidden`` lists widths from code to image."""
    return nn.Sequential(*mlp([latent, *hidden, prod(shape)], act), OUTPUTS[output](), nn.Unflatten(1, shape))


def _halved(size: int, times: int) -> list[int]:
    sizes = [size]
    for _ in range(times):
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


def conv_encoder(
    shape: Shape,
    channels: Sequence[int],
    outputs: int,
    act: str = "relu",
    spectral: bool = False,
    batch_norm: bool = False,
    extra: int = 0,
) -> nn.Module:
    """
    Maps images of ``shape`` to (n, outputs): 3 x 3 convolutions of stride 2, one for each entry of ``channels``, and an affine layer.

    Each convolution halves height and width, rounding up. With ``spectral`` the spectral norm of every layer is 1, and there is no group norm, which
    would change it. With ``batch_norm`` batch normalisation replaces group norm and also follows the last layer. ``extra`` counts further input channels.
    """
    c, h, w = shape
    layers: list[nn.Module] = []
    for before, after in zip([c + extra, *channels[:-1]], channels):
        conv = nn.Conv2d(before, after, 3, stride=2, padding=1)
        norm = nn.BatchNorm2d(after) if batch_norm else nn.GroupNorm(_groups(after), after)
        layers += [spectral_norm(conv)] if spectral else [conv, norm]
        layers += [activation(act)]
    flat = channels[-1] * _halved(h, len(channels))[-1] * _halved(w, len(channels))[-1]
    last = nn.Linear(flat, outputs)
    end = [nn.BatchNorm1d(outputs)] if batch_norm else []
    return nn.Sequential(*layers, nn.Flatten(), spectral_norm(last) if spectral else last, *end)


def conv_decoder(
    shape: Shape, channels: Sequence[int], latent: int, act: str = "relu", output: str = "sigmoid"
) -> nn.Module:
    """
    Mirror of ``conv_encoder``: maps codes (n, latent) to images of ``shape``, with nearest-neighbour upsampling before each 3 x 3 convolution.

    ``channels`` has the encoder's order: its last entry belongs to the stage next to the code.
    """
    c, h, w = shape
    heights, widths = _halved(h, len(channels)), _halved(w, len(channels))
    inner = (channels[-1], heights[-1], widths[-1])
    layers: list[nn.Module] = [nn.Linear(latent, prod(inner)), nn.Unflatten(1, inner), activation(act)]
    after = [*channels[:-1][::-1], channels[0]]
    for i, (fan_in, fan_out) in enumerate(zip(channels[::-1], after)):
        size = (heights[-2 - i], widths[-2 - i])
        layers += [nn.Upsample(size=size), nn.Conv2d(fan_in, fan_out, 3, padding=1)]
        layers += [nn.GroupNorm(_groups(fan_out), fan_out), activation(act)]
    return nn.Sequential(*layers, nn.Conv2d(channels[0], c, 3, padding=1), OUTPUTS[output]())


def _groups(channels: int) -> int:
    return next(g for g in (8, 4, 2, 1) if channels % g == 0)


@dataclass(frozen=True)
class Layers:
    """
    The hidden layers of a network.

    Attributes:
        network: ``mlp`` or ``conv``.
        hidden: widths of an ``mlp``, or channels of a ``conv``, in the order from image to code.
    """

    network: str
    hidden: Sequence[int]

    def refuse_wrong(self, latent: int) -> None:
        """Raises ValueError if the network is unknown, there is no hidden layer, or the code has no dimension."""
        if self.network not in ("mlp", "conv"):
            raise ValueError(f"network must be 'mlp' or 'conv'; got '{self.network}'")
        if latent < 1 or not self.hidden:
            raise ValueError(
                f"an autoencoder needs latent >= 1 and at least one hidden layer; got {latent}, {list(self.hidden)}"
            )


@dataclass(frozen=True)
class Architecture:
    """
    The layers of an autoencoder.

    Attributes:
        network: network of the encoder, ``mlp`` or ``conv``.
        hidden: widths or channels of the encoder, in the order from image to code.
        act: name of the activation.
        batch_norm: whether batch normalisation follows every layer of the encoder.
        output: last layer of the decoder, a key of ``OUTPUTS``.
        decoder: layers of the decoder; by default those of the encoder in reverse.
    """

    network: str = "mlp"
    hidden: Sequence[int] = (512, 512)
    act: str = "relu"
    batch_norm: bool = False
    output: str = "sigmoid"
    decoder: Layers | None = None

    def build_encoder(self, shape: Shape, outputs: int, extra: int = 0) -> nn.Module:
        """Builds a network that maps images of ``shape`` (c, h, w) and ``extra`` further values to (n, outputs)."""
        Layers(self.network, self.hidden).refuse_wrong(outputs)
        make = mlp_encoder if self.network == "mlp" else conv_encoder
        return make(shape, self.hidden, outputs, self.act, batch_norm=self.batch_norm, extra=extra)

    def build_decoder(self, shape: Shape, latent: int) -> nn.Module:
        """Builds a network that maps codes (n, latent) to images of ``shape``."""
        layers = self.decoder or Layers(self.network, self.hidden)
        layers.refuse_wrong(latent)
        if layers.network == "mlp":
            return mlp_decoder(shape, layers.hidden[::-1], latent, self.act, self.output)
        return conv_decoder(shape, layers.hidden, latent, self.act, self.output)


def build(
    shape: Shape,
    latent: int,
    posterior: str = "deterministic",
    architecture: Architecture = Architecture(),
    noise: int = 10,
) -> Autoencoder:
    """
    Builds an autoencoder.

    Args:
        shape: shape (c, h, w) of the images.
        latent: number of dimensions of the code.
        posterior: one of ``POSTERIORS``.
        architecture: layers of both networks.
        noise: number of noise values that the encoder of a ``universal`` posterior reads with each image.
    """
    if posterior not in POSTERIORS:
        raise ValueError(naming.unknown("posterior", posterior, POSTERIORS))
    outputs, extra = (2 * latent if posterior == "gaussian" else latent), (noise if posterior == "universal" else 0)
    encoder = architecture.build_encoder(shape, outputs, extra)
    decoder = architecture.build_decoder(shape, latent)
    if posterior == "universal":
        return UniversalAutoencoder(NoiseFed(encoder, noise, architecture.network == "conv"), decoder)
    return (GaussianAutoencoder if posterior == "gaussian" else Autoencoder)(encoder, decoder)


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Mean + exp(l / 2) eps, a draw from N(mean, diag exp(l)); all tensors share one shape (Kingma and Welling 2014)."""
    return mean + torch.exp(log_variance / 2) * noise
