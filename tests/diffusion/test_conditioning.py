"""
Conditional samples: guided scores against closed forms at points, and the laws that are sampled against Bayes' rule.

For Gaussian data every field here is affine, and the flow carries a start to its end affinely: where it carries 0 and the axes gives the mean and the
covariance of what is sampled, without Monte Carlo. Of a mixture shares are counted, and biases asserted in their direction.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import pytest
import torch
from torch import Tensor, nn

from problems import mixture_of_covariances, points, rows
from ridgewalk.data.mixtures import GaussianMixture, exact_score
from ridgewalk.diffusion import (
    SDE,
    VE,
    VP,
    Ancestral,
    Denoiser,
    EulerMaruyama,
    Flow,
    Heun,
    LangevinCorrector,
    PredictorCorrector,
    ProbabilityFlow,
    RowNoise,
    Sampled,
    SubVP,
)
from ridgewalk.diffusion.conditioning import PosteriorScore, Replacement
from ridgewalk.diffusion.operators import Downsample, LinearOperator, Mask
from ridgewalk.protocols import VectorField

D = torch.float64
LONG = VP(beta_max=40.0)  # forgets the data to 5e-5: what is tested on it owes nothing to the prior
SDES: dict[str, SDE] = {"vp": VP(), "sub-vp": SubVP(), "ve": VE()}
EVERY_SDE = pytest.mark.parametrize("sde", SDES.values(), ids=SDES)
TIMES = (0.01, 0.1, 0.4, 1.0)
FIRST = Mask(torch.tensor([True, False]))
SHAPE = (2, 2, 2)
OPERATORS: dict[str, LinearOperator] = {
    "mask": Mask(torch.tensor([[True, False], [True, True]])),
    "downsample": Downsample(2),
}
EVERY_OPERATOR = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


def isotropic(deviation: float = 0.7, shape: tuple[int, ...] = SHAPE) -> GaussianMixture:
    """N(mu, s^2 I), around a mu that is not 0."""
    return GaussianMixture.from_deviations(points(1, prod(shape), seed=7), deviation)


def correlated(rho: float, mean: tuple[float, float] = (0.3, -0.2)) -> GaussianMixture:
    """Two values of variance 1."""
    return mixture_of_covariances(rows(mean), torch.tensor([[[1, rho], [rho, 1]]], dtype=D))


def two_modes() -> GaussianMixture:
    return GaussianMixture.from_deviations(rows((1.0, 1.0), (-1.0, -1.0)), 0.4)


def deviation(law: GaussianMixture) -> float:
    """Of all values of the data."""
    return float(law.covariance.diagonal().mean().sqrt())


def shaped(law: GaussianMixture, sde: SDE, shape: tuple[int, ...]) -> VectorField:
    """The exact score of data (n, *shape)."""
    flat = exact_score(law, sde)
    return lambda x, t: flat(x.flatten(1), t).view(-1, *shape)


def matrix(operator: LinearOperator, shape: tuple[int, ...]) -> Tensor:
    """A without the rows of what a mask hides, (measured, data)."""
    d = prod(shape)
    a = operator(torch.eye(d, dtype=D).view(d, *shape)).flatten(1).T
    return a[a.abs().sum(1) > 0]


def posterior(
    law: GaussianMixture, operator: LinearOperator, y: Tensor, noise: float, shape: tuple[int, ...]
) -> GaussianMixture:
    """The law of the data given one measurement (1, *); without noise, given it to 1e-4."""
    z = operator.pseudo_inverse(y).view(-1)
    a = matrix(operator, shape)
    return law.posterior(a, a @ z, noise or 1e-4)


def moments(field: VectorField, sde: SDE, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The mean (d,) and the covariance (d, d) of what the flow makes of noise by an affine field."""
    d = prod(shape)
    axes = sde.prior_deviation * torch.eye(d, dtype=D)
    start = torch.cat([torch.zeros(1, d, dtype=D), axes]).view(-1, *shape)
    x = Heun(sde, 300)(field, RowNoise(0, d + 1, shape, dtype=D), x=start).x.flatten(1)
    return x[0], (x[1:] - x[0]).T @ (x[1:] - x[0])


# --- PiGDM ------------------------------------------------------------------------------------------------------------


@EVERY_SDE
@EVERY_OPERATOR
@pytest.mark.parametrize("noise", [0.3, 0.0])
def test_pigdm_is_the_score_of_the_posterior_of_isotropic_gaussians(
    sde: SDE, operator: LinearOperator, noise: float
) -> None:
    """At every level, and at a time for each row: grad log p(x_t | y) of the closed form, noised."""
    law, z = isotropic(), points(1, *SHAPE, seed=3)
    y = operator(z)
    field = PosteriorScore(shaped(law, sde, SHAPE), sde, operator, y, 0.7, noise)
    exact = shaped(posterior(law, operator, y, noise, SHAPE), sde, SHAPE)
    for t in (*TIMES, None):
        at = torch.tensor(TIMES, dtype=D) if t is None else torch.tensor(t, dtype=D)
        x = sde.perturb(
            law.sample(4, torch.Generator().manual_seed(1))[0].view(4, *SHAPE), at, points(4, *SHAPE, seed=2)
        )
        found, wanted = field(x, at), exact(x, at)
        # without noise the closed form has 1e-4 of it, which is 1e-8 / c beside the data's own sigma^2 / alpha^2
        slack = 1e-8 if noise else 1e-6 + 1e-8 / operator.gain / float(sde.level(at).square().min())
        assert torch.allclose(found, wanted, rtol=slack, atol=slack * float(wanted.abs().max())), t


@EVERY_OPERATOR
@pytest.mark.parametrize("noise", [0.3, 0.0])
def test_samples_of_isotropic_gaussians_have_the_posterior_law(operator: LinearOperator, noise: float) -> None:
    law, y = isotropic(), operator(points(1, *SHAPE, seed=3))
    exact = posterior(law, operator, y, noise, SHAPE)
    mean, covariance = moments(PosteriorScore(shaped(law, LONG, SHAPE), LONG, operator, y, 0.7, noise), LONG, SHAPE)
    assert torch.allclose(mean, exact.mean, atol=2e-3)  # the solver's error, and the end of the flow at sigma = 0.01
    assert torch.allclose(covariance, exact.covariance, atol=5e-3)
    assert float((law.covariance - exact.covariance).abs().max()) > 0.05  # the measurement is informative


def test_each_row_has_its_measurement() -> None:
    law, operator = isotropic(), OPERATORS["downsample"]
    score, x, t = shaped(law, VP(), SHAPE), points(3, *SHAPE), torch.tensor(0.3, dtype=D)
    y = operator(points(3, *SHAPE, seed=4))
    together = PosteriorScore(score, VP(), operator, y, 0.7, 0.1)(x, t)
    apart = [PosteriorScore(score, VP(), operator, y[i : i + 1], 0.7, 0.1)(x[i : i + 1], t) for i in range(3)]
    assert torch.allclose(together, torch.cat(apart), atol=1e-12)
    for_all = PosteriorScore(score, VP(), operator, y[:1], 0.7, 0.1)(x, t)
    assert torch.allclose(for_all[0], together[0], atol=1e-12)
    assert not torch.allclose(for_all[1], together[1], atol=1e-3)


@pytest.mark.parametrize("rho", [0.5, 0.8])
def test_pigdm_of_correlated_gaussians_leans_to_the_prior(rho: float) -> None:
    """r^2 I is not the covariance of x_0 given x_t: the unseen value moves a little less than y implies, at most 10% of its shift here."""
    law, y = correlated(rho), rows((1.3, 0.0))
    exact = posterior(law, FIRST, y, 0.0, (2,))
    mean, covariance = moments(PosteriorScore(exact_score(law, LONG), LONG, FIRST, y, 1.0), LONG, (2,))
    assert float(mean[0]) == pytest.approx(1.3, abs=1e-5)
    prior = -0.2
    share = float((mean[1] - prior) / (exact.mean[1] - prior))
    assert 0.9 < share < 0.995
    assert 1.005 < float(covariance[1, 1] / exact.covariance[1, 1]) < 1.2


def test_the_weight_multiplies_what_is_added() -> None:
    law, x, t = isotropic(), points(3, *SHAPE), torch.tensor(0.3, dtype=D)
    score, operator = shaped(law, VP(), SHAPE), OPERATORS["mask"]

    def field(weight: float) -> Tensor:
        return PosteriorScore(score, VP(), operator, operator(points(1, *SHAPE)), 0.7, weight=weight)(x, t)

    assert torch.allclose(field(0), score(x, t), atol=1e-12)
    assert torch.allclose(field(2.5) - field(0), 2.5 * (field(1) - field(0)), atol=1e-10)


# --- DPS --------------------------------------------------------------------------------------------------------------


@EVERY_SDE
@EVERY_OPERATOR
def test_dps_is_the_gradient_of_the_error_of_the_denoised(sde: SDE, operator: LinearOperator) -> None:
    """The score - grad |y - A x^|^2 / (2 s^2), with x^ the closed form and its gradient taken by autograd."""
    law, noise, y = isotropic(), 0.3, operator(points(1, *SHAPE, seed=3))
    score = shaped(law, sde, SHAPE)
    for value in TIMES:
        t = torch.tensor(value, dtype=D)
        x = sde.perturb(points(4, *SHAPE), t, points(4, *SHAPE, seed=2)).requires_grad_(True)
        clean = law.denoised(x.flatten(1), sde.alpha(t), sde.sigma(t)).view(-1, *SHAPE)
        error = (y - operator(clean)).square().sum() / (2 * noise**2)
        wanted = score(x, t) - torch.autograd.grad(error, x)[0]
        found = PosteriorScore(score, sde, operator, y, 0.7, noise, "dps")(x.detach(), t)
        assert torch.allclose(found, wanted, rtol=1e-7, atol=1e-7 * float(wanted.detach().abs().max()))


def test_dps_has_too_little_variance_even_for_gaussians() -> None:
    """It takes x^ for x_0 while noise is high: beyond y = 1.3, where the truth is on this side of it, with a tenth of the variance."""
    law, y, noise = correlated(0.5), rows((1.3, 0.0)), 0.3
    exact = posterior(law, FIRST, y, noise, (2,))
    mean, covariance = moments(PosteriorScore(exact_score(law, LONG), LONG, FIRST, y, 1.0, noise, "dps"), LONG, (2,))
    assert float(mean[0]) > 1.3 > float(exact.mean[0])
    assert float(covariance[0, 0]) < float(exact.covariance[0, 0]) / 5


# --- Replacement ------------------------------------------------------------------------------------------------------


@EVERY_SDE
@EVERY_OPERATOR
def test_replacement_puts_y_noised_to_the_level_in_place_of_what_is_seen(sde: SDE, operator: LinearOperator) -> None:
    """Seen: alpha y + sigma A eps, of mean alpha y and variance sigma^2 c; unseen: as before."""
    n, t, x = 4000, 0.4, points(4000, *SHAPE)
    y = operator(points(1, *SHAPE, seed=3))
    time = torch.tensor(t, dtype=D)
    alpha, sigma = float(sde.alpha(time)), float(sde.sigma(time))
    found = Replacement(operator, y, sde)(x, t, RowNoise(0, n, SHAPE, dtype=D))
    zero = torch.zeros_like(operator(x))
    assert torch.allclose(operator.project(found, zero), operator.project(x, zero), atol=1e-10)
    standard = ((operator(found) - alpha * y) / (sigma * math.sqrt(operator.gain))).flatten(1)
    standard = standard[:, operator(torch.ones(1, *SHAPE)).flatten() != 0]  # not those that a mask hides
    assert float(standard.mean(0).abs().max()) < 4.5 / math.sqrt(n)  # 4.5 standard errors
    assert float((torch.cov(standard.T) - torch.eye(standard.shape[1])).abs().max()) < 4.5 * math.sqrt(2 / n)


def test_replacement_draws_anew_at_each_step_and_writes_y_at_the_end() -> None:
    y, x, noise = rows((0.7, math.nan)), points(4, 2), RowNoise(0, 4, (2,), dtype=D)
    project = Replacement(FIRST, y, VP())
    assert not torch.equal(project(x, 0.5, noise), project(x, 0.5, noise))
    assert torch.equal(project(x, 0.0, noise), torch.stack([torch.full((4,), 0.7, dtype=D), x[:, 1]], 1))
    assert torch.equal(Replacement(FIRST, y, VE(), end=0.01)(x, 0.01, noise), project(x, 0.0, noise))
    assert not torch.equal(project(x, 0.01, noise), project(x, 0.0, noise))


def test_replacement_of_correlated_gaussians_is_biased_as_its_limit_is() -> None:
    """
    Over many short steps the fresh noise averages out of the drift: with P = (alpha^2 C + sigma^2 I)^-1, u unseen, o seen, in reverse time

        dm = g^2 ((1/2 - P_uu) m - P_uo alpha y) dt,    dv = g^2 (2 (1/2 - P_uu) v + 1) dt       (VP, where f = -g^2 / 2)

    which ends at mean 0.500 and variance 0.494, where the posterior has 0.8 and 0.36.
    """
    rho, sde, n = 0.8, VP(), 6000
    times = torch.linspace(1, sde.t_min, 4001, dtype=D)
    squared, rate = sde.alpha(times).square(), float(times[0] - times[1]) * sde.diffusion_squared(times)
    m, v = 0.0, 1.0
    for a, g in zip(squared.tolist()[:-1], rate.tolist()):
        own = 1 / 2 - 1 / (1 - (a * rho) ** 2)
        m, v = m + g * (own * m + a * rho / (1 - (a * rho) ** 2) * math.sqrt(a)), v + g * (2 * own * v + 1)
    assert (m, v) == pytest.approx((0.5, 0.494), abs=2e-3)
    noise = RowNoise(0, n, (2,), dtype=D)
    project = Replacement(FIRST, rows((1.0, 0.0)), sde)
    x = EulerMaruyama(sde, 400)(exact_score(correlated(rho, (0.0, 0.0)), sde), noise, project=project).x
    assert bool((x[:, 0] == 1).all())
    assert float(x[:, 1].mean()) == pytest.approx(m, abs=4 * math.sqrt(v / n))
    assert float(x[:, 1].var()) == pytest.approx(v, abs=4 * v * math.sqrt(2 / n))


# --- modes ------------------------------------------------------------------------------------------------------------

WALKERS: dict[str, Callable[[SDE], Callable[..., Sampled]]] = {
    "euler-maruyama": lambda sde: EulerMaruyama(sde, 250),
    "ancestral": lambda sde: Ancestral(sde, 250),
    "predictor-corrector": lambda sde: PredictorCorrector(sde, 150, corrector=LangevinCorrector(norms="level")),
    "heun": lambda sde: Heun(sde, 40),
}
FINE = {
    **WALKERS,
    "heun-fine": lambda sde: Heun(sde, 100),
}  # dps with s = 0.3 is wrong with 40 steps, and right from 80 on
FLOWS = {**WALKERS, "flow": lambda sde: ProbabilityFlow(Flow(sde, "dopri5", rtol=1e-4, atol=1e-4))}


@dataclass(frozen=True)
class Shares:
    """What is measured of 2000 samples: the share of the mode that y favours, 0.924 without noise and 0.832 with 0.3, within 0.05."""

    method: str
    sampler: str
    noise: float
    share: float


@pytest.mark.parametrize(
    "case",
    [
        Shares("replacement", "euler-maruyama", 0.0, 0.615),
        Shares("replacement", "predictor-corrector", 0.0, 0.62),
        Shares("pgdm", "heun", 0.0, 0.655),
        Shares("pgdm", "euler-maruyama", 0.0, 0.715),
        Shares("pgdm", "heun", 0.3, 0.665),
        Shares("pgdm", "euler-maruyama", 0.3, 0.675),
        Shares("dps", "heun-fine", 0.3, 0.705),
        Shares("dps", "euler-maruyama", 0.3, 0.8),
    ],
    ids=lambda c: f"{c.method}-{c.sampler}-{c.noise}",
)
def test_of_two_modes_all_favour_the_right_one_by_too_little(case: Shares) -> None:
    sde, law, y, n = VP(), two_modes(), rows((0.2, 0.0)), 2000
    exact = posterior(law, FIRST, y, case.noise, (2,))
    assert float(exact.weights[0]) == pytest.approx(0.832 if case.noise else 0.924, abs=1e-3)
    score, noise, sampler = exact_score(law, sde), RowNoise(0, n, (2,), dtype=D), FINE[case.sampler](sde)
    if case.method == "replacement":
        x = sampler(score, noise, project=Replacement(FIRST, y, sde)).x
    else:
        x = sampler(PosteriorScore(score, sde, FIRST, y, deviation(law), case.noise, case.method), noise).x
    share = float((x[:, 1] > 0).double().mean())
    assert share == pytest.approx(case.share, abs=0.05)  # 4 standard errors are 0.044
    assert 0.55 < share < float(exact.weights[0])
    if not case.noise:
        assert float((x[:, 0] - 0.2).abs().max()) < 1e-3


def test_where_y_decides_nothing_the_modes_keep_their_shares() -> None:
    """At y = 0 both are equally likely by symmetry, for every method."""
    sde, law, y = VP(), two_modes(), rows((0.0, 0.0))
    for method, noise in (("pgdm", 0.0), ("dps", 0.3)):
        field = PosteriorScore(exact_score(law, sde), sde, FIRST, y, deviation(law), noise, method)
        x = Heun(sde, 100)(field, RowNoise(0, 2000, (2,), dtype=D)).x
        assert float((x[:, 1] > 0).double().mean()) == pytest.approx(0.5, abs=0.045)


# --- in use -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOWS)
@EVERY_OPERATOR
def test_every_sampler_ends_at_data_that_agree_with_y(name: str, operator: LinearOperator) -> None:
    """Guided by PiGDM without noise of the measurement, to what the last level leaves."""
    sde, law = VP(), isotropic()
    y = operator(points(3, *SHAPE, seed=3))
    field = PosteriorScore(shaped(law, sde, SHAPE), sde, operator, y, 0.7)
    x = FLOWS[name](sde)(field, RowNoise(0, 3, SHAPE, dtype=D)).x
    assert torch.allclose(operator(x), y, atol=1e-3)


@pytest.mark.parametrize("name", WALKERS)
@EVERY_OPERATOR
def test_every_sampler_that_steps_replaces(name: str, operator: LinearOperator) -> None:
    sde, law, y = VP(), isotropic(), operator(points(3, *SHAPE, seed=3))
    before = y.clone()
    project = Replacement(operator, y, sde)
    x = WALKERS[name](sde)(shaped(law, sde, SHAPE), RowNoise(0, 3, SHAPE, dtype=D), project=project).x
    exactly = isinstance(operator, Mask)
    assert torch.equal(operator(x), y) if exactly else torch.allclose(operator(x), y, atol=1e-12)
    assert torch.equal(y, before)


class Net(nn.Module):
    """Small, and without a gap in its derivatives."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(8, 8, generator=generator) / 8)

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.tanh(x.flatten(1) @ self.weight).view_as(x)


def test_networks_of_float32_are_guided_and_nothing_that_came_in_changes() -> None:
    sde, operator, net = VE(), OPERATORS["downsample"], Net()
    score, y = Denoiser(net, sde, 1.0).score, operator(points(1, *SHAPE))  # y in float64
    field = PosteriorScore(score, sde, operator, y, 1.0)
    x = 3 * points(4, *SHAPE, dtype=torch.float32)
    before = x.clone(), y.clone()
    with torch.no_grad():
        out = field(x, torch.tensor(0.5))
    assert out.dtype == torch.float32
    assert not out.requires_grad
    assert not field(x, torch.tensor(0.5)).requires_grad
    assert not x.requires_grad
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])
    assert net.weight.grad is None
    again = torch.cat([field(x[i : i + 1], torch.tensor(0.5)) for i in range(4)])
    assert torch.allclose(out, again, rtol=1e-4, atol=1e-5)
    x = Heun(sde, 40)(field, RowNoise(0, 4, SHAPE)).x
    assert torch.allclose(operator(x), y.float().expand(4, -1, -1, -1), atol=5e-3)


def test_what_a_mask_hides_of_y_is_never_read() -> None:
    score, x, t = exact_score(two_modes(), VP()), points(3, 2), torch.tensor(0.3, dtype=D)
    for method in ("pgdm", "dps"):
        fields = [PosteriorScore(score, VP(), FIRST, rows((0.2, v)), 1.0, 0.2, method)(x, t) for v in (0.0, math.nan)]
        assert torch.equal(*fields)


def test_guided_scores_can_be_differentiated() -> None:
    """Of isotropic Gaussians the derivative of the guided score is -(alpha^2 C' + sigma^2 I)^-1, C' the posterior covariance: so are likelihoods right."""
    sde, law, operator, t = VP(), isotropic(), OPERATORS["downsample"], torch.tensor(0.2, dtype=D)
    y = operator(points(1, *SHAPE))
    field = PosteriorScore(shaped(law, sde, SHAPE), sde, operator, y, 0.7, 0.3)
    found = torch.autograd.functional.jacobian(lambda x: field(x, t), points(1, *SHAPE, seed=5)).view(8, 8)
    inner = posterior(law, operator, y, 0.3, SHAPE).noised(float(sde.alpha(t)), float(sde.sigma(t)))
    assert torch.allclose(found, -torch.linalg.inv(inner.covariance), atol=1e-8)


def test_what_cannot_be_is_refused() -> None:
    score, sde, y, x, t = exact_score(two_modes(), VP()), VP(), rows((0.2, 0.0)), points(3, 2), torch.tensor(0.3)
    with pytest.raises(ValueError, match="did you mean 'pgdm'"):
        PosteriorScore(score, sde, FIRST, y, 1.0, method="pigdm")
    with pytest.raises(ValueError, match=r"dps .* needs noise above 0"):
        PosteriorScore(score, sde, FIRST, y, 1.0, method="dps")
    with pytest.raises(ValueError, match="standard deviation of the data"):
        PosteriorScore(score, sde, FIRST, y, 0.0)
    with pytest.raises(ValueError, match="noise of measurements"):
        PosteriorScore(score, sde, FIRST, y, 1.0, -0.1)
    with pytest.raises(ValueError, match="weight of guidance"):
        PosteriorScore(score, sde, FIRST, y, 1.0, weight=-1.0)
    with pytest.raises(ValueError, match="measurements must be"):
        PosteriorScore(score, sde, FIRST, y.expand(2, 2), 1.0)(x, t)
    with pytest.raises(ValueError, match="not differentiable in x"):
        PosteriorScore(lambda v, s: score(v.detach(), s), sde, FIRST, y, 1.0)(x, t)
    with pytest.raises(ValueError, match=r"within \[0, 1\)"):
        Replacement(FIRST, y, sde, end=1.0)
    with pytest.raises(ValueError, match="measurements must be"):
        Replacement(FIRST, y.expand(2, 2), sde)(x, 0.0, RowNoise(0, 3, (2,), dtype=D))
