"""
Which sensor keeps a path on the data? All sensors on one model, for walks and for strings, over two seeds: an ablation that shows
whether a walk under both the latent and the pixel sensor is reliable.
"""

from ridgewalk.evaluation.methods import Pooled, figures_of, pool_runs
from ridgewalk.evaluation.sensors import diagnose_sensors
from ridgewalk.metrics import crossed
from ridgewalk.metrics.statistics import Interval
from ridgewalk.progress import track
from ridgewalk.reports import Section, TableBlock
from ridgewalk.reports.comparison import cost_table, realism_section
from ridgewalk.store.run import Run, load
from ridgewalk.verbs import train
from ridgewalk_studies.claims import Claim, Criterion, Verdict, judge
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.sources import WALKS

SENSORS = (
    "logit-squared",
    "bce-to-half",
    "bce-to-0",
    "soft-ratio",
    "pixel",
    "pixel-real",
    "dual",
    "reprojection",
    "neighbours",
    "kernel",
)
"""Energies under which walks and strings are compared."""

AS_WRITTEN = ("sgw", "sgw:bce-to-half", "sgw:bce-to-0")
"""The walk as its authors wrote it."""

MATTERS = 0.05
"""A smaller gain in the share of real frames counts as none."""

DUAL = Claim(
    "The dual sensor answers the open question: listening to both makes a path reliable where the latent alone does not",
    WALKS,
    (Criterion("share of real frames of strings, dual less the latent alone,", "above", 0, refuted=MATTERS),),
)
DUAL_WALK = Claim(
    "A dual walk, all arriving, is more real than the best free path",
    "",
    (Criterion("gain in the share of real frames", "above", 0),),
)
DUAL_STRING = Claim(
    "A dual string is more real than the best free path",
    "",
    (Criterion("gain in the share of real frames", "above", 0),),
)
WHOLE = Claim("with more wholly real paths", "", (Criterion("gain in wholly real paths", "above", 0),))
STEP = Claim("at a largest step of at most 0.16", "", (Criterion("largest step", "below", 0.16),))
NO_GAIN = {
    method: Claim(
        statement, "", (Criterion("share of real frames of strings less LERP's", "below", MATTERS, refuted=0),)
    )
    for method, statement in (
        (
            "string:logit-squared",
            "Pulled to D = 1/2 of the autoencoder's own discriminator, a path is no more real than LERP",
        ),
        ("string:bce-to-0", "nor is it under the same discriminator read as a density ratio"),
        ("string:reprojection", "nor under re-projection"),
    )
}

METHODS = (*AS_WRITTEN, *(f"sgw-arriving:{s}" for s in SENSORS), *(f"string:{s}" for s in SENSORS))


def measure(e: Experiment) -> Findings:
    """Trains the missing pixel sensors, searches paths, and judges paths and claims."""
    runs = [_with_pixel_sensors(run, e.device) for run in track(e.runs(), "pixel sensors")]
    pooled = pool_runs(runs, runs[0].recipe.walks.pairs, "test", METHODS, 0, judges=[e.judges(run) for run in runs])
    if pooled is None:
        return Findings([], [], [])
    s, count = pooled.summary, len(pooled.measured[0].ends)
    dual, latent, pixel = (s.gains[f"string:{n}"]["real"] for n in ("dual", "soft-ratio", "pixel"))
    gain = _difference(pooled, "string:dual", "string:soft-ratio")
    walk_gain = _difference(pooled, "sgw-arriving:dual", "sgw-arriving:soft-ratio")
    adds = judge(
        DUAL,
        gain,
        figure=f"share of real frames of strings, dual minus latent alone: {gain:+.3f}",
        how="two judges, all seeds",
    )
    answer = [
        f"Does the dual sensor make walks reliable? A string under it gains {dual:+.3f} in the share of real frames over the best free path, {s.free.upper()}, "
        f"under the latent sensor alone {latent:+.3f}, under the pixel sensor alone {pixel:+.3f}.",
        f"Against the latent sensor alone the dual one changes the share of real frames by {gain:+.3f} in strings and by "
        f"{walk_gain:+.3f} in arriving walks: "
        + (
            "the pixel sensor helps."
            if gain.low > 0
            else "the pixel sensor harms."
            if gain.high < 0
            else "these judges see no effect of the pixel sensor."
        ),
    ]
    figures = figures_of(runs, s, pooled.entries, pooled.measured[0].judges, count, "test", 0)
    sections = [
        realism_section(s),
        Section(
            "Cost",
            "Every energy is scaled to the density ratio's force on LERP points, so that one step size serves all.",
            [TableBlock(cost_table(pooled.entries), "Cost")],
        ),
        *(
            Section(f"The sensors of seed {run.origin.seed}", " ".join(d.sentence for d in diagnose_sensors(run)), [])
            for run in runs
        ),
    ]
    return Findings(answer, [adds, *_claims(pooled)], sections, figures)


def _claims(pooled: Pooled) -> list[Verdict]:
    s = pooled.summary
    walk, string = (s.gains[m]["real"] for m in ("sgw-arriving:dual", "string:dual"))
    step, whole = s.rows["string:dual"]["largest_step"], s.gains["string:dual"]["wholly_real"]
    gains = {method: s.differences[method]["real"] for method in NO_GAIN}
    return [
        *(
            judge(claim, gain, figure=f"{gain:+.3f} over {s.free.upper()}")
            for claim, gain in ((DUAL_WALK, walk), (DUAL_STRING, string), (WHOLE, whole))
        ),
        judge(STEP, step, figure=f"{step:.3f}"),
        *(
            judge(claim, gains[method], figure=f"share of real frames of strings minus LERP's {gains[method]:+.3f}")
            for method, claim in NO_GAIN.items()
        ),
    ]


def _difference(pooled: Pooled, a: str, b: str) -> Interval:
    """Returns the share of real frames of one method minus another's on the same pairs, over pairs and models."""
    columns = {entry.method: entry.columns["real"] for entry in pooled.entries}
    return crossed.estimate_difference(columns[a], columns[b], 0, len(pooled.measured))


def _with_pixel_sensors(run: Run, device: str) -> Run:
    """Returns the run with both pixel sensors, which are trained if they are missing."""
    for contrast, name in (("holes", "pixel"), ("real", "pixel-real")):
        if name not in run.sensors:
            train.sense(run, contrast, run.origin.seed, device)
    return load(run.folder, str(run.device))
