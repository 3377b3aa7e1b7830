"""Splits: every image has one role, MNIST's are those of the table, and the order never moves."""

from itertools import combinations

import numpy as np
import pytest
import torch

from ridgewalk.data import (
    ROLES,
    TEST_ROLES,
    ImageData,
    Images,
    arrange,
    describe_copies,
    file_rows,
    part,
    role_of_test_index,
    role_slice,
)
from ridgewalk.data.splits import in_read_order


def numbered(n: int, labels: list[int] | None = None) -> Images:
    """Image i has the pixels (i // 256, i % 256)."""
    i = np.arange(n)
    return Images.from_array(np.stack([i // 256, i % 256], axis=1).astype(np.uint8).reshape(n, 1, 2), labels)


def numbers(images: Images) -> list[int]:
    return (images.pixels.flatten(1).long() @ torch.tensor([256, 1])).tolist()


def test_mnists_table_is_exact() -> None:
    assert {role: role_slice(role, 60000, 10000) for role in ROLES} == {
        "model": ("train", slice(0, 40000)),
        "judge_a": ("train", slice(40000, 50000)),
        "judge_b": ("train", slice(50000, 60000)),
        "validation": ("test", slice(0, 1000)),
        "test": ("test", slice(1000, 5000)),
        "reference": ("test", slice(5000, 10000)),
    }


@pytest.mark.parametrize("n", [10, 11, 17, 257, 1540, 9999])
def test_roles_cover_every_image_once(n: int) -> None:
    seen: dict[str, list[int]] = {"train": [], "test": []}
    for role in ROLES:
        where, rows = role_slice(role, n, n)
        seen[where] += range(rows.start, rows.stop)
    assert seen["train"] == seen["test"] == list(range(n))


@pytest.mark.parametrize("n", [10, 23, 10000])
def test_the_role_of_an_index_is_the_role_whose_slice_has_it(n: int) -> None:
    for role in TEST_ROLES:
        rows = role_slice(role, n, n)[1]
        for i in (rows.start, rows.stop - 1):
            assert role_of_test_index(i, n) == role


def test_without_a_test_part_a_seventh_is_set_aside_and_nothing_is_lost() -> None:
    data = arrange("x", numbered(700))
    assert (len(data.train), len(data.test)) == (600, 100)
    assert sorted(numbers(data.train) + numbers(data.test)) == list(range(700))


def test_the_fixed_shuffle_mixes_classes_and_never_changes() -> None:
    labels = [i // 70 for i in range(700)]  # sorted, as a folder of classes is
    data = arrange("x", numbered(700, labels))
    for role in ROLES:
        assert len(part(data, role).labels.unique()) >= 6
    assert numbers(arrange("y", numbered(700)).test) == numbers(data.test)
    # the order is fixed: "test image i" of an older run is still test image i
    assert numbers(arrange("z", numbered(70)).test) == [55, 6, 2, 10, 21, 9, 16, 35, 51, 69]


def test_both_parts_are_shuffled_and_the_rows_of_their_files_are_known() -> None:
    data = arrange("x", numbered(30), numbered(20))
    assert numbers(data.train) == file_rows(30).tolist() != list(range(30))
    assert numbers(data.test) == file_rows(20).tolist()
    assert sorted(numbers(data.train)) == list(range(30))
    # the order is fixed: "test image i" of an older run is still test image i
    assert file_rows(10).tolist() == [6, 1, 2, 4, 0, 3, 7, 8, 9, 5]
    back = in_read_order(data)
    assert (numbers(back.train), numbers(back.test)) == (list(range(30)), list(range(20)))


def test_two_populations_of_one_part_are_shared_among_its_roles() -> None:
    """As in MNIST's test file, whose halves were written by different people."""
    test = numbered(10_000, [int(i >= 5000) for i in range(10_000)])
    data = arrange("x", numbered(60, [0, 1] * 30), test)
    for role in TEST_ROLES:
        assert abs(float(part(data, role).labels.float().mean()) - 0.5) < 0.05  # 3 standard errors of 1,000 images


def test_a_part_is_a_view_of_its_rows() -> None:
    data = ImageData("x", numbered(60), numbered(20))
    assert numbers(part(data, "judge_a")) == list(range(40, 50))
    assert numbers(part(data, "test")) == list(range(2, 10))
    assert part(data, "test").pixels.untyped_storage().data_ptr() == data.test.pixels.untyped_storage().data_ptr()


def test_no_image_of_a_judge_is_an_image_of_another_role() -> None:
    data = arrange("x", numbered(700))
    digests = [part(data, role).digests() for role in ROLES]
    assert len(torch.cat(digests).unique()) == 700


def test_exact_copies_in_several_roles_are_counted() -> None:
    assert describe_copies(arrange("x", numbered(700))) == ""
    rows = torch.arange(700)
    rows[350:] = rows[:350]  # each image twice
    whole = numbered(700).take(rows)
    data = arrange("x", whole)
    pairs = {(a, b): set(numbers(part(data, a))) & set(numbers(part(data, b))) for a, b in combinations(ROLES, 2)}
    told = describe_copies(data)
    assert f"{len(set().union(*pairs.values()))} images of 'x' lie in more than one role" in told
    for (a, b), both in pairs.items():
        assert (f"{a} and {b}: {len(both)}" in told) == bool(both)
    one = ImageData("x", numbered(60), Images(numbered(20).pixels + 100, numbered(20).labels, ("all",)))
    one.test.pixels[15] = one.train.pixels[3]
    assert describe_copies(one).startswith(
        "1 image of 'x' lies in more than one role, as exact copies (model and reference: 1): judges"
    )
    one.train.pixels[4] = one.train.pixels[5]  # two copies in one role need no word
    assert "model and reference: 1)" in describe_copies(one)


@pytest.mark.parametrize(
    ("role", "needed"), [("model", 2), ("judge_a", 4), ("judge_b", 1), ("validation", 10), ("test", 2)]
)
def test_too_little_data_is_refused_and_the_number_needed_is_true(role: str, needed: int) -> None:
    assert role_slice(role, needed, needed)[1].stop > 0
    with pytest.raises(ValueError, match=f"role '{role}' needs at least {needed} images .* it has {needed - 1}"):
        role_slice(role, needed - 1, needed - 1)


def test_unknown_roles_and_indices_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown role 'judge_c'; did you mean 'judge_"):
        role_slice("judge_c", 60, 10)
    with pytest.raises(ValueError, match="unknown role 'validaton'; did you mean 'validation'"):
        part(ImageData("x", numbered(60), numbered(20)), "validaton")
    for i in (-1, 20):
        with pytest.raises(ValueError, match=r"index in 0 .. 19; got"):
            role_of_test_index(i, 20)
    with pytest.raises(ValueError, match="at least 2 images"):
        arrange("x", numbered(1))
