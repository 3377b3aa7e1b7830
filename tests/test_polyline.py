"""Lengths along polylines, and the points at given lengths."""

import pytest
import torch

from problems import points, rows
from ridgewalk import polyline

CORNER = rows((0, 0), (3, 0), (3, 4))[None]


def test_lengths_by_hand() -> None:
    assert polyline.segments(CORNER).tolist() == [[3, 4]]
    assert polyline.cumulative(polyline.segments(CORNER)).tolist() == [[0, 3, 7]]


def test_segments_of_spatial_nodes_run_over_all_their_values() -> None:
    nodes = torch.stack([torch.zeros(2, 3, 3), torch.ones(2, 3, 3)])[None].double()
    assert polyline.segments(nodes).item() == pytest.approx(18**0.5, rel=1e-15)


def test_a_mean_along_a_polyline_is_exact_for_what_is_linear_and_does_not_depend_on_where_its_nodes_are() -> None:
    even = torch.linspace(0, 1, 9, dtype=torch.float64)[None, :, None]
    crowded = even**3
    for nodes in (even, crowded):
        lengths = polyline.segments(nodes)
        assert polyline.mean_along(nodes[..., 0], lengths).item() == pytest.approx(0.5, rel=1e-14)
        square = polyline.mean_along(nodes[..., 0] ** 2, lengths).item()
        assert square == pytest.approx(1 / 3, abs=0.02)  # trapezoids; the mean over the nodes at cubes is 0.2
    assert polyline.mean_along(rows((1, 3, 8)), polyline.segments(CORNER)).item() == pytest.approx(
        (3 * 2 + 4 * 5.5) / 7
    )


def test_a_mean_along_no_length_counts_all_segments_alike_and_has_a_gradient() -> None:
    lengths = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    found = polyline.mean_along(rows((1, 3, 8)), lengths)
    found.sum().backward()
    assert found.item() == pytest.approx((2 + 5.5) / 2)
    assert lengths.grad is not None
    assert lengths.grad.isfinite().all()
    assert (
        polyline.mean_along(rows((1, torch.inf, 8)), torch.zeros(1, 2).double()).item() == torch.inf
    )  # never 0 times infinity


def test_points_at_given_lengths_are_linear_between_nodes_and_held_at_the_ends() -> None:
    arc = polyline.cumulative(polyline.segments(CORNER))
    positions = torch.tensor([[-1.0, 0.0, 1.5, 3.0, 5.0, 7.0, 9.0]], dtype=torch.float64)
    expected = [[0, 0], [0, 0], [1.5, 0], [3, 0], [3, 2], [3, 4], [3, 4]]
    assert polyline.at(CORNER, arc, positions)[0].tolist() == expected


def test_the_ends_come_back_bit_for_bit() -> None:
    nodes = points(40, 6, 3) / 3
    arc = polyline.cumulative(polyline.segments(nodes))
    ends = polyline.at(nodes, arc, arc[:, [0, -1]])
    assert torch.equal(ends, nodes[:, [0, -1]])


def test_equal_steps_of_the_nodes_own_arc() -> None:
    spaced = polyline.equally_spaced(CORNER, 8)
    assert polyline.segments(spaced).tolist() == [[1.0] * 7]
    assert torch.equal(spaced[:, 3], CORNER[:, 1])


def test_repeated_nodes_add_no_length() -> None:
    resting = torch.cat([CORNER[:, :1], CORNER[:, :2], CORNER[:, 1:], CORNER[:, -1:]], dim=1)
    torch.testing.assert_close(
        polyline.equally_spaced(resting, 8), polyline.equally_spaced(CORNER, 8), rtol=0, atol=1e-15
    )


def test_a_polyline_of_no_length_stays_where_it_is() -> None:
    nodes = points(2, 1, 3).expand(2, 5, 3)
    assert torch.equal(polyline.equally_spaced(nodes, 4), nodes[:, :4])


def test_rows_have_their_own_arcs() -> None:
    nodes = points(5, 7, 3)
    together = polyline.equally_spaced(nodes, 9)
    for i in range(5):
        torch.testing.assert_close(polyline.equally_spaced(nodes[i : i + 1], 9)[0], together[i], rtol=1e-14, atol=1e-14)
