"""Clusters whose every figure is known by counting."""

from math import log

import pytest
import torch
from torch import Tensor

from ridgewalk_studies.measures.clustering import (
    Clustering,
    exemplar_names,
    hungarian_names,
    majority_names,
    measure_clusters,
    mistaken,
    normalised_information,
)


def sure(clusters: list[int], k: int, p: float = 0.9) -> Tensor:
    """Rows with p on the point's cluster and the rest spread evenly."""
    q = torch.full((len(clusters), k), (1 - p) / (k - 1), dtype=torch.float64)
    return q.scatter(1, torch.tensor(clusters)[:, None], p)


LABELS = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2])
CLUSTERS = [0, 0, 1, 1, 1, 2, 2, 2]


def measured(q: Tensor, labels: Tensor) -> Clustering:
    """The figures of points that name their own clusters, by which the rules are checked."""
    return measure_clusters(q, labels, (q, labels))


def test_every_figure_by_hand() -> None:
    found = measured(sure(CLUSTERS, 4), LABELS)
    # named by majority: 0 -> 0, 1 -> 1, 2 -> 1: wrong are the third and the last point
    assert found.majority == pytest.approx(2 / 8)
    # the first of equally sure points names its cluster: 0 -> 0, 1 -> 0, 2 -> 1: wrong are two of cluster 1 and the last
    assert found.exemplar == pytest.approx(3 / 8)
    # one to one: 0 -> 0 (2 right), 1 -> 1 (2 right), 2 -> 2 (1 right); 2 -> 1 and 1 -> 0 make no more
    assert found.hungarian == pytest.approx(5 / 8)
    assert (found.clusters, found.used) == (4, 3)


def test_one_stray_names_a_cluster_by_exemplar_and_not_by_majority() -> None:
    q = sure([0] * 9 + [1], 2)
    q[3] = torch.tensor([0.99, 0.01])
    labels = torch.tensor([0, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    assert exemplar_names(q, labels).tolist() == [1, 1]
    assert majority_names(q, labels).tolist() == [0, 1]
    found = measured(q, labels)
    assert found.exemplar == pytest.approx(0.8)
    assert found.majority == pytest.approx(0.1)


def test_a_cluster_without_points_is_named_by_its_mass() -> None:
    q = torch.tensor([[0.6, 0.3, 0.1], [0.6, 0.1, 0.3], [0.1, 0.1, 0.8]], dtype=torch.float64)
    assert majority_names(q, torch.tensor([4, 2, 2])).tolist() == [
        2,
        4,
        2,
    ]  # of cluster 0's points one each: the lowest


def test_clusters_may_be_named_on_other_points() -> None:
    q, labels = sure([0, 1], 2), torch.tensor([5, 7])
    found = measured(q, labels)
    assert (found.exemplar, found.majority, found.hungarian) == (0, 0, 1)
    found = measure_clusters(q, labels, (sure([0, 1], 2), torch.tensor([7, 5])))
    assert (found.exemplar, found.majority, found.hungarian) == (1, 1, 0)
    assert mistaken(q, labels, torch.tensor([5, 5])).tolist() == [False, True]


def test_entropies_at_their_ends() -> None:
    even = measured(torch.full((12, 5), 0.2), torch.arange(12) % 3)
    assert even.entropy == pytest.approx(log(5), rel=1e-6)
    assert even.decided == pytest.approx(log(5), rel=1e-6)
    assert even.used == 1
    hard = measured(sure([0, 1, 2, 3] * 3, 4, 1.0), torch.arange(12) % 4)
    assert hard.entropy == pytest.approx(log(4))
    assert hard.decided == 0
    assert (hard.exemplar, hard.majority, hard.hungarian, hard.nmi) == (0, 0, 1, pytest.approx(1))


def test_the_hungarian_assignment_is_not_the_greedy_one() -> None:
    q, labels = sure([0] * 5 + [1] * 4, 3), torch.tensor([0, 0, 0, 1, 1, 0, 0, 0, 0])
    assert hungarian_names(q, labels).tolist() == [1, 0, -1]  # 0 -> 1 and 1 -> 0, not 0 -> 0; no class is left for 2
    assert measured(q, labels).hungarian == pytest.approx(6 / 9)


def test_mutual_information_by_hand() -> None:
    clusters, labels = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 1, 1])
    assert normalised_information(clusters, labels) == pytest.approx(log(2) / ((1.5 * log(2) + log(2)) / 2))
    assert normalised_information(torch.tensor([0, 1, 0, 1]), labels) == pytest.approx(0, abs=1e-12)


def test_what_is_no_clustering_is_refused() -> None:
    labels = torch.tensor([0, 1])
    for q in (torch.ones(2, 1), torch.ones(2), torch.ones(2, 2, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"\(n, K\) with K >= 2"):
            measured(q, labels)
    for row in ([0.7, 0.7], [1.5, -0.5], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="must be a distribution"):
            measured(torch.tensor([row, row]), labels)
    with pytest.raises(ValueError, match="leave unlabelled points out"):
        measured(sure([0, 1], 2), torch.tensor([0, -1]))
    with pytest.raises(ValueError, match=r"every cluster has one name, \(2,\)"):
        mistaken(sure([0, 1], 2), labels, torch.tensor([0, 1, 1]))
