"""
Comparison of samples of a model, with law q, to a known density p.

    p in the plane   KL(q || p) = sum over cells of the model's share x log(share / probability of the cell), in nats
    p a mixture      mean responsibility of each component, compared with its weight

The divergence over cells is above 0 even for samples of p: report it together with the value for equally many samples of p.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.path import chunked

LogDensity = Callable[[Tensor], Tensor]
"""Maps points (n, d) to log p (n,)."""

_NODES = 4  # nodes of the Gauss-Legendre rule along a side of a cell: exact for polynomials of degree 7
_CELLS = 2**14  # cells or samples in one block


def kl_by_cells(samples: Tensor, log_density: LogDensity, width: float) -> float:
    """
    KL(q || p) in the plane: sum_c s_c log(s_c / P_c), with s_c the share of samples in cell c and P_c = int_c p.

    Cells are squares of side ``width`` that tile the plane with a corner at the origin; only cells with samples contribute. P_c is integrated by the
    Gauss-Legendre rule with 4 x 4 nodes, so ``width`` should be at most about twice the smallest standard deviation of p.

    Differences of q and p within a cell are not seen, which lowers the estimate. The finite number n of samples raises it by about
    (cells with samples - 1) / 2 n, its floor for samples of p, and by half as much again where many cells lie in thin tails.

    Args:
        samples: (n, 2) samples of q.
        log_density: normalised log p.
        width: side of a cell, in units of the samples.

    Source: the plug-in estimate; its bias as in Miller (1955), Note on the bias of information estimates.
    """
    x = _checked(samples)
    if x.shape[1] != 2 or not (width > 0 and math.isfinite(width)):
        raise ValueError(
            f"a histogram takes points of the plane (n, 2) and cells of a positive width; got {tuple(x.shape)} and {width:g}"
        )
    cells, counts = (x / width).floor().unique(dim=0, return_counts=True)
    shares = counts.double() / len(x)
    log_mass = chunked(lambda c: _log_mass(c, log_density, width), cells, chunk=_CELLS)
    return float((shares * (shares.log() - log_mass)).sum())


@dataclass(frozen=True, eq=False)
class Modes:
    """
    The distribution of samples over the modes of a mixture.

    Attributes:
        shares: (m,) mean responsibility of each component; for samples of the mixture its expectation is the weight, even where components overlap.
        weights: (m,) true weights.
        nearest: (n,) int64, the mode to which each sample has the least distance in standard deviations, or -1 where it is near none.
    """

    shares: Tensor
    weights: Tensor
    nearest: Tensor

    @property
    def error(self) -> float:
        """max_k |share - weight|."""
        return float((self.shares - self.weights).abs().max())

    @property
    def outside(self) -> float:
        """The share of samples that are near no mode."""
        return float((self.nearest < 0).double().mean())

    @property
    def found(self) -> int:
        """The number of modes that have a sample near them."""
        return len(self.nearest[self.nearest >= 0].unique())


def mode_weights(samples: Tensor, mixture: GaussianMixture, radius: float | None = None) -> Modes:
    """
    share_k = mean_i r_k(x_i); x is near k if |U_k^T (x - mu_k) / v_k^(1/2)| <= radius.

    Args:
        samples: (n, d) samples.
        mixture: the mixture whose components are the modes.
        radius: in standard deviations of a component along its axes. By default the ball of this radius has the mass 1 - exp(-9/2) = 0.989, as a disc of 3
            deviations has in the plane: 3 in 2 dimensions, 9.6 in 64. About 1 in 90 samples of the mixture is then outside.

    Source: Srivastava et al. (2017), VEEGAN, which counts modes and samples within 3 deviations of a mode.
    """
    x = _of_mixture(samples, mixture)
    exact = mixture.to(torch.float64, x.device)
    reach = _radius(exact.dims) if radius is None else radius
    if not reach > 0:
        raise ValueError(f"a radius is a positive number of deviations; got {reach:g}: leave it out for the default")
    distance, nearest = chunked(lambda part: _deviations(part, exact), x, chunk=_CELLS).min(dim=1)
    return Modes(exact.responsibilities(x).mean(dim=0), exact.weights, nearest.masked_fill(distance > reach, -1))


def _checked(samples: Tensor) -> Tensor:
    """The samples in float64, after checks."""
    if samples.dim() != 2 or 0 in samples.shape or not samples.is_floating_point():
        raise ValueError(f"samples must be floats (n, d); got {samples.dtype} {tuple(samples.shape)}: flatten them")
    if not bool(samples.isfinite().all()):
        broken = int((~samples.isfinite().all(dim=1)).sum())
        raise ValueError(
            f"samples must be finite; {broken} of {len(samples)} are not: check the sampler, or drop them and report how many"
        )
    return samples.detach().double()


def _of_mixture(samples: Tensor, mixture: GaussianMixture) -> Tensor:
    x = _checked(samples)
    if x.shape[1] != mixture.dims:
        raise ValueError(
            f"samples must be (n, {mixture.dims}), as the mixture; got {tuple(x.shape)}: take its own data"
        )
    return x


def _at(log_density: LogDensity, x: Tensor) -> Tensor:
    """Log p (n,) at points (n, d), after checks."""
    with torch.no_grad():
        values = log_density(x)
    if values.shape != x.shape[:1] or bool(values.isnan().any()):
        raise ValueError(
            f"a log density maps ({len(x)}, {x.shape[1]}) to ({len(x)},), without NaN; it returned "
            f"{tuple(values.shape)} with {int(values.isnan().sum())} NaN: check the density"
        )
    return values.double()


def _log_mass(cells: Tensor, log_density: LogDensity, width: float) -> Tensor:
    """Log of the integral of p over [c width, (c + 1) width]^2 for cells c (n, 2), by the Gauss-Legendre rule: (n,)."""
    import numpy as np

    nodes, weights = (torch.from_numpy(v).to(cells) for v in np.polynomial.legendre.leggauss(_NODES))  # on [-1, 1]
    log_weights = torch.cartesian_prod(weights, weights).log().sum(dim=1) + 2 * math.log(width / 2)
    points = (cells[:, None] + (torch.cartesian_prod(nodes, nodes) + 1) / 2) * width
    log_p = _at(log_density, points.flatten(0, 1)).view(len(cells), -1)
    return torch.logsumexp(log_p + log_weights, dim=1)


def _radius(dims: int) -> float:
    """Radius of the ball that has the mass 1 - exp(-9/2) under N(0, I) in ``dims`` dimensions."""
    from scipy.special import chdtri  # P(chi^2_d > v) = q -> v

    return math.sqrt(float(chdtri(dims, math.exp(-4.5))))


def _deviations(x: Tensor, mixture: GaussianMixture) -> Tensor:
    """|U_k^T (x_i - mu_k) / v_k^(1/2)|: (n, m)."""
    found = []
    for k in range(len(mixture)):  # for all components at once the memory would be (n, m, d)
        away = x - mixture.means[k]
        along = away if mixture.axes is None else away @ mixture.axes[k]
        found.append((along / mixture.variances[k].sqrt()).norm(dim=1))
    return torch.stack(found, dim=1)
