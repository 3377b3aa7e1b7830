"""Classifiers that expose their features: the networks of the judges, in two families that share no layer type except the last."""

from collections.abc import Sequence

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
        layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d((min(h, 2), min(w, 2)))]
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
