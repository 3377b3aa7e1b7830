"""
Maximum mean discrepancy: a distance between the laws of two samples, from the means of a kernel over pairs of points.

    MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b)

    terms of each point   g_a(i) = mean_{i' != i} k(a_i, a_i') - mean_j k(a_i, b_j),   g_b(j) likewise
    unbiased estimate     MMD^2 = mean_i g_a(i) + mean_j g_b(j)
    standard error        2 sqrt(var g_a / n + var g_b / m)

    kernel distance       k(a, b) = (a . b / f + 1)^3, of features of images
    Gaussian              k(a, b) = mean over h of exp(-|a - b|^2 / 2 h^2), of points

Where the two laws are equal, the expected estimate is 0, and it is negative about as often as positive. The standard error is that of a U-statistic's
first-order terms (the infinitesimal jackknife); these vanish where the laws are equal, and the error is then somewhat too large.

Everything is computed in float64 on the CPU in blocks of rows: 1,024 rows against 5,000 take 41 MB.

Source: Gretton, Borgwardt, Rasch, Schoelkopf and Smola (2012), A kernel two-sample test, lemma 6; Binkowski, Sutherland, Arbel and Gretton (2018),
Demystifying MMD GANs, section 4.
"""

import warnings
from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ridgewalk.metrics.samples import refuse_unlike

CHUNK = 1024
"""Number of rows whose kernel with all other rows is in memory at once."""

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Default bandwidths of the Gaussian kernel, as multiples of the median distance."""

_MEDIAN_ROWS = 2000  # per set: 8 million pairs, 64 MB


class Estimate(NamedTuple):
    """The mean over samples, and its standard error."""

    mean: float
    error: float


def kid(a: Tensor, b: Tensor, subset: int = 1000, subsets: int = 100, seed: int = 0) -> Estimate:
    """
    The mean over random subsets of the unbiased MMD^2 with k(a, b) = (a . b / f + 1)^3, by torchmetrics.

    With features of Inception this is the kernel inception distance; values with other features are not comparable with published ones. Unlike the
    Frechet distance its expectation does not depend on the number of samples. The standard error covers both the samples and the choice of subsets; the
    deviation between subsets would be too small, as they share samples.

    Args:
        a: (n, f) features.
        b: (m, f) features.
        subset: number of rows of each set in a subset, 2 <= subset <= min(n, m).
        subsets: number of subsets, at least 2; the code of the source takes 100 of 1,000 rows.
        seed: seed of the subsets; the state of torch's global generator is restored.
    """
    a, b = _checked("features", a, b)
    if not 2 <= subset <= min(len(a), len(b)) or subsets < 2:
        raise ValueError(
            f"at least 2 subsets of 2 to {min(len(a), len(b))} rows can be drawn from {len(a)} and {len(b)}; "
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
    The unbiased MMD^2 with k(x, y) = mean over h of exp(-|x - y|^2 / 2 h^2).

    Args:
        x: (n, d) points, n > 1; other shapes (n, *) are flattened.
        y: (m, d) points, m > 1.
        bandwidths: h, in units of x. The default, ``median_bandwidths`` of both sets, changes with both: to compare several models on one data set,
            pass the bandwidths of the data.
    """
    x, y = _checked("points", *(s.flatten(1) if s.dim() > 2 else s for s in (x, y)))
    return sum(float(g.mean()) for g in _witness(_gaussian(_bandwidths(bandwidths, x, y)), x, y))


def median_bandwidths(*sets: Tensor, scales: Sequence[float] = SCALES) -> tuple[float, ...]:
    """
    Multiples of the median of |x - x'| over all pairs of points in the union of ``sets``.

    Args:
        sets: (n, d) points each; a set of more than 2,000 rows is represented by at most 2,000 at equal steps.
        scales: multiples of the median distance.

    Source: Gretton et al. (2012), section 8, with one scale.
    """
    taken = [s.detach().flatten(1).cpu().double() for s in sets]
    pool = torch.cat([s[:: -(-len(s) // _MEDIAN_ROWS)] for s in taken])
    median = float(torch.pdist(pool).median()) if len(pool) > 1 else 0.0
    if not median > 0:
        raise ValueError(
            f"the median distance of {len(pool)} points is {median:g}, so they have no scale; pass bandwidths"
        )
    return tuple(scale * median for scale in scales)


def _bandwidths(given: Sequence[float] | None, x: Tensor, y: Tensor) -> tuple[float, ...]:
    h = median_bandwidths(x, y) if given is None else tuple(given)
    if not h or not all(0 < one < float("inf") for one in h):
        raise ValueError(f"bandwidths must be positive and at least one; got {h}: omit them to take the default")
    return h


def _gaussian(bandwidths: Sequence[float]) -> Callable[[Tensor, Tensor], Tensor]:
    def kernel(x: Tensor, y: Tensor) -> Tensor:
        squares = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
        return torch.stack([(squares / (-2 * h**2)).exp() for h in bandwidths]).mean(dim=0)

    return kernel


def _witness(kernel: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The terms g_a (n,) and g_b (m,) of the module's formula."""
    return _witness_at(kernel, a, b), _witness_at(kernel, b, a)


def _witness_at(kernel: Callable[[Tensor, Tensor], Tensor], own: Tensor, other: Tensor) -> Tensor:
    parts, start = [], 0
    for part in own.split(CHUNK):
        within = kernel(part, own)
        itself = within.diagonal(
            start
        )  # row i of this part is row start + i of its set, which forms no pair with itself
        parts.append((within.sum(dim=1) - itself) / (len(own) - 1) - kernel(part, other).mean(dim=1))
        start += len(part)
    return torch.cat(parts)


def _error(g_a: Tensor, g_b: Tensor) -> float:
    return 2 * sqrt(float(g_a.var() / len(g_a) + g_b.var() / len(g_b)))


def _checked(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets in float64 on the CPU, after checks."""
    refuse_unlike(name, a, b)
    return a.detach().cpu().double(), b.detach().cpu().double()
