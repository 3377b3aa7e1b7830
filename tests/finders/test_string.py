"""The string method on surfaces whose minimum-energy paths are known: Mueller and Brown's, a ring, a bowl."""

import math

import pytest
import torch

from problems import Gaussian, MuellerBrown, Ring, points, rows
from ridgewalk.fields import normal_part, row_norm, score
from ridgewalk.finders import GraphPath, Lerp, ScoreGuidedWalk, Slerp, StringMethod
from ridgewalk.path import Path

SURFACE = MuellerBrown()


@pytest.fixture(scope="module")
def pass_over_the_mountains() -> Path:
    """From the deepest minimum to the one at the right, over both saddles."""
    finder = StringMethod(SURFACE, nodes=41, iterations=1500, step=2e-4, smoothing=0.0)
    return finder(rows(SURFACE.minima[0]), rows(SURFACE.minima[2]))


def refined(path: Path) -> torch.Tensor:
    """The curve's points and their energies, 50 a segment: (m, 2), (m,)."""
    return path.resample(50 * (path.nodes.shape[1] - 1) + 1).nodes[0]


def test_the_highest_point_is_the_known_saddle(pass_over_the_mountains: Path) -> None:
    curve = refined(pass_over_the_mountains)
    highest = curve[SURFACE(curve).argmax()]
    # nodes are 0.06 apart: the chord's sagitta at the saddle's bend is about 0.06^2 / 8 x curvature 10, and along the ridge flat
    assert (highest - rows(SURFACE.saddles[0])[0]).norm() < 0.02
    assert SURFACE(highest[None]).item() == pytest.approx(-40.665, abs=0.2)


def test_the_string_passes_the_other_saddle_and_the_minimum_between(pass_over_the_mountains: Path) -> None:
    curve = refined(pass_over_the_mountains)
    for place in (SURFACE.saddles[1], SURFACE.minima[1]):
        assert (curve - rows(place)).norm(dim=1).min() < 0.02
    energy = SURFACE(curve)
    peaks = (energy[1:-1] > energy[:-2]) & (energy[1:-1] > energy[2:])
    heights = energy[1:-1][peaks]
    assert heights[heights > -80].sort().values.tolist() == pytest.approx([-72.249, -40.665], abs=0.3)


def test_the_gradient_is_along_the_curve(pass_over_the_mountains: Path) -> None:
    nodes = pass_over_the_mountains.nodes[0]
    tangent, force = nodes[2:] - nodes[:-2], score(SURFACE, nodes[1:-1])
    straight = Lerp(41)(nodes[:1], nodes[-1:]).nodes[0]
    before = row_norm(normal_part(score(SURFACE, straight[1:-1]), straight[2:] - straight[:-2])).mean()
    after = row_norm(normal_part(force, tangent)).mean()
    assert after < 5 < before / 20  # what remains is the central difference's error of the tangent


def test_nodes_are_at_equal_distances(pass_over_the_mountains: Path) -> None:
    steps = pass_over_the_mountains.nodes[0].diff(dim=0).norm(dim=1)
    assert steps.max() / steps.min() < 1.02  # equal along the curve before it was cut into 41 chords
    assert pass_over_the_mountains.stats["moved"] < 1e-3


def test_the_straight_line_is_higher(pass_over_the_mountains: Path) -> None:
    line = Lerp(41)(rows(SURFACE.minima[0]), rows(SURFACE.minima[2]))
    assert line.map(SURFACE).amax() > pass_over_the_mountains.traces["energy"].amax() + 20


def test_a_ring_gives_its_arc_with_equal_angles() -> None:
    angle = 2.5
    z_a, z_b = rows((1, 0)), rows((math.cos(angle), math.sin(angle)))
    path = StringMethod(Ring(), nodes=21, iterations=1500, step=0.05, smoothing=0.0)(z_a, z_b)
    torch.testing.assert_close(
        path.nodes[0].norm(dim=1), torch.ones(21, dtype=torch.float64), rtol=0, atol=5e-3
    )  # sagitta
    angles = torch.atan2(path.nodes[0, :, 1], path.nodes[0, :, 0])
    torch.testing.assert_close(angles, torch.linspace(0, angle, 21, dtype=torch.float64), rtol=0, atol=5e-3)
    torch.testing.assert_close(path.nodes, Slerp(21)(z_a, z_b).nodes, rtol=0, atol=5e-3)


def test_smoothing_is_tension_and_cuts_the_corner() -> None:
    z_a, z_b = rows((1, 0)), rows((0, 1))
    depth = [
        StringMethod(Ring(), nodes=17, iterations=800, step=0.05, smoothing=s)(z_a, z_b)
        .nodes[0]
        .norm(dim=1)
        .min()
        .item()
        for s in (0.0, 0.2, 0.6)
    ]
    assert depth[0] > 0.995
    assert depth[0] > depth[1] > depth[2] > 2**-0.5


def test_the_start_decides_which_way_round_the_string_goes() -> None:
    around = torch.linspace(0, -2 * math.pi + 1, 200, dtype=torch.float64)
    start = GraphPath(torch.stack([around.cos(), around.sin()], 1), neighbours=2)
    z_a, z_b = rows((1, 0)), rows((math.cos(1), math.sin(1)))
    relax = {"nodes": 41, "iterations": 300, "step": 0.05, "smoothing": 0.0}
    long, short = (StringMethod(Ring(), start=s, **relax)(z_a, z_b) for s in (start, Lerp()))
    lengths = [p.nodes.diff(dim=1).norm(dim=2).sum().item() for p in (long, short)]
    assert lengths == pytest.approx([2 * math.pi - 1, 1], rel=0.01)
    assert long.nodes[0, 20, 0] < -0.8


def test_no_iterations_return_the_start_at_equal_arc_length() -> None:
    z_a, z_b = points(3, 4), points(3, 4, seed=1)
    path = StringMethod(Gaussian(), nodes=9, iterations=0)(z_a, z_b)
    torch.testing.assert_close(path.nodes, Lerp(9)(z_a, z_b).nodes, rtol=0, atol=1e-14)
    assert path.stats["nfe"] == 27


def test_one_move_is_the_formula() -> None:
    z_a, z_b, h, s = rows((0, 0)), rows((4, 0)), 0.05, 0.25
    slope = rows((0, 1))[0]
    path = StringMethod(lambda z: z @ slope, nodes=5, iterations=1, step=h, smoothing=s)(z_a, z_b)
    # down by h; then the first and last inner node are drawn to their unmoved neighbours by s h / 2
    moved = rows((0, 0), (1, -h + s * h / 2), (2, -h), (3, -h + s * h / 2), (4, 0))
    expected = Path(moved[None], torch.tensor([True])).resample(5).nodes
    torch.testing.assert_close(path.nodes, expected, rtol=0, atol=1e-14)


def test_moves_are_capped_at_a_share_of_the_spacing() -> None:
    z_a, z_b = rows((0, 0)), rows((4, 0))
    path = StringMethod(lambda z: 1e9 * z[:, 1], nodes=5, iterations=1, cap=0.5, smoothing=0.0)(z_a, z_b)
    assert path.nodes[0, 2].tolist() == pytest.approx([2, -0.5], abs=1e-12)
    steep = StringMethod(Ring(1e6), nodes=17, iterations=100)(rows((1, 0)), rows((0, 1)))
    assert steep.nodes.isfinite().all()
    assert steep.nodes.norm(dim=2).max() < 1.2


def test_gradients_that_are_not_finite_count_as_none() -> None:
    def cliff(z: torch.Tensor) -> torch.Tensor:
        return 5 * z[:, 1] + torch.sqrt(0 * z[:, 0])  # finite, its slope along x inf x 0

    assert score(cliff, rows((1, 0))).isnan().tolist() == [[True, False]]
    path = StringMethod(cliff, nodes=17, smoothing=0.2)(rows((0.6, 0)), rows((2, 0)))
    assert path.nodes.isfinite().all()
    assert path.nodes[0, :, 1].min() < -0.1  # it still goes down where there is a slope
    assert path.stats["nonfinite"] == 15 * 150  # every inner node, every move


def test_evaluations_whose_gradient_is_not_finite_are_counted_once_each() -> None:
    def cliff(z: torch.Tensor) -> torch.Tensor:
        return torch.sqrt((z[:, 0] < 0.6) * (0.6 - z[:, 0] + 0 * z[:, 1]))  # its slope is nan beyond 0.6

    def flat(z: torch.Tensor) -> torch.Tensor:
        return 0 * z[:, 0]

    z_a, z_b = rows((0, 0), (-1, 0)), rows((1, 0), (0, 0))
    assert score(cliff, rows((0.7, 0), (0.5, 0))).isfinite().tolist() == [[False, False], [True, True]]
    settings = {"nodes": 5, "iterations": 3, "smoothing": 0.0}
    assert StringMethod(cliff, **settings)(z_a, z_b).stats["nonfinite"] == 3  # the node at 0.75
    assert StringMethod(flat, **settings)(z_a, z_b).stats["nonfinite"] == 0


def test_an_energy_that_is_nan_stops_the_search_and_names_the_pair() -> None:
    with pytest.raises(FloatingPointError, match="on the path of pair 1"):
        StringMethod(lambda z: torch.sqrt(1.5 - z[:, 0]))(rows((0, 0), (0.6, 0)), rows((1, 0), (2, 0)))


def test_spacing_places_the_nodes_at_equal_distances_of_a_map() -> None:
    def decode(z: torch.Tensor) -> torch.Tensor:
        return torch.cat([z, z[:, :1] ** 3], dim=1)

    path = StringMethod(Gaussian(1e6), nodes=201, iterations=2, spacing=decode)(rows((-2, 0)), rows((2, 0)))
    steps = path.map(decode).diff(dim=1).norm(dim=2)
    plain = Lerp(201)(rows((-2, 0)), rows((2, 0))).map(decode).diff(dim=1).norm(dim=2)
    assert plain.max() / plain.min() > 5
    assert steps.max() / steps.min() < 1.2  # linear between nodes of the relaxed curve
    assert torch.equal(path.traces["energy"], path.map(Gaussian(1e6)))


def test_pairs_relax_each_on_its_own_spacing() -> None:
    z_a, z_b = rows((1, 0), (100, 0)), rows((0, 1), (0, 100))
    finder = StringMethod(Ring(), nodes=9, iterations=30)
    together = finder(z_a, z_b).nodes
    for i in range(2):
        torch.testing.assert_close(finder(z_a[i : i + 1], z_b[i : i + 1]).nodes[0], together[i], rtol=1e-12, atol=1e-12)


def test_a_start_that_did_not_arrive_is_refused() -> None:
    stalling = ScoreGuidedWalk(Gaussian(), beta=1.0, clamp=5.0, max_steps=20)
    with pytest.raises(ValueError, match="2 of its start's did not arrive"):
        StringMethod(Gaussian(), start=stalling)(rows((-2, 0), (-3, 0)), rows((2, 0), (3, 0)))


@pytest.mark.parametrize(
    "settings", [{"iterations": -1}, {"step": 0.0}, {"cap": 0.0}, {"smoothing": 1.0}, {"smoothing": -0.1}]
)
def test_settings_that_make_no_string_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a string needs"):
        StringMethod(Gaussian(), **settings)


def test_an_energy_that_is_infinite_everywhere_is_said() -> None:
    with pytest.warns(UserWarning, match="no finite value and gradient at any of the 124 places"):
        StringMethod(lambda z: z.sum(1) * torch.inf, iterations=4)(rows((0.5, 0)), rows((2, 0)))
