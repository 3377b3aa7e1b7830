"""
The U-Net of diffusion models on images, and its descending half, which maps an image to a few numbers.

With e the embedding of noise level and class, and 3 x 3 convolutions and group norms, one residual block is

    block(x, e) = (x + conv(SiLU(norm(conv(SiLU(norm(x))) + A e)))) / sqrt(2)

The U-Net has such blocks on every level of its descent (average pooling halves the sides between levels), two at the bottom, and as many in the ascent
(nearest-neighbour upsampling), each of which also reads the output of its counterpart in the descent. It is DDPM++ (Song et al. 2021, appendix H;
Ho et al. 2020) with two savings for CPUs: the ascent has no additional block a level, and its levels end with the channels of the next finer one, so that
fewer channels are upsampled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, sqrt
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.models.embeddings import Conditioning

Shape = tuple[int, int, int]
Layer = TypeVar("Layer", bound=nn.Module)


class ResidualBlock(nn.Module):
    """
    (skip(x) + conv(dropout(SiLU(norm(conv(SiLU(norm(x))) + A e))))) / sqrt(2): (n, c, h, w), (n, w_e) -> (n, c', h, w).

    ``skip`` is a 1 x 1 convolution where the number of channels changes. The second convolution is initialised to zero. The division keeps variances.
    """

    def __init__(self, before: int, after: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm_1 = _norm(before)
        self.conv_1 = nn.Conv2d(before, after, 3, padding=1)
        self.told = nn.Linear(width, after)
        self.norm_2 = _norm(after)
        self.dropout = nn.Dropout(dropout)
        self.conv_2 = _zero(nn.Conv2d(after, after, 3, padding=1))
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """(n, c, h, w), (n, w_e) -> (n, c', h, w)."""
        h = self.conv_1(F.silu(self.norm_1(x))) + self.told(e)[:, :, None, None]
        h = self.conv_2(self.dropout(F.silu(self.norm_2(h))))
        return (self.skip(x) + h) / sqrt(2)


class Attention(nn.Module):
    """
    (x + O V softmax(K^T Q / sqrt(c))) / sqrt(2), self-attention with one head over the pixels of norm(x): (n, c, h, w) -> (n, c, h, w).

    It does not use torch's fused kernel, which has no second derivative.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = _zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        q, k, v = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)
        weights = (q.transpose(1, 2) @ k / sqrt(q.shape[1])).softmax(dim=2)  # (n, queries, keys)
        return (x + self.out((v @ weights.transpose(1, 2)).view_as(x))) / sqrt(2)


class Stage(nn.Module):
    """A residual block, followed by attention if ``attends``."""

    def __init__(self, before: int, after: int, width: int, dropout: float, attends: bool) -> None:
        super().__init__()
        self.block = ResidualBlock(before, after, width, dropout)
        self.attention = Attention(after) if attends else nn.Identity()

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """(n, c, h, w), (n, w_e) -> (n, c', h, w)."""
        return self.attention(self.block(x, e))


@dataclass(frozen=True)
class UNetLayers:
    """
    The sizes of a U-Net.

    Attributes:
        channels: number of channels on the finest level, an even number.
        multipliers: for each level, finest first, the ratio of its channels to ``channels``.
        blocks: number of residual blocks per level, in the descent and in the ascent each.
        attention: sides in pixels at which self-attention follows every block; of images that are not square the longer side counts.
        dropout: probability of dropout within the blocks.
        classes: number of classes that the network is conditioned on; 0 for none.
        embedding: embedding of the noise level, ``fourier`` (as in NCSN++) or ``sinusoidal`` (as in DDPM++).
        patch: side in pixels of the patches that are unshuffled to channels before the first convolution; 2 makes the network about four times cheaper.
    """

    channels: int = 32
    multipliers: Sequence[int] = (1, 2, 2)
    blocks: int = 1
    attention: Sequence[int] = (7, 8)
    dropout: float = 0.0
    classes: int = 0
    embedding: str = "fourier"
    patch: int = 1


class Descent(nn.Module):
    """
    The first half of a U-Net.

    Args:
        shape: shape (c, h, w) of the images; h and w must be multiples of patch 2^(levels - 1).
        layers: sizes of the network.
    """

    def __init__(self, shape: Shape, layers: UNetLayers) -> None:
        super().__init__()
        check_sizes(shape, layers)
        channels, multipliers, blocks, patch = layers.channels, layers.multipliers, layers.blocks, layers.patch
        self.shape, self.patch, self.blocks = tuple(shape), patch, blocks
        self.width = 4 * channels
        self.widths = [channels * m for m in multipliers]
        self.attends = [max(shape[1:]) // (patch * 2**level) in layers.attention for level in range(len(multipliers))]
        self.conditioning = Conditioning(self.width, layers.classes, layers.embedding)
        self.stem = nn.Conv2d(shape[0] * patch**2, channels, 3, padding=1)
        self.stages = nn.ModuleList()
        before = channels
        for after, attends in zip(self.widths, self.attends):
            for inputs in [before] + [after] * (blocks - 1):
                self.stages.append(Stage(inputs, after, self.width, layers.dropout, attends))
            before = after

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """(n, c, h, w), (n,), (n,) or None -> outputs (n, c_i, h_i, w_i) of all blocks, finest level first, and the embedding (n, w_e)."""
        check_input(x, c, self.shape)
        e = self.conditioning(c, labels)
        h = self.stem(F.pixel_unshuffle(x, self.patch))
        features: list[Tensor] = []
        for i, stage in enumerate(self.stages):
            if i and i % self.blocks == 0:  # the next level
                h = F.avg_pool2d(h, 2)
            h = stage(h, e)
            features.append(h)
        return features, e


class UNet(nn.Module):
    """F(x, c, y): (n, c, h, w), (n,), (n,) or None -> (n, c, h, w); the arguments are those of ``Descent``."""

    def __init__(self, shape: Shape, layers: UNetLayers = UNetLayers()) -> None:
        super().__init__()
        self.descent = Descent(shape, layers)
        widths, attends, width = self.descent.widths, self.descent.attends, self.descent.width
        dropout, blocks, patch = layers.dropout, layers.blocks, layers.patch
        self.middle = nn.ModuleList(Stage(widths[-1], widths[-1], width, dropout, a) for a in (attends[-1], False))
        self.stages = nn.ModuleList()
        for i in reversed(range(len(widths))):
            for after in [widths[i]] * (blocks - 1) + [widths[max(i - 1, 0)]]:
                self.stages.append(Stage(2 * widths[i], after, width, dropout, attends[i]))
        self.norm = _norm(widths[0])
        self.last = _zero(nn.Conv2d(widths[0], shape[0] * patch**2, 3, padding=1))

    @property
    def width(self) -> int:
        """Number of features that ``features_of`` returns."""
        return 2 * self.descent.widths[-1]

    def features_of(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """Means over pixels of the outputs of the descent and of the bottom: (n, width)."""
        features, e = self.descent(x, c, labels)
        bottom = self._bottom(features[-1], e)
        return torch.cat([features[-1].mean(dim=(2, 3)), bottom.mean(dim=(2, 3))], dim=1)

    def _bottom(self, h: Tensor, e: Tensor) -> Tensor:
        for stage in self.middle:
            h = stage(h, e)
        return h

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """(n, c, h, w), (n,), (n,) or None -> (n, c, h, w)."""
        features, e = self.descent(x, c, labels)
        h = self._bottom(features[-1], e)
        for i, stage in enumerate(self.stages):
            if i and i % self.descent.blocks == 0:
                h = F.interpolate(h, scale_factor=2.0)
            h = stage(torch.cat([h, features.pop()], dim=1), e)
        return F.pixel_shuffle(self.last(F.silu(self.norm(h))), self.descent.patch)


class UNetEncoder(nn.Module):
    """
    W mean_pixels(SiLU(norm(h))) with h the output of the descent: (n, c, h, w), (n,), (n,) or None -> (n, outputs).

    It is smooth, as the gradient of a discriminator must be that guides an ODE with a likelihood. ``shape`` and ``layers`` are as in ``Descent``.
    """

    def __init__(self, shape: Shape, layers: UNetLayers = UNetLayers(), outputs: int = 1) -> None:
        super().__init__()
        if outputs < 1:
            raise ValueError(f"an encoder needs at least 1 output; got {outputs}")
        self.descent = Descent(shape, layers)
        self.norm = _norm(self.descent.widths[-1])
        self.last = _zero(nn.Linear(self.descent.widths[-1], outputs))

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """(n, c, h, w), (n,), (n,) or None -> (n, outputs)."""
        features, _ = self.descent(x, c, labels)
        return self.last(F.silu(self.norm(features[-1])).mean(dim=(2, 3)))


def check_input(x: Tensor, c: Tensor, shape: tuple[int, ...]) -> None:
    """Raises ValueError unless x is (n, *shape) and c is (n,)."""
    if x.shape[1:] != shape or c.shape != x.shape[:1]:
        raise ValueError(
            f"this network reads images (n, {', '.join(map(str, shape))}) and noise levels (n,); "
            f"got {tuple(x.shape)} and {tuple(c.shape)}"
        )


def check_sizes(shape: Shape, layers: UNetLayers) -> None:
    """Raises ValueError unless the layers make a U-Net of images of ``shape``."""
    channels, multipliers, blocks, patch = layers.channels, layers.multipliers, layers.blocks, layers.patch
    if len(shape) != 3 or not multipliers or min(channels, blocks, patch, *multipliers, *shape) < 1 or channels % 2:
        raise ValueError(
            "a U-Net needs images (c, h, w), an even number of channels, at least one multiplier, blocks and patch, all positive; "
            f"got shape {tuple(shape)}, channels {channels}, multipliers {tuple(multipliers)}, blocks {blocks}, patch {patch}"
        )
    if layers.classes < 0:
        raise ValueError(f"a network needs 0 classes (unconditional) or more; got classes {layers.classes}")
    _check_sides(shape, len(multipliers), patch)


def _norm(channels: int) -> nn.GroupNorm:
    """Group norm with at least 4 channels a group and at most 32 groups (Song et al. 2021)."""
    most = max(1, min(32, channels // 4))
    return nn.GroupNorm(next(g for g in range(most, 0, -1) if channels % g == 0), channels, eps=1e-6)


def _zero(layer: Layer) -> Layer:
    """Sets all parameters of ``layer`` to zero, in place, and returns it."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _check_sides(shape: Shape, levels: int, patch: int) -> None:
    """Raises ValueError unless both sides are multiples of patch 2^(levels - 1)."""
    _, h, w = shape
    unit = patch * 2 ** (levels - 1)
    bad = [side for side in (h, w) if side % unit]
    if not bad:
        return
    side, common = bad[0], gcd(h, w)
    near = f"{side // unit * unit} or {(side // unit + 1) * unit}" if side > unit else f"{unit}"
    if common % patch:
        fewer = f"patch {max(p for p in range(1, patch) if common % p == 0)}"
    else:
        fits = ((common // patch) & -(common // patch)).bit_length()
        fewer = f"at most {fits} multiplier{'s' if fits > 1 else ''}"
    what = f"halved {levels - 1} time{'s' if levels > 2 else ''}" + (f" after patches of {patch}" if patch > 1 else "")
    raise ValueError(
        f"images of {h} x {w} pixels cannot be {what}: the side {side} is not a multiple of {unit}; "
        f"pad or resize it to {near}, or pass {fewer}"
    )
