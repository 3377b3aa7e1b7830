"""
An interpolation network over a frozen VAE: what it learns, when it collapses, and what prevents the collapse.

The networks are those of ``variants``, and are judged on held-out pairs (``paths``): precision and wholly real paths,
step sizes, whether the ends meet, their re-projection error, and whether that error predicts how real a point is. Further parts:

    the sweep     of the attraction: the smallest that prevents the collapse
    the model     the same network over a VAE that was hardly trained (``quality``)
    the teacher   the string method under the same energy, searched anew for every pair
    the factors   of coloured shapes, where a formula reads them from every frame (``factors``)

The recipe's variants are models: ``badly-trained``, and on shapes ``shapes`` and ``shapes-badly-trained`` in place of the recipe's own.
"""

from collections.abc import Mapping

from ridgewalk.progress import track
from ridgewalk.reports import Section
from ridgewalk.reports.comparison import realism_section
from ridgewalk.reports.paths import strip_figure
from ridgewalk_studies.claims import plain
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings, Part, join_parts
from ridgewalk_studies.interpolation import claims as claimed
from ridgewalk_studies.interpolation import factors, paths, quality
from ridgewalk_studies.interpolation import sections as sections_of
from ridgewalk_studies.interpolation.paths import Judged
from ridgewalk_studies.interpolation.variants import (
    DISTILLED,
    FREE,
    MANY,
    ONE,
    RATIO,
    Trained,
    one_pass,
    sweep_names,
    train_variant,
    variants,
)

SHAPES, BAD = "shapes", "badly-trained"

STRIPS = ("lerp", "slerp", FREE, ONE, MANY, RATIO, DISTILLED)
SHOWN = 3


def measure(e: Experiment) -> Findings:
    """Trains the variants over the first seed's VAE, judges their paths, and judges the claims."""
    seed, models, i = e.settings.reproduce.seeds[0], e.settings.reproduce.variants, e.settings.interpolation
    own = SHAPES if e.source == SHAPES and SHAPES in models else ""
    bad = f"{own}-{BAD}" if own else BAD
    run = e.run(seed, own)
    bad_run = e.run(seed, bad) if bad in models else None
    judges = e.judges(run)
    pool = run.references[: i.pool]
    chosen = variants(i)
    found = {
        name: train_variant(run, i, pool, make, name)
        for name, make in track(chosen.items(), "interpolation networks", total=len(chosen))
    }
    j = paths.judge_paths(run, judges, found, teacher=True)
    milliseconds = _milliseconds(found, j)
    points = paths.idempotence(j, judges, e.points)
    names = sweep_names(i)
    claims = [
        *claimed.of_training(found, j, names),
        *claimed.of_paths(found, j, points),
        claimed.of_geodesics(j),
        *claimed.of_search(found, j, milliseconds),
    ]
    sections = [
        sections_of.table(found, j, milliseconds),
        _strips(j),
        sections_of.sweep(found, j, names),
        sections_of.collapse(found),
        sections_of.distillation(found, j),
    ]
    measured: dict[str, object] = {
        "variants": {n: {t: found[n].end(t) for t in found[n].history.terms} for n in found},
        "events": {n: [event.line() for event in t.history.events] for n, t in found.items()},
        "rows": {
            m: {n: [v.value, v.low, v.high] for n, v in row.items()}
            | {
                "reprojection": plain(j.reprojection(m))[:3],
                "curve_energy": plain(j.over(m, "geodesic", "curve_energy"))[:3],
            }
            for m, row in j.summary.rows.items()
        },
        "enough": claimed.sufficient(found, names),
        "seconds": {n: {"search": t.before, "training": t.history.seconds} for n, t in found.items()},
        "milliseconds": milliseconds,
        "reprojection": {k: [v.value, v.low, v.high] for k, v in points.items()},
        "pairs": len(j.ends),
    }
    main = Part(measured, claims, sections)
    parts = [("quality", quality.compare_models(j, bad_run, i, found[MANY], judges))] if bad_run is not None else []
    parts += [("factors", factors.compare_factors(j, judges, e.points))] if e.source == SHAPES else []
    last = Part({}, sections=[realism_section(j.summary)])
    return join_parts(claimed.answer(found, j, names), ("", main), *parts, ("", last))


def _milliseconds(found: Mapping[str, Trained], j: Judged) -> dict[str, float]:
    """Returns the milliseconds of a path by one pass of each network on one thread, and by the string's search."""
    z_a, z_b = j.paths["lerp"].nodes[:, 0], j.paths["lerp"].nodes[:, -1]
    taken = {n: one_pass(t.finder, z_a, z_b) for n, t in found.items()}
    return taken | {"string": 1e3 * j.paths["string"].stats["seconds_per_path"]}


def _strips(j: Judged) -> Section:
    return Section(
        "The paths",
        "The first pairs, not chosen; a red bar marks a frame that neither judge takes for real.",
        [
            strip_figure(j.run, j.ends, {n: j.shown[n] for n in STRIPS}, pair, j.others)
            for pair in range(min(SHOWN, len(j.ends)))
        ],
    )
