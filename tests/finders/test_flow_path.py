"""Paths through noise, and the diffusion read as an energy, on Gaussian data and mixtures whose flow is known."""

import math

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.diffusion import SDE, VE, VP, Denoiser, Flow, Standardiser, SubVP, Tabulated
from ridgewalk.energies.denoising import DenoisingBound
from ridgewalk.finders.flow import FlowPath
from ridgewalk.geometry import slerp

SDES = [VP(), SubVP(), VE()]


class Zero(nn.Module):
    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x)


def ends(b: int = 4, d: int = 3) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.randn(b, d, generator=g, dtype=torch.float64), torch.randn(b, d, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
def test_over_gaussian_data_the_flow_scales_and_paths_are_great_circles(sde: SDE) -> None:
    """The flow of a Gaussian is x_1 = c x_0: what is joined by a great circle at t = 1 is joined by one in the data."""
    z_a, z_b = ends()
    standardiser = Standardiser(torch.tensor([0.3, -1.0, 0.0]), torch.tensor([2.0, 0.5, 1.0]))
    score = Denoiser(Zero(), sde, 1.0).score
    path = FlowPath(score, Flow(sde, rtol=1e-7, atol=1e-7), standardiser, nodes=5)(z_a, z_b)
    inner = slerp(standardiser.to_model(z_a), standardiser.to_model(z_b), torch.linspace(0, 1, 5).double())
    assert bool(path.arrived.all())
    assert torch.equal(path.nodes[:, 0], z_a)
    assert torch.equal(path.nodes[:, -1], z_b)
    assert torch.allclose(path.nodes, standardiser.to_data(inner), atol=2e-4)
    assert path.stats["scores"] > 0
    assert path.stats["round_trip"] < 1e-4


def test_a_flow_that_does_not_come_back_has_not_arrived() -> None:
    z_a, z_b = ends()
    coarse = Flow(VP(), "euler", steps=2)
    identity = Standardiser(torch.tensor(0.0), torch.tensor(1.0))
    path = FlowPath(Denoiser(Zero(), VP(), 0.1).score, coarse, identity, nodes=5)(z_a, z_b)
    assert not bool(path.arrived.any())
    assert not torch.equal(path.nodes[:, -1], z_b)
    assert torch.equal(path.nodes[:, 0], z_a)


@pytest.mark.parametrize("sde", SDES, ids=lambda s: type(s).__name__)
def test_the_bound_of_gaussian_data_is_their_density_up_to_a_constant(sde: SDE) -> None:
    """
    For Gaussian data E(z) can be taken in closed form: with r = sigma / alpha its integrand at x is |eps / (1 + r^2) - r x / (1 + r^2)|^2.

    Over all levels r (here 0.01 to 10) the part that grows with |x|^2 is |x|^2 / 2: minus the log density.
    """
    energy = DenoisingBound(
        Denoiser(Zero(), sde, 1.0), Standardiser(torch.tensor(0.0), torch.tensor(1.0)), 0.02, 20.0, levels=200
    )
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, -2.0], [1.5, 1.5]], dtype=torch.float64)
    found = energy(x) - energy(x[:1])
    assert torch.allclose(found, x.square().sum(1) / 2, rtol=0.02)
    # at 0 the integrand is |eps|^2 / (1 + r^2)^2: the noise of about half of the levels is predicted
    assert float(energy(x[:1])) < 0.7 * energy.length * 2 / 2


def test_the_bound_is_a_function_with_independent_rows() -> None:
    energy = DenoisingBound(Denoiser(Zero(), VP(), 1.0), Standardiser(torch.tensor(0.0), torch.tensor(1.0)))
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    state = torch.get_rng_state()
    assert torch.equal(energy(x), energy(x))
    assert torch.allclose(energy(x)[2:3], energy(x[2:3]), atol=1e-12)
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(ValueError, match="low < high"):
        DenoisingBound(Denoiser(Zero(), VP(), 1.0), energy.standardiser, 2.0, 1.0)


def test_unlike_the_norm_of_a_score_the_bound_is_high_between_two_modes() -> None:
    """Two narrow modes at +-1: their midpoint has score 0, and the bound above that of either mode."""
    width = 0.1

    class Mixture(nn.Module):
        def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
            raise AssertionError("the denoiser below does not ask")

    class Exact(Denoiser):
        def score(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
            alpha, sigma = VP().alpha(t), VP().sigma(t)
            v = (alpha * width) ** 2 + sigma**2
            means = torch.stack([alpha * torch.ones_like(x[0]), -alpha * torch.ones_like(x[0])])
            logs = -(x[:, None] - means).square().sum(2) / (2 * v)
            return (logs.softmax(1)[:, :, None] * (means - x[:, None])).sum(1) / v

    identity = Standardiser(torch.tensor(0.0), torch.tensor(1.0))
    energy = DenoisingBound(Exact(Mixture(), VP(), 1.0), identity, 0.05, 5.0, levels=12)
    values = energy(torch.tensor([[1.0], [0.0], [-1.0]], dtype=torch.float64))
    assert float(values[1]) > float(values[0]) + 1
    assert float(values[0]) == pytest.approx(float(values[2]), rel=1e-6)
    assert math.isfinite(float(values.sum()))


def test_a_table_is_smooth_between_its_levels_and_exact_on_them() -> None:
    """Against the VP diffusion that it is a table of: levels to rounding, f and g^2 between them to the order of the cubic, without jumps."""
    sde = VP()
    levels = torch.linspace(0.01, 1.0, 200, dtype=torch.float64)
    table = Tabulated(tuple((sde.alpha(levels) ** 2).tolist()))

    def time(t: Tensor) -> Tensor:  # of VP's where the table is at t
        return 0.01 + 0.99 * t

    on = torch.linspace(0, 1, 200, dtype=torch.float64)
    assert torch.allclose(table.alpha(on), sde.alpha(time(on)), rtol=1e-9)
    between = torch.linspace(0.1, 0.99, 997, dtype=torch.float64)
    assert torch.allclose(table.drift(between), 0.99 * sde.drift(time(between)), rtol=2e-3)
    assert torch.allclose(table.diffusion_squared(between), 0.99 * sde.diffusion_squared(time(between)), rtol=2e-3)
    near = on[50:150]
    jump = (table.drift(near + 1e-9) - table.drift(near - 1e-9)).abs()
    assert float(jump.max()) < 1e-5
