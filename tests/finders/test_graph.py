"""Shortest paths on graphs small enough to try all ways, and references that lie on an arc or in two parts."""

from itertools import pairwise, permutations

import pytest
import torch
from torch import Tensor

from problems import points, rows
from ridgewalk.finders import GraphPath
from ridgewalk.path import Path

ARC = torch.linspace(0, torch.pi, 61, dtype=torch.float64)
HALF_CIRCLE = torch.stack([ARC.cos(), ARC.sin()], dim=1)


def two_clusters(n: int = 15) -> Tensor:
    return torch.cat([0.3 * points(n, 2), 0.3 * points(n, 2, seed=1) + torch.tensor([10.0, 0.0])])


def brute_force(references: Tensor, z_a: Tensor, z_b: Tensor, k: int, power: float) -> tuple[list[int], float]:
    """The cheapest chain of references over all of them: every order of every subset, ends joined to their k nearest."""
    m = len(references)
    apart = torch.cdist(references, references).fill_diagonal_(torch.inf)
    linked = torch.zeros(m, m, dtype=torch.bool).scatter(1, apart.topk(k, largest=False).indices, True)
    linked |= linked.T.clone()
    from_a, to_b = ((references - z).norm(dim=1) for z in (z_a, z_b))
    near_a, near_b = (set(r.topk(k, largest=False).indices.tolist()) for r in (from_a, to_b))
    best, cost = [], float("inf")
    for size in range(1, m + 1):
        for chain in permutations(range(m), size):
            if chain[0] not in near_a or chain[-1] not in near_b or not all(linked[i, j] for i, j in pairwise(chain)):
                continue
            lengths = [from_a[chain[0]], *(apart[i, j] for i, j in pairwise(chain)), to_b[chain[-1]]]
            total = float(sum(r**power for r in lengths))
            if total < cost:
                best, cost = list(chain), total
    return best, cost


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_path_is_the_cheapest_of_all(seed: int, power: float) -> None:
    references = points(7, 2, seed=seed)
    z_a, z_b = rows((-2, -1)), rows((2, 1))
    chain, cost = brute_force(references, z_a[0], z_b[0], 3, power)
    assert cost < float("inf")
    line = Path(torch.cat([z_a, references[chain], z_b])[None], torch.tensor([True]))
    path = GraphPath(references, neighbours=3, power=power, nodes=40)(z_a, z_b)
    torch.testing.assert_close(path.nodes, line.resample(40).nodes, rtol=0, atol=1e-12)


def test_higher_powers_follow_the_dense_arc_where_one_cuts_across() -> None:
    z_a, z_b = rows((1.01, 0)), rows((-1.01, 0))
    # every reference is a neighbour of every other: only the cost keeps the path on the arc
    cut, arc = (GraphPath(HALF_CIRCLE, neighbours=60, power=p)(z_a, z_b) for p in (1.0, 2.0))
    assert cut.nodes[0].norm(dim=1).min() < 0.05
    assert arc.nodes[0].norm(dim=1).min() > 0.995
    # half a circle between equal arc lengths
    angles = torch.atan2(arc.nodes[0, :, 1], arc.nodes[0, :, 0])
    torch.testing.assert_close(angles, torch.linspace(0, torch.pi, 33, dtype=torch.float64), rtol=0, atol=0.02)


def test_no_path_runs_through_the_ends_of_another_pair() -> None:
    references = rows((0, 0), (4, 0), (2, 3))
    z_a, z_b = rows((-1, 0), (2, 0.2)), rows((5, 0), (2, -0.2))  # the second pair's would halve the long link
    finder = GraphPath(references, neighbours=2, power=2.0)
    together = finder(z_a, z_b)
    assert torch.equal(together.nodes[0, :, 1], torch.zeros(33, dtype=torch.float64))
    for i in range(2):
        assert torch.equal(finder(z_a[i : i + 1], z_b[i : i + 1]).nodes[0], together.nodes[i])


def test_ends_in_parts_that_are_not_connected_are_refused_without_a_bridge() -> None:
    z_a, z_b = rows((0, 0), (0, 0)), rows((0.5, 0), (10, 0))
    with pytest.raises(
        ValueError, match=r"pair 1 lie in parts of the 4-nearest-neighbour graph .* \(it has 2 components\)"
    ):
        GraphPath(two_clusters(), neighbours=4)(z_a, z_b)


def test_bridges_join_the_parts_by_their_closest_points_and_mark_the_paths_that_use_them() -> None:
    references = two_clusters()
    z_a, z_b = rows((0, 0), (0, 0)), rows((0.5, 0), (10, 0))
    path = GraphPath(references, neighbours=4, bridge=True, nodes=500)(z_a, z_b)
    assert path.traces["bridged"].tolist() == [[0.0] * 500, [1.0] * 500]
    assert path.stats["bridged"] == 1
    assert path.stats["components"] == 2
    apart = torch.cdist(references[:15], references[15:])
    i, j = divmod(int(apart.argmin()), 15)
    for point in (references[i], references[15 + j]):
        assert (path.nodes[1] - point).norm(dim=1).min() < 0.02  # nodes are 0.02 apart
    crossing = (path.nodes[1, :, 0] > 2) & (path.nodes[1, :, 0] < 8)
    way = references[15 + j] - references[i]
    off = path.nodes[1, crossing] - references[i]
    assert (off - (off @ way / way.dot(way))[:, None] * way).norm(dim=1).max() < 1e-12


def test_three_parts_are_joined_into_one() -> None:
    references = torch.cat([two_clusters(), 0.3 * points(15, 2, seed=2) + torch.tensor([20.0, 0.0])])
    path = GraphPath(references, neighbours=4, bridge=True)(rows((0, 0)), rows((20, 0)))
    assert path.stats["components"] == 3
    middle = path.nodes[0, (path.nodes[0, :, 0] - 10).abs().argmin()]
    assert (middle - rows((10, 0))[0]).norm() < 1.5  # through the part between, not past it


def test_bridging_changes_nothing_where_the_graph_is_whole() -> None:
    z_a, z_b = rows((1, 0)), rows((-1, 0))
    plain, bridged = (GraphPath(HALF_CIRCLE, neighbours=5, bridge=b)(z_a, z_b) for b in (False, True))
    assert torch.equal(plain.nodes, bridged.nodes)
    assert bridged.traces["bridged"].max() == 0


def test_ends_on_references_and_references_that_repeat_cost_nothing() -> None:
    references = HALF_CIRCLE.repeat(3, 1)
    z_a, z_b = HALF_CIRCLE[:1], HALF_CIRCLE[-1:]
    path = GraphPath(references, neighbours=8, power=2.0)(z_a, z_b)
    once = GraphPath(HALF_CIRCLE, neighbours=4, power=2.0)(z_a, z_b)
    torch.testing.assert_close(path.nodes, once.nodes, rtol=0, atol=1e-12)


def test_spatial_references_are_flat_ones() -> None:
    references, z_a, z_b = points(40, 2, 3, 4), points(5, 2, 3, 4, seed=1), points(5, 2, 3, 4, seed=2)
    kept = references.clone()
    spatial = GraphPath(references, neighbours=6)(z_a, z_b).nodes
    flat = GraphPath(references.flatten(1), neighbours=6)(z_a.flatten(1), z_b.flatten(1)).nodes
    torch.testing.assert_close(spatial.flatten(2), flat, rtol=0, atol=1e-14)
    assert torch.equal(references, kept)


def test_what_makes_no_graph_is_refused() -> None:
    with pytest.raises(ValueError, match="below the number of references; got 61 of 61"):
        GraphPath(HALF_CIRCLE, neighbours=61)
    with pytest.raises(ValueError, match="at least 1"):
        GraphPath(HALF_CIRCLE, neighbours=0)
    with pytest.raises(ValueError, match="power must be positive"):
        GraphPath(HALF_CIRCLE, power=0.0)
    with pytest.raises(ValueError, match="must be finite"):
        GraphPath(torch.full((20, 2), torch.nan))
    with pytest.raises(ValueError, match=r"shaped as the references, \(b, \*\(2,\)\); got \(4, 3\)"):
        GraphPath(HALF_CIRCLE)(points(4, 3), points(4, 3, seed=1))
