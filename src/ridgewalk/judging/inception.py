"""
The published Inception network, from a file that the user names: the only features in which a Frechet distance is called FID.

    FID = |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))    of 2048 features of two sets of images (``metrics.samples``)

The file is TorchScript, such as inception-2015-12-05.pt of Karras et al. (2020), Training generative adversarial networks with limited data: the network of
2015-12-05 with its own resizing, called as network(images, return_features=True) with bytes (n, 3, h, w). It holds the architecture beside the weights.
Packages that build this network around a file of weights import torchvision, which ridgewalk does without.

Source: Heusel et al. (2017), GANs trained by a two time-scale update rule converge to a local Nash equilibrium, equation 6.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ridgewalk.judging.torchscript import last_line, read_torchscript
from ridgewalk.metrics.samples import frechet
from ridgewalk.progress import track

FEATURES = 2048
"""Number of features of the published network."""

BATCH = 64
"""Number of images that are evaluated at once."""

_WANTED = "the published Inception network as TorchScript, such as inception-2015-12-05.pt"


@dataclass(frozen=True, eq=False)
class Inception:
    """
    The network of a TorchScript file.

    Attributes:
        network: maps bytes (n, 3, h, w) with ``return_features=True`` to features (n, 2048).
        file: where it was read.
        sha256: checksum of the file, in hexadecimal.
        device: where it computes.
    """

    network: Any
    file: Path
    sha256: str
    device: torch.device

    def features(self, images: Tensor) -> Tensor:
        """Features (n, 2048) of images (n, c, h, w) in [0, 1], c 1 or 3; grey ones become three equal channels, and values the nearest byte."""
        found = []
        for block in track(images.split(BATCH), "Inception's features"):
            pixels = (block.expand(-1, 3, -1, -1) * 255).round().clamp(0, 255).to(torch.uint8)
            found.append(self._evaluate(pixels))
        return torch.cat(found)

    def fid(self, features: Tensor, real: Tensor) -> float:
        """FID of features (n, 2048) and (m, 2048) of two sets of images."""
        return frechet(real, features)

    def _evaluate(self, pixels: Tensor) -> Tensor:
        """
        Features of bytes (n, 3, h, w).

        Raises:
            ValueError: where the network cannot be called so, or returns something else.
        """
        wanted = f"a network that maps bytes (n, 3, h, w) with return_features=True to (n, {FEATURES}), as inception-2015-12-05.pt does"
        try:
            with torch.no_grad():
                found = self.network(pixels.to(self.device), return_features=True)
        except Exception as error:  # whatever the code in the file does
            raise ValueError(
                f"the network in {self.file} cannot be evaluated ({last_line(error)}): --inception takes {wanted}"
            ) from error
        if not isinstance(found, Tensor) or tuple(found.shape) != (len(pixels), FEATURES):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(
                f"the network in {self.file} returned {shape} for {len(pixels)} images: --inception takes {wanted}"
            )
        if not found.is_floating_point() or not bool(found.isfinite().all()):
            raise ValueError(
                f"the network in {self.file} returned features that are not finite floats: --inception takes {wanted}"
            )
        return found.cpu()


def load_inception(file: Path, device: torch.device | str = "cpu") -> Inception:
    """
    Reads the network from a TorchScript file, and tries it on two images.

    Raises:
        ValueError: where there is no such file, or it is no TorchScript, or another network.
    """
    network, checksum = read_torchscript(file, f"--inception takes {_WANTED}", device)
    found = Inception(network, file, checksum, torch.device(device))
    found._evaluate(torch.arange(2 * 3 * 32 * 32, dtype=torch.int64).remainder(256).to(torch.uint8).view(2, 3, 32, 32))
    return found
