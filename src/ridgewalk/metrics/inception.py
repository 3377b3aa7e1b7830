"""
The inception score: it rises with a classifier's certainty for each image and with the evenness of the classes.

    inception score   exp(mean_i KL(p(. | x_i) || p(.))),   p(.) = mean_i p(. | x_i)

The score is 1 where all images get the same probabilities, and the number of classes where each image is certain and the classes are equally frequent. It
does not compare with real images. Scores are comparable only between images judged by one network; published values use Inception of 2015-12-05.

Source: Salimans et al. (2016), Improved techniques for training GANs, section 4.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class InceptionScore(NamedTuple):
    """
    The inception score over splits of the images.

    Attributes:
        mean: mean over the splits.
        std: standard deviation between splits, as publications report it; it is not the standard error of the mean.
    """

    mean: float
    std: float


def inception_score(probabilities: Tensor, splits: int = 10) -> InceptionScore:
    """
    Mean and standard deviation over splits of exp(mean_i KL(p(. | x_i) || mean_i p(. | x_i))).

    The score rises with the size of a split: compare sets of equal size. Split s has the rows s, s + splits, ..., so that images sorted by class have every
    class in each split; the source takes consecutive blocks.

    Args:
        probabilities: (n, c) class probabilities.
        splits: number of splits, 1 <= splits <= n; the source takes 10.
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
