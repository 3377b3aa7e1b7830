"""Distances to the true path against closed forms."""

import math

import pytest
import torch
from torch import Tensor

from ridgewalk.metrics.truth import coverage, departure, distances_to_curve, frechet, hausdorff


def curve(*points: tuple[float, float]) -> Tensor:
    return torch.tensor([points], dtype=torch.float64)


LINE = curve((0, 0), (4, 0))


def test_a_path_on_the_true_one_has_no_distance_however_its_frames_are_spaced() -> None:
    path = curve((0, 0), (0.1, 0), (0.2, 0), (4, 0))
    for measure in (departure, coverage, hausdorff):
        assert float(measure(path, LINE)) == pytest.approx(0, abs=1e-7)
    assert float(frechet(LINE, LINE)) == 0


def test_a_parallel_path_is_away_by_its_offset() -> None:
    path = curve((0, 3), (2, 3), (4, 3))
    assert float(departure(path, LINE)) == pytest.approx(3)
    assert float(coverage(path, LINE)) == pytest.approx(3)
    assert float(hausdorff(path, LINE)) == pytest.approx(3 / 4)
    assert float(frechet(path, LINE)) == pytest.approx(math.hypot(2, 3) / 4)  # the middle is matched with an end


def test_a_tent_is_away_by_its_mean_height() -> None:
    path = curve((0, 0), (2, 2), (4, 0))  # the distance is linear along both halves
    assert float(departure(path, LINE)) == pytest.approx(1)
    fine = torch.linspace(0, 4, 401, dtype=torch.float64)
    dense = torch.stack([fine, torch.zeros_like(fine)], dim=1)[None]
    assert float(coverage(path, dense)) == pytest.approx(1 / math.sqrt(2), rel=1e-4)  # mean of min(x, 4 - x) / sqrt 2


def test_what_a_path_leaves_out_is_its_coverage() -> None:
    truth = curve((0, 0), (0, 2), (0, 4), (0, 2), (0, 0), (1, 0))  # up, back, and a step aside
    short = curve((0, 0), (1, 0))
    assert float(departure(short, truth)) == pytest.approx(0, abs=1e-7)
    assert float(coverage(short, truth)) == pytest.approx(
        16 / 9
    )  # heights 0, 2, 4, 2, 0 over 8 of 9, and 0 over the rest


def test_crowded_frames_count_no_more_than_others() -> None:
    once, often = curve((0, 0), (2, 2), (4, 0)), curve((0, 0), *[(2, 2)] * 50, (4, 0))
    assert float(hausdorff(often, LINE)) == pytest.approx(float(hausdorff(once, LINE)))


def test_the_order_of_frames_is_seen_by_frechet_alone() -> None:
    truth = curve((0, 0), (1, 0), (2, 0), (3, 0))
    back = curve((0, 0), (2, 0), (1, 0), (3, 0))
    assert float(hausdorff(back, truth)) == pytest.approx(0, abs=1e-7)
    assert float(frechet(back, truth)) == pytest.approx(1 / 3)
    assert float(frechet(truth, truth)) == 0


def test_the_nearest_point_of_a_segment_is_its_foot_or_its_end() -> None:
    points, way = curve((-3, 4), (1, 5), (9, 0)), curve((0, 0), (0, 0), (4, 0))  # one segment has no length
    assert distances_to_curve(points, way)[0].tolist() == pytest.approx([5, 5, 5])


def test_images_are_measured_over_all_pixels_pair_by_pair() -> None:
    g = torch.Generator().manual_seed(0)
    path, truth = torch.rand(3, 5, 2, 4, 4, generator=g), torch.rand(3, 7, 2, 4, 4, generator=g)
    for measure in (departure, coverage, hausdorff, frechet):
        found = measure(path, truth)
        assert found.shape == (3,)
        assert torch.allclose(found[1:2], measure(path[1:2], truth[1:2]))
    assert torch.allclose(hausdorff(2 * path, 2 * truth), hausdorff(path, truth))


def test_curves_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="of the same pairs and images"):
        hausdorff(LINE, torch.zeros(1, 3, 3))
    with pytest.raises(ValueError, match="at least 2 frames"):
        departure(LINE[:, :1], LINE)
    with pytest.raises(ValueError, match="pair 0 ends where it begins"):
        frechet(LINE, curve((1, 1), (1, 1)))
