"""The U-Net of Hugging Face's diffusers as a backbone (extra ``diffusers``)."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from ridgewalk.models.embeddings import check_labels
from ridgewalk.models.unet import UNetLayers, check_input, check_sizes
from ridgewalk.registry import ADAPTERS


def diffusers_library() -> Any:
    """Imports diffusers; raises ValueError with the install command where it is missing."""
    try:
        import diffusers
    except ImportError as error:
        raise ValueError(ADAPTERS["diffusers"].install) from error
    return diffusers


@final
class Backbone(nn.Module):
    """
    F(x, c, y) by a UNet2DModel, as ``models.backbones`` defines it: (n, c, h, w), (n,), (n,) or None -> (n, c, h, w).

    The UNet2DModel receives the noise level 250 (c + 2), which maps log(sigma / alpha) = 4 c in [-8, 8] to DDPM's levels 0 to 1000. The sinusoids of
    its embedding, of 1 to 10^-4 radians a level, then have at most 40 waves a unit of c. Row 0 of its class embedding stands for "no class".

    Args:
        unet: the UNet2DModel.
        shape: shape (c, h, w) of the images.
        classes: number of classes, one less than the rows of the class embedding; 0 for none.
    """

    def __init__(self, unet: nn.Module, shape: tuple[int, int, int], classes: int = 0) -> None:
        super().__init__()
        self.unet, self.shape, self.classes = unet, tuple(shape), classes

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """(n, c, h, w), (n,), (n,) or None -> (n, c, h, w)."""
        check_input(x, c, self.shape)
        if labels is None:
            labels = torch.full(c.shape, -1, device=c.device)
        else:
            check_labels(labels, len(c), self.classes)
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
    Builds the UNet2DModel of diffusers as a backbone, initialised to F = 0; the arguments are the fields of ``models.unet.UNetLayers``.

    The ascent has one more block a level than ``UNet``. Attention has one head.

    Raises:
        ValueError: if diffusers is missing, or the sizes do not fit.
    """
    library = diffusers_library()
    levels = len(multipliers)
    check_sizes(shape, UNetLayers(channels, multipliers, blocks, classes=classes))
    c, h, w = shape
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
    """Replaces torch's fused attention, which has no second derivative; implicit score matching needs one."""
    from diffusers.models.attention_processor import Attention, AttnProcessor

    for module in unet.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())
