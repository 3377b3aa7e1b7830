"""
Autoencoders whose code has a part for a class: style s in R^d, and y, a point of the simplex of K classes (a corner of it is a class).

    conditional   s = E(x); G(s, y) is given the class, so that s need not contain it           code (s, y)
    categorical   f = E(x); s = S(f), y = softmax(L(f)); G(s, y)                                code (s, y)
    reduced       as categorical, but G reads the sum r = W y + s, W of K columns in R^d        code r

after Makhzani et al. (2015), sections 4 to 7. Codes of the first two are (n, d + K), style first, and may be walked along either part.
A conditional autoencoder is trained with the classes of its images. The class of an image that has none is taken to be the one with
which the image is reconstructed best.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.models.autoencoders import Architecture, Autoencoder, Shape, mlp_encoder
from ridgewalk.models.blocks import activation


class CategoricalAutoencoder(Autoencoder):
    """
    Style and class of an image by two heads on one trunk.

    Args:
        encoder: the trunk, images (n, c, h, w) -> features (n, f).
        style: (n, f) -> (n, d).
        label: (n, f) -> (n, K) logits.
        decoder: codes (n, d + K) -> images.
        dims: d.
        classes: K.
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
        """Styles (n, d) and logits of classes (n, K)."""
        features = self.encoder(x)
        return self.style(features), self.label(features)

    def logits(self, x: Tensor) -> Tensor:
        """Logits of classes (n, K), without the styles."""
        return self.label(self.encoder(x))

    def classify(self, x: Tensor) -> Tensor:
        """Probabilities of classes: (n, K)."""
        return self.logits(x).softmax(dim=1)

    def join(self, style: Tensor, y: Tensor) -> Tensor:
        """The code of a style (n, d) and a class (n, K): (n, d + K)."""
        return torch.cat([style, y], dim=1)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Styles (n, d) and classes (n, K), soft: what ``join`` puts together."""
        style, logits = self.heads(x)
        return style, logits.softmax(dim=1)

    def encode(self, x: Tensor) -> Tensor:
        """Codes with soft classes."""
        return self.join(*self.split(x))


class ReducedAutoencoder(CategoricalAutoencoder):
    """
    A categorical autoencoder whose decoder reads r = W y + s, so that all is in d dimensions (Makhzani et al. 2015, section 7).

    Args:
        encoder: the trunk.
        style: (n, f) -> (n, d).
        label: (n, f) -> (n, K) logits.
        decoder: codes (n, d) -> images.
        dims: d.
        classes: K.
    """

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
        encoder: images (n, c, h, w) -> styles (n, d).
        decoder: codes (n, d + K) -> images.
        dims: d.
        classes: K.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, dims: int, classes: int) -> None:
        super().__init__(encoder, decoder)
        self.dims = dims
        self.classes = classes

    def join(self, style: Tensor, y: Tensor) -> Tensor:
        """The code of a style (n, d) and a class (n, K): (n, d + K)."""
        return torch.cat([style, y], dim=1)

    def classify(self, x: Tensor) -> Tensor:
        """The class y with the least |G(E(x), y) - x|^2, one-hot: (n, K)."""
        return self.split(x)[1]

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Styles (n, d), and the classes (n, K) that reconstruct best: what ``join`` puts together."""
        style = self.encoder(x)
        return style, self._told(x, style)

    def encode(self, x: Tensor) -> Tensor:
        """Style, and the class that reconstructs best."""
        return self.join(*self.split(x))

    def _told(self, x: Tensor, style: Tensor) -> Tensor:
        with torch.no_grad():
            errors = []
            for k in range(self.classes):
                y = F.one_hot(torch.full((len(x),), k, device=x.device), self.classes).to(x)
                errors.append((self.decode(self.join(style, y)) - x).flatten(1).square().sum(dim=1))
            return F.one_hot(torch.stack(errors, dim=1).argmin(dim=1), self.classes).to(x)


KINDS: dict[str, type[CategoricalAutoencoder]] = {
    "categorical": CategoricalAutoencoder,
    "reduced": ReducedAutoencoder,
}


FEATURES = 256
"""Number of values between a convolutional trunk and the heads."""


def categorical(
    shape: Shape, dims: int, classes: int, architecture: Architecture, kind: str = "categorical"
) -> CategoricalAutoencoder:
    """
    Builds a categorical or a reduced autoencoder.

    Args:
        shape: (c, h, w) of the images.
        dims: number of dimensions of the style.
        classes: K, at least 2.
        architecture: its layers. The trunk of an ``mlp`` ends in its last hidden layer, that of a ``conv`` in an affine layer of ``FEATURES``
            values. Batch normalisation follows the heads as well.
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


def conditional(shape: Shape, dims: int, classes: int, architecture: Architecture) -> ConditionalAutoencoder:
    """
    Builds a conditional autoencoder.

    Args:
        shape: (c, h, w) of the images.
        dims: number of dimensions of the style.
        classes: K, at least 2.
        architecture: its layers.
    """
    refuse_few(classes)
    encoder = architecture.build_encoder(shape, dims)
    return ConditionalAutoencoder(encoder, architecture.build_decoder(shape, dims + classes), dims, classes)


def refuse_few(classes: int) -> None:
    """Refuses fewer than two classes or clusters."""
    if classes < 2:
        raise ValueError(f"a code with a class needs at least 2 classes or clusters; got {classes}")


def _head(features: int, outputs: int, batch_norm: bool) -> nn.Module:
    affine = nn.Linear(features, outputs)
    return nn.Sequential(affine, nn.BatchNorm1d(outputs)) if batch_norm else affine
