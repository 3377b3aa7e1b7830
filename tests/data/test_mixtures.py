"""Mixtures of Gaussians: every closed form against a derivative, an integral, a convolution or draws."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from problems import mixture_of_covariances, points
from ridgewalk.data import GaussianMixture, exact_score
from ridgewalk.diffusion import SDE, VE, VP, SubVP

F64 = torch.float64


def one_deviation() -> GaussianMixture:
    return GaussianMixture.from_deviations(torch.tensor([[-1.0, 0.5], [1.2, -0.3]], dtype=F64), 0.6)


def deviation_each() -> GaussianMixture:
    weights = torch.tensor([0.5, 0.2, 0.3], dtype=F64)
    return GaussianMixture.from_deviations(points(3, 2, seed=1), torch.tensor([0.3, 0.7, 0.5], dtype=F64), weights)


def along_axes() -> GaussianMixture:
    weights = torch.tensor([0.1, 0.6, 0.3], dtype=F64)
    return GaussianMixture.from_deviations(points(3, 2, seed=2), 0.3 + points(3, 2, seed=3).abs(), weights)


def full(m: int = 3, d: int = 2) -> GaussianMixture:
    root = points(m, d, d, seed=4)
    weights = torch.softmax(points(m, seed=5), dim=0)
    return mixture_of_covariances(points(m, d, seed=6), root @ root.mT + 0.2 * torch.eye(d, dtype=F64), weights)


PLANES: dict[str, Callable[[], GaussianMixture]] = {
    "one deviation": one_deviation,
    "a deviation each": deviation_each,
    "along axes": along_axes,
    "full": full,
}
ALL = PLANES | {"full in 5": lambda: full(4, 5), "one in 1": lambda: full(1, 1)}

every = pytest.mark.parametrize("make", ALL.values(), ids=ALL)
plane = pytest.mark.parametrize("make", PLANES.values(), ids=PLANES)


def gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(f(leaf).sum(), leaf)[0]


def lattice(half: float = 16.0, count: int = 501) -> tuple[Tensor, float]:
    """Points of a square lattice round 0, and the area of a cell: sums over it are integrals, to 1e-8 for Gaussians this wide and no narrower than 0.25."""
    line = torch.linspace(-half, half, count, dtype=F64)
    return torch.cartesian_prod(line, line), float(line[1] - line[0]) ** 2


# Is it true? The density


@every
def test_the_density_is_the_weighted_sum_of_torchs_own(make: Callable[[], GaussianMixture]) -> None:
    p = make()
    x = 2 * points(50, p.dims)
    of = torch.distributions.MultivariateNormal(p.means, p.covariances)
    joint = of.log_prob(x[:, None]) + p.weights.log()
    assert torch.allclose(p.log_prob(x), joint.logsumexp(dim=1), atol=1e-10)
    assert torch.allclose(p.responsibilities(x), joint.softmax(dim=1), atol=1e-10)


@plane
def test_the_density_integrates_to_one_and_has_its_moments(make: Callable[[], GaussianMixture]) -> None:
    p = make()
    x, area = lattice()
    mass = p.log_prob(x).exp() * area
    assert float(mass.sum()) == pytest.approx(1, abs=1e-8)
    assert torch.allclose(mass @ x, p.mean, atol=1e-8)
    away = x - p.mean
    assert torch.allclose(away.T @ (mass[:, None] * away), p.covariance, atol=1e-7)


def test_covariances_are_those_that_were_given() -> None:
    root = points(3, 4, 4, seed=7)
    given = root @ root.mT + 0.1 * torch.eye(4, dtype=F64)
    assert torch.allclose(mixture_of_covariances(points(3, 4), given).covariances, given, atol=1e-12)
    assert torch.equal(deviation_each().covariances[1], torch.tensor(0.7, dtype=F64) ** 2 * torch.eye(2, dtype=F64))
    diagonal = GaussianMixture.from_deviations(points(1, 2), torch.tensor([[0.3, 2.0]], dtype=F64))
    assert torch.allclose(diagonal.covariances[0].diagonal(), torch.tensor([0.09, 4.0], dtype=F64), atol=1e-15)


# Is it true? The score


@every
def test_the_score_is_the_gradient_of_the_log_density(make: Callable[[], GaussianMixture]) -> None:
    p = make()
    x = 2 * points(200, p.dims)
    assert (p.score(x) - gradient(p.log_prob, x)).abs().max() < 1e-10


def test_far_from_every_mode_the_score_still_points_to_them() -> None:
    p = along_axes()
    x = torch.tensor([[300.0, -400.0]], dtype=F64)
    assert p.score(x).isfinite().all()
    assert float((p.score(x) * -x).sum()) > 0
    assert (p.score(x.float()) / p.score(x) - 1).abs().max() < 1e-5


@every
@pytest.mark.parametrize("sde", [VP(), SubVP(), VE()], ids=["vp", "sub-vp", "ve"])
def test_the_exact_score_is_that_of_the_noised_law_a_time_a_row(make: Callable[[], GaussianMixture], sde: SDE) -> None:
    p = make()
    field = exact_score(p, sde)
    x, t = 2 * points(20, p.dims), torch.linspace(0.01, 1, 20, dtype=F64)
    found = field(x, t)
    for i in range(20):
        at = p.noised(float(sde.alpha(t[i])), float(sde.sigma(t[i])))
        assert (found[i] - gradient(at.log_prob, x[i : i + 1])[0]).abs().max() < 1e-10
        assert torch.allclose(field(x, t[i])[i], found[i], atol=1e-13)


def test_the_exact_score_has_a_divergence_and_it_is_that_of_differences() -> None:
    p, x = full(3, 3), points(6, 3)
    field = exact_score(p, VP())
    t = torch.linspace(0.1, 0.9, 6, dtype=F64)
    jacobian = torch.autograd.functional.jacobian(lambda x: field(x, t).sum(dim=0), x).permute(1, 0, 2)  # (n, d, d)
    h = 1e-5
    for j in range(3):
        step = h * torch.eye(3, dtype=F64)[j]
        assert torch.allclose(jacobian[:, :, j], (field(x + step, t) - field(x - step, t)) / (2 * h), atol=1e-7)
    assert torch.allclose(jacobian, jacobian.mT, atol=1e-10)  # of a gradient


def test_the_exact_score_is_right_in_float32() -> None:
    p, sde = full(5, 8), VP()
    x, t = points(300, 8), torch.linspace(0.001, 1, 300, dtype=F64)
    exact, found = exact_score(p, sde)(x, t), exact_score(p, sde)(x.float(), t.float())
    assert found.dtype == torch.float32
    # rounding x by 6e-8 of its size moves the score by up to as much over the least variance, 0.2 here
    assert (found - exact).norm(dim=1).max() < 1e-5 * exact.norm(dim=1).max()


def test_blocks_of_rows_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    from ridgewalk.data import mixtures

    p, x, t = along_axes(), points(37, 2), torch.linspace(0.1, 1, 37, dtype=F64)
    whole = [exact_score(p, VP())(x, t), p.log_prob(x)[:, None], p.responsibilities(x), p.denoised(x, t, 0.5)]
    monkeypatch.setattr(mixtures, "_BLOCK", 5 * p.means.numel())
    parts = [exact_score(p, VP())(x, t), p.log_prob(x)[:, None], p.responsibilities(x), p.denoised(x, t, 0.5)]
    assert all(torch.allclose(a, b, rtol=1e-13, atol=1e-13) for a, b in zip(whole, parts))
    alone = exact_score(p, VP())(x[20:21], t[20:21])
    assert torch.allclose(alone, whole[0][20:21], atol=1e-13)


# Is it true? Other laws


@plane
@pytest.mark.parametrize(("alpha", "sigma"), [(0.8, 0.5), (1.0, 1.2), (-0.6, 0.3)])
def test_the_noised_density_is_the_convolution(make: Callable[[], GaussianMixture], alpha: float, sigma: float) -> None:
    p = make()
    x, area = lattice(9.0, 241)
    at = points(12, 2, seed=9)
    kernel = (-(at[:, None] - alpha * x).square().sum(dim=2) / (2 * sigma**2)).exp() / (2 * math.pi * sigma**2)
    convolved = kernel @ p.log_prob(x).exp() * area
    assert torch.allclose(p.noised(alpha, sigma).log_prob(at).exp(), convolved, atol=1e-8)


@plane
def test_the_denoised_is_the_mean_of_the_data_that_could_have_been(make: Callable[[], GaussianMixture]) -> None:
    p, alpha, sigma = make(), 0.7, 0.6
    x = lattice(9.0, 241)[0]
    at = points(12, 2, seed=9)
    joint = (-(at[:, None] - alpha * x).square().sum(dim=2) / (2 * sigma**2)).exp() * p.log_prob(x).exp()
    assert torch.allclose(p.denoised(at, alpha, sigma), joint @ x / joint.sum(dim=1, keepdim=True), atol=1e-7)


@every
def test_tweedies_formula(make: Callable[[], GaussianMixture]) -> None:
    p = make()
    x_t = 2 * points(40, p.dims)
    alpha, sigma = torch.linspace(0.1, 1, 40, dtype=F64), torch.linspace(1.5, 0.05, 40, dtype=F64)
    tweedie = (x_t + sigma[:, None] ** 2 * p.noised_score(x_t, alpha, sigma)) / alpha[:, None]
    assert torch.allclose(p.denoised(x_t, alpha, sigma), tweedie, atol=1e-10)
    assert torch.allclose(p.denoised(x_t, 1.0, 0.0), x_t, atol=1e-12)
    assert torch.allclose(p.denoised(x_t, 0.0, 1.0), p.mean.expand_as(x_t), atol=1e-12)


@plane
def test_the_posterior_is_prior_times_likelihood_over_their_integral(make: Callable[[], GaussianMixture]) -> None:
    p, noise = make(), 0.4
    operator, y = torch.tensor([[1.0, 0.6]], dtype=F64), torch.tensor([0.5], dtype=F64)
    x, area = lattice()
    product = p.log_prob(x) - (y - x @ operator.T).square().sum(dim=1) / (2 * noise**2)
    law = p.posterior(operator, y, noise)
    expected = product.exp() / (product.exp().sum() * area)
    assert torch.allclose(law.log_prob(x).exp(), expected, atol=1e-8)


def test_the_posterior_in_many_dimensions_agrees_with_importance_weights() -> None:
    p = full(4, 5)
    operator, y, noise = torch.eye(5, dtype=F64)[[0, 3]], torch.tensor([0.3, -0.4], dtype=F64), 0.5
    x = p.sample(400_000, torch.Generator().manual_seed(0))[0]
    weight = torch.softmax(-(y - x @ operator.T).square().sum(dim=1) / (2 * noise**2), dim=0)
    law, count = p.posterior(operator, y, noise), 1 / float(weight.square().sum())
    error = 5 * (law.covariance.diagonal() / count).sqrt()  # five standard errors of a weighted mean
    assert count > 10_000
    assert ((weight @ x - law.mean).abs() < error).all()
    away = x - law.mean
    off = (away.T @ (weight[:, None] * away) - law.covariance).abs()
    spread = law.covariance.diagonal()
    assert (off < 5 * (2 * torch.outer(spread, spread) / count).sqrt()).all()


@every
def test_the_posterior_of_a_noised_point_has_the_denoised_for_its_mean(make: Callable[[], GaussianMixture]) -> None:
    p = make()
    x_t, alpha, sigma = points(3, p.dims), 0.7, 0.3
    for row in x_t:
        law = p.posterior(alpha * torch.eye(p.dims, dtype=F64), row, sigma)
        assert torch.allclose(law.mean, p.denoised(row[None], alpha, sigma)[0], atol=1e-10)


def test_a_measurement_without_much_noise_fixes_what_it_measures_and_no_more() -> None:
    p = full(3, 4)
    operator, y = torch.eye(4, dtype=F64)[:2], torch.tensor([0.2, -0.1], dtype=F64)
    law = p.posterior(operator, y, 1e-6)
    x = law.sample(1000, torch.Generator().manual_seed(0))[0]
    assert (x[:, :2] - y).abs().max() < 1e-5
    deviations = law.covariance.diagonal().sqrt()
    assert torch.allclose(deviations[:2], torch.full((2,), 1e-6, dtype=F64), rtol=1e-3)
    # what is left is the conditional law of the others, component by component
    cov, mean = p.covariances[0], p.means[0]
    gain = cov[2:, :2] @ cov[:2, :2].inverse()
    assert torch.allclose(law.means[0, 2:], mean[2:] + gain @ (y - mean[:2]), atol=1e-8)
    assert torch.allclose(law.covariances[0, 2:, 2:], cov[2:, 2:] - gain @ cov[:2, 2:], atol=1e-8)


@every
def test_an_affine_map_carries_density_with_volume(make: Callable[[], GaussianMixture]) -> None:
    p = make()
    x, scale, shift = points(30, p.dims), 0.5 + points(p.dims, seed=8).abs(), points(p.dims, seed=9)
    for s in (scale, torch.tensor(-2.0, dtype=F64)):
        volume = s.abs().log().expand(p.dims).sum()
        assert torch.allclose(p.affine(s, shift).log_prob(s * x + shift), p.log_prob(x) - volume, atol=1e-10)
    assert torch.allclose(
        p.affine(0.1, 0.3).means, 0.1 * p.means + 0.3, rtol=1e-15, atol=1e-15
    )  # in float64 throughout


@every
def test_a_standardised_law_is_the_same_one_moved_and_scaled(make: Callable[[], GaussianMixture]) -> None:
    p = make()
    q = p.affine(3.0, 7.0).standardised()
    assert q.mean.abs().max() < 1e-12
    assert float(q.covariance.diagonal().mean()) == pytest.approx(1, abs=1e-12)
    assert torch.allclose(q.means, p.standardised().means, atol=1e-12)


@every
def test_samples_have_the_shares_means_and_covariances_of_their_components(make: Callable[[], GaussianMixture]) -> None:
    p, n = make(), 100_000
    x, k = p.sample(n, torch.Generator().manual_seed(3))
    shares = k.bincount(minlength=len(p)) / n
    assert ((shares - p.weights).abs() <= 5 * (p.weights * (1 - p.weights) / n).sqrt()).all()  # five standard errors
    for j in range(len(p)):
        mine = x[k == j]
        spread = p.covariances[j].diagonal()
        assert ((mine.mean(dim=0) - p.means[j]).abs() < 5 * (spread / len(mine)).sqrt()).all()
        off = (torch.cov(mine.T).view(p.dims, p.dims) - p.covariances[j]).abs()
        assert (off < 5 * (2 * torch.outer(spread, spread) / len(mine)).sqrt()).all()


# Does it keep the contract?


def test_the_same_generator_gives_the_same_samples_and_no_other_is_touched() -> None:
    p, before = full(), torch.get_rng_state()
    a, b, c = (p.sample(50, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])
    assert not torch.equal(a[0], c[0])
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_arguments_are_not_changed(make: Callable[[], GaussianMixture]) -> None:
    p = make()
    x, t = points(5, p.dims), torch.linspace(0.1, 1, 5, dtype=F64)
    operator, y = torch.eye(p.dims, dtype=F64)[:1], torch.zeros(1, dtype=F64)
    given = [v for v in (*vars(p).values(), x, t, operator, y) if v is not None]
    before = [v.clone() for v in given]
    p.log_prob(x), p.score(x), p.denoised(x, t, t), exact_score(p, VP())(x, t), p.sample(9), p.standardised()
    p.posterior(operator, y, 0.1), p.noised(0.5, 0.5), p.affine(2.0, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(given, before))


def test_values_follow_the_points_and_samples_the_mixture() -> None:
    p = full()
    x = points(4, 2)
    assert p.log_prob(x.float()).dtype == p.score(x.float()).dtype == torch.float32
    narrow = p.to(torch.float32)
    assert narrow.sample(3)[0].dtype == narrow.noised(0.5, 0.5).means.dtype == torch.float32
    assert torch.allclose(narrow.score(x), p.score(x), atol=1e-5)
    assert narrow.score(x).dtype == F64
    assert p.score(torch.empty(0, 2)).shape == (0, 2)


def test_what_is_no_mixture_is_refused() -> None:
    means, ones, weights = torch.zeros(2, 3), torch.ones(2, 3), torch.full((2,), 0.5)
    with pytest.raises(ValueError, match=r"means must be \(m, d\).* got \(3,\)"):
        GaussianMixture(torch.zeros(3), ones, weights)
    with pytest.raises(ValueError, match=r"must be \(2, 3\), \(2, 3\), \(2,\); got \(2, 3\), \(2, 2\), \(2,\)"):
        GaussianMixture(means, torch.ones(2, 2), weights)
    with pytest.raises(ValueError, match="floats of one type"):
        GaussianMixture(means, ones.double(), weights)
    with pytest.raises(ValueError, match="must be finite"):
        GaussianMixture(means * math.nan, ones, weights)
    with pytest.raises(ValueError, match="variances must be positive; component 1 has 0; widen it"):
        GaussianMixture(means, torch.tensor([[1.0, 1, 1], [1, 0, 1]]), weights)
    with pytest.raises(ValueError, match=r"sum to 1; got a least of 0.5 and a sum of 1.5"):
        GaussianMixture(means, ones, torch.tensor([0.5, 1.0]))
    with pytest.raises(ValueError, match=r"at least 0 .* got a least of -0.5"):
        GaussianMixture(means, ones, torch.tensor([-0.5, 1.5]))
    with pytest.raises(ValueError, match="orthonormal"):
        GaussianMixture(means, ones, weights, 2 * torch.eye(3).expand(2, 3, 3))
    with pytest.raises(ValueError, match=r"deviations must be positive; got -0\.1"):
        GaussianMixture.from_deviations(means, -0.1)
    with pytest.raises(ValueError, match=r"deviations must be one, .* got \(3,\)"):
        GaussianMixture.from_deviations(means, torch.ones(3))


def test_invalid_arguments_are_refused() -> None:
    p = full()
    with pytest.raises(ValueError, match=r"floats \(n, 2\); got torch.float64 \(4, 3\)"):
        p.log_prob(points(4, 3))
    with pytest.raises(ValueError, match=r"got torch.int64 \(4, 2\)"):
        p.score(torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"times must be \(\) or \(4,\), one for each point; got \(3,\)"):
        exact_score(p, VP())(points(4, 2), torch.ones(3))
    with pytest.raises(ValueError, match=r"alpha and sigma must be numbers or \(4,\)"):
        p.denoised(points(4, 2), torch.ones(3), 1.0)
    with pytest.raises(ValueError, match="number of points must be at least 1; got 0"):
        p.sample(0)
    with pytest.raises(ValueError, match="sigma is a standard deviation, at least 0; got -1"):
        p.noised(1.0, -1.0)
    with pytest.raises(ValueError, match="variances must be positive"):
        p.noised(0.0, 0.0)
    with pytest.raises(ValueError, match="a scale of 0"):
        p.affine(torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"numbers or \(2,\); got \(3,\)"):
        p.affine(torch.ones(3))
    with pytest.raises(ValueError, match=r"operator \(q, 2\) and y \(q,\) are needed; got \(1, 3\) and \(1,\)"):
        p.posterior(torch.ones(1, 3), torch.ones(1), 0.1)
    with pytest.raises(ValueError, match="noise of a measurement must be above 0; got 0;"):
        p.posterior(torch.ones(1, 2), torch.ones(1), 0.0)
