"""
Samplers: the contract that each keeps, the order that each converges with, the published step that each takes, and what each draws.

Under the exact score of a centred Gaussian every sampler is linear in its start and in its noise. ``moments`` reads the coefficients off, a row
for each, so that the variance of what is sampled is known exactly, without Monte Carlo.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from problems import Noised, points, rows
from ridgewalk.data import GaussianMixture, exact_score
from ridgewalk.diffusion import (
    SDE,
    VE,
    VP,
    Ancestral,
    AnnealedLangevin,
    EulerMaruyama,
    Flow,
    Heun,
    LangevinCorrector,
    PerRows,
    PredictorCorrector,
    ProbabilityFlow,
    ReverseDiffusion,
    RowNoise,
    Sampled,
    SubVP,
    Tabulated,
    sample,
)
from ridgewalk.diffusion.sampling import Counted, Transition, levels
from ridgewalk.protocols import VectorField

D = torch.float64
Make = Callable[..., Callable[..., Sampled]]
ONE = torch.ones((), dtype=D)
LEVEL = LangevinCorrector(norms="level")
TWICE = LangevinCorrector(0.1, 2, "level")

SDES: dict[str, SDE] = {"vp": VP(), "sub-vp": SubVP(), "ve": VE(), "ddpm": Tabulated.ddpm(1000)}
SAMPLERS: dict[str, Make] = {
    "euler-maruyama": EulerMaruyama,
    "reverse-diffusion": ReverseDiffusion,
    "ancestral": Ancestral,
    "pc-level": lambda sde, n, **kw: PredictorCorrector(sde, n, corrector=TWICE, **kw),
    "pc-batch": lambda sde, n, **kw: PredictorCorrector(sde, n, predictor="ancestral", **kw),
    "annealed": AnnealedLangevin,
    "heun": Heun,
    "heun-churn": lambda sde, n, **kw: Heun(sde, n, churn=5, **kw),
    "heun-euler": lambda sde, n, **kw: Heun(sde, n, order=1, **kw),
    "flow-rk4": lambda sde, n, **kw: ProbabilityFlow(Flow(sde, "rk4", n), **kw),
    "flow-dopri5": lambda sde, n, **kw: ProbabilityFlow(Flow(sde), **kw),
}
NFE: dict[str, Callable[[int], int]] = {  # of clean samplers
    "euler-maruyama": lambda n: n,
    "reverse-diffusion": lambda n: n,
    "ancestral": lambda n: n,
    "pc-level": lambda n: 3 * n,
    "pc-batch": lambda n: 2 * n,
    "annealed": lambda n: 3 * n + 1,
    "heun": lambda n: 2 * n - 1,
    "heun-churn": lambda n: 2 * n - 1,
    "heun-euler": lambda n: n,
    "flow-rk4": lambda n: 4 * n + 1,
}
ON_BATCHES = ("pc-batch", "flow-dopri5")  # norms, and step sizes, of a whole batch by definition
WALKS = ("euler-maruyama", "reverse-diffusion", "ancestral", "pc-level", "pc-batch", "annealed", "heun-churn")
EVERY_SDE = pytest.mark.parametrize("sde", SDES.values(), ids=SDES)
EVERY = pytest.mark.parametrize("name", SAMPLERS)
MODES = rows((1.0, 0.0), (-1.0, 0.5), (0.0, -1.0))


@dataclass
class Watched:
    """A score that records the times at which it is evaluated."""

    score: VectorField
    times: list[float] = field(default_factory=list)

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        self.times.append(float(t))
        return self.score(x, t)


class Replayed(RowNoise):
    """Noise that was chosen: ``draws`` in their order, then zeros."""

    def __init__(self, draws: Sequence[Tensor]) -> None:
        self.draws, self.rows, self.shape, self.taken = draws, draws[0].shape[0], tuple(draws[0].shape[1:]), 0

    def normal(self) -> Tensor:
        self.taken += 1
        return self.draws[self.taken - 1] if self.taken <= len(self.draws) else torch.zeros_like(self.draws[0])


class Unit(RowNoise):
    """Noise whose draw k is 1 in row k and 0 elsewhere: a linear sampler's row k is then the coefficient of draw k, row 0 that of its start."""

    def __init__(self, draws: int) -> None:
        self.rows, self.shape, self.taken = draws + 1, (1,), 0

    def normal(self) -> Tensor:
        self.taken += 1
        return self.one(self.taken)

    def one(self, row: int) -> Tensor:
        return (torch.arange(self.rows) == row).to(D).view(-1, 1)


def variance_of(sampler: Callable[..., Sampled], score: Noised, draws: int) -> float:
    """Of what a sampler makes of x_1 ~ N(0, v(1)), exactly."""
    noise = Unit(draws)
    c = sampler(score, noise, noise.one(0)).x[:, 0]
    assert noise.taken <= draws
    return float(c[0] ** 2 * score.variance(ONE) + c[1:].square().sum())


def slopes(steps: Sequence[int], errors: Sequence[float]) -> list[float]:
    """Orders log(error / next error) / log(next steps / steps)."""
    return [math.log(a / b) / math.log(n / m) for (m, n), (a, b) in zip(pairwise(steps), pairwise(errors))]


def test_the_exact_score_used_here_is_the_librarys() -> None:
    """Two implementations of the score."""
    mixture, x = GaussianMixture.from_deviations(MODES, 0.3), points(9, 2)
    for sde in SDES.values():
        for t in (ONE * 0.02, ONE * 0.6):
            assert torch.allclose(Noised(sde, MODES, 0.3)(x, t), exact_score(mixture, sde)(x, t), rtol=1e-9, atol=1e-9)


# --- the contract ----------------------------------------------------------------------------------------------------


@EVERY_SDE
@EVERY
def test_samples_are_rows_of_the_requested_shape(name: str, sde: SDE) -> None:
    """Shape and type; inputs and torch's own generator untouched; no gradient kept; the same seed, the same samples."""
    score, steps = Watched(Noised(sde, MODES.requires_grad_(False), 0.3)), 6
    sampler = SAMPLERS[name](sde, steps)
    for dtype in (torch.float32, D):
        torch.manual_seed(0)
        state = torch.get_rng_state()
        x = (sde.prior_deviation * points(5, 2)).to(dtype).requires_grad_()
        before, score.times = x.detach().clone(), []
        made = sampler(score, RowNoise(3, 5, (2,), dtype=dtype), x)
        assert made.x.shape == (5, 2)
        assert made.x.dtype == dtype
        assert made.x.isfinite().all()
        assert not made.x.requires_grad
        assert torch.equal(x, before)
        assert torch.equal(torch.get_rng_state(), state)
        assert made.nfe == len(score.times)
        if name in NFE:
            assert made.nfe == NFE[name](steps)
        assert max(score.times) <= 1
        assert min(score.times) == pytest.approx(sde.t_min, rel=1e-6)
        assert made.states.numel() == made.times.numel() == 0
        assert torch.equal(made.x, sampler(score, RowNoise(3, 5, (2,), dtype=dtype), x).x)
        other = sampler(score, RowNoise(4, 5, (2,), dtype=dtype), x).x
        assert torch.equal(made.x, other) == (name not in WALKS)
        assert not torch.equal(sampler(score, RowNoise(3, 5, (2,))).x, sampler(score, RowNoise(4, 5, (2,))).x)


@EVERY_SDE
@pytest.mark.parametrize("name", [n for n in SAMPLERS if n not in ON_BATCHES])
def test_a_sample_does_not_depend_on_its_batch(name: str, sde: SDE) -> None:
    """To 1e-12 in float64; in float32 and through ``sample``, to what sums of three terms in another order may differ by."""
    score, sampler = Noised(sde, MODES, 0.3), SAMPLERS[name](sde, 8)
    whole = sampler(score, RowNoise(3, 6, (2,), dtype=D)).x
    part = sampler(score, RowNoise(3, 2, (2,), first=3, dtype=D)).x
    assert torch.allclose(part, whole[3:5], rtol=0, atol=1e-12)
    at_once = sample(sampler, score, 7, (2,), seed=3)
    chunked = sample(sampler, score, 7, (2,), seed=3, chunk=3)
    assert torch.allclose(chunked.x, at_once.x, rtol=0, atol=1e-5)
    assert chunked.nfe == at_once.nfe
    assert torch.allclose(at_once.x[:6].double(), sampler(score, RowNoise(3, 6, (2,))).x.double(), atol=1e-5)


def test_rows_with_conditions_of_their_own_are_chunked_with_them() -> None:
    means = points(7, 2)

    def of(part: slice) -> VectorField:
        return lambda x, t: (
            -(x - means[part].to(x)) / (1e-4 + SDES["ve"].sigma(t) ** 2)
        )  # all of row i's data at means[i]

    made = sample(Heun(SDES["ve"]), PerRows(of), 7, (2,), chunk=3)
    assert torch.allclose(made.x, means.float(), atol=0.02)  # spread 0.01, less what the mean given x leaves out


@EVERY
def test_states_are_kept_in_their_order(name: str) -> None:
    score, x = Noised(VP(), MODES, 0.3), points(5, 2)
    made = SAMPLERS[name](VP(), 8, keep=4)(score, RowNoise(3, 5, (2,), dtype=D), x)
    assert len(made.times) in (5, 6)
    assert made.states.shape == (len(made.times), 5, 2)
    assert (made.times.diff() < 0).all()
    assert made.times[0] == 1
    assert torch.equal(made.states[0], x)
    assert made.times[-1] == (VP().t_min if name.startswith("flow") else 0)
    if not name.startswith("flow"):
        assert torch.equal(made.states[-1], made.x)
    plain = SAMPLERS[name](VP(), 8)(score, RowNoise(3, 5, (2,), dtype=D), x)
    # an adaptive solver interpolates what it keeps, and a fixed one steps alike: keeping changes no sample
    assert torch.allclose(plain.x, made.x, atol=1e-12)
    chunked = sample(SAMPLERS[name](VP(), 8, keep=4), score, 5, (2,), chunk=2)
    assert chunked.states.shape == made.states.shape


def test_a_projection_sees_every_state_and_the_finished_sample() -> None:
    seen: list[float] = []

    def pinned(x: Tensor, t: float, noise: RowNoise) -> Tensor:
        seen.append(t)
        return torch.cat([torch.full_like(x[:, :1], t), x[:, 1:]], dim=1)

    made = EulerMaruyama(VP(), 4)(Noised(VP(), MODES, 0.3), RowNoise(0, 3, (2,)), project=pinned)
    assert seen == pytest.approx([1 - 0.333, 1 - 0.666, 1e-3, 0.0])
    assert (made.x[:, 0] == 0).all()
    with pytest.raises(ValueError, match="no steps to project between"):
        ProbabilityFlow(Flow(VP()))(Noised(VP(), MODES, 0.3), RowNoise(0, 3, (2,)), project=pinned)


@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (3, 40, 40)])
def test_noise_is_of_the_row_and_normal(shape: tuple[int, ...]) -> None:
    """Draw k of row i does not depend on the other rows, across blocks of draws; no two rows or draws are alike."""
    whole, part = RowNoise(5, 4, shape), RowNoise(5, 2, shape, first=1)
    draws = []
    for _ in range(1100 if math.prod(shape) == 1 else 3):
        z, own = whole.normal(), part.normal()
        assert z.shape == (4, *shape)
        assert torch.equal(z[1:3], own)
        draws.append(z)
    flat = torch.stack(draws, dim=1).flatten(1)  # (rows, draws x values)
    assert len({float(v) for v in flat[:, 0]}) == 4
    if flat.shape[1] > 1000:
        bound = 5 / math.sqrt(flat.numel())  # five standard errors of a mean; of a variance they are 2^(1/2) as many
        assert abs(float(flat.mean())) < bound
        assert abs(float(flat.var()) - 1) < math.sqrt(2) * bound
        correlation = torch.corrcoef(flat) - torch.eye(4)
        assert correlation.abs().max() < 5 / math.sqrt(flat.shape[1])


# --- orders of convergence, deterministic ----------------------------------------------------------------------------

SOLVERS: dict[str, tuple[Make, int, tuple[int, ...]]] = {
    "heun-euler": (lambda sde, n: Heun(sde, n, order=1, clean=False), 1, (64, 128)),
    "heun": (lambda sde, n: Heun(sde, n, clean=False), 2, (64, 128)),
    "heun-rho-3": (lambda sde, n: Heun(sde, n, rho=3, clean=False), 2, (128, 256)),
    "flow-euler": (lambda sde, n: ProbabilityFlow(Flow(sde, "euler", n), clean=False), 1, (128, 256)),
    "flow-midpoint": (lambda sde, n: ProbabilityFlow(Flow(sde, "midpoint", n), clean=False), 2, (64, 128)),
    "flow-heun2": (lambda sde, n: ProbabilityFlow(Flow(sde, "heun2", n), clean=False), 2, (64, 128)),
    "flow-rk4": (lambda sde, n: ProbabilityFlow(Flow(sde, "rk4", n), clean=False), 4, (96, 192)),
}


def gaussian_flow(score: Noised, mean: float, x: Tensor) -> Tensor:
    """Where the flow carries x from t = 1 to t_min for data N(mean, s^2): a Gaussian's quantiles stay its quantiles."""
    end = ONE * score.sde.t_min
    ratio = (score.variance(end) / score.variance(ONE)).sqrt()
    return score.sde.alpha(end) * mean + ratio * (x - score.sde.alpha(ONE) * mean)


# The drift of a table has a bend at each level, which ends the order of rk4 at 2 where the error is 1e-5.
SMOOTH = {
    f"{name}-{solver}": (sde, solver)
    for solver in SOLVERS
    for name, sde in SDES.items()
    if not (isinstance(sde, Tabulated) and solver == "flow-rk4")
}


@pytest.mark.parametrize(("sde", "solver"), SMOOTH.values(), ids=SMOOTH)
def test_flows_converge_with_their_order_to_the_exact_map_of_a_gaussian(sde: SDE, solver: str) -> None:
    make, order, steps = SOLVERS[solver]
    score = Noised(sde, rows((0.7,)), 0.5)
    x = sde.alpha(ONE) * 0.7 + score.variance(ONE).sqrt() * rows((1.3,), (-0.4,))
    exact = gaussian_flow(score, 0.7, x)
    errors = [float((make(sde, n)(score, RowNoise(0, 2, (1,)), x).x - exact).abs().max()) for n in steps]
    assert all(abs(s - order) < 0.2 for s in slopes(steps, errors)), (errors, slopes(steps, errors))


_REFERENCES: dict[SDE, Tensor] = {}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("sde", [VP(), VE()], ids=["vp", "ve"])
def test_flows_converge_with_their_order_on_two_modes(sde: SDE, solver: str) -> None:
    """Against rk4 in 500 steps, whose own error is 1/46 of that in 192."""
    make, order, steps = SOLVERS[solver]
    score = Noised(sde, rows((1.0, 0.3), (-1.0, 0.0)), 0.4)
    x = score.variance(ONE).sqrt() * rows((1.3, 0.2), (-0.4, 1.0), (0.3, -0.8))
    noise = RowNoise(0, 3, (2,))
    if sde not in _REFERENCES:
        _REFERENCES[sde] = ProbabilityFlow(Flow(sde, "rk4", 500), clean=False)(score, noise, x).x
    reference = _REFERENCES[sde]
    errors = [float((make(sde, n)(score, noise, x).x - reference).abs().max()) for n in steps]
    assert all(abs(s - order) < 0.25 for s in slopes(steps, errors)), (errors, slopes(steps, errors))


@pytest.mark.parametrize("solver", ["dopri5", "dopri8", "bosh3", "adaptive_heun"])
@pytest.mark.parametrize("sde", [VP(), VE()], ids=["vp", "ve"])
def test_adaptive_flows_keep_their_tolerance_and_their_interval(sde: SDE, solver: str) -> None:
    score = Watched(Noised(sde, rows((0.7,)), 0.5))
    x = sde.alpha(ONE) * 0.7 + score.score.variance(ONE).sqrt() * rows((1.3,), (-0.4,))
    loose, tight = (ProbabilityFlow(Flow(sde, solver, rtol=r, atol=r), clean=False) for r in (1e-4, 1e-6))
    exact = gaussian_flow(score.score, 0.7, x)
    error = [float((s(score, RowNoise(0, 2, (1,)), x).x - exact).abs().max()) for s in (loose, tight)]
    # a tolerance bounds the error of a step; the sum over some hundred steps is held to 300 of them
    assert error[0] < 3e-2
    assert error[1] < 3e-4
    assert sde.t_min <= min(score.times)
    assert max(score.times) <= 1


@EVERY_SDE
@pytest.mark.parametrize("solver", ["dopri5", "rk4"])
def test_encoding_is_undone_by_decoding(sde: SDE, solver: str) -> None:
    score, flow = Noised(sde, MODES, 0.3), Flow(sde, solver, 200, 1e-6, 1e-6)
    x = score.draw(6)
    there, n = flow.encode(score, x)
    back, m = flow.decode(score, there)
    assert torch.allclose(back, x, atol=1e-3)
    assert n > 0
    assert m > 0
    if solver == "rk4":
        assert n == m == 800


def test_a_fixed_solver_takes_its_steps_and_no_other() -> None:
    """Whatever rounding makes of their length, in float32 too, and with states kept between them."""
    for dtype in (torch.float32, D):
        for n in (1, 14, 25, 27, 28, 29, 30, 53, 54, 58):
            x = torch.ones(1, 1, dtype=dtype)
            for sde in (VP(), VE()):
                score = Noised(sde, rows((0.0,)), 0.5)
                assert (
                    ProbabilityFlow(Flow(sde, "euler", n), clean=False, keep=3)(score, RowNoise(0, 1, (1,)), x).nfe == n
                )


# --- weak order of convergence, exact --------------------------------------------------------------------------------

STOCHASTIC: dict[str, Make] = {
    "euler-maruyama": EulerMaruyama,
    "reverse-diffusion": ReverseDiffusion,
    "ancestral": Ancestral,
}


@pytest.mark.parametrize("name", STOCHASTIC)
@EVERY_SDE
def test_variance_converges_with_weak_order_one(sde: SDE, name: str) -> None:
    """At t_min, under the exact score of N(0, 1/4)."""
    score, steps = Noised(sde, rows((0.0,)), 0.5), (200, 400, 800)
    exact = float(score.variance(ONE * sde.t_min))
    errors = [abs(variance_of(STOCHASTIC[name](sde, n, clean=False), score, n) / exact - 1) for n in steps]
    order = 1
    if isinstance(sde, VE) and name == "euler-maruyama":
        order = 2  # the first term is the integral of u / (s^2 + u)^3 - 1 / (2 (s^2 + u)^2) over u = sigma^2 from 0 on, which is 0
    assert all(abs(s - order) < 0.16 for s in slopes(steps, errors)), (errors, slopes(steps, errors))
    assert errors[-1] < 0.04


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("sde", [VP(), SubVP()], ids=["vp", "sub-vp"])
def test_mean_converges_with_weak_order_one(sde: SDE, name: str) -> None:
    """Without noise, from the mean at t = 1, a linear sampler follows the mean: for data of mean 0.7. Ancestral steps keep it exactly."""
    score, steps = Noised(sde, rows((0.7,)), 0.5), (200, 400, 800)
    exact = float(sde.alpha(ONE * sde.t_min)) * 0.7
    start, silent = (sde.alpha(ONE) * 0.7).view(1, 1), Replayed([torch.zeros(1, 1, dtype=D)])
    errors = [abs(float(STOCHASTIC[name](sde, n, clean=False)(score, silent, start).x) - exact) for n in steps]
    if name == "ancestral":
        assert max(errors) < 1e-12
    else:
        assert all(abs(s - 1) < 0.16 for s in slopes(steps, errors)), (errors, slopes(steps, errors))


@EVERY_SDE
def test_churn_keeps_the_marginal_to_order_two(sde: SDE) -> None:
    """It adds the noise between two levels, no more and no less, and the ODE takes it off again."""
    score, steps = Noised(sde, rows((0.0,)), 0.5), (50, 100, 200)
    exact = float(score.variance(ONE * sde.t_min))
    errors = [abs(variance_of(Heun(sde, n, churn=10, clean=False), score, n) / exact - 1) for n in steps]
    assert all(abs(s - 2) < 0.15 for s in slopes(steps, errors)), (errors, slopes(steps, errors))
    assert errors[-1] < 5e-3


@EVERY_SDE
def test_a_clean_sample_has_the_variance_of_the_mean_given_the_last_level(sde: SDE) -> None:
    """
    The variance of E[x_0 | x_t] is alpha^2 s^4 / v at t = t_min, for any sampler: sigma(t_min) is no longer in the samples.

    For data that hardly vary (s = 0.02), so that noise left in would show; 0.2 is what 400 steps leave (Langevin's: 800).
    """
    score, end = Noised(sde, rows((0.0,)), 0.02), ONE * sde.t_min
    exact = float(sde.alpha(end) ** 2 * 0.02**4 / score.variance(end))
    for name, steps, draws in (("heun", 100, 1), ("heun-churn", 200, 200), ("euler-maruyama", 400, 400)):
        if isinstance(sde, VE) or name.startswith("heun"):  # steps equal in t are coarse for VP at such a level
            assert variance_of(SAMPLERS[name](sde, steps), score, draws) == pytest.approx(exact, rel=0.2), name
    assert variance_of(AnnealedLangevin(sde, 200, corrections=4), score, 800) == pytest.approx(exact, rel=0.2)
    assert variance_of(ProbabilityFlow(Flow(sde, rtol=1e-6, atol=1e-6)), score, 1) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("snr", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("sde", [VP(), VE()], ids=["vp", "ve"])
def test_langevin_leaves_a_gaussian_where_it_is_to_order_of_the_step(sde: SDE, snr: float) -> None:
    """Its step (1 - e / v) x + (2 e)^(1/2) z comes to rest at the variance v / (1 - e / (2 v)), e = 2 (snr sigma)^2."""
    score = Noised(sde, rows((0.0,)), 0.5)
    (at,) = levels(sde, torch.tensor([0.7]))
    v, e = float(score.variance(ONE * 0.7)), 2 * (snr * at.sigma) ** 2
    draws = math.ceil(20 * v / e)  # 20 relaxation times: e^-40 of the start is left
    noise = Unit(draws)
    c = LangevinCorrector(snr, draws, "level")(Counted(score), 3 * noise.one(0), at, 1.0, noise)[:, 0]
    assert float(c.square().sum()) == pytest.approx(
        v / (1 - e / (2 * v)), rel=1e-5
    )  # 0.7 is float32 to the score's own 1e-8


def test_the_corrector_mends_what_the_predictor_leaves() -> None:
    """Of a Gaussian's variance, at 100 levels; both converge, so the corrector must not spoil it at 400 either."""
    for sde in (VP(), SubVP(), VE()):
        score = Noised(sde, rows((0.0,)), 0.5)
        exact = float(score.variance(ONE * sde.t_min))
        for n in (100, 400):
            alone = variance_of(ReverseDiffusion(sde, n, clean=False), score, n) / exact - 1
            both = variance_of(PredictorCorrector(sde, n, corrector=LEVEL, clean=False), score, 2 * n) / exact - 1
            assert abs(both) < (0.8 if n == 100 else 1.4) * abs(alone)


# --- published steps -------------------------------------------------------------------------------------------------


def normal_draws(n: int, *shape: int) -> list[Tensor]:
    return list(points(n, *shape, seed=9))


def test_ancestral_sampling_is_ddpm() -> None:
    """
    Ho, Jain and Abbeel (2020), algorithm 2 with posterior variance, over all levels, to the last line's x_0.

    t_min = 1e-12 is level 0 of the table, which is at t = 0.
    """
    n = 50
    betas = torch.linspace(1e-3, 0.2, n, dtype=D)
    kept, products = 1 - betas, torch.cumprod(1 - betas, 0)
    sde = Tabulated.ddpm(n, 1e-3, 0.2)
    score, start, draws = Noised(sde, MODES, 0.3), points(4, 2), normal_draws(n, 4, 2)
    x = start
    for i in range(n - 1, -1, -1):
        t = max(i / (n - 1), 1e-12) * ONE
        epsilon = -(1 - products[i]).sqrt() * score(x, t)
        mean = (x - betas[i] / (1 - products[i]).sqrt() * epsilon) / kept[i].sqrt()
        if i == 0:
            x = mean
        else:
            spread = ((1 - products[i - 1]) / (1 - products[i]) * betas[i]).sqrt()
            x = mean + spread * draws[n - 1 - i]
    made = Ancestral(sde, n, t_min=1e-12)(score, Replayed(draws), start)
    assert torch.allclose(made.x, x, rtol=0, atol=1e-8)
    assert made.nfe == n


def test_reverse_diffusion_is_song_et_als_for_vp() -> None:
    """Algorithm 3's predictor: (2 - (1 - beta)^(1/2)) x + beta score + beta^(1/2) z."""
    n = 50
    betas = torch.linspace(1e-3, 0.2, n, dtype=D)
    sde = Tabulated.ddpm(n, 1e-3, 0.2)
    score, x, z = Noised(sde, MODES, 0.3), points(4, 2), points(4, 2, seed=1)
    grid = levels(sde, torch.arange(n, dtype=D) / (n - 1))
    for i in (1, 20, n - 1):
        expected = (2 - (1 - betas[i]).sqrt()) * x + betas[i] * score(x, ONE * i / (n - 1)) + betas[i].sqrt() * z
        got = ReverseDiffusion(sde).step(Counted(score), x, Transition(grid[i], grid[i - 1]), Replayed([z]))
        assert torch.allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize("name", ["reverse-diffusion", "ancestral"])
def test_steps_under_ve_are_song_et_als(name: str) -> None:
    """Algorithm 2's predictor, and appendix F's ancestral one, whose noise is (sigma_s^2 (sigma_t^2 - sigma_s^2) / sigma_t^2)^(1/2)."""
    sde = VE()
    score, x, z = Noised(sde, MODES, 0.3), 10 * points(4, 2), points(4, 2, seed=1)
    s, t = levels(sde, torch.tensor([0.6, 0.65], dtype=D))
    gained = t.sigma**2 - s.sigma**2
    spread = math.sqrt(gained) if name == "reverse-diffusion" else math.sqrt(s.sigma**2 * gained / t.sigma**2)
    expected = x + gained * score(x, ONE * 0.65) + spread * z
    got = STOCHASTIC[name](sde).step(Counted(score), x, Transition(t, s), Replayed([z]))
    assert torch.allclose(got, expected, rtol=1e-10)


@EVERY_SDE
def test_euler_maruyama_takes_the_step_of_the_reverse_sde(sde: SDE) -> None:
    """The step of dx = (f x - g^2 score) dt + g dw, backwards, from the coefficients themselves."""
    score, x, z = Noised(sde, MODES, 0.3), points(4, 2), points(4, 2, seed=1)
    t, dt = ONE * 0.6, 0.01
    s_level, t_level = levels(sde, torch.stack([t - dt, t]))
    g2 = sde.diffusion_squared(t)
    expected = x - (sde.drift(t) * x - g2 * score(x, t)) * dt + (g2 * dt).sqrt() * z
    got = EulerMaruyama(sde).step(Counted(score), x, Transition(t_level, s_level), Replayed([z]))
    assert torch.allclose(got, expected, rtol=1e-10)


def langevin(score: VectorField, x: Tensor, t: Tensor, z: Tensor, scale: float, snr: float) -> Tensor:
    """Song et al. (2021), algorithms 4 and 5 as published in code: means of norms over the batch."""
    s = score(x, t)
    e = 2 * scale * (snr * z.norm(dim=1).mean() / s.norm(dim=1).mean()) ** 2
    return x + e * s + (2 * e).sqrt() * z


@pytest.mark.parametrize("kind", ["vp", "ve"])
def test_predictor_corrector_is_song_et_als(kind: str) -> None:
    """Corrector, then predictor, at N levels from 1 to t_min; a = 1 - beta_i under VP, 1 under VE; the last prediction is a mean."""
    n, snr = 20, 0.17
    sde: SDE = Tabulated.ddpm(n, 5e-3, 0.5) if kind == "vp" else VE()
    t_min = 1e-12 if kind == "vp" else sde.t_min
    times = torch.linspace(1, t_min, n, dtype=D)
    betas = torch.linspace(5e-3, 0.5, n, dtype=D).flip(0)
    score, start, draws = (
        Watched(Noised(sde, MODES, 0.3)),
        sde.prior_deviation * points(6, 2),
        normal_draws(2 * n, 6, 2),
    )
    x = start
    for i, t in enumerate(times):
        x = langevin(score.score, x, t, draws[2 * i], float(1 - betas[i]) if kind == "vp" else 1.0, snr)
        if i == n - 1:
            x = (x + sde.sigma(t) ** 2 * score.score(x, t)) / sde.alpha(t)
        elif kind == "vp":
            mean = (2 - (1 - betas[i]).sqrt()) * x + betas[i] * score.score(x, t)
            x = mean + betas[i].sqrt() * draws[2 * i + 1]
        else:
            gained = sde.sigma(t) ** 2 - sde.sigma(times[i + 1]) ** 2
            x = x + gained * score.score(x, t) + gained.sqrt() * draws[2 * i + 1]
    made = PredictorCorrector(sde, n, corrector=LangevinCorrector(snr), t_min=t_min)(score, Replayed(draws), start)
    assert torch.allclose(made.x, x, rtol=0, atol=1e-7)
    assert made.nfe == 2 * n
    assert score.times == pytest.approx([float(t) for t in times for _ in range(2)])


@pytest.mark.parametrize("corrections", [0, 1, 3])
def test_the_corrector_may_have_a_score_of_its_own(corrections: int) -> None:
    """Evaluations of both count: N (n + 1)."""
    predicting, correcting = (Watched(Noised(VP(), MODES, 0.3)) for _ in range(2))
    sampler = PredictorCorrector(VP(), 7, corrector=LangevinCorrector(steps=corrections), corrector_score=correcting)
    made = sampler(predicting, RowNoise(0, 3, (2,)))
    assert len(predicting.times) == 7
    assert len(correcting.times) == 7 * corrections
    assert made.nfe == 7 * (corrections + 1)
    same = PredictorCorrector(VP(), 7, corrector=LangevinCorrector(steps=corrections))(predicting, RowNoise(0, 3, (2,)))
    assert torch.equal(same.x, made.x)
    if corrections:  # a corrector that has no score but its noise: the predictor's is not used in its place

        def away(x: Tensor, t: Tensor, /) -> Tensor:
            return -predicting(x, t)

        other = PredictorCorrector(VP(), 7, corrector=LangevinCorrector(steps=corrections), corrector_score=away)
        assert not torch.allclose(other(predicting, RowNoise(0, 3, (2,))).x, made.x)


def test_annealed_langevin_is_ncsns() -> None:
    """Song and Ermon (2019), algorithm 1: steps epsilon sigma_i^2 / sigma_L^2, at geometric sigmas; then the mean given x."""
    sde, levels_, corrections, snr = VE(0.01, 10.0), 6, 4, 0.2
    sigmas = torch.logspace(1, -2, levels_ + 1, dtype=D)[1:]
    epsilon = 4 * snr**2 * sigmas[-1] ** 2
    score, start = Noised(sde, MODES, 0.3), 10 * points(5, 2)
    draws = normal_draws(levels_ * corrections, 5, 2)
    x, k = start, 0
    for sigma in sigmas:
        step = epsilon * sigma**2 / sigmas[-1] ** 2
        for _ in range(corrections):
            x = x + step / 2 * score(x, sde.time_of(sigma)) + step.sqrt() * draws[k]
            k += 1
    noise = Replayed(draws)
    made = AnnealedLangevin(sde, levels_, corrections=corrections, snr=snr, t_min=1e-12, clean=False)(
        score, noise, start
    )
    assert torch.allclose(made.x, x, rtol=1e-9)
    assert noise.taken == made.nfe == levels_ * corrections


@EVERY_SDE
def test_annealed_langevin_keeps_what_there_is_of_the_data(sde: SDE) -> None:
    """Without a correction x is only scaled from level to level, by alpha(t_min) / alpha(1) in all."""
    x = points(5, 2)
    made = AnnealedLangevin(sde, 6, corrections=0, clean=False)(Noised(sde, MODES, 0.3), RowNoise(0, 5, (2,)), x)
    assert torch.allclose(made.x, x * sde.alpha(ONE * sde.t_min) / sde.alpha(ONE), rtol=1e-9)
    assert made.nfe == 0


@pytest.mark.parametrize("churn", [0.0, 4.0, 1e3])
def test_heun_under_ve_is_karras_et_als(churn: float) -> None:
    """Algorithm 2 (1 without churn) and equation 5, from D(x; r) with N levels from r_max to r_min and a last step to 0."""
    sde, n, rho = VE(0.002, 80.0), 12, 7.0
    score, start, draws = Noised(sde, MODES, 0.3), 80 * points(5, 2), normal_draws(n, 5, 2)

    def denoiser(x: Tensor, r: Tensor) -> Tensor:
        return x + r**2 * score(x, sde.time_of(r))

    i = torch.arange(n, dtype=D)
    r = (80 ** (1 / rho) + i / (n - 1) * (0.002 ** (1 / rho) - 80 ** (1 / rho))) ** rho
    r = torch.cat([r, torch.zeros(1, dtype=D)])
    x, k = start, 0
    gamma = min(churn / n, math.sqrt(2) - 1)
    for j in range(n):
        raised = r[j]
        if gamma and 0 < j < n - 1:  # the diffusion ends at the first level; the last step is taken from r_min itself
            raised = ((1 + gamma) * r[j]).clamp_max(80)
            x = x + (raised**2 - r[j] ** 2).sqrt() * draws[k]
            k += 1
        slope = (x - denoiser(x, raised)) / raised
        ahead = x + (r[j + 1] - raised) * slope
        if r[j + 1] > 0:
            x = x + (r[j + 1] - raised) * (slope + (ahead - denoiser(ahead, r[j + 1])) / r[j + 1]) / 2
        else:
            x = ahead
    made = Heun(sde, n, churn=churn, t_min=1e-12)(score, Replayed(draws), start)
    assert torch.allclose(made.x, x, rtol=0, atol=1e-8)
    assert made.nfe == 2 * n - 1


# --- what is drawn ---------------------------------------------------------------------------------------------------

RING = torch.stack(
    [torch.cos(torch.arange(8, dtype=D) * math.pi / 4), torch.sin(torch.arange(8, dtype=D) * math.pi / 4)], dim=1
)
SPREAD = 0.1
DRAWERS: dict[str, tuple[SDE, Make, int]] = {
    "vp euler-maruyama": (VP(), EulerMaruyama, 400),
    "vp reverse-diffusion": (VP(), ReverseDiffusion, 500),
    "vp ancestral": (VP(), Ancestral, 500),
    "vp pc-batch": (VP(), PredictorCorrector, 250),
    "vp annealed": (VP(), lambda sde, n: AnnealedLangevin(sde, n, corrections=3, snr=0.4), 200),
    "vp heun": (VP(), Heun, 40),
    "vp heun-churn": (VP(), lambda sde, n: Heun(sde, n, churn=20), 80),
    "vp flow": (VP(), lambda sde, n: ProbabilityFlow(Flow(sde)), 0),
    "sub-vp euler-maruyama": (SubVP(), EulerMaruyama, 400),
    "sub-vp pc-level": (SubVP(), lambda sde, n: PredictorCorrector(sde, n, corrector=LEVEL), 250),
    "sub-vp heun": (SubVP(), Heun, 40),
    "ve reverse-diffusion": (VE(), ReverseDiffusion, 300),
    "ve ancestral": (VE(), Ancestral, 300),
    "ve pc-batch": (VE(), PredictorCorrector, 250),
    "ve heun": (VE(), Heun, 40),
    "ve flow": (VE(), lambda sde, n: ProbabilityFlow(Flow(sde)), 0),
    "ddpm ancestral": (Tabulated.ddpm(), Ancestral, 500),
}


def energy_distance(a: Tensor, b: Tensor) -> float:
    """2 E|a - b| - E|a - a'| - E|b - b'|, without bias: 0 in the mean where both have one law."""
    n, m = len(a), len(b)
    within = torch.cdist(a, a).sum() / (n * (n - 1)) + torch.cdist(b, b).sum() / (m * (m - 1))
    return float(2 * torch.cdist(a, b).mean() - within)


@pytest.mark.parametrize("name", DRAWERS)
def test_samplers_draw_a_ring_of_eight_gaussians(name: str) -> None:
    """
    From the exact score, 1500 samples against as many true ones.

    Shares: chi-squared with 7 degrees of freedom, below 29.9 but once in 10^4. Spread: 3000 squares have a relative standard error of
    (2 / 3000)^(1/2) = 2.6 %, four of which, and 4 % for what steps and the last mean leave (s^2 / (s^2 + sigma^2) is 0.99). Energy distance:
    between two true sets of this size it is 0 +- 0.0012; five of these.
    """
    sde, make, steps = DRAWERS[name]
    score = Noised(sde, RING, SPREAD)
    x = make(sde, steps)(score, RowNoise(1, 1500, (2,))).x.double()
    distance, of = torch.cdist(x, RING).min(dim=1)
    shares = torch.bincount(of, minlength=8)
    assert float(((shares - 187.5) ** 2 / 187.5).sum()) < 29.9, shares
    assert float(distance.square().mean() / 2 / SPREAD**2) == pytest.approx(1, abs=4 * 0.026 + 0.04)
    assert abs(energy_distance(x, score.draw(1500, seed=7))) < 0.006


# --- what is refused -------------------------------------------------------------------------------------------------


@EVERY
def test_a_score_that_is_not_finite_stops_with_step_and_time(name: str) -> None:
    good = Noised(VP(), MODES, 0.3)

    def broken(x: Tensor, t: Tensor, /) -> Tensor:
        s = good(x, t)
        s[1:2] = torch.where(t < 0.5, torch.full_like(s[1:2], math.nan), s[1:2])
        return s

    message = r"evaluation \d+ \(t = 0\.\d+\)" if name.startswith("flow") else r"step \d+ of \d+ \(t = .* in 1 of 3"
    if name == "pc-batch":
        message = r"step \d+ of \d+ \(t = .* in 3 of 3"  # a batch's norms carry one row's failure to all
    with pytest.raises(FloatingPointError, match=message):
        SAMPLERS[name](VP(), 10)(broken, RowNoise(0, 3, (2,)))


@EVERY
def test_what_cannot_be_sampled_is_refused(name: str) -> None:
    score, noise = Noised(VP(), MODES, 0.3), RowNoise(0, 3, (2,))
    if name != "flow-dopri5":  # whose steps are its own
        with pytest.raises(ValueError, match="steps"):
            SAMPLERS[name](VP(), 0)(score, noise)
    for t_min in (0.0, 1.0, -0.1, 2.0, math.nan):
        with pytest.raises(ValueError, match="t_min"):
            SAMPLERS[name](VP(), 5, t_min=t_min)(score, noise)
    with pytest.raises(ValueError, match=r"returned \(3, 1\)"):
        SAMPLERS[name](VP(), 5)(lambda x, t: x[:, :1], noise)


def test_a_start_of_another_shape_than_the_noise_is_refused() -> None:
    for x in (torch.zeros(1, 2), torch.zeros(4, 2), torch.zeros(3, 1)):
        with pytest.raises(ValueError, match=r"\(3, 2\)"):
            EulerMaruyama(VP(), 3)(Noised(VP(), MODES, 0.3), RowNoise(0, 3, (2,)), x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PredictorCorrector(VP(), predictor="ancestrl"), "did you mean 'ancestral'"),
        (lambda: LangevinCorrector(norms="levl"), "did you mean 'level'"),
        (lambda: LangevinCorrector(snr=0), "snr above 0"),
        (lambda: LangevinCorrector(snr=math.nan), "snr above 0"),
        (lambda: LangevinCorrector(steps=-1), "steps >= 0"),
        (lambda: Flow(VP(), "dopri"), "did you mean 'dopri"),
        (lambda: Flow(VP(), rtol=0), "tolerances between 0 and 1"),
        (lambda: Flow(VP(), max_nfe=0), "max_nfe >= 1"),
        (lambda: Heun(VP(), order=3), "order 1 or 2"),
        (lambda: Heun(VP(), churn=-1), "churn >= 0"),
        (lambda: Heun(VP(), rho=0), "rho above 0"),
        (lambda: sample(Heun(VP()), Noised(VP(), MODES, 0.3), 0, (2,)), "at least one sample"),
        (lambda: sample(Heun(VP()), Noised(VP(), MODES, 0.3), 2, (2,), chunk=0), "at least one sample"),
        (lambda: Heun(VP(), keep=-1)(Noised(VP(), MODES, 0.3), RowNoise(0, 3, (2,))), "keep"),
        (lambda: Flow(VP()).encode(Noised(VP(), MODES, 0.3), MODES, t_min=0.0), "t_min"),
        (lambda: Flow(VP(), max_nfe=20).encode(Noised(VP(), MODES, 0.3), MODES), "within 20 evaluations"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        make()
    assert "\n" not in str(refusal.value)
