"""
The statistics of batch normalisation, for networks that are trained on other images than those that they read afterwards.

While a network is trained, a layer uses each batch's own statistics, and keeps running averages for later (Ioffe and Szegedy 2015). Where the encoder was
trained on noisy, masked or turned images, those averages are of such images, and of clean ones every unit is off by a little: of clusters, whose shares a
discriminator holds equal in training, some take twice their share and others none. So they are estimated anew once the weights stand, on the images that the
network will read ("precise" batch normalisation, Wu and Johnson 2021, section 3).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn

from ridgewalk.data.images import to_floats

ROWS = 500
"""Images in a batch."""


def settle(model: nn.Module, images: Tensor) -> None:
    """
    Sets the running means and variances of a model's batch normalisation to those of these images, and leaves its weights as they are.

    The variances are means over batches of about ``ROWS``, each normalised by its own statistics in the layers below. Without such a layer nothing is done.

    Args:
        model: network whose ``forward`` reads images, on any device.
        images: uint8 or float (n, c, h, w), n at least 2.
    """
    if not _layers([model]):
        return
    if len(images) < 2:
        raise ValueError(f"batch normalisation needs at least 2 images to take a variance of; got {len(images)}")
    where = next(model.parameters()).device

    def batches() -> Iterator[Tensor]:
        for x in images.tensor_split(ceil(len(images) / ROWS)):
            yield to_floats(x.to(where))

    modes = [(m, m.training) for m in model.modules()]  # a model's own need not be its networks'
    with torch.no_grad():
        update_bn(batches(), model)
    for module, training in modes:
        module.training = training


@contextmanager
def batch_statistics(networks: Iterable[nn.Module]) -> Iterator[None]:
    """
    Lets batch normalisation use each batch's own statistics, as in training, and leave its running ones alone, while networks are measured in training.

    Args:
        networks: otherwise in whichever mode they are; put back on leaving.
    """
    layers = _layers(networks)
    before = [(m, m.training, m.track_running_stats) for m in layers]
    try:
        for m in layers:
            m.training, m.track_running_stats = True, False
        yield
    finally:
        for m, training, tracked in before:
            m.training, m.track_running_stats = training, tracked


def _layers(networks: Iterable[nn.Module]) -> list[_BatchNorm]:
    return [m for n in networks for m in n.modules() if isinstance(m, _BatchNorm)]
