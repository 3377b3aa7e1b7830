"""
The likelihood protocol of Goodfellow et al. (2014) and Makhzani et al. (2015): which images choose sigma, which are measured, and what real images score.

    sigma    chosen on the first 1,000 images of the train part's last sixth (of MNIST: 50,000 .. 51,000), which no model is trained on
    test     every image of the test part
    oracle   the first 10,000 images that models are trained on, in place of samples: on MNIST 243 nats (Goodfellow et al. 2014)

Models that reach beyond the oracle are not more real than real images: see ``measures.parzen``.
"""

import torch
from torch import Tensor

from ridgewalk.data import ImageData, part
from ridgewalk.training.devices import resolve_device
from ridgewalk_studies.measures.parzen import GRID, Parzen, parzen_likelihood

VALIDATION = 1000
"""Images that choose sigma."""

SAMPLES = 10_000
"""Samples, where no other number is said."""


def likelihood(
    samples: Tensor, data: ImageData, grid: tuple[float, ...] = GRID, device: str = "cpu", points: int | None = None
) -> Parzen:
    """
    The Parzen log-likelihood of the test part under samples of a model.

    Args:
        samples: (n, c, h, w) in [0, 1], of a model that was trained on the role ``model`` alone.
        data: the images.
        grid: of sigma.
        device: to compute on, in float64: mps has none.
        points: measure the first test images only; a smoke run's figure, not the protocol's.

    Raises:
        ValueError: if samples have another shape than the images, lie outside [0, 1], or as ``parzen_likelihood``.
    """
    if samples.dim() != 4 or tuple(samples.shape[1:]) != data.shape:
        raise ValueError(f"samples must be shaped as the images, (n, *{data.shape}); got {tuple(samples.shape)}")
    if samples.is_floating_point() and len(samples) and not (float(samples.min()) >= 0 and float(samples.max()) <= 1):
        raise ValueError(
            f"the protocol is of pixels in [0, 1]; samples lie in {float(samples.min()):.3g} .. {float(samples.max()):.3g}"
        )
    chosen_on = part(data, "judge_b")
    validation = chosen_on.floats(torch.arange(min(VALIDATION, len(chosen_on))))
    test = data.test.floats(torch.arange(min(points or len(data.test), len(data.test))))
    where = resolve_device(device)
    return parzen_likelihood(samples.to(where), validation.to(where), test.to(where), grid)


def oracle(data: ImageData, count: int = SAMPLES, device: str = "cpu", points: int | None = None) -> Parzen:
    """The same with the first ``count`` real images of the role ``model`` as samples."""
    images = part(data, "model")
    return likelihood(images.floats(torch.arange(min(count, len(images)))), data, device=device, points=points)
