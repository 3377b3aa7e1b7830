"""Likelihoods of exact scores against closed forms, random divergences against exact ones, and bits that no scaling changes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from problems import points, rows
from ridgewalk.data.mixtures import GaussianMixture, exact_score
from ridgewalk.diffusion import SDE, VE, VP, Denoiser, Flow, PerRows, RowNoise, Standardiser, SubVP, Tabulated
from ridgewalk.diffusion.likelihood import (
    EXACT_LIMIT,
    Likelihood,
    bits_per_dim,
    dequantised,
    image_bits_per_dim,
    log_likelihood,
)
from ridgewalk.fields import add
from ridgewalk.fields import score as energy_score

SDES = {"vp": VP(), "sub-vp": SubVP(), "ve": VE(), "tabulated": Tabulated.ddpm()}
LONG = VP(beta_max=60.0)  # forgets the data to 3e-7: what is tested on it owes nothing to the prior


@dataclass(frozen=True, eq=False)
class Law:
    """A mixture of Gaussians and what an SDE makes of it, in closed form."""

    sde: SDE
    density: GaussianMixture

    def log_prob(self, x: Tensor, t: Tensor) -> Tensor:
        """Log p_t: (n, d), () -> (n,)."""
        return self.density.noised(float(self.sde.alpha(t)), float(self.sde.sigma(t))).log_prob(x)

    def score(self, x: Tensor, t: Tensor) -> Tensor:
        """Its gradient, differentiable in x."""
        return exact_score(self.density, self.sde)(x, t)

    def draw(self, n: int, seed: int = 0) -> Tensor:
        """Points of the law at t = 0."""
        return self.density.sample(n, torch.Generator().manual_seed(seed))[0]

    @property
    def prior_deviation(self) -> float:
        """At t = 1, over all values."""
        one = time(1.0)
        data = float(self.density.covariance.diagonal().mean())
        return math.sqrt(float(self.sde.alpha(one)) ** 2 * data + float(self.sde.sigma(one)) ** 2)


def gaussian(sde: SDE, s: Tensor, mean: Tensor | None = None) -> Law:
    """One Gaussian of deviations s (d,)."""
    at = torch.zeros_like(s) if mean is None else mean
    return Law(sde, GaussianMixture.from_deviations(at[None], s[None]))


def four(sde: SDE, s: float = 0.3) -> Law:
    """Four modes of two weights around 0."""
    means = rows((2.0, 0.5), (-2.0, -0.5), (0.5, -1.5), (-0.5, 1.5))
    return Law(sde, GaussianMixture.from_deviations(means, s, torch.tensor([0.35, 0.35, 0.15, 0.15]).double()))


def three_dimensional(sde: SDE) -> Law:
    """Two modes whose noised score has a full Jacobian."""
    return Law(sde, GaussianMixture.from_deviations(rows((1.0, 1.0, -1.0), (-1.0, -1.0, 1.0)), 0.6))


def time(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------ exact divergence


def flow_of(sde: SDE) -> Flow:
    """Adaptive, but for a table, whose rates jump at its levels: equal steps of four levels each."""
    return Flow(sde, "rk4", steps=250) if isinstance(sde, Tabulated) else Flow(sde)


@pytest.mark.parametrize("t_min", [None, 0.2])
@pytest.mark.parametrize("name", SDES)
def test_a_gaussian_has_its_density_at_the_first_time(name: str, t_min: float | None) -> None:
    law = gaussian(SDES[name], torch.full((3,), 0.7).double())
    likelihood = Likelihood(flow_of(law.sde), "exact", t_min=t_min, prior_deviation=law.prior_deviation)
    x = 1.5 * law.draw(8)
    found, start = likelihood(law.score, x), time(likelihood.start)
    expected = law.log_prob(x, start)
    torch.testing.assert_close(found.values, expected, rtol=0, atol=1e-3)
    if t_min:  # far enough from 0 that the law of the data is another
        assert (expected - law.log_prob(x, time(1e-6))).abs().max() > 0.003
    # the flow of a Gaussian is linear: x / deviation stays
    deviation = (law.sde.alpha(start) ** 2 * 0.49 + law.sde.sigma(start) ** 2).sqrt()
    torch.testing.assert_close(found.latents, law.prior_deviation / deviation * x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SDES)
def test_a_mixture_has_its_density_at_the_first_time(name: str) -> None:
    law = four(SDES[name])
    likelihood = Likelihood(flow_of(law.sde), "exact", prior_deviation=law.prior_deviation)
    x = torch.cat([law.draw(40), torch.zeros(1, 2).double()])  # and one between the modes
    expected = law.log_prob(x, time(law.sde.t_min))
    torch.testing.assert_close(likelihood(law.score, x).values, expected, rtol=0, atol=0.01)


def test_the_prior_is_sigma_at_one_unless_given() -> None:
    sde = VE(sigma_max=2.0)  # so little that the data count
    law = gaussian(sde, torch.ones(2).double())
    x = law.draw(6)
    given = Likelihood(Flow(sde), "exact", prior_deviation=math.sqrt(5.0))(law.score, x)
    own = Likelihood(Flow(sde), "exact")(law.score, x)
    torch.testing.assert_close(given.values, law.log_prob(x, time(sde.t_min)), rtol=0, atol=1e-3)
    difference = math.log(5 / 4) - own.latents.square().sum(1) / 2 * (1 / 4 - 1 / 5)
    torch.testing.assert_close(own.values - given.values, difference, rtol=0, atol=1e-9)


def test_the_density_of_a_model_integrates_to_one() -> None:
    """Of any smooth score, even one that is no gradient: what a flow makes is a density."""

    def score(x: Tensor, t: Tensor) -> Tensor:
        spin = torch.stack([-x[:, 1], x[:, 0]], 1)
        return -x + 0.3 * torch.sin(2 * x) + 0.5 * spin * torch.exp(-x.square().sum(1, keepdim=True) / 4)

    line = torch.linspace(-6, 6, 49).double()
    flow = Flow(VP(beta_max=4.0), rtol=1e-4, atol=1e-4)
    values = Likelihood(flow, "exact", t_min=0.01)(score, torch.cartesian_prod(line, line)).values
    assert float(values.exp().sum()) * 0.25**2 == pytest.approx(1, abs=1e-3)
    assert (values - Likelihood(flow)(lambda x, t: -x, torch.cartesian_prod(line, line)).values).abs().max() > 1


def test_a_constant_score_has_no_divergence_of_its_own() -> None:
    """Not connected to x and rightly so: x_1 = a x + b, whose volume alone changes."""
    sde, shape = VP(), (4, 2, 3)
    x = points(*shape)
    found = Likelihood(Flow(sde, rtol=1e-7, atol=1e-7), "exact", t_min=0.1)(lambda x, t: torch.full_like(x, 0.2), x)
    change = 6 * float(sde.log_alpha(time(1.0)) - sde.log_alpha(time(0.1)))
    prior = torch.distributions.Normal(0, sde.prior_deviation).log_prob(found.latents).flatten(1).sum(1)
    torch.testing.assert_close(found.values, prior + change, rtol=0, atol=1e-5)


def test_nothing_is_differentiated_but_x() -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(Small(), VP())
    x = points(5, 2, dtype=torch.float32)
    before = x.clone()
    found = Likelihood(Flow(VP(), "rk4", 10))(denoiser.score, x)
    assert not any(v.requires_grad for v in (found.values, found.latents, x))
    assert all(p.grad is None for p in denoiser.network.parameters())
    assert found.values.shape == (5,)
    assert found.values.dtype == torch.float32
    assert torch.equal(x, before)
    assert found.nfe == 40


class Small(nn.Module):
    """A network F(x, c, labels), smooth."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 2))

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """F, moved by the label."""
        out = self.layers(torch.cat([x, c[:, None]], 1))
        return out if labels is None else out + torch.sin(x + labels[:, None])


# ------------------------------------------------------------------------------------------------ random divergence


def repeated(law: Law, n: int, probes: int, solver: str = "rk4") -> tuple[Tensor, float]:
    """N estimates at one point, each of its own probes, and the exact value on the same steps."""
    x = law.draw(1, seed=5)
    flow = Flow(law.sde, solver, steps=30)
    exact = Likelihood(flow, "exact", t_min=0.02)(law.score, x)
    return Likelihood(flow, probes=probes, t_min=0.02)(law.score, x.expand(n, -1)).values, float(exact.values)


def test_hutchinsons_mean_is_exact_and_more_probes_scatter_less() -> None:
    law, n = three_dimensional(VP()), 2000
    one, exact = repeated(law, n, probes=1)
    five, _ = repeated(law, n, probes=5)
    assert one.std() > 0.05
    for values in (one, five):
        assert abs(float(values.mean()) - exact) < 4 * float(values.std()) / math.sqrt(n)
    # the variance of a mean of five; its own relative error at n = 2000 is some 5%
    assert float(five.var() / one.var()) == pytest.approx(1 / 5, rel=0.2)


def test_one_probe_is_exact_where_the_jacobian_is_diagonal() -> None:
    law = gaussian(VP(), torch.tensor([0.3, 1.0, 2.0]).double())
    values, exact = repeated(law, 5, probes=1)
    torch.testing.assert_close(values, torch.full_like(values, exact), rtol=0, atol=1e-9)


def test_a_linear_field_in_two_dimensions_has_two_estimates_around_the_exact_one() -> None:
    covariance = torch.tensor([[1.0, 0.6], [0.6, 0.8]]).double()

    def score(x: Tensor, t: Tensor) -> Tensor:
        noised = LONG.alpha(t) ** 2 * covariance + LONG.sigma(t) ** 2 * torch.eye(2).double()
        return -x @ torch.linalg.inv(noised)

    x = torch.tensor([[0.7, -0.4]]).double()
    flow = Flow(LONG, "rk4", steps=30)
    exact = Likelihood(flow, "exact", t_min=0.02)(score, x).values
    values = Likelihood(flow, t_min=0.02)(score, x.expand(50, -1)).values
    low, high = values.min(), values.max()
    assert high - low > 0.1
    assert all(min(abs(float(v - low)), abs(float(v - high))) < 1e-9 for v in values)
    torch.testing.assert_close((low + high)[None] / 2, exact, rtol=0, atol=1e-9)


def test_a_row_does_not_depend_on_its_batch() -> None:
    law = three_dimensional(VP())
    x = law.draw(7)
    likelihood = Likelihood(Flow(law.sde, "rk4", steps=20), probes=2)
    alone = likelihood(law.score, x, RowNoise(3, 7, (3,), dtype=x.dtype))
    again = likelihood(law.score, x, 3)
    assert torch.equal(alone.values, again.values)
    parts = log_likelihood(likelihood, law.score, x, seed=3, chunk=3)
    torch.testing.assert_close(parts.values, alone.values, rtol=0, atol=1e-10)
    torch.testing.assert_close(parts.latents, alone.latents, rtol=0, atol=1e-10)
    assert parts.nfe == alone.nfe == 80
    other = log_likelihood(likelihood, law.score, x, seed=4)
    assert (other.values - alone.values).abs().max() > 0.01  # signs: many probes of three values agree


def test_rows_keep_their_conditions_in_chunks() -> None:
    torch.manual_seed(0)
    denoiser, labels, x = Denoiser(Small().double(), VP()), torch.arange(5) % 3, points(5, 2)
    likelihood = Likelihood(Flow(VP(), "rk4", steps=10), "exact")
    whole = likelihood(denoiser.given(labels), x)
    parts = log_likelihood(likelihood, PerRows(lambda part: denoiser.given(labels[part])), x, chunk=2)
    torch.testing.assert_close(parts.values, whole.values, rtol=0, atol=1e-10)


# ------------------------------------------------------------------------------------------------ guided scores


def guided(base: Law, truth: Law, detached: bool, gamma: float = 1.0) -> Callable[..., Tensor]:
    """The base's score and the gradient of the exact log ratio, which makes the truth's of it."""

    def guidance(x: Tensor, t: Tensor) -> Tensor:
        if detached:
            return gamma * energy_score(lambda z: base.log_prob(z, t) - truth.log_prob(z, t), x)
        return gamma * (truth.score(x, t) - base.score(x, t))

    return add(base.score, guidance)


def test_guidance_is_part_of_the_divergence() -> None:
    truth = four(LONG)
    base = four(LONG, 0.4)
    x = truth.draw(30)
    likelihood = Likelihood(Flow(LONG), "exact", t_min=0.01)
    found = likelihood(guided(base, truth, detached=False), x)
    torch.testing.assert_close(found.values, truth.log_prob(x, time(0.01)), rtol=0, atol=0.01)
    for kind in ("exact", "hutchinson"):
        with pytest.raises(ValueError, match="autograd does not see it"):
            Likelihood(Flow(LONG), kind, t_min=0.01)(guided(base, truth, detached=True), x)


@pytest.mark.parametrize("way", ["detached", "no_grad", "input detached", "half"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_score_detached_from_its_input_is_refused(way: str, dtype: torch.dtype) -> None:
    law = gaussian(VP(), torch.tensor([0.5, 1.0]).double())

    def score(x: Tensor, t: Tensor) -> Tensor:
        whole = law.score(x, t)
        if way == "no_grad":
            with torch.no_grad():
                return -x / 2
        if way == "input detached":
            return law.score(x.detach(), t)
        return whole.detach() if way == "detached" else 0.5 * whole + 0.5 * whole.detach()

    with pytest.raises(ValueError, match=r"autograd does not see it: at t = .*detach"):
        Likelihood(Flow(VP()))(score, law.draw(4).to(dtype))


def test_a_network_that_bends_is_accepted() -> None:
    """ReLU is differentiable almost everywhere, and a score of it has its divergence."""
    torch.manual_seed(1)
    network = Small()
    network.layers[1] = nn.ReLU()
    found = Likelihood(Flow(VP(), "rk4", 10))(Denoiser(network, VP()).score, points(32, 2, dtype=torch.float32))
    assert bool(found.values.isfinite().all())


# ------------------------------------------------------------------------------------------------ images


def scalings(shape: tuple[int, ...]) -> dict[str, Standardiser]:
    """From [0, 1]: as it is, to [-1, 1], and each pixel by a mean and a deviation of its own."""
    return {
        "as it is": Standardiser(torch.tensor(0.0), torch.tensor(1.0)),
        "to [-1, 1]": Standardiser.between(0.0, 1.0),
        "by pixel": Standardiser(0.5 + 0.1 * points(*shape), 0.05 + points(*shape, seed=1).abs() / 3),
    }


@pytest.mark.parametrize("name", scalings((1, 2, 2)))
def test_a_uniform_image_takes_eight_bits_a_value(name: str) -> None:
    standardiser, shape = scalings((1, 2, 2))[name], (1, 2, 2)
    scale = standardiser.scale.double().expand(shape)
    log_p = torch.distributions.Uniform(torch.zeros(shape), 1 / scale).log_prob(0.5 / scale).sum()[None]
    assert float(bits_per_dim(log_p.double(), standardiser, shape)) == pytest.approx(8, abs=1e-12)
    assert float(bits_per_dim(log_p.double(), standardiser, shape, levels=16)) == pytest.approx(4, abs=1e-12)


def test_bits_in_minus_one_to_one_are_those_of_the_source() -> None:
    log_p = points(4)  # -log p / (D ln 2) + 7 for data in [-1, 1]
    expected = -log_p / (12 * math.log(2)) + 7
    torch.testing.assert_close(bits_per_dim(log_p, Standardiser.between(0.0, 1.0), (3, 2, 2)), expected)


def test_bits_of_the_typical_normal_image_are_its_entropy() -> None:
    """On top of the 8 that 256 levels a unit take."""
    log_p = torch.tensor([-6 * math.log(2 * math.pi) - 6], dtype=torch.float64)
    bits = bits_per_dim(log_p, Standardiser(torch.tensor(0.0), torch.tensor(1.0)), (12,))
    assert float(bits) == pytest.approx((math.log(2 * math.pi) + 1) / 2 / math.log(2) + 8)
    with pytest.raises(ValueError, match=r"got the shape \(0, 4\)"):
        bits_per_dim(log_p, Standardiser.between(0.0, 1.0), (0, 4))


def test_no_scaling_changes_the_bits_of_a_density() -> None:
    """One density of v through three standardisers, each with its own exact flow; and never below the bits of the pixels themselves."""
    shape, n = (1, 2, 2), 200
    mean = torch.tensor([0.5, 0.4, 0.6, 0.5]).double()
    deviation = torch.tensor([0.05, 0.1, 0.08, 0.06]).double()
    pixels = ((mean + deviation * points(n, 4)) * 256).floor().clamp(0, 255).to(torch.uint8).view(n, *shape)
    cells = torch.distributions.Normal(mean, deviation)
    u = pixels.flatten(1).double()
    true = -(cells.cdf((u + 1) / 256) - cells.cdf(u / 256)).log2().mean(1)
    for name, standardiser in scalings(shape).items():
        shift, scale = (s.double().expand(shape).flatten() for s in (standardiser.shift, standardiser.scale))
        law = gaussian(LONG, deviation / scale, (mean - shift) / scale)

        def score(x: Tensor, t: Tensor, law: Law = law) -> Tensor:
            return law.score(x.flatten(1), t).view_as(x)

        likelihood = Likelihood(Flow(LONG, rtol=1e-6, atol=1e-6), t_min=1e-5)
        bits = image_bits_per_dim(likelihood, score, pixels, standardiser, draws=2, chunk=120, dtype=torch.float64)
        assert bits.values.shape == (2, n), name
        # noise of sigma(t_min) = 1e-3 / scale widens the law a little, and a cell of 1/256 is narrow beside it
        torch.testing.assert_close(bits.per_image, true, rtol=0, atol=0.05, msg=lambda m, name=name: f"{name}: {m}")
        assert bits.mean == pytest.approx(float(true.mean()), abs=3e-3), name
        assert bits.standard_error == pytest.approx(float(true.std()) / math.sqrt(n), rel=0.02), name
        assert bits.mean > float(true.mean()) - 1e-3, name


def test_a_dequantised_pixel_is_uniform_in_its_cell_and_owes_nothing_to_its_batch() -> None:
    pixels = torch.tensor([0, 7, 255], dtype=torch.uint8).repeat(500, 1)
    v = dequantised(pixels, RowNoise(2, 500, (3,)))
    assert v.dtype == torch.float32
    assert 0 <= float(v.min()) <= float(v.max()) < 1
    assert torch.equal((v * 256).floor().to(torch.uint8), pixels)
    for column in (v.double() * 256 - pixels).T:
        sorted_ = column.sort().values
        gaps = (sorted_ - torch.linspace(0, 1, 500).double()).abs().max()  # Kolmogorov-Smirnov
        assert gaps < 2 / math.sqrt(500)
    coarse = dequantised(pixels, RowNoise(2, 500, (3,), dtype=torch.float16))
    assert coarse.max() < 1  # where 255 + nu would round to 256
    assert torch.equal(v[100:200], dequantised(pixels[100:200], RowNoise(2, 100, (3,), first=100)))


def test_draws_are_different_and_belong_to_their_image() -> None:
    law = three_dimensional(VP())
    pixels = torch.arange(12, dtype=torch.uint8).view(4, 3) * 20
    standardiser = Standardiser.between(0.0, 1.0)
    likelihood = Likelihood(Flow(law.sde, "rk4", steps=10))

    def bits(n: int, chunk: int) -> Tensor:
        found = image_bits_per_dim(
            likelihood, law.score, pixels[:n], standardiser, draws=3, chunk=chunk, dtype=torch.float64
        )
        assert found.nfe == 3 * 40
        return found.values

    torch.testing.assert_close(bits(4, 4)[:, :3], bits(3, 2), rtol=0, atol=1e-10)
    assert bits(4, 4).std(0).min() > 1e-4
    single = image_bits_per_dim(likelihood, law.score, pixels[:1], standardiser, dtype=torch.float64)
    assert math.isnan(single.standard_error)
    assert math.isfinite(single.mean)


# ------------------------------------------------------------------------------------------------ refusals


def test_a_tolerance_that_is_not_reached_is_named() -> None:
    law = four(VP())
    with pytest.raises(ValueError, match=r"within 30 evaluations.*rtol 1e-09"):
        Likelihood(Flow(VP(), rtol=1e-9, atol=1e-9, max_nfe=30))(law.score, law.draw(3))


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.5), (0.3, 0.33)], ids=["half of the way", "between the checked levels"]
)
def test_a_score_that_is_not_finite_is_named_by_its_time(low: float, high: float) -> None:
    law = four(VP())

    def score(x: Tensor, t: Tensor) -> Tensor:
        return law.score(x, t) * (math.nan if low <= float(t) <= high else 1.0)

    with pytest.raises(FloatingPointError, match=r"t = 0\.") as caught:
        Likelihood(Flow(VP(), "rk4", steps=50))(score, law.draw(3))
    t = float(str(caught.value).split("t = ")[1].split(")")[0].split()[0])
    assert low <= t <= high


def test_wrong_inputs_are_refused() -> None:
    law, flow = four(VP()), Flow(VP())
    for settings, words in (
        ({"divergence": "hutchinsn"}, "did you mean 'hutchinson'"),
        ({"probes": 0}, "at least one probe"),
        ({"t_min": 0.0}, "t_min"),
        ({"prior_deviation": -1.0}, "above 0"),
    ):
        with pytest.raises(ValueError, match=words):
            Likelihood(flow, **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{EXACT_LIMIT} are the most; use divergence 'hutchinson'"):
        Likelihood(flow, "exact")(law.score, torch.zeros(2, EXACT_LIMIT + 1))
    with pytest.raises(ValueError, match=r"of floats; got \(3,\)"):
        Likelihood(flow)(law.score, torch.zeros(3))
    with pytest.raises(ValueError, match=r"of floats; got \(0, 2\)"):
        Likelihood(flow)(law.score, torch.zeros(0, 2))
    with pytest.raises(ValueError, match="1 of 2 points are not finite"):
        Likelihood(flow)(law.score, torch.tensor([[0.0, math.nan], [0.0, 0.0]]))
    with pytest.raises(ValueError, match=r"\(3, 2\) for \(2, 2\)"):
        Likelihood(flow)(law.score, torch.zeros(2, 2), RowNoise(0, 3, (2,)))
    with pytest.raises(ValueError, match="same shape"):
        Likelihood(flow)(lambda x, t: law.score(x, t)[:, :1], law.draw(2))
    with pytest.raises(ValueError, match="chunk >= 1"):
        log_likelihood(Likelihood(flow), law.score, law.draw(2), chunk=0)
    with pytest.raises(ValueError, match=r"integers from 0 to 15; got torch\.uint8 from 0 to 16"):
        dequantised(torch.tensor([[0, 16]], dtype=torch.uint8), RowNoise(0, 1, (2,)), levels=16)
    with pytest.raises(ValueError, match=r"got torch\.float32"):
        dequantised(torch.rand(1, 2), RowNoise(0, 1, (2,)))
    with pytest.raises(ValueError, match="at least one draw"):
        image_bits_per_dim(
            Likelihood(flow), law.score, torch.zeros(1, 2, dtype=torch.uint8), Standardiser.between(0, 1), draws=0
        )
