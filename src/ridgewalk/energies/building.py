"""Builds energies by name, and scales or calibrates them so that their forces are comparable."""

import warnings

from ridgewalk.context import Context
from ridgewalk.energies.combine import Along, Calibrated, Scaled, is_alive, median_force
from ridgewalk.energies.discriminator import build_soft_ratio
from ridgewalk.protocols import Energy
from ridgewalk.registry import ENERGIES

CALIBRATION_CODES = 2000
"""Number of the last reference codes on which an energy is calibrated; neighbour energies measure distances to the first ones."""


def build_energy(name: str, context: Context) -> Energy:
    """
    Builds the energy called ``name``, one of ``registry.ENERGIES``.

    Raises:
        ValueError: if the name is unknown or the context lacks the sensor.
    """
    entry = ENERGIES.find(name)
    energy: Energy = entry.build(context)
    if entry.scaled:
        energy = scale_to_ratio(energy, context)
    return energy if context.moving is None else Along(energy, context.moving)


def scale_to_ratio(energy: Energy, context: Context) -> Energy:
    """
    Scales an energy so that its median force is that of the density ratio, and one step size suits all energies.

    An energy keeps its own force if one of the two forces is dead.
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


def calibrate_energy(energy: Energy, context: Context) -> Energy:
    """Calibrates an energy to 0 on codes of data and 1 on LERP points; an energy that does not separate them becomes 0, with a warning."""
    try:
        return Calibrated.between(energy, context.references()[-CALIBRATION_CODES:], context.lerp_points)
    except ValueError as error:
        warnings.warn(
            f"{error}. The ridge path will equal the geodesic; train the sensor again, or choose the energy of another",
            stacklevel=2,
        )
        return Scaled(energy, 0.0)
