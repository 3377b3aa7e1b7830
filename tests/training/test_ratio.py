"""The discriminator's objective: by closed forms of Gaussians, and that every part of a batch goes where it should."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.diffusion import SDE, VE, VP, Standardiser, SubVP
from ridgewalk.diffusion.guidance import TimeRatio
from ridgewalk.training.denoising import Times
from ridgewalk.training.noise import Noise
from ridgewalk.training.ratio import NoisedRatio

SDES = [VP(), SubVP(), VE()]
AS_IT_IS = Standardiser(torch.tensor(0.0), torch.tensor(1.0))


class Linear(nn.Module):
    """D = a x + b at the input's own scale; + c y under labels y."""

    def __init__(self, a: float, b: float, c: float = 0.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))
        self.c = c

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        told = 0 if labels is None else self.c * labels[:, None]
        return self.a * x[:, :1] + self.b + told


class At:
    """One time for all."""

    def __init__(self, t: float) -> None:
        self.t = t

    def at(self, u: Tensor) -> Tensor:
        return torch.full_like(u, self.t).double()


class Float64Noise(Noise):
    def normal(self, rows: int, *shape: int) -> Tensor:
        return super().normal(rows, *shape).double()


def at(sde: SDE, t: float) -> tuple[float, float, float]:
    """Alpha, sigma, and the variance of x_t where that of x_0 is 1."""
    time = torch.tensor(t, dtype=torch.float64)
    alpha, sigma = float(sde.alpha(time)), float(sde.sigma(time))
    return alpha, sigma, alpha**2 + sigma**2


def sides(m: float, n: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.randn(n, 1, generator=g, dtype=torch.float64) + m, torch.randn(
        n, 1, generator=g, dtype=torch.float64
    ) - m


@pytest.mark.parametrize("matching", [0.0, 1.0])
@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
def test_the_exact_log_ratio_has_the_least_loss(sde: SDE, matching: float) -> None:
    """Data N(m, 1), samples N(-m, 1): at level t the log ratio is 2 alpha m x / v, by cross-entropy and by matching the gradient alike."""
    m, t = 0.4, 0.3
    alpha, _, v = at(sde, t)
    network = Linear(2 * alpha * m / math.sqrt(v), 0.0)
    objective = NoisedRatio(
        TimeRatio(network, sde),
        AS_IT_IS,
        matching=matching,
        score=lambda x, t, labels: -(x + alpha * m) / v,  # of the samples
    )
    objective._times = At(t)  # type: ignore[assignment]
    loss, terms = objective.loss("discriminator", sides(m, 400_000), Float64Noise(0, 0))
    loss.backward()
    assert network.a.grad is not None
    assert network.b.grad is not None
    assert abs(float(network.a.grad)) < 5e-3  # the error of 400,000 draws
    assert abs(float(network.b.grad)) < 3e-3
    assert float(terms["discriminator"].detach()) < math.log(2)
    network = Linear(1.2 * 2 * alpha * m / math.sqrt(v), 0.0)
    objective.ratio = TimeRatio(network, sde)
    objective.loss("discriminator", sides(m, 400_000), Float64Noise(0, 0))[0].backward()
    assert network.a.grad is not None
    assert float(network.a.grad) > 5e-3  # and any other has more


def test_matching_and_the_penalty_are_their_formulas() -> None:
    network, sde, t = Linear(0.7, 0.1), VP(), 0.4
    alpha, sigma, v = at(sde, t)
    objective = NoisedRatio(
        TimeRatio(network, sde), AS_IT_IS, r1=3.0, matching=2.0, score=lambda x, t, labels: -0.5 * x
    )
    objective._times = At(t)  # type: ignore[assignment]
    x = torch.randn(50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss, terms = objective.loss("discriminator", (x, x), Float64Noise(0, 0))
    own = Float64Noise(0, 0)
    own.uniform(50)
    own.normal(50, 1)
    eps = own.normal(50, 1)
    x_t, slope = alpha * x + sigma * eps, 0.7 / math.sqrt(v)
    assert float(terms["penalty"].detach()) == pytest.approx(1.5 * sigma**2 * slope**2)
    assert float(terms["matching"].detach()) == pytest.approx(
        float((sigma * (-0.5 * x_t + slope) + eps).square().mean()), rel=1e-5
    )
    whole = terms["discriminator"] + terms["penalty"] + 2 * terms["matching"]
    assert float(loss.detach()) == pytest.approx(float(whole.detach()))


def test_states_of_a_rollout_keep_their_times_and_their_noise() -> None:
    network, sde = Linear(0.7, 0.1), VP()
    g = torch.Generator().manual_seed(1)
    x = torch.randn(40, 1, generator=g, dtype=torch.float64)
    times, states = (
        torch.rand(40, generator=g, dtype=torch.float64),
        torch.randn(40, 1, generator=g, dtype=torch.float64),
    )
    batch = (x, torch.cat([times[:, None], states], 1))
    _, terms = NoisedRatio(TimeRatio(network, sde), AS_IT_IS, negatives="rollout").loss(
        "discriminator", batch, Float64Noise(0, 0)
    )
    own = Float64Noise(0, 0)
    own.uniform(40)
    alpha, sigma = sde.alpha(times)[:, None], sde.sigma(times)[:, None]
    v = (alpha**2 + sigma**2).sqrt()
    real = 0.7 * (alpha * x + sigma * own.normal(40, 1)) / v + 0.1
    fake = 0.7 * states / v + 0.1
    wanted = (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2
    assert float(terms["discriminator"].detach()) == pytest.approx(float(wanted), rel=1e-6)


def test_both_kinds_of_negatives_are_each_taken_by_half_of_the_rows() -> None:
    sde, n = VP(), 4000
    seen: list[Tensor] = []
    told: list[Tensor] = []

    class Watching(nn.Module):
        def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
            seen.append(x)
            told.append(c)
            return 0 * x

    x, far = torch.zeros(n, 1), torch.full((n, 1), 1e4)
    states = torch.cat([torch.full((n, 1), 0.5), torch.full((n, 1), -1e4)], 1)
    NoisedRatio(TimeRatio(Watching(), sde), AS_IT_IS, negatives="both").loss(
        "discriminator", (x, far, states), Noise(0, 0)
    )
    share = float((seen[1] < 0).double().mean())
    assert abs(share - 0.5) < 0.03
    own = told[1] == sde.level(torch.tensor(0.5)).log() / 4  # the states' time, of the states and of no others
    assert torch.equal(own, seen[1][:, 0] < 0)
    assert float(seen[0].abs().max()) < 10  # data are neither


def test_both_sides_are_conditioned_on_labels() -> None:
    network, x = Linear(0.0, 0.0, 1.0), torch.zeros(30, 1, dtype=torch.float64)
    labels = torch.arange(30) % 3
    objective = NoisedRatio(TimeRatio(network, VP()), AS_IT_IS, labelled=True)
    _, terms = objective.loss("discriminator", (x, x, labels), Float64Noise(0, 0))
    wanted = (F.softplus(-labels.double()).mean() + F.softplus(labels.double()).mean()) / 2
    assert float(terms["discriminator"].detach()) == pytest.approx(float(wanted))


@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
def test_uniform_in_log_snr_is_the_published_law_of_times(sde: SDE) -> None:
    """g^2 / sigma^2, which is beta / sigma^2 under VP (Kim et al. 2023): shares of draws against the law's integral."""
    times = Times(sde, "log-snr", 1e-3)
    drawn = times.at(torch.rand(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    edges = torch.tensor([1e-3, 0.01, 0.1, 0.4, 0.8, 1.0], dtype=torch.float64)
    masses = []
    for a, b in pairwise(edges):
        t = torch.linspace(float(a), float(b), 4001, dtype=torch.float64)
        if isinstance(sde, VP):
            beta = 0.1 + 19.9 * t
            own = beta / sde.sigma(t) ** 2
        else:
            own = sde.diffusion_squared(t) / sde.sigma(t) ** 2
        masses.append(torch.trapezoid(own, t))
    masses = torch.stack(masses) / torch.stack(masses).sum()
    shares = torch.stack([((drawn >= a) & (drawn < b)).double().mean() for a, b in pairwise(edges)])
    assert torch.allclose(shares, masses, atol=0.005)


def test_what_does_not_fit_is_refused() -> None:
    ratio = TimeRatio(nn.Identity(), VP())
    for make, words in (
        (lambda: NoisedRatio(ratio, AS_IT_IS, r1=-1.0), "-1"),
        (lambda: NoisedRatio(ratio, AS_IT_IS, matching=math.inf), "inf"),
        (lambda: NoisedRatio(ratio, AS_IT_IS, matching=1.0), "pass score"),
        (lambda: NoisedRatio(ratio, AS_IT_IS, negatives="rollouts"), "rollout"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
