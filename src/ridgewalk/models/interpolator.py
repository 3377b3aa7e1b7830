"""
Networks that parametrise a path: I(z_a, z_b, t) is its point at t, from z_a (t = 0) to z_b (t = 1).

    plain   I = net(z_a, z_b, t)                                                     the ends are met only approximately
    exact   I = (1 - t) z_a + t z_b + t (1 - t) [net(z_a, z_b, t) + net(z_b, z_a, 1 - t)] / 2

The exact form meets both ends, and is the same path in both directions: I(z_a, z_b, t) = I(z_b, z_a, 1 - t) for any net.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ridgewalk.models.blocks import mlp


class Interpolator(nn.Module):
    """
    A multilayer perceptron on [z_a, z_b, t].

    Args:
        latent: d, the number of values in one latent; latents of other shapes are flattened.
        hidden: widths of the hidden layers.
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
        """Ends and times as rows (n, d), (n, d), (n, 1)."""
        n = len(t)
        if z_a.shape != z_b.shape or len(z_a) != n or t.dim() != 1 or z_a[:1].numel() != self.latent * min(n, 1):
            raise ValueError(
                f"this interpolation network joins latents of {self.latent} values at times (n,); got {tuple(z_a.shape)}, "
                f"{tuple(z_b.shape)} and {tuple(t.shape)}: use the model that it was trained for"
            )
        return z_a.flatten(1), z_b.flatten(1), t[:, None]


class ExactInterpolator(Interpolator):
    """The exact form, with the same network."""

    def forward(self, z_a: Tensor, z_b: Tensor, t: Tensor) -> Tensor:
        """(n, *), (n, *), (n,) -> (n, *)."""
        a, b, s = self.rows(z_a, z_b, t)
        out, other = self.net(torch.cat([torch.cat([a, b, s], dim=1), torch.cat([b, a, 1 - s], dim=1)])).chunk(2)
        return (torch.lerp(a, b, s) + s * (1 - s) * (out + other) / 2).view_as(z_a)
