"""Paths: what their constructor refuses, maps with conditions in any chunks, and resampling that keeps the ends."""

import pytest
import torch

from problems import points, rows
from ridgewalk.path import Path, chunked


def path_of(*shape: int, seed: int = 0, **fields) -> Path:  # type: ignore[no-untyped-def]
    return Path(points(*shape, seed=seed), torch.ones(shape[0], dtype=torch.bool), **fields)


CORNER = Path(rows((0, 0), (3, 0), (3, 1))[None], torch.tensor([True]))


@pytest.mark.parametrize("shape", [(2, 5), (2, 1, 3), (4,)])
def test_nodes_need_pairs_places_and_dimensions(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(b, k, \*\) with k >= 2"):
        path_of(*shape)


def test_arrived_is_one_bool_for_each_pair() -> None:
    with pytest.raises(ValueError, match="arrived must be bool"):
        Path(points(2, 5, 3), torch.ones(2))
    with pytest.raises(ValueError, match=r"of shape \(2,\)"):
        Path(points(2, 5, 3), torch.ones(3, dtype=torch.bool))


def test_traces_are_one_value_a_node() -> None:
    with pytest.raises(ValueError, match=r"trace 'energy' must have shape \(2, 5\); got \(2, 4\)"):
        path_of(2, 5, 3, traces={"energy": torch.zeros(2, 4)})


@pytest.mark.parametrize("chunk", [None, 1, 3, 35, 1000])
def test_map_with_conditions_equals_the_plain_loop(chunk: int | None) -> None:
    path, scale, shift = path_of(5, 7, 3), points(5, 1, seed=1), points(5, 2, seed=2)

    def f(z, s, c):  # type: ignore[no-untyped-def]
        return torch.cat([z.square() * s, c], dim=1)

    expected = torch.stack(
        [torch.stack([f(z[None], s[None], c[None])[0] for z in p]) for p, s, c in zip(path.nodes, scale, shift)]
    )
    assert torch.equal(path.map(f, scale, shift, chunk=chunk), expected)


def test_map_never_calls_with_more_rows_than_the_chunk_and_needs_no_gradient() -> None:
    evaluated: list[int] = []
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)

    def f(z):  # type: ignore[no-untyped-def]
        evaluated.append(len(z))
        return z * weight

    values = path_of(4, 10, 3).map(f, chunk=16)
    assert evaluated == [16, 16, 8]
    assert not values.requires_grad


def test_a_large_decoder_is_given_few_rows_at_once() -> None:
    evaluated: list[int] = []

    def decode(z):  # type: ignore[no-untyped-def]
        evaluated.append(len(z))
        return torch.zeros(1, 3, 512, 512).expand(len(z), -1, -1, -1)

    # one image takes 3 MB, 64 activations of it 201 MB: two fit into 2^29 bytes
    images = chunked(decode, torch.zeros(20, 2))
    assert images.shape == (20, 3, 512, 512)
    assert evaluated == [16, 2, 2]


def test_map_of_spatial_nodes_keeps_their_shape() -> None:
    path = path_of(2, 4, 3, 5, 6)
    assert torch.equal(path.map(lambda z: z.mean(dim=1)), path.nodes.mean(dim=2))


def test_a_function_that_merges_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="must return as many rows"):
        path_of(2, 5, 3).map(lambda z: z.sum(dim=0, keepdim=True))


@pytest.mark.parametrize("k", [2, 3, 9, 64])
def test_resampling_keeps_the_ends_bit_for_bit(k: int) -> None:
    path = path_of(6, 11, 3)
    again = path.resample(k)
    assert again.nodes.shape == (6, k, 3)
    assert torch.equal(again.nodes[:, 0], path.nodes[:, 0])
    assert torch.equal(again.nodes[:, -1], path.nodes[:, -1])


def test_resampling_by_hand() -> None:
    # length 4, at 0, 1, 2, 3, 4 along it
    assert CORNER.resample(5).nodes[0].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]]


def test_resampled_nodes_are_at_equal_arc_length_along_the_old_curve() -> None:
    # on a curve that bends gently, chords of the fine polyline measure its arc
    t = torch.linspace(0, 1, 4001, dtype=torch.float64) ** 2 * torch.pi
    circle = Path(torch.stack([t.cos(), t.sin()], dim=1)[None], torch.tensor([True]))
    steps = circle.resample(10).nodes.diff(dim=1).norm(dim=2)
    expected = torch.full((1, 9), 2 * torch.sin(torch.tensor(torch.pi / 18, dtype=torch.float64)).item())
    torch.testing.assert_close(steps, expected.double(), rtol=1e-6, atol=0)  # chords of 1e-3 fall short by 1e-7


def test_distance_measures_by_a_feature_map() -> None:
    # the feature hears the second coordinate alone: all of the arc is the last segment
    nodes = CORNER.resample(3, distance=lambda z: z[:, 1:]).nodes[0]
    assert nodes.tolist() == [[0, 0], [3, 0.5], [3, 1]]


def test_density_gives_more_frames() -> None:
    line = Path(rows((0, 0), (1, 0), (2, 0))[None], torch.tensor([True]))
    # weights 1 then 3 by the trapezoid of (0, 2, 4): lengths 1 and 3, equal steps of 1 at 0, 1, 4/3, 5/3, 2
    nodes = line.resample(5, density=torch.tensor([[0.0, 2.0, 4.0]], dtype=torch.float64)).nodes[0, :, 0]
    torch.testing.assert_close(nodes, torch.tensor([0, 1, 4 / 3, 5 / 3, 2], dtype=torch.float64), rtol=1e-15, atol=0)


def test_traces_are_carried_along() -> None:
    path = Path(
        CORNER.nodes, CORNER.arrived, {"energy": torch.tensor([[0.0, 3.0, 7.0]], dtype=torch.float64)}, {"nfe": 5}
    )
    again = path.resample(5)
    assert again.traces["energy"].tolist() == [[0, 1, 2, 3, 7]]
    assert again.stats == {"nfe": 5}


def test_resampling_spatial_nodes_is_resampling_flat_ones() -> None:
    path = path_of(2, 6, 2, 3, 4)
    flat = Path(path.nodes.flatten(2), path.arrived)
    torch.testing.assert_close(path.resample(9).nodes.flatten(2), flat.resample(9).nodes, rtol=1e-14, atol=1e-14)


def test_resampling_leaves_the_path_as_it_was() -> None:
    path = path_of(2, 6, 3)
    before = path.nodes.clone()
    path.resample(4)
    assert torch.equal(path.nodes, before)


def test_resampling_to_one_node_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 nodes; got 1"):
        CORNER.resample(1)
