"""
Precision, recall, density and coverage: whether generated samples lie near real samples and the reverse, in the features of a judge.

    B(x)        the ball about x whose radius is the distance of the k-th nearest other sample of the same set

    precision   share of generated samples that lie in B(x) for some real x           fidelity
    recall      share of real samples that lie in B(y) for some generated y           variety
    density     mean over generated samples y of (number of real x with y in B(x)) / k
    coverage    share of real samples x whose B(x) contains a generated sample

In precision and recall the large ball of an outlier counts as much as any other. Density counts balls, so it may exceed 1; coverage uses balls of real
samples only, so generated outliers do not raise it. For n real and m generated samples of one law the expected density is 1, and the expected coverage

    1 - (n - 1) ... (n - k) / ((n + m - 1) ... (n + m - k)),   near 1 - 2^-k for m = n

All four depend on the numbers of samples: compare sets of equal size. Balls are closed, as in ``neighbours``.

Source: Kynkaanniemi, Karras, Laine, Lehtinen and Aila (2019), Improved precision and recall metric for assessing generative models, equations 1 and 2;
Naeem, Oh, Uh, Choi and Yoo (2020), Reliable fidelity and diversity metrics for generative models, section 3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.metrics import neighbours
from ridgewalk.metrics.neighbours import inside, radii
from ridgewalk.metrics.samples import refuse_unlike


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """
    Membership of each sample in the balls of the other set, so that a bootstrap can resample.

    Attributes:
        inside_real: (m,) bool, whether each generated sample lies in the ball of a real one.
        inside_fake: (n,) bool, whether each real sample lies in the ball of a generated one.
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
    The balls of real samples and the generated samples in them.

    Attributes:
        counts: (m,) float64, the number of real balls that contain each generated sample, over k.
        covered: (n,) bool, whether the ball of each real sample contains a generated one.
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


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """
    Finds which generated samples lie in balls of real ones and the reverse.

    Args:
        real: (n, f) features of real samples.
        fake: (m, f) features of generated samples, from the same network.
        k: order of the neighbour that sets the radius of a ball, 1 <= k < min(n, m); the source takes 3.
    """
    _check(real, fake)
    of_real, of_fake = radii(real, k), radii(fake, k)
    return PrecisionRecall(inside(fake, real, of_real), inside(real, fake, of_fake))


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> DensityCoverage:
    """
    Counts the balls of real samples that contain each generated one, and finds which balls contain any.

    Args:
        real: (n, f) features of real samples.
        fake: (m, f) features of generated samples, from the same network.
        k: order of the neighbour that sets the radius of a ball, 1 <= k < n; the source takes 5.
    """
    _check(real, fake)
    edges = radii(real, k)
    counts, covered = [], torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for part in fake.split(neighbours.CHUNK):
        within = torch.cdist(part, real, compute_mode="donot_use_mm_for_euclid_dist") <= edges
        counts.append(within.sum(dim=1).double() / k)
        covered |= within.any(dim=0)
    return DensityCoverage(torch.cat(counts), covered)


def _check(real: Tensor, fake: Tensor) -> None:
    refuse_unlike("features", real, fake)
    if real.dtype != fake.dtype or not real.is_floating_point():
        raise ValueError(f"features must be floats of one type; got {real.dtype} and {fake.dtype}: convert one")
