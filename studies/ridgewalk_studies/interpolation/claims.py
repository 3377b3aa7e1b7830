"""The claims of the design of a non-linear interpolation network, their verdicts, and the answer to its question."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from ridgewalk.metrics import statistics
from ridgewalk.metrics.statistics import Interval
from ridgewalk_studies.claims import Claim, Criterion, Verdict, by_value, judge, of, signed, with_count
from ridgewalk_studies.interpolation.paths import GEODESIC, Judged
from ridgewalk_studies.interpolation.variants import (
    ALIVE,
    COLLAPSED,
    DISTILLED,
    EXACT,
    FALLING,
    FREE,
    MANY,
    ONE,
    RATIO,
    Trained,
)
from ridgewalk_studies.sources import NETWORK

NEAR = 1.1
"""Ratio of a path's curve energy to the geodesic's below which the path counts as a geodesic."""

CHEAPER = 10
"""Least ratio of a search's time to that of one pass for which the pass replaces the search."""


_VARIETY = by_value("variety without attraction", "below", COLLAPSED)

COLLAPSES = Claim("Without attraction every pair collapses to one image", NETWORK, (_VARIETY,))
VANISHING = Claim(
    "The collapse is one of vanishing gradients",
    NETWORK,
    (by_value("gradient norm there over its first steps'", "below", 0.01),),
)
ATTRACTION = Claim(
    "Attraction prevents it",
    NETWORK,
    (
        by_value(f"least attraction from which on variety is above {ALIVE} (0 where none is)", "above", 0),
        _VARIETY,
    ),
)
CURRICULUM = Claim(
    "An attraction that falls with the steps prevents it too",
    NETWORK,
    (by_value("variety with a falling attraction", "above", ALIVE),),
)
PROJECTION = Claim(
    "E(G(.)) is a projection on to the learned manifold",
    NETWORK,
    (Criterion("motion by the second application over the first's", "below", 0.1),),
)
MEANS_REAL = Claim(
    "A small re-projection error means a real image",
    NETWORK,
    (Criterion("rank correlation of a small error with realism", "above", 0.5),),
)
MORE_REAL = Claim(
    "The learned paths are more real than straight lines",
    NETWORK,
    (Criterion("share of real frames less that of straight lines", "above", 0),),
)
PAIRING = Claim(
    "Many times for each pair, and pairs from the whole pool, are needed to learn the path",
    NETWORK,
    (by_value("share of real frames less that with one time and fixed pairs, of one seed,", "above", inf, part=0),),
)
IS_GEODESIC = Claim(
    "A path learned from re-projection approximates the geodesic",
    NETWORK,
    (Criterion("curve energy over the geodesic's", "below", NEAR),),
)
TEACHING = Claim(
    "Searched paths are a better teacher than the energy itself",
    "",
    (Criterion("share of real frames of the distilled network less the other's", "above", 0),),
)
ONE_PASS = Claim(
    f"One pass replaces a search: at least {CHEAPER} times cheaper",
    NETWORK,
    (by_value("time of the search over that of one pass", "at least", CHEAPER),),
)


def sufficient(found: Mapping[str, Trained], names: Mapping[float, str]) -> float | None:
    """Returns the smallest swept attraction from which on every network is alive; None if the largest's is not."""
    enough = None
    for w in sorted(names, reverse=True):
        if found[names[w]].end("variety") <= ALIVE:
            break
        enough = w
    return enough


def gradient_left(free: Trained) -> tuple[float, str]:
    """
    Returns the norm of the gradient at the collapse over that of the first 20 steps, and the place of the collapse in words.

    An untrained network is nearly constant. If its variety never rises, the training does not make it constant but only finds the constant of least
    loss: then the gradient is read where the re-projection error has fallen to a tenth, otherwise where the variety falls for the last time.
    """
    gradient, variety, error = (free.history.terms[n] for n in ("interpolation_gradient", "variety", "reprojection"))
    above = (variety >= COLLAPSED).nonzero().flatten()
    if len(above):
        when = min(int(above[-1]) + 1, len(gradient) - 1)
        where = f"where variety falls below {COLLAPSED} for good (step {when + 1})"
    else:
        low = (error <= error[:20].mean() / 10).nonzero().flatten()
        when = int(low[0]) if len(low) else len(gradient) - 1
        share = float(error[when] / error[:20].mean())
        where = (
            f"where the error is {share:.2f} of its first steps' (step {when + 1}; variety never rose to {COLLAPSED})"
        )
    return float(gradient[max(0, when - 20) : when + 1].mean() / gradient[:20].mean()), where


def of_training(found: Mapping[str, Trained], j: Judged, names: Mapping[float, str]) -> list[Verdict]:
    """Judges the claims on the collapse, its gradients, and what prevents it."""
    free, falling = found[FREE], found[FALLING]
    alive, when = gradient_left(free)
    enough = sufficient(found, names)
    return [
        judge(
            COLLAPSES,
            free.end("variety"),
            figure=f"variety between pairs {free.end('variety'):.3f} of straight lines', re-projection error {free.end('reprojection'):.4f}"
            + (f"; named while it trained, at step {free.collapsed_at}" if free.collapsed_at else ""),
        ),
        judge(
            VANISHING,
            alive,
            figure=f"gradient norm {when}: {alive:.2f} of its first steps'",
            how="a collapsed network is a global minimum of the loss, reached by its gradient",
        ),
        judge(
            ATTRACTION,
            enough or 0.0,
            free.end("variety"),
            figure=(f"from lambda {enough:g} up; " if enough is not None else "at no lambda; ")
            + ", ".join(f"{w:g}: {found[n].end('variety'):.2f}" for w, n in names.items()),
            how="variety between pairs, at equal cost",
        ),
        judge(
            CURRICULUM,
            falling.end("variety"),
            figure=f"variety {falling.end('variety'):.2f}; re-projection error over LERP's {of(j.reprojection(FALLING))} against {of(j.reprojection(ONE))} "
            f"at the constant one; share of real frames {j.summary.rows[FALLING]['real'].value:.3f} against {j.summary.rows[ONE]['real'].value:.3f}",
            how="from 10 times the kept one to a hundredth of it",
        ),
    ]


def of_paths(found: Mapping[str, Trained], j: Judged, points: Mapping[str, Interval]) -> list[Verdict]:
    """Judges the claims on projection, realism and pairing."""
    s = j.summary
    best = s.differences[MANY]["real"]
    more = s.rows[MANY]["real"].value - s.rows[ONE]["real"].value
    # points of one line are not independent: the number of pairs settles a claim
    projected, ranked = (replace(points[k], n=min(points[k].n, best.n)) for k in ("second over first", "rank"))
    return [
        judge(
            PROJECTION,
            projected,
            figure=f"the second application moves a point {points['second over first'].value:.2f} as far as the first",
            how="0 for a projection",
        ),
        judge(
            MEANS_REAL,
            ranked,
            figure=f"rank correlation with the judges' realism on straight lines {of(points['rank'])}",
        ),
        judge(
            MORE_REAL,
            best,
            figure=f"share of real frames less LERP's {signed(best)}, less that of {s.free.upper()}, the best free path, "
            f"{signed(s.gains[MANY]['real'])} (many times, fresh pairs)",
        ),
        judge(
            PAIRING,
            with_count(more, best.n),
            figure="share of real frames "
            + ", ".join(f"{n}: {s.rows[n]['real'].value:.3f}" for n in found if "pairs" in n),
            how="four trainings at equal cost, one seed",
        ),
    ]


def of_geodesics(j: Judged) -> Verdict:
    """Judges whether re-projection leads to the curves of least energy."""
    line, plain, exact = (j.over(n, GEODESIC, "curve_energy") for n in ("lerp", MANY, EXACT))
    nearer = replace(IS_GEODESIC.criteria[0], threshold=min(NEAR, line.low), refuted=NEAR)
    return judge(
        replace(IS_GEODESIC, criteria=(nearer,)),
        exact,
        figure=f"curve energy over the geodesic's: {of(exact)} (exact), {of(plain)} (many times, fresh pairs); straight lines' {of(line)}",
        how=f"the pull-back metric of the decoder; the threshold is {NEAR}, or the straight lines' where that is less",
    )


def of_search(found: Mapping[str, Trained], j: Judged, milliseconds: Mapping[str, float]) -> list[Verdict]:
    """Judges the exact network on one energy: trained from the energy, trained from its paths, and in place of its search."""
    learned, taught = found[RATIO], found[DISTILLED]
    columns = {n: j.entries[n].columns["real"] for n in (RATIO, DISTILLED, "string")}
    gain = statistics.paired_difference(columns[DISTILLED], columns[RATIO], 0)
    short = statistics.paired_difference(columns[DISTILLED], columns["string"], 0)
    one, search = milliseconds[DISTILLED], milliseconds["string"]
    return [
        judge(
            TEACHING,
            gain,
            figure=f"share of real frames of the distilled less the other's {signed(gain)}; {taught.seconds:.0f} s ({taught.before:.0f} s of search) against "
            f"{learned.seconds:.0f} s; less the string method's own {signed(short)}",
            how="the exact network and one energy, equally many steps",
        ),
        judge(
            ONE_PASS,
            search / one,
            figure=f"{one:.3g} ms a path of 16 frames in a batch of 128, on one thread; the string method {search:.3g} ms a path of "
            f"{j.run.recipe.walks.nodes} nodes, on all threads",
            how="the exact network",
        ),
    ]


def answer(found: Mapping[str, Trained], j: Judged, names: Mapping[float, str]) -> list[str]:
    """Answers the recipe's question: can paths be learned from re-projection, and what prevents the collapse."""
    s, free, enough = j.summary, found[FREE].end("variety"), sufficient(found, names)
    # one path for all pairs may be real: only networks whose paths differ are compared
    alive = [n for n, t in found.items() if t.end("variety") > ALIVE] or list(found)
    best = max(alive, key=lambda n: s.rows[n]["real"].value)
    d = s.gains[best]["real"]
    kept = (
        f"the smallest attraction of those tried that keeps the pairs apart (variety above {ALIVE}) is {enough:g}"
        if enough is not None
        else f"none of the attractions tried keeps the pairs apart (variety above {ALIVE})"
    )
    return [
        f"Without attraction the network {'collapses' if free < COLLAPSED else 'does not collapse'} (variety {free:.3f} of straight lines'); {kept}.",
        f"The most real paths that differ between pairs are those of '{best}': share of real frames {s.rows[best]['real']:.3f} against "
        f"{s.rows[s.free]['real']:.3f} of the best free path, {s.free.upper()} ({d:+.3f}).",
    ]
