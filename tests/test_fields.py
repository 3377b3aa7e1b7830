"""Scores in closed form, sums of fields, and the part normal to a direction."""

import pytest
import torch

from problems import Gaussian, Mixture, MuellerBrown, points, rows
from ridgewalk.fields import add, energy_and_score, normal_part, row_norm, score, unit
from ridgewalk.protocols import Energy


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_the_score_of_a_gaussian(sigma: float) -> None:
    z = points(20, 4)
    torch.testing.assert_close(score(Gaussian(sigma), z), -z / sigma**2, rtol=1e-14, atol=0)


def test_the_score_of_a_mixture_is_the_responsible_means_pull() -> None:
    means, z = rows((-1, 0), (2, 1)), points(30, 2)
    share = torch.softmax(-(z[:, None] - means).square().sum(2) / (2 * 0.7**2), dim=1)
    expected = (share @ means - z) / 0.7**2
    torch.testing.assert_close(score(Mixture(means, 0.7), z), expected, rtol=1e-12, atol=1e-13)


def test_the_mueller_brown_surface_is_flat_at_its_known_points() -> None:
    surface = MuellerBrown()
    flat = score(surface, rows(*surface.minima, *surface.saddles))
    assert row_norm(flat).max() < 2  # three decimals under a curvature of thousands
    assert row_norm(score(surface, rows((0.5, 0.5)))).item() > 50
    # Mueller and Brown's heights
    torch.testing.assert_close(
        surface(rows(*surface.minima, *surface.saddles)),
        torch.tensor([-146.700, -80.768, -108.167, -40.665, -72.249], dtype=torch.float64),
        rtol=0,
        atol=2e-3,
    )


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunks_change_nothing(chunk: int) -> None:
    z, energy = points(7, 2), Mixture(rows((-1, 0), (2, 1)))
    e, s = energy_and_score(energy, z, chunk)
    torch.testing.assert_close(e, energy(z), rtol=1e-14, atol=0)
    torch.testing.assert_close(s, score(energy, z), rtol=1e-14, atol=0)


def test_scores_come_without_a_graph_also_where_gradients_are_off_and_leave_the_input() -> None:
    z = points(5, 3).requires_grad_(True)
    before = z.detach().clone()
    with torch.no_grad():
        e, s = energy_and_score(Gaussian(), z)
    assert not e.requires_grad
    assert not s.requires_grad
    assert z.grad is None
    assert torch.equal(z.detach(), before)
    assert torch.equal(s, -before)


def test_an_energy_that_does_not_depend_on_z_has_no_score() -> None:
    assert torch.equal(score(lambda z: torch.ones(len(z)), points(3, 2)), torch.zeros(3, 2, dtype=torch.float64))


def test_an_energy_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"maps \(n, \*\) to \(n,\); for \(3, 2\) it returned \(3, 1\)"):
        score(lambda z: z.sum(dim=1, keepdim=True), points(3, 2))


def test_add_is_the_sum_at_the_same_point_and_time() -> None:
    x, t = points(4, 3), torch.tensor(0.25, dtype=torch.float64)
    total = add(lambda x, t: x * t, lambda x, t: -3 * x, lambda x, t: torch.ones_like(x))
    torch.testing.assert_close(total(x, t), 1 - 2.75 * x, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("shape", [(50, 3), (50, 2, 3, 4)])
def test_the_normal_part_is_orthogonal_and_the_rest_is_parallel(shape: tuple[int, ...]) -> None:
    v, direction = points(*shape), 5 * points(*shape, seed=1)
    normal = normal_part(v, direction)
    assert (normal * direction).flatten(1).sum(1).abs().max() < 1e-12
    rest = v - normal
    torch.testing.assert_close(normal_part(rest, direction), torch.zeros_like(v), rtol=0, atol=1e-13)
    assert (row_norm(normal) < row_norm(v)).all()


def test_the_normal_part_by_hand_and_where_there_is_no_direction() -> None:
    v = rows((3, 4), (3, 4))
    assert normal_part(v, rows((2, 0), (0, 0))).tolist() == [[0, 4], [3, 4]]


def test_unit_rows() -> None:
    v = rows((3, 4), (0, 0))
    assert unit(v).tolist() == [[0.6, 0.8], [0, 0]]
    assert row_norm(points(2, 3, 4, 5)).shape == (2, 1, 1, 1)


def test_any_callable_is_an_energy() -> None:
    assert isinstance(Gaussian(), Energy)
