"""Ends that a score chooses, and what is measured of walks between them."""

from pathlib import Path

import pytest
import torch

import ridgewalk
from ridgewalk.path import Path as Curve
from ridgewalk_studies import endpoints
from ridgewalk_studies.sensors import walks


def test_kinds_of_ends_are_the_scores_extremes() -> None:
    found = torch.linspace(0.1, 0.95, 400)[torch.randperm(400, generator=torch.Generator().manual_seed(0))]
    high, low = found[endpoints.of_kind(found, "high")], found[endpoints.of_kind(found, "low")]
    outlier, typical = found[endpoints.of_kind(found, "outlier")], found[endpoints.of_kind(found, "typical")]
    assert len(high) == 20
    assert high.min() > found.sort().values[379]
    assert low.max() < found.sort().values[20]
    assert (outlier - 0.5).abs().min() > (typical - 0.5).abs().max()
    assert (typical - 0.5).abs().max() < 0.03


def test_pairs_join_different_classes_once_and_by_their_place_in_the_test_part(smoke: Path) -> None:
    run = ridgewalk.load(smoke)
    found = endpoints.scores(run)
    drawn = endpoints.pairs(run, found, "high", 20, 0)
    again = endpoints.pairs(run, found, "high", 20, 0)
    assert torch.equal(drawn.index_a, again.index_a)
    assert bool((drawn.labels_a != drawn.labels_b).all())
    seen = {frozenset(p) for p in zip(drawn.index_a.tolist(), drawn.index_b.tolist())}
    assert len(seen) == len(drawn)
    assert torch.equal(run.data.test.take(drawn.index_a).floats(), drawn.x_a)
    scored = run.sensors["matcher"](run.encode(drawn.x_a)).sigmoid()
    assert scored.min() >= found.sort().values[-endpoints.LEAST] - 1e-6


def test_the_distance_from_the_line_is_its_closed_form() -> None:
    a, b = torch.tensor([[0.0, 0.0]]), torch.tensor([[4.0, 0.0]])
    nodes = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [2.0, -3.0], [4.0, 0.0]]])
    assert walks.off_line(Curve(nodes, torch.tensor([True])), a, b).tolist() == pytest.approx([0.75])


def test_the_shape_of_scores_counts_peaks() -> None:
    g = torch.Generator().manual_seed(0)
    bell = torch.randn(5000, generator=g).mul(0.4).sigmoid()
    both = torch.cat([torch.randn(2500, generator=g) * 0.4 - 2.5, torch.randn(2500, generator=g) * 0.4 + 2.5]).sigmoid()
    assert walks.shape_of(bell)["peaks"] == 1
    assert walks.shape_of(both)["peaks"] == 2
    constant = walks.shape_of(torch.full((1000,), 0.5))
    assert constant["near_half"] == 1
    assert constant["median"] == 0.5
