"""
Autoencoders: an encoder, a decoder, and what the code of an image is.

Deterministic: z = E(x). Gaussian: q(z | x) = N(mu(x), diag exp(l(x))), whose code is mu(x). Both decode into [0, 1].
The pair may be any two modules; those here are multilayer perceptrons and convolutional networks.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ridgewalk.models.blocks import Rows, activation, mlp

Shape = tuple[int, int, int]


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


def mlp_encoder(
    shape: Shape, hidden: Sequence[int], outputs: int, act: str = "relu", spectral: bool = False
) -> nn.Module:
    """Images of ``shape`` (c, h, w) -> (n, outputs) through hidden layers of the given widths."""
    return nn.Sequential(Rows(), *mlp([prod(shape), *hidden, outputs], act, spectral))


def mlp_decoder(shape: Shape, hidden: Sequence[int], latent: int, act: str = "relu") -> nn.Module:
    """(n, latent) -> images of ``shape`` in [0, 1], hidden widths in the order in which they are passed."""
    return nn.Sequential(*mlp([latent, *hidden, prod(shape)], act), nn.Sigmoid(), nn.Unflatten(1, shape))


def _halved(size: int, times: int) -> list[int]:
    sizes = [size]
    for _ in range(times):
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


def conv_encoder(
    shape: Shape, channels: Sequence[int], outputs: int, act: str = "relu", spectral: bool = False
) -> nn.Module:
    """
    Images of ``shape`` -> (n, outputs): a 3 x 3 convolution of stride 2 for each entry of ``channels``, then one affine layer.

    Each stage halves height and width, rounding up, so that sides need not be powers of two. With ``spectral`` the layers' spectral
    norms are held at 1, and there is no group norm, which would undo that bound.
    """
    c, h, w = shape
    layers: list[nn.Module] = []
    for before, after in zip([c, *channels[:-1]], channels):
        conv = nn.Conv2d(before, after, 3, stride=2, padding=1)
        layers += [spectral_norm(conv)] if spectral else [conv, nn.GroupNorm(_groups(after), after)]
        layers += [activation(act)]
    flat = channels[-1] * _halved(h, len(channels))[-1] * _halved(w, len(channels))[-1]
    last = nn.Linear(flat, outputs)
    return nn.Sequential(*layers, Rows(), spectral_norm(last) if spectral else last)


def conv_decoder(shape: Shape, channels: Sequence[int], latent: int, act: str = "relu") -> nn.Module:
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
    return nn.Sequential(*layers, nn.Conv2d(channels[0], c, 3, padding=1), nn.Sigmoid())


def _groups(channels: int) -> int:
    return next(g for g in (8, 4, 2, 1) if channels % g == 0)


def build(
    shape: Shape,
    latent: int,
    posterior: str = "deterministic",
    network: str = "mlp",
    hidden: Sequence[int] = (512, 512),
    act: str = "relu",
) -> Autoencoder:
    """
    An autoencoder by name.

    Args:
        shape: (c, h, w) of the images.
        latent: dimensions of the code.
        posterior: ``deterministic`` or ``gaussian``.
        network: ``mlp`` (``hidden``: widths from the image inwards) or ``conv`` (``hidden``: channels from the image inwards).
        hidden: widths or channels, mirrored in the decoder.
        act: name of the activation.
    """
    if posterior not in ("deterministic", "gaussian"):
        raise ValueError(f"posterior must be 'deterministic' or 'gaussian'; got '{posterior}'")
    if network not in ("mlp", "conv"):
        raise ValueError(f"network must be 'mlp' or 'conv'; got '{network}'")
    if latent < 1 or not hidden:
        raise ValueError(
            f"an autoencoder needs latent >= 1 and at least one hidden layer; got {latent}, {list(hidden)}"
        )
    outputs = 2 * latent if posterior == "gaussian" else latent
    if network == "mlp":
        encoder = mlp_encoder(shape, hidden, outputs, act)
        decoder = mlp_decoder(shape, list(hidden)[::-1], latent, act)
    else:
        encoder = conv_encoder(shape, hidden, outputs, act)
        decoder = conv_decoder(shape, hidden, latent, act)
    return (GaussianAutoencoder if posterior == "gaussian" else Autoencoder)(encoder, decoder)


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Mu + exp(l / 2) eps, a draw of N(mu, diag exp(l)) (Kingma and Welling 2014): all of one shape."""
    return mean + torch.exp(log_variance / 2) * noise
