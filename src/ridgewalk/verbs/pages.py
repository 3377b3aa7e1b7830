"""What the reports show, in order: the verdict, the paths, the figures, the sensors, the settings."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import ridgewalk
from ridgewalk.diagnosis.misalignment import Misalignment
from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.finders.building import available_methods, default_energy
from ridgewalk.judging.comparison import Summary
from ridgewalk.judging.judges import Judge
from ridgewalk.path import Path as Curve
from ridgewalk.registry import METHODS
from ridgewalk.reports import Block, Cell, Column, Figure, Page, Section, Table, TableBlock, Text, figures, write
from ridgewalk.reports.columns import CLASSES, PATHS, REAL, SHAPE
from ridgewalk.store.run import Run
from ridgewalk.training.log import read_log
from ridgewalk.verbs import misalignment
from ridgewalk.verbs.paths import Ends
from ridgewalk.verbs.tables import against_lerp, cost_table, metrics_table

if TYPE_CHECKING:
    from ridgewalk.verbs.measurement import Measured

SHOWN_PAIRS = 4


def _marks(frames: Tensor, judges: Sequence[Judge]) -> np.ndarray:
    """Frames (k, c, h, w) that both judges call unreal, the ends left out: bool (k,)."""
    unreal = torch.ones(len(frames), dtype=torch.bool)
    for judge in judges:
        unreal &= ~judge.real(judge.features(frames))
    unreal[0] = unreal[-1] = False
    return unreal.numpy()


def strip_figure(frames: Mapping[str, Tensor], pair: int, judges: Sequence[Judge], names: str) -> Figure:
    rows = {m: f[pair] for m, f in frames.items()}
    marks = {m: _marks(f, judges) for m, f in rows.items()}
    image = figures.png(
        figures.strips({m: f.numpy() for m, f in rows.items()}, marks, mark_label="neither judge takes it for real")
    )
    return Figure(
        image,
        f"Frames of each method's path. {names}.",
        f"{sum(int(m.sum()) for m in marks.values())} frames of {sum(map(len, marks.values()))} are real to neither judge.",
        names,
        figures.READING["strips"],
        wide=True,
    )


def ends_name(run: Run, ends: Ends, pair: int) -> str:
    names = run.data.class_names

    def one(index: Tensor, label: Tensor) -> str:
        i, c = int(index[pair]), int(label[pair])
        kind = f"a “{names[c]}”" if c >= 0 and len(names) > 1 else "an image"
        return f"{kind} (test image {i})" if i >= 0 else f"{kind} (file)"

    return f"From {one(ends.index_a, ends.labels_a)} to {one(ends.index_b, ends.labels_b)}"


def _energy_along(run: Run, curves: Mapping[str, Curve]) -> tuple[str, dict[str, np.ndarray]]:
    energy = run.energy("ratio")
    return "energy, minus the detector's logit", {m: c.map(energy).cpu().numpy() for m, c in curves.items()}


def distance_along(curves: Mapping[str, Curve], z_b: Tensor | None = None) -> dict[str, np.ndarray]:
    target = next(iter(curves.values())).nodes[:, -1] if z_b is None else z_b
    return {m: (c.nodes - target[:, None]).flatten(2).norm(dim=2).cpu().numpy() for m, c in curves.items()}


def _traces(energy_name: str, energies: Mapping[str, np.ndarray], distances: Mapping[str, np.ndarray]) -> list[Block]:
    return [
        Figure(
            figures.png(figures.traces(energies, energy_name)),
            "Energy against position along the path, a line for each method",
            "A hump is a hole that the path crosses.",
            "Energy along the paths",
            figures.READING["traces"],
        ),
        Figure(
            figures.png(figures.traces(distances, "distance to b in latent space")),
            "Distance to b against position along the path, a line for each method",
            "A distance that levels off is a walk that stalls.",
            "Distance to b along the paths",
            figures.READING["traces"],
        ),
    ]


def realism_section(summary: Summary) -> Section:
    """Precision and share of wholly real paths of each method, against LERP, and against smoothness."""
    rows = {m: (r["precision"].value, r["precision"].low, r["precision"].high) for m, r in summary.rows.items()}
    points = {}
    for m, r in summary.rows.items():
        x, y = r["largest_step"], r["precision"]
        points[m] = (x.value, y.value, x.low, x.high, y.low, y.high)
    tau, swapped = summary.agreement
    return Section(
        "How real the frames are",
        "A frame is real to a judge when its features lie within a nearest-neighbour ball of a real held-out image. Two judges grade, "
        "which share no data, architecture or seed, and neither of which guided a path. Brackets are 95 % bootstrap intervals over pairs; "
        "the best of each column is set off.",
        [
            TableBlock(
                metrics_table(summary, REAL, True),
                "Realism",
                "Arrows say which direction is better; rows in italics are to compare with.",
            ),
            TableBlock(
                against_lerp(summary),
                "Against LERP on the same pairs",
                "An interval that excludes zero is a difference that is settled.",
            ),
            Figure(
                figures.png(
                    figures.intervals(
                        rows,
                        "precision of the interior frames, mean of two judges",
                        {n: v["precision"] for n, v in summary.lines.items()},
                    )
                ),
                "Precision of each method with its interval, and the precision of real images, reconstructions and the prior",
                "Right is better. Reconstructions are the ceiling of what this decoder can do, decoded draws of the prior the floor. "
                "Pixel averages of two images are real to no eye: what the judges say of them is their leniency.",
                "Precision of each method",
                figures.READING["intervals"],
            ),
            Figure(
                figures.png(
                    figures.tradeoff(
                        points,
                        "largest step between frames / distance between the ends (left is smoother)",
                        "precision (up is more real)",
                    )
                ),
                "Precision of each method against its largest step",
                "Realism and smoothness trade off; the grey band joins the methods that none beats in both.",
                "Realism against smoothness",
                figures.READING["tradeoff"],
            ),
            Text(
                f"Judges' order of the methods: Kendall's tau {tau:.2f}."
                + (
                    f" They order these pairs differently: {', '.join(f'{x} and {y}' for x, y in swapped)}."
                    if swapped
                    else " They agree on every pair of methods."
                )
                + "\n\nA path that shows one real-looking frame again and again would score well here: read precision beside "
                "the steps and the length below.",
                aside=True,
            ),
        ],
    )


def write_report(
    path: Path,
    run: Run,
    measured: "Measured",
    summary: Summary,
    diagnoses: Sequence[SensorDiagnosis],
    misaligned: Sequence[Misalignment],
    verdict: Sequence[str],
    role: str,
    seed: int,
) -> None:
    """The comparison of all methods on one run."""
    n, k = len(measured.ends), next(iter(measured.frames.values())).shape[1]
    b = min(SHOWN_PAIRS, n)
    lerp = measured.curves["lerp"]
    energy_name, energies = _energy_along(run, measured.curves)
    distances = distance_along(measured.curves, lerp.nodes[:, -1])
    sections = [
        Section(
            "Paths side by side",
            f"The first {b} of {n} pairs, {k} frames each, not chosen. The ends are reconstructions of real held-out images.",
            [strip_figure(measured.frames, i, measured.judges, ends_name(run, measured.ends, i)) for i in range(b)],
        ),
        realism_section(summary),
        Section(
            "What the classifiers see",
            "Mean of both judges' class probabilities.",
            [TableBlock(metrics_table(summary, CLASSES, True), "Class probabilities")],
        )
        if any("mean_confidence" in r for r in summary.rows.values())
        else Section("Classes", "The images have one class only, so class figures were not measured."),
        Section(
            "Shape and cost of the paths",
            "A path has arrived when it reaches B by steps no longer than the others; a walk that stalls is counted as it is.",
            [
                TableBlock(metrics_table(summary, SHAPE, False), "Shape"),
                TableBlock(cost_table(measured.entries), "Cost"),
            ],
        ),
        Section(
            "Energy and distance along the paths",
            "Median over pairs, with the middle half as a band. The energy is the detector's, which "
            "guides some of the methods: it shows what they descend, and grades nobody.",
            _traces(energy_name, energies, distances),
        ),
        misalignment.section(misaligned),
        _sensors(diagnoses),
        _training(run),
    ]
    extra = {
        "judges": {
            f"judge {j.name}": f"accuracy {j.accuracy:.3f} on {len(j.reference)} reference images it never saw"
            for j in measured.judges
        }
    }
    write(
        Page(
            f"ridgewalk: {run.origin.recipe} on {Path(run.origin.source).name}",
            _budget(run, n, role, seed),
            verdict,
            sections,
            {**extra, **_settings(run)},
        ),
        path,
    )


def write_walk(
    path: Path,
    run: Run,
    ends: Ends,
    curves: Mapping[str, Curve],
    frames: Mapping[str, Tensor],
    columns: Mapping[str, Mapping[str, Tensor]],
    judges: Sequence[Judge],
    settings: Mapping[str, Any],
    verdict: Sequence[str],
) -> None:
    """One method beside LERP."""
    b = min(8, len(ends))
    energy_name, energies = _energy_along(run, curves)
    distances = distance_along(curves, curves["lerp"].nodes[:, -1])
    keys = [k for k in (*REAL, *CLASSES, *SHAPE) if k in columns["lerp"]]
    table = Table(
        {k: PATHS[k] for k in keys},
        {m: {k: Cell(float(c[k].mean())) for k in keys if k in c} for m, c in columns.items()},
    )
    sections = [
        Section(
            "Frames",
            f"{b} of {len(ends)} pairs." if len(ends) > b else "",
            [strip_figure(frames, i, judges, ends_name(run, ends, i)) for i in range(b)],
        ),
        Section(
            "Figures",
            "Means over the pairs. For a few pairs these are an impression and no measurement; `ridgewalk report` gives intervals.",
            [TableBlock(table)],
        ),
        Section(
            "Energy and distance along the path",
            blocks=_traces(energy_name, energies, distances),
        ),
    ]
    shown = {k: v for k, v in settings.items() if v is not None}
    write(
        Page(
            f"ridgewalk: {settings['method']} on {run.origin.recipe}",
            _budget(run, len(ends), "as given", int(settings["seed"])),
            verdict,
            sections,
            {"walk": shown, **_settings(run)},
        ),
        path,
    )


def _sensors(diagnoses: Sequence[SensorDiagnosis]) -> Section:
    columns = {
        "bce": Column("held-out BCE", ".3f", None, "chance is 0.693"),
        "auc": Column("AUC", ".2f", None),
        "calibration_error": Column("calibration error", ".3f", None),
        "logit_spread": Column("logit spread", ".2f", None),
        "gradient_along_lerp": Column("gradient along LERP", ".2f", None),
        "probe_auc": Column("AUC of a fresh probe", ".2f", None),
    }
    rows = {d.name: {k: Cell(float(d.figures()[k])) for k in columns} for d in diagnoses}
    pictures: list[Block] = []
    for d in diagnoses:
        scores = {g: x.numpy() for g, x in d.scores.items() if not (g == "negatives" and d.name == "matcher")}
        confidence, accuracy, counts = (t.numpy() for t in d.reliability)
        pictures += [
            Figure(
                figures.png(figures.score_histogram(scores, f"probability of “{d.positive}”")),
                f"Histogram of the {d.name}'s scores by group of points",
                "A spike at 0.5 is either a dead sensor or an equilibrium; the fresh probe tells which.",
                f"Scores of the {d.name}",
                figures.READING["score_histogram"],
            ),
            Figure(
                figures.png(figures.reliability(confidence, accuracy, counts)),
                f"Share of positives against the {d.name}'s mean score, bin by bin",
                f"The positive side is “{d.positive}”.",
                f"Calibration of the {d.name}",
                figures.READING["reliability"],
            ),
        ]
    gradients = {d.name: d.gradient.numpy() for d in diagnoses}
    pictures.append(
        Figure(
            figures.png(figures.traces(gradients, "gradient norm of the logit")),
            "Gradient norm of each sensor's logit along LERP",
            "No gradient, no force: where this is 0 a guided walk is LERP.",
            "Gradient of each sensor along LERP",
        )
    )
    return Section(
        "The sensors",
        " ".join(d.sentence for d in diagnoses),
        [TableBlock(Table(columns, rows), "The sensors on held-out codes"), *pictures],
    )


def _training(run: Run) -> Section:
    lines, events = read_log(run.folder / "log.jsonl")
    if not lines:
        return Section("Training", "The run's log is not there.")
    steps = np.array([line["step"] for line in lines])
    curves = {n: (steps, np.array([line[n] for line in lines])) for n in lines[0] if n != "step"}
    speed = run.manifest.get("images_per_second")
    return Section(
        "Training",
        " ".join([f"{len(lines)} steps at {speed} images a second.", *(e["sentence"] + "." for e in events)]),
        [
            Figure(
                figures.png(figures.losses(curves)),
                "Every term of the training log against the step",
                "Every term of the training log. A discriminator's chance level is 0.693.",
                "Training losses",
                figures.READING["losses"],
            )
        ],
    )


def _budget(run: Run, pairs: int, role: str, seed: int) -> str:
    o = run.origin
    return f"{o.budget}; model seed {o.seed}; {pairs} pairs ({role} images), pair seed {seed}; ridgewalk {ridgewalk.__version__}."


def _settings(run: Run) -> dict[str, dict[str, object]]:
    flat = {
        f"{table}.{key}": value
        for table, values in asdict(run.recipe).items()
        if isinstance(values, dict)
        for key, value in values.items()
    }
    hardware = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "device": str(run.device),
    }
    methods = {
        m: f"{METHODS[m].about}; energy: {default_energy(m, run.sensors) or 'none'}"
        for m in available_methods(run.context)
    }
    return {
        "methods": dict(methods),
        "run": {**vars(run.origin), "source": Path(run.origin.source).name},
        "recipe": dict(flat),
        "machine": dict(hardware),
    }
