"""ridgewalk walks the latent spaces of generative models without falling off the data."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ridgewalk.energies import DensityRatio, SoftRatio
    from ridgewalk.finders import GraphPath, Lerp, ScoreGuidedWalk, Slerp, StringMethod
    from ridgewalk.path import Path
    from ridgewalk.store.run import load
    from ridgewalk.training.detectors import train_detector

_HOMES = {
    "DensityRatio": "ridgewalk.energies",
    "GraphPath": "ridgewalk.finders",
    "Lerp": "ridgewalk.finders",
    "Path": "ridgewalk.path",
    "ScoreGuidedWalk": "ridgewalk.finders",
    "Slerp": "ridgewalk.finders",
    "SoftRatio": "ridgewalk.energies",
    "StringMethod": "ridgewalk.finders",
    "load": "ridgewalk.store.run",
    "train_detector": "ridgewalk.training.detectors",
}

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


def __getattr__(name: str) -> Any:
    # names are fetched when they are first used, so that the command line answers --help without importing torch
    if name == "paths":  # the name of ``ridgewalk.finders`` before version 0.2
        from importlib import import_module

        return import_module("ridgewalk.finders")
    if name not in _HOMES:
        raise AttributeError(f"module 'ridgewalk' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
