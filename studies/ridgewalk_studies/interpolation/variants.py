"""
The interpolation networks that are compared: one setting varied at a time, at equal numbers of points.

    attraction   lambda from 0 (nothing holds it) over decades to 1, and falling with the steps (a curriculum)
    pairing      one time for each pair or many; pairs from a list drawn once or drawn anew from the whole pool
    network      3 to 5 layers, ReLU and SiLU; exact by construction
    objective    re-projection; a density ratio and curve energy; the paths of the string method under the same ratio, learned by heart
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
"""Attractions that are swept; the recipe's own, where it is none of them, is swept with them."""

FREE, FALLING = "lambda 0", "lambda falling"

ONE, MANY = "one time, fixed pairs", "many times, fresh pairs"
"""The first proposal's pairing, at the recipe's own attraction, and the one that its closing question asks for."""

EXACT = "exact, reprojection"

RATIO, DISTILLED = "exact, density ratio", "exact, distilled"

TEACHER = "soft-ratio"
"""The energy of both: along the network's paths, and under the string method."""

SEARCHED = 30
"""One pair in so many latents of the pool is searched: by its steps, which ask no model, a distilled network then costs about what the other does."""

COLLAPSED, ALIVE = 0.1, 0.5
"""Variety below the first is one path for all pairs; above the second a collapse is prevented."""

Goal = Reprojection | PathEnergy | Distilled
Variant = Callable[[Tensor, Run], Goal]
"""From the pool and the run to an objective over a network of its own."""


@dataclass(frozen=True, eq=False)
class Trained:
    """
    A variant: its network's paths and its log.

    Attributes:
        finder: of its paths.
        history: of its training.
        before: seconds spent before the first step, on searching what it learns.
    """

    finder: Amortised
    history: History
    before: float = 0.0

    @property
    def seconds(self) -> float:
        """All that it took."""
        return self.before + self.history.seconds

    def end(self, term: str) -> float:
        """The mean of a term over the last tenth of the steps."""
        values = self.history.terms[term]
        return float(values[-max(1, len(values) // 10) :].mean())

    @property
    def collapsed_at(self) -> int | None:
        """
        The step at which the training's watcher (``training.health``) named a collapse that lasted to the end; None where there was none.

        A network that has learned nothing yet is nearly constant, and may be named in its first windows: that it recovered from is none.
        """
        told = [e for e in self.history.events if e.name == "interpolation"]
        return told[-1].step if told and told[-1].state == "constant" else None


def sweep_names(i: Interpolation) -> dict[float, str]:
    """The sweep of constant attractions from the lowest up, each with its variant's name."""
    return {w: ONE if w == i.attraction and w > 0 else f"lambda {w:g}" for w in sorted({*LAMBDAS, i.attraction})}


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
        network = exact(pool)  # drawn first: the same weights to begin with as the others'
        return Distilled(network, search_pairs(run, pool, max(2, len(pool) // SEARCHED)), i.times)

    other = "relu" if i.activation != "relu" else "silu"
    return {
        **{n: plain(w, fresh=False, redrawn=False) for w, n in sweep_names(i).items() if n != ONE},
        FALLING: plain(_falling(i.attraction), fresh=False, redrawn=False),
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


def _falling(kept: float) -> Callable[[int], float]:
    """A curriculum: from 10 times the kept attraction down to a hundredth of it, over 600 steps."""
    return lambda step: kept * 10 ** (1 - 3 * min(1.0, step / 600))


def projection(run: Run) -> Callable[[Tensor], Tensor]:
    """E(G(.)) of the frozen model."""
    return lambda z: run.model.encode(run.model.decode(z))


def search_pairs(run: Run, pool: Tensor, count: int) -> Tensor:
    """The string method's paths between ``count`` pairs of the pool, as many nodes as it relaxes: (count, k, d)."""
    generator = torch.Generator().manual_seed(mixed_seed(run.origin.seed, Stream.SEARCHED_PAIRS))
    first = torch.randperm(len(pool), generator=generator)[:count]
    second = (first + torch.randint(1, len(pool), (len(first),), generator=generator)) % len(pool)
    z_a, z_b = pool[first.to(pool.device)], pool[second.to(pool.device)]
    return search(run, "string", z_a, z_b, TEACHER, run.recipe.walks.nodes).nodes


def schedule(i: Interpolation, pool: int, seed: int) -> Schedule:
    """Of every variant, over a pool of so many latents."""
    return Schedule(
        epochs=i.epochs,
        batch=min(i.batch, pool),
        rate=i.rate,
        decay="cosine",
        log_gradients=True,
        seed=seed,
    )


def train_variant(run: Run, i: Interpolation, pool: Tensor, make: Variant, label: str) -> Trained:
    """One variant's network, its weights and order of the run's seed."""
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
    """The same number of steps, and of points a step, over batches of paths that are each asked at so many times."""
    batch = min(paths, max(2, s.batch // times))
    steps = s.epochs * (pool // s.batch)
    return replace(s, batch=batch, epochs=max(1, round(steps / (paths // batch))))


def one_pass(finder: Amortised, z_a: Tensor, z_b: Tensor, frames: int = 16, batch: int = 128) -> float:
    """Milliseconds a path of so many frames, in a batch of so many pairs (those given, again and again), on one thread: the median of 5 passes."""
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
