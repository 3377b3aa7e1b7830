"""The sensors of a run on a page: their diagnoses, and what they call ideal against what is real."""

from collections.abc import Sequence

from ridgewalk.diagnosis.misalignment import LEAST, MEAN, POOLED, Misalignment
from ridgewalk.diagnosis.sensors import SensorDiagnosis
from ridgewalk.reports import Block, Cell, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports.columns import MISALIGNMENT, SENSORS
from ridgewalk.reports.tables import Column

_READINGS = {"undecided": "D = 1/2", "ratio": "density ratio"}


def sensors_section(diagnoses: Sequence[SensorDiagnosis]) -> Section:
    """Returns the figures of each sensor, its scores, its calibration and its gradient."""
    rows = {d.name: {k: Cell(float(d.figures()[k])) for k in SENSORS} for d in diagnoses}
    pictures: list[Block] = []
    for d in diagnoses:
        scores = {g: x.numpy() for g, x in d.scores.items() if not (g == "negatives" and d.name == "matcher")}
        confidence, accuracy, counts = (t.numpy() for t in d.reliability)
        pictures += [
            Figure(
                figures.png(figures.score_histogram(scores, f"probability of “{d.positive}”")),
                f"Histogram of the {d.name}'s scores by group of points",
                "A peak at 0.5 is either a dead sensor or an equilibrium; the fresh probe shows which.",
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
            "Where the gradient is 0 there is no force, and a guided walk is LERP.",
            "Gradient of each sensor along LERP",
        )
    )
    return Section(
        "The sensors",
        " ".join(d.sentence for d in diagnoses),
        [TableBlock(Table(SENSORS, rows), "The sensors on held-out codes"), *pictures],
    )


def misalignment_section(found: Sequence[Misalignment]) -> Section:
    """Returns what the sensors call ideal against the judges: all points, group by group, and a picture for each sensor."""
    title = "What the sensors call ideal, and what is real"
    if not found:
        return Section(title, f"Not measured: the role has {LEAST} images or fewer.")
    if any(v.isnan().any() for by_group in found[0].graded.realism.values() for v in by_group.values()):
        return Section(title, "Not measured: a judge cannot tell on these data.")
    groups = tuple(g for g in found[0].points if g != POOLED)
    points = ", ".join(f"{found[0].points[g]} {g}" for g in groups)
    return Section(
        title,
        f"Points of the latent space ({points}), scored by each sensor and decoded for the judges. A sensor that was trained against the "
        f"prior may be read as its authors read it, ideal where its score is within {found[0].band:g} of 1/2; any sensor may be read as a "
        f"density ratio, ideal where its probability of the data's side is above {0.5 + found[0].band:g}. The judges call some reconstructions "
        "of real images unreal as well; compare with that share.",
        [
            TableBlock(
                _table(found, (POOLED,)),
                "All points",
                "A sensor that is aligned has fewer unreal points among its ideal ones, and a rank correlation near 1.",
            ),
            TableBlock(
                _table(found, groups),
                "Group by group",
                "Within a group the sensor gets no credit for distinguishing the groups.",
            ),
            *(_picture(m) for m in found),
        ],
    )


def _table(found: Sequence[Misalignment], groups: Sequence[str]) -> Table:
    judges = [j for j in found[0].unreal[POOLED] if j != MEAN]
    alone = {f"rho_{j}": Column(f"by {j}", ".2f", "higher", f"the same with the realism of judge {j}") for j in judges}
    rows = {}
    for m in found:
        for r in m.readings:
            for g in groups:
                row = {
                    "ideal": Cell(r.ideal[g] / m.points[g], note=f"{r.ideal[g]} of {m.points[g]}"),
                    "unreal": Cell.of(r.unreal[g][MEAN]),
                    "every": Cell.of(m.unreal[g][MEAN]),
                    "over_all": Cell.of(r.over_all[g][MEAN]),
                    "over_encoded": Cell.of(r.over_encoded[g][MEAN]),
                    "rho": Cell.of(r.correlation[g][MEAN]),
                }
                for j in judges:
                    interval = r.correlation[g][j]
                    row[f"rho_{j}"] = Cell(None if interval is None else interval.value)
                rows[f"{m.name}, {_READINGS[r.name]}" + (f": {g}" if g != POOLED else "")] = row
    return Table({**MISALIGNMENT, **alone}, rows)


def _picture(m: Misalignment) -> Figure:
    image = figures.png(
        figures.score_scatter(
            {g: v.numpy() for g, v in m.logits.items()},
            {j: {g: v.numpy() for g, v in by_group.items()} for j, by_group in m.graded.realism.items()},
            {j: {g: v.numpy() for g, v in by_group.items()} for j, by_group in m.graded.real.items()},
            f"score of {m.name}: probability of “{m.positive}”",
            m.readings[0].span,
        )
    )
    return Figure(
        image,
        f"Realism by each judge against the {m.name}'s score, in groups of points; dots coloured by whether the judge calls them real",
        m.sentence[0].upper() + m.sentence[1:],
        f"What the {m.name} says and what is real",
        figures.READING["score_scatter"],
    )
