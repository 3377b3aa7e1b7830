r"""
Measures of paths from their frames, class probabilities and judgements; each returns one value for each pair.

Frames x are decoded images (b, k, \*) with pixels in [0, 1], and x_1 and x_k are the decoded ends; distances are Euclidean over all pixels. Class
probabilities P are (b, k, classes); ``labels_a`` and ``labels_b``, int64 (b,), are the classes A and B of the ends. Judgements and confidence cover interior
frames, 1 < i < k; steps and monotonicity include the ends.
"""

import torch
from torch import Tensor

from ridgewalk import polyline
from ridgewalk.path import chunked


def interior(x: Tensor) -> Tensor:
    """x_2 ... x_{k-1}, the frames without the ends: (b, k, *) -> (b, k - 2, *), for k >= 3."""
    if x.dim() < 2 or x.shape[1] < 3:
        raise ValueError(f"a path with interior frames has (b, k, *) with k >= 3; got {tuple(x.shape)}")
    return x[:, 1:-1]


def image_length(frames: Tensor) -> Tensor:
    """
    L = sum_i |x_{i+1} - x_i|: (b, k, *) -> (b,), in pixel units.

    Source: Shao, Kumar and Fletcher (2018), The Riemannian geometry of deep generative models, the discrete arc length.
    """
    return _steps(frames).sum(dim=1)


def curve_energy(frames: Tensor) -> Tensor:
    """
    E = (k - 1) sum_i |x_{i+1} - x_i|^2: (b, k, *) -> (b,), in squared pixel units; E >= L^2, with equality for even steps.

    Source: Shao, Kumar and Fletcher (2018), the discrete energy with time step 1 / (k - 1), without the factor 1/2.
    """
    steps = _steps(frames)
    return steps.shape[1] * steps.square().sum(dim=1)


def largest_step(frames: Tensor) -> Tensor:
    """
    max_i |x_{i+1} - x_i| / |x_k - x_1|: (b, k, *) -> (b,); its minimum, 1 / (k - 1), is reached by a straight line with even steps.

    Where the ends are equal it is inf if the path moves and NaN if it does not.

    Source: Berthelot, Raffel, Roy and Goodfellow (2019), Understanding and improving interpolation in autoencoders via an adversarial regularizer: their
    smoothness without the term - 1 / (k - 1), and of pixels instead of angles.
    """
    steps = _steps(frames)
    return steps.amax(dim=1) / (frames[:, -1] - frames[:, 0]).flatten(1).norm(dim=1)


def step_evenness(frames: Tensor) -> Tensor:
    """max_i s_i / mean_i s_i with s_i = |x_{i+1} - x_i|: (b, k, *) -> (b,), from 1 (even steps) to k - 1 (one jump); NaN where nothing moves."""
    steps = _steps(frames)
    return steps.amax(dim=1) / steps.mean(dim=1)


def relative_length(frames: Tensor, baseline: Tensor) -> Tensor:
    """
    L(frames) / L(baseline), where the baseline is LERP on the same pairs: (b, k, *), (b, k', *) -> (b,).

    Where the baseline does not move the result is inf, or NaN if ``frames`` do not move either.
    """
    if frames.shape[:1] != baseline.shape[:1] or frames.shape[2:] != baseline.shape[2:]:
        raise ValueError(
            f"frames (b, k, *) and baseline (b, k', *) must be of the same pairs and images; "
            f"got {tuple(frames.shape)} and {tuple(baseline.shape)}"
        )
    return image_length(frames) / image_length(baseline)


def end_error(nodes: Tensor, z_a: Tensor, z_b: Tensor) -> Tensor:
    """max(|z_1 - z_a|, |z_k - z_b|), the larger distance of a path's ends from the requested ones: (b, k, *), (b, *), (b, *) -> (b,)."""
    ends = (nodes.shape[0], *nodes.shape[2:])
    if z_a.shape != ends or z_b.shape != ends:
        raise ValueError(
            f"nodes {tuple(nodes.shape)} have ends of shape {ends}; got z_a {tuple(z_a.shape)}, z_b {tuple(z_b.shape)}"
        )
    misses = [(nodes[:, i] - z).flatten(1).norm(dim=1) for i, z in ((0, z_a), (-1, z_b))]
    return torch.maximum(*misses)


def precision(inside: Tensor) -> Tensor:
    """mean_i inside_i, the share of interior frames that lie near real images: bool (b, k - 2) -> (b,)."""
    return _judged(inside).float().mean(dim=1)


def share_real(real: Tensor) -> Tensor:
    """mean_i r_i, the share of interior frames that a judge takes for real: r (b, k - 2) of 0 and 1, or NaN where it cannot tell -> (b,)."""
    return _graded(real).mean(dim=1)


def wholly_real(real: Tensor) -> Tensor:
    """min_i r_i, 1 where a judge takes every interior frame for real and 0 otherwise: r (b, k - 2) as in ``share_real`` -> (b,)."""
    return _graded(real).amin(dim=1)


def mean_confidence(probabilities: Tensor) -> Tensor:
    """mean_i max_c P_i(c) over interior frames: (b, k, classes) -> (b,)."""
    return interior(_probable(probabilities)).amax(dim=2).mean(dim=1)


def worst_confidence(probabilities: Tensor) -> Tensor:
    """min_i max_c P_i(c) over interior frames: (b, k, classes) -> (b,)."""
    return interior(_probable(probabilities)).amax(dim=2).amin(dim=1)


def third_class_mass(probabilities: Tensor, labels_a: Tensor, labels_b: Tensor) -> Tensor:
    """mean_i [1 - P_i(A) - P_i(B)] over interior frames, or mean_i [1 - P_i(A)] where A = B: (b,)."""
    a, b = _classes(probabilities, labels_a, labels_b)
    others = probabilities.scatter(2, a, 0).scatter(2, b, 0)  # summed, not subtracted from 1: never below 0
    return interior(others).sum(dim=2).mean(dim=1)


def monotonicity(probabilities: Tensor, labels_a: Tensor, labels_b: Tensor) -> Tensor:
    """
    1 - sum_i max(0, m_i - m_{i+1}) / sum_i |m_{i+1} - m_i| with m_i = P_i(B) - P_i(A), over all k frames: (b,).

    This is the share of the total variation of m that leads from A to B: 1 if m never decreases or does not change, 0 if it never increases, and 1/2 if
    every change is undone. A share of steps would give the rounding errors of constant stretches the same weight as the transition.
    """
    a, b = _classes(probabilities, labels_a, labels_b)
    change = (probabilities.gather(2, b) - probabilities.gather(2, a))[..., 0].diff(dim=1)
    decrease, variation = (-change).clamp_min(0).sum(dim=1), change.abs().sum(dim=1)
    return 1 - torch.where(variation == 0, torch.zeros_like(variation), decrease / variation)


def _steps(frames: Tensor) -> Tensor:
    """|x_{i+1} - x_i|: (b, k, *) -> (b, k - 1), computed for a few pairs at a time to save memory."""
    if frames.dim() < 3 or frames.shape[1] < 2 or not frames.is_floating_point():
        raise ValueError(
            f"frames must be floating (b, k, *) with k >= 2, pixels in [0, 1]; got {frames.dtype} {tuple(frames.shape)}"
        )
    return chunked(polyline.segments, frames)


def _judged(inside: Tensor) -> Tensor:
    if inside.dim() != 2 or inside.shape[1] < 1 or inside.dtype != torch.bool:
        raise ValueError(
            f"judgements of interior frames are bool (b, k - 2) with k >= 3; got {inside.dtype} {tuple(inside.shape)}"
        )
    return inside


def _graded(real: Tensor) -> Tensor:
    if real.dim() != 2 or real.shape[1] < 1 or not real.is_floating_point():
        raise ValueError(
            f"a judge's grades of interior frames are floating (b, k - 2) with k >= 3; got {real.dtype} {tuple(real.shape)}"
        )
    return real


def _probable(probabilities: Tensor) -> Tensor:
    if probabilities.dim() != 3:
        raise ValueError(f"probabilities must have shape (b, k, classes); got {tuple(probabilities.shape)}")
    off = (probabilities.sum(dim=2) - 1).abs() > 1e-2  # loose for half precision; logits are caught
    if off.any() or (probabilities < 0).any():
        raise ValueError("each frame's probabilities must be at least 0 and sum to 1; take the softmax of logits first")
    return probabilities


def _classes(probabilities: Tensor, labels_a: Tensor, labels_b: Tensor) -> tuple[Tensor, Tensor]:
    """The labels as indices along the classes, (b,) each -> (b, k, 1) each, after checks."""
    b, k, classes = _probable(probabilities).shape
    for name, labels in (("labels_a", labels_a), ("labels_b", labels_b)):
        if labels.shape != (b,) or labels.is_floating_point():
            raise ValueError(
                f"{name} must be integers ({b},), one for each pair; got {labels.dtype} {tuple(labels.shape)}"
            )
        if b and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise ValueError(
                f"{name} must be classes 0 to {classes - 1}; got {int(labels.min())} to {int(labels.max())}: "
                f"unlabelled pairs have no class to measure"
            )
    first, second = (labels.long().view(b, 1, 1).expand(b, k, 1) for labels in (labels_a, labels_b))
    return first, second
