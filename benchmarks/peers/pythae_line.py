"""
pythae's ``interpolate``, over an encoder and a decoder that were trained elsewhere.

It takes images, encodes both ends, and decodes points on the straight line between the codes: it is LERP, and the benchmark checks that
it is. Its time includes the encoding of the ends, their reconstruction (its forward pass makes one) and the decoding of every node.
"""

from collections.abc import Callable

import torch
from pythae.models import AE, AEConfig  # type: ignore
from pythae.models.base.base_utils import ModelOutput  # type: ignore
from pythae.models.nn import BaseDecoder, BaseEncoder  # type: ignore
from torch import Tensor


class Encoder(BaseEncoder):  # type: ignore[misc]
    """A given encoder with pythae's interface."""

    def __init__(self, encode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.encode = encode

    def forward(self, x: Tensor) -> ModelOutput:
        """Encodes images (n, c, h, w) into an embedding (n, d)."""
        return ModelOutput(embedding=self.encode(x))


class Decoder(BaseDecoder):  # type: ignore[misc]
    """A given decoder with pythae's interface; it stores its last input codes, which ``interpolate`` does not return."""

    def __init__(self, decode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.decode = decode
        self.asked = torch.empty(0)

    def forward(self, z: Tensor) -> ModelOutput:
        """Decodes codes (n, d) into reconstructions (n, c, h, w)."""
        self.asked = z
        return ModelOutput(reconstruction=self.decode(z))


def finder(
    encode: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Tensor],
    shape: tuple[int, int, int],
    latent: int,
    frames: int,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Returns pythae's ``interpolate`` as a function of images x_a, x_b (b, c, h, w) to the decoded codes (b, frames, d)."""
    decoder = Decoder(decode)
    model = AE(AEConfig(input_dim=shape, latent_dim=latent), encoder=Encoder(encode), decoder=decoder).eval()

    def interpolate(x_a: Tensor, x_b: Tensor) -> Tensor:
        with torch.no_grad():
            model.interpolate(x_a, x_b, granularity=frames)
        return decoder.asked.unflatten(0, (len(x_a), frames))

    return interpolate
