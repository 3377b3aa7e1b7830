"""
What a path is worth, pair by pair: pure functions of frames (b, k, *), of what a judge says of them, and of nodes. Each returns (b,).

The interior frames 1, ..., k - 2 are judged; the ends are given, and count for nothing.
"""

import torch
from torch import Tensor

from ridgewalk import polyline


def precision(inside: Tensor) -> Tensor:
    """Share of the interior frames that a judge calls real: bool (b, k - 2) -> (b,)."""
    return inside.double().mean(dim=1)


def wholly_real(inside: Tensor) -> Tensor:
    """1 where every interior frame is real, otherwise 0: bool (b, k - 2) -> (b,)."""
    return inside.all(dim=1).double()


def image_length(frames: Tensor) -> Tensor:
    """L = sum_i |x_{i+1} - x_i|: (b, k, *) -> (b,)."""
    return polyline.segments(frames).sum(dim=1)


def curve_energy(frames: Tensor) -> Tensor:
    """(k - 1) sum_i |x_{i+1} - x_i|^2: at least L^2, and equal to it at even spacing: (b, k, *) -> (b,)."""
    return (frames.shape[1] - 1) * polyline.segments(frames).square().sum(dim=1)


def relative_length(frames: Tensor, baseline: Tensor) -> Tensor:
    """Image length over that of the baseline's frames for the same pairs."""
    return image_length(frames) / image_length(baseline)


def largest_step(frames: Tensor) -> Tensor:
    """max_i |x_{i+1} - x_i| / |x_{k-1} - x_0|; infinite where the end frames are equal and any step is not 0."""
    between = (frames[:, -1] - frames[:, 0]).flatten(1).norm(dim=1)
    return polyline.segments(frames).amax(dim=1) / between


def step_evenness(frames: Tensor) -> Tensor:
    """Largest step over the mean step: 1 for even steps; nan where nothing moves."""
    steps = polyline.segments(frames)
    return steps.amax(dim=1) / steps.mean(dim=1)


def mean_confidence(probabilities: Tensor) -> Tensor:
    """Mean over interior frames of the largest class probability: (b, k, classes) -> (b,)."""
    return probabilities[:, 1:-1].amax(dim=2).mean(dim=1)


def worst_confidence(probabilities: Tensor) -> Tensor:
    """Smallest over interior frames of the largest class probability: (b, k, classes) -> (b,)."""
    return probabilities[:, 1:-1].amax(dim=2).amin(dim=1)


def third_class_mass(probabilities: Tensor, labels_a: Tensor, labels_b: Tensor) -> Tensor:
    """Mean over interior frames of 1 - P(A) - P(B), or 1 - P(A) where A = B: (b, k, classes), (b,), (b,) -> (b,)."""
    of_a, of_b = _of_class(probabilities, labels_a), _of_class(probabilities, labels_b)
    known = torch.where((labels_a == labels_b)[:, None], of_a, of_a + of_b)
    return 1 - known[:, 1:-1].mean(dim=1)


def monotonicity(probabilities: Tensor, labels_a: Tensor, labels_b: Tensor) -> Tensor:
    """
    How much of the change of s = P(B) - P(A) along the path goes the right way: sum of rises / (sum of rises + sum of falls).

    1 for a path that only ever moves from A towards B, whatever its pace; nan where s does not change (A = B).
    """
    s = _of_class(probabilities, labels_b) - _of_class(probabilities, labels_a)
    change = s[:, 1:] - s[:, :-1]
    return change.clamp_min(0).sum(dim=1) / change.abs().sum(dim=1)


def end_error(nodes: Tensor, z_a: Tensor, z_b: Tensor) -> Tensor:
    """max(|nodes_0 - z_a|, |nodes_{k-1} - z_b|): (b, k, *), (b, *), (b, *) -> (b,)."""
    return torch.maximum((nodes[:, 0] - z_a).flatten(1).norm(dim=1), (nodes[:, -1] - z_b).flatten(1).norm(dim=1))


def _of_class(probabilities: Tensor, labels: Tensor) -> Tensor:
    return probabilities.gather(2, labels[:, None, None].expand(-1, probabilities.shape[1], 1)).squeeze(2)
