"""The contract of every finder: exact ends, correct arrival flags, independent pairs, unchanged inputs, counted rows."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from problems import Counted, Gaussian, Mixture, points
from ridgewalk.context import Context
from ridgewalk.diffusion import VP, Denoiser, Flow, Standardiser
from ridgewalk.finders import (
    Amortised,
    ArrivingWalk,
    BestOf,
    Geodesic,
    GraphPath,
    RidgePath,
    ScoreGuidedWalk,
    Slerp,
    StringMethod,
)
from ridgewalk.finders.flow import FlowPath
from ridgewalk.models.interpolator import ExactInterpolator, Interpolator
from ridgewalk.path import Path
from ridgewalk.protocols import Energy, PathFinder
from ridgewalk.registry import METHODS
from ridgewalk.settings.autoencoder import Walks

SHAPES = pytest.mark.parametrize("shape", [(3,), (1,), (2, 3, 4)], ids=["vector", "scalar", "spatial"])
B, K = 6, 12


def references(shape: tuple[int, ...]) -> Tensor:
    return 1.5 * points(60, *shape, seed=5)


def bent(z: Tensor) -> Tensor:
    """A decoder: smooth, and longer than its latents."""
    return torch.cat([z.flatten(1), z.flatten(1).sin()], dim=1)


def network(shape: tuple[int, ...]) -> Interpolator:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return ExactInterpolator(math.prod(shape), (8, 8)).double()


class Nothing(torch.nn.Module):
    """The network of a diffusion of Gaussian data."""

    def forward(self, x: Tensor, c: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x)


def context(shape: tuple[int, ...], nodes: int) -> Context:
    """A model without sensors, whose paths have ``nodes`` nodes."""
    walks = Walks(iterations=12, neighbours=5)
    for name in ("frames", "nodes"):
        object.__setattr__(walks, name, nodes)  # a recipe has at least 3 of each
    return Context(
        walks,
        {},
        encode=lambda x: x[:, : math.prod(shape)].unflatten(1, shape),
        decode=bent,
        references=lambda: references(shape),
        between=lambda: references(shape),
    )


FINDERS: dict[str, Callable[[Energy, tuple[int, ...], int], PathFinder]] = {
    "Amortised": lambda energy, shape, k: Amortised(network(shape), k),
    "Amortised, spaced by a map": lambda energy, shape, k: Amortised(network(shape), k, spacing=torch.tanh),
    "StringMethod from a walk, spaced by a map": lambda energy, shape, k: StringMethod(
        energy, nodes=k, iterations=5, start=ArrivingWalk(energy, steps=10, nodes=9), spacing=torch.tanh
    ),
    "FlowPath": lambda energy, shape, k: FlowPath(
        Denoiser(Nothing(), VP()).score, Flow(VP(), "rk4", 40), Standardiser(torch.tensor(0.1), torch.tensor(2.0)), k
    ),
    "Geodesic, weighted": lambda energy, shape, k: Geodesic(
        bent, lambda z: (energy(z) / 4).exp(), nodes=k, iterations=8
    ),
    "RidgePath from a graph": lambda energy, shape, k: RidgePath(
        energy,
        bent,
        nodes=k,
        coarse=(7,),
        iterations=6,
        start=GraphPath(references(shape), neighbours=5, bridge=True),
    ),
    "BestOf": lambda energy, shape, k: BestOf(
        [StringMethod(energy, nodes=k, iterations=5), ScoreGuidedWalk(energy, max_steps=100, nodes=k), Slerp(k)],
        energy,
        spacing=torch.tanh,
    ),
}
"""Finders without a name in the registry, and FlowPath with a solver of fixed steps; those that have a name are checked without being listed here."""

NAMED = [name for name, method in METHODS.items() if "diffusion" not in method.needs]
"""Methods of the registry; those of a diffusion have an adaptive solver, whose steps depend on the batch."""


def build(name: str, energy: Energy, shape: tuple[int, ...], nodes: int) -> PathFinder:
    if name in FINDERS:
        return FINDERS[name](energy, shape, nodes)
    followed = [] if METHODS[name].energy is None else [energy]
    return METHODS[name].build(context(shape, nodes), *followed)


class Read:
    """Settings of walks that remember which of them were read."""

    def __init__(self, walks: Walks) -> None:
        self.walks, self.keys = walks, set[str]()

    def __getattr__(self, key: str) -> object:
        self.keys.add(key)
        return getattr(self.walks, key)


@pytest.mark.parametrize("name", NAMED)
def test_a_method_names_the_settings_that_it_reads(name: str) -> None:
    own = context((3,), K)
    read = Read(own.walks)
    METHODS[name].build(replace(own, walks=read), *([] if METHODS[name].energy is None else [hills((3,))]))  # type: ignore[arg-type]
    assert read.keys - {"frames"} == set(METHODS[name].reads)


Make = Callable[..., PathFinder]


@pytest.fixture(params=[*NAMED, *FINDERS], ids=lambda name: name.replace(" ", "-"))
def make(request: pytest.FixtureRequest) -> Make:
    def made(energy: Energy | None = None, shape: tuple[int, ...] = (3,), nodes: int = K) -> PathFinder:
        return build(request.param, energy or hills(shape), shape, nodes)

    return made


def hills(shape: tuple[int, ...]) -> Energy:
    """Three Gaussians: neither convex nor symmetric."""
    return Mixture(points(3, *shape, seed=8).flatten(1), sigma=1.0)


def ends(shape: tuple[int, ...] = (3,), b: int = B, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    return points(b, *shape, seed=1, dtype=dtype), points(b, *shape, seed=2, dtype=dtype)


@SHAPES
def test_nodes_begin_at_a_and_end_at_b_to_the_last_bit_where_they_arrived(make: Make, shape: tuple[int, ...]) -> None:
    z_a, z_b = ends(shape)
    path = make(shape=shape)(z_a, z_b)
    assert isinstance(path, Path)
    assert path.nodes.shape == (B, K, *shape)
    assert path.nodes.isfinite().all()
    assert torch.equal(path.nodes[:, 0], z_a)
    assert torch.equal((path.nodes[:, -1] == z_b).flatten(1).all(1), path.arrived)


@SHAPES
def test_traces_and_stats(make: Make, shape: tuple[int, ...]) -> None:
    path = make(shape=shape)(*ends(shape))
    assert all(trace.shape == (B, K) and trace.isfinite().all() for trace in path.traces.values())
    assert path.stats["nfe"] >= 0
    if "energy" in path.traces:
        torch.testing.assert_close(path.traces["energy"], path.map(hills(shape)), rtol=1e-12, atol=1e-13)


@SHAPES
def test_inputs_stay_as_they_were(make: Make, shape: tuple[int, ...]) -> None:
    z_a, z_b = ends(shape)
    make(shape=shape)(z_a, z_b)
    assert torch.equal(z_a, ends(shape)[0])
    assert torch.equal(z_b, ends(shape)[1])


def test_writing_into_the_path_does_not_write_into_the_ends(make: Make) -> None:
    z_a, z_b = ends()
    make()(z_a, z_b).nodes.zero_()
    assert torch.equal(z_a, ends()[0])
    assert torch.equal(z_b, ends()[1])


def test_the_same_inputs_give_the_same_path_and_draw_nothing(make: Make) -> None:
    state = torch.random.get_rng_state()
    finder = make()
    first, second, other = finder(*ends()), finder(*ends()), make()(*ends())
    assert torch.equal(first.nodes, second.nodes)
    assert torch.equal(first.nodes, other.nodes)
    assert torch.equal(torch.random.get_rng_state(), state)


@SHAPES
def test_a_pair_alone_gives_the_same_path(make: Make, shape: tuple[int, ...]) -> None:
    z_a, z_b = ends(shape)
    finder = make(shape=shape)
    together = finder(z_a, z_b)
    for i in range(B):
        alone = finder(z_a[i : i + 1], z_b[i : i + 1])
        torch.testing.assert_close(alone.nodes[0], together.nodes[i], rtol=0, atol=1e-10)
        assert alone.arrived[0] == together.arrived[i]
        for name, trace in alone.traces.items():
            torch.testing.assert_close(trace[0], together.traces[name][i], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_follows_the_inputs(make: Make, dtype: torch.dtype) -> None:
    z_a, z_b = ends(dtype=dtype)
    path = make()(z_a, z_b)
    assert path.nodes.dtype == dtype
    assert all(trace.dtype == dtype for trace in path.traces.values())
    assert torch.equal(path.nodes[:, 0], z_a)
    assert torch.equal(path.nodes[path.arrived, -1], z_b[path.arrived])


def test_paths_carry_no_graph(make: Make) -> None:
    z_a, z_b = (z.requires_grad_(True) for z in ends())
    path = make()(z_a, z_b)
    assert not path.nodes.requires_grad
    assert not any(trace.requires_grad for trace in path.traces.values())


def test_the_rows_on_which_the_energy_was_evaluated_are_counted(make: Make) -> None:
    energy = Counted(hills((3,)))
    path = make(energy)(*ends())
    assert path.stats["nfe"] == energy.rows


@pytest.mark.parametrize("nodes", [2, 3])
def test_few_nodes_are_enough(make: Make, nodes: int) -> None:
    z_a, z_b = ends()
    path = make(nodes=nodes)(z_a, z_b)
    assert path.nodes.shape == (B, nodes, 3)
    assert torch.equal(path.nodes[path.arrived, -1], z_b[path.arrived])


def test_a_flat_energy_stops_no_finder(make: Make) -> None:
    z_a, z_b = ends()
    path = make(Gaussian(sigma=1e9))(z_a, z_b)
    assert path.arrived.all()
    assert torch.equal(path.nodes[:, -1], z_b)


@pytest.mark.parametrize(
    "shapes", [((8, 3), (8, 4)), ((8, 3), (7, 3)), ((3,), (3,)), ((0, 3), (0, 3)), ((2, 3), (2, 3, 1))]
)
def test_endpoints_of_different_shapes_are_refused(make: Make, shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="endpoints must share shape"):
        make()(points(*shapes[0]), points(*shapes[1], seed=1))


def test_endpoints_of_different_dtypes_are_refused(make: Make) -> None:
    z_a, z_b = ends()
    with pytest.raises(ValueError, match="of one dtype"):
        make()(z_a, z_b.float())
    with pytest.raises(ValueError, match="floating point"):
        make()(z_a.long(), z_b.long() + 5)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_endpoints_that_are_not_finite_are_refused_by_name(make: Make, bad: float) -> None:
    z_a, z_b = ends()
    z_b[4, 1] = bad
    with pytest.raises(ValueError, match="z_b of pair 4 has values that are not finite"):
        make()(z_a, z_b)
    with pytest.raises(ValueError, match="z_a of pair 4 has values that are not finite"):
        make()(z_b, z_a)


def test_equal_ends_are_refused_by_number(make: Make) -> None:
    z_a, z_b = ends()
    z_b[5] = z_a[5]
    with pytest.raises(ValueError, match="the ends of pair 5 are equal"):
        make()(z_a, z_b)


@pytest.mark.parametrize("nodes", [1, 0, -1])
def test_fewer_than_two_nodes_are_refused(make: Make, nodes: int) -> None:
    with pytest.raises(ValueError, match="at least 2 nodes"):
        make(nodes=nodes)(*ends())
