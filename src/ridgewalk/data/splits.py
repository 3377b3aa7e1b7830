"""
The one table of roles, so that no judge is trained on images that it judges.

    role         part    share      of MNIST         for
    model        train   0   - 4/6      0 .. 40000   models and sensors
    judge_a      train   4/6 - 5/6  40000 .. 50000   the first judge
    judge_b      train   5/6 - 1    50000 .. 60000   the second judge
    validation   test    0   - 0.1      0 ..  1000   everything that is tuned
    test         test    0.1 - 0.5   1000 ..  5000   what is reported
    reference    test    0.5 - 1     5000 .. 10000   real images that others are compared with

A role's rows are a slice of its part, floor(n start) .. floor(n stop), so the order of a part decides; ``arrange`` is
the one place that sets it, once, as a source is loaded.
"""

from itertools import count

import torch

from ridgewalk.data.images import ImageData, Images
from ridgewalk.naming import unknown

_SHARES = {
    "model": ("train", 0, 4, 6),
    "judge_a": ("train", 4, 5, 6),
    "judge_b": ("train", 5, 6, 6),
    "validation": ("test", 0, 1, 10),
    "test": ("test", 1, 5, 10),
    "reference": ("test", 5, 10, 10),
}
"""Role: part, start, stop, of how many."""

ROLES: tuple[str, ...] = tuple(_SHARES)
"""The six roles, those of the train part first."""

TEST_ROLES: tuple[str, ...] = tuple(role for role, (part, *_) in _SHARES.items() if part == "test")
"""The roles of the test part."""

ORDER_SEED = 20_240_517
"""Seed of the fixed shuffle; a change moves every image of every data set but MNIST's to another role."""


def arrange(name: str, train: Images, test: Images | None = None, *, in_file_order: bool = False) -> ImageData:
    """
    The data set in its final order: what is row i here stays row i, in roles, pairs and ``--from i``.

    Each part is shuffled by a seed that never changes, as folders come sorted by class. Without a test part, the first
    floor(6 n / 7) of the shuffled images are the train part (60000 of 70000) and the others the test part.

    Args:
        name: the data set's name.
        train: the train images, or all images.
        test: the test images, if the source keeps them apart.
        in_file_order: keep each part's order, as MNIST's, which is shuffled already; needs a test part.

    Raises:
        ValueError: if there is one image only, and as ``ImageData``.
    """
    if in_file_order:
        assert test is not None, "a source in file order has its own test part"
        return ImageData(name, train, test)
    if test is not None:
        return ImageData(name, train.take(_shuffled(len(train))), test.take(_shuffled(len(test))))
    order, n_train = _shuffled(len(train)), len(train) * 6 // 7
    if n_train == 0:
        raise ValueError(
            f"'{name}' must have at least 2 images to be divided into train and test; it has {len(train)}; add images"
        )
    return ImageData(name, train.take(order[:n_train]), train.take(order[n_train:]))


def role_slice(role: str, n_train: int, n_test: int) -> tuple[str, slice]:
    """
    Which part, ``train`` or ``test``, and which of its rows a role has.

    Raises:
        ValueError: if the role is unknown, or has no rows among so few images.
    """
    if role not in _SHARES:
        raise ValueError(unknown("role", role, ROLES))
    part = _SHARES[role][0]
    n = n_train if part == "train" else n_test
    rows = _rows(role, n)
    if rows.start == rows.stop:
        needed = next(m for m in count(1) if _rows(role, m).start < _rows(role, m).stop)
        raise ValueError(
            f"role '{role}' needs at least {needed} images in the {part} part; it has {n}; take a larger data set"
        )
    return part, rows


def part(data: ImageData, role: str) -> Images:
    """The images of a role, as a view: no memory is copied. Errors as ``role_slice``."""
    name, rows = role_slice(role, len(data.train), len(data.test))
    images = data.train if name == "train" else data.test
    return Images(images.pixels[rows], images.labels[rows], images.class_names)


def role_of_test_index(i: int, n_test: int) -> str:
    """
    The role of row i of a test part of ``n_test`` images.

    Raises:
        ValueError: if i is not in 0 .. n_test - 1.
    """
    if not 0 <= i < n_test:
        raise ValueError(f"a test image has an index in 0 .. {n_test - 1}; got {i}; choose another")
    return next(role for role in TEST_ROLES if i < _rows(role, n_test).stop)


def _rows(role: str, n: int) -> slice:
    _, start, stop, of = _SHARES[role]
    return slice(n * start // of, n * stop // of)


def _shuffled(n: int) -> torch.Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(ORDER_SEED))
