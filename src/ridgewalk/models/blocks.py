"""Parts of networks: activations by name, and multilayer perceptrons."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ridgewalk import naming

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
}


def activation(name: str) -> nn.Module:
    """The activation called ``name``; ValueError with the nearest known one otherwise."""
    if name not in ACTIVATIONS:
        raise ValueError(naming.unknown("activation", name, ACTIVATIONS))
    return ACTIVATIONS[name]()


def mlp(sizes: Sequence[int], act: str = "relu", spectral: bool = False, batch_norm: bool = False) -> nn.Sequential:
    """
    Affine layers of the given sizes with an activation between them, none after the last.

    Args:
        sizes: widths from input to output, at least two; two make a single affine layer.
        act: name of the activation.
        spectral: whether each layer's spectral norm is held at 1 (Miyato et al. 2018).
        batch_norm: whether each affine layer, the last one as well, is followed by batch normalisation (Ioffe and Szegedy 2015).
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"an MLP needs at least an input and an output size, all positive; got {list(sizes)}")
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        linear = nn.Linear(fan_in, fan_out)
        layers += [spectral_norm(linear) if spectral else linear]
        layers += [nn.BatchNorm1d(fan_out)] if batch_norm else []
        layers += [activation(act)]
    return nn.Sequential(*layers[:-1])


class Rows(nn.Module):
    """Flattens all but the first dimension: (n, *) -> (n, d)."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, *) to (n, d)."""
        return x.flatten(1)


def restart(network: nn.Module, deviation: float) -> None:
    """Draws the weights of all affine and convolutional layers anew from N(0, deviation^2), and sets their biases to 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=deviation)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
