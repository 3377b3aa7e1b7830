"""The sensors of a run: diagnosed on codes that they never saw, and measured as forces on LERP points."""

import math
from collections.abc import Sequence

import torch

from ridgewalk.data import part
from ridgewalk.diagnosis.sensors import SensorDiagnosis, diagnose
from ridgewalk.energies import freeze
from ridgewalk.finders.building import Force, parse_method
from ridgewalk.geometry import lerp
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.progress import track
from ridgewalk.registry import SENSORS
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk.training.negatives import BOUNDARIES
from ridgewalk.training.noise import Noise


def latent_sensor(run: Run, name: str) -> Discriminator:
    """Returns a sensor as a discriminator of latents on the CPU; a sensor of images is composed with the decoder."""
    sensor = run.sensors[name]
    return freeze(sensor.behind(run.model.decoder) if SENSORS[name].on_images else sensor).cpu()


def diagnose_sensors(run: Run, seed: int = 0, names: Sequence[str] | None = None) -> list[SensorDiagnosis]:
    """
    Diagnoses sensors on codes of the roles test and reference, which neither the model nor a sensor saw.

    Args:
        run: the run.
        seed: seed of the negatives, of the prior's draws and of the probe.
        names: names of sensors; by default all that the run has.
    """
    codes = torch.cat([run.encode_images(part(run.data, role)).cpu() for role in ("test", "reference")])
    noise = Noise(seed, 0)
    prior = prior_draws(run, len(codes), seed).cpu()
    half = min(len(codes) // 2, 200)
    ends_a, ends_b = codes[:half], codes[half : 2 * half]
    nodes = lerp(ends_a, ends_b, torch.linspace(0, 1, 17))
    off_data = BOUNDARIES[run.recipe.detector.negatives]()(codes, noise)
    wanted = sorted(name for name in run.sensors if names is None or name in names)
    found = []
    for name in track(wanted, "diagnosing sensors"):
        others = prior if SENSORS[name].against_prior else off_data
        found.append(diagnose(name, latent_sensor(run, name), codes, others, nodes, prior, seed))
    return found


def dead_forces(run: Run, method: str, forces: Sequence[Force], seed: int = 0) -> list[str]:
    """
    Returns a sentence for each force whose sensor is dead, by the size of the force or by the diagnosis of the sensor.

    Args:
        run: the run.
        method: name of the method that the forces guide.
        forces: its forces.
        seed: seed of the diagnosis.
    """
    found = []
    for force in forces:
        if not force.alive:
            name = f"sensor {force.sensor}" if force.sensor else f"energy {force.name}"
            found.append(
                f"the {name} is dead: the median force of {force.name} on {len(run.context.lerp_points)} LERP points is "
                f"{force.size:.3g}{'' if math.isfinite(force.size) else ', and values that are not finite count as 0'}. "
                f"The walk will equal {parse_method(method)[0].unguided}; {force.remedy}."
            )
        elif force.sensor in run.sensors:
            diagnosis = diagnose_sensors(run, seed, [str(force.sensor)])[0]
            strong = f" The walk multiplies its force by {force.weight:.3g}." if force.weight > 1 else ""
            found += [diagnosis.sentence + strong] if diagnosis.verdict == "dead" else []
    return found


def describe_weights(run: Run, forces: Sequence[Force]) -> str:
    """Returns a sentence with the sizes of the forces of a dual walk, and the weights that follow from them."""
    sizes = ", ".join(f"{f.name} {f.size:.3g}" for f in forces)
    weights = " and ".join(f"{f.weight:.3g}" for f in forces)
    return f"forces on {len(run.context.lerp_points)} LERP points: {sizes}; weights {weights}"


def force_figures(forces: Sequence[Force]) -> dict[str, dict[str, float | None]]:
    """Returns the median and the weight of each force, for JSON, which has no NaN."""
    return {f.name: {"median": f.size if math.isfinite(f.size) else None, "weight": f.weight} for f in forces}
