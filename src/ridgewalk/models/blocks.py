"""Parts of networks: activations by name, and multilayer perceptrons."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn
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
    """Builds the activation called ``name``; the error for an unknown name suggests the nearest known one."""
    if name not in ACTIVATIONS:
        raise ValueError(naming.unknown("activation", name, ACTIVATIONS))
    return ACTIVATIONS[name]()


def mlp(sizes: Sequence[int], act: str = "relu", spectral: bool = False, batch_norm: bool = False) -> nn.Sequential:
    """
    Affine layers of the given sizes with an activation between them and none after the last.

    Args:
        sizes: widths from input to output, at least two.
        act: name of the activation.
        spectral: whether the spectral norm of every layer is held at 1 (Miyato et al. 2018).
        batch_norm: whether batch normalisation follows every affine layer, including the last (Ioffe and Szegedy 2015).
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


def restart(network: nn.Module, deviation: float) -> None:
    """Redraws the weights of all affine and convolutional layers from N(0, deviation^2), and sets their biases to 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=deviation)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
