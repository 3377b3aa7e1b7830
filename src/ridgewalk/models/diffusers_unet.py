"""The U-Net of Hugging Face's diffusers as a backbone of ours (extra ``diffusers``)."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from ridgewalk.registry import ADAPTERS


def diffusers_library() -> Any:
    """
    The module, imported now.

    Raises:
        ValueError: where it is not installed.
    """
    try:
        import diffusers
    except ImportError as error:
        raise ValueError(ADAPTERS["diffusers"].install) from error
    return diffusers


@final
class Backbone(nn.Module):
    """
    A UNet2DModel under the contract of ``models.backbones``: F(x, c, y), (n, c, h, w), (n,), (n,) or None -> (n, c, h, w).

    It is told i = 250 (c + 2), DDPM's levels 0 to 1000 spread over log(sigma / alpha) = 4 c from -8 to 8. Its sinusoids, of 1 to 10^-4 radians a
    level, then have 40 waves a unit of c and fewer. Its class embedding's row 0 is "no class".

    Args:
        unet: the UNet2DModel.
        shape: (c, h, w).
        classes: number of them, one less than the rows of its class embedding; 0 for none.
    """

    def __init__(self, unet: nn.Module, shape: tuple[int, int, int], classes: int = 0) -> None:
        super().__init__()
        self.unet, self.shape, self.classes = unet, tuple(shape), classes

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """(n, c, h, w), (n,), (n,) or None -> (n, c, h, w)."""
        if x.shape[1:] != self.shape or c.shape != x.shape[:1]:
            raise ValueError(
                f"this network reads images (n, {', '.join(map(str, self.shape))}) and noise levels (n,); "
                f"got {tuple(x.shape)} and {tuple(c.shape)}"
            )
        if labels is None:
            labels = torch.full(c.shape, -1, device=c.device)
        elif labels.shape != c.shape or labels.dtype != torch.int64:
            raise ValueError(f"labels must be int64 ({len(c)},); got {labels.dtype} {tuple(labels.shape)}")
        elif bool(((labels < -1) | (labels >= self.classes)).any()):
            raise ValueError(
                f"this network's labels are -1 for no class, or below its number of classes, {self.classes}; "
                f"got {int(labels.min())} to {int(labels.max())}"
            )
        return self.unet(x, 250 * (c + 2), labels + 1 if self.classes else None).sample


def unet_2d(
    shape: tuple[int, int, int],
    channels: int = 32,
    multipliers: Sequence[int] = (1, 2, 2),
    blocks: int = 1,
    attention: Sequence[int] = (),
    dropout: float = 0.0,
    classes: int = 0,
) -> nn.Module:
    """
    The UNet2DModel of diffusers as a backbone, 0 until it is trained; its arguments are those of ``models.unet.UNet``.

    Args:
        shape: (c, h, w); h and w must be multiples of 2^(levels - 1).
        channels: of the finest level, an even number.
        multipliers: of the channels, one a level, finest first.
        blocks: residual blocks a level of the descent; the ascent has one more.
        attention: sides at which every block is followed by self-attention of one head (the longer side, of images that are not square).
        dropout: probability, within the blocks.
        classes: number of classes; 0 for none.

    Raises:
        ValueError: if diffusers is missing, and for sizes that do not fit.
    """
    library = diffusers_library()
    levels = len(multipliers)
    if len(shape) != 3 or not levels or min(channels, blocks, *multipliers, *shape) < 1 or channels % 2 or classes < 0:
        raise ValueError(
            "a U-Net needs images (c, h, w), an even number of channels, at least one multiplier and block, all positive, and classes >= 0; "
            f"got shape {tuple(shape)}, channels {channels}, multipliers {tuple(multipliers)}, blocks {blocks}, classes {classes}"
        )
    c, h, w = shape
    if h % 2 ** (levels - 1) or w % 2 ** (levels - 1):
        raise ValueError(
            f"images of {h} x {w} pixels cannot be halved {levels - 1} times; "
            f"pad or resize them to multiples of {2 ** (levels - 1)}, or pass fewer multipliers"
        )
    attends = [max(h, w) // 2**level in attention for level in range(levels)]
    unet = library.UNet2DModel(
        sample_size=(h, w),
        in_channels=c,
        out_channels=c,
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        block_out_channels=[channels * m for m in multipliers],
        layers_per_block=blocks,
        add_attention=attends[-1],
        attention_head_dim=None,  # one head
        norm_num_groups=next(g for g in range(max(1, min(32, channels // 4)), 0, -1) if channels % g == 0),
        dropout=dropout,
        num_class_embeds=classes + 1 if classes else None,
    )
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    _plain_attention(unet)
    return Backbone(unet, (c, h, w), classes)


def _plain_attention(unet: nn.Module) -> None:
    """Attention written out: torch's fused kernel has no second derivative, which implicit score matching needs."""
    from diffusers.models.attention_processor import Attention, AttnProcessor

    for module in unet.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())
