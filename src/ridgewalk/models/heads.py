"""
A discriminator that reads what a score network has already learned to see: a small head on its features.

    logit = head(h(x, c, y), c, y),    h the frozen network's features, head a time-dependent MLP

A few thousand weights to train in place of a network of its own, as published discriminators sit on a pretrained classifier (Kim et al. 2023, appendix).
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ridgewalk.models.backbones import TimeMLP


@runtime_checkable
class Featured(Protocol):
    """A network over (x, c, labels) that shows its features."""

    @property
    def width(self) -> int:
        """Of the features."""
        ...

    def features_of(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """(n, *), (n,), (n,) or None -> (n, width)."""
        ...


class OnBackbone(nn.Module):
    """
    A head on a network's features: (n, *), (n,), (n,) or None -> (n, 1).

    The network is kept as it is: no part of this module, neither trained, moved nor saved with it. Its features are normalised over each row.

    Args:
        backbone: frozen, on the device that this will be used on.
        hidden: widths of the head.
        classes: that the head is told; 0 for none.

    Raises:
        ValueError: for a network that shows no features.
    """

    def __init__(self, backbone: nn.Module, hidden: Sequence[int], classes: int = 0) -> None:
        super().__init__()
        if not isinstance(backbone, Featured):
            raise ValueError(
                f"a head needs a network that shows its features (features_of, width); {type(backbone).__name__} does not: "
                'choose guidance.network = "own"'
            )
        self._backbone = (backbone,)  # in a tuple, so that it is no submodule
        self.norm = nn.LayerNorm(backbone.width, elementwise_affine=False)
        self.head = TimeMLP(backbone.width, hidden, outputs=1, classes=classes, fourier=0)

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """The logit; differentiable in x."""
        return self.head(self.norm(self._backbone[0].features_of(x, c, labels)), c, labels)


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """
    The network itself, the linear and convolutional layers that x goes through divided by their largest singular value (Miyato et al. 2018).

    Layers that only the noise level or the class go through are left as they are. A layer that starts at zero has no singular value to divide by, and
    gets its usual start.
    """
    for name, module in list(network.named_modules()):
        told = any(part in name for part in ("conditioning", "films", "told"))
        if told or not isinstance(module, nn.Linear | nn.Conv2d):
            continue
        if not bool(module.weight.any()):
            module.reset_parameters()
        spectral_norm(module)
    return network
