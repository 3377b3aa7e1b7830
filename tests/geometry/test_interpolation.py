"""Straight lines and great circles: exact ends, equal angles, and the places where a great circle is not defined."""

from collections.abc import Callable
from math import pi

import pytest
import torch
from torch import Tensor

from problems import points, rows
from ridgewalk.geometry import lerp, slerp

Curve = Callable[[Tensor, Tensor, Tensor], Tensor]
TIMES = torch.linspace(0, 1, 9, dtype=torch.float64)
CURVES = pytest.mark.parametrize("curve", [lerp, slerp])


def on_sphere(n: int, d: int, seed: int) -> Tensor:
    z = points(n, d, seed=seed)
    return z / z.norm(dim=1, keepdim=True)


@CURVES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(50, 8), (50, 1), (50, 2, 3, 4)])
def test_the_ends_are_exact_to_the_last_bit(curve: Curve, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    a, b = points(*shape, dtype=dtype) * 1e3, points(*shape, seed=1, dtype=dtype) / 3
    kept = a.clone(), b.clone()
    line = curve(a, b, TIMES.to(dtype))
    assert line.shape == (50, 9, *shape[1:])
    assert line.dtype == dtype
    assert torch.equal(line[:, 0], a)
    assert torch.equal(line[:, -1], b)
    assert torch.equal(a, kept[0])
    assert torch.equal(b, kept[1])


def test_lerp_is_the_formula() -> None:
    a, b = points(6, 3), points(6, 3, seed=1)
    expected = (1 - TIMES)[None, :, None] * a[:, None] + TIMES[None, :, None] * b[:, None]
    torch.testing.assert_close(lerp(a, b, TIMES), expected, rtol=1e-14, atol=1e-15)


def test_slerp_is_shoemakes_formula() -> None:
    a, b = on_sphere(40, 5, 0), on_sphere(40, 5, 1)
    angle = torch.arccos((a * b).sum(1))[:, None, None]
    t = TIMES[None, :, None]
    expected = (torch.sin((1 - t) * angle) * a[:, None] + torch.sin(t * angle) * b[:, None]) / torch.sin(angle)
    torch.testing.assert_close(slerp(a, b, TIMES), expected, rtol=0, atol=1e-13)


def test_slerp_stays_on_the_sphere_with_equal_angles() -> None:
    a, b = on_sphere(40, 5, 0), on_sphere(40, 5, 1)
    arc = slerp(a, b, TIMES)
    torch.testing.assert_close(arc.norm(dim=2), torch.ones(40, 9, dtype=torch.float64), rtol=0, atol=1e-14)
    angles = 2 * torch.arcsin(arc.diff(dim=1).norm(dim=2) / 2)
    torch.testing.assert_close(angles, (torch.arccos((a * b).sum(1)) / 8)[:, None].expand(40, 8), rtol=1e-12, atol=0)


def test_norms_are_interpolated_apart_from_directions() -> None:
    arc = slerp(rows((2, 0)), rows((0, 4)), torch.tensor([0.5], dtype=torch.float64))
    torch.testing.assert_close(arc[0], rows((3 / 2**0.5, 3 / 2**0.5)), rtol=1e-15, atol=0)


def test_collinear_ends_are_joined_by_a_line() -> None:
    a = points(10, 4)
    torch.testing.assert_close(slerp(a, 3 * a, TIMES), lerp(a, 3 * a, TIMES), rtol=1e-14, atol=0)


@pytest.mark.parametrize("angle", [1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
def test_nearly_collinear_ends_keep_their_angle(angle: float) -> None:
    a, b = rows((1, 0)), torch.tensor([[1.0, angle]], dtype=torch.float64)
    halves = slerp(a, b, torch.tensor([0.25, 0.5], dtype=torch.float64))[0]
    # the height at share t of a small angle is t angle; between a line and a circle it differs by the angle cubed
    torch.testing.assert_close(
        halves[:, 1] / angle, torch.tensor([0.25, 0.5], dtype=torch.float64), rtol=angle**2 + 1e-12, atol=0
    )


@pytest.mark.parametrize("turn", [0.0, 1e-12, 1e-9])
def test_antiparallel_ends_go_round_and_not_through_the_origin(turn: float) -> None:
    a = on_sphere(10, 4, 0)
    b = -a + turn * on_sphere(10, 4, 1)
    arc = slerp(a, b, TIMES)
    torch.testing.assert_close(arc.norm(dim=2), torch.ones(10, 9, dtype=torch.float64), rtol=0, atol=2e-9)
    angles = 2 * torch.arcsin(arc.diff(dim=1).norm(dim=2) / 2)
    torch.testing.assert_close(angles, torch.full_like(angles, pi / 8), rtol=0, atol=1e-8)


def test_antiparallel_ends_turn_towards_the_axis_on_which_the_first_is_smallest() -> None:
    middle = slerp(rows((3, 0, 1)), rows((-3, 0, -1)), torch.tensor([0.5], dtype=torch.float64))[0, 0]
    torch.testing.assert_close(middle, torch.tensor([0, 10**0.5, 0], dtype=torch.float64), rtol=0, atol=1e-14)


def test_an_end_at_the_origin_is_reached_by_a_line() -> None:
    a, zero = points(5, 3), torch.zeros(5, 3, dtype=torch.float64)
    for ends in ((a, zero), (zero, a), (zero, zero)):
        assert torch.equal(slerp(*ends, TIMES), lerp(*ends, TIMES))


def test_in_one_dimension_there_are_lines_only() -> None:
    a, b = rows((1.5,), (2,), (-1,)), rows((-0.5,), (3,), (1,))
    assert torch.equal(slerp(a, b, TIMES), lerp(a, b, TIMES))


@CURVES
def test_spatial_latents_are_curves_of_their_flat_values(curve: Curve) -> None:
    a, b = points(6, 2, 3, 4), points(6, 2, 3, 4, seed=1)
    torch.testing.assert_close(
        curve(a, b, TIMES).flatten(2), curve(a.flatten(1), b.flatten(1), TIMES), rtol=1e-14, atol=1e-15
    )


@CURVES
def test_rows_do_not_depend_on_each_other(curve: Curve) -> None:
    a, b = points(6, 3), points(6, 3, seed=1)
    a[2], b[4] = 0, -a[4]
    whole = curve(a, b, TIMES)
    for i in range(6):
        torch.testing.assert_close(curve(a[i : i + 1], b[i : i + 1], TIMES)[0], whole[i], rtol=1e-14, atol=1e-15)
