"""
Autoencoders whose code contains a class: a style s in R^d and y, a point of the simplex of K classes.

    conditional   s = E(x), and the decoder G(s, y) is conditioned on the class           code (s, y)
    categorical   f = E(x); s = S(f), y = softmax(L(f)); decoder G(s, y)                  code (s, y)
    reduced       as categorical, with decoder G(r), r = W y + s, W (d, K)                code r

Codes (s, y) are (n, d + K), style first. A conditional autoencoder is trained on labelled images; an image without a label is given the class with
which its reconstruction error is least.

Source: Makhzani et al. (2015), Adversarial autoencoders, sections 4 to 7.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.models.autoencoders import Architecture, Autoencoder, Shape, mlp_encoder
from ridgewalk.models.blocks import activation


class CategoricalAutoencoder(Autoencoder):
    """
    Predicts style and class of an image by two heads on one trunk.

    Args:
        encoder: the trunk, which maps images (n, c, h, w) to features (n, f).
        style: maps features (n, f) to styles (n, d).
        label: maps features (n, f) to logits (n, K).
        decoder: maps codes (n, d + K) to images.
        dims: d, the number of dimensions of the style.
        classes: K, the number of classes.
    """

    def __init__(
        self, encoder: nn.Module, style: nn.Module, label: nn.Module, decoder: nn.Module, dims: int, classes: int
    ) -> None:
        super().__init__(encoder, decoder)
        self.style = style
        self.label = label
        self.dims = dims
        self.classes = classes

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Styles (n, d) and logits (n, K) of images."""
        features = self.encoder(x)
        return self.style(features), self.label(features)

    def logits(self, x: Tensor) -> Tensor:
        """Logits (n, K) of images, without the styles."""
        return self.label(self.encoder(x))

    def classify(self, x: Tensor) -> Tensor:
        """Class probabilities (n, K) of images."""
        return self.logits(x).softmax(dim=1)

    def join(self, style: Tensor, y: Tensor) -> Tensor:
        """Code (n, d + K) of a style (n, d) and a class (n, K)."""
        return torch.cat([style, y], dim=1)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Styles (n, d) and class probabilities (n, K) of images, the arguments of ``join``."""
        style, logits = self.heads(x)
        return style, logits.softmax(dim=1)

    def encode(self, x: Tensor) -> Tensor:
        """Codes of images."""
        return self.join(*self.split(x))


class ReducedAutoencoder(CategoricalAutoencoder):
    """A categorical autoencoder whose decoder reads r = W y + s (n, d); its arguments are those of ``CategoricalAutoencoder``."""

    def __init__(
        self, encoder: nn.Module, style: nn.Module, label: nn.Module, decoder: nn.Module, dims: int, classes: int
    ) -> None:
        super().__init__(encoder, style, label, decoder, dims, classes)
        self.clusters = nn.Linear(classes, dims, bias=False)

    def join(self, style: Tensor, y: Tensor) -> Tensor:
        """W y + s: (n, d)."""
        return self.clusters(y) + style


class ConditionalAutoencoder(Autoencoder):
    """
    An autoencoder whose decoder is conditioned on the class.

    Args:
        encoder: maps images (n, c, h, w) to styles (n, d).
        decoder: maps codes (n, d + K) to images.
        dims: d, the number of dimensions of the style.
        classes: K, the number of classes.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, dims: int, classes: int) -> None:
        super().__init__(encoder, decoder)
        self.dims = dims
        self.classes = classes

    def join(self, style: Tensor, y: Tensor) -> Tensor:
        """Code (n, d + K) of a style (n, d) and a class (n, K)."""
        return torch.cat([style, y], dim=1)

    def classify(self, x: Tensor) -> Tensor:
        """One-hot class y (n, K) with the least |G(E(x), y) - x|^2."""
        return self.split(x)[1]

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Styles (n, d) and one-hot classes (n, K) of least reconstruction error, the arguments of ``join``."""
        style = self.encoder(x)
        return style, self._nearest_class(x, style)

    def encode(self, x: Tensor) -> Tensor:
        """Codes of images."""
        return self.join(*self.split(x))

    def _nearest_class(self, x: Tensor, style: Tensor) -> Tensor:
        with torch.no_grad():
            errors = []
            for k in range(self.classes):
                y = F.one_hot(torch.full((len(x),), k, device=x.device), self.classes).to(x)
                errors.append((self.decode(self.join(style, y)) - x).flatten(1).square().sum(dim=1))
            return F.one_hot(torch.stack(errors, dim=1).argmin(dim=1), self.classes).to(x)


KINDS: dict[str, type[CategoricalAutoencoder]] = {"categorical": CategoricalAutoencoder, "reduced": ReducedAutoencoder}

FEATURES = 256
"""Number of features between a convolutional trunk and the heads."""


def build_categorical(
    shape: Shape, dims: int, classes: int, architecture: Architecture, kind: str = "categorical"
) -> CategoricalAutoencoder:
    """
    Builds a categorical or a reduced autoencoder.

    Args:
        shape: shape (c, h, w) of the images.
        dims: number of dimensions of the style.
        classes: K, at least 2.
        architecture: layers of both networks. The trunk of an ``mlp`` ends with its last hidden layer, that of a ``conv`` with an affine layer of
            ``FEATURES`` outputs. Batch normalisation, if any, follows the heads as well.
        kind: one of ``KINDS``.
    """
    refuse_few(classes)
    hidden, act, batch_norm = architecture.hidden, architecture.act, architecture.batch_norm
    if architecture.network == "mlp" and hidden:
        features = hidden[-1]
        body = mlp_encoder(shape, hidden[:-1], features, act, batch_norm=batch_norm)
    else:
        features = FEATURES
        body = architecture.build_encoder(shape, features)
    trunk = nn.Sequential(body, activation(act))
    style, label = _head(features, dims, batch_norm), _head(features, classes, batch_norm)
    decoder = architecture.build_decoder(shape, dims if kind == "reduced" else dims + classes)
    return KINDS[kind](trunk, style, label, decoder, dims, classes)


def build_conditional(shape: Shape, dims: int, classes: int, architecture: Architecture) -> ConditionalAutoencoder:
    """Builds a conditional autoencoder; its arguments are those of ``build_categorical``."""
    refuse_few(classes)
    encoder = architecture.build_encoder(shape, dims)
    return ConditionalAutoencoder(encoder, architecture.build_decoder(shape, dims + classes), dims, classes)


def refuse_few(classes: int) -> None:
    """Raises ValueError for fewer than two classes or clusters."""
    if classes < 2:
        raise ValueError(f"a code with a class needs at least 2 classes or clusters; got {classes}")


def _head(features: int, outputs: int, batch_norm: bool) -> nn.Module:
    affine = nn.Linear(features, outputs)
    return nn.Sequential(affine, nn.BatchNorm1d(outputs)) if batch_norm else affine
