"""Score-based diffusion: SDEs, denoisers, samplers, likelihoods, and paths through noise."""

from ridgewalk.diffusion.denoiser import Denoiser, denoised
from ridgewalk.diffusion.deterministic import Flow, Heun, ProbabilityFlow
from ridgewalk.diffusion.noise import RowNoise
from ridgewalk.diffusion.sampling import PerRows, Sampled, Sampler, sample
from ridgewalk.diffusion.scaling import Standardiser
from ridgewalk.diffusion.sde import SDE, VE, VP, SubVP, Tabulated
from ridgewalk.diffusion.stochastic import (
    Ancestral,
    AnnealedLangevin,
    EulerMaruyama,
    LangevinCorrector,
    PredictorCorrector,
    ReverseDiffusion,
)

__all__ = [
    "SDE",
    "VE",
    "VP",
    "Ancestral",
    "AnnealedLangevin",
    "Denoiser",
    "EulerMaruyama",
    "Flow",
    "Heun",
    "LangevinCorrector",
    "PerRows",
    "PredictorCorrector",
    "ProbabilityFlow",
    "ReverseDiffusion",
    "RowNoise",
    "Sampled",
    "Sampler",
    "Standardiser",
    "SubVP",
    "Tabulated",
    "denoised",
    "sample",
]
