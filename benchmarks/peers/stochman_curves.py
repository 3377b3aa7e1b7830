"""
Geodesics by stochman: curves whose decoded energy (k - 1) sum |G(z_{i+1}) - G(z_i)|^2 is minimised, all pairs of a batch at once.

    stochman                  its ``connecting_geodesic`` with default settings: a cubic spline of 5 nodes, Adam at 0.1, at most 150 iterations
    stochman-discrete         the same search over its broken line of 5 nodes
    stochman-spline-adam      its spline, Adam at 0.01 (the rate of its class ``Geodesic``), 150 iterations
    stochman-discrete-adam    its broken line with one node for each frame, by the same loop

All evaluate the energy at 20 times, its default. Curves are shown at equal steps of their own t.
"""

from collections.abc import Callable, Mapping

import torch
from stochman.curves import CubicSpline, DiscreteCurve  # type: ignore
from stochman.manifold import EmbeddedManifold  # type: ignore
from torch import Tensor

ITERATIONS, TIMES, RATE, STILL = 150, 20, 1e-2, 1e-4
"""Settings of the direct searches: iterations, number of times of evaluation, Adam's rate, gradient below which a search ends."""

Nodes = Callable[[Tensor, Tensor], Tensor]
"""A function of ends (b, d), (b, d) that returns nodes (b, k, d)."""


class DecodedImages(EmbeddedManifold):  # type: ignore[misc]
    """The decoder's images of the latent space, a surface in pixel space."""

    def __init__(self, decode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.decode = decode

    def embed(self, points: Tensor, jacobian: bool = False) -> Tensor:
        """Decodes points (b, k, d) into flattened images (b, k, pixels)."""
        if jacobian:
            raise NotImplementedError("curve energies are computed from decoded images and need no Jacobian")
        return self.decode(points.flatten(0, -2)).flatten(1).unflatten(0, points.shape[:-1])


def finders(decode: Callable[[Tensor], Tensor], frames: int) -> Mapping[str, Nodes]:
    """Returns the four searches by name, each with ``frames`` nodes."""
    manifold = DecodedImages(decode)

    def shown(curve: torch.nn.Module, z: Tensor) -> Tensor:
        with torch.no_grad():
            nodes: Tensor = curve(torch.linspace(0, 1, frames, dtype=z.dtype))
        return nodes.reshape(len(z), frames, -1)  # stochman drops the first dimension of a single pair

    def spline(z_a: Tensor, z_b: Tensor) -> Tensor:
        return shown(manifold.connecting_geodesic(z_a, z_b)[0], z_a)

    def discrete(z_a: Tensor, z_b: Tensor) -> Tensor:
        return shown(manifold.connecting_geodesic(z_a, z_b, init_curve=DiscreteCurve(z_a, z_b))[0], z_a)

    def direct(curve: torch.nn.Module) -> torch.nn.Module:
        times = torch.linspace(0, 1, TIMES)
        optimiser = torch.optim.Adam(curve.parameters(), lr=RATE)
        for _ in range(ITERATIONS):
            optimiser.zero_grad()
            manifold.curve_energy(curve(times)).backward()
            optimiser.step()
            if max(float(p.grad.abs().max()) for p in curve.parameters() if p.grad is not None) < STILL:
                break
        return curve

    return {
        "stochman": spline,
        "stochman-discrete": discrete,
        "stochman-spline-adam": lambda z_a, z_b: shown(direct(CubicSpline(z_a, z_b)), z_a),
        "stochman-discrete-adam": lambda z_a, z_b: shown(direct(DiscreteCurve(z_a, z_b, num_nodes=frames)), z_a),
    }
