"""
The compared interpolation networks: one setting is varied at a time, at equal numbers of points.

    attraction   lambda from 0 over decades to 1, and falling with the steps (a curriculum)
    pairing      one time for each pair or many; pairs from a list drawn once or drawn anew from the whole pool
    network      3 to 5 layers, ReLU and SiLU; exact by construction
    objective    re-projection; a density ratio and curve energy; regression on the paths of the string method under the same ratio
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor

from ridgewalk.evaluation.search import search
from ridgewalk.finders import Amortised
from ridgewalk.models.interpolator import ExactInterpolator, Interpolator
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.autoencoder import Interpolation
from ridgewalk.settings.training import Schedule
from ridgewalk.store.run import Run
from ridgewalk.training.interpolation import Distilled, Pairing, PathEnergy, Reprojection
from ridgewalk.training.loop import Fitting, History, fit

LAMBDAS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""The swept attractions, to which the recipe's own is added if it is another."""

FREE, FALLING = "lambda 0", "lambda falling"

ONE, MANY = "one time, fixed pairs", "many times, fresh pairs"
"""The pairing of the first proposal, at the recipe's own attraction, and the pairing of its closing question."""

EXACT = "exact, reprojection"

RATIO, DISTILLED = "exact, density ratio", "exact, distilled"

TEACHER = "soft-ratio"
"""The energy that the network minimises along its paths and that the string method minimises."""

SEARCHED = 30
"""Number of latents of the pool for each searched pair. As its steps evaluate no model, a distilled network then costs about what the other does."""

COLLAPSED, ALIVE = 0.1, 0.5
"""A variety below the first is a collapse to one path for all pairs; above the second the collapse is prevented."""

Goal = Reprojection | PathEnergy | Distilled
Variant = Callable[[Tensor, Run], Goal]
"""A function of the pool and the run that returns an objective over a new network."""


@dataclass(frozen=True, eq=False)
class Trained:
    """
    A trained variant.

    Attributes:
        finder: Finder of the network's paths.
        history: History of the training.
        before: Seconds before the first step, for the search of the paths to learn.
    """

    finder: Amortised
    history: History
    before: float = 0.0

    @property
    def seconds(self) -> float:
        """Returns the seconds of search and training together."""
        return self.before + self.history.seconds

    def end(self, term: str) -> float:
        """Returns the mean of a term over the last tenth of the steps."""
        values = self.history.terms[term]
        return float(values[-max(1, len(values) // 10) :].mean())

    @property
    def collapsed_at(self) -> int | None:
        """
        The step at which ``training.health`` detected a collapse that lasted to the end; None if there was none.

        An untrained network is nearly constant, and may be detected in its first windows; a collapse from which it recovers does not count.
        """
        events = [e for e in self.history.events if e.name == "interpolation"]
        return events[-1].step if events and events[-1].state == "constant" else None


def sweep_names(i: Interpolation) -> dict[float, str]:
    """Returns the constant attractions from the lowest up, each with its variant's name."""
    return {w: ONE if w == i.attraction and w > 0 else f"lambda {w:g}" for w in sorted({*LAMBDAS, i.attraction})}


def variants(i: Interpolation) -> dict[str, Variant]:
    """Returns every variant by its name."""

    def plain(
        weight: float | Callable[[int], float] = i.attraction,
        hidden: Sequence[int] = i.hidden,
        act: str = i.activation,
        fresh: bool = True,
        redrawn: bool = True,
        times: int = 1,
    ) -> Variant:
        def make(pool: Tensor, run: Run) -> Reprojection:
            network = Interpolator(pool.shape[1], hidden, act)
            return Reprojection(network, projection(run), Pairing(pool, fresh, times, redrawn), weight)

        return make

    def exact(pool: Tensor) -> Interpolator:
        return ExactInterpolator(pool.shape[1], i.hidden, i.activation)

    def reprojected(pool: Tensor, run: Run) -> Reprojection:
        return Reprojection(exact(pool), projection(run), Pairing(pool), i.attraction)

    def on_ratio(pool: Tensor, run: Run) -> PathEnergy:
        return PathEnergy(exact(pool), run.energy(TEACHER), run.decode, Pairing(pool, times=i.times), i.curve)

    def distilled(pool: Tensor, run: Run) -> Distilled:
        network = exact(pool)  # made first, so that its initial weights are those of the others
        return Distilled(network, search_pairs(run, pool, max(2, len(pool) // SEARCHED)), i.times)

    other = "relu" if i.activation != "relu" else "silu"
    return {
        **{n: plain(w, fresh=False, redrawn=False) for w, n in sweep_names(i).items() if n != ONE},
        FALLING: plain(_curriculum(i.attraction), fresh=False, redrawn=False),
        ONE: plain(fresh=False, redrawn=False),
        "many times, fixed pairs": plain(fresh=False, times=i.times),
        "one time, fresh pairs": plain(),
        MANY: plain(times=i.times),
        other: plain(act=other),
        "one layer less": plain(hidden=i.hidden[1:]),
        "one layer more": plain(hidden=(i.hidden[0], *i.hidden)),
        EXACT: reprojected,
        RATIO: on_ratio,
        DISTILLED: distilled,
    }


def _curriculum(kept: float) -> Callable[[int], float]:
    """Returns a curriculum from 10 times the kept attraction down to a hundredth of it, over 600 steps."""
    return lambda step: kept * 10 ** (1 - 3 * min(1.0, step / 600))


def projection(run: Run) -> Callable[[Tensor], Tensor]:
    """Returns E(G(.)) of the frozen model."""
    return lambda z: run.model.encode(run.model.decode(z))


def search_pairs(run: Run, pool: Tensor, count: int) -> Tensor:
    """Returns the string method's paths between ``count`` pairs of the pool, with the nodes that it relaxes: (count, k, d)."""
    generator = torch.Generator().manual_seed(mixed_seed(run.origin.seed, Stream.SEARCHED_PAIRS))
    first = torch.randperm(len(pool), generator=generator)[:count]
    second = (first + torch.randint(1, len(pool), (len(first),), generator=generator)) % len(pool)
    z_a, z_b = pool[first.to(pool.device)], pool[second.to(pool.device)]
    return search(run, "string", z_a, z_b, TEACHER, run.recipe.walks.nodes).nodes


def schedule(i: Interpolation, pool: int, seed: int) -> Schedule:
    """Returns the schedule of every variant, over a pool of ``pool`` latents."""
    return Schedule(
        epochs=i.epochs,
        batch=min(i.batch, pool),
        rate=i.rate,
        decay="cosine",
        log_gradients=True,
        seed=seed,
    )


def train_variant(run: Run, i: Interpolation, pool: Tensor, make: Variant, label: str) -> Trained:
    """Trains one variant's network, whose weights and order come from the run's seed."""
    began = perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(run.origin.seed, Stream.VARIANT))
        objective = make(pool, run)
    before = perf_counter() - began
    own = schedule(i, len(pool), run.origin.seed)
    if isinstance(objective, Distilled):
        own = _of_paths(own, len(pool), len(objective.solutions), objective.times)
        data = objective.data()
    else:
        data = objective.pairing.data()
    history = fit(objective, data, own, Fitting(str(run.device), label=label, shared=False))
    return Trained(Amortised(objective.network, run.recipe.walks.frames), history, before)


def _of_paths(s: Schedule, pool: int, paths: int, times: int) -> Schedule:
    """Returns a schedule of as many steps and points a step, over batches of paths that are evaluated at ``times`` times each."""
    batch = min(paths, max(2, s.batch // times))
    steps = s.epochs * (pool // s.batch)
    return replace(s, batch=batch, epochs=max(1, round(steps / (paths // batch))))


def one_pass(finder: Amortised, z_a: Tensor, z_b: Tensor, frames: int = 16, batch: int = 128) -> float:
    """Returns the milliseconds of a path on one thread, in batches of ``batch`` pairs (the given ones, repeated): the median of 5 passes."""
    rows = torch.arange(batch) % len(z_a)
    a, b = z_a.cpu()[rows], z_b.cpu()[rows]
    timed = replace(finder, nodes=frames)
    where = next(finder.network.parameters()).device if isinstance(finder.network, torch.nn.Module) else a.device
    a, b = a.to(where), b.to(where)
    threads, taken = torch.get_num_threads(), []
    try:
        torch.set_num_threads(1)
        for _ in range(6):  # the first warms up
            began = perf_counter()
            float(timed(a, b).nodes.sum())  # waits for a device
            taken.append(perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return 1e3 * sorted(taken[1:])[2] / batch
