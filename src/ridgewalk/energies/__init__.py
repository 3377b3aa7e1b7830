"""Trained networks read as energies, low where a point is plausible."""

from ridgewalk.energies.combine import Decoded, Scaled, WeightedSum, balanced, frozen, typical_force
from ridgewalk.energies.cycle import Reprojection
from ridgewalk.energies.discriminator import DensityRatio, Ideal, LogitSquared, NegativeLogD, SoftRatio, TowardsEncoded
from ridgewalk.energies.neighbours import KernelDensity, NearestNeighbours
from ridgewalk.energies.prior import GaussianPrior

__all__ = [
    "Decoded",
    "DensityRatio",
    "GaussianPrior",
    "Ideal",
    "KernelDensity",
    "LogitSquared",
    "NearestNeighbours",
    "NegativeLogD",
    "Reprojection",
    "Scaled",
    "SoftRatio",
    "TowardsEncoded",
    "WeightedSum",
    "balanced",
    "frozen",
    "typical_force",
]
