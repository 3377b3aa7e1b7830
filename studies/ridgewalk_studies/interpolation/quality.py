"""
Garbage in, garbage out: the same interpolation network over a VAE that was hardly trained.

The recipe's variant ``badly-trained`` is the same VAE with a twentieth of the epochs (more on the digits, where it would decode nothing). Its paths
are compared with its own straight lines and its own reconstructions, which are the limit of its decoder, and with the well trained one's
on the same pairs of images. The source also claims that the better the VAE, the flatter the re-projection loss, so that its gradients vanish: the
slope of the loss shows whether they do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ridgewalk.judging.comparison import FREE
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk.reports.paths import strip_figure
from ridgewalk.settings.autoencoder import Interpolation
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import Claim, Criterion, Verdict, judge, of, plain, signed
from ridgewalk_studies.findings import Part
from ridgewalk_studies.interpolation.paths import Judged, judge_paths, slope
from ridgewalk_studies.interpolation.variants import MANY, Trained, train_variant, variants
from ridgewalk_studies.sources import NETWORK

GARBAGE = Claim(
    "Garbage in, garbage out: over a badly trained VAE the learned paths are less real",
    NETWORK,
    (Criterion("share of real frames lost on the same pairs", "above", 0),),
)
FLATTER = Claim(
    "The better the VAE, the flatter the re-projection loss",
    NETWORK,
    (Criterion("slope of the loss over the badly trained VAE's", "below", 1),),
)

STEPS = 20
"""Number of first steps over which the gradient norm is averaged: both networks begin with the same weights."""


def compare_models(good: Judged, bad_run: Run, i: Interpolation, known: Trained, judges: Sequence[Judge]) -> Part:
    """
    Trains the network over the badly trained VAE, and compares its paths with those over the well trained one.

    Args:
        good: Judged paths over the well trained VAE.
        bad_run: The run of the badly trained VAE.
        i: Settings of the network.
        known: The network over the well trained VAE.
        judges: The judges of both.
    """
    own = train_variant(bad_run, i, bad_run.references[: i.pool], variants(i)[MANY], f"{MANY}, badly trained VAE")
    bad = judge_paths(bad_run, judges, {MANY: own}, teacher=False)
    models = {"well trained": (good, known), "badly trained": (bad, own)}
    slopes = {n: slope(j) for n, (j, _) in models.items()}
    flatter = statistics.bootstrap_ratio(slopes["well trained"], slopes["badly trained"], 0)
    lost = statistics.paired_difference(good.entries[MANY].columns["real"], bad.entries[MANY].columns["real"], 0)
    claims = [_judge_garbage(good, bad, lost), _judge_flatness(flatter, known, own)]
    table = _table(models, slopes)
    pictures = [
        strip_figure(
            good.run,
            good.ends,
            {f"{m}, {n}": j.shown[n] for m, (j, _) in models.items() for n in (*FREE, MANY)},
            0,
            good.others,
        )
    ]
    section = Section(
        "Garbage in",
        f"The same network, with the same schedule, over the same VAE after {bad_run.recipe.training.epochs} of its "
        f"{good.run.recipe.training.epochs} epochs; the same pairs of images.",
        [table, *pictures],
    )
    measured = {
        "rows": {m: plain({n: dict(j.summary.rows[n]) for n in (*FREE, MANY)}) for m, (j, _) in models.items()},
        "reconstructions": {m: j.summary.lines["reconstructions"]["real"] for m, (j, _) in models.items()},
        "gain": {m: {"over": j.summary.free, "real": plain(_gain(j))} for m, (j, _) in models.items()},
        "lost": plain(lost),
        "slope": {m: float(s.mean()) for m, s in slopes.items()},
        "flatter": plain(flatter),
        "first gradient": {m: first_gradient(t) for m, (_, t) in models.items()},
    }
    return Part(measured, claims, [section])


def _gain(j: Judged) -> statistics.Interval:
    """Returns the share of real frames of the network less that of the best free path."""
    return j.summary.gains[MANY]["real"]


def first_gradient(t: Trained) -> float:
    """Returns the mean norm of the network's gradient over the first steps."""
    return float(t.history.terms["interpolation_gradient"][:STEPS].mean())


def _judge_garbage(good: Judged, bad: Judged, lost: statistics.Interval) -> Verdict:
    range_ = "; ".join(
        f"{m}: {j.summary.rows[MANY]['real'].value:.3f} between its LERP's {j.summary.rows['lerp']['real'].value:.3f} and its "
        f"reconstructions' {j.summary.lines['reconstructions']['real']:.3f}"
        for m, j in (("well trained", good), ("badly trained", bad))
    )
    return judge(
        GARBAGE, lost, figure=f"share of real frames lost {signed(lost)} ({range_})", how="the same pairs of images"
    )


def _judge_flatness(flatter: statistics.Interval, known: Trained, own: Trained) -> Verdict:
    return judge(
        FLATTER,
        flatter,
        figure=f"its slope on straight lines is {of(flatter)} of the badly trained VAE's; the network's gradient in its first {STEPS} steps "
        f"{first_gradient(known):.3g} against {first_gradient(own):.3g}",
        how="slope of |z - E(G(z))|^2 over the codes' mean norm",
    )


def _table(models: Mapping[str, tuple[Judged, Trained]], slopes: Mapping[str, Any]) -> TableBlock:
    columns = {
        "reconstructions": Column("reconstructions", ".3f", "higher", "share of real frames of its reconstructions"),
        "lerp": Column("LERP", ".3f", "higher", "share of real frames of its straight lines"),
        "slerp": Column("SLERP", ".3f", "higher", "share of real frames of its great circles"),
        "network": Column("network", ".3f", "higher", f"share of real frames of '{MANY}'"),
        "gain": Column("network less free", "+.3f", "higher", "less the better of LERP and SLERP, on the same pairs"),
        "error": Column(
            "re-projection", ".3f", "lower", "mean |z - E(G(z))|^2 of the network's points over its LERP's"
        ),
        "slope": Column("slope", ".3g", None, "of the re-projection loss on straight lines, over the codes' size"),
        "gradient": Column("gradient", ".3g", None, f"norm of the network's gradient over its first {STEPS} steps"),
    }
    rows = {
        m: {
            "reconstructions": Cell(j.summary.lines["reconstructions"]["real"]),
            **{free: Cell.of(j.summary.rows[free]["real"]) for free in FREE},
            "network": Cell.of(j.summary.rows[MANY]["real"]),
            "gain": Cell.of(_gain(j)),
            "error": Cell.of(j.reprojection(MANY)),
            "slope": Cell.of(statistics.bootstrap_mean(slopes[m], 0)),
            "gradient": Cell(first_gradient(t)),
        }
        for m, (j, t) in models.items()
    }
    return TableBlock(Table(columns, rows, corner="VAE"), "The same network over two VAEs")
