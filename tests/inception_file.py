"""A small network with the interface of the published Inception network, and its file: ``from inception_file import Fake, written``."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from ridgewalk.judging.inception import FEATURES


class Fake(nn.Module):
    """A network with the interface of the published one: random features of 4 x 4 means, the first three those of the channels."""

    def __init__(self, features: int = FEATURES, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("weight", torch.randn(features, 48, generator=torch.Generator().manual_seed(0)))

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        """Features, or probabilities, of bytes."""
        assert img.dtype == torch.uint8
        x = torch.nn.functional.adaptive_avg_pool2d(img.float(), [4, 4]).flatten(1) * self.scale
        found = x @ self.weight.t()
        found[:, :3] = img.float().mean(dim=[2, 3])
        return found if return_features else found.softmax(1)


def written(network: nn.Module, file: Path) -> Path:
    """The file with the network as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and the published file is one
        torch.jit.script(network).save(str(file))
    return file
