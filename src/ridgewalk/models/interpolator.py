"""
Networks that know the way: I(z_a, z_b, t), a point of the path from z_a (t = 0) to z_b (t = 1).

    plain   I = net(z_a, z_b, t)                                                     nothing makes the ends meet
    exact   I = (1 - t) z_a + t z_b + t (1 - t) [net(z_a, z_b, t) + net(z_b, z_a, 1 - t)] / 2

The second meets both ends exactly and is the same path read from either side, I(z_a, z_b, t) = I(z_b, z_a, 1 - t), whatever the network.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ridgewalk.models.blocks import mlp


class Interpolator(nn.Module):
    """
    A multilayer perceptron on [z_a, z_b, t].

    Args:
        latent: d, the values of one latent; spatial ones are flattened.
        hidden: widths of its layers.
        act: name of the activation.
    """

    def __init__(self, latent: int, hidden: Sequence[int] = (1024, 1024, 512), act: str = "silu") -> None:
        super().__init__()
        if latent < 1:
            raise ValueError(f"an interpolation network needs latents of at least 1 dimension; got {latent}")
        self.latent = latent
        self.net = mlp([2 * latent + 1, *hidden, latent], act)

    def forward(self, z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
        """(n, *), (n, *), (n,) -> (n, *)."""
        a, b, s = self.rows(z_a, z_b, t)
        return self.net(torch.cat([a, b, s], dim=1)).view_as(z_a)

    def rows(self, z_a: Tensor, z_b: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Ends and times as rows (n, d), (n, d), (n, 1); ValueError where the network was made for others."""
        n = len(t)
        if z_a.shape != z_b.shape or len(z_a) != n or t.dim() != 1 or z_a[:1].numel() != self.latent * min(n, 1):
            raise ValueError(
                f"this interpolation network joins latents of {self.latent} values at times (n,); got {tuple(z_a.shape)}, "
                f"{tuple(z_b.shape)} and {tuple(t.shape)}: use the model that it was trained for"
            )
        return z_a.flatten(1), z_b.flatten(1), t[:, None]


class ExactInterpolator(Interpolator):
    """The same network, its output symmetrised and added to the straight line where neither end is touched."""

    def forward(self, z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
        """(n, *), (n, *), (n,) -> (n, *)."""
        a, b, s = self.rows(z_a, z_b, t)
        out, other = self.net(torch.cat([torch.cat([a, b, s], dim=1), torch.cat([b, a, 1 - s], dim=1)])).chunk(2)
        return (torch.lerp(a, b, s) + s * (1 - s) * (out + other) / 2).view_as(z_a)


def interpolator(
    latent: int, exact: bool = True, hidden: Sequence[int] = (1024, 1024, 512), act: str = "silu"
) -> Interpolator:
    """An interpolation network, exact or plain."""
    return (ExactInterpolator if exact else Interpolator)(latent, hidden, act)
