"""
An interpolation network over a frozen VAE: what it learns, when it collapses, and what keeps it from it.

The network is trained on re-projection and attraction (``training.interpolation``). Varied one at a time, at equal cost:

    attraction   lambda from 0 (nothing holds it) up, and falling with the steps (a curriculum)
    pairing      one time for each pair or many; pairs from a list drawn once or drawn anew from the whole pool
    network      3 to 5 layers, ReLU and SiLU; exact by construction; trained on a density ratio and curve energy in place of re-projection

Judged on held-out pairs: precision and wholly real paths, step sizes, whether the ends meet; and whether re-projection error says how real a point is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ridgewalk.evaluation import comparison
from ridgewalk.evaluation.comparison import Entry, Summary
from ridgewalk.evaluation.judges import Judge
from ridgewalk.experiments.running import Experiment, Findings
from ridgewalk.experiments.verdicts import LEAST
from ridgewalk.metrics import statistics
from ridgewalk.metrics.ranks import bootstrap_spearman
from ridgewalk.models.interpolator import interpolator
from ridgewalk.path import chunked
from ridgewalk.paths import Amortised, Lerp
from ridgewalk.progress import track
from ridgewalk.reports import Cell, Claim, Column, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports.claims import verdict
from ridgewalk.runs import measuring, pages, walking
from ridgewalk.runs.config import Interpolation
from ridgewalk.runs.record import Run
from ridgewalk.training.interpolation import Pairing, PathEnergy, Reprojection
from ridgewalk.training.loop import History, fit
from ridgewalk.training.noise import mixed_seed
from ridgewalk.training.schedule import Schedule

LAMBDAS = (0.0, 0.01, 1.0)
"""Attractions beside the recipe's own."""

ONE, MANY = "one time, fixed pairs", "many times, fresh pairs"
"""The first proposal's pairing, and the one that its closing question asks for."""

COLLAPSED = 0.1
"""Variety below this is one path for all pairs."""

STRIPS = ("lerp", "lambda 0", ONE, MANY, "exact, density ratio")
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Trained:
    """A variant: its network's paths, its log, and whether it is exact."""

    finder: Amortised
    history: History

    def end(self, term: str) -> float:
        """The mean of a term over the last tenth of the steps."""
        values = self.history.terms[term]
        return float(values[-max(1, len(values) // 10) :].mean())


Variant = Callable[[Tensor, Run], Reprojection | PathEnergy]
"""From the pool and the run to an objective over a network of its own."""


def variants(i: Interpolation) -> dict[str, Variant]:
    """Every variant by its name."""

    def plain(
        weight: float | Callable[[int], float] = i.attraction,
        hidden: Sequence[int] = i.hidden,
        act: str = i.activation,
        fresh: bool = True,
        redrawn: bool = True,
        times: int = 1,
    ) -> Variant:
        def make(pool: Tensor, run: Run) -> Reprojection:
            network = interpolator(pool.shape[1], False, hidden, act)
            return Reprojection(network, _projection(run), Pairing(pool, fresh, times, redrawn), weight)

        return make

    def exact(energy: bool) -> Variant:
        def make(pool: Tensor, run: Run) -> Reprojection | PathEnergy:
            network = interpolator(pool.shape[1], True, i.hidden, i.activation)
            if not energy:
                return Reprojection(network, _projection(run), Pairing(pool), i.attraction)
            return PathEnergy(network, run.energy("soft-ratio"), run.decode, Pairing(pool, times=i.times), i.curve)

        return make

    other = "relu" if i.activation != "relu" else "silu"
    return {
        **{f"lambda {w:g}": plain(w, fresh=False, redrawn=False) for w in LAMBDAS},
        "lambda falling": plain(_falling(i.attraction), fresh=False, redrawn=False),
        ONE: plain(fresh=False, redrawn=False),
        "many times, fixed pairs": plain(fresh=False, times=i.times),
        "one time, fresh pairs": plain(),
        MANY: plain(times=i.times),
        other: plain(act=other),
        "one layer less": plain(hidden=i.hidden[1:]),
        "one layer more": plain(hidden=(i.hidden[0], *i.hidden)),
        "exact, reprojection": exact(False),
        "exact, density ratio": exact(True),
    }


def _falling(kept: float) -> Callable[[int], float]:
    """A curriculum: from 10 times the kept attraction down to a hundredth of it, over 600 steps."""
    return lambda step: kept * 10 ** (1 - 3 * min(1.0, step / 600))


def _projection(run: Run) -> Callable[[Tensor], Tensor]:
    return lambda z: run.model.encode(run.model.decode(z))


def trained(run: Run, pool: Tensor, make: Variant, schedule: Schedule, frames: int, label: str) -> Trained:
    """One variant's network, its weights and order of the run's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(run.origin.seed, 31))
        objective = make(pool, run)
    history = fit(objective, objective.pairing.data(), schedule, device="cpu", label=label, shared=False)
    return Trained(Amortised(objective.network, frames), history)


def measure(e: Experiment) -> Findings:
    """Trains the variants over the first seed's VAE, judges their paths, and says which claims held."""
    run = e.run(e.settings.reproduce.seeds[0])
    judges = e.judges(run)
    i = e.settings.interpolation
    pool = run.references[: i.pool].cpu()
    schedule = Schedule(
        epochs=i.epochs,
        batch=min(i.batch, len(pool)),
        rate=i.rate,
        decay="cosine",
        log_gradients=True,
        seed=run.origin.seed,
    )
    frames = run.recipe.walks.frames
    chosen = variants(i)
    found = {
        name: trained(run, pool, make, schedule, frames, name)
        for name, make in track(chosen.items(), "interpolation networks", total=len(chosen))
    }
    ends = walking.drawn(run, run.recipe.walks.pairs, 0, "test")
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    paths = {"lerp": Lerp(frames)(z_a, z_b)} | {n: t.finder(z_a, z_b) for n, t in found.items()}
    shown = {n: p.map(run.decode).cpu() for n, p in paths.items()}
    others = [j.without(ends.digests()) for j in judges]
    entries = [
        Entry(
            n,
            {
                k: v.cpu()
                for k, v in comparison.measure(
                    shown[n],
                    p.nodes,
                    z_a,
                    z_b,
                    torch.ones_like(p.arrived),
                    others,
                    ends.labels_a,
                    ends.labels_b,
                    shown["lerp"],
                ).items()
            },
            p.stats,
        )
        for n, p in paths.items()
    ]
    summary = comparison.summarise(entries, measuring.lines_of(run, judges, "test", 0), 0)
    reprojection = _reprojection(run, paths, judges, e.points)
    claims = _claims(found, summary, reprojection)
    sections = [
        _table(found, paths, summary),
        Section(
            "The paths",
            "The first pairs, not chosen; a red bar stands under a frame that neither judge takes for real.",
            [
                pages.strip_figure(
                    {n: shown[n] for n in STRIPS},
                    i,
                    others,
                    pages.ends_name(run, ends, i),
                )
                for i in range(min(SHOWN, len(ends)))
            ],
        ),
        _gradients(found),
        pages.realism_section(summary),
    ]
    measured = {
        "variants": {n: {t: found[n].end(t) for t in found[n].history.terms} for n in found},
        "rows": {m: {n: [i.value, i.low, i.high] for n, i in row.items()} for m, row in summary.rows.items()},
        "reprojection": {k: [v.value, v.low, v.high] for k, v in reprojection.items()},
        "pairs": len(ends),
    }
    return Findings(_answer(found, summary), claims, sections, measured)


def _reprojection(
    run: Run, paths: Mapping[str, Any], judges: Sequence[Judge], points: int
) -> dict[str, statistics.Interval]:
    """Rank correlation of small re-projection error with realism, and how idempotent E(G(.)) is, on LERP points."""
    z = paths["lerp"].nodes[:, 1:-1].flatten(0, 1)[:points]
    once = chunked(_projection(run), z)
    twice = chunked(_projection(run), once)
    first, second = ((a - b).flatten(1).norm(dim=1).cpu() for a, b in ((z, once), (once, twice)))
    images = chunked(run.decode, z).cpu()
    realism = torch.stack([j.realism(j.features(images)) for j in judges]).mean(dim=0)
    return {
        "rank": bootstrap_spearman(-first, realism, 0),
        "second over first": statistics.bootstrap_ratio(second, first, 0),
    }


def _claims(found: Mapping[str, Trained], s: Summary, reprojection: Mapping[str, statistics.Interval]) -> list[Claim]:
    free, kept = found["lambda 0"], found[ONE]
    gradient = free.history.terms["interpolation_gradient"]
    fell = free.history.terms["variety"] < COLLAPSED
    when = int(fell.nonzero()[0]) if bool(fell.any()) else len(gradient) - 1
    alive = float(gradient[max(0, when - 20) : when + 1].mean() / gradient[:20].mean())
    idle, rank = reprojection["second over first"], reprojection["rank"]
    few = s.rows["lerp"]["precision"].n < LEAST
    settled = lambda fate: "undecided" if few else fate  # noqa: E731
    best = s.differences[MANY]["precision"]
    more = s.rows[MANY]["precision"].value - s.rows[ONE]["precision"].value
    return [
        Claim(
            "Without attraction every pair collapses to one image",
            "held" if free.end("variety") < COLLAPSED else "did not hold",
            f"variety between pairs {free.end('variety'):.3f} of straight lines', re-projection error {free.end('reprojection'):.4f}",
            f"held below {COLLAPSED}",
        ),
        Claim(
            "The collapse is one of vanishing gradients",
            "held" if alive < 0.01 else "did not hold",
            f"gradient norm where variety first falls below {COLLAPSED} (step {when}): {alive:.2f} of its first steps'",
            "a collapsed network is a global minimum of the loss, reached by its gradient; held below 0.01",
        ),
        Claim(
            "Attraction prevents it",
            "held" if kept.end("variety") > 0.5 else "did not hold",
            ", ".join(
                [
                    *(f"lambda {w:g}: {found[f'lambda {w:g}'].end('variety'):.2f}" for w in LAMBDAS),
                    f"kept: {kept.end('variety'):.2f}",
                ]
            ),
            "variety between pairs, at equal cost",
        ),
        Claim(
            "E(G(.)) is a projection on to the learned manifold",
            settled(verdict(idle.value, min(idle.low, idle.value), max(idle.high, idle.value), 0.1, above=False)),
            f"the second application moves a point {idle:.2f} as far as the first",
            "0 for a projection; held below 0.1",
        ),
        Claim(
            "A small re-projection error means a real image",
            settled(verdict(rank.value, min(rank.low, rank.value), max(rank.high, rank.value), 0.5)),
            f"rank correlation with the judges' realism on straight lines {rank:.2f}",
            "held above 0.5",
        ),
        Claim(
            "The learned paths are more real than straight lines",
            settled(verdict(best.value, best.low, best.high)),
            f"precision less LERP's {best:+.3f} (many times, fresh pairs)",
            "held where the interval lies above 0",
        ),
        Claim(
            "Many times for each pair, and pairs from the whole pool, are needed to learn the path",
            settled("held in part" if more > 0 else "did not hold"),
            "precision " + ", ".join(f"{n}: {s.rows[n]['precision'].value:.3f}" for n in found if "pairs" in n),
            "four trainings at equal cost, one seed",
        ),
    ]


def _answer(found: Mapping[str, Trained], s: Summary) -> list[str]:
    free = found["lambda 0"].end("variety")
    best = max((n for n in found), key=lambda n: s.rows[n]["precision"].value)
    d = s.differences[best]["precision"]
    return [
        f"Without attraction the network {'collapses' if free < COLLAPSED else 'does not collapse'} (variety {free:.3f} of straight lines').",
        f"The most real paths are those of '{best}': precision {s.rows[best]['precision']:.3f} against LERP's {s.rows['lerp']['precision']:.3f} ({d:+.3f}).",
    ]


def _table(found: Mapping[str, Trained], paths: Mapping[str, Any], s: Summary) -> Section:
    columns = {
        "variety": Column(
            "variety", ".2f", None, "of outputs between pairs over straight lines'; below 0.1 one path for all"
        ),
        "precision": Column("precision", ".3f", "higher", "share of interior frames real to the judges"),
        "whole": Column("wholly real", ".3f", "higher", "share of paths with every interior frame real"),
        "step": Column(
            "largest step",
            ".3f",
            "lower",
            "between frames over the ends' distance, the jump to the network's first frame included",
        ),
        "gap": Column("end gap", ".2g", "lower", "largest distance of an end from its latent over the ends'"),
        "seconds": Column("seconds", ".0f", None, "of training"),
    }
    rows = {}
    for name, row in s.rows.items():
        cells = {
            "precision": Cell.of(row["precision"]),
            "whole": Cell.of(row["wholly_real"]),
            "step": Cell.of(row["largest_step"]),
        }
        if name in found:
            cells["variety"], cells["seconds"] = Cell(found[name].end("variety")), Cell(found[name].history.seconds)
            cells["gap"] = Cell(paths[name].stats["end_gap"])
        rows[name] = cells
    return Section(
        "The variants",
        "Each trained for the same number of points.",
        [TableBlock(Table(columns, rows, ("lerp",)), "Interpolation networks")],
    )


def _gradients(found: Mapping[str, Trained]) -> Section:
    free = found["lambda 0"].history
    steps = free.steps.numpy()
    curves = {n: (steps, free.terms[n].numpy()) for n in ("reprojection", "variety", "interpolation_gradient")}
    picture = Figure(
        figures.png(figures.losses(curves, log=True)),
        "Re-projection error, variety and gradient norm of the network without attraction",
        "A collapse by vanishing gradients would show the gradient gone before the variety is.",
        "Training without attraction",
        figures.READING["losses"],
    )
    return Section("How it collapses", "The network without attraction, step by step.", [picture])
