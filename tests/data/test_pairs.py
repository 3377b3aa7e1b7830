"""Pairs: from the role's rows only, distinct, uniform, and a smaller draw is the beginning of a larger one."""

from itertools import combinations

import numpy as np
import pytest
import torch

from ridgewalk.data import ImageData, Images, Pairs, draw, role_slice


def data_of(n_test: int, classes: int = 3, twins: int = 0) -> ImageData:
    """Images that all differ, but for the last ``twins`` of the test part, which are one image."""
    pixels = np.random.default_rng(0).integers(0, 256, (n_test, 4, 4), dtype=np.uint8)
    pixels[n_test - twins :] = 9
    labels = [i % classes for i in range(n_test)]
    names = [str(i) for i in range(classes)]
    train = Images.from_array(np.zeros((6, 4, 4), np.uint8), [0] * 6, names)
    return ImageData("x", train, Images.from_array(pixels, labels, names))


def as_list(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.index_a.tolist(), pairs.index_b.tolist()))


@pytest.mark.parametrize("role", ["validation", "test", "reference"])
@pytest.mark.parametrize("different_classes", [True, False])
def test_ends_are_different_images_of_the_role(role: str, different_classes: bool) -> None:
    data = data_of(200)
    pairs = draw(data, role, 60, seed=1, different_classes=different_classes)
    rows = role_slice(role, 6, 200)[1]
    both = torch.cat([pairs.index_a, pairs.index_b])
    assert len(pairs) == 60
    assert both.dtype == torch.int64
    assert rows.start <= both.min()
    assert both.max() < rows.stop
    assert (pairs.index_a != pairs.index_b).all()
    assert len({frozenset(pair) for pair in as_list(pairs)}) == 60
    equal_class = data.test.labels[pairs.index_a] == data.test.labels[pairs.index_b]
    assert equal_class.any() != different_classes


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    data = data_of(1000)
    large = as_list(draw(data, "test", 3000, seed=5))  # some blocks of candidates
    for count in (1, 50, 2999):
        assert as_list(draw(data, "test", count, seed=5)) == large[:count]


def test_the_seed_decides_and_the_global_state_does_not() -> None:
    data = data_of(200)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = as_list(draw(data, "test", 20, seed=3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert as_list(draw(data, "test", 20, seed=3)) == first
    assert as_list(draw(data, "test", 20, seed=4)) != first


@pytest.mark.parametrize("different_classes", [True, False])
@pytest.mark.parametrize("twins", [0, 4])
def test_every_pair_that_exists_can_be_drawn_and_no_more(different_classes: bool, twins: int) -> None:
    data = data_of(20, twins=twins)
    labels, pixels = data.test.labels, data.test.pixels
    exist = {
        frozenset((a, b))
        for a, b in combinations(range(10, 20), 2)
        if not torch.equal(pixels[a], pixels[b]) and not (different_classes and labels[a] == labels[b])
    }
    drawn = draw(data, "reference", len(exist), seed=0, different_classes=different_classes)
    assert {frozenset(pair) for pair in as_list(drawn)} == exist
    with pytest.raises(ValueError, match=f"has {len(exist)} pairs .*; {len(exist) + 1} were requested; request fewer"):
        draw(data, "reference", len(exist) + 1, seed=0, different_classes=different_classes)


def test_pairs_are_uniform_over_those_that_exist() -> None:
    data = data_of(20)
    first = [as_list(draw(data, "reference", 1, seed=seed))[0] for seed in range(3300)]
    counts = np.unique(np.array([min(p) * 100 + max(p) for p in first]), return_counts=True)[1]
    assert len(counts) == 33  # 45 pairs of 10 images, less 12 within classes of 4, 3 and 3
    # 32 degrees of freedom: mean 32, standard deviation 8; 5 of these above the mean
    assert ((counts - 100.0) ** 2 / 100).sum() < 72
    forward = sum(a < b for a, b in first) / len(first)
    assert abs(forward - 0.5) < 0.05  # either end may come first: 5 standard deviations are 0.044


def test_what_cannot_be_drawn_is_refused() -> None:
    data = data_of(20)
    with pytest.raises(ValueError, match="did you mean 'validation'"):
        draw(data, "validaton", 1, seed=0)
    with pytest.raises(ValueError, match="pairs join test images only"):
        draw(data, "model", 1, seed=0)
    with pytest.raises(ValueError, match="number of pairs must be at least 1"):
        draw(data, "test", 0, seed=0)
    with pytest.raises(ValueError, match="all of class '0'; pass different_classes=False"):
        draw(data_of(20, classes=1), "test", 1, seed=0)
    assert len(draw(data_of(20, classes=1), "test", 5, seed=0, different_classes=False)) == 5
    with pytest.raises(ValueError, match="has 0 pairs of different images"):
        draw(data_of(20, twins=20), "test", 1, seed=0)


def test_indices_of_other_shapes_or_types_are_refused() -> None:
    one = torch.tensor([1])
    with pytest.raises(ValueError, match="one shape"):
        Pairs(one, torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="int64"):
        Pairs(one, one.int())
