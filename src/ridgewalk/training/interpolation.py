"""
Training an interpolation network I on pairs of latents.

    reprojection   |I - E(G(I))|^2 + lambda |I - lerp|^2        as first proposed; lambda = 0 is minimised by any constant fixed point of E(G(.))
    energies       (1 / L) int E(I) ds / E_0 + w C / C_0        any energy over the arc length of the decoded path, and its curve energy C
    distilled      mean_i |I(t_i) - s_i|^2 / D_0                paths s that a search found for the same pairs

with E_0, C_0 and D_0 what straight lines pay on the same pairs, so that each term is 1 for LERP and weighs alike on every model.

Which pairs and times a step sees is the ``Pairing``. A batch of n points is

    one      n pairs at one time each; a pair always comes with the time that was drawn for it once
    many     n / m pairs at m times each, drawn anew

and pairs come from a list drawn once (``fixed``), or each code of the batch gets a partner drawn anew from the whole pool (``fresh``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ridgewalk import polyline
from ridgewalk.protocols import Energy
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss, OneOptimiser


@dataclass(frozen=True, eq=False)
class Pairing:
    """
    Pairs and times for a batch.

    Attributes:
        pool: (N, *) latents.
        fresh: partners drawn anew at every step, from the whole pool; otherwise each latent has one partner, drawn once.
        times: m, the number of times at which the network is evaluated for each pair in a step.
        redrawn: times drawn anew; otherwise each latent's pair has one time, drawn once (then m = 1).
        seed: seed of the partners and times that are drawn once.
    """

    pool: Tensor
    fresh: bool = True
    times: int = 1
    redrawn: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.pool) < 2 or not self.pool.isfinite().all():
            raise ValueError(
                f"a pool needs at least 2 latents, all finite; got {len(self.pool)}"
                + ("" if self.pool.isfinite().all() else ", some not finite: look at the encoder and its input")
            )
        if self.times < 1 or (not self.redrawn and self.times != 1):
            raise ValueError(f"times must be at least 1, and exactly 1 if times are drawn once; got {self.times}")

    def data(self) -> list[Tensor]:
        """What the training loop batches: each latent's index, its one partner's, and its one time."""
        n = len(self.pool)
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, Stream.PARTNERS))
        partner = (torch.arange(n) + torch.randint(1, n, (n,), generator=generator)) % n
        return [torch.arange(n), partner, torch.rand(n, generator=generator)]

    def draw(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """Ends (n', *) each and times (n' m,) of a batch of ``data``'s rows; n' = n / m pairs, their times side by side."""
        index, partner, once = batch
        n = len(index) // self.times
        if n == 0:
            raise ValueError(
                f"a batch of {len(index)} points holds no pair with {self.times} times; use a larger batch"
            )
        index, partner = index[:n], partner[:n]
        if self.fresh:
            shift = 1 + noise.integers(len(self.pool) - 1, n)
            partner = (index + shift) % len(self.pool)
        t = noise.uniform(n * self.times) if self.redrawn else once[:n].to(noise.device)
        pool = self.pool.to(index.device)
        return pool[index], pool[partner], t


class OfInterpolator(OneOptimiser):
    """An objective of an interpolation network."""

    optimiser: ClassVar[str] = "interpolation"
    network: nn.Module

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"interpolator": self.network}


@dataclass(eq=False)
class Reprojection(OfInterpolator):
    """
    The interpolation network's first loss, |I - E(G(I))|^2 + lambda |I - lerp|^2, means over points of sums over dimensions.

    Args:
        network: (n, *), (n, *), (n,) -> (n, *).
        project: E(G(.)) of the frozen model, which maps latents (n, *) to latents (n, *).
        pairing: how pairs and times are drawn.
        attraction: weight lambda, a number, or a function of the step that anneals it.
    """

    network: nn.Module
    project: Callable[[Tensor], Tensor]
    pairing: Pairing
    attraction: float | Callable[[int], float] = 0.1

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """Both terms, and how the outputs vary between pairs."""
        z_a, z_b, t = self.pairing.draw(batch, noise)
        m = len(t) // len(z_a)
        a, b = z_a.repeat_interleave(m, dim=0), z_b.repeat_interleave(m, dim=0)
        z = self.network(a, b, t)
        line = torch.lerp(a, b, t.view(-1, *(1,) * (a.dim() - 1)))
        again = (z - self.project(z)).flatten(1).square().sum(dim=1).mean()
        away = (z - line).flatten(1).square().sum(dim=1).mean()
        weight = self.attraction(noise.step) if callable(self.attraction) else self.attraction
        return again + weight * away, {"reprojection": again, "attraction": away, "variety": variety(z, line)}


@dataclass(eq=False)
class PathEnergy(OfInterpolator):
    """
    An energy along whole paths, a mean over the arc length of the images that they decode to, and the curve energy of these.

    A mean over nodes could fall without a change of the curves, by nodes that crowd together where the energy is low.

    Args:
        network: interpolation network with exact or with learned ends.
        energy: energy of latents, (n, *) to (n,).
        decode: latents to images (n, *).
        pairing: its ``times`` are the path's interior nodes, put at equal distances; at least 2.
        curve: weight w of the curve energy; 0 for none.
    """

    network: nn.Module
    energy: Energy
    decode: Callable[[Tensor], Tensor]
    pairing: Pairing
    curve: float = 1.0

    def __post_init__(self) -> None:
        if self.pairing.times < 2 or not 0 <= self.curve < float("inf"):
            raise ValueError(
                f"path energies need a pairing with times >= 2 and curve >= 0, finite; got {self.pairing.times}, {self.curve}"
            )

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """The energies of both terms over those of straight lines."""
        z_a, z_b, _ = self.pairing.draw(batch, noise)
        m, n = self.pairing.times, len(z_a)
        t = torch.linspace(0, 1, m + 2, device=z_a.device, dtype=z_a.dtype)[1:-1].repeat(n)
        a, b = z_a.repeat_interleave(m, dim=0), z_b.repeat_interleave(m, dim=0)
        z = self.network(a, b, t)
        line = torch.lerp(a, b, t.view(-1, *(1,) * (a.dim() - 1)))
        with torch.no_grad():
            ends = torch.cat([z_a, z_b])
            x, u = self.decode(ends).flatten(1), self.energy(ends)
            base, straight = self._terms(line, x, u)
        along, bent = self._terms(z, x, u)
        along, bent = along / base.abs().clamp_min(1e-8), bent / straight.clamp_min(1e-8)
        return along + self.curve * bent, {"energy": along, "curve": bent, "variety": variety(z, line)}

    def _terms(self, inner: Tensor, x_ends: Tensor, u_ends: Tensor) -> tuple[Tensor, Tensor]:
        """
        The mean energy and the curve energy (k - 1) sum_i |x_{i+1} - x_i|^2, means over n curves.

        Args:
            inner: (n m, *) interior nodes.
            x_ends: (2 n, d) decoded ends, first ones before last ones.
            u_ends: (2 n,) energies of the ends.
        """
        x, u = (_between(v, e) for v, e in ((self.decode(inner).flatten(1), x_ends), (self.energy(inner), u_ends)))
        squares = x.diff(dim=1).square().sum(dim=2)
        lengths = squares.clamp_min(torch.finfo(squares.dtype).tiny).sqrt()  # sqrt has no derivative at 0
        return polyline.mean_along(u, lengths).mean(), squares.shape[1] * squares.sum(dim=1).mean()


@dataclass(eq=False)
class Distilled(OfInterpolator):
    """
    Regression on paths that were searched once: mean |I(s_0, s_{k-1}, t_i) - s_i|^2 / mean |lerp - s_i|^2, t_i = i / (k - 1).

    No model is evaluated during the training: its cost is the search before it, and the passes of the network itself.

    Args:
        network: interpolation network with exact or with learned ends.
        solutions: (N, k, *) paths of N pairs, nodes at equal times; k >= 3.
        times: m, how many interior nodes of each path a step sees, drawn anew with replacement.
    """

    network: nn.Module
    solutions: Tensor
    times: int = 8

    def __post_init__(self) -> None:
        if self.solutions.dim() < 3 or self.solutions.shape[1] < 3 or not self.solutions.isfinite().all():
            raise ValueError(
                f"solutions must be paths (N, k, *) with k >= 3, all finite; got {tuple(self.solutions.shape)}"
                + ("" if self.solutions.isfinite().all() else ", some not finite: look at the energy of the search")
            )
        if self.times < 1:
            raise ValueError(f"times must be at least 1; got {self.times}")

    def data(self) -> list[Tensor]:
        """What the training loop batches: each path."""
        return [self.solutions]

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """The squared distance over that of straight lines."""
        (paths,) = batch
        n, k, m = len(paths), paths.shape[1], self.times
        node = 1 + noise.integers(k - 2, n * m)
        row = torch.arange(n, device=paths.device).repeat_interleave(m)
        a, b, wanted = paths[row, 0], paths[row, -1], paths[row, node]
        t = (node / (k - 1)).to(paths.dtype)
        z = self.network(a, b, t)
        line = torch.lerp(a, b, t.view(-1, *(1,) * (a.dim() - 1)))
        tiny = torch.finfo(paths.dtype).tiny  # where the search left the lines as they were
        away = (z - wanted).square().mean() / (line - wanted).square().mean().clamp_min(tiny)
        return away, {"distance": away, "variety": variety(z, line)}


def variety(z: Tensor, line: Tensor) -> Tensor:
    """How points vary between pairs, over how straight lines' do: mean deviation along each dimension; 0 for one point for all."""
    own, straight = z.detach().flatten(1), line.detach().flatten(1)
    return own.std(dim=0).mean() / straight.std(dim=0).mean().clamp_min(torch.finfo(straight.dtype).tiny)


def _between(inner: Tensor, ends: Tensor) -> Tensor:
    """Values (n, m + 2, *) at all nodes of n curves, from those at interior nodes (n m, *) and at first and last ends (2 n, *)."""
    first, last = ends.chunk(2)
    return torch.cat([first[:, None], inner.unflatten(0, (len(first), -1)), last[:, None]], dim=1)
