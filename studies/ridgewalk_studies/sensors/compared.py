"""
Which sensor keeps a path on the data? All sensors on one model, for walks and for strings, over two seeds: the ablation that answers
whether a walk that listens to the latent *and* to the picture is a reliable one.
"""

from ridgewalk.metrics import statistics
from ridgewalk.metrics.statistics import Interval
from ridgewalk.progress import track
from ridgewalk.reports import Claim, Section, TableBlock
from ridgewalk.reports.claims import verdict
from ridgewalk.reports.findings import Findings
from ridgewalk.store.run import Run, load
from ridgewalk.verbs import measurement, pages, train
from ridgewalk.verbs.measurement import Pooled
from ridgewalk.verbs.tables import cost_table
from ridgewalk_studies.running import Experiment

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
"""Energies that walk and string are tried with."""

AS_WRITTEN = ("sgw", "sgw:bce-to-half", "sgw:bce-to-0")
"""The walk as its authors wrote it."""

MATTERS = 0.05
"""A gain in precision below this is none that matters."""

METHODS = (*AS_WRITTEN, *(f"sgw-arriving:{s}" for s in SENSORS), *(f"string:{s}" for s in SENSORS))


def measure(e: Experiment) -> Findings:
    """Trains the pixel sensors that are missing, searches, judges, and answers."""
    runs = [_sensed(run, e.device) for run in track(e.runs(), "pixel sensors")]
    pooled = measurement.pool(runs, runs[0].recipe.walks.pairs, "test", METHODS, 0)
    if pooled is None:
        return Findings([], [], [])
    s, count = pooled.summary, len(pooled.measured[0].ends)
    dual, latent, pixel = (s.gap_closed[f"string:{n}"] for n in ("dual", "soft-ratio", "pixel"))
    gain = _difference(pooled, "string:dual", "string:soft-ratio")
    walk_gain = _difference(pooled, "sgw-arriving:dual", "sgw-arriving:soft-ratio")
    helps = verdict(gain.value, gain.low, gain.high)
    answer = [
        f"Does the dual sensor make walks reliable? A string under it closes {dual:.2f} of LERP's gap to the reconstructions, under the latent "
        f"sensor alone {latent:.2f}, under the pixel sensor alone {pixel:.2f}.",
        f"Against the latent sensor alone the dual one changes precision by {gain:+.3f} in strings and by "
        f"{walk_gain:+.3f} in arriving walks: "
        + {
            "held": "it adds to it.",
            "did not hold": "it takes from it.",
            "undecided": "it does not add to it that these judges could see.",
        }[helps],
    ]
    figures = measurement.figures_of(runs, s, pooled.entries, pooled.measured[0].judges, count, "test", 0)
    sections = [
        pages.realism_section(s),
        Section(
            "What it costs",
            "Every energy is scaled to the density ratio's force on LERP points, so that one step size serves all.",
            [TableBlock(cost_table(pooled.entries), "Cost")],
        ),
        *(
            Section(
                f"The sensors of seed {run.origin.seed}", " ".join(d.sentence for d in measurement.diagnose(run)), []
            )
            for run in runs
        ),
    ]
    return Findings(answer, _claims(pooled, gain), sections, figures)


def _claims(pooled: Pooled, gain: Interval) -> list[Claim]:
    s = pooled.summary
    walk, string = s.gap_closed["sgw-arriving:dual"], s.gap_closed["string:dual"]
    step = s.rows["string:dual"]["largest_step"]
    claims = [
        Claim(
            "The dual sensor answers the open question: listening to both makes a path reliable where the latent alone does not",
            "held" if gain.low > 0 else "did not hold" if gain.high < MATTERS else "undecided",
            f"precision of strings, dual minus latent alone: {gain:+.3f}",
            f"the same pairs, two judges, all seeds; held where the interval lies above 0, not held where it lies below {MATTERS}",
        ),
        _reached("A dual walk, all arriving, closes at least 0.6 of the gap", walk, 0.6),
        _reached("A dual string closes at least 0.95 of the gap", string, 0.95),
        Claim(
            "at a largest step of at most 0.16",
            verdict(step.value, step.low, step.high, 0.16, above=False),
            f"{step:.3f}",
        ),
    ]
    if "string:dual" in s.whole_ratio:
        claims.insert(
            3, _reached("with at least 1.8 times LERP's share of wholly real paths", s.whole_ratio["string:dual"], 1.8)
        )
    for name, claim in (
        (
            "string:logit-squared",
            "Pulled to D = 1/2 of the autoencoder's own discriminator, a path is no more real than LERP",
        ),
        ("string:bce-to-0", "nor is it under the same discriminator read as a density ratio"),
        ("string:reprojection", "nor under re-projection"),
    ):
        d = s.differences[name]["precision"]
        claims.append(
            Claim(
                claim,
                "held" if d.high < 0.05 else "did not hold" if d.low > 0 else "undecided",
                f"precision of strings minus LERP's {d:+.3f}",
                "held where the interval lies below 0.05",
            )
        )
    return claims


def _reached(says: str, found: Interval, asked: float) -> Claim:
    fate = verdict(found.value, found.low, found.high, asked)
    return Claim(
        says,
        fate,
        f"{found:.2f}",
        f"held where the whole interval lies above {asked}; the value is {'above' if found.value >= asked else 'below'}",
    )


def _difference(pooled: Pooled, a: str, b: str) -> Interval:
    """Precision of one method minus another's on the same pairs, a pair and its runs resampled together."""
    import torch

    columns = {entry.method: entry.columns["precision"] for entry in pooled.entries}
    groups = torch.arange(len(pooled.measured[0].ends)).repeat(len(pooled.measured))
    return statistics.paired_difference(columns[a], columns[b], 0, groups=groups)


def _sensed(run: Run, device: str) -> Run:
    """The run with both pixel sensors, trained where they are missing."""
    for contrast, name in (("holes", "pixel"), ("real", "pixel-real")):
        if name not in run.sensors:
            train.sense(run, contrast, run.origin.seed, device)
    return load(run.folder, str(run.device))
