"""
Samplers and likelihoods tested with the exact score of a known density: nothing is learned, so that every error is the solver's own.

    order          the slope of each flow solver's error against its number of steps
    likelihood     log p by the probability flow against the density's own
    samples        KL(samples || density) of every sampler, against that of as many draws
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture, exact_score
from ridgewalk.diffusion import SDE, Flow, Heun, RowNoise
from ridgewalk.diffusion.likelihood import Likelihood, log_likelihood
from ridgewalk.judging import samples
from ridgewalk.protocols import VectorField
from ridgewalk.reports import Cell, Section, Table, TableBlock
from ridgewalk.reports.columns import POINTS, SAMPLING
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.run import Run
from ridgewalk_studies.claims import Claim, by_value, judge, with_count
from ridgewalk_studies.findings import Part
from ridgewalk_studies.sources import SDES

COMPARED = (
    Sampling("heun", 40),
    Sampling("ddim", 200),
    Sampling("euler-maruyama", 500),
    Sampling("reverse-diffusion", 500),
    Sampling("ancestral", 500),
    Sampling("pc", 250),
    Sampling("langevin", 100, corrections=8, snr=0.4),
    Sampling("ode", rtol=1e-4),
)
"""The compared samplers, each with as many steps as it needs."""

FINEST = 256
"""The largest number of steps by which the order of a solver is measured; the reference solution takes four times as many."""

FLOOR = 1.2
"""Largest allowed ratio of the KL of an exact score's samples to the floor's KL."""

ORDER = Claim(
    "Every solver of the probability flow converges at its order.",
    SDES,
    (by_value("largest difference of a slope from the order", "at most", 0.25),),
)
LIKELIHOOD = Claim(
    "The likelihood by the probability flow is the density's own, within 0.01 nat.",
    SDES,
    (by_value("mean difference in nats", "at most", 0.01),),
)
SAMPLES = Claim(
    f"With an exact score every sampler's KL is within {FLOOR} of the floor's.",
    SDES,
    (by_value("KL of each sampler over that of as many draws", "at most", FLOOR),),
    "some",
)

COLUMNS = {
    "nfe": SAMPLING["nfe"],
    **{k: POINTS[k] for k in ("kl", "sliced_wasserstein", "mmd", "nll_of_data", "mode_error", "no_mode")},
}
"""Columns of a table that compares samples with a known density."""


def known_density(run: Run) -> GaussianMixture:
    """Returns the density of a run's points; raises ValueError if it is not known."""
    if run.density is None:
        raise ValueError(
            f"this experiment needs points of a known density, such as --data ring; {run.origin.source} has none"
        )
    return run.density


def prove(
    run: Run,
    density: GaussianMixture,
    n: int,
    floor: Mapping[str, float],
    plans: Sequence[Sampling],
    sdes: Sequence[SDE],
    finest: int = FINEST,
) -> Part:
    """Measures solvers, likelihoods and samplers with the exact score."""
    d = run.diffusion
    own = d.density(density)
    orders = {
        f"{type(sde).__name__} {name}": order
        for sde in sdes
        for name, order in convergence_orders(sde, own, finest).items()
    }
    off = {k: abs(v - _SOLVERS[k.split(" ", 1)[1]][0]) for k, v in orders.items()}
    worst = max(off, key=lambda k: off[k])
    errors = {}
    for sde in sdes:
        score = exact_score(own, sde)
        x = samples.draws(own, 500, 7)
        at = torch.tensor(sde.t_min, dtype=torch.float64)
        noised = own.noised(float(sde.alpha(at)), float(sde.sigma(at)))
        deviation = math.sqrt(float(sde.alpha(torch.tensor(1.0)) ** 2 + sde.sigma(torch.tensor(1.0)) ** 2))
        like = Likelihood(Flow(sde, rtol=1e-6, atol=1e-6), divergence="exact", prior_deviation=deviation)
        got = log_likelihood(like, score, x, seed=0).values
        errors[type(sde).__name__] = float((got - noised.log_prob(x)).mean().abs())
    score = exact_score(own, d.denoiser.sde)
    rows, cells = {}, {}
    for how in plans:
        made = d.sample(n, 3, how, score=score)
        values = samples.compare_with_density(made.x, density, True)
        rows[how.sampler] = {**values, "nfe": made.nfe}
        cells[f"{how.sampler}"] = {"nfe": Cell(made.nfe), **{k: Cell(v) for k, v in values.items()}}
    cells["draws of the density"] = {k: Cell(v) for k, v in floor.items()}
    ratios = {k: v["kl"] / floor["kl"] for k, v in rows.items()}
    far = max(ratios, key=lambda k: ratios[k])
    table = Table(COLUMNS, cells, ("draws of the density",))
    section = Section(
        "The exact score: what the samplers themselves do",
        f"{n} samples each under {run.recipe.diffusion.sde}. What differs from the last row is the sampler's own error.",
        [TableBlock(table, "Samplers with the exact score")],
    )
    verdicts = [
        judge(
            ORDER,
            off[worst],
            figure=f"furthest off: {worst}, slope {orders[worst]:.2f}",
            how="slope of the log error over the log number of steps, exact score, float64",
        ),
        judge(
            LIKELIHOOD,
            max(errors.values()),
            figure=", ".join(f"{k} {v:.4f}" for k, v in errors.items()),
            how="500 points, exact trace, prior of the data's own variance at t = 1",
        ),
        judge(
            SAMPLES,
            [with_count(r, n) for r in ratios.values()],
            figure="; ".join(f"{k} {v:.2f}" for k, v in ratios.items()),
            how=f"KL(samples || density) by a histogram, {n} samples of each",
        ),
    ]
    figures = {
        "orders": orders,
        "likelihood_errors": errors,
        "likelihood_error": max(errors.values()),
        "exact": rows,
        "floor_ratios": ratios,
        "worst_floor_ratio": ratios[far],
    }
    return Part(figures, verdicts, [section])


_SOLVERS: Mapping[str, tuple[int, Callable[[SDE, VectorField, Tensor, int], Tensor]]] = {
    "euler": (1, lambda sde, s, x, k: _flow(sde, s, x, k, "euler")),
    "midpoint": (2, lambda sde, s, x, k: _flow(sde, s, x, k, "midpoint")),
    "rk4": (4, lambda sde, s, x, k: _flow(sde, s, x, k, "rk4")),
    "ddim": (1, lambda sde, s, x, k: _karras(sde, s, x, k, 1)),
    "heun": (2, lambda sde, s, x, k: _karras(sde, s, x, k, 2)),
}
"""Solvers of the flow, each with its theoretical order."""

END = 0.1
"""Time at which the flow is stopped to measure its order: above it the score of these densities is smooth at the tried step sizes."""


def _flow(sde: SDE, score: VectorField, x: Tensor, steps: int, solver: str) -> Tensor:
    return Flow(sde, solver, steps)(score, x, torch.tensor([1.0, END]))[0][-1]


def _karras(sde: SDE, score: VectorField, x: Tensor, steps: int, order: int) -> Tensor:
    sampler = Heun(sde, steps, order=order, t_min=END, clean=False)
    return sampler(score, RowNoise(0, len(x), tuple(x.shape[1:]), dtype=x.dtype), x).x


def convergence_orders(sde: SDE, density: GaussianMixture, finest: int = FINEST, rows: int = 64) -> dict[str, float]:
    """
    The order of every solver: minus the slope of its log error against its log number of steps, between a quarter of ``finest`` and ``finest``.

    All solvers are compared with one reference solution, by the fourth-order method in four times ``finest`` steps.

    Args:
        sde: the forward diffusion whose probability flow is solved.
        density: The data's density, whose exact score is followed.
        finest: the largest number of steps.
        rows: points, started from the SDE's prior.
    """
    score = exact_score(density, sde)
    generator = torch.Generator().manual_seed(5)
    x = sde.prior_deviation * torch.randn(rows, density.dims, generator=generator, dtype=torch.float64)
    reference = _flow(sde, score, x, 4 * finest, "rk4")
    orders = {}
    for name, (_, solve) in _SOLVERS.items():
        coarse, fine = (
            float((solve(sde, score, x, steps) - reference).norm(dim=1).median()) for steps in (finest // 4, finest)
        )
        orders[name] = math.log(coarse / fine) / math.log(4)
    return orders
