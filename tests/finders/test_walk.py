"""Walks: the formulas step by step, where they stall, and the bound under which the arriving walk arrives at all."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from problems import Gaussian, GaussianLogit, Mixture, Ring, points, rows
from ridgewalk.energies import DensityRatio
from ridgewalk.finders import ArrivingWalk, GuidedExploration, ScoreGuidedWalk
from ridgewalk.path import Path
from ridgewalk.protocols import Energy

MEANS, SIGMA = rows((0.6, 0.9), (1.4, -0.3)), 0.5
Z_A, Z_B = rows((0, 0)), rows((2, 0.5))


def gradient(z: Tensor) -> Tensor:
    """Of the mixture at ``MEANS``, by hand: (2,) -> (2,)."""
    share = torch.softmax(-(z - MEANS).square().sum(1) / (2 * SIGMA**2), dim=0)
    return (z - share @ MEANS) / SIGMA**2


def resampled(walked: list[Tensor], nodes: int) -> Tensor:
    return Path(torch.stack(walked)[None], torch.tensor([True])).resample(nodes).nodes


@dataclass(frozen=True, eq=False)
class Watched:
    """An energy that records the points at which it is evaluated."""

    energy: Energy
    seen: list[Tensor] = field(default_factory=list)

    def __call__(self, z: Tensor, /) -> Tensor:
        self.seen.append(z.detach().clone())
        return self.energy(z)

    def walked(self, path: Path) -> Tensor:
        """The one walker's positions before every step but the last, which evaluates no energy, and where it ended."""
        evaluated = [z[0] for z in self.seen[: int(path.stats["nfe"]) - path.nodes.shape[1]]]
        return torch.stack([*evaluated, path.nodes[0, -1]])


# ------------------------------------------------------------------------------------------------- as written


@pytest.mark.parametrize("clamp", [100.0, 0.3])
def test_the_score_guided_walk_is_its_formula_step_by_step(clamp: float) -> None:
    alpha, beta, eps = 0.1, 0.015, 0.08
    z, walked, held = Z_A[0], [Z_A[0]], 0
    while (Z_B[0] - z).norm() > eps:
        g = gradient(z)
        held += bool((g.abs() > clamp).any())
        z = z + alpha * (Z_B[0] - z) / (Z_B[0] - z).norm() - beta * g.clamp(-clamp, clamp)
        walked.append(z)
        assert len(walked) < 300
    path = ScoreGuidedWalk(Mixture(MEANS, SIGMA), alpha, beta, eps, clamp, nodes=50)(Z_A, Z_B)
    assert path.arrived.item()
    torch.testing.assert_close(path.nodes, resampled([*walked, Z_B[0]], 50), rtol=0, atol=1e-12)
    assert path.stats["iterations"] == len(walked)
    assert path.stats["nfe"] == len(walked) - 1 + 50
    assert path.stats["clamped"] == held
    assert (held > 0) == (clamp < 1)


def test_guided_exploration_is_its_formula_step_by_step() -> None:
    alpha, gamma = 0.03, 0.1
    z, walked = Z_A[0], [Z_A[0]]
    for _ in range(25):
        z = z - alpha * gradient(z) + gamma * (Z_B[0] - z)
        walked.append(z)
    path = GuidedExploration(Mixture(MEANS, SIGMA), alpha, gamma, eps=1e-6, max_steps=25, nodes=40)(Z_A, Z_B)
    assert not path.arrived.item()
    torch.testing.assert_close(path.nodes, resampled(walked, 40), rtol=0, atol=1e-12)


def test_without_a_correction_the_walk_is_straight_and_takes_steps_of_alpha() -> None:
    path = ScoreGuidedWalk(Gaussian(), alpha=0.25, beta=0.0, eps=0.25, nodes=9)(rows((0, 0)), rows((2, 0)))
    torch.testing.assert_close(path.nodes[0, :, 0], torch.linspace(0, 2, 9, dtype=torch.float64), rtol=0, atol=1e-15)
    assert path.stats["steps_max"] == 8
    assert path.traces["correction"].abs().max() == 0


def test_the_score_guided_walk_stalls_where_drive_and_correction_balance() -> None:
    # alpha = beta x at x = 1/2, and x -> 0.8 x + 0.1 contracts to it
    path = ScoreGuidedWalk(Gaussian(), alpha=0.1, beta=0.2, clamp=2.0)(rows((-1, 0)), rows((2, 0)))
    assert path.arrived.tolist() == [False]
    torch.testing.assert_close(path.nodes[:, -1], rows((0.5, 0)), rtol=0, atol=1e-12)
    assert path.stats["arrived"] == 0
    assert path.stats["residual_mean"] == pytest.approx(1.5, rel=1e-12)
    assert path.stats["steps_max"] == 400
    assert path.traces["distance"][0, -1].item() == pytest.approx(1.5, rel=1e-12)


@pytest.mark.parametrize(("clamp", "arrives"), [(0.9, True), (1.2, False)])
def test_a_clamp_that_holds_the_correction_below_the_drive_makes_the_walk_arrive(clamp: float, arrives: bool) -> None:
    # the steep energy |z|^2 / 2 pulls back to 0 with every component at the clamp: s = beta clamp sqrt(d) / alpha on the diagonal
    alpha, beta = 0.1, 0.1 / math.sqrt(2)
    steps = (
        math.ceil((math.sqrt(8) / alpha) ** 2 / (1 - min(clamp, 0.9) ** 2)) + 1
    )  # r^2 falls by (1 - s^2) alpha^2 in each step
    walk = ScoreGuidedWalk(Gaussian(), alpha, beta, clamp=clamp, max_steps=steps)
    assert walk(rows((1.5, 1.5)), rows((3.5, 3.5))).arrived.tolist() == [arrives]


def test_guided_exploration_stalls_where_its_fading_drive_balances() -> None:
    # -alpha x + gamma (2 - x) = 0 at x = 2 gamma / (alpha + gamma)
    path = GuidedExploration(Gaussian(), alpha=0.05, gamma=0.15)(rows((-1, 0)), rows((2, 0)))
    assert not path.arrived.item()
    torch.testing.assert_close(path.nodes[:, -1], rows((1.5, 0)), rtol=0, atol=1e-12)


def test_one_walker_may_stall_while_another_arrives() -> None:
    z_a, z_b = rows((-1, 0), (3, 0)), rows((2, 0), (0, 0))
    path = ScoreGuidedWalk(Gaussian(), alpha=0.1, beta=0.2, clamp=2.0, max_steps=90)(z_a, z_b)
    assert path.arrived.tolist() == [False, True]
    assert torch.equal(path.nodes[1, -1], z_b[1])
    assert path.stats["arrived"] == 0.5
    assert path.stats["steps_max"] == 90
    assert path.stats["steps_mean"] < 60


def test_values_that_are_not_finite_count_as_no_gradient() -> None:
    def cliff(z: Tensor) -> Tensor:
        return torch.sqrt(0.5 - z[:, 0])  # NaN beyond x = 1/2, its slope too

    path = ScoreGuidedWalk(cliff, alpha=0.1, beta=0.1, clamp=2.0)(rows((0.6, 0)), rows((2, 0)))
    assert path.arrived.item()
    assert path.stats["nonfinite"] == 13  # of the steps at 0.6, 0.7, ... 1.8: at 1.9 the end is in reach
    torch.testing.assert_close(path.nodes[0, :, 1], torch.zeros(33, dtype=torch.float64))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("kind", [ScoreGuidedWalk, GuidedExploration, ArrivingWalk])
def test_an_energy_that_is_finite_nowhere_is_said(kind: type, value: float) -> None:
    with pytest.warns(UserWarning, match="no finite value and gradient at any of the .* places"):
        kind(lambda z: z.sum(1) * value)(rows((0, 0)), rows((2, 0)))


def test_an_infinite_slope_is_clamped_as_a_steep_one_is() -> None:
    def edge(z: Tensor) -> Tensor:
        return -z[:, 1].clamp_min(0).sqrt()  # its force along y is +inf at y = 0

    walk = ScoreGuidedWalk(edge, alpha=0.1, beta=0.2, clamp=1.5, max_steps=1, nodes=2)
    path = walk(rows((0, 0)), rows((2, 0)))
    torch.testing.assert_close(path.nodes[0, 1], rows((0.1, 0.3))[0])
    assert path.stats["nonfinite"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 0.0}, "alpha must be positive"),
        ({"alpha": 0.05, "eps": 0.1}, "eps must be at most alpha"),
        ({"beta": -1.0}, "beta must be >= 0"),
        ({"clamp": math.nan}, "clamp must be positive and finite"),
        ({"max_steps": 0}, "max_steps must be positive"),
    ],
)
def test_settings_that_make_no_walk_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScoreGuidedWalk(Gaussian(), **settings)


# --------------------------------------------------------------------------------------------------- arriving


def rough(z: Tensor) -> Tensor:
    """Slopes of size 1e4 that turn every 1e-3."""
    return (10 * torch.sin(1e3 * z @ points(z.shape[1], 7, seed=3).to(z))).sum(1)


ADVERSARIES: dict[str, Energy] = {
    "flat": Gaussian(1e9),
    "steep": Gaussian(1e-3),
    "repelled from b": lambda z: -1e4 * (z - 1).square().sum(1),
    "steeper than floats": lambda z: 1e307 * z.sum(1) - 1e307 * z[:, 0] * 3,
    "as steep as floats go": lambda z: torch.finfo(z.dtype).max * (z[:, 0] - z[:, 1]),
    "rough": rough,
    "NaN": lambda z: torch.sqrt(-z.square().sum(1)),
    "infinite": lambda z: 1 / (0 * z.sum(1)),
    "NaN in one component": lambda z: z[:, 1] * 50 + torch.sqrt(z[:, 0] - 10),
    "ring": Ring(1e5),
    "detector": DensityRatio(GaussianLogit("encoded")),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ADVERSARIES)
def test_the_arriving_walk_arrives_for_any_energy(name: str, share: float, dtype: torch.dtype) -> None:
    finder = ArrivingWalk(ADVERSARIES[name], steps=8, beta=50.0, share=share)
    z_a, z_b = points(5, 3, dtype=dtype), points(5, 3, seed=1, dtype=dtype)
    path = finder(z_a, z_b)
    assert path.arrived.all()
    assert torch.equal(path.nodes[:, -1], z_b)
    assert path.nodes.isfinite().all()
    assert path.stats["steps_max"] <= finder.most_steps
    assert finder.most_steps == math.ceil(2 * 8 / (1 - share**2)) + 2


@pytest.mark.parametrize("fade", [0.0, 0.2])
@pytest.mark.parametrize("name", ["steep", "repelled from b", "rough", "NaN in one component", "ring"])
def test_every_step_of_an_arriving_walk_keeps_the_bound_at_the_head_of_its_file(name: str, fade: float) -> None:
    steps, share = 16, 0.9
    z_a, z_b = points(1, 3), points(1, 3, seed=1)
    alpha = (z_b - z_a).norm() / steps
    energy = Watched(ADVERSARIES[name])
    path = ArrivingWalk(energy, steps, beta=50.0, share=share, fade=fade)(z_a, z_b)
    walked = energy.walked(path)
    lengths, rest = walked.diff(dim=0).norm(dim=1), (z_b - walked).norm(dim=1)
    assert torch.equal(walked[0], z_a[0])
    assert torch.equal(walked[-1], z_b[0])
    assert len(lengths) == path.stats["steps_max"] - 1
    # drive and correction are at right angles; the last two steps, the second of alpha or less, are seen as one
    longest = alpha * (1 + share**2) ** 0.5
    assert lengths[:-1].min() >= alpha * (1 - 1e-12)
    assert lengths[:-1].max() <= longest * (1 + 1e-12)
    assert lengths[:-1].max() > alpha * 1.2  # the energy has an effect
    assert lengths[-1] <= (longest + alpha) * (1 + 1e-12)
    assert (-rest.diff()).min() >= (1 - share**2) * alpha / 2 * (1 - 1e-9)


def test_under_a_steep_energy_the_correction_is_the_cap_and_the_distances_obey_the_recursion() -> None:
    steps, share = 12, 0.8
    finder = ArrivingWalk(lambda z: 1e6 * z[:, 1], steps, beta=1.0, share=share, fade=0.0, nodes=200)
    z_a, z_b = rows((0, 0)), rows((3, 0))
    alpha, r, count = 3 / steps, 3.0, 1
    while r > alpha:
        r = math.sqrt((r - alpha) ** 2 + (share * alpha) ** 2)
        count += 1
    path = finder(z_a, z_b)
    assert path.stats["steps_max"] == count > steps
    assert path.stats["capped"] == count - 1
    assert count <= 2 * steps / (1 - share**2) + 1
    inner = path.traces["correction"][0, 20:150]
    torch.testing.assert_close(inner, torch.full_like(inner, share * alpha), rtol=1e-12, atol=0)


def test_an_uncapped_correction_of_a_walker_stalls_at_the_stated_distance() -> None:
    # the head of walk.py: normal corrections of size n balance the drive at (alpha^2 + n^2) / 2 alpha
    alpha, n = 0.1, 0.3
    z, z_b = rows((-3, 0))[0], rows((0, 0))[0]
    for _ in range(2000):
        u = (z_b - z) / (z_b - z).norm()
        z = z + alpha * u + n * torch.stack([-u[1], u[0]])
    assert z.norm().item() == pytest.approx((alpha**2 + n**2) / (2 * alpha), rel=1e-9)


def test_a_weak_correction_is_the_formula_and_fades_before_the_end() -> None:
    # E = y / 10 over a drive along x from far away: |c| = beta alpha / 10 until the cap falls below it
    steps, beta = 100, 2.0
    finder = ArrivingWalk(lambda z: z[:, 1] / 10, steps, beta, share=0.9, fade=0.5, nodes=400)
    path = finder(rows((0, 0)), rows((10, 0)))
    alpha, correction, distance = 0.1, path.traces["correction"][0], path.traces["distance"][0]
    early = (distance > 5) & (distance < 9.5)
    assert early.sum() > 100
    torch.testing.assert_close(
        correction[early], torch.full_like(correction[early], beta * alpha / 10), rtol=0.01, atol=0
    )
    late = (distance < 0.9) & (distance > 0.3)
    # linear between the steps, each trace that of the step that led there: an alpha further from the end
    bound = 0.9 * alpha * (distance[late] + 2 * alpha) / (0.5 * 10)
    assert (correction[late] <= bound).all()
    assert path.nodes[0, :, 1].min() < -0.3  # and it did leave the straight line, downhill


def test_the_arriving_walk_leaves_the_ridge_for_the_valley() -> None:
    valley: Callable[[Tensor], Tensor] = Ring()
    z_a, z_b = rows((1, 0)), rows((math.cos(2.5), math.sin(2.5)))
    straight = Path(torch.stack([z_a, z_b], 1), torch.tensor([True])).resample(33)
    path = ArrivingWalk(valley)(z_a, z_b)
    assert path.traces["energy"].amax() < straight.map(valley).amax() / 2


@pytest.mark.parametrize("share", [1.0, 1.5, -0.1, math.nan])
def test_a_correction_as_large_as_the_drive_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\)"):
        ArrivingWalk(Gaussian(), share=share)


def test_a_walker_that_overshoots_ever_further_is_given_up_where_it_last_was() -> None:
    # z <- z - 0.05 z / 0.01^2 + ...: each step is 500 times the distance from the energy's centre
    z_a, z_b = points(5, 2, seed=1), points(5, 2, seed=2)
    path = GuidedExploration(Gaussian(0.01), nodes=9)(z_a, z_b)
    assert not path.arrived.any()
    assert path.stats["lost"] == 5
    assert path.nodes.isfinite().all()
    assert ((path.nodes - z_b[:, None]).norm(dim=2) <= 100 * (z_b - z_a).norm(dim=1)[:, None]).all()
    assert GuidedExploration(Gaussian(2.0), nodes=9)(z_a, z_b).stats["lost"] == 0
