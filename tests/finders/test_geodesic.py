"""Geodesics against closed forms: great circles, the Swiss roll, the hyperbolic plane; and the knob of ridge paths."""

import math

import pytest
import torch
from torch import Tensor

from problems import Gaussian, points, rows
from ridgewalk.finders import Geodesic, RidgePath, ScoreGuidedWalk
from ridgewalk.metrics.paths import curve_energy, image_length
from ridgewalk.path import Path


def sphere(z: Tensor) -> Tensor:
    return z / z.norm(dim=1, keepdim=True)


def roll(z: Tensor) -> Tensor:
    """The Swiss roll: (u, v) to (u cos u, v, u sin u)."""
    u, v = z.unbind(dim=1)
    return torch.stack([u * u.cos(), v, u * u.sin()], dim=1)


def along_the_roll(u: Tensor) -> Tensor:
    """Arc length of the spiral, the integral of sqrt(1 + u^2)."""
    return (u * (1 + u**2).sqrt() + u.asinh()) / 2


def solved(finder: Geodesic, z_a: Tensor, z_b: Tensor) -> Path:
    path = finder(z_a, z_b)
    assert path.arrived.all()
    return path


@pytest.mark.parametrize("angle", [0.5, 1.5, 2.8])
def test_geodesics_of_a_sphere_are_great_circles(angle: float) -> None:
    z_a, z_b = rows((1.0, 0.0, 0.0)), rows((math.cos(angle), math.sin(angle), 0.0))
    line = torch.lerp(z_a, z_b, 0.5)
    assert float(line.norm()) < 1
    path = solved(Geodesic(sphere, nodes=33, iterations=200, tolerance=1e-12), z_a, z_b)
    x = path.map(sphere)
    torch.testing.assert_close(image_length(x)[0].item(), 64 * math.sin(angle / 64), rtol=1e-5, atol=0)
    t = torch.linspace(0, angle, 33, dtype=torch.float64)
    torch.testing.assert_close(x[0], torch.stack([t.cos(), t.sin(), torch.zeros_like(t)], dim=1), rtol=0, atol=2e-3)


def test_geodesics_of_the_swiss_roll_are_straight_where_it_is_unrolled() -> None:
    z_a, z_b = rows((2.0, 0.0), (7.0, 1.0)), rows((9.0, 5.0), (4.0, -3.0))
    path = solved(Geodesic(roll, nodes=65, iterations=300, tolerance=1e-12), z_a, z_b)
    s, v = along_the_roll(path.nodes[..., 0]), path.nodes[..., 1]
    share = (s - s[:, :1]) / (s[:, -1:] - s[:, :1])
    torch.testing.assert_close(share, (v - v[:, :1]) / (v[:, -1:] - v[:, :1]), rtol=0, atol=2e-3)
    length = ((s[:, -1] - s[:, 0]) ** 2 + (v[:, -1] - v[:, 0]) ** 2).sqrt()
    torch.testing.assert_close(image_length(path.map(roll)), length, rtol=1e-3, atol=0)
    line = torch.lerp(z_a, z_b, 0.5)
    assert ((along_the_roll(line[:, 0]) - s[:, 0]) / (s[:, -1] - s[:, 0]) - 0.5).abs().min() > 0.05


def test_a_conformal_factor_makes_the_half_plane_hyperbolic() -> None:
    """With w = 1 / y^2 geodesics are circles round points of the axis (Poincare)."""
    z_a, z_b = rows((-1.0, 1.0), (0.0, 1.0)), rows((1.0, 1.0), (2.0, 0.5))
    finder = Geodesic(lambda z: z, lambda z: z[:, 1] ** -2, nodes=129, iterations=400, tolerance=1e-13)
    path = solved(finder, z_a, z_b)
    centre = ((z_b.square().sum(1) - z_a.square().sum(1)) / (2 * (z_b - z_a)[:, 0]))[:, None]
    radius = torch.hypot(path.nodes[..., 0] - centre, path.nodes[..., 1])
    torch.testing.assert_close(radius, radius[:, :1].expand_as(radius), rtol=2e-3, atol=0)
    assert path.stats["nfe"] > 0


def test_no_other_curve_near_a_geodesic_has_less_energy() -> None:
    z_a, z_b = rows((2.0, 0.0)), rows((5.0, 4.0))
    path = Geodesic(roll, nodes=17, iterations=200, tolerance=1e-13)(z_a, z_b)
    best = curve_energy(path.map(roll))
    assert float(best) < float(curve_energy(Geodesic(roll, nodes=17, iterations=0)(z_a, z_b).map(roll)))
    for seed in range(5):
        moved = path.nodes.clone()
        moved[:, 1:-1] += 0.05 * points(1, 15, 2, seed=seed)
        assert float(curve_energy(Path(moved, path.arrived).map(roll))) > float(best)


def test_nodes_lie_at_equal_image_arc_length() -> None:
    path = Geodesic(roll, nodes=33, iterations=50)(rows((2.0, 0.0)), rows((8.0, 3.0)))
    steps = path.map(roll).diff(dim=1).norm(dim=2)
    assert float(steps.max() / steps.min()) < 1.02


def test_a_factor_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive everywhere"):
        Geodesic(roll, lambda z: z[:, 0])(rows((-1.0, 0.0)), rows((1.0, 0.0)))


def balance(length: float, mass: float, straight: float) -> float:
    """
    The realism at which the geodesic of the metric u |dx| is a ridge path: r = 2 L^3 / (C(LERP) int u ds).

    J = L^2 / C(LERP) + r A / L with A = int u ds has dJ = 0 where (2 L^2 / (r C(LERP)) - A / L) dL + dA = 0: along curves of least int (u + a) ds with
    a = 2 L^2 / (r C(LERP)) - A / L, which this r makes 0.
    """
    return 2 * length**3 / (straight * mass)


@pytest.mark.parametrize("height", [1.0, 0.2])
def test_a_ridge_path_is_the_hyperbolic_geodesic_where_its_energy_is_1_over_y(height: float) -> None:
    """
    A circle round the origin, in the plane with u = 1 / y; J is that of the circle to 3e-4 by default, and to 1e-4 with 65 nodes.

    A mean over nodes, which crowd where u is low, gave J greater by up to 4e-3 and 1.8e-3, and radii 3 % too small.
    """
    z_a, z_b = rows((-1.0, height)), rows((1.0, height))
    radius, angle = math.hypot(1, height), math.atan(height)
    length, mass = radius * (math.pi - 2 * angle), -2 * math.log(math.tan(angle / 2))
    r = balance(length, mass, 4.0)
    best = length**2 / 4 + r * mass / length
    u = lambda z: 1 / z[:, 1].clamp_min(1e-3)  # noqa: E731

    def objective(path: Path) -> float:
        fine = path.resample(2001)  # the same polyline, measured finely
        steps, values = fine.nodes.diff(dim=1).norm(dim=2)[0], fine.map(u)[0]
        along = float((steps * (values[1:] + values[:-1]) / 2).sum())
        return float(steps.sum()) ** 2 / 4 + r * along / float(steps.sum())

    quick = RidgePath(u, lambda z: z, r)(z_a, z_b)
    exact = RidgePath(u, lambda z: z, r, 65, coarse=(9, 17, 65), iterations=400, tolerance=1e-13)(z_a, z_b)
    assert objective(quick) == pytest.approx(best, rel=1.1e-3)
    assert objective(exact) == pytest.approx(best, rel=1e-4)
    found = exact.nodes[0].norm(dim=1)
    torch.testing.assert_close(found, torch.full_like(found, radius), rtol=1e-3, atol=0)


def test_a_ridge_path_of_decoded_points_is_straight_in_the_map_whose_scale_is_its_energy() -> None:
    """On the sphere with u = 1 / (1 + x_3), the scale of the stereographic projection from the south pole, under which geodesics are lines."""

    def lift(p: Tensor) -> Tensor:
        square = p.square().sum(dim=1, keepdim=True)
        return torch.cat([2 * p, 1 - square], dim=1) / (1 + square)

    z_a, z_b = lift(rows((-1.2, 0.8))), lift(rows((1.2, 0.8)))
    t = torch.linspace(0, 1, 20_001, dtype=torch.float64)[:, None]
    arc = lift(torch.lerp(rows((-1.2, 0.8)), rows((1.2, 0.8)), t)).diff(dim=0).norm(dim=1).sum()
    straight = 20_000 * sphere(torch.lerp(z_a, z_b, t)).diff(dim=0).square().sum()
    r = balance(float(arc), 2.4, float(straight))  # u ds is the length in the map
    finder = RidgePath(lambda z: 1 / (1 + sphere(z)[:, 2]), sphere, r, 65, (9, 17, 65), iterations=400, tolerance=1e-13)
    x = finder(z_a, z_b).map(sphere)[0]
    height = x[:, 1] / (1 + x[:, 2])
    torch.testing.assert_close(height, torch.full_like(height, 0.8), rtol=0, atol=1e-3)  # over nodes: 0.78


def test_an_end_whose_energy_is_not_finite_leaves_the_search_as_it_is() -> None:
    z_a, z_b = rows((-1.0, 0.2)), rows((1.0, 0.2))
    u = lambda z: 1 / z[:, 1].clamp_min(1e-3)  # noqa: E731
    broken = lambda z: u(z).masked_fill((z == z_a).all(dim=1), torch.inf)  # noqa: E731
    found, expected = (RidgePath(f, lambda z: z, 4.0)(z_a, z_b) for f in (broken, u))
    torch.testing.assert_close(found.nodes, expected.nodes, rtol=0, atol=0.05)
    assert float(found.nodes[0, 8, 1]) > 0.4


def test_without_realism_a_ridge_path_is_the_geodesic_and_with_more_the_energy_falls_and_the_path_grows() -> None:
    z_a, z_b = rows((3.0, -2.0), (3.0, 2.0)), rows((5.0, 2.0), (4.0, -2.0))
    valley = lambda z: (z[:, 0] - 7).square()  # noqa: E731
    make = lambda r: RidgePath(valley, roll, r, 33, iterations=100, tolerance=1e-10)  # noqa: E731
    free = make(0.0)(z_a, z_b)
    geodesic = Geodesic(roll, nodes=33, iterations=200, tolerance=1e-10)(z_a, z_b)
    torch.testing.assert_close(free.nodes, geodesic.nodes, rtol=0, atol=1e-2)
    paths = [make(r)(z_a, z_b) for r in (0.0, 0.1, 1.0)]
    energies = [p.traces["energy"].mean(dim=1) for p in paths]
    lengths = [image_length(p.map(roll)) for p in paths]
    for less, more in ((0, 1), (1, 2)):
        assert (energies[more] < energies[less]).all()
        assert (lengths[more] > lengths[less]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"realism": -1.0}, "realism >= 0"),
        ({"realism": math.inf}, "realism >= 0"),
        ({"coarse": ()}, "at least one search"),
        ({"coarse": (2, 9)}, "at least 3 nodes"),
        ({"iterations": -1}, "iterations >= 0"),
        ({"tolerance": math.nan}, "tolerance >= 0"),
    ],
)
def test_settings_that_make_no_curve_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RidgePath(Gaussian(), roll, **settings)


def test_a_start_that_does_not_arrive_is_refused() -> None:
    start = ScoreGuidedWalk(Gaussian(), max_steps=2)
    with pytest.raises(ValueError, match="did not"):
        Geodesic(roll, start=start)(rows((3.0, 0.0)), rows((9.0, 9.0)))
