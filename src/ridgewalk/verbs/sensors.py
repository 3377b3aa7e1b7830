"""The verb `sensors`: whether each sensor of a run is alive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.evaluation.sensors import diagnose_sensors
from ridgewalk.store.run import Run


@dataclass(frozen=True)
class Request:
    """The seed of the negatives, of the prior's draws and of the probe."""

    seed: int = 0


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


def sensors(run: Run, request: Request) -> Result:
    """Diagnoses every sensor of a run on codes that it never saw."""
    diagnoses = diagnose_sensors(run, request.seed)
    return Result(diagnoses, [d.sentence for d in diagnoses], {d.name: d.figures() for d in diagnoses})
