"""Codes that keep images' neighbourhoods exactly, codes that have nothing to do with them, and pieces that can be counted; holes of known shares."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from problems import points
from ridgewalk.data import load, part
from ridgewalk.judging.judges import Judge, judge
from ridgewalk.settings.autoencoder import Judges
from ridgewalk_studies.measures.attributes import neighbours_of
from ridgewalk_studies.measures.fracturing import Fracturing, fracturing, pieces, shift
from ridgewalk_studies.measures.holes import holes
from sighted import sighted

N, K = 120, 6


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(N, 1, 5, 5, generator=torch.Generator().manual_seed(0))


def lit(rows: Tensor, columns: Tensor, side: int = 30) -> Tensor:
    """Images with one pixel of 1 each."""
    x = torch.zeros(len(rows), 1, side, side)
    x[torch.arange(len(rows)), 0, rows, columns] = 1
    return x


def scattered(x: Tensor) -> Tensor:
    """Codes that jump with the slightest change of an image."""
    return (1e6 * x.flatten(1).double() @ points(x[0].numel(), 4)).sin()


def looked_up(images: Tensor, codes: Tensor) -> Callable[[Tensor], Tensor]:
    """Each image's own code, by its pixels; of other images the first code."""

    def encode(x: Tensor) -> Tensor:
        same = (x.flatten(1)[:, None] == images.flatten(1)).all(2)
        return codes[same.int().argmax(1)]

    return encode


def where(x: Tensor) -> Tensor:
    """Row and column of the only lit pixel: (n, 2)."""
    flat = x.flatten(1).argmax(1)
    return torch.stack([flat // x.shape[3], flat % x.shape[3]], 1).double()


def test_codes_that_are_the_images_keep_every_neighbour(images: Tensor) -> None:
    found = fracturing(lambda x: 7 * x.flatten(1), images, neighbours=K)
    assert torch.equal(found.columns["kept"], torch.ones(N, dtype=torch.float64))
    expected = (K - 1) / 2 / (N - 2)  # ranks 1 ... K
    assert torch.allclose(found.columns["rank"], torch.full((N,), expected, dtype=torch.float64), atol=1e-12)
    assert set(found.columns) == {"rank", "kept", "step", "lost"}


def test_codes_that_have_nothing_to_do_with_the_images_are_at_chance(images: Tensor) -> None:
    found = fracturing(scattered, images, neighbours=K)
    assert found.interval("rank").value == pytest.approx(0.5, abs=0.05)
    assert found.interval("kept").value == pytest.approx(K / (N - 1), abs=0.02)
    assert found.interval("lost").value > 0.8
    assert found.interval("step").value == pytest.approx(1, abs=0.15)


def test_the_furthest_of_all_has_the_rank_1() -> None:
    """On a line folded once, one end's nearest image by pixels may be the furthest by codes."""
    x = torch.arange(7.0).view(7, 1, 1, 1).expand(7, 1, 2, 2) / 10
    codes = torch.tensor([0.0, 50, 1, 2, 3, 4, 5], dtype=torch.float64)[:, None]
    found = fracturing(looked_up(x, codes), x, neighbours=1)
    assert found.columns["rank"][0] == 1


def test_a_step_is_the_shifts_distance_in_typical_distances() -> None:
    g = torch.Generator().manual_seed(1)
    rows, columns = torch.randint(2, 28, (2, 60), generator=g)
    x = lit(rows, columns)
    typical = torch.pdist(where(x)).median()
    for scale in (1.0, 30.0):
        found = fracturing(lambda v, scale=scale: scale * where(v), x, neighbours=K)
        assert torch.allclose(found.columns["step"], (1 / typical).expand(60))  # one pixel in each direction
    across = fracturing(lambda v: where(v) * torch.tensor([0.0, 1.0]), x, neighbours=K)
    assert torch.allclose(across.columns["step"], (0.5 / torch.pdist(where(x)[:, 1:]).median()).expand(60))
    assert found.interval("lost").value == 0  # the sixth neighbour is further than a pixel


def test_shifts_move_whole_pixels_and_bring_zeros() -> None:
    x = torch.arange(1.0, 7.0).view(1, 1, 2, 3)
    assert shift(x, 1, 0)[0, 0].tolist() == [[0, 1, 2], [0, 4, 5]]
    assert shift(x, -1, 0)[0, 0].tolist() == [[2, 3, 0], [5, 6, 0]]
    assert shift(x, 0, 1)[0, 0].tolist() == [[0, 0, 0], [1, 2, 3]]
    assert shift(x, 0, -1)[0, 0].tolist() == [[4, 5, 6], [0, 0, 0]]


def test_pieces_are_counted_by_class() -> None:
    def blob(centre: float, n: int, seed: int) -> Tensor:
        return points(n, 2, seed=seed) * 0.1 + centre

    z = torch.cat([blob(0, 30, 0), blob(20, 30, 1), blob(10, 40, 2), blob(30, 10, 3)])
    labels = torch.tensor([4] * 60 + [7] * 50)
    near = neighbours_of(z, 8)
    found = pieces(near, labels)
    assert found[0] == pytest.approx(2)
    assert found[1] == pytest.approx(50**2 / (40**2 + 10**2))
    assert torch.equal(
        pieces(near, torch.zeros(110, dtype=torch.int64)), torch.tensor([110**2 / 3500], dtype=torch.float64)
    )


def test_another_class_between_two_pieces_does_not_join_them() -> None:
    line = torch.arange(30.0)[:, None] * 1.01 ** torch.arange(30)[:, None]
    found = pieces(neighbours_of(line.double(), 2), torch.tensor([0] * 10 + [1] * 10 + [0] * 10))
    assert found[0] == 2
    assert found[1] == 1


def test_agreement_is_by_codes_and_not_by_images(images: Tensor) -> None:
    labels = torch.arange(N) % 2
    apart = labels[:, None].double() * 100 + points(N, 3)
    mixed = points(N, 3)
    one, other = (fracturing(looked_up(images, z), images, labels, K) for z in (apart, mixed))
    assert one.columns["agreement"].min() == 1
    assert other.interval("agreement").value == pytest.approx(0.5, abs=0.08)
    assert one.pieces.shape == (2,)


def test_what_cannot_be_measured_is_refused(images: Tensor) -> None:
    def rows(x: Tensor) -> Tensor:
        return x.flatten(1)

    with pytest.raises(ValueError, match="n > 2 k"):
        fracturing(rows, images[:12], neighbours=6)
    with pytest.raises(ValueError, match="one an image"):
        fracturing(rows, images, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="codes must be finite"):
        fracturing(lambda x: rows(x) / 0, images)
    with pytest.raises(ValueError, match="at least half of the codes are one"):
        fracturing(lambda x: rows(x) * 0, images)
    assert isinstance(fracturing(rows, images, torch.zeros(N, dtype=torch.int64)), Fracturing)


@pytest.fixture(scope="module")
def seeing() -> Judge:
    """A judge that takes for real what has a black corner, as every digit here has and noise has not."""
    made = judge(load("digits"), "A", Judges(epochs=1, steps=4))
    return replace(made, composite=sighted(lambda x: -x[:, 0, 0, 0], 0.0, made.reference))


def test_holes_are_draws_that_decode_to_nothing_real(seeing: Judge) -> None:
    digits = part(load("digits"), "reference").floats()[:100].flatten(1)
    noise = torch.rand(300, 64, generator=torch.Generator().manual_seed(0))
    draws = torch.cat([digits, noise])
    found = holes(draws, digits[:50], lambda z: z.view(-1, 1, 8, 8), [seeing, replace(seeing, name="B")])
    assert set(found.unreal) == {"A", "B", "mean"}
    assert found.share().value == pytest.approx(0.75)
    assert found.of_reconstructions().value == 0
    assert found.share("A").low < 0.75 < found.share("A").high
    assert found.excess().value == 0  # the first 50 of either are the same digits
    assert "75.0% [" in str(found)
    assert "by the mean of 2 judges" in str(found)


def test_holes_need_judges_and_codes_of_one_shape(seeing: Judge) -> None:
    with pytest.raises(ValueError, match="pass at least one"):
        holes(torch.zeros(20, 2), torch.zeros(20, 2), lambda z: z, [])
    with pytest.raises(ValueError, match=r"one shape; got \(20, 2\) and \(20, 3\)"):
        holes(torch.zeros(20, 2), torch.zeros(20, 3), lambda z: z, [seeing])
    with pytest.raises(ValueError, match="at least 10 points"):
        holes(torch.zeros(5, 2), torch.zeros(20, 2), lambda z: z, [seeing])
