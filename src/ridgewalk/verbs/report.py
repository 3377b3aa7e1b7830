"""The verb `report`: all methods compared on one run, and its sensors diagnosed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from ridgewalk import processes
from ridgewalk.diagnosis.misalignment import Misalignment
from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.evaluation.judged import describe_blindness, describe_budget, describe_power, prepare_judges
from ridgewalk.evaluation.methods import Measured, figures_of, measure_methods, with_shares
from ridgewalk.evaluation.misalignment import describe_misalignment, measure_misalignment
from ridgewalk.evaluation.reconstructions import measure_reconstructions, warn_of_reconstruction
from ridgewalk.evaluation.search import distances_to_end
from ridgewalk.evaluation.sensors import describe_weights, diagnose_sensors, force_figures
from ridgewalk.files import new_file, new_free_file
from ridgewalk.finders.building import measure_forces, split_energy
from ridgewalk.judging.comparison import FREE, Summary, describe_agreement, describe_gain, summarise
from ridgewalk.metrics.reconstructions import Reconstruction
from ridgewalk.store.run import Run


@dataclass(frozen=True)
class Request:
    """
    What to compare, and on what.

    Attributes:
        pairs: number of pairs of test images; by default the recipe's.
        role: role of the images.
        methods: names of methods, alone or with an energy as ``string:dual``; by default all that the run has what they need for.
        shares: weights of the latent and the pixel force of the energy "dual" in place of the recipe's.
        out: file of the page; by default RUN/report.html, or the next free name.
        seed: seed of the pairs, of the draws of the prior, of the bootstrap and of the diagnosis.
        features: TorchScript file of a network, in whose features frames are near the data or not; by default those of the judges' classifiers.
    """

    pairs: int | None = None
    role: str = "test"
    methods: Sequence[str] | None = None
    shares: tuple[float, float] | None = None
    out: Path | None = None
    seed: int = 0
    features: Path | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """
    The comparison.

    Attributes:
        page: file of the report.
        run: the run.
        request: the request.
        measured: the paths of every method, judged.
        summary: intervals and differences.
        energies: energy (b, k) of the detector along the paths, by method.
        distances: distance (b, k) to the end b along the paths, by method.
        reconstruction: how well held-out images are reconstructed; None where there are too few.
        diagnoses: diagnoses of the sensors.
        misaligned: the sensors measured against the judges.
        verdict: the result in sentences.
        figures: everything measured, for JSON.
    """

    page: Path
    run: Run
    request: Request
    measured: Measured
    summary: Summary
    energies: Mapping[str, Tensor]
    distances: Mapping[str, Tensor]
    reconstruction: Reconstruction | None
    diagnoses: Sequence[SensorDiagnosis]
    misaligned: Sequence[Misalignment]
    verdict: Sequence[str]
    figures: Mapping[str, Any]


def report(run: Run, request: Request) -> Result | None:
    """
    Compares methods on one run, and diagnoses its sensors.

    Returns:
        The result; None on all processes of a torchrun but the first.
    """
    seed, role = request.seed, request.role
    named = [split_energy(m) for m in request.methods or ()]
    run = with_shares(run, request.shares, [energy for _, energy in named])
    page = processes.first(lambda: new_file(request.out) if request.out else new_free_file(run.folder / "report.html"))
    make_judges = partial(prepare_judges, features=request.features)
    measured = measure_methods(run, request.pairs, role, request.methods, seed, make_judges=make_judges)
    if measured is None:
        return None
    pairs = len(measured.ends)
    summary = summarise(measured.entries, measured.lines, seed)
    diagnoses = diagnose_sensors(run, seed)
    misaligned = measure_misalignment(run, measured.judges, seed, role)
    reconstruction = measure_reconstructions(run)
    blind = describe_blindness(measured.judges)
    first = verdict_of(summary, pairs, blind or [describe_power(measured.judges)])
    verdict = [
        *describe_budget(run),
        first[0],
        *warn_of_reconstruction(reconstruction),
        *first[1:],
        *(
            [f"Whether frames are near real images is measured in {measured.judges[0].source}."]
            if request.features
            else []
        ),
        *(d.sentence for d in diagnoses),
        *([] if blind else describe_misalignment(misaligned)),
    ]
    figures = {
        "report": str(page),
        **figures_of([run], summary, measured.entries, measured.judges, pairs, role, seed),
        "reconstruction": reconstruction and reconstruction.figures(),
        "sensors": {d.name: d.figures() for d in diagnoses},
        "misalignment": {m.name: m.figures() for m in misaligned},
    }
    dual = next((method for method, energy in named if energy == "dual"), None)
    if dual is not None:  # the forces are the same for every method
        forces = measure_forces(dual, run.context, "dual")
        figures["forces"] = force_figures(forces)
        verdict.append(f"Dual energy: {describe_weights(run, forces)}.")
    energy = run.energy("ratio")
    energies = {m: c.map(energy).cpu() for m, c in measured.curves.items()}
    distances = distances_to_end(measured.curves, measured.curves["lerp"].nodes[:, -1])
    return Result(
        page,
        run,
        request,
        measured,
        summary,
        energies,
        distances,
        reconstruction,
        diagnoses,
        misaligned,
        verdict,
        figures,
    )


def verdict_of(summary: Summary, pairs: int, told: Sequence[str]) -> list[str]:
    """
    Returns the comparison in a few sentences.

    Args:
        summary: the comparison.
        pairs: number of pairs.
        told: what the judges can tell, or why they cannot, in sentences.
    """
    if not summary.best:
        return [*told, _arrivals(summary)]
    return [_best(summary, pairs), _arrivals(summary), describe_agreement(summary, most=4), *told]


def _best(summary: Summary, pairs: int) -> str:
    best = summary.best
    shares = {m: r["real"].value for m, r in summary.rows.items()}
    ceiling = f"reconstructions {summary.lines['reconstructions']['real']:.1%}"
    known = ", ".join([*(f"{m.upper()} {shares[m]:.1%}" for m in FREE if m in shares), ceiling])
    if best in FREE:
        return (
            f"No method that arrives is more real than the best free path, {best.upper()}: {shares[best]:.1%} of its interior frames are real "
            f"({ceiling}; {pairs} pairs, mean of two judges)."
        )
    return (
        f"Best: {best}. {shares[best]:.1%} of its interior frames are real by the mean of two judges ({known}). "
        f"{describe_gain(best, summary.gains[best]['real'], summary.free)}"
    )


def _arrivals(summary: Summary) -> str:
    lost = [f"{m} {1 - r['arrived'].value:.0%}" for m, r in summary.rows.items() if r["arrived"].value < 1]
    return f"Paths that did not arrive: {', '.join(lost)}." if lost else "Every path arrived."
