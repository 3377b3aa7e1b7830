"""
Samples against a density that is known.

    KL(model || p)   from samples of the model alone: by cells of a grid in the plane, by nearest neighbours in more dimensions
    mode weights     which share of samples lies near each mode, and which near none
    bits / dim       of a log-likelihood in nats

Sources: Wang, Kulkarni and Verdu (2009), equation 5, for the nearest neighbours; Miller (1955) for the bias of the cells.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from scipy.spatial import cKDTree
from scipy.stats import chi
from torch import Tensor

CELLS = 100
"""Of the grid, a side."""

NEAR = 0.9973
"""Share of a mode's own draws that count as near it: three deviations in one dimension."""


class Mixture(Protocol):
    """What is asked of a mixture of Gaussians."""

    @property
    def means(self) -> Tensor:
        """(m, d)."""
        ...

    @property
    def weights(self) -> Tensor:
        """(m,), of sum 1."""
        ...

    @property
    def covariances(self) -> Tensor:
        """(m, d, d)."""
        ...

    @property
    def dims(self) -> int:
        """D."""
        ...

    def log_prob(self, x: Tensor) -> Tensor:
        """(n, d) -> (n,)."""
        ...

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Points and components."""
        ...


def kl_of_samples(samples: Tensor, density: Mixture, seed: int = 0) -> float:
    """KL(model || density): by cells in the plane, by nearest neighbours to as many draws of the density in other dimensions."""
    if samples.shape[1] == 2:
        return kl_by_cells(samples, density.log_prob)
    return kl_by_neighbours(samples, density.sample(len(samples), torch.Generator().manual_seed(seed))[0])


def kl_by_cells(
    samples: Tensor, log_density: Callable[[Tensor], Tensor], half: float = 4.0, cells: int = CELLS
) -> float:
    """
    Sum over cells of q log(q / p), q the share of samples in a cell and p its mass under the density; what lies outside of the square is one more.

    Samples of the density itself give a floor of about (occupied cells - 1) / 2n: quote it beside. Structure finer than a cell is not seen.

    Args:
        samples: (n, 2).
        log_density: (n, 2) -> (n,), normalised.
        half: half the side of the square round 0.
        cells: a side; each cell's mass is a mean over 5 x 5 points.
    """
    if samples.dim() != 2 or samples.shape[1] != 2 or not bool(samples.isfinite().all()):
        raise ValueError(f"cells are of finite points (n, 2); got {tuple(samples.shape)}")
    side, fine = 2 * half / cells, 5
    line = (torch.arange(cells * fine, dtype=torch.float64) + 0.5) * side / fine - half
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    dense = log_density(grid).exp().view(cells, fine, cells, fine).mean((1, 3)) * side**2
    place = ((samples.double() + half) / side).floor().long()
    within = ((place >= 0) & (place < cells)).all(1)
    counts = torch.zeros(cells * cells, dtype=torch.float64)
    flat = place[within, 0] * cells + place[within, 1]
    counts.index_add_(0, flat, torch.ones(len(flat), dtype=torch.float64))
    q = torch.cat([counts, (~within).sum().double()[None]]) / len(samples)
    p = torch.cat([dense.flatten(), (1 - dense.sum()).clamp_min(0)[None]]).clamp_min(1e-12)
    seen = q > 0
    return float((q[seen] * (q[seen] / p[seen]).log()).sum())


def kl_by_neighbours(x: Tensor, y: Tensor, k: int = 5) -> float:
    """
    KL(p_x || p_y) ~ d / n sum_i log(nu_i / rho_i) + log(m / (n - 1)), rho_i and nu_i the distances of x_i to its k-th neighbour in x and in y.

    Args:
        x: (n, d), n > k.
        y: (m, d), m >= k.
        k: which neighbour.
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1] or len(x) <= k or len(y) < k or k < 1:
        raise ValueError(
            f"points (n, d) and (m, d), more than k = {k} of each, are needed; got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    a, b = x.double().numpy(), y.double().numpy()
    rho = torch.as_tensor(cKDTree(a).query(a, k=[k + 1])[0][:, 0]).clamp_min(
        1e-300
    )  # the first neighbour is the point itself
    nu = torch.as_tensor(cKDTree(b).query(a, k=[k])[0][:, 0]).clamp_min(1e-300)
    return x.shape[1] * float((nu / rho).log().mean()) + math.log(len(y) / (len(x) - 1))


@dataclass(frozen=True, eq=False)
class Modes:
    """
    Shares of samples by mode.

    Attributes:
        shares: (m,), of the samples that are near a mode, by the mode that is nearest in its own deviations.
        error: the largest difference from the mixture's weights.
        outside: share of samples further from every mode than 99.73 % of its own draws.
    """

    shares: Tensor
    error: float
    outside: float


def mode_weights(samples: Tensor, mixture: Mixture) -> Modes:
    """Which mode each sample (n, d) belongs to, by Mahalanobis distance, and which belong to none."""
    x = samples.double()
    lower = torch.linalg.cholesky(mixture.covariances.double())
    distances = torch.stack(
        [
            torch.linalg.solve_triangular(root, (x - mean).T, upper=False).norm(dim=0)
            for root, mean in zip(lower, mixture.means.double())
        ],
        1,
    )
    near, which = distances.min(1)
    inside = near <= float(chi.ppf(NEAR, mixture.dims))
    shares = torch.bincount(which[inside], minlength=len(mixture.means)).double() / max(int(inside.sum()), 1)
    error = float((shares - mixture.weights.double()).abs().max())
    return Modes(shares, error, float((~inside).double().mean()))


def bits_per_dim(log_likelihood: Tensor, dims: int, offset: float = 0.0) -> Tensor:
    """
    -log p / (d ln 2) + offset.

    Args:
        log_likelihood: (n,), in nats.
        dims: d.
        offset: bits a dimension that the data's scale adds: 8 for densities of images of 256 levels on [0, 1], 7 on [-1, 1].
    """
    if dims < 1:
        raise ValueError(f"bits are shared by at least one dimension; got {dims}")
    return -log_likelihood / (dims * math.log(2)) + offset
