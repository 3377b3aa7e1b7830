"""
The table of roles, by which no judge is trained on images that it judges.

    role         part    share      of MNIST         for
    model        train   0   - 4/6      0 .. 40000   models and sensors
    judge_a      train   4/6 - 5/6  40000 .. 50000   the first judge
    judge_b      train   5/6 - 1    50000 .. 60000   the second judge
    validation   test    0   - 0.1      0 ..  1000   everything that is tuned
    test         test    0.1 - 0.5   1000 ..  5000   what is reported
    reference    test    0.5 - 1     5000 .. 10000   real images that others are compared with

A role is the slice floor(n start) .. floor(n stop) of its part, so it depends on the order of the part, which ``arrange`` alone sets, once, as a source is
loaded. Both parts of every data set are shuffled by a fixed order before: the halves of MNIST's test file were written by two populations of writers, and
judges whose references are of one of them take fewer real images of the other for real. The numbers above are therefore places in that order, not rows of
MNIST's files; ``file_rows`` says which row of its file an image is.
"""

import warnings
from collections.abc import Mapping
from itertools import combinations, count

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
"""Maps a role to its part, and to start, stop and the number of shares that they count."""

ROLES: tuple[str, ...] = tuple(_SHARES)
"""The six roles, those of the train part first."""

TEST_ROLES: tuple[str, ...] = tuple(role for role, (part, *_) in _SHARES.items() if part == "test")
"""The roles of the test part."""

ORDER_SEED = 20_240_517
"""Seed of the constant shuffle; another seed moves the images of every data set to other roles."""


def arrange(name: str, train: Images, test: Images | None = None) -> ImageData:
    """
    A data set in its final order, to which roles, pairs and ``--from i`` refer.

    Each part is shuffled with a constant seed (``file_rows``), so that all its roles are of one population. Without a test part, the first floor(6 n / 7) of
    the shuffled images are the train part and the others the test part. A class without images in both parts is left out with a warning, and the labels are
    numbered anew.

    Args:
        name: name of the data set.
        train: the train images, or all images.
        test: the test images, if the source has a test part.
    """
    train, test = _drop_empty_classes(name, train, test)
    if test is not None:
        return ImageData(name, train.take(file_rows(len(train))), test.take(file_rows(len(test))))
    order, n_train = file_rows(len(train)), len(train) * 6 // 7
    if n_train == 0:
        raise ValueError(
            f"'{name}' must have at least 2 images to be divided into train and test; it has {len(train)}; add images"
        )
    return ImageData(name, train.take(order[:n_train]), train.take(order[n_train:]))


def file_rows(n: int) -> torch.Tensor:
    """
    The order of ``arrange``: image i of a part of n images is the image that was read as number ``file_rows(n)[i]``, int64 (n,).

    In a data set without a test part n counts all images, and the test part follows the train part.
    """
    return torch.randperm(n, generator=torch.Generator().manual_seed(ORDER_SEED))


def in_read_order(data: ImageData) -> ImageData:
    """The data set with each of its parts in the order in which it was read; the inverse of ``arrange``, for sources that have a test part."""
    train, test = (images.take(file_rows(len(images)).argsort()) for images in (data.train, data.test))
    return ImageData(data.name, train, test)


def role_slice(role: str, n_train: int, n_test: int) -> tuple[str, slice]:
    """The part of a role, ``train`` or ``test``, and its rows in it; raises ValueError for a role without rows."""
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


def needed_images(data: ImageData, least: Mapping[str, int]) -> None:
    """
    Raises ValueError where a role has fewer images than it needs, with how many images would do and how many there are.

    Args:
        data: the data set.
        least: smallest number of images by role.
    """
    n_train, n_test = len(data.train), len(data.test)
    missing = list[tuple[int, str]]()
    for role, fewest in least.items():
        where = _SHARES[role][0]
        n = n_train if where == "train" else n_test
        rows = _rows(role, n)
        if rows.stop - rows.start >= fewest:
            continue
        wanted, there = next(m for m in count(n) if len(range(m)[_rows(role, m)]) >= fewest), f"of {where} images"
        if n_train == (whole := n_train + n_test) * 6 // 7:  # one set, which ``arrange`` divided
            fits = (m * 6 // 7 if where == "train" else m - m * 6 // 7 for m in count(whole))
            wanted, there, n = next(m for m, own in enumerate(fits, whole) if own >= wanted), "images", whole
        missing.append(
            (
                wanted,
                f"'{data.name}' needs at least {wanted} {there}, of which the role '{role}' has {fewest}; it has {n}, of which that role has "
                f"{rows.stop - rows.start}: add images",
            )
        )
    if missing:  # the number that suffices for every role
        raise ValueError(max(missing, key=lambda one: one[0])[1])


def describe_roles(n_train: int, n_test: int, of_points: bool = False) -> str:
    """The sizes of the roles of images, or of points, in words, such as "80 images: 45 train the model, ..."."""
    rows = {role: _rows(role, n_train if where == "train" else n_test) for role, (where, *_) in _SHARES.items()}
    size = {role: own.stop - own.start for role, own in rows.items()}
    judges = "" if of_points else f", {size['judge_a']} judge A, {size['judge_b']} judge B"
    return (
        f"{n_train + n_test} {'points' if of_points else 'images'}: {n_train if of_points else size['model']} train the model{judges}; "
        f"{size['validation']} are for validation, {size['test']} for tests, {size['reference']} for reference"
    )


def describe_copies(data: ImageData) -> str:
    """Says how many images lie in more than one role, as exact copies of each other, and in which roles; "" where there are none."""
    digests = {"train": data.train.digests(), "test": data.test.digests()}
    held = {role: digests[where][_rows(role, len(digests[where]))].unique() for role, (where, *_) in _SHARES.items()}
    common = {(a, b): int(torch.isin(held[a], held[b]).sum()) for a, b in combinations(ROLES, 2)}
    if not any(common.values()):
        return ""
    several = int((torch.cat(list(held.values())).unique(return_counts=True)[1] > 1).sum())
    return (
        f"{several} {'images of' if several > 1 else 'image of'} '{data.name}' {'lie' if several > 1 else 'lies'} in more than one role, as exact copies "
        f"({', '.join(f'{a} and {b}: {n}' for (a, b), n in common.items() if n)}): judges leave copies of what they were trained on out of their "
        "references, and nothing else leaves them out; remove the copies from the data"
    )


def part(data: ImageData, role: str) -> Images:
    """The images of a role, as a view."""
    name, rows = role_slice(role, len(data.train), len(data.test))
    images = data.train if name == "train" else data.test
    return Images(images.pixels[rows], images.labels[rows], images.class_names)


def role_of_test_index(i: int, n_test: int) -> str:
    """The role of row i of a test part of ``n_test`` images."""
    if not 0 <= i < n_test:
        raise ValueError(f"a test image has an index in 0 .. {n_test - 1}; got {i}; choose another")
    return next(role for role in TEST_ROLES if i < _rows(role, n_test).stop)


def _drop_empty_classes(name: str, train: Images, test: Images | None) -> tuple[Images, Images | None]:
    """Both parts with the classes that occur in either."""
    names, parts = train.class_names, [train] if test is None else [train, test]
    there = torch.bincount(torch.cat([p.labels for p in parts]), minlength=len(names)) > 0
    if there.all() or (test is not None and test.class_names != names):
        return train, test
    empty = [names[i] for i in (~there).nonzero()[:, 0].tolist()]
    warnings.warn(
        f"{len(empty)} of {len(names)} classes of '{name}' {'have' if len(empty) > 1 else 'has'} no images and "
        f"{'are' if len(empty) > 1 else 'is'} left out: {', '.join(empty[:8])}{', ...' * (len(empty) > 8)}",
        UserWarning,
        stacklevel=4,
    )
    label, kept = there.cumsum(0) - 1, tuple(names[i] for i in there.nonzero()[:, 0].tolist())
    left = [Images(p.pixels, label[p.labels], kept) for p in parts]
    return left[0], None if test is None else left[1]


def _rows(role: str, n: int) -> slice:
    _, start, stop, of = _SHARES[role]
    return slice(n * start // of, n * stop // of)
