"""Trained networks read as energies, low where a point is plausible."""

from ridgewalk.energies.combine import Decoded, WeightedSum, frozen
from ridgewalk.energies.discriminator import DensityRatio, Ideal, LogitSquared, NegativeLogD, SoftRatio, TowardsEncoded
from ridgewalk.energies.prior import GaussianPrior

__all__ = [
    "Decoded",
    "DensityRatio",
    "GaussianPrior",
    "Ideal",
    "LogitSquared",
    "NegativeLogD",
    "SoftRatio",
    "TowardsEncoded",
    "WeightedSum",
    "frozen",
]
