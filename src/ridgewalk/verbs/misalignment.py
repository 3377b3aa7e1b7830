"""Do a run's sensors call ideal what decodes to something real? The points, the measurement, and its section of the report."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.diagnosis.misalignment import BASELINE, LEAST, MEAN, POOLED, Intervals, Misalignment, compare, grade
from ridgewalk.energies import frozen
from ridgewalk.geometry import lerp
from ridgewalk.judging.judges import Judge
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.progress import track
from ridgewalk.registry import SENSORS
from ridgewalk.reports import Cell, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk.training.noise import Noise
from ridgewalk.verbs import paths

POINTS = 1000
"""Points of each group, where the data have as many images."""

_READINGS = {"undecided": "D = 1/2", "ratio": "density ratio"}


def groups_of(run: Run, seed: int, role: str = "test", points: int = POINTS) -> dict[str, Tensor]:
    """
    Draws of the prior, points on LERP paths, and codes of held-out images: (n, d) each, n the same.

    A LERP point is an interior frame, drawn uniformly, of its own pair of images of different classes (of any, where there is one class
    only). n is ``points``, or fewer where the role has fewer images.
    """
    images = part(run.data, role)
    n = min(points, len(images) - 1)  # so few pairs of different classes there are at the least
    ends = paths.drawn(run, n, seed, role)
    frames = run.recipe.walks.frames
    t = torch.linspace(0, 1, frames)
    nodes = lerp(run.encode(ends.x_a).cpu(), run.encode(ends.x_b).cpu(), t)
    chosen = 1 + Noise(seed, 0).integers(frames - 2, n)
    return {
        "prior": prior_draws(run, n, seed).cpu(),
        "lerp": nodes[torch.arange(n), chosen],
        BASELINE: run.encode(images.take(torch.arange(n)).floats()).cpu(),
    }


def measure(
    run: Run, judges: Sequence[Judge], seed: int, role: str = "test", points: int = POINTS
) -> list[Misalignment]:
    """
    Every sensor of the run on the same points, those trained against the prior first; none where the role has too few images.

    Args:
        run: whose sensors; a pixel sensor is asked of what the decoder makes of a point.
        judges: of the decodings; copies of the role's images among their references are left out.
        seed: of the points and of the bootstrap.
        role: of the images that are encoded, never ``reference``.
        points: of each group.
    """
    if role == "reference":
        raise ValueError("codes of the role 'reference' would be judged by themselves; choose validation or test")
    images = part(run.data, role)
    if min(points, len(images) - 1) < LEAST:
        return []
    groups = groups_of(run, seed, role, points)
    graded = grade(groups, _on(run.device, run.decode), [j.without(images.digests()) for j in judges])
    names = sorted(run.sensors, key=lambda name: (not SENSORS[name].against_prior, name))
    return [
        compare(name, _seen(run, name), graded, seed, undecided=SENSORS[name].against_prior)
        for name in track(names, "asking sensors what is ideal")
    ]


def verdict(found: Sequence[Misalignment]) -> list[str]:
    """A sentence for each sensor that was trained against the prior, of which 1/2 is said to be ideal."""
    return [m.sentence for m in found if SENSORS[m.name].against_prior]


def section(found: Sequence[Misalignment]) -> Section:
    """The report's section: all points, group by group, and a picture a sensor."""
    title = "What the sensors call ideal, and what is real"
    if not found:
        return Section(title, f"Not measured: it takes more than {LEAST} images of the role.")
    points = ", ".join(f"{n} {g}" for g, n in found[0].points.items() if g != POOLED)
    return Section(
        title,
        f"Points of the latent space ({points}), scored by each sensor and decoded for the judges. A sensor that was trained against the "
        f"prior may be read as its authors read it, ideal where its score is within {found[0].band:g} of 1/2; any sensor may be read as a "
        f"density ratio, ideal where it is more than {0.5 + found[0].band:g} sure of the data's side. The judges call some reconstructions "
        "of real images unreal as well: those are the line to compare with.",
        [
            TableBlock(
                _table(found, (POOLED,)),
                "All points",
                "A sensor that is aligned has fewer unreal points among its ideal ones, and a rank correlation near 1.",
            ),
            TableBlock(
                _table(found, tuple(g for g in found[0].points if g != POOLED)),
                "Group by group",
                "Within a group the sensor gets no credit for telling groups apart.",
            ),
            *(_picture(m) for m in found),
        ],
    )


def _table(found: Sequence[Misalignment], groups: Sequence[str]) -> Table:
    columns = {
        "ideal": Column("called ideal", ".0%", None, "share of the points whose score the reading calls ideal"),
        "unreal": Column("unreal if ideal", ".3f", "lower", "share of the ideal points that are unreal; mean of the judges"),
        "every": Column("unreal", ".3f", None, "share of all points of the row that are unreal; mean of the judges"),
        "over_all": Column("ideal - all", "+.3f", "lower", "unreal among ideal points less unreal among all of the row"),
        "over_encoded": Column("ideal - encoded", "+.3f", "lower", "unreal among ideal points less unreal among reconstructions"),
        "rho": Column("rank correlation", ".2f", "higher", "Spearman's, of the claimed quality with the judges' mean rank of realism"),
    }  # fmt: skip
    judges = [j for j in found[0].unreal[POOLED] if j != MEAN]
    columns |= {f"rho_{j}": Column(f"by {j}", ".2f", "higher", f"the same with judge {j}'s realism") for j in judges}
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
                row |= {f"rho_{j}": _bare(r.correlation[g], j) for j in judges}
                rows[f"{m.name}, {_READINGS[r.name]}" + (f": {g}" if g != POOLED else "")] = row
    return Table(columns, rows)


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


def _seen(run: Run, name: str) -> Discriminator:
    """The sensor as one of latents, on the CPU."""
    sensor = run.sensors[name]
    return frozen(sensor.behind(run.model.decoder) if SENSORS[name].on_images else sensor).cpu()


def _on(device: torch.device, decode: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda z: decode(z.to(device))


def _bare(intervals: Intervals, judge: str) -> Cell:
    interval = intervals[judge]
    return Cell(None if interval is None else interval.value)
