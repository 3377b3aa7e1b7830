"""Planes: projection and its inverse, the constructors against what defines them, and what spans no plane."""

import pytest
import torch

from problems import points, rows
from ridgewalk.geometry import Plane

PLANES = pytest.mark.parametrize(
    "plane",
    [Plane.through(*points(3, 5)), Plane.principal(points(40, 5))],
    ids=["through", "principal"],
)


@PLANES
def test_points_of_the_plane_have_the_coordinates_that_made_them(plane: Plane) -> None:
    uv = points(20, 2, seed=1)
    assert torch.allclose(plane.coordinates(plane.points(uv)), uv, atol=1e-12)
    assert torch.allclose(plane.distance(plane.points(uv)), torch.zeros(20, dtype=torch.float64), atol=1e-12)


@PLANES
def test_a_projection_is_the_nearest_point_of_the_plane(plane: Plane) -> None:
    z = points(20, 5, seed=2)
    foot = plane.points(plane.coordinates(z))
    assert torch.allclose((z - foot) @ plane.axes.T, torch.zeros(20, 2, dtype=torch.float64), atol=1e-12)
    elsewhere = plane.points(plane.coordinates(z) + points(20, 2, seed=3))
    assert ((z - foot).norm(dim=1) < (z - elsewhere).norm(dim=1)).all()
    assert torch.allclose(plane.distance(z), (z - foot).norm(dim=1))


def test_a_plane_through_three_points_has_them_at_origin_axis_and_side() -> None:
    a, b, c = points(3, 6)
    plane = Plane.through(a, b, c)
    uv = plane.coordinates(torch.stack([a, b, c]))
    assert torch.allclose(plane.distance(torch.stack([a, b, c])), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(uv[0], torch.zeros(2, dtype=torch.float64), atol=1e-12)
    assert uv[1].tolist() == pytest.approx([float((b - a).norm()), 0], abs=1e-12)
    assert uv[2, 1] > 0
    assert float((uv[2] - uv[1]).norm()) == pytest.approx(float((c - b).norm()))


def test_the_principal_plane_is_that_of_greatest_variance() -> None:
    scales = torch.tensor([0.1, 3.0, 0.2, 2.0], dtype=torch.float64)
    codes = points(4000, 4) * scales + 5
    plane = Plane.principal(codes)
    # 4000 draws: directions are off by some ratio of scales over sqrt(4000)
    assert torch.allclose(plane.axes, rows((0, 1, 0, 0), (0, 0, 0, 1)), atol=0.05)
    assert plane.share(codes) == pytest.approx(13 / 13.05, abs=2e-3)
    for seed in range(5):
        assert Plane.through(*points(3, 4, seed=seed)).share(codes) < plane.share(codes)
    again = Plane.principal(codes.flip(0))
    assert torch.allclose(again.axes, plane.axes)


def test_the_whole_of_two_dimensions_is_its_own_plane() -> None:
    z = points(9, 2, dtype=torch.float32)
    plane = Plane.whole()
    assert torch.equal(plane.coordinates(z), z)
    assert torch.equal(plane.points(z), z)
    assert plane.share(z) == 1


def test_dtype_follows_the_input_and_nothing_is_modified() -> None:
    plane, z = Plane.through(*points(3, 4)), points(5, 4, dtype=torch.float32)
    kept = z.clone()
    assert plane.coordinates(z).dtype == plane.points(z[:, :2]).dtype == plane.distance(z).dtype == torch.float32
    assert torch.equal(z, kept)


def test_what_spans_no_plane_is_refused() -> None:
    a, b, _ = points(3, 4)
    for c in (a, b, (a + b) / 2, a + 1e-14 * points(1, 4, seed=5)[0]):
        with pytest.raises(ValueError, match="on one line"):
            Plane.through(a, b, c)
    with pytest.raises(ValueError, match="on one line"):
        Plane.through(a, a, b)
    with pytest.raises(ValueError, match=r"share shape \(d,\)"):
        Plane.through(a, b, b[:3])
    with pytest.raises(ValueError, match="fewer than two directions"):
        Plane.principal(torch.arange(5.0)[:, None] * torch.ones(3))
    with pytest.raises(ValueError, match="n >= 3"):
        Plane.principal(points(2, 4))
    with pytest.raises(ValueError, match="orthonormal"):
        Plane(torch.zeros(3), torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"axes \(2, d\)"):
        Plane(torch.zeros(3), torch.eye(3))
