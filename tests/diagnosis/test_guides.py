"""Diagnosis of guides: gains, strengths and gradient errors of Gaussians are known; what is at chance is named."""

import math

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.diagnosis.guides import MOST, GuideDiagnosis, HeldOut, diagnose, held_times
from ridgewalk.diffusion import SDE, VE, VP
from ridgewalk.diffusion.guidance import TimeRatio
from ridgewalk.thresholds import CHANCE

M = 0.7
"""Data N(M, 1) and samples N(-M, 1) in each of two values."""


class Exact(nn.Module):
    """A multiple of the log ratio at one level, 2 alpha m sum(x) / v, of the network's input x / v^(1/2)."""

    def __init__(self, sde: SDE, t: float, factor: float) -> None:
        super().__init__()
        time = torch.tensor(t, dtype=torch.float64)
        alpha, sigma = float(sde.alpha(time)), float(sde.sigma(time))
        self.slope = factor * 2 * alpha * M / math.sqrt(alpha**2 + sigma**2)

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.slope * x.sum(1, keepdim=True)


def held(sde: SDE, factor: float, t: float, n: int = 20_000) -> GuideDiagnosis:
    g = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, 2, generator=g) + s for s in (M, -M))

    def score(sign: float):  # type: ignore[no-untyped-def]
        def field(x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
            t = t.reshape(-1)[:1]
            alpha, sigma = sde.alpha(t.double()).to(x), sde.sigma(t.double()).to(x)
            return -(x - sign * alpha * M) / (alpha**2 + sigma**2)

        return field

    ratio = TimeRatio(Exact(sde, t, factor), sde)
    return diagnose(ratio, score(-1), HeldOut(x, y), torch.tensor([t]), truth=score(1))


@pytest.mark.parametrize("sde", [VP(), VE()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("t", [0.2, 0.5])
def test_the_exact_ratio_gains_all_that_there_is(sde: SDE, t: float) -> None:
    """The score's error is 2 alpha m / v in each value: taken off whole at strength 1, three quarters by half of the gradient."""
    time = torch.tensor(t, dtype=torch.float64)
    alpha, sigma = float(sde.alpha(time)), float(sde.sigma(time))
    whole = sigma**2 * (2 * alpha * M / (alpha**2 + sigma**2)) ** 2
    for factor, gain, error in ((1.0, whole, 0.0), (0.5, 0.75 * whole, 0.25), (2.0, 0.0, 1.0), (3.0, -3 * whole, 4.0)):
        (found,) = held(sde, factor, t).levels
        assert found.gain == pytest.approx(gain, abs=4 * found.gain_error + 1e-3 * whole)
        assert found.strength == pytest.approx(1 / factor, abs=4 * found.strength_error)
        assert found.gradient_error == pytest.approx(error, abs=1e-3)
        assert found.level == pytest.approx(sigma / alpha)
    assert held(sde, 3.0, t).harmful == pytest.approx([sigma / alpha])
    assert not held(sde, 1.0, t).harmful


def test_a_calibrated_ratio_is_calibrated_and_a_doubled_one_is_not() -> None:
    exact, sure = held(VP(), 1.0, 0.2).levels[0], held(VP(), 4.0, 0.2).levels[0]
    assert exact.calibration < 0.01 < sure.calibration
    assert exact.bce < min(sure.bce, CHANCE)
    assert "lowers the denoising error" in held(VP(), 1.0, 0.2).sentence
    assert "raises the denoising error" in held(VP(), 2.5, 0.2).sentence


def test_a_gradient_that_is_too_weak_is_named() -> None:
    assert "too weak, by a factor of up to 4" in held(VP(), 0.25, 0.2).sentence
    assert "too weak" not in held(VP(), 0.6, 0.2).sentence


def test_strengths_are_cut_at_both_ends() -> None:
    """Half of the gradient asks for 2, a quarter for 4; a gradient that points the wrong way gets none."""
    for factor, wanted in ((0.5, 2.0), (0.25, MOST), (-1.0, 0.0)):
        (value,) = held(VP(), factor, 0.2).strengths.values
        assert value == pytest.approx(wanted, abs=0.05)


def test_a_guide_at_chance_is_named() -> None:
    blind = held(VP(), 0.0, 0.2)
    assert blind.levels[0].bce == pytest.approx(CHANCE)
    assert (blind.levels[0].gain, blind.levels[0].strength) == (0, 0)
    assert blind.verdict == "at chance"
    assert "is at chance" in blind.sentence
    assert held(VP(), 1.0, 0.2).verdict == "alive"
    assert blind.strengths.values == (0.0,)


def test_rows_may_be_taken_in_parts() -> None:
    sde, g = VP(), torch.Generator().manual_seed(0)
    x, y = (torch.randn(300, 2, generator=g) + s for s in (M, -M))
    ratio = TimeRatio(Exact(sde, 0.2, 1.0), sde)

    def found(chunk: int) -> GuideDiagnosis:
        return diagnose(ratio, lambda x, t, labels: -x, HeldOut(x, y), held_times(sde, 3), chunk=chunk)

    whole, parts = found(300), found(77)
    for a, b in zip(whole.levels, parts.levels):
        assert a.gradient_error is None
        for key in ("bce", "bce_error", "calibration", "gain", "gain_error", "strength"):
            assert getattr(a, key) == pytest.approx(getattr(b, key), rel=1e-4), key
