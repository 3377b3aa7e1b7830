"""
Maximum mean discrepancy: how far apart two samples are, through the mean of a kernel over pairs of points.

    MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b)

    at each point        g_a(i) = mean_{i' != i} k(a_i, a_i') - mean_j k(a_i, b_j),   g_b(j) likewise
    without bias         MMD^2 = mean_i g_a(i) + mean_j g_b(j)
    standard error       2 sqrt(var g_a / n + var g_b / m)

    kernel distance      k(a, b) = (a . b / f + 1)^3, of features of images
    Gaussian             k(a, b) = mean over h of exp(-|a - b|^2 / 2 h^2), of points

Both are 0 in the mean, and about as often negative as positive, where the two laws are one. The standard error is that of a U-statistic's first-order
terms (the infinitesimal jackknife); where the laws are one those terms vanish, and it is somewhat too large.

Everything is computed in float64 on the CPU, some rows at once: 1,024 rows against 5,000 take 41 MB.

Source: Gretton, Borgwardt, Rasch, Schoelkopf and Smola (2012), A kernel two-sample test, lemma 6; Binkowski, Sutherland, Arbel and Gretton (2018),
Demystifying MMD GANs, section 4.
"""

import warnings
from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn

CHUNK = 1024
"""Rows whose kernel with all others is held at once."""

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Bandwidths of the Gaussian kernel where none are given, in median distances."""

_MEDIAN_ROWS = 2000  # of each set: 8 million pairs, 64 MB


class Estimate(NamedTuple):
    """
    A mean over samples.

    Attributes:
        mean: the estimate.
        error: its standard error.
    """

    mean: float
    error: float


def kid(a: Tensor, b: Tensor, subset: int = 1000, subsets: int = 100, seed: int = 0) -> Estimate:
    """
    Mean over subsets of the unbiased MMD^2 with k(a, b) = (a . b / f + 1)^3, by torchmetrics.

    Over Inception's features this is the kernel inception distance; over a judge's features it is not comparable with published ones. In the mean it
    does not depend on the number of samples, as a Frechet distance does.

    The standard error is that of n and m samples, and of the choice of subsets. The deviation between subsets alone would not do: they share samples,
    and where each holds all of them there is none.

    Args:
        a: (n, f).
        b: (m, f).
        subset: rows of each set in a subset, 2 <= subset <= min(n, m).
        subsets: how many, at least 2.
        seed: of their choice. The global generator is left as it was.

    Raises:
        ValueError: if features do not fit, are not finite, or are fewer than a subset.

    Source: Binkowski et al. (2018), section 4; its published code takes 100 subsets of 1,000.
    """
    a, b = _checked("features", a, b)
    if not 2 <= subset <= min(len(a), len(b)) or subsets < 2:
        raise ValueError(
            f"at least 2 subsets of 2 to {min(len(a), len(b))} rows can be taken of {len(a)} and {len(b)}; "
            f"got {subsets} of {subset}: take a smaller subset or more images"
        )
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will save all extracted features", category=UserWarning)
        distance = KernelInceptionDistance(feature=nn.Identity(), subsets=subsets, subset_size=subset)
    distance.update(a, real=True)
    distance.update(b, real=False)
    with torch.random.fork_rng(devices=[]):  # torchmetrics draws from the CPU's generator
        torch.default_generator.manual_seed(seed)
        mean, deviation = distance.compute()
    chosen = float(deviation) / sqrt(subsets - 1)
    f = a.shape[1]
    return Estimate(float(mean), sqrt(_error(*_witness(lambda x, y: (x @ y.T / f + 1) ** 3, a, b)) ** 2 + chosen**2))


def mmd(x: Tensor, y: Tensor, bandwidths: Sequence[float] | None = None) -> float:
    """
    The unbiased MMD^2 with k(x, y) = mean over h of exp(-|x - y|^2 / 2 h^2): 0 in the mean where the laws are one.

    Args:
        x: (n, d) points, n > 1; or (n, *), flattened.
        y: (m, d), m > 1.
        bandwidths: h. By default those of the two sets together (``median_bandwidths``), which move with both: to compare several models with one
            set of data, give them all the bandwidths of the data.

    Raises:
        ValueError: if shapes do not fit, points are not finite, or a bandwidth is not positive.

    Source: Gretton et al. (2012), lemma 6.
    """
    x, y = _checked("points", *(s.flatten(1) if s.dim() > 2 else s for s in (x, y)))
    return sum(float(g.mean()) for g in _witness(_gaussian(_bandwidths(bandwidths, x, y)), x, y))


def median_bandwidths(*sets: Tensor, scales: Sequence[float] = SCALES) -> tuple[float, ...]:
    """
    Scale x median of |x - x'| over pairs of different points of the sets together, for each scale.

    Args:
        sets: (n, d) each. Of more than 2,000 rows of a set, up to 2,000 at equal steps stand for all.
        scales: in median distances.

    Raises:
        ValueError: if at least half of the distances are 0, so that there is no scale.

    Source: Gretton et al. (2012), section 8, with one scale.
    """
    taken = [s.detach().flatten(1).cpu().double() for s in sets]
    pool = torch.cat([s[:: -(-len(s) // _MEDIAN_ROWS)] for s in taken])
    median = float(torch.pdist(pool).median()) if len(pool) > 1 else 0.0
    if not median > 0:
        raise ValueError(
            f"the median distance of {len(pool)} points is {median:g}, so they have no scale; give bandwidths"
        )
    return tuple(scale * median for scale in scales)


def _bandwidths(given: Sequence[float] | None, x: Tensor, y: Tensor) -> tuple[float, ...]:
    h = median_bandwidths(x, y) if given is None else tuple(given)
    if not h or not all(0 < one < float("inf") for one in h):
        raise ValueError(f"bandwidths must be positive and at least one; got {h}: leave them out for the median's")
    return h


def _gaussian(bandwidths: Sequence[float]) -> Callable[[Tensor, Tensor], Tensor]:
    def kernel(x: Tensor, y: Tensor) -> Tensor:
        squares = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
        return torch.stack([(squares / (-2 * h**2)).exp() for h in bandwidths]).mean(dim=0)

    return kernel


def _witness(kernel: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The terms g_a (n,) and g_b (m,) that the head of this module defines."""
    return _witness_at(kernel, a, b), _witness_at(kernel, b, a)


def _witness_at(kernel: Callable[[Tensor, Tensor], Tensor], own: Tensor, other: Tensor) -> Tensor:
    parts, start = [], 0
    for part in own.split(CHUNK):
        within = kernel(part, own)
        itself = within.diagonal(start)  # row i of this part is row start + i of its set: no pair with itself
        parts.append((within.sum(dim=1) - itself) / (len(own) - 1) - kernel(part, other).mean(dim=1))
        start += len(part)
    return torch.cat(parts)


def _error(g_a: Tensor, g_b: Tensor) -> float:
    return 2 * sqrt(float(g_a.var() / len(g_a) + g_b.var() / len(g_b)))


def _checked(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets in float64 on the CPU, once they are (n, f) and (m, f) and finite."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"{name} must be (n, f) and (m, f) with at least 2 rows each; got {tuple(a.shape)}, {tuple(b.shape)}"
        )
    for which, rows in (("first", a), ("second", b)):
        if not bool(rows.isfinite().all()):
            raise ValueError(f"{name} must be finite; some of the {which} set are not: look at what made them")
    return a.detach().cpu().double(), b.detach().cpu().double()
