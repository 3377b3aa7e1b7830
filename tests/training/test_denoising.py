"""Score matching: the target, the weights and the laws of times, by closed forms and by what Gaussian data make of them."""

import math

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.diffusion import SDE, VE, VP, Denoiser, Standardiser, SubVP
from ridgewalk.training.denoising import DenoisingScoreMatching, ImplicitScoreMatching, Times
from ridgewalk.training.noise import Noise

SDES = [VP(), SubVP(), VE()]
IDENTITY = Standardiser(torch.tensor(0.0), torch.tensor(1.0))


class Zero(nn.Module):
    """F = 0 plus a parameter's own value: the score of Gaussian data where the parameter is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x) + self.offset


class Affine(nn.Module):
    """F = a x, one number."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.a * x


def gaussian(rows: int, d: int = 3, deviation: float = 1.0) -> Tensor:
    return deviation * torch.randn(rows, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Float64Noise(Noise):
    def normal(self, rows: int, *shape: int) -> Tensor:
        return super().normal(rows, *shape).double()

    def uniform(self, rows: int, *shape: int) -> Tensor:
        return super().uniform(rows, *shape).double()


@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_the_network_that_gives_the_exact_score_has_the_least_loss(sde: SDE, deviation: float) -> None:
    """For Gaussian data F = 0 is the score, so its loss is below that of F = a x for any a; its derivative in a is 0 within the draws' error."""
    x = gaussian(200_000, deviation=deviation)
    network = Affine(0.0)
    objective = DenoisingScoreMatching(Denoiser(network, sde, deviation), IDENTITY, times="log-snr", t_min=1e-3)
    loss, _ = objective.loss("denoiser", (x,), Float64Noise(0, 0))
    loss.backward()
    assert network.a.grad is not None
    assert abs(float(network.a.grad)) < 0.02  # of targets of unit variance, over 600,000 values
    for a in (-0.3, 0.3):
        other = DenoisingScoreMatching(Denoiser(Affine(a), sde, deviation), IDENTITY, times="log-snr", t_min=1e-3)
        assert float(other.loss("denoiser", (x,), Float64Noise(0, 0))[0]) > float(loss) + 0.5 * a**2


@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
def test_targets_have_unit_variance_at_every_level(sde: SDE) -> None:
    x = gaussian(50_000, deviation=0.7)
    objective = DenoisingScoreMatching(Denoiser(Zero(), sde, 0.7), IDENTITY, times="uniform", t_min=1e-3)
    for t in (0.002, 0.1, 0.5, 0.99):
        objective._times = _At(t)  # type: ignore[assignment]
        # F = 0: the loss is the mean square of the target
        assert float(objective.loss("denoiser", (x,), Float64Noise(0, 0))[0]) == pytest.approx(1.0, abs=0.02)


class _At:
    def __init__(self, t: float) -> None:
        self.t = t

    def at(self, u: Tensor) -> Tensor:
        return torch.full_like(u, self.t).double()

    def density(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)


@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("weighting", ["noise", "likelihood"])
def test_weights_make_the_loss_of_the_source(sde: SDE, weighting: str) -> None:
    """Against |sigma score + eps|^2 and g^2 |score + eps / sigma|^2 written out, at one time, with the same draws."""
    x, t = gaussian(2000), 0.3
    denoiser = Denoiser(Affine(0.4), sde, 1.3)
    objective = DenoisingScoreMatching(denoiser, IDENTITY, weighting, "uniform", t_min=1e-3)
    objective._times = _At(t)  # type: ignore[assignment]
    loss = float(objective.loss("denoiser", (x,), Float64Noise(3, 0))[0])
    noise = Float64Noise(3, 0)
    noise.uniform(len(x))
    eps = noise.normal(*x.shape)
    time = torch.tensor(t, dtype=torch.float64)
    sigma = sde.sigma(time)
    with torch.no_grad():
        error = denoiser.score(sde.perturb(x, time, eps), time) + eps / sigma
    weight = sigma**2 if weighting == "noise" else sde.diffusion_squared(time)
    # the target of the network is E[eps | x_t]'s draw: the same square, so the two agree draw by draw
    assert loss == pytest.approx(float((weight * error.square()).mean()), rel=1e-9)


@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("weighting", ["noise", "likelihood"])
def test_another_law_of_times_leaves_the_mean(sde: SDE, weighting: str) -> None:
    """A weighted mean over uniform times equals that over log-SNR times divided by their density."""
    low = 0.05
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    uniform, other = Times(sde, "uniform", low), Times(sde, "log-snr", low)

    def value(t: Tensor) -> Tensor:
        return 1 / (1 + sde.level(t)) + t

    a = value(uniform.at(u)).mean()
    t = other.at(u)
    b = (value(t) / other.density(t)).mean()
    assert float(a) == pytest.approx(float(b), rel=2e-3)  # the table's interpolation, and the rule of rectangles
    assert float((1 / other.density(t)).mean()) == pytest.approx(1.0, rel=2e-3)


def test_log_normal_times_have_the_law_of_the_source() -> None:
    sde = VE(0.002, 80.0)
    times = Times(sde, "log-normal", 1e-4, deviation=0.5)
    u = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    logs = sde.level(times.at(u)).log()
    assert float(logs.mean()) == pytest.approx(-1.2, abs=0.01)  # at s_d = 1/2, the source's own
    assert float(logs.std()) == pytest.approx(1.2, abs=0.01)
    assert float(times.at(u).min()) >= 1e-4
    assert float(times.at(u).max()) <= 1


@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("slices", [0, 1, 4])
def test_implicit_matching_is_least_at_the_exact_score(sde: SDE, slices: int) -> None:
    """Gaussian data again: among F = a x the implicit loss is least at a = 0, where it is -E sigma^2 |score|^2 / d."""
    x = gaussian(20_000, 2)
    losses = {}
    for a in (-0.2, 0.0, 0.2):
        denoiser = Denoiser(Affine(a), sde, 1.0)
        objective = ImplicitScoreMatching(denoiser, IDENTITY, slices, t_min=0.1)
        losses[a] = float(objective.loss("denoiser", (x,), Float64Noise(0, 0))[0].detach())
    assert losses[0.0] < losses[-0.2]
    assert losses[0.0] < losses[0.2]
    t = Times(sde, "uniform", 0.1).at(Float64Noise(0, 0).uniform(len(x)))
    v = sde.alpha(t) ** 2 + sde.sigma(t) ** 2
    assert losses[0.0] == pytest.approx(-float((sde.sigma(t) ** 2 / v).mean()), abs=0.03)


def test_sliced_and_whole_traces_agree_in_the_mean() -> None:
    x = gaussian(50_000, 2)
    denoiser = Denoiser(Affine(0.3), VP(), 1.0)
    whole = ImplicitScoreMatching(denoiser, IDENTITY, 0, t_min=0.1).loss("denoiser", (x,), Float64Noise(0, 0))[0]
    sliced = ImplicitScoreMatching(denoiser, IDENTITY, 2, t_min=0.1).loss("denoiser", (x,), Float64Noise(0, 0))[0]
    assert float(whole) == pytest.approx(float(sliced), abs=0.02)


def test_a_batch_is_drawn_made_continuous_and_loses_some_labels() -> None:
    denoiser = Denoiser(Zero(), VP())
    between = Standardiser.between(0.0, 1.0)
    images = torch.randint(256, (5000, 1, 2, 2), generator=torch.Generator().manual_seed(0)) / 255
    labels = torch.ones(5000, dtype=torch.int64)
    objective = DenoisingScoreMatching(denoiser, between, drop=0.25, labelled=True, quantised=True)
    x, kept = objective.inputs((images, labels), Noise(0, 0))
    assert kept is not None
    assert set(kept.tolist()) == {-1, 1}
    assert float((kept == -1).float().mean()) == pytest.approx(0.25, abs=0.02)
    v = between.to_data(x)
    assert float(v.min()) >= 0
    assert float(v.max()) < 1
    assert torch.equal((v * 256).floor().long(), (images * 255).round().long())  # within its own level
    drawn = DenoisingScoreMatching(denoiser, IDENTITY)
    means, logs = torch.zeros(20_000, 2), torch.full((20_000, 2), math.log(0.25))
    x, none = drawn.inputs((means, logs), Noise(0, 0))
    assert none is None
    assert float(x.std()) == pytest.approx(0.5, abs=0.01)


def test_what_does_not_fit_is_refused() -> None:
    denoiser = Denoiser(Zero(), VP())
    for make, words in (
        (lambda: DenoisingScoreMatching(denoiser, IDENTITY, "nois", "uniform"), "noise"),
        (lambda: DenoisingScoreMatching(denoiser, IDENTITY, "noise", "log-normal"), "log-normal"),
        (lambda: DenoisingScoreMatching(denoiser, IDENTITY, times="unifrm"), "uniform"),
        (lambda: DenoisingScoreMatching(denoiser, IDENTITY, drop=1.5), "1.5"),
        (lambda: DenoisingScoreMatching(denoiser, IDENTITY, t_min=0.0), "between 0 and 1"),
        (lambda: ImplicitScoreMatching(denoiser, IDENTITY, -1), "-1"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
