"""
A discriminator that reads the features of a trained score network through a small head.

    logit = head(h(x, c, y), c, y),    h the features of the frozen network, head a time-dependent MLP

Only the few thousand weights of the head are trained. Published discriminators use a pretrained classifier in the same way (Kim et al. 2023, appendix).
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ridgewalk.models.backbones import TimeMLP


@runtime_checkable
class Featured(Protocol):
    """A network over (x, c, labels) that exposes its features."""

    @property
    def width(self) -> int:
        """Number of features."""

    def features_of(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """(n, *), (n,), (n,) or None -> (n, width)."""


class OnBackbone(nn.Module):
    """
    A head on the features of a network, normalised per row: (n, *), (n,), (n,) or None -> (n, 1).

    The network is not a submodule: it is not trained, moved or saved with the head.

    Args:
        backbone: the frozen network, on the device of the head; it must expose its features (``Featured``).
        hidden: widths of the head.
        classes: number of classes that the head is conditioned on; 0 for none.
    """

    def __init__(self, backbone: nn.Module, hidden: Sequence[int], classes: int = 0) -> None:
        super().__init__()
        if not isinstance(backbone, Featured):
            raise ValueError(
                f"a head needs a network that exposes its features (features_of, width); {type(backbone).__name__} does not: "
                'choose guidance.network = "own"'
            )
        self._backbone = (backbone,)  # in a tuple, so that it is no submodule
        self.norm = nn.LayerNorm(backbone.width, elementwise_affine=False)
        self.head = TimeMLP(backbone.width, hidden, outputs=1, classes=classes, fourier=0)

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """The logit (n, 1), differentiable in x."""
        return self.head(self.norm(self._backbone[0].features_of(x, c, labels)), c, labels)


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """
    Divides the weights of the affine and convolutional layers that x passes by their largest singular value, in place, and returns the network.

    Layers that only the noise level or the class passes are not changed. A layer that is initialised to zero has no such value and is initialised anew.

    Source: Miyato et al. (2018), Spectral normalization for generative adversarial networks.
    """
    for name, module in list(network.named_modules()):
        conditioning = any(part in name for part in ("conditioning", "films", "told"))
        if conditioning or not isinstance(module, nn.Linear | nn.Conv2d):
            continue
        if not bool(module.weight.any()):
            module.reset_parameters()
        spectral_norm(module)
    return network
