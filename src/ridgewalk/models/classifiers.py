"""
Networks of the judges.

Classifiers that expose their features are in two families that share no layer type except the last. Networks that tell real things from composites, with
one logit, are in two families as well: ``pooling`` and ``residual``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Shape = tuple[int, int, int]


class Classifier(nn.Module):
    """
    An affine layer on the features of ``body``.

    Args:
        body: maps images (n, c, h, w) to features (n, f).
        features: f, the number of features.
        classes: number of classes.
    """

    def __init__(self, body: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(features, classes)

    def features(self, x: Tensor) -> Tensor:
        """Features of images: (n, c, h, w) -> (n, f)."""
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images: (n, c, h, w) -> (n, classes)."""
        return self.head(self.features(x))


def convolutional(shape: Shape, classes: int, channels: Sequence[int] = (32, 64), features: int = 128) -> Classifier:
    """
    3 x 3 convolutions with max pooling and a hidden layer of ``features`` units, after LeNet. Sides of one pixel, as in rows of a table, are not pooled.

    There is no batch norm, with which the features of slightly blurred images are far from those of sharp ones (MNIST: the k-NN precision of an
    autoencoder's reconstructions is 0.31 with batch norm and 0.81 without, that of real images 0.78).
    """
    c, h, w = shape
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip([c, *channels[:-1]], channels):
        layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.MaxPool2d((min(h, 2), min(w, 2))), nn.ReLU()]
    pooled_h, pooled_w = (1 if side == 1 else side >> len(channels) for side in (h, w))
    flat = channels[-1] * pooled_h * pooled_w
    if flat == 0:
        raise ValueError(f"images of {h} x {w} are too small for {len(channels)} poolings; pass fewer channels")
    return Classifier(nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, features), nn.ReLU()), features, classes)


def mixer(shape: Shape, classes: int, patch: int = 4, width: int = 64, depth: int = 3) -> Classifier:
    """
    Patches as tokens, mixed over positions and over channels in turn, then averaged (MLP-Mixer, Tolstikhin et al. 2021).

    Unlike ``convolutional`` it has no overlapping windows and no pooling.
    """
    c, h, w = shape
    side = next(p for p in range(min(patch, h, w), 0, -1) if h % p == 0 and w % p == 0)
    tokens = (h // side) * (w // side)
    embed = nn.Sequential(nn.Conv2d(c, width, side, stride=side), nn.Flatten(2))
    blocks = [_Mixing(tokens, width) for _ in range(depth)]
    body = nn.Sequential(embed, *blocks, _TokenMean(width))
    return Classifier(body, width, classes)


def unchanged(shape: Shape) -> Classifier:
    """The identity, whose features are the values of a thing (c, h, w) themselves; its head is not trained."""
    features = shape[0] * shape[1] * shape[2]
    return Classifier(nn.Flatten(), features, 2).eval().requires_grad_(False)


def pooling(shape: Shape, channels: Sequence[int] = (24, 48, 96), features: int = 128) -> nn.Module:
    """
    One logit from 3 x 3 convolutions with max pooling and a hidden layer, which sees where a part is; of rows of a table, a perceptron of 256 and 128 units.

    An image that is too small for a pooling is pooled no further. There is no batch norm: logits of an image do not depend on the others of its batch.
    """
    c, h, w = shape
    if 1 in (h, w):
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(c * h * w, 256),
            nn.ReLU(),
            nn.Linear(256, features),
            nn.ReLU(),
            nn.Linear(features, 1),
        )
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip([c, *channels[:-1]], channels):
        layers.append(nn.Conv2d(fan_in, fan_out, 3, padding=1))
        if min(h, w) > 3:
            layers.append(nn.MaxPool2d(2))  # the maximum of rectified values is the rectified maximum, of fewer of them
            h, w = h // 2, w // 2
        layers.append(nn.ReLU())
    flat = channels[-1] * h * w
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, features), nn.ReLU(), nn.Linear(features, 1))


def residual(shape: Shape, channels: Sequence[int] = (24, 48, 96), features: int = 64) -> nn.Module:
    """
    One logit from residual blocks of strided convolutions with group normalisation, and the mean and the maximum over places, after ResNet (He et al. 2016);
    of rows of a table, a perceptron with residual blocks and layer normalisation.

    Unlike ``pooling`` it has no pooling before its last layers, and knows parts and not their places.
    """
    c, h, w = shape
    if 1 in (h, w):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(c * h * w, 128), _ResidualRow(128), _ResidualRow(128), nn.GELU(), nn.Linear(128, 1)
        )
    layers: list[nn.Module] = [nn.Conv2d(c, channels[0], 3, padding=1)]
    for fan_in, fan_out in zip([channels[0], *channels[:-1]], channels):
        layers.append(_Residual(fan_in, fan_out, stride=2 if min(h, w) > 3 else 1))
        h, w = (h + 1) // 2, (w + 1) // 2
    last = [nn.Linear(2 * channels[-1], features), nn.ReLU(), nn.Linear(features, 1)]
    return nn.Sequential(*layers, nn.ReLU(), _MeanAndMaximum(), *last)


class _Residual(nn.Module):
    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1)
        self.norm = nn.GroupNorm(4, fan_out)
        self.first = nn.Conv2d(fan_out, fan_out, 3, padding=1)
        self.second = nn.Conv2d(fan_out, fan_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shrink(x)
        return x + self.second(self.first(self.norm(x).relu()).relu())


class _ResidualRow(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, 2 * width)
        self.second = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(nn.functional.gelu(self.first(self.norm(x))))


class _MeanAndMaximum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)


class _Mixing(nn.Module):
    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.place_norm = nn.LayerNorm(width)
        self.places = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens))
        self.channel_norm = nn.LayerNorm(width)
        self.channels = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.places(self.place_norm(x.transpose(1, 2)).transpose(1, 2))
        return x + self.channels(self.channel_norm(x.transpose(1, 2))).transpose(1, 2)


class _TokenMean(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.mean(dim=2))
