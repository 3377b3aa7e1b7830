"""
The inception score: how sure a classifier is of each image, and how even the classes are.

    inception score   exp(mean_i KL(p(. | x_i) || p(.))),   p(.) = mean_i p(. | x_i)

The score is 1 where every image gets the same probabilities, and the number of classes where each image is certain and the classes are equally frequent.
It does not compare with real images.

Published values are those of one network, Inception of 2015-12-05. A score by another network is comparable only with scores by the same network.

Source: Salimans et al. (2016), Improved techniques for training GANs, section 4.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class InceptionScore(NamedTuple):
    """
    Over splits.

    Attributes:
        mean: over the splits.
        std: between them, as publications give it: of a score of n / splits images, and no standard error of the mean.
    """

    mean: float
    std: float


def inception_score(probabilities: Tensor, splits: int = 10) -> InceptionScore:
    """
    Mean and deviation over splits of exp(mean_i KL(p(. | x_i) || mean_i p(. | x_i))).

    It rises with the size of a split: compare sets of one size. Split s has the rows s, s + splits, ...: of images in random order they are as good as
    the source's consecutive blocks, and of images sorted by class each still has every class.

    Args:
        probabilities: (n, c), rows that sum to 1.
        splits: how many, 1 <= splits <= n; the deviation of one is 0.

    Raises:
        ValueError: if rows are no probabilities, or fewer than splits.

    Source: Salimans et al. (2016), section 4; their code takes 10 splits, and the deviation with the divisor splits.
    """
    if probabilities.dim() != 2 or not 1 <= splits <= len(probabilities):
        raise ValueError(
            f"probabilities must be (n, c) with n at least the number of splits; got {tuple(probabilities.shape)} and "
            f"{splits} splits: take fewer, at least 1"
        )
    p = probabilities.detach().cpu().double()
    totals = p.sum(dim=1)
    if not bool((p >= 0).all() & ((totals - 1).abs() < 1e-3).all()):  # NaN is refused too
        raise ValueError(
            f"each row must be probabilities, at least 0 with the sum 1; got a least of {float(p.min()):g} and sums from "
            f"{float(totals.min()):g} to {float(totals.max()):g}: apply softmax to logits"
        )
    scores = []
    for start in range(splits):
        part = p[start::splits]
        marginal = part.mean(dim=0)
        divergence = torch.special.xlogy(part, part) - torch.special.xlogy(part, marginal)  # 0 log 0 = 0
        scores.append(divergence.sum(dim=1).mean().exp())
    each = torch.stack(scores)
    return InceptionScore(float(each.mean()), float(each.std(correction=0)))
