"""The best of several finders: by energy, by length, and arrived before all."""

import pytest
import torch
from torch import Tensor

from problems import Gaussian, points
from ridgewalk.finders import BestOf, Lerp, ScoreGuidedWalk
from ridgewalk.path import Path


def detour(z_a: Tensor, z_b: Tensor) -> Path:
    """By way of the origin, where a Gaussian's energy is lowest."""
    half = torch.linspace(0, 1, 5, dtype=z_a.dtype)[:, None]
    inwards, outwards = z_a[:, None] * (1 - half), z_b[:, None] * half
    return Path(torch.cat([inwards, outwards[:, 1:]], 1), torch.ones(len(z_a), dtype=torch.bool), stats={"nfe": 7})


def test_each_pair_keeps_the_path_of_lowest_energy_plus_weighted_length() -> None:
    energy, z_a, z_b = Gaussian(1.0), points(20, 2, seed=1), points(20, 2, seed=2)
    straight, bent = Lerp(9)(z_a, z_b), detour(z_a, z_b)

    def cost(path: Path, weight: float) -> Tensor:
        steps, e = (path.nodes[:, 1:] - path.nodes[:, :-1]).norm(dim=2), path.nodes.square().sum(2) / 2
        mean = ((e[:, 1:] + e[:, :-1]) / 2 * steps).sum(1) / steps.sum(1)
        return mean + weight * steps.sum(1) / (z_b - z_a).norm(dim=1)

    for weight in (0.0, 0.05, 5.0):
        best = BestOf([Lerp(9), detour], energy, weight)(z_a, z_b)
        wanted = (cost(bent, weight) < cost(straight, weight)).double()
        assert torch.equal(best.traces["choice"][:, 0], wanted)
        chosen = torch.where(wanted.bool()[:, None, None], bent.nodes, straight.nodes)
        assert torch.equal(best.nodes, chosen)
    cheap, dear = (BestOf([Lerp(9), detour], energy, w)(z_a, z_b).traces["choice"].mean() for w in (0.0, 5.0))
    assert cheap > 0
    assert dear < cheap


def test_nodes_that_crowd_where_the_energy_is_low_do_not_make_a_path_better() -> None:
    """A line a little nearer to the origin is better than one further away, however many nodes of the latter are near the origin."""
    z_a, z_b = torch.tensor([[-2.0, 0.5]]).double(), torch.tensor([[2.0, 0.5]]).double()
    t = torch.linspace(-1, 1, 33, dtype=torch.float64)

    def by_way(times: Tensor, height: float) -> Path:
        nodes = torch.stack([2 * times, torch.full_like(times, height)], dim=1)[None].clone()
        nodes[:, 0], nodes[:, -1] = z_a, z_b
        return Path(nodes, torch.ones(1, dtype=torch.bool))

    even, crowded = by_way(t, 0.4), by_way(t**5, 0.5)
    energy = Gaussian(1.0)
    assert crowded.map(energy).mean() < 0.5 * even.map(energy).mean()
    best = BestOf([lambda a, b: crowded, lambda a, b: even], energy, 0.0)(z_a, z_b)
    assert (best.traces["choice"] == 1).all()


def test_a_path_that_arrived_is_preferred() -> None:
    energy, z_a, z_b = Gaussian(1.0), points(4, 2, seed=1), points(4, 2, seed=2)
    lost = ScoreGuidedWalk(energy, alpha=0.01, eps=0.01, max_steps=3, nodes=9)
    assert not lost(z_a, z_b).arrived.any()
    assert BestOf([lost, Lerp(9)], energy, 100.0)(z_a, z_b).arrived.all()


def test_finders_of_different_length_and_no_finders_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many nodes"):
        BestOf([Lerp(9), Lerp(8)], Gaussian(1.0))(points(2, 2, seed=1), points(2, 2, seed=2))
    with pytest.raises(ValueError, match="at least one finder"):
        BestOf([], Gaussian(1.0))
