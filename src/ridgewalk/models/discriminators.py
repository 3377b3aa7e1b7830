"""
Discriminators are networks that return one logit per row and name the class that a positive logit stands for.

With balanced classes the optimal logit is log p_positive(z) - log p_negative(z).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ridgewalk.models.autoencoders import conv_encoder, mlp_encoder
from ridgewalk.models.blocks import mlp

POSITIVES: tuple[str, ...] = ("prior", "encoded", "real", "decoded", "data", "model")
ON_DATA: tuple[str, ...] = ("encoded", "real", "data")
"""The positive classes that stand for data; with any other positive class the logit falls towards the data."""


class Discriminator(nn.Module):
    """
    A network with one output, the logit of the class ``positive``.

    Args:
        body: maps rows (n, *) to (n, 1).
        positive: class that a positive logit stands for, one of ``POSITIVES``.
    """

    def __init__(self, body: nn.Module, positive: str) -> None:
        super().__init__()
        if positive not in POSITIVES:
            raise ValueError(
                f"a discriminator's positive class must be one of {', '.join(POSITIVES)}; got '{positive}'"
            )
        self.body = body
        self.positive = positive

    def forward(self, z: Tensor) -> Tensor:
        """Logits: (n, *) -> (n,)."""
        return self.body(z).squeeze(1)

    @property
    def data_sign(self) -> int:
        """1 where the logit rises towards the data, and -1 where it falls; at the optimum, sign times logit is log p_data - log p_other."""
        return 1 if self.positive in ON_DATA else -1

    def behind(self, decode: nn.Module) -> "Discriminator":
        """The discriminator z -> D(G(z)) of codes, for this discriminator D of images and the decoder G."""
        return Discriminator(nn.Sequential(decode, self.body), self.positive)

    def features(self, z: Tensor) -> Tensor:
        """The input of the last layer: (n, *) -> (n, f). The body must be an ``nn.Sequential``."""
        if not isinstance(self.body, nn.Sequential) or len(self.body) < 2:
            raise ValueError(
                f"features are those before the last layer of an nn.Sequential; this body is a {type(self.body).__name__}"
            )
        return self.body[:-1](z).flatten(1)


class SummedLogit(nn.Module):
    """
    The sum of the logits of style and class, which is the log ratio of densities of independent parts: codes (n, d + K) -> (n, 1).

    Args:
        style: discriminator of the style (n, d).
        label: discriminator of the class (n, K).
        dims: d, the number of dimensions of the style.
    """

    def __init__(self, style: nn.Module, label: nn.Module, dims: int) -> None:
        super().__init__()
        self.style = style
        self.label = label
        self.dims = dims

    def forward(self, z: Tensor) -> Tensor:
        """(n, d + K) -> (n, 1)."""
        return (self.style(z[:, : self.dims]) + self.label(z[:, self.dims :]))[:, None]


class UnlabelledLogit(nn.Module):
    """
    The logit that a discriminator of codes with classes gives a code without a class.

    Args:
        conditional: discriminator of (n, d + K + 1), whose last column is 1 for rows without a label.
        classes: K, the number of classes.
    """

    def __init__(self, conditional: nn.Module, classes: int) -> None:
        super().__init__()
        self.conditional = conditional
        self.classes = classes

    def forward(self, z: Tensor) -> Tensor:
        """(n, d) -> (n, 1)."""
        c = z.new_zeros(len(z), self.classes + 1)
        c[:, -1] = 1
        return self.conditional(torch.cat([z, c], dim=1))[:, None]


class StyleLogit(nn.Module):
    """The logit that a discriminator of styles, the first ``dims`` values of a code, gives the code."""

    def __init__(self, style: nn.Module, dims: int) -> None:
        super().__init__()
        self.style = style
        self.dims = dims

    def forward(self, z: Tensor) -> Tensor:
        """(n, d + K) -> (n, 1)."""
        return self.style(z[:, : self.dims])[:, None]


def latent_discriminator(
    latent: int, positive: str, hidden: Sequence[int] = (512, 512), act: str = "relu", spectral: bool = False
) -> Discriminator:
    """A multilayer perceptron that reads codes; with ``hidden`` empty it is a single affine layer."""
    return Discriminator(nn.Sequential(nn.Flatten(), *mlp([latent, *hidden, 1], act, spectral)), positive)


def image_discriminator(
    shape: tuple[int, int, int],
    positive: str,
    hidden: Sequence[int] = (256, 256),
    act: str = "leaky_relu",
    network: str = "mlp",
    spectral: bool = False,
) -> Discriminator:
    """
    A discriminator of images.

    Args:
        shape: shape (c, h, w) of the images.
        positive: class that a positive logit stands for.
        hidden: widths of an ``mlp``, or channels of a ``conv``.
        act: name of the activation.
        network: ``mlp`` or ``conv``.
        spectral: whether the spectral norm of every layer is held at 1; a ``conv`` then has no group norm.
    """
    if network not in ("mlp", "conv"):
        raise ValueError(f"network must be 'mlp' or 'conv'; got '{network}'")
    make = mlp_encoder if network == "mlp" else conv_encoder
    return Discriminator(make(shape, hidden, 1, act, spectral), positive)


class MeanLogit(nn.Module):
    """The mean of the logits of several discriminators."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, z: Tensor) -> Tensor:
        """(n, *) -> (n, 1)."""
        return torch.stack([member(z) for member in self.members]).mean(dim=0)[:, None]
