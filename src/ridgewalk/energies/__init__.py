"""Energies of trained networks, which are low where a point is plausible."""

from ridgewalk.energies.combine import (
    Calibrated,
    Decoded,
    Scaled,
    WeightedSum,
    balance,
    freeze,
    typical_force,
)
from ridgewalk.energies.cycle import Reprojection
from ridgewalk.energies.discriminator import DensityRatio, Ideal, LogitSquared, NegativeLogD, SoftRatio, TowardsEncoded
from ridgewalk.energies.neighbours import KernelDensity, NearestNeighbours
from ridgewalk.energies.posterior import AggregatePosterior, PosteriorEnergy
from ridgewalk.energies.prior import FullGaussian, GaussianPrior

__all__ = [
    "AggregatePosterior",
    "Calibrated",
    "Decoded",
    "DensityRatio",
    "FullGaussian",
    "GaussianPrior",
    "Ideal",
    "KernelDensity",
    "LogitSquared",
    "NearestNeighbours",
    "NegativeLogD",
    "PosteriorEnergy",
    "Reprojection",
    "Scaled",
    "SoftRatio",
    "TowardsEncoded",
    "WeightedSum",
    "balance",
    "freeze",
    "typical_force",
]
