"""Energies by name, and their forces made comparable: scaled to the density ratio's, or calibrated for a weight of realism."""

import warnings

from ridgewalk.context import Context
from ridgewalk.energies.combine import Along, Scaled, calibrated, is_alive, median_force
from ridgewalk.energies.discriminator import build_soft_ratio
from ridgewalk.protocols import Energy
from ridgewalk.registry import ENERGIES

CALIBRATION_CODES = 2000
"""An energy is calibrated on so many of the last reference codes; the first ones are those that neighbour energies measure distances to."""


def build_energy(name: str, context: Context) -> Energy:
    """
    The energy called ``name``, one of ``registry.ENERGIES``.

    Raises:
        ValueError: for an unknown name, or a sensor that there is not.
    """
    entry = ENERGIES.find(name)
    energy: Energy = entry.build(context)
    if entry.scaled:
        energy = scale_to_ratio(energy, context)
    return energy if context.moving is None else Along(energy, context.moving)


def scale_to_ratio(energy: Energy, context: Context) -> Energy:
    """
    The energy, scaled so that its median force is that of the density ratio: one step size serves all.

    Where one of the two is dead there is nothing to weigh, and the energy keeps its own force.
    """
    points = context.lerp_points
    wanted, own = median_force(build_soft_ratio(context), points), median_force(energy, points)
    if not is_alive(wanted, own):
        warnings.warn(
            f"the detector is dead: its median force on {len(points)} LERP points is {wanted:.3g}. "
            "Energies that are scaled to it keep their own force; train the run again",
            stacklevel=2,
        )
    return Scaled(energy, wanted / own if is_alive(wanted, own) and is_alive(own, wanted) else 1.0)


def calibrate(energy: Energy, context: Context) -> Energy:
    """The energy, 0 on codes of data and 1 on LERP points; where it does not tell them apart it cannot be weighed, and is 0."""
    try:
        return calibrated(energy, context.references()[-CALIBRATION_CODES:], context.lerp_points)
    except ValueError as error:
        warnings.warn(
            f"{error}. The ridge path will equal the geodesic; train the sensor again, or choose the energy of another",
            stacklevel=2,
        )
        return Scaled(energy, 0.0)
