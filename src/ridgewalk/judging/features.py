"""
Features of the user's own, such as those of a pretrained network, in which judges look for neighbours in place of their classifiers'.

They are a module, or any other map, in Python; on the command line a TorchScript file (``torchscript``).
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ridgewalk.callables import evaluate_copy
from ridgewalk.energies.combine import freeze
from ridgewalk.judging.torchscript import last_line, read_torchscript
from ridgewalk.models.classifiers import Classifier

WANTED = "--features takes a network as TorchScript, which maps images (n, c, h, w) in [0, 1] to features (n, f)"
"""What ``--features`` takes, for its refusals."""


class _Features(nn.Module):
    def __init__(self, features: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.map = freeze(features) if isinstance(features, nn.Module) else features

    def forward(self, x: Tensor) -> Tensor:
        found = evaluate_copy(self.map, x, "features")
        return found.float() if isinstance(found, Tensor) and found.dtype in (torch.float16, torch.bfloat16) else found


def wrap_features(features: Callable[[Tensor], Tensor], sample: Tensor, name: str = "") -> Classifier:
    """
    The features as the body of a classifier whose head is not trained, after they were tried on a few images.

    Args:
        features: maps images (n, c, h, w) in [0, 1] to (n, f), floats. A module is copied, and the copy used in evaluation mode.
        sample: a few images (n, c, h, w).
        name: where the features come from, for errors.

    Raises:
        ValueError: where the features cannot be computed, are not (n, f), or are not finite.
    """
    where = describe_source(name)
    wanted = f"expected a map of images (n, {', '.join(map(str, sample.shape[1:]))}) in [0, 1] to floats (n, f)"
    own = _Features(features)
    try:
        with torch.no_grad():
            found = own(sample)
    except Exception as error:  # whatever the user's code does
        raise ValueError(f"{where} cannot be computed ({last_line(error)}); {wanted}") from error
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(sample):
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"{where} of {len(sample)} images are {shape}; {wanted}")
    if not found.is_floating_point():
        raise ValueError(f"{where} are {found.dtype}; {wanted}")
    if not bool(found.isfinite().all()):
        raise ValueError(f"{where} are not finite; {wanted}")
    return Classifier(own, found.shape[1], 2).eval().requires_grad_(False)


def read_features(file: Path, sample: Tensor) -> nn.Module:
    """
    The network of a TorchScript file, after it was tried on a few images.

    Raises:
        ValueError: for a file that is missing, damaged or no TorchScript, and as ``wrap_features``.
    """
    network, _ = read_torchscript(file, WANTED)
    return wrap_features(network, sample, str(file)).body


def describe_source(name: str) -> str:
    """The features in words, such as "the features of FILE"."""
    return f"the features of {name}" if name else "the given features"
