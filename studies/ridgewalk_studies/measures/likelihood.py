"""
The likelihood protocol of Goodfellow et al. (2014) and Makhzani et al. (2015): the images that choose sigma, the measured images, and the score of real images.

    sigma    chosen on the first 1,000 images of the train part's last sixth (of MNIST: places 50,000 .. 51,000), which no model is trained on
    test     every image of the test part
    oracle   the first 10,000 images that models are trained on, in place of samples: on MNIST 243 nats (Goodfellow et al. 2014)

Models that score higher than the oracle are not more real than real images: see ``measures.parzen``.
"""

import torch
from torch import Tensor

from ridgewalk.data import ImageData, part
from ridgewalk.training.devices import resolve_device
from ridgewalk_studies.measures.parzen import GRID, Parzen, parzen_likelihood

VALIDATION = 1000
"""Number of images that choose sigma."""

SAMPLES = 10_000
"""Default number of samples."""


def likelihood(
    samples: Tensor, data: ImageData, grid: tuple[float, ...] = GRID, device: str = "cpu", points: int | None = None
) -> Parzen:
    """
    Returns the Parzen log-likelihood of the test part under samples of a model.

    Args:
        samples: Samples (n, c, h, w) in [0, 1] of a model that was trained on the role ``model`` alone.
        data: The images of all roles.
        grid: Values of sigma to choose from, in growing order.
        device: Device of the computation in float64, which "mps" lacks.
        points: Number of first test images to measure, for smoke runs; the protocol measures all.

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
    """Returns the same with the first ``count`` real images of the role ``model`` as samples."""
    images = part(data, "model")
    return likelihood(images.floats(torch.arange(min(count, len(images)))), data, device=device, points=points)
