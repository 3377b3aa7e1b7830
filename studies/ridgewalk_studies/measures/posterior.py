"""
Is the aggregated posterior the prior? Codes q(z) = E_x q(z | x) of held-out data against draws of p(z), by three tests and two moments.

    sliced Wasserstein   in units of the code, with the distance of two samples of the prior itself (the floor)
    MMD^2                unbiased, at bandwidths of the prior's draws, with the same floor
    probe                a discriminator trained afresh on half of both samples; its AUC on the other half: 0.5 if no such network distinguishes them
    shift                largest |mean_q - mean_p| / std_p over dimensions
    scale                least and largest std_q / std_p over dimensions

An adversarial autoencoder's own discriminator at chance does not show that q = p: it may be dead. The probe takes no part in the training, and the interval
of its AUC is over points that it never saw. It may lie below 0.5 by chance, and the probe may be too weak for a difference: use all three tests.

Source: Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests; Bonneel et al. (2015); Gretton et al. (2012).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ridgewalk.metrics.calibration import auc_interval
from ridgewalk.metrics.kernels import median_bandwidths, mmd
from ridgewalk.metrics.statistics import Interval
from ridgewalk.metrics.transport import sliced_wasserstein
from ridgewalk.path import chunked
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.training.detectors import SCHEDULE, train_detector
from ridgewalk.training.noise import Noise

PAIRED = 5000
"""Number of rows of each sample for MMD, which needs all pairs."""

STEPS = 1000
"""Default number of training steps of the probe."""

BATCH = 256
"""Largest number of rows of each side in one step."""


@dataclass(frozen=True)
class Match:
    """
    The distance of codes from the prior.

    Attributes:
        codes: The number n of codes, and of the draws in the comparison.
        sliced_wasserstein: Sliced Wasserstein distance between codes and draws.
        sliced_floor: The same between two samples of the prior.
        mmd: Squared, unbiased MMD between codes and draws, which may be negative.
        mmd_floor: The same between two samples of the prior.
        probe: AUC of the fresh discriminator on the half that it was not trained on.
        shift: largest difference of means, in deviations of the prior.
        scale: least and largest ratio of deviations.
    """

    codes: int
    sliced_wasserstein: float
    sliced_floor: float
    mmd: float
    mmd_floor: float
    probe: Interval
    shift: float
    scale: tuple[float, float]

    @property
    def matched(self) -> bool:
        """Whether the probe's interval reaches down to 0.5, so that it does not distinguish codes from the prior."""
        return self.probe.low <= 0.5

    def __str__(self) -> str:
        """Returns the figures in a sentence."""
        result = "does not tell" if self.matched else "tells"
        return (
            f"a fresh probe {result} {self.codes} held-out codes from the prior: AUC {self.probe:.2f}; sliced Wasserstein distance "
            f"{self.sliced_wasserstein:.3g} against {self.sliced_floor:.3g} between two samples of the prior, "
            f"MMD^2 {self.mmd:.2g} against {self.mmd_floor:.2g}"
        )


def match(codes: Tensor, draws: Tensor, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> Match:
    """
    Returns every figure of this module's docstring.

    Args:
        codes: Codes of held-out data, (n, d): E(x), or one draw of q(z | x) each; n at least 40.
        draws: Draws of the prior, (m, d), m at least 2 n: the first n are compared with the codes, the next n with the first.
        seed: Seed of directions, halves and probe.
        device: Device of the probe's training.
        steps: Number of training steps of the probe, rounded up to whole epochs.

    Raises:
        ValueError: if shapes do not fit, points are not finite, or there are too few.
    """
    n = len(codes)
    if codes.dim() != 2 or draws.dim() != 2 or codes.shape[1] != draws.shape[1] or n < 40 or len(draws) < 2 * n:
        raise ValueError(
            "at least 40 codes (n, d) are compared with at least twice as many draws of the prior, (2 n, d); "
            f"got {tuple(codes.shape)} and {tuple(draws.shape)}"
        )
    z, first, second = (v.detach().cpu().double() for v in (codes, draws[:n], draws[n : 2 * n]))
    if not all(bool(v.isfinite().all()) for v in (z, first, second)):
        raise ValueError("codes and draws must be finite; some are not: look at the encoder and at the prior")
    widths = median_bandwidths(first)
    mean, deviation = draws.double().mean(0).cpu(), draws.double().std(0).cpu().clamp_min(1e-12)
    ratio = z.std(0) / deviation
    return Match(
        codes=n,
        sliced_wasserstein=sliced_wasserstein(z, first, seed=seed),
        sliced_floor=sliced_wasserstein(second, first, seed=seed),
        mmd=mmd(z[:PAIRED], first[:PAIRED], widths),
        mmd_floor=mmd(second[:PAIRED], first[:PAIRED], widths),
        probe=network_auc((z - mean) / deviation, (first - mean) / deviation, seed, device, steps),
        shift=float(((z.mean(0) - mean) / deviation).abs().max()),
        scale=(float(ratio.min()), float(ratio.max())),
    )


def network_auc(codes: Tensor, others: Tensor, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> Interval:
    """
    Returns the AUC of a discriminator that is trained afresh on half of two samples, on the other half.

    Args:
        codes: Codes (n, d), in units in which they vary by about 1.
        others: The other sample, (m, d).
        seed: Seed of the halves and of the network.
        device: Device of the training.
        steps: Number of training steps, rounded up to whole epochs.
    """
    halves = []
    for i, points in enumerate((codes, others)):
        rows = torch.cat(
            [points, points.square().mean(dim=1, keepdim=True)], dim=1
        )  # a network alone is slow to learn |z|^2
        order = torch.randperm(
            len(rows), generator=torch.Generator().manual_seed(mixed_seed(seed, Stream.POSTERIOR_ORDER, i))
        )
        halves.append(rows[order].float().tensor_split([len(rows) // 2]))
    (seen, asked), (seen_other, asked_other) = halves
    batch = min(BATCH, len(seen))
    probe = train_detector(
        seen,
        _Rows(seen_other),
        hidden=(128, 128),
        members=1,
        schedule=replace(SCHEDULE, epochs=-(-steps // (len(seen) // batch)), batch=batch, seed=seed),
        device=device,
    )
    logits = chunked(probe, torch.cat([asked, asked_other]))
    return auc_interval(logits, torch.cat([torch.ones(len(asked)), torch.zeros(len(asked_other))]).long())


@dataclass(frozen=True, eq=False)
class _Rows:
    """Negatives that are rows of a given sample, drawn with repetition."""

    rows: Tensor

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        return self.rows.to(z.device)[noise.integers(len(self.rows), len(z))]
