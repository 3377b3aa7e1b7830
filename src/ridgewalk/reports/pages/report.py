"""The page of the verb `report`: verdict, paths, figures, sensors, training, settings."""

import warnings
from pathlib import Path

import numpy as np
from torch import Tensor

from ridgewalk.evaluation.reconstructions import describe_reconstruction
from ridgewalk.reports import Figure, Page, Section, TableBlock, figures
from ridgewalk.reports import write as write_page
from ridgewalk.reports.columns import CLASSES, SHAPE
from ridgewalk.reports.comparison import cost_table, metrics_table, realism_section
from ridgewalk.reports.pages.origin import all_settings, budget_line, source_name
from ridgewalk.reports.paths import strip_figure, trace_figures
from ridgewalk.reports.power import power_section
from ridgewalk.reports.sensors import misalignment_section, sensors_section
from ridgewalk.store.run import Run
from ridgewalk.training.log import describe_damage, read_log
from ridgewalk.verbs.report import Result

SHOWN = 4
"""Pairs whose frames are shown: the first ones."""


def write(result: Result) -> Path | None:
    """Writes the comparison of all methods on one run, and its tables; returns the folder of the tables, if there are any."""
    run, measured, request = result.run, result.measured, result.request
    pairs = len(measured.ends)
    sections = [
        _frames(result),
        realism_section(result.summary),
        power_section(measured.judges, _graded(result)),
        _classes(result),
        Section(
            "Shape and cost of the paths",
            "A path has arrived when it reaches B by steps no longer than the others; a walk that stalls is counted as it is.",
            [
                TableBlock(metrics_table(result.summary, SHAPE, False), "Shape"),
                TableBlock(cost_table(measured.entries), "Cost"),
            ],
        ),
        Section(
            "Energy and distance along the paths",
            "Median over pairs, with the middle half as a band. The energy is that of the detector, which "
            "guides some of the methods: it shows what they descend, and is no judge of them.",
            trace_figures(result.energies, result.distances),
        ),
        misalignment_section(result.misaligned),
        sensors_section(result.diagnoses),
        _training(run),
    ]
    judges = {
        f"judge {j.name}": f"threshold from {len(j.composite.calibration)} real images; classifier's accuracy {j.accuracy:.3f} on {len(j.reference)} reference "
        "images; neither saw them in training"
        for j in measured.judges
    }
    page = Page(
        f"ridgewalk: {run.origin.recipe} on {source_name(run)}",
        budget_line(run.origin, f"{pairs} pairs ({request.role} images), pair seed {request.seed}"),
        result.verdict,
        sections,
        {"judges": judges, **all_settings(run)},
    )
    return write_page(page, result.page)


def _frames(result: Result) -> Section:
    m = result.measured
    pairs, frames = len(m.ends), next(iter(m.frames.values())).shape[1]
    shown = min(SHOWN, pairs)
    return Section(
        "Paths side by side",
        f"The first {shown} of {pairs} pairs, {frames} frames each, not chosen. {_about(result)}",
        [strip_figure(result.run, m.ends, m.frames, i, m.judges) for i in range(shown)],
    )


def _graded(result: Result) -> dict[str, Tensor]:
    """Real images, half-and-half averages and the interior frames of every path, for rows sorted by the judges."""
    m = result.measured
    real = m.ends.x_a.cpu()
    shown = {"real": real, "averages": (real + m.ends.x_b.cpu()) / 2}
    return shown | {
        name: f[:, 1:-1].flatten(0, 1) for name, f in m.frames.items() if name in ("lerp", "slerp", result.summary.best)
    }


def _about(result: Result) -> str:
    found = result.reconstruction
    return "" if found is None else describe_reconstruction(found)


def _classes(result: Result) -> Section:
    if not any("mean_confidence" in r for r in result.summary.rows.values()):
        return Section("Classes", "The images have one class only, so class figures were not measured.")
    table = TableBlock(metrics_table(result.summary, CLASSES, True), "Class probabilities")
    return Section("Classes along the paths", "Mean of both judges' class probabilities.", [table])


def _training(run: Run) -> Section:
    file = run.folder / "log.jsonl"
    lines, events = read_log(file)
    damage = describe_damage(file, run.manifest.get("log"))
    if damage:
        warnings.warn(damage, stacklevel=2)
    if not lines:
        return Section("Training", f"{damage}." if damage else "The run has no training log.")
    steps = np.array([line["step"] for line in lines])
    curves = {n: (steps, np.array([line[n] for line in lines])) for n in lines[0] if n != "step"}
    speed = run.manifest.get("images_per_second")
    picture = Figure(
        figures.png(figures.losses(curves)),
        "Every term of the training log against the step",
        "Every term of the training log. A discriminator's chance level is 0.693.",
        "Training losses",
        figures.READING["losses"],
    )
    said = [damage, *(e["sentence"] for e in events)] if damage else [e["sentence"] for e in events]
    lead = " ".join([f"{len(lines)} steps at {speed} images a second.", *(f"{sentence}." for sentence in said)])
    return Section("Training", lead, [picture])
