"""The preconditioned network as denoiser and as score, guidance by labels, and the map between data and model."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from problems import Noised, points, rows
from ridgewalk.diffusion import SDE, VE, VP, Denoiser, Standardiser, SubVP, Tabulated, denoised
from ridgewalk.diffusion.scaling import root_mean_square
from ridgewalk.diffusion.sde import along

D = torch.float64
SDES = {"vp": VP(), "sub-vp": SubVP(), "ve": VE(), "ve-wide": VE(0.01, 348.0), "ddpm": Tabulated.ddpm(100, 1e-3, 0.2)}
EVERY = pytest.mark.parametrize("sde", SDES.values(), ids=SDES)
TIMES = torch.tensor([1e-5, 1e-3, 0.1, 0.4, 0.8, 0.999, 1.0], dtype=D)


class Nothing(nn.Module):
    """A network with F = 0 everywhere."""

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x)


class Bent(nn.Module):
    """A smooth F of all its inputs, each label with a shift of its own."""

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        shift = torch.zeros(len(x)).to(x) if labels is None else labels.to(x) + 1
        return torch.sin(2 * x) + along(c.to(x), x) * torch.cos(x) + along(shift, x)


class Kept(nn.Module):
    """A network with F = 0 that stores its inputs."""

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        self.x, self.c, self.labels = x, c, labels
        return torch.zeros_like(x)


@dataclass(frozen=True, eq=False)
class Ideal:
    """The F under which a denoiser is exact for a density of known score."""

    exact: Noised
    deviation: float

    def __call__(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        sde = self.exact.sde
        t = sde.time_of((4 * c).exp())
        alpha, sigma = sde.alpha(t), sde.sigma(t)
        v = (alpha * self.deviation) ** 2 + sigma**2
        x_t = x * along(v.sqrt(), x)
        mean = (x_t + along(sigma**2, x) * self.exact(x_t, t)) / along(alpha, x)
        skip, out = alpha * self.deviation**2 / v, sigma * self.deviation / v.sqrt()
        return (mean - along(skip, x) * x_t) / along(out, x)


# --- preconditioning -------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("deviation", [1.0, 0.3])
def test_without_a_network_the_score_is_that_of_gaussian_data(sde: SDE, deviation: float) -> None:
    denoiser, exact, x = Denoiser(Nothing(), sde, deviation), Noised(sde, rows((0, 0, 0)), deviation), points(7, 3)
    assert torch.allclose(denoiser.score(x, TIMES), exact(x, TIMES), rtol=1e-12)
    s_d2, alpha, sigma = deviation**2, sde.alpha(TIMES), sde.sigma(TIMES)
    wiener = alpha * s_d2 / (alpha**2 * s_d2 + sigma**2)
    assert torch.allclose(denoiser.denoise(x, TIMES), wiener[:, None] * x, rtol=1e-12)


@EVERY
def test_denoiser_and_score_agree_by_tweedie(sde: SDE) -> None:
    """sigma^2 score = alpha D - x, for any network, also of images; ``denoised`` agrees for any score."""
    denoiser, labels = Denoiser(Bent(), sde, 0.7), torch.arange(7)
    for x in (points(7, 3), points(7, 2, 4, 4)):
        x = along(sde.sigma(TIMES), x) * x
        for condition in (None, labels):
            d, s = denoiser.denoise(x, TIMES, condition), denoiser.score(x, TIMES, condition)
            # compared in units of sigma: both sides are differences of numbers of size sigma and alpha
            gap = (along(sde.sigma(TIMES) ** 2, x) * s - (along(sde.alpha(TIMES), x) * d - x)) / along(
                sde.sigma(TIMES), x
            )
            assert gap.abs().max() < 1e-9
        again = denoised(denoiser.score, sde, x, TIMES)
        assert torch.allclose(again, denoiser.denoise(x, TIMES), rtol=1e-9, atol=1e-9)


@EVERY
def test_the_ideal_network_gives_the_exact_score(sde: SDE) -> None:
    """And its targets have unit variance: F's mean square over p_t is at most 1, near 1 where noise hides the data's detail."""
    exact = Noised(sde, rows((1.0, 0.0), (-1.0, 0.0)), 0.2)
    deviation = math.sqrt((1 + 2 * 0.2**2) / 2)  # of all values together: 1 + s^2 in the first, s^2 in the second
    denoiser = Denoiser(nn.Module(), sde, deviation)
    object.__setattr__(denoiser, "network", Ideal(exact, deviation))
    for t in TIMES[1:5]:
        x = sde.perturb(exact.draw(64), t, points(64, 2, seed=1))
        assert torch.allclose(denoiser.score(x, t), exact(x, t), rtol=1e-5, atol=1e-6)


@EVERY
@pytest.mark.parametrize("deviation", [1.0, 0.25])
def test_the_network_sees_unit_variance_and_aims_at_unit_variance(sde: SDE, deviation: float) -> None:
    """
    For data and noise of -s_d, s_d and -1, 1 in equal parts, whose second moments are exact.

    F is shown x_t / v^(1/2), and its target (x_0 - skip x_t) / out has second moment 1 and none in common with x_t (Karras et al. 2022, B.6).
    """
    x0, noise = (deviation * rows((1.0,), (1.0,), (-1.0,), (-1.0,)), rows((1.0,), (-1.0,), (1.0,), (-1.0,)))
    network = Kept()
    denoiser = Denoiser(network, sde, deviation)
    for t in TIMES:
        x = sde.perturb(x0, t, noise)
        linear = denoiser.denoise(x, t)
        assert float(network.x.square().mean()) == pytest.approx(1, rel=1e-12)
        assert network.c.shape == (4,)
        assert float(network.c[0]) == pytest.approx(math.log(float(sde.sigma(t) / sde.alpha(t))) / 4, rel=1e-12)
        one = Denoiser(lambda x, c, y: torch.ones_like(x), sde, deviation)  # type: ignore[arg-type]
        out = one.denoise(x, t) - linear
        target = (x0 - linear) / out
        # where noise is small the target is a small difference: of 1e-12 relative to out = sigma for the least sigma 1e-6
        assert float(target.square().mean()) == pytest.approx(1, rel=1e-6)
        assert abs(float((target * network.x).mean())) < 1e-6


@EVERY
def test_the_input_and_the_target_have_mean_square_1_where_the_data_have_a_mean(sde: SDE) -> None:
    """E |c_in x_t|^2 / d = 1 for images that are mostly black, -1: their deviation about the mean is too small, and about 0 it is right."""
    x0 = rows((-1.0, -1.0, -1.0, 0.5), (-1.0, 0.8, -1.0, -1.0)).repeat(2, 1)
    noise = torch.cat([torch.ones(2, 4, dtype=D), -torch.ones(2, 4, dtype=D)])
    about_zero, about_mean = root_mean_square(x0), float(x0.std())
    assert about_zero == pytest.approx(math.sqrt((6 + 0.5**2 + 0.8**2) / 8), rel=1e-12)

    def moments(deviation: float, t: Tensor) -> tuple[float, float]:
        network = Kept()
        x = sde.perturb(x0, t, noise)
        linear = Denoiser(network, sde, deviation).denoise(x, t)
        out = Denoiser(lambda x, c, y: torch.ones_like(x), sde, deviation).denoise(x, t) - linear  # type: ignore[arg-type]
        return float(network.x.square().mean()), float(((x0 - linear) / out).square().mean())

    for t in TIMES:
        assert moments(about_zero, t) == pytest.approx((1, 1), rel=1e-6)
    assert moments(about_mean, TIMES[1])[0] > 1.5


@EVERY
def test_one_time_is_the_same_as_a_time_for_each_row(sde: SDE) -> None:
    denoiser, x = Denoiser(Bent(), sde, 0.7), points(5, 2, 3, 3)
    for t in TIMES:
        for f in (denoiser.score, denoiser.denoise, denoiser.raw):
            assert torch.allclose(f(x, t), f(x, t.expand(5)), rtol=1e-12)
    mixed = torch.stack([denoiser.score(x[i : i + 1], TIMES[i])[0] for i in range(5)])
    assert torch.allclose(denoiser.score(x, TIMES[:5]), mixed, rtol=1e-12)


@EVERY
def test_float32_loses_nothing(sde: SDE) -> None:
    """
    Near t = 1 (sigma / alpha up to 35,000) and at t = 1e-5 (sigma down to 1e-6): within 1e-5 of float64, relative to the largest.

    Not tighter, for the network's own sines of float32 inputs and the float32 t, whose 6e-8 beta_max moves alpha by 6e-7 at t = 1.
    """
    denoiser = Denoiser(Bent(), sde, 0.7)
    t = TIMES.float()
    x = (along(sde.sigma(TIMES), points(7, 4)) * points(7, 4)).float()
    for f in (denoiser.score, denoiser.denoise):
        single, double = f(x, t), f(x.double(), t.double())
        assert single.dtype == torch.float32
        assert single.isfinite().all()
        scale = double.abs().amax(dim=1, keepdim=True)
        assert ((single.double() - double) / scale).abs().max() < 1e-5
    assert denoiser.score(x, TIMES).dtype == torch.float32  # times follow the samples


# --- labels ----------------------------------------------------------------------------------------------------------


def test_guidance_is_linear_in_its_weight() -> None:
    denoiser, x, t, labels = Denoiser(Bent(), VP(), 0.7), points(6, 2), torch.tensor(0.3, dtype=D), torch.arange(6)
    free, bound = denoiser.score(x, t), denoiser.score(x, t, labels)
    assert not torch.allclose(free, bound)
    assert torch.equal(denoiser.given(labels, 0.0)(x, t), free)
    assert torch.equal(denoiser.given(labels)(x, t), bound)
    for w in (0.25, 0.5, 1.5, 4.0):
        assert torch.allclose(denoiser.given(labels, w)(x, t), (1 - w) * free + w * bound, rtol=1e-12)
    # labels are one a row: another label moves its own row alone
    other = denoiser.given(torch.tensor([0, 1, 2, 3, 4, 9]), 2.0)(x, t)
    assert torch.equal(other[:5], denoiser.given(labels, 2.0)(x, t)[:5])
    assert not torch.allclose(other[5], denoiser.given(labels, 2.0)(x, t)[5])


@pytest.mark.parametrize("weight", [-0.5, math.inf, math.nan])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight of the condition"):
        Denoiser(Nothing(), VP()).given(torch.zeros(2), weight)


@pytest.mark.parametrize("deviation", [0.0, -1.0, math.inf, math.nan])
def test_a_deviation_that_is_none_is_refused(deviation: float) -> None:
    with pytest.raises(ValueError, match="standard deviation"):
        Denoiser(Nothing(), VP(), deviation)


# --- between data and model ------------------------------------------------------------------------------------------


def test_the_network_computes_in_the_dtype_of_its_input() -> None:
    """Whatever the times come in: a schedule's are float64."""
    kept = Kept()
    x = points(4, 2, dtype=torch.float32)
    for t in (torch.tensor(0.3, dtype=D), torch.full((4,), 0.3, dtype=D)):
        Denoiser(kept, VP()).raw(x, t)
        assert (kept.x.dtype, kept.c.dtype) == (torch.float32, torch.float32)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_cannot_be_undone_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=r"above 0 and finite; got .* in 1 of 3 values"):
        Standardiser(torch.zeros(3), torch.tensor([1.0, scale, 2.0]))


@pytest.mark.parametrize("dtype", [torch.float32, D])
def test_a_standardiser_is_undone(dtype: torch.dtype) -> None:
    u = (3 * points(200, 4, seed=2) + torch.tensor([1.0, -2.0, 0.0, 50.0])).to(dtype)
    u[:, 2] = 7.0  # does not vary
    of = Standardiser.of(u)
    x = of.to_model(u)
    assert x.dtype == dtype
    assert torch.allclose(of.to_data(x), u, rtol=1e-6, atol=1e-6 if dtype == D else 1e-5)  # of values up to 60
    assert torch.allclose(x.mean(0), torch.zeros(4, dtype=dtype), atol=1e-5)
    assert torch.allclose(x.std(0), torch.tensor([1, 1, 0, 1], dtype=dtype), atol=1e-5)
    images = Standardiser.between(0.0, 1.0)
    assert torch.equal(images.to_model(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([-1.0, 0.0, 1.0]))
    assert torch.equal(images.to_data(torch.tensor([-1.0, 0.0, 1.0])), torch.tensor([0.0, 0.5, 1.0]))


def test_draws_around_means_are_standardised_by_their_whole_variance() -> None:
    """Of values whose means do not vary too, as in an autoencoder whose posterior equals its prior there."""
    means = points(4000, 3, seed=4) * torch.tensor([2.0, 0.1, 0.0], dtype=D) + 3
    log_variance = torch.tensor([0.01, 1.0, 4.0], dtype=D).log().expand(4000, 3)
    of = Standardiser.of(means, log_variance)
    draws = of.to_model(means + torch.exp(log_variance / 2) * points(4000, 3, seed=5))
    assert torch.allclose(draws.std(0), torch.ones(3, dtype=D), atol=0.03)  # 4000 draws: 0.011
    assert root_mean_square(draws) == pytest.approx(1, abs=0.03)
    assert torch.equal(Standardiser.of(means[:, :2]).scale, means[:, :2].std(0))


def test_log_volume_carries_densities_over() -> None:
    """It is log |det du/dx|, so that log p(u) = log p(x) - log_volume: for Gaussians, whose densities are known in both."""
    scale, shift = torch.tensor([0.5, 2.0, 3.0], dtype=D), torch.tensor([1.0, 0.0, -1.0], dtype=D)
    standardiser = Standardiser(shift, scale)
    jacobian = torch.autograd.functional.jacobian(standardiser.to_data, torch.zeros(3, dtype=D))
    assert standardiser.log_volume((3,)) == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), rel=1e-12)
    u = points(5, 3)
    there = torch.distributions.Normal(0.0, 1.0).log_prob(standardiser.to_model(u)).sum(1)
    here = torch.distributions.Normal(shift, scale).log_prob(u).sum(1)
    assert torch.allclose(here, there - standardiser.log_volume((3,)), rtol=1e-12)
    # one scale for all values of an image counts once for each
    assert Standardiser.between(0.0, 1.0).log_volume((3, 8, 8)) == pytest.approx(192 * math.log(0.5))
    channels = Standardiser(torch.zeros(3, 1, 1), torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1))
    assert channels.log_volume((3, 2, 2)) == pytest.approx(4 * math.log(8))
