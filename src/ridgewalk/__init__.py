"""ridgewalk walks the latent spaces of generative models without falling off the data."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ridgewalk.energies import DensityRatio, SoftRatio
    from ridgewalk.evaluation.sensors import train_detector
    from ridgewalk.path import Path
    from ridgewalk.paths import GraphPath, Lerp, ScoreGuidedWalk, Slerp, StringMethod
    from ridgewalk.runs.record import load

_HOMES = {
    "DensityRatio": "ridgewalk.energies",
    "GraphPath": "ridgewalk.paths",
    "Lerp": "ridgewalk.paths",
    "Path": "ridgewalk.path",
    "ScoreGuidedWalk": "ridgewalk.paths",
    "Slerp": "ridgewalk.paths",
    "SoftRatio": "ridgewalk.energies",
    "StringMethod": "ridgewalk.paths",
    "load": "ridgewalk.runs.record",
    "train_detector": "ridgewalk.evaluation.sensors",
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
    if name not in _HOMES:
        raise AttributeError(f"module 'ridgewalk' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
