"""
Do samples lie where real data do, and are all real data met?

    precision   share of samples inside a k-NN ball of a real datum
    recall      share of real data inside a k-NN ball of a sample
    density     1 / k  mean over samples of the number of real balls that hold them
    coverage    share of real data whose own ball holds a sample

Sources: Kynkaanniemi et al. (2019); Naeem, Oh, Uh, Choi and Yoo (2020), equations 4 and 5.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.metrics.neighbours import CHUNK, inside, radii


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """
    Row by row, so that intervals can be made.

    Attributes:
        inside_real: bool (n,), of each sample.
        inside_fake: bool (m,), of each real datum.
    """

    inside_real: Tensor
    inside_fake: Tensor

    @property
    def precision(self) -> float:
        """Share of samples."""
        return float(self.inside_real.double().mean())

    @property
    def recall(self) -> float:
        """Share of real data."""
        return float(self.inside_fake.double().mean())


@dataclass(frozen=True, eq=False)
class DensityCoverage:
    """
    Row by row.

    Attributes:
        counts: (n,), of each sample the number of real balls that hold it, over k.
        covered: bool (m,), of each real datum.
    """

    counts: Tensor
    covered: Tensor

    @property
    def density(self) -> float:
        """Mean over samples; about 1 for real data, and not bounded by it."""
        return float(self.counts.double().mean())

    @property
    def coverage(self) -> float:
        """Share of real data."""
        return float(self.covered.double().mean())


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """
    Precision and recall by k-NN balls.

    Args:
        real: (m, f) features.
        fake: (n, f) features of samples. Compare sets of one size: balls shrink as there are more.
        k: which neighbour; 3 by the source.

    Raises:
        ValueError: if there are not more than k rows of each, or shapes disagree.
    """
    _check(real, fake)
    return PrecisionRecall(inside(fake, real, radii(real, k)), inside(real, fake, radii(fake, k)))


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> DensityCoverage:
    """
    Density and coverage by k-NN balls of real data alone.

    Args:
        real: (m, f) features.
        fake: (n, f) features of samples.
        k: which neighbour; 5 by the source.

    Raises:
        ValueError: if there are not more than k real rows, or shapes disagree.
    """
    _check(real, fake)
    own, counts = radii(real, k), []
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for part in fake.split(CHUNK):
        held = torch.cdist(part, real, compute_mode="donot_use_mm_for_euclid_dist") <= own
        counts.append(held.sum(dim=1) / k)
        covered |= held.any(dim=0)
    return DensityCoverage(torch.cat(counts), covered)


def _check(real: Tensor, fake: Tensor) -> None:
    if real.dim() != 2 or fake.dim() != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"features must be (m, f) and (n, f); got {tuple(real.shape)} and {tuple(fake.shape)}")
