"""
The sum of two energies: the density ratio of codes and that of decoded images.

    E(z) = w_1 softplus(m - l_z(z)) + w_2 softplus(m - l_x(G(z)))

The weights make the median force of each half on straight lines between codes its share (``walks.dual_shares``) of the first half's force.
"""

import math

from ridgewalk.context import Context
from ridgewalk.energies.combine import balance, is_alive, median_force
from ridgewalk.energies.discriminator import build_pixel, build_soft_ratio
from ridgewalk.protocols import Energy
from ridgewalk.registry import SENSORS

HALVES = {"latent": "detector", "pixel": "pixel"}
"""The sensor of each half of the energy "dual"."""


def build_dual(context: Context) -> Energy:
    """Builds the energy "dual"; raises a ValueError if the force of a half is dead, so that the two cannot be balanced."""
    points = context.lerp_points
    halves = {"latent": build_soft_ratio(context), "pixel": build_pixel(context)}
    sizes = {name: median_force(half, points) for name, half in halves.items()}
    strongest = max((size for size in sizes.values() if 0 < size < math.inf), default=0.0)
    dead = [name for name, size in sizes.items() if not is_alive(size, strongest)]
    if dead:
        found = " and ".join(f"{sizes[name]:.3g}" for name in dead)
        remedy = " and ".join(SENSORS[HALVES[name]].dead for name in dead)
        left = "" if len(dead) == 2 else f", or walk with --energy {'pixel' if dead == ['latent'] else 'soft-ratio'}"
        raise ValueError(
            f"dead in the energy 'dual': its {' and its '.join(dead)} half, whose median force on {len(points)} LERP points "
            f"is {found} and cannot be weighed; {remedy}{left}"
        )
    return balance(list(halves.values()), points, context.walks.dual_shares)
