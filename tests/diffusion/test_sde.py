"""Each SDE against the closed forms of its papers, its own ODEs of mean and variance, and the chain that it is the limit of."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from problems import points
from ridgewalk.diffusion import SDE, VE, VP, Standardiser, SubVP, Tabulated
from ridgewalk.diffusion.building import build_process
from ridgewalk.diffusion.sampling import Transition, levels
from ridgewalk.diffusion.sde import along
from ridgewalk.settings import recipes
from ridgewalk.settings.diffusion import Diffusion

SDES = {
    "vp": VP(),
    "vp-slow": VP(0.5, 8.0),
    "sub-vp": SubVP(),
    "ve": VE(),
    "ve-wide": VE(0.02, 348.0),
    "ddpm": Tabulated.ddpm(100, 1e-3, 0.2),
}
EVERY = pytest.mark.parametrize("sde", SDES.values(), ids=SDES)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
BETA_MIN, BETA_MAX = 0.1, 20.0


def beta(t: Tensor) -> Tensor:
    return BETA_MIN + (BETA_MAX - BETA_MIN) * t


def integral(t: Tensor) -> Tensor:
    """Of beta from 0 to t."""
    return BETA_MIN * t + (BETA_MAX - BETA_MIN) * t**2 / 2


def geometric(t: Tensor) -> Tensor:
    return 0.01 * 5000.0**t


CLOSED: dict[str, tuple[SDE, dict[str, Callable[[Tensor], Tensor]]]] = {
    "vp": (
        VP(),
        {
            "alpha": lambda t: (-integral(t) / 2).exp(),
            "sigma": lambda t: (1 - (-integral(t)).exp()).sqrt(),
            "drift": lambda t: -beta(t) / 2,
            "diffusion_squared": beta,
        },
    ),
    "sub-vp": (
        SubVP(),
        {
            "alpha": lambda t: (-integral(t) / 2).exp(),
            "sigma": lambda t: 1 - (-integral(t)).exp(),
            "drift": lambda t: -beta(t) / 2,
            "diffusion_squared": lambda t: beta(t) * (1 - (-2 * integral(t)).exp()),
        },
    ),
    "ve": (
        VE(),
        {
            "alpha": torch.ones_like,
            "sigma": geometric,
            "drift": torch.zeros_like,
            "diffusion_squared": lambda t: (geometric(t) * math.sqrt(2 * math.log(5000))) ** 2,
        },
    ),
}


# --- the SDE of given alpha and sigma --------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize(("sde", "closed"), CLOSED.values(), ids=CLOSED)
def test_the_coefficients_are_those_of_song_et_al(
    sde: SDE, closed: dict[str, Callable[[Tensor], Tensor]], dtype: torch.dtype
) -> None:
    """Drift and diffusion follow from alpha and sigma; float32 times give float32 values within 2e-6 of the truth, t = 0 included."""
    t = torch.tensor([0.0, 1e-5, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.8, 0.99, 1.0], dtype=dtype)
    for name, formula in closed.items():
        got = getattr(sde, name)(t)
        assert got.dtype == dtype
        # the formulas of the papers lose digits to 1 - exp near t = 0 even in float64: 1e-10 there
        assert torch.allclose(
            got.double(), formula(t.double()), rtol=2e-6 if dtype == torch.float32 else 1e-10, atol=0
        ), name


@DTYPES
@EVERY
def test_times_of_any_shape_keep_shape_and_type(sde: SDE, dtype: torch.dtype) -> None:
    grid = torch.tensor([[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]], dtype=dtype)
    for f in (
        sde.log_alpha,
        sde.alpha,
        sde.sigma,
        sde.variance,
        sde.drift,
        sde.diffusion_squared,
        sde.level,
        sde.time_of,
    ):
        values = f(grid)
        assert values.shape == grid.shape
        assert values.dtype == dtype
        assert values.isfinite().all()
        one = f(grid[1, 1])
        assert one.shape == ()
        assert one.dtype == dtype
        assert torch.allclose(one, values[1, 1])
    assert torch.allclose(sde.variance(grid), sde.sigma(grid) ** 2)


@EVERY
def test_mean_and_variance_obey_the_odes_of_the_sde(sde: SDE) -> None:
    """They are d alpha / dt = f alpha and d sigma^2 / dt = 2 f sigma^2 + g^2, by central differences (between the knots of a table)."""
    t = (torch.arange(1, 99, 7, dtype=torch.float64) + 0.5) / 99
    h = 1e-5
    mean = (sde.alpha(t + h) - sde.alpha(t - h)) / (2 * h)
    variance = (sde.sigma(t + h) ** 2 - sde.sigma(t - h) ** 2) / (2 * h)
    f, g2 = sde.drift(t), sde.diffusion_squared(t)
    # differences are off by h^2 / 6 of the third derivative, some 17^3 of the value for VE: 1e-7; and by rounding, 1e-16 / h of it
    assert torch.allclose(mean, f * sde.alpha(t), rtol=1e-6, atol=1e-9)
    assert torch.allclose(variance, 2 * f * sde.sigma(t) ** 2 + g2, rtol=1e-6, atol=1e-9)
    assert (g2 >= 0).all()


@EVERY
def test_noise_rises_and_starts_from_the_data(sde: SDE) -> None:
    t = torch.linspace(0, 1, 501, dtype=torch.float64)
    assert (sde.level(t).diff() > 0).all()
    assert (sde.sigma(t).diff() > 0).all()
    assert (sde.log_alpha(t).diff() <= 0).all()
    assert abs(float(sde.log_alpha(t[0]))) <= 1e-3  # a table begins at its first level, not at the data
    assert sde.prior_deviation == float(sde.sigma(t[-1]))
    assert 0 < sde.t_min < 1


# --- what is made of it ----------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("per_row", [False, True])
def test_perturb_has_the_mean_and_variance_of_the_transition(sde: SDE, per_row: bool) -> None:
    """Noise of -1 and +1 in equal parts has mean 0 and variance 1 exactly, so x_t has mean alpha x and variance sigma^2 exactly."""
    x = points(4, 3, 2, 2)
    t = torch.tensor([0.1, 0.4, 0.7, 1.0], dtype=torch.float64) if per_row else torch.tensor(0.4, dtype=torch.float64)
    up, down = sde.perturb(x, t, torch.ones_like(x)), sde.perturb(x, t, -torch.ones_like(x))
    assert torch.allclose((up + down) / 2, along(sde.alpha(t), x) * x, rtol=1e-12)
    assert torch.allclose(((up - down) / 2) ** 2, (along(sde.sigma(t), x) ** 2).expand_as(x), rtol=1e-12)


@EVERY
def test_transitions_compose(sde: SDE) -> None:
    """x_t given x_s given x_0 is x_t given x_0; through r between them likewise; over a short step the variance is g^2 dt."""
    s, r, t = levels(sde, torch.tensor([0.2, 0.5, 0.9]))
    first, second, both = Transition(r, s), Transition(t, r), Transition(t, s)
    assert first.factor * s.alpha == pytest.approx(r.alpha, rel=1e-12)
    assert first.variance + (first.factor * s.sigma) ** 2 == pytest.approx(r.sigma**2, rel=1e-12)
    assert first.factor * second.factor == pytest.approx(both.factor, rel=1e-12)
    assert second.variance + second.factor**2 * first.variance == pytest.approx(both.variance, rel=1e-12)
    assert both.gap == pytest.approx(0.7)
    near, at = levels(sde, torch.tensor([60.5 / 99 - 1e-6, 60.5 / 99], dtype=torch.float64))
    assert Transition(at, near).variance / 1e-6 == pytest.approx(at.diffusion**2, rel=1e-4)  # dt^2 terms: 17 dt
    assert (1 - Transition(at, near).factor) / 1e-6 == pytest.approx(-at.drift, rel=1e-4)


@EVERY
@DTYPES
def test_time_of_inverts_the_level(sde: SDE, dtype: torch.dtype) -> None:
    t = torch.linspace(0, 1, 67, dtype=dtype)
    # in float32 a level is known to 6e-8 of itself, and d t = d log level / (d log level / dt), of which the least is near 1
    assert torch.allclose(sde.time_of(sde.level(t)), t, rtol=0, atol=3e-7 if dtype == torch.float32 else 1e-12)
    outside = torch.tensor([0.0, 1e6], dtype=dtype)
    assert torch.allclose(sde.time_of(outside), torch.tensor([0.0, 1.0], dtype=dtype), atol=1e-12)


# --- DDPM ------------------------------------------------------------------------------------------------------------


def test_a_table_holds_the_cumulative_products() -> None:
    n, product = 1000, 1.0
    t = torch.arange(n, dtype=torch.float64) / (n - 1)
    sde = Tabulated.ddpm(n)
    alpha, sigma = sde.alpha(t), sde.sigma(t)
    for i in range(n):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * i / (n - 1))
        assert float(alpha[i]) == pytest.approx(math.sqrt(product), rel=1e-9)
        assert float(sigma[i]) == pytest.approx(math.sqrt(1 - product), rel=1e-9)
    # between two levels the log of the signal-to-noise ratio is halfway, but for the curve's own bend there
    middle = sde.level((t[500] + t[501]) / 2)
    assert float(middle) == pytest.approx(math.sqrt(float(sde.level(t[500]) * sde.level(t[501]))), rel=1e-5)


def test_ddpm_converges_to_vp() -> None:
    """With betas of 0.1 / N to 20 / N, alpha comes to VP's as 1 / N."""
    t = torch.linspace(0, 1, 41, dtype=torch.float64)
    errors = []
    for n in (250, 500, 1000, 2000):
        sde = Tabulated.ddpm(n, 0.1 / n, 20 / n)
        errors.append(float((sde.alpha(t) - VP().alpha(t)).abs().max()))
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(1, abs=0.1)
    assert errors[2] < 5e-3


@pytest.mark.parametrize("n", [25, 50, 100, 1000])
def test_few_levels_of_ddpm_end_in_noise_too(n: int) -> None:
    """With the betas of 1000 levels, 50 would leave 0.77 of the data at t = 1; a thousand leave 0.0064."""
    sde = Tabulated.ddpm(n)
    assert float(sde.alpha(torch.tensor(1.0, dtype=torch.float64))) < 0.007
    betas = torch.linspace(0.1 / n, 20 / n, n, dtype=torch.float64)
    assert sde.alphas_squared == pytest.approx(torch.cumprod(1 - betas, 0).tolist())


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VP(0.0, 20.0), "beta_min and beta_max"),
        (lambda: VP(20.0, 0.1), "beta_min and beta_max"),
        (lambda: SubVP(0.1, math.inf), "beta_min and beta_max"),
        (lambda: SubVP(math.nan, 1.0), "beta_min and beta_max"),
        (lambda: VE(0.0, 50.0), "0 < sigma_min < sigma_max"),
        (lambda: VE(50.0, 0.01), "0 < sigma_min < sigma_max"),
        (lambda: Tabulated((0.5,)), "at least two"),
        (lambda: Tabulated(()), "at least two"),
        (lambda: Tabulated((0.5, 0.6)), "fall"),
        (lambda: Tabulated((1.0, 0.5)), "between 0 and 1"),
        (lambda: Tabulated((0.9, math.nan)), "between 0 and 1"),
        (lambda: Tabulated.ddpm(20), "more than 20 levels"),
        (lambda: Tabulated.ddpm(100, beta_max=1.0), "between 0 and 1"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], SDE], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("start", "end"), [(1.0, 0.0), (1.0, 1.0), (0.5, 0.7), (1.5, 0.1), (1.0, -0.1), (1.0, math.nan)]
)
def test_times_that_cannot_be_run_over_are_refused(start: float, end: float) -> None:
    with pytest.raises(ValueError, match="t_min"):
        VP().check_times(start, end)


@pytest.mark.parametrize(("recipe", "published"), [("", 50.0), ("ncsnpp", 50.0), ("ncsnpp-256", 348.0)])
def test_ve_adds_the_published_noise_to_images_in_0_to_1(recipe: str, published: float) -> None:
    """The published sigmas are those of images in [0, 1] (Song et al. 2021, appendix C), and the process is of images in [-1, 1]."""
    settings = recipes.read(recipe).diffusion if recipe else Diffusion(sde="ve")
    sde, images = build_process(settings), Standardiser.between(0.0, 1.0)
    u, ends = torch.rand(2, 1, 4, 4, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
    noised = images.to_data(sde.perturb(images.to_model(u), ends, torch.ones_like(u)))
    added = (noised - u).flatten(1)
    expected = torch.tensor([[0.01], [published]], dtype=torch.float64).expand_as(added)
    torch.testing.assert_close(added, expected, rtol=1e-6, atol=1e-12)
