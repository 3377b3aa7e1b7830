"""
Inception score of class probabilities, and the published network of the scores called FID and IS.

    score = exp( mean over samples of KL(p(y | x) || p(y)) ),    p(y) the mean of p(y | x)

1 where every sample is alike to the classifier, and the number of classes where each is certain and all are met. Of another network than the
published one it is that network's score, and is to be called so.

Source: Salimans et al. (2016), section 4; the published weights are those of Heusel et al. (2017).
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""The file that torch-fidelity keeps them in."""


def inception_score(probabilities: Tensor, splits: int = 10) -> tuple[float, float]:
    """
    Mean and standard deviation of the score over splits of the samples, in their order.

    Args:
        probabilities: (n, c), each row of sum 1.
        splits: parts of equal size, at most n.
    """
    p = probabilities.double()
    if p.dim() != 2 or not bool((p >= 0).all()) or not bool(((p.sum(1) - 1).abs() < 1e-3).all()):
        raise ValueError(f"class probabilities must be (n, c) with rows of sum 1; got {tuple(probabilities.shape)}")
    if not 1 <= splits <= len(p):
        raise ValueError(f"splits must be between 1 and the {len(p)} samples; got {splits}")
    scores = []
    for part in p.tensor_split(splits):
        mean = part.mean(0, keepdim=True)
        terms = torch.where(part > 0, part * (part.clamp_min(1e-300).log() - mean.clamp_min(1e-300).log()), 0.0)
        scores.append(terms.sum(1).mean().exp())
    found = torch.stack(scores)
    return float(found.mean()), float(found.std()) if splits > 1 else 0.0


def published_inception(device: str = "cpu") -> nn.Module:
    """
    The Inception network with the published weights, by torch-fidelity: uint8 images (n, 3, h, w) -> features (n, 2048) and logits.

    Only with it may a Frechet distance be called FID. Nothing is downloaded: the weights must be in torch.hub's folder already.

    Raises:
        ValueError: if torch-fidelity or its weights are not there; says what to do.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ValueError(
            "the published Inception network needs torch-fidelity, which needs torchvision: pip install torch-fidelity"
        ) from error
    file = folder / WEIGHTS
    if not file.is_file():
        raise ValueError(
            f"no published Inception weights at {file}: download {WEIGHTS} from torch-fidelity's releases into that folder"
        )
    network: Any = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(file))
    return network.to(device).eval()
