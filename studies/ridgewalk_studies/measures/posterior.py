"""
Is the aggregated posterior the prior? Codes q(z) = E_x q(z | x) of held-out data against draws of p(z), by three tests and two moments.

    sliced Wasserstein   in units of the code, beside what two samples of the prior itself differ by (the floor)
    MMD^2                unbiased, at bandwidths of the prior's draws, beside the same floor
    probe                a discriminator trained afresh on half of both samples; its AUC on the other half: 0.5 where no such network tells them apart
    shift                largest |mean_q - mean_p| / std_p over dimensions
    scale                least and largest std_q / std_p over dimensions

An adversarial autoencoder's own discriminator at chance does not say that q = p: it may be dead. The probe has no part in the game, and the interval of its
AUC is over points that it never saw. Below 0.5 by chance is possible, as is a difference that this probe is too weak for: the three tests stand together.

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
"""Rows of each sample that MMD, which meets all pairs, is computed on."""

STEPS = 1000
"""Training steps of the probe, where no number is given."""

BATCH = 256
"""Rows of each side in one of them, where there are so many."""


@dataclass(frozen=True)
class Match:
    """
    How far codes are from the prior.

    Attributes:
        codes: n, the number of codes, and of draws that they were compared with.
        sliced_wasserstein: between codes and draws.
        sliced_floor: between two samples of the prior.
        mmd: between codes and draws, squared and unbiased: may be negative.
        mmd_floor: between two samples of the prior.
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
        """Whether the probe's interval reaches down to 0.5: it does not tell codes from the prior."""
        return self.probe.low <= 0.5

    def __str__(self) -> str:
        """The figures in a sentence."""
        told = "does not tell" if self.matched else "tells"
        return (
            f"a fresh probe {told} {self.codes} held-out codes from the prior: AUC {self.probe:.2f}; sliced Wasserstein distance "
            f"{self.sliced_wasserstein:.3g} against {self.sliced_floor:.3g} between two samples of the prior, "
            f"MMD^2 {self.mmd:.2g} against {self.mmd_floor:.2g}"
        )


def match(codes: Tensor, draws: Tensor, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> Match:
    """
    Every figure of the head of this module.

    Args:
        codes: (n, d) of held-out data: E(x), or one draw of q(z | x) each; n at least 40.
        draws: (m, d) of the prior, m at least 2 n: the first n are compared with the codes, the next n with the first.
        seed: of directions, of the halves, and of the probe.
        device: that the probe is trained on.
        steps: of its training, to the next whole epoch.

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
    AUC of a discriminator that was trained afresh on half of two samples and is asked about the other half.

    Args:
        codes: (n, d), in units in which they vary by about 1.
        others: (m, d).
        seed: of the halves and of the network.
        device: to train on.
        steps: of training, to the next whole epoch.
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
    """Negatives that are rows of what is given, drawn with repetition."""

    rows: Tensor

    def __call__(self, z: Tensor, noise: Noise) -> Tensor:
        return self.rows.to(z.device)[noise.integers(len(self.rows), len(z))]
