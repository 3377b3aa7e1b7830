"""
Discriminators: networks that return one logit a row, and say which side is the positive one.

With balanced classes the optimal logit is log p_positive(z) - log p_negative(z).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ridgewalk.models.autoencoders import conv_encoder, mlp_encoder
from ridgewalk.models.blocks import Rows, mlp

POSITIVES: tuple[str, ...] = ("prior", "encoded", "real", "decoded", "data", "model")
ON_DATA: tuple[str, ...] = ("encoded", "real", "data")
"""The positive classes that are on the data; of the others the logit falls towards the data."""


class Discriminator(nn.Module):
    """
    A body with one output, read as a logit for the class ``positive``.

    Args:
        body: (n, *) -> (n, 1).
        positive: the class whose logit it is, one of ``POSITIVES``.
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
        """1 where the logit rises towards the data, -1 where it falls: ``data_sign`` times the logit is log p_data / p_other at the optimum."""
        return 1 if self.positive in ON_DATA else -1

    def behind(self, decode: nn.Module) -> "Discriminator":
        """This discriminator of images, read as one of codes: D(G(z))."""
        return Discriminator(nn.Sequential(decode, self.body), self.positive)

    def features(self, z: Tensor) -> Tensor:
        """What the last layer reads: (n, *) -> (n, f); of a body that is an ``nn.Sequential``."""
        if not isinstance(self.body, nn.Sequential) or len(self.body) < 2:
            raise ValueError(
                f"features are those before the last layer of an nn.Sequential; this body is a {type(self.body).__name__}"
            )
        return self.body[:-1](z).flatten(1)


class Summed(nn.Module):
    """
    The logit of a code (n, d + K) whose two parts have a discriminator each: their sum, as the ratio of densities of independent parts.

    Args:
        style: logits of (n, d).
        label: logits of (n, K).
        dims: d.
    """

    def __init__(self, style: nn.Module, label: nn.Module, dims: int) -> None:
        super().__init__()
        self.style = style
        self.label = label
        self.dims = dims

    def forward(self, z: Tensor) -> Tensor:
        """(n, d + K) -> (n, 1)."""
        return (self.style(z[:, : self.dims]) + self.label(z[:, self.dims :]))[:, None]


class Unlabelled(nn.Module):
    """
    The logit of a code by a discriminator of (code, class), read under the class "not labelled".

    Args:
        conditioned: logits of (n, d + K + 1), the last column for "not labelled".
        classes: K.
    """

    def __init__(self, conditioned: nn.Module, classes: int) -> None:
        super().__init__()
        self.conditioned = conditioned
        self.classes = classes

    def forward(self, z: Tensor) -> Tensor:
        """(n, d) -> (n, 1)."""
        c = z.new_zeros(len(z), self.classes + 1)
        c[:, -1] = 1
        return self.conditioned(torch.cat([z, c], dim=1))[:, None]


class Part(nn.Module):
    """The logit of a code by a discriminator of its first ``dims`` values: (n, *) -> (n, 1)."""

    def __init__(self, of: nn.Module, dims: int) -> None:
        super().__init__()
        self.of = of
        self.dims = dims

    def forward(self, z: Tensor) -> Tensor:
        """(n, d + K) -> (n, 1)."""
        return self.of(z[:, : self.dims])[:, None]


def latent_discriminator(
    latent: int, positive: str, hidden: Sequence[int] = (512, 512), act: str = "relu", spectral: bool = False
) -> Discriminator:
    """A multilayer perceptron on codes; ``hidden`` empty makes a single affine layer."""
    return Discriminator(nn.Sequential(Rows(), *mlp([latent, *hidden, 1], act, spectral)), positive)


def image_discriminator(
    shape: tuple[int, int, int],
    positive: str,
    hidden: Sequence[int] = (256, 256),
    act: str = "leaky_relu",
    network: str = "mlp",
    spectral: bool = False,
) -> Discriminator:
    """
    A discriminator of images (n, c, h, w).

    Args:
        shape: (c, h, w).
        positive: the class whose logit it returns.
        hidden: widths of ``mlp``, or channels of the stride-2 stages of ``conv``.
        act: name of the activation.
        network: ``mlp`` or ``conv``.
        spectral: whether each layer's spectral norm is held at 1, in place of the convolutions' group norm.
    """
    if network not in ("mlp", "conv"):
        raise ValueError(f"network must be 'mlp' or 'conv'; got '{network}'")
    make = mlp_encoder if network == "mlp" else conv_encoder
    return Discriminator(make(shape, hidden, 1, act, spectral), positive)


class MeanLogit(nn.Module):
    """The mean of several discriminators' logits: (n, *) -> (n, 1)."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, z: Tensor) -> Tensor:
        """Mean logit."""
        return torch.stack([member(z) for member in self.members]).mean(dim=0)[:, None]
