"""
Precision, recall, density and coverage: whether generated samples lie near real ones and real ones near generated ones, in a judge's features.

    B(x)        the ball about x out to the k-th nearest other of its own set

    precision   share of the generated in B(x) of some real x             fidelity
    recall      share of the real in B(y) of some generated y             variety
    density     mean over the generated of (number of real x with y in B(x)) / k
    coverage    share of the real x whose B(x) holds some generated y

Precision and recall call an outlier's ball as good as any; density counts balls, so that it may exceed 1, and coverage has balls of real images alone,
so that generated outliers do not widen it. For two samples of one law with n real and m generated, density is 1 in the mean, and coverage

    1 - (n - 1) ... (n - k) / ((n + m - 1) ... (n + m - k)),   near 1 - 2^-k for m = n

All depend on the numbers of samples: compare sets of one size. A ball's edge belongs to it, as in ``neighbours``.

Source: Kynkaanniemi, Karras, Laine, Lehtinen and Aila (2019), Improved precision and recall metric for assessing generative models, equations 1 and 2;
Naeem, Oh, Uh, Choi and Yoo (2020), Reliable fidelity and diversity metrics for generative models, section 3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.metrics.neighbours import CHUNK, inside, radii


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """
    Membership, sample by sample, so that a bootstrap can draw samples.

    Attributes:
        inside_real: (m,) bool, of each generated sample: it lies in a real one's ball.
        inside_fake: (n,) bool, of each real sample: it lies in a generated one's ball.
    """

    inside_real: Tensor
    inside_fake: Tensor

    @property
    def precision(self) -> float:
        """The mean of ``inside_real``."""
        return float(self.inside_real.double().mean())

    @property
    def recall(self) -> float:
        """The mean of ``inside_fake``."""
        return float(self.inside_fake.double().mean())


@dataclass(frozen=True, eq=False)
class DensityCoverage:
    """
    Balls of real samples, counted.

    Attributes:
        counts: (m,) float64, of each generated sample: the number of real balls that it lies in, over k.
        covered: (n,) bool, of each real sample: its ball holds a generated one.
    """

    counts: Tensor
    covered: Tensor

    @property
    def density(self) -> float:
        """The mean of ``counts``."""
        return float(self.counts.mean())

    @property
    def coverage(self) -> float:
        """The mean of ``covered``."""
        return float(self.covered.double().mean())


def precision_recall(real: Tensor, fake: Tensor, k: int = 3, chunk: int = CHUNK) -> PrecisionRecall:
    """
    Whether each generated sample is in a real one's ball, and each real one in a generated one's.

    Args:
        real: (n, f) features.
        fake: (m, f).
        k: which neighbour is a ball's edge, 1 <= k < min(n, m).
        chunk: rows whose distances to all others are held at once.

    Raises:
        ValueError: if features do not fit or are not finite, or k is not less than n and m.

    Source: Kynkaanniemi et al. (2019), equations 1 and 2; their k is 3.
    """
    _check(real, fake)
    of_real, of_fake = radii(real, k, chunk), radii(fake, k, chunk)
    return PrecisionRecall(inside(fake, real, of_real, chunk=chunk), inside(real, fake, of_fake, chunk=chunk))


def density_coverage(real: Tensor, fake: Tensor, k: int = 5, chunk: int = CHUNK) -> DensityCoverage:
    """
    How many real balls hold each generated sample, and which of them hold any.

    Args:
        real: (n, f) features.
        fake: (m, f).
        k: which neighbour is a ball's edge, 1 <= k < n.
        chunk: rows whose distances to all others are held at once.

    Raises:
        ValueError: if features do not fit or are not finite, or k is not less than n.

    Source: Naeem et al. (2020), section 3; their k is 5.
    """
    _check(real, fake)
    edges = radii(real, k, chunk)
    counts, covered = [], torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for part in fake.split(chunk):
        within = torch.cdist(part, real, compute_mode="donot_use_mm_for_euclid_dist") <= edges
        counts.append(within.sum(dim=1).double() / k)
        covered |= within.any(dim=0)
    return DensityCoverage(torch.cat(counts), covered)


def _check(real: Tensor, fake: Tensor) -> None:
    if real.dim() != 2 or fake.dim() != 2 or real.shape[1] != fake.shape[1] or 0 in (len(real), len(fake)):
        raise ValueError(
            f"features must be (n, f) of real and (m, f) of generated samples; "
            f"got {tuple(real.shape)} and {tuple(fake.shape)}: take both from one network"
        )
    if real.dtype != fake.dtype or not real.is_floating_point():
        raise ValueError(f"features must be floats of one type; got {real.dtype} and {fake.dtype}: convert one")
    for name, f in (("real", real), ("generated", fake)):
        if not bool(f.isfinite().all()):
            raise ValueError(f"features must be finite; some of the {name} are not: look at the images and the network")
