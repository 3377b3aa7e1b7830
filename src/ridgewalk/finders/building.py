"""Methods by name: parses a name such as ``ridge@8:dual``, builds its finder, and measures the forces of its energy."""

import math
from collections.abc import Container
from dataclasses import dataclass, replace

from ridgewalk.context import Context
from ridgewalk.energies import Calibrated, Scaled, WeightedSum
from ridgewalk.energies.building import build_energy, calibrate_energy, scale_to_ratio
from ridgewalk.energies.combine import Along, is_alive, median_force
from ridgewalk.energies.discriminator import build_soft_ratio
from ridgewalk.energies.dual import HALVES
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.registry import ENERGIES, METHODS, OTHER_SENSOR, SENSORS, Method


def available_methods(context: Context) -> list[str]:
    """The names of the methods that can be built from a context."""
    return [name for name, method in METHODS.items() if all(map(context.provides, method.needs))]


def split_energy(name: str) -> tuple[str, str | None]:
    """Splits a name into the method, with its realism if there is one, and the energy: ``ridge@8:dual`` into ``ridge@8`` and ``dual``."""
    method, colon, energy = name.partition(":")
    parse_method(method)
    if colon and not energy:
        raise ValueError(
            f"'{name}' names no energy after the colon; leave the colon out, or name one, as in {method}:dual"
        )
    return method, energy or None


def parse_method(name: str) -> tuple[Method, float | None]:
    """
    Splits a name such as ``ridge@8`` into the method and the realism after the @.

    Raises:
        ValueError: if the method is unknown or takes no realism, or the realism is not a number >= 0.
    """
    name, at, text = name.partition("@")
    method = METHODS.find(name)
    if not at:
        return method, None
    if not method.realism:
        choices = METHODS.choices(lambda m: m.realism)
        raise ValueError(f"method '{name}' takes no realism; leave out @{text}, or choose {choices}")
    try:
        realism = float(text)
    except ValueError:
        realism = math.nan
    if not 0 <= realism < math.inf:
        raise ValueError(f"a realism is a finite number >= 0, as in {name}@4; got '{text}'")
    return method, realism


def default_energy(method: str, sensors: Container[str]) -> str | None:
    """The energy that a method follows by default: its own, or "neg-log-d" for a model without the sensor of that energy."""
    own = parse_method(method)[0].energy
    return "neg-log-d" if own is not None and ENERGIES[own].sensor not in sensors else own


def refuse_energy(method: str, energy: str | None) -> None:
    """Raises a ValueError if an energy is given for a method that follows none."""
    if energy is not None and parse_method(method)[0].energy is None:
        choices = METHODS.choices(lambda m: m.energy is not None)
        raise ValueError(f"method '{method}' follows no energy; leave out the energy '{energy}', or choose {choices}")


def build_finder(name: str, context: Context, energy: str | None = None) -> PathFinder:
    """
    Builds the finder of a method.

    Args:
        name: one of ``registry.METHODS``, which may be followed by a realism as in ``ridge@8``.
        context: what it is built from.
        energy: one of ``registry.ENERGIES``; the method's default if it is None.

    Raises:
        ValueError: if a name is unknown, the method follows no energy, or the context lacks something that the method needs.
    """
    method, realism = parse_method(name)
    refuse_energy(name, energy)
    walks = context.walks if realism is None else replace(context.walks, realism=realism)
    decode = context.decode if context.moving is None else Along(context.decode, context.moving)
    own = replace(context, walks=walks, decode=decode)
    return method.build(own) if method.energy is None else method.build(own, _build_followed(name, context, energy)[1])


def _build_followed(name: str, context: Context, energy: str | None) -> tuple[str, Energy]:
    """The name of the energy that a method follows, and the energy in the calibration or scale that the method uses."""
    method = parse_method(name)[0]
    chosen = energy or default_energy(name, context.sensors)
    assert chosen is not None
    built = build_energy(chosen, context)
    if method.realism:
        return chosen, calibrate_energy(built, context)
    if method.equalised and ENERGIES[chosen].sensor == "matcher":
        return chosen, scale_to_ratio(built, context)
    return chosen, built


@dataclass(frozen=True)
class Force:
    """
    A force that a method follows.

    Attributes:
        name: name of the energy; ``latent`` and ``pixel`` for the two halves of "dual".
        sensor: name of the sensor that the energy reads; None for an energy that reads no sensor.
        size: median of |grad E| on LERP points, without the weight.
        weight: factor of the energy in the objective of the method.
        alive: whether ``size`` is above 0, finite, and not negligible compared with the density ratio's force.
    """

    name: str
    sensor: str | None
    size: float
    weight: float
    alive: bool

    @property
    def remedy(self) -> str:
        """The remedy if the force is not alive."""
        return OTHER_SENSOR if self.sensor is None else SENSORS[self.sensor].dead


def measure_forces(method: str, context: Context, energy: str | None = None) -> list[Force]:
    """Measures the forces that a method follows on LERP points; a method that follows no energy has none."""
    if parse_method(method)[0].energy is None:
        return []
    chosen, followed = _build_followed(method, context, energy)
    if isinstance(followed, Calibrated):
        followed = followed.energy
    parts: list[tuple[str, str | None, Energy, float]] = [(chosen, ENERGIES[chosen].sensor, followed, 1.0)]
    if isinstance(followed, Scaled):
        parts = [(chosen, ENERGIES[chosen].sensor, followed.energy, followed.weight)]
    if isinstance(followed, WeightedSum):
        parts = [(n, s, e, w) for (n, s), e, w in zip(HALVES.items(), followed.energies, followed.weights)]
    points = context.lerp_points
    unit = median_force(build_soft_ratio(context), points)
    sizes = [median_force(part, points) for _, _, part, _ in parts]
    return [Force(n, s, size, w, is_alive(size, unit)) for (n, s, _, w), size in zip(parts, sizes)]
