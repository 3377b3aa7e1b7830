"""The verb `sensors`: whether each sensor of a run is alive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.evaluation.sensors import diagnose_sensors
from ridgewalk.store.run import Run


@dataclass(frozen=True, eq=False)
class Result:
    """
    The diagnoses.

    Attributes:
        diagnoses: one of each sensor.
        verdict: a sentence for each.
        figures: everything measured, by sensor, for JSON.
    """

    diagnoses: Sequence[SensorDiagnosis]
    verdict: Sequence[str]
    figures: Mapping[str, Any]


def sensors(run: Run, seed: int = 0) -> Result:
    """Diagnoses every sensor of a run on held-out codes; ``seed`` draws the negatives, the prior's codes and the probe."""
    diagnoses = diagnose_sensors(run, seed)
    return Result(diagnoses, [d.sentence for d in diagnoses], {d.name: d.figures() for d in diagnoses})
