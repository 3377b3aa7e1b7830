"""The fronts of realism against smoothness and against time, of every finder on the trained models."""

from ridgewalk.evaluation.methods import Pooled
from ridgewalk.progress import track
from ridgewalk.reports.pages.front import sections
from ridgewalk.store.run import load
from ridgewalk.verbs import train
from ridgewalk.verbs.compare import LONG, measure_front
from ridgewalk_studies.claims import Claim, Criterion, Verdict, judge
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings

MATTERS = 0.05
"""A smaller gain in the share of real frames counts as none."""

JUMPY = Claim(
    "A path over a graph of codes is real and jumpy",
    "",
    (Criterion("share of real frames less LERP's", "above", 0), Criterion("length over LERP's", "above", LONG)),
)
SMOOTH = Claim(
    "A geodesic of the pull-back metric is smooth and no more real than a straight line",
    "",
    (
        Criterion("share of real frames less LERP's", "at most", MATTERS, refuted=0),
        Criterion("length over LERP's", "below", 1),
    ),
)


def measure(e: Experiment) -> Findings:
    """Trains the models and their sensors, compares the finders, and judges the claims on them."""
    runs = []
    for run in track(e.runs(), "pixel sensors"):
        if "pixel" not in run.sensors:
            train.sense(run, "holes", run.origin.seed, e.device)
        runs.append(load(run.folder, str(run.device)))
    front = measure_front(runs, e.settings.walks.pairs, "test", None, 0)
    if front is None:
        return Findings([], [], [])
    return Findings(front.answer, judge_front(front.pooled), sections(front), front.figures)


def judge_front(pooled: Pooled) -> list[Verdict]:
    """Judges the claims on graph paths, on geodesics and on the best finder."""
    s, verdicts = pooled.summary, []
    for method, claim in (("graph", JUMPY), ("geodesic", SMOOTH)):
        if method in s.rows:
            gain, length = s.differences[method]["real"], s.rows[method]["relative_length"]
            figure = f"share of real frames less LERP's {gain:+.3f}, length {length:.2f} of LERP's"
            verdicts.append(judge(claim, gain, length, figure=figure))
    ceiling = s.lines["reconstructions"]["real"]
    short = {m: r["real"] for m, r in s.rows.items() if r["relative_length"].value <= LONG and r["arrived"].value == 1}
    best = max(short, key=lambda m: short[m].value)
    figure = f"most real at a length of at most {LONG}: {best}, share of real frames {short[best]:.3f} against the reconstructions' {ceiling:.3f}"
    below = Criterion("share of real frames of the most real smooth finder", "below", ceiling)
    neither = Claim("No finder is both as real as reconstructions and smooth", "", (below,))
    return [*verdicts, judge(neither, short[best], figure=figure, how="the mean of two judges")]
