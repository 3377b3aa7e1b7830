"""
Autoencoders: an encoder, a decoder, and what the code of an image is.

    deterministic   z = E(x)
    Gaussian        q(z | x) = N(mu(x), diag exp(l(x))), whose code is mu(x)
    universal       z = E(x, eta), eta ~ N(0, I): q(z | x) of any shape (Makhzani et al. 2015, section 2.1), whose code is E(x, 0)

All decode into [0, 1]. The pair may be any two modules; those here are multilayer perceptrons and convolutional networks.
Autoencoders whose code has a part for a class are in ``models.categories``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ridgewalk import naming
from ridgewalk.models.blocks import Rows, activation, mlp

Shape = tuple[int, int, int]
Normal = Callable[..., Tensor]
"""Sizes -> standard normal draws of that shape, such as ``Noise.normal``."""

POSTERIORS = ("deterministic", "gaussian", "universal")


class Autoencoder(nn.Module):
    """
    Deterministic autoencoder over any pair of modules.

    Args:
        encoder: (n, c, h, w) -> (n, *) codes.
        decoder: codes -> (n, c, h, w) in [0, 1].
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, x: Tensor) -> Tensor:
        """Codes of images."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Images of codes."""
        return self.decoder(z)

    def draw(self, x: Tensor, normal: Normal) -> Tensor:
        """A draw of q(z | x) for each image, differentiable in the encoder; ``normal`` returns standard normal draws of a shape."""
        return self.encode(x)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What it is made of, by the names of its attributes: what is trained, and what a file of it holds."""
        return dict(self.named_children())

    def put(self, networks: Mapping[str, nn.Module]) -> None:
        """Takes these for its own networks, those of them that are called so."""
        for name in self.networks:
            setattr(self, name, networks[name])

    def forward(self, x: Tensor) -> Tensor:
        """Reconstructions."""
        return self.decode(self.encode(x))


class GaussianAutoencoder(Autoencoder):
    """Autoencoder whose encoder returns mean and log-variance side by side: (n, 2 d, *); its code is the mean."""

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), (n, d, *) each; the log-variance held in [-12, 12]."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 12.0)

    def encode(self, x: Tensor) -> Tensor:
        """Means of q(z | x)."""
        return self.posterior(x)[0]

    def draw(self, x: Tensor, normal: Normal) -> Tensor:
        """Reparameterised."""
        mean, log_variance = self.posterior(x)
        return reparameterise(mean, log_variance, normal(*mean.shape))


class NoiseFed(nn.Module):
    """
    A network of images that reads noise beside them, as further pixels or as further channels.

    Args:
        body: (n, c h w + e) values, or (n, c + e, h, w) with the noise constant over the image -> (n, *).
        noise: e, values of noise an image.
        channels: which of the two it reads.
    """

    def __init__(self, body: nn.Module, noise: int, channels: bool) -> None:
        super().__init__()
        self.body = body
        self.noise = noise
        self.channels = channels

    def forward(self, x: Tensor, eta: Tensor | None = None) -> Tensor:
        """Maps images (n, c, h, w) and noise (n, e), 0 where none is given, to (n, *)."""
        eta = x.new_zeros(len(x), self.noise) if eta is None else eta
        if self.channels:
            return self.body(torch.cat([x, eta[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1))
        return self.body(torch.cat([x.flatten(1), eta], dim=1))


class UniversalAutoencoder(Autoencoder):
    """Autoencoder whose encoder is a ``NoiseFed`` network: q(z | x) is what it makes of noise; its code is the one without noise."""

    encoder: NoiseFed

    def draw(self, x: Tensor, normal: Normal) -> Tensor:
        """E(x, eta) with fresh noise."""
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
    """Images of ``shape`` (c, h, w), with ``extra`` values beside them, -> (n, outputs) through hidden layers of the given widths."""
    return nn.Sequential(Rows(), *mlp([prod(shape) + extra, *hidden, outputs], act, spectral, batch_norm))


class Clipped(nn.Module):
    """The identity in training, and in use what of it lies in [0, 1]: a linear output whose images are images."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, *) to (n, *)."""
        return x if self.training else x.clamp(0, 1)


OUTPUTS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "linear": Clipped}
"""What a decoder ends in, by name."""


def mlp_decoder(
    shape: Shape, hidden: Sequence[int], latent: int, act: str = "relu", output: str = "sigmoid"
) -> nn.Module:
    """(n, latent) -> images of ``shape`` in [0, 1], hidden widths in the order in which they are passed; ``output`` one of ``OUTPUTS``."""
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
    Images of ``shape`` -> (n, outputs): a 3 x 3 convolution of stride 2 for each entry of ``channels``, then one affine layer.

    Each stage halves height and width, rounding up, so that sides need not be powers of two. With ``spectral`` the layers' spectral
    norms are held at 1, and there is no group norm, which would undo that bound; with ``batch_norm`` batch normalisation takes the
    group norm's place and follows the last layer as well. ``extra`` channels of constants may stand beside the image's own.
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
    return nn.Sequential(*layers, Rows(), spectral_norm(last) if spectral else last, *end)


def conv_decoder(
    shape: Shape, channels: Sequence[int], latent: int, act: str = "relu", output: str = "sigmoid"
) -> nn.Module:
    """
    (n, latent) -> images of ``shape`` in [0, 1]: the mirror of ``conv_encoder``, upsampling by the nearest pixel before each 3 x 3 convolution.

    ``channels`` is read as the encoder's: its last entry is the narrowest stage, nearest to the code.
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
        hidden: widths of an ``mlp`` or channels of a ``conv``, from the image inwards.
    """

    network: str
    hidden: Sequence[int]

    def refuse_wrong(self, latent: int) -> None:
        """Raises ValueError for an unknown network, no hidden layer, or less than one dimension of the code."""
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
        network: of the encoder, ``mlp`` or ``conv``.
        hidden: widths or channels of the encoder, from the image inwards.
        act: name of the activation.
        batch_norm: whether every layer of the encoder is followed by batch normalisation.
        output: the last layer of the decoder, one of ``OUTPUTS``.
        decoder: the decoder's layers; None mirrors those of the encoder.
    """

    network: str = "mlp"
    hidden: Sequence[int] = (512, 512)
    act: str = "relu"
    batch_norm: bool = False
    output: str = "sigmoid"
    decoder: Layers | None = None

    def build_encoder(self, shape: Shape, outputs: int, extra: int = 0) -> nn.Module:
        """An encoder of images of ``shape`` (c, h, w), with ``extra`` values beside them: -> (n, outputs)."""
        Layers(self.network, self.hidden).refuse_wrong(outputs)
        make = mlp_encoder if self.network == "mlp" else conv_encoder
        return make(shape, self.hidden, outputs, self.act, batch_norm=self.batch_norm, extra=extra)

    def build_decoder(self, shape: Shape, latent: int) -> nn.Module:
        """A decoder of codes: (n, latent) -> images (n, c, h, w)."""
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
        shape: (c, h, w) of the images.
        latent: number of dimensions of the code.
        posterior: one of ``POSTERIORS``.
        architecture: its layers.
        noise: number of noise values that the encoder of a ``universal`` posterior takes beside the image.
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
    """Mu + exp(l / 2) eps, a draw of N(mu, diag exp(l)) (Kingma and Welling 2014): all of one shape."""
    return mean + torch.exp(log_variance / 2) * noise
