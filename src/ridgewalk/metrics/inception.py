"""
Scores by a classifier's probabilities, and the one network that the names of published figures belong to.

    inception score   exp(mean_i KL(p(. | x_i) || p(.))),   p(.) = mean_i p(. | x_i)

is 1 where every image gets the same probabilities, and the number of classes where each is sure and the classes are even. It knows no real images.

"FID", "KID" and "inception score" without more are those of one network: Inception of 2015-12-05, as torch-fidelity converted it from TensorFlow. With any
other network say which: a judge's Frechet distance is no FID.

Source: Salimans et al. (2016), Improved techniques for training GANs, section 4; Heusel et al. (2017) for the network's features; Obukhov et al.
(2020), torch-fidelity.
"""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from ridgewalk.path import chunked


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


class PublishedInception(nn.Module):
    """
    Features and class probabilities of images by the network that FID, KID and the inception score are defined by.

    Images (n, c, h, w) in [0, 1], grey or RGB, are rounded to 256 levels, as if they were stored; the network itself resizes them to 299 x 299.

    Args:
        network: uint8 images (n, 3, h, w) -> (features (n, 2048), logits without bias (n, 1008)): torch-fidelity's extractor.
        batch: images at once.
    """

    def __init__(self, network: nn.Module, batch: int = 64) -> None:
        super().__init__()
        self.network, self.batch = network.requires_grad_(False), batch
        self.eval()

    def features(self, images: Tensor) -> Tensor:
        """Images -> (n, 2048), what ``frechet`` and ``kid`` of this network compare."""
        return chunked(lambda x: self.network(_stored(x))[0], images, chunk=self.batch)

    def probabilities(self, images: Tensor) -> Tensor:
        """Images -> (n, 1008), for ``inception_score``; of the logits without bias, as published."""
        return chunked(lambda x: self.network(_stored(x))[1].softmax(dim=1), images, chunk=self.batch)

    def forward(self, images: Tensor) -> Tensor:
        """The features."""
        return self.features(images)


def published_inception(device: torch.device | str = "cpu") -> PublishedInception:
    """
    The published network, from weights that are already on this machine: nothing is downloaded.

    Args:
        device: to put it on.

    Raises:
        ValueError: if torch-fidelity cannot be imported, or the file that it names is not in torch.hub's cache.
    """
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as published
    except ImportError as missing:
        raise ValueError(
            f"the published Inception network is read by torch-fidelity, which cannot be imported ({missing}); "
            f"pip install torch-fidelity, or use the Frechet distance of another network under its own name"
        ) from missing
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(published.URL_INCEPTION_V3).path).name
    if not file.is_file():
        raise ValueError(
            f"the published Inception weights must be at {file}, and are not; put {published.URL_INCEPTION_V3} there, or "
            f"set TORCH_HOME to the folder whose hub/checkpoints has them: nothing is downloaded unasked"
        )
    network = published.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(file)
    )
    return PublishedInception(network.to(device))


def _stored(images: Tensor) -> Tensor:
    """As 8-bit RGB."""
    if images.dim() != 4 or images.shape[1] not in (1, 3) or not images.is_floating_point():
        raise ValueError(
            f"images must be floats (n, 1 or 3, h, w) in [0, 1]; got {images.dtype} {tuple(images.shape)}: "
            f"scale them, or show other channels as RGB"
        )
    return (images.clamp(0, 1) * 255).round().byte().expand(-1, 3, -1, -1)
