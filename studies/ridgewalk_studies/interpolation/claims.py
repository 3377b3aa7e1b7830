"""What document 001 says of interpolation networks, each claim with its verdict, and the answer to its question."""

from collections.abc import Mapping

from ridgewalk.metrics import statistics
from ridgewalk.metrics.statistics import Interval
from ridgewalk.reports import Claim
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
from ridgewalk_studies.verdicts import LEAST, of, settled, signed

NEAR = 1.1
"""Curve energy over the geodesic's, below which a path is one, nearly."""

CHEAPER = 10
"""Times that one pass must be cheaper than a search, to replace it."""


def sufficient(found: Mapping[str, Trained], names: Mapping[float, str]) -> float | None:
    """The smallest swept attraction from which on every network is alive; None where the largest's is not."""
    enough = None
    for w in sorted(names, reverse=True):
        if found[names[w]].end("variety") <= ALIVE:
            break
        enough = w
    return enough


def gradient_left(free: Trained) -> tuple[float, str]:
    """
    The norm of the gradient where the collapse is made, over its first 20 steps', and where that is, in words.

    An untrained network is nearly constant. One whose variety never rises is not made constant by its training, which only finds the constant that
    pays: there the gradient is read where the re-projection error has fallen to a tenth, otherwise where the variety falls for the last time.
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


def of_training(found: Mapping[str, Trained], j: Judged, names: Mapping[float, str]) -> list[Claim]:
    """Collapse, its gradients, and what prevents it."""
    free, falling = found[FREE], found[FALLING]
    alive, when = gradient_left(free)
    enough = sufficient(found, names)
    return [
        Claim(
            "Without attraction every pair collapses to one image",
            "held" if free.end("variety") < COLLAPSED else "did not hold",
            f"variety between pairs {free.end('variety'):.3f} of straight lines', re-projection error {free.end('reprojection'):.4f}"
            + (f"; named while it trained, at step {free.collapsed_at}" if free.collapsed_at else ""),
            f"held below {COLLAPSED}",
        ),
        Claim(
            "The collapse is one of vanishing gradients",
            "held" if alive < 0.01 else "did not hold",
            f"gradient norm {when}: {alive:.2f} of its first steps'",
            "a collapsed network is a global minimum of the loss, reached by its gradient; held below 0.01",
        ),
        Claim(
            "Attraction prevents it",
            "held" if enough is not None and enough > 0 and free.end("variety") < COLLAPSED else "did not hold",
            (f"from lambda {enough:g} up; " if enough is not None else "at no lambda; ")
            + ", ".join(f"{w:g}: {found[n].end('variety'):.2f}" for w, n in names.items()),
            f"variety between pairs, at equal cost; held where it is above {ALIVE} from some lambda > 0 up and below {COLLAPSED} at 0",
        ),
        Claim(
            "An attraction that falls with the steps prevents it too",
            "held" if falling.end("variety") > ALIVE else "did not hold",
            f"variety {falling.end('variety'):.2f}; re-projection error over LERP's {of(j.reprojection(FALLING))} against {of(j.reprojection(ONE))} "
            f"at the constant one; precision {j.summary.rows[FALLING]['precision'].value:.3f} against {j.summary.rows[ONE]['precision'].value:.3f}",
            f"from 10 times the kept one to a hundredth of it; held above {ALIVE}",
        ),
    ]


def of_paths(found: Mapping[str, Trained], j: Judged, points: Mapping[str, Interval]) -> list[Claim]:
    """Projection, realism and pairing."""
    s = j.summary
    best = s.differences[MANY]["precision"]
    more = s.rows[MANY]["precision"].value - s.rows[ONE]["precision"].value
    few = s.rows["lerp"]["precision"].n < LEAST
    return [
        Claim(
            "E(G(.)) is a projection on to the learned manifold",
            _if_enough(few, settled(points["second over first"], 0.1, above=False)),
            f"the second application moves a point {points['second over first'].value:.2f} as far as the first",
            "0 for a projection; held below 0.1",
        ),
        Claim(
            "A small re-projection error means a real image",
            _if_enough(few, settled(points["rank"], 0.5)),
            f"rank correlation with the judges' realism on straight lines {of(points['rank'])}",
            "held above 0.5",
        ),
        Claim(
            "The learned paths are more real than straight lines",
            settled(best),
            f"precision less LERP's {signed(best)} (many times, fresh pairs)",
            "held where the interval lies above 0",
        ),
        Claim(
            "Many times for each pair, and pairs from the whole pool, are needed to learn the path",
            _if_enough(few, "held in part" if more > 0 else "did not hold"),
            "precision " + ", ".join(f"{n}: {s.rows[n]['precision'].value:.3f}" for n in found if "pairs" in n),
            "four trainings at equal cost, one seed",
        ),
    ]


def of_geodesics(j: Judged) -> Claim:
    """Whether re-projection leads to the curves of least energy."""
    line, plain, exact = (j.over(n, GEODESIC, "curve_energy") for n in ("lerp", MANY, EXACT))
    fate = "held" if exact.high < min(NEAR, line.low) else "did not hold" if exact.low > NEAR else "undecided"
    return Claim(
        "A path learned from re-projection approximates the geodesic",
        _if_enough(line.n < LEAST, fate),
        f"curve energy over the geodesic's: {of(exact)} (exact), {of(plain)} (many times, fresh pairs); straight lines' {of(line)}",
        f"the pull-back metric of the decoder; held where the exact network's interval lies below {NEAR} and below the straight lines'",
    )


def of_search(found: Mapping[str, Trained], j: Judged, milliseconds: Mapping[str, float]) -> list[Claim]:
    """The exact network on one energy: from the energy, from its paths, and instead of its search."""
    learned, taught = found[RATIO], found[DISTILLED]
    columns = {n: j.entries[n].columns["precision"] for n in (RATIO, DISTILLED, "string")}
    gain = statistics.paired_difference(columns[DISTILLED], columns[RATIO], 0)
    short = statistics.paired_difference(columns[DISTILLED], columns["string"], 0)
    one, search = milliseconds[DISTILLED], milliseconds["string"]
    return [
        Claim(
            "Searched paths are a better teacher than the energy itself",
            settled(gain),
            f"precision of the distilled less the other's {signed(gain)}; {taught.seconds:.0f} s ({taught.before:.0f} s of search) against "
            f"{learned.seconds:.0f} s; less the string method's own {signed(short)}",
            "the exact network and one energy, equally many steps; held where the interval lies above 0",
        ),
        Claim(
            f"One pass replaces a search: at least {CHEAPER} times cheaper",
            "held" if search >= CHEAPER * one else "did not hold",
            f"{one:.3g} ms a path of 16 frames in a batch of 128, on one thread; the string method {search:.3g} ms a path of "
            f"{j.run.recipe.walks.nodes} nodes, on all threads",
            f"the exact network; held at {CHEAPER} times",
        ),
    ]


def _if_enough(few: bool, fate: str) -> str:
    return "undecided" if few else fate


def answer(found: Mapping[str, Trained], j: Judged, names: Mapping[float, str]) -> list[str]:
    """What the recipe asks: can it be learned from re-projection, and what keeps it from one image for all."""
    s, free, enough = j.summary, found[FREE].end("variety"), sufficient(found, names)
    # one path for all may well be real: only networks whose paths differ compete
    alive = [n for n, t in found.items() if t.end("variety") > ALIVE] or list(found)
    best = max(alive, key=lambda n: s.rows[n]["precision"].value)
    d = s.differences[best]["precision"]
    kept = (
        f"the smallest attraction of those tried that keeps the pairs apart (variety above {ALIVE}) is {enough:g}"
        if enough is not None
        else f"none of the attractions tried keeps the pairs apart (variety above {ALIVE})"
    )
    return [
        f"Without attraction the network {'collapses' if free < COLLAPSED else 'does not collapse'} (variety {free:.3f} of straight lines'); {kept}.",
        f"The most real paths that differ between pairs are those of '{best}': precision {s.rows[best]['precision']:.3f} against "
        f"LERP's {s.rows['lerp']['precision']:.3f} ({d:+.3f}).",
    ]
