"""Methods by name: what a name such as ``ridge@8:dual`` asks for, the finder that it builds, and the forces that its energy has."""

import math
from collections.abc import Container
from dataclasses import dataclass, replace

from ridgewalk.context import Context
from ridgewalk.energies import Calibrated, Scaled, WeightedSum
from ridgewalk.energies.building import build_energy, calibrate, scale_to_ratio
from ridgewalk.energies.combine import Along, is_alive, median_force
from ridgewalk.energies.discriminator import build_soft_ratio
from ridgewalk.energies.dual import HALVES
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.registry import ENERGIES, METHODS, OTHER_SENSOR, SENSORS, Method


def available_methods(context: Context) -> list[str]:
    """The methods for which a context has what they need."""
    return [name for name, method in METHODS.items() if all(map(context.provides, method.needs))]


def split_energy(name: str) -> tuple[str, str | None]:
    """A method, with its realism where it has one, and the energy named after it: ``ridge@8:dual`` is ``ridge@8`` and ``dual``."""
    method, _, energy = name.partition(":")
    parse_method(method)
    return method, energy or None


def parse_method(name: str) -> tuple[Method, float | None]:
    """
    A method, and the realism that follows an @, as in ``ridge@8``.

    Raises:
        ValueError: for an unknown method, a realism that is not a number >= 0, or one that the method does not take.
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
    """The energy that a method follows where none is named: its own, or the detector's bounded one for a model without its sensor."""
    own = parse_method(method)[0].energy
    return "neg-log-d" if own is not None and ENERGIES[own].sensor not in sensors else own


def refuse_energy(method: str, energy: str | None) -> None:
    """Refuses an energy for a method that follows none."""
    if energy is not None and parse_method(method)[0].energy is None:
        choices = METHODS.choices(lambda m: m.energy is not None)
        raise ValueError(f"method '{method}' follows no energy; leave out the energy '{energy}', or choose {choices}")


def build_finder(name: str, context: Context, energy: str | None = None) -> PathFinder:
    """
    The finder of a method.

    Args:
        name: one of ``registry.METHODS``, with a realism where it takes one.
        context: what it is built from.
        energy: one of ``registry.ENERGIES``, in place of the method's default.

    Raises:
        ValueError: for an unknown name, an energy that the method does not follow, or a part that the context does not have.
    """
    method, realism = parse_method(name)
    refuse_energy(name, energy)
    walks = context.walks if realism is None else replace(context.walks, realism=realism)
    decode = context.decode if context.moving is None else Along(context.decode, context.moving)
    own = replace(context, walks=walks, decode=decode)
    return method.build(own) if method.energy is None else method.build(own, _followed(name, context, energy)[1])


def _followed(name: str, context: Context, energy: str | None) -> tuple[str, Energy]:
    """The name of the energy that a method follows, and the energy as the method reads it."""
    method = parse_method(name)[0]
    chosen = energy or default_energy(name, context.sensors)
    assert chosen is not None
    built = build_energy(chosen, context)
    if method.realism:
        return chosen, calibrate(built, context)
    if method.equalised and ENERGIES[chosen].sensor == "matcher":
        return chosen, scale_to_ratio(built, context)
    return chosen, built


@dataclass(frozen=True)
class Force:
    """
    A force that a method follows.

    Attributes:
        name: of the energy; ``latent`` and ``pixel`` for the two halves of "dual".
        sensor: that the energy reads; None where it reads none.
        size: the median of |grad E| on LERP points, without the weight.
        weight: with which it enters.
        alive: whether there is a force to follow: ``size`` is neither 0, nor not finite, nor rounding beside the density ratio's.
    """

    name: str
    sensor: str | None
    size: float
    weight: float
    alive: bool

    @property
    def remedy(self) -> str:
        """What to do where it is dead."""
        return OTHER_SENSOR if self.sensor is None else SENSORS[self.sensor].dead


def measure_forces(method: str, context: Context, energy: str | None = None) -> list[Force]:
    """The forces that a method follows, measured on LERP points; none for a method that follows no energy."""
    if parse_method(method)[0].energy is None:
        return []
    chosen, followed = _followed(method, context, energy)
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
