"""Tempering crosses between modes that one chain never leaves, in their exact proportions; every rung keeps its own law."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from problems import BAD_POINTS, Counted, Gaussian, points, rows
from ridgewalk.energies import FullGaussian, GaussianPrior
from ridgewalk.finders import Langevin, Tempered
from ridgewalk.finders.tempering import _exchange, _swap_probability

MODES = rows((6.0, 0.0), (-6.0, 1.0))
SIGMA = torch.tensor([1.0, 0.5], dtype=torch.float64)
WEIGHTS = torch.tensor([0.7, 0.3], dtype=torch.float64)


def far_modes(z: Tensor) -> Tensor:
    """-log of 0.7 N((6, 0), I) + 0.3 N((-6, 1), I / 4): some 32 units of energy between the modes."""
    squared = (z[:, None] - MODES.to(z)).square().sum(dim=2)
    return -torch.logsumexp((WEIGHTS.log() - 2 * SIGMA.log()).to(z) - squared / (2 * SIGMA.to(z) ** 2), dim=1)


def long_tailed(z: Tensor) -> Tensor:
    """3 log(1 + |z|^2): in the plane exp(-E / T) has a finite integral for T < 3 alone."""
    return 3 * z.square().sum(dim=1).log1p()


# --- is it true? -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("base", [None, GaussianPrior(6.0)], ids=["energy-alone", "over-a-base"])
def test_distant_modes_have_their_weights_means_and_variances(mode: int, base: GaussianPrior | None) -> None:
    n = 1200
    z = MODES[mode].repeat(n, 1)
    stuck = Langevin(far_modes, steps=300, burn=300)(z[:200])
    assert (stuck.z[:, 0].sign() == z[:200, 0].sign()).all()  # one chain has the mode that it began in, for ever

    hottest = 40.0 if base is None else 100.0
    moved = Tempered(far_modes, hottest=hottest, rungs=6, base=base, steps=300, burn=300, every=2, seed=3)(z)
    right = moved.z[:, 0] > 0
    # rows are independent: the share's standard error is sqrt(0.21 / 1200) = 0.0132; four of these
    assert float(right.double().mean()) == pytest.approx(0.7, abs=0.053)
    for inside, mean, sigma in zip((right, ~right), MODES, SIGMA.tolist()):
        here, m = moved.z[inside], int(inside.sum())
        # a mean is off by sigma / sqrt(m), a variance by sqrt(2 / m) of itself; four of these
        assert torch.allclose(here.mean(0), mean, atol=4 * sigma / m**0.5)
        assert here.var(0).tolist() == pytest.approx([sigma**2] * 2, rel=4 * (2 / m) ** 0.5)
    assert torch.allclose(moved.energy, far_modes(moved.z))
    assert moved.stats["travelled"] == pytest.approx(float((moved.z - z).norm(dim=1).mean()))
    assert moved.stats["arrivals"] > 5
    assert ((moved.swaps > 0.4) & (moved.swaps < 0.95)).all()


def test_a_swap_is_accepted_by_the_ratio_of_the_rungs_densities() -> None:
    """The formula in F against the definition, U_k of each rung at both states; and a lower energy always moves down."""
    mover = Tempered(far_modes, temperature=0.5, hottest=8.0, rungs=4, base=GaussianPrior(2.0))
    hot = torch.tensor(mover.temperatures, dtype=torch.float64)
    assert hot.tolist() == pytest.approx([0.5 * 16 ** (k / 3) for k in range(4)])
    z = 3 * points(50, 4, 2)
    e, b = (energy(z.flatten(0, 1)).view(50, 4) for energy in (far_modes, mover.base))

    def u(k: int, at: int) -> Tensor:
        return e[:, at] / hot[k] + (1 - hot[0] / hot[k]) * b[:, at]

    low = torch.tensor([0, 2])
    found = _swap_probability(e - hot[0] * b, hot, low)
    for column, i in enumerate(low.tolist()):
        log_r = u(i, i) + u(i + 1, i + 1) - u(i, i + 1) - u(i + 1, i)
        torch.testing.assert_close(found[:, column], log_r.exp().clamp_max(1))
    assert _swap_probability(torch.tensor([[5.0, 1.0]]), torch.tensor([1.0, 2.0]), torch.tensor([0])).item() == 1
    up = _swap_probability(torch.tensor([[1.0, 5.0]]), torch.tensor([1.0, 2.0]), torch.tensor([0]))
    assert up.item() == pytest.approx(torch.tensor(-2.0).exp().item())


def test_accepted_pairs_change_places_and_no_state_is_lost() -> None:
    come = _exchange(torch.tensor([[True, False], [False, True]]), torch.tensor([1, 3]), 5).view(2, 5)
    assert come.tolist() == [[0, 2, 1, 3, 4], [5, 6, 7, 9, 8]]


@pytest.mark.parametrize("base", [None, Gaussian(0.7, 2.0)], ids=["energy-alone", "over-a-base"])
@pytest.mark.parametrize("rungs", [2, 5])
def test_every_rung_keeps_its_own_gaussian(base: Gaussian | None, rungs: int) -> None:
    """E = |z|^2 / 2, B = |z - 2|^2 / 2 s^2: rung k is normal with precision p_k = 1 / T_k + w_k / s^2 and mean 2 (w_k / s^2) / p_k."""
    n, cold = 1500, 0.5
    mover = Tempered(Gaussian(), temperature=cold, hottest=4.0, rungs=rungs, base=base, steps=60, burn=100, every=1)
    moved = mover(torch.zeros(n, 2, dtype=torch.float64))
    for k, hot in enumerate(mover.temperatures):
        pull = 0 if base is None else (1 - cold / hot) / 0.49
        precision = 1 / hot + pull
        here = moved.replicas[:, k]
        # over 3000 independent values, four standard errors
        assert float(here.mean()) == pytest.approx(2 * pull / precision, abs=4 * (1 / precision / 3000) ** 0.5)
        assert float(here.var()) == pytest.approx(1 / precision, rel=4 * (2 / 3000) ** 0.5)


def test_a_base_keeps_a_flat_energy_on_a_ladder() -> None:
    """At T = 1, P(|z|^2 > s) = (1 + s)^-2; at T = 30 the energy holds no chain, and the base does."""
    n, z = 1500, torch.zeros(1500, 2, dtype=torch.float64)
    mover = Tempered(long_tailed, hottest=30.0, rungs=5, base=GaussianPrior(3.0), steps=300, burn=300)
    moved = mover(z)
    square = moved.z.square().sum(dim=1)
    for s, share in ((1.0, 0.25), (4.0, 0.04)):
        # four standard errors of a share over 1500 rows
        assert float((square > s).double().mean()) == pytest.approx(share, abs=4 * (share * (1 - share) / n) ** 0.5)
    # the hottest rung's law is r (1 + r^2)^(-3 / 30) exp(-(1 - 1 / 30) r^2 / 18), a density on a grid of r
    r = torch.linspace(0, 40, 40001, dtype=torch.float64)
    density = r * (1 + r.square()) ** -0.1 * torch.exp(-(29 / 30) * r.square() / 18)
    second, fourth = (float((density * r**p).sum() / density.sum()) for p in (2, 4))
    hot = moved.replicas[:, -1].square().sum(dim=1)
    assert float(hot.mean()) == pytest.approx(second, abs=4 * ((fourth - second**2) / n) ** 0.5)
    loose = replace(mover, base=None)(z).replicas[:, -1].square().sum(dim=1)
    assert loose.median() > 20 * hot.median()  # it has no law, and goes on growing


@pytest.mark.parametrize(("rungs", "arrivals"), [(2, 40), (3, 20), (6, 20)])
def test_where_every_swap_is_accepted_states_go_round(rungs: int, arrivals: int) -> None:
    """An energy that is 0: of more than two rungs, one state in two rounds steps off at the coldest, and each has been round."""
    mover = Tempered(lambda z: 0 * z[:, 0], rungs=rungs, steps=40, burn=40, every=1)
    moved = mover(points(3, 2))
    assert moved.swaps.tolist() == [1] * (rungs - 1)
    assert moved.arrivals.tolist() == [arrivals] * 3


def test_a_ladder_with_a_gap_swaps_seldom() -> None:
    moved = Tempered(Gaussian(), hottest=1e4, rungs=2, steps=40, burn=100)(torch.zeros(20, 60, dtype=torch.float64))
    assert moved.swaps.tolist() == [0]
    assert moved.stats["swaps"] == moved.stats["arrivals"] == 0


# --- does it keep the contract? --------------------------------------------------------------------------------------

SHORT = Tempered(far_modes, rungs=4, base=GaussianPrior(6.0), steps=30, burn=20, every=3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_dtype_and_the_input_are_kept(dtype: torch.dtype) -> None:
    z = points(6, 2, dtype=dtype)
    kept = z.clone()
    mover = replace(SHORT, energy=Gaussian())
    for given in (z, points(6, 1, 2, 3, dtype=dtype)):
        moved = mover(given)
        assert moved.z.shape == given.shape
        assert moved.replicas.shape == (6, 4, *given.shape[1:])
        assert torch.equal(moved.replicas[:, 0], moved.z)
        assert moved.z.dtype == moved.energy.dtype == moved.step.dtype == moved.replicas.dtype == dtype
        assert moved.energy.shape == moved.accepted.shape == moved.step.shape == moved.arrivals.shape == (6,)
        assert moved.swaps.shape == (3,)
        assert not moved.z.requires_grad
    assert torch.equal(z, kept)


def test_a_row_does_not_depend_on_its_batch() -> None:
    z = 2 * points(40, 2)
    together = SHORT(z)
    for first in (1, 5):
        moved = SHORT(z[:first])
        # sums of another shape may round differently
        assert torch.allclose(together.replicas[:first], moved.replicas, atol=1e-9)
        assert torch.equal(together.arrivals[:first], moved.arrivals)


def test_noise_belongs_to_the_seed_and_nothing_global_is_drawn() -> None:
    z = torch.zeros(5, 2, dtype=torch.float64)
    state = torch.random.get_rng_state()
    one, again, other = (replace(SHORT, seed=s)(z).replicas for s in (0, 0, -1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert len({tuple(row) for row in one.flatten(0, 1).tolist()}) == 20  # no two replicas share their noise


def test_rows_of_energy_are_counted() -> None:
    counted = Counted(far_modes)
    moved = replace(SHORT, energy=counted)(points(7, 2))
    assert moved.stats["nfe"] == counted.rows == 7 * (1 + 4 * 50)
    assert moved.stats["iterations"] == 50


@pytest.mark.parametrize(("z", "message"), BAD_POINTS)
def test_bad_points_are_refused(z: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SHORT(z)


def test_a_base_that_is_not_finite_where_a_point_starts_is_refused() -> None:
    def walled(z: Tensor) -> Tensor:
        return torch.where(z[:, 0] > 0, z.square().sum(dim=1), torch.inf)

    with pytest.raises(ValueError, match="point 1"):
        replace(SHORT, base=walled)(rows((1, 0), (-1, 0)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"hottest": float("inf")}, "hottest"),
        ({"hottest": 1.0}, "higher hottest"),
        ({"rungs": 1}, "take Langevin"),
        ({"step": -1.0}, "step"),
        ({"target": 1.0}, "target"),
        ({"every": 0}, "every"),
        ({"burn": -1}, "burn"),
        ({"steps": 9, "every": 5}, "steps >= 2 every = 10"),
    ],
)
def test_settings_that_make_no_ladder_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tempered(Gaussian(), **settings)  # type: ignore[arg-type]


# --- the base of a run -----------------------------------------------------------------------------------------------


def test_a_full_gaussian_is_minus_its_log_density() -> None:
    mean, covariance = torch.tensor([1.0, -2.0]).double(), rows((2.0, 0.8), (0.8, 1.0))
    z = points(9, 2)
    exact = torch.distributions.MultivariateNormal(mean, covariance)
    gap = FullGaussian(mean, covariance)(z) + exact.log_prob(z)
    torch.testing.assert_close(gap, gap[:1].expand(9))  # the constant, and it alone


def test_a_gaussian_of_codes_has_their_mean_and_shrunken_covariance() -> None:
    codes = points(500, 3) @ points(3, 3, seed=1) + 2
    fitted, s = FullGaussian.of(codes, shrinkage=0.2), codes.T.cov()
    torch.testing.assert_close(fitted.mean, codes.mean(0))
    torch.testing.assert_close(fitted.covariance, 0.8 * s + 0.2 * s.trace() / 3 * torch.eye(3).double())
    flat = torch.cat([codes, torch.zeros(500, 2).double()], dim=1)  # two values that no code uses
    assert FullGaussian.of(flat)(flat).isfinite().all()
    assert FullGaussian.of(codes[:2].view(2, 3, 1))(codes.view(-1, 3, 1)).shape == (500,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FullGaussian(torch.zeros(2), torch.eye(3)), r"\(2, 2\); got \(3, 3\)"),
        (lambda: FullGaussian(torch.zeros(2), torch.zeros(2, 2)), "positive definite"),
        (lambda: FullGaussian(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]])), "symmetric"),
        (lambda: FullGaussian.of(torch.zeros(1, 2)), "n >= 2"),
        (lambda: FullGaussian.of(torch.ones(5, 2)), "same point"),
        (lambda: FullGaussian.of(points(5, 2), shrinkage=0.0), "shrinkage"),
    ],
)
def test_what_is_no_gaussian_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
