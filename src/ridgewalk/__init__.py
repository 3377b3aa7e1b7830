"""ridgewalk walks the latent spaces of generative models without falling off the data."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ridgewalk.energies import DensityRatio, SoftRatio
    from ridgewalk.finders import GraphPath, Lerp, ScoreGuidedWalk, Slerp, StringMethod
    from ridgewalk.path import Path
    from ridgewalk.store.run import load
    from ridgewalk.training.detectors import train_detector

__all__ = [
    "DensityRatio",
    "GraphPath",
    "Lerp",
    "Path",
    "ScoreGuidedWalk",
    "Slerp",
    "SoftRatio",
    "StringMethod",
    "__version__",
    "load",
    "train_detector",
]

_ELSEWHERE = {
    "DensityRatio": "ridgewalk.energies",
    "SoftRatio": "ridgewalk.energies",
    "Path": "ridgewalk.path",
    "load": "ridgewalk.store.run",
    "train_detector": "ridgewalk.training.detectors",
}


def __getattr__(name: str) -> Any:
    # a name is imported on first use, so that `ridgewalk --help` does not import torch
    if name == "paths":  # the name of ridgewalk.finders before version 0.2
        return import_module("ridgewalk.finders")
    if name not in __all__:
        raise AttributeError(f"module 'ridgewalk' has no attribute '{name}'")
    return getattr(import_module(_ELSEWHERE.get(name, "ridgewalk.finders")), name)
