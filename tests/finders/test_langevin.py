"""Descent goes down to the valley it started above; Langevin's samples have the mean, the covariance and the weights of exp(-E / T)."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from problems import BAD_POINTS, Gaussian, Mixture, MuellerBrown, Ring, points, rows
from ridgewalk.finders import Descent, Langevin

PRECISION = rows((2.0, 0.8), (0.8, 1.0))
MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)


def tilted(z: Tensor) -> Tensor:
    """-log of a Gaussian with mean MEAN and covariance PRECISION^-1."""
    away = z - MEAN
    return (away @ PRECISION.to(z) * away).sum(dim=1) / 2


MOVERS = pytest.mark.parametrize(
    "mover", [Descent(tilted, steps=30), Langevin(tilted, steps=20, burn=20)], ids=["descent", "langevin"]
)


# --- descent ---------------------------------------------------------------------------------------------------------


def test_descent_finds_the_minimum() -> None:
    moved = Descent(tilted, steps=2000)(5 * points(50, 2))
    assert (moved.z - MEAN).abs().max() < 1e-3  # |grad E| <= 1e-4 with curvature at least 0.6
    assert moved.stats["at_rest"] == 1
    assert moved.stats["iterations"] < 2000


def test_descent_reaches_the_valley_it_started_above() -> None:
    """On Mueller-Brown each start runs down to the minimum of its own basin; on a ring, to the nearest point of the circle."""
    starts = rows((-0.9, 1.3), (0.1, 0.6), (0.8, 0.1))
    moved = Descent(MuellerBrown(), steps=3000, step=1e-4, longest=0.05, tolerance=1e-2)(starts)
    # the minima are published to three digits
    assert torch.allclose(moved.z, torch.tensor(MuellerBrown.minima, dtype=torch.float64), atol=1e-3)
    z = points(20, 2, seed=3)
    on_ring = Descent(Ring(), steps=1000)(z).z
    assert torch.allclose(on_ring, z / z.norm(dim=1, keepdim=True), atol=1e-3)


@pytest.mark.parametrize("step", [1e-3, 1.0, 1e6])
def test_the_energy_never_rises_for_any_first_step(step: float) -> None:
    z = 3 * points(40, 2, seed=1)
    mixture, before = Mixture(rows((3, 0), (-3, 0))), None
    for steps in (0, 1, 2, 5, 20, 100):
        now = Descent(mixture, steps=steps, step=step)(z).energy
        assert before is None or (now <= before + 1e-12).all()
        before = now


def test_no_move_is_longer_than_allowed() -> None:
    z = 50 * points(30, 2)
    moved = Descent(Gaussian(), steps=7, step=10.0, longest=0.3)(z)
    assert ((moved.z - z).norm(dim=1) <= 7 * 0.3 + 1e-9).all()


# --- Langevin --------------------------------------------------------------------------------------------------------


def test_samples_have_the_mean_and_covariance_of_the_gaussian() -> None:
    n = 8000
    moved = Langevin(tilted, steps=60, burn=100, seed=1)(torch.zeros(n, 2, dtype=torch.float64))
    covariance = torch.linalg.inv(PRECISION)
    # independent chains: the mean is off by some sqrt(C_ii / n) < 0.014, the covariance by sqrt(2 / n) C_ii < 0.024; four of these
    assert torch.allclose(moved.z.mean(0), MEAN, atol=0.056)
    assert torch.allclose(moved.z.T.cov(), covariance, atol=0.096)
    assert torch.allclose(moved.energy, tilted(moved.z))


def test_the_temperature_scales_the_covariance() -> None:
    n = 4000
    for temperature in (0.25, 4.0):
        moved = Langevin(Gaussian(), temperature, steps=60, burn=100)(torch.zeros(n, 3, dtype=torch.float64))
        # the variance of 12000 independent values is off by sqrt(2 / 12000) = 1.3 % of it; four of these
        assert float(moved.z.var()) == pytest.approx(temperature, rel=0.052)


def test_large_steps_need_the_correction_and_have_it() -> None:
    """Without the Metropolis ratio, a step h = 0.9 on E = z^2 / 2 has the variance 1 / (1 - h / 2) = 1.8."""
    z = torch.zeros(6000, 1, dtype=torch.float64)
    moved = Langevin(Gaussian(), steps=80, burn=0, step=0.9)(z)
    # sqrt(2 / 6000) = 1.8 %; four of these
    assert float(moved.z.var()) == pytest.approx(1, rel=0.073)
    assert (moved.step == 0.9).all()


def test_acceptance_comes_near_the_target() -> None:
    for target in (0.574, 0.8):
        moved = Langevin(Gaussian(), target=target, steps=300, burn=400)(points(100, 8))
        # each row's step stops within the noise of its Robbins-Monro search; the mean over 100 rows is nearer
        assert moved.stats["accepted"] == pytest.approx(target, abs=0.04)
        assert float(moved.accepted.std()) < 0.15


def test_an_asymmetric_mixture_has_its_weights() -> None:
    """Modes that overlap enough to be crossed: weights 0.8 and 0.2 from an energy with a prior on the modes."""
    means, weights = rows((1.5, 0.0), (-1.5, 0.0)), torch.tensor([0.8, 0.2], dtype=torch.float64)

    def energy(z: Tensor) -> Tensor:
        return -torch.logsumexp(weights.log() - (z[:, None] - means).square().sum(2) / 2, dim=1)

    moved = Langevin(energy, steps=300, burn=200, seed=4)(rows((-1.5, 0.0)).repeat(3000, 1))
    # P(x > 0) = 0.8 P(N > -1.5) + 0.2 P(N > 1.5); its standard error over 3000 chains is 0.008: four of these
    expected = 0.8 * 0.9331928 + 0.2 * 0.0668072
    assert float((moved.z[:, 0] > 0).double().mean()) == pytest.approx(expected, abs=0.032)


def test_a_wall_without_density_is_never_entered() -> None:
    def walled(z: Tensor) -> Tensor:
        return torch.where(z[:, 0] > 0, z.square().sum(1) / 2, torch.inf)

    moved = Langevin(walled, steps=100, burn=100)(torch.ones(2000, 2, dtype=torch.float64))
    assert (moved.z[:, 0] > 0).all()
    # the mean of half a normal is sqrt(2 / pi), its deviation 0.6: four standard errors over 2000 chains
    assert float(moved.z[:, 0].mean()) == pytest.approx((2 / torch.pi) ** 0.5, abs=0.054)


# --- both ------------------------------------------------------------------------------------------------------------


@MOVERS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_dtype_and_input_are_kept(mover: Descent | Langevin, dtype: torch.dtype) -> None:
    z = points(6, 2, dtype=dtype)
    kept = z.clone()
    mover = replace(mover, energy=Gaussian())
    for given in (z, points(6, 1, 2, 3, dtype=dtype)):
        moved = mover(given)
        assert moved.z.shape == given.shape
        assert moved.z.dtype == moved.energy.dtype == moved.step.dtype == dtype
        assert moved.energy.shape == moved.accepted.shape == (6,)
        assert not moved.z.requires_grad
    assert torch.equal(z, kept)


@MOVERS
def test_a_row_does_not_depend_on_its_batch(mover: Descent | Langevin) -> None:
    z = 2 * points(40, 2)
    # a product of matrices may round differently in another batch; the energy here is of 2 x 2
    assert torch.allclose(mover(z).z[:5], mover(z[:5]).z, atol=1e-9)


@MOVERS
def test_the_same_call_gives_the_same_result_and_no_global_draw(mover: Descent | Langevin) -> None:
    z = points(9, 2)
    state = torch.random.get_rng_state()
    assert torch.equal(mover(z).z, mover(z).z)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_another_seed_gives_another_chain_and_rows_have_noise_of_their_own() -> None:
    z = torch.zeros(5, 2, dtype=torch.float64)
    one, other = (Langevin(Gaussian(), steps=5, burn=5, seed=s)(z).z for s in (0, -1))
    assert not torch.equal(one, other)
    assert len({tuple(row) for row in one.tolist()}) == 5


@MOVERS
@pytest.mark.parametrize(("z", "message"), BAD_POINTS)
def test_bad_points_are_refused(mover: Descent | Langevin, z: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mover(z)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Langevin(Gaussian(), temperature=0), "temperature"),
        (lambda: Langevin(Gaussian(), step=float("inf")), "step"),
        (lambda: Langevin(Gaussian(), target=1), "target"),
        (lambda: Descent(Gaussian(), steps=-1), "steps"),
        (lambda: Descent(Gaussian(), longest=0), "longest"),
    ],
)
def test_settings_that_make_no_walk_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
