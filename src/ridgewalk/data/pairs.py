"""Pairs of test images, the ends of paths; a smaller draw is the beginning of a larger one."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.data.images import ImageData
from ridgewalk.data.splits import TEST_ROLES, part, role_slice
from ridgewalk.naming import unknown

_BLOCK = 1024  # candidates drawn at once; it is constant, so that the sequence of pairs does not depend on their number


@dataclass(frozen=True, eq=False)
class Pairs:
    """
    Pairs of rows of ``ImageData.test``.

    Attributes:
        index_a: int64 (b,) rows of the first ends.
        index_b: int64 (b,) rows of the second ends.
    """

    index_a: Tensor
    index_b: Tensor

    def __post_init__(self) -> None:
        if self.index_a.shape != self.index_b.shape or self.index_a.dim() != 1:
            raise ValueError(
                f"pairs need index_a and index_b of one shape (b,); got {tuple(self.index_a.shape)} "
                f"and {tuple(self.index_b.shape)}"
            )
        if self.index_a.dtype != torch.int64 or self.index_b.dtype != torch.int64:
            raise ValueError(f"pairs need int64 indices; got {self.index_a.dtype} and {self.index_b.dtype}")

    def __len__(self) -> int:
        """The number of pairs, b."""
        return len(self.index_a)


def draw(
    data: ImageData, role: str, count: int, seed: int, different_classes: bool = True, same_class: bool = False
) -> Pairs:
    """
    Draws ``count`` different pairs, uniformly over the unordered pairs of a role's images that fit.

    Candidates are drawn in a sequence that depends on the seed only, and the first ``count`` that fit are kept, so pair i does not depend on ``count``. A
    pair fits if the pixels of its images differ, and their classes as required.

    Args:
        data: the data set; the pairs are rows of its test part.
        role: validation, test or reference.
        count: number of pairs b, at least 1.
        seed: seed of the sequence.
        different_classes: whether the ends must have different classes.
        same_class: whether the ends must have the same class; it overrides ``different_classes``.
    """
    if count < 1:
        raise ValueError(f"the number of pairs must be at least 1; got {count}")
    if role not in TEST_ROLES:
        raise ValueError(f"{unknown('role of test images', role, TEST_ROLES)}; pairs join test images only")
    _, rows = role_slice(role, len(data.train), len(data.test))
    images = part(data, role)
    different_classes = different_classes and not same_class
    if different_classes and (images.labels == images.labels[0]).all():
        raise ValueError(
            f"pairs of different classes need two classes; the {len(images)} images of role '{role}' are all of class "
            f"'{images.class_names[int(images.labels[0])]}'; pass different_classes=False"
        )
    identity = images.digests().unique(return_inverse=True)[1]
    kind = images.labels if different_classes else identity
    fitting = _available(identity, kind)
    if same_class:
        fitting = _equal(images.labels) - _equal(torch.stack([identity, images.labels], dim=1))
    if count > fitting:
        kind_of_pair = " and classes" if different_classes else " and one class" if same_class else ""
        raise ValueError(
            f"role '{role}' with {len(images)} images has {fitting} pairs of different images{kind_of_pair}; "
            f"{count} were requested; request fewer"
        )
    chosen: list[tuple[int, int]] = []
    seen: set[tuple[int, int]] = set()
    for a, b in _candidates(identity, kind, images.labels if same_class else None, seed):
        if (min(a, b), max(a, b)) not in seen:
            seen.add((min(a, b), max(a, b)))
            chosen.append((a, b))
        if len(chosen) == count:
            break
    index = torch.tensor(chosen, dtype=torch.int64) + int(rows.start)
    return Pairs(index[:, 0].contiguous(), index[:, 1].contiguous())


def available(data: ImageData, role: str, different_classes: bool = True) -> int:
    """The number of unordered pairs of a role's images that differ, and whose classes differ where they must."""
    images = part(data, role)
    identity = images.digests().unique(return_inverse=True)[1]
    return _available(identity, images.labels if different_classes else identity)


def _candidates(identity: Tensor, kind: Tensor, same: Tensor | None, seed: int) -> Iterator[tuple[int, int]]:
    """An endless sequence of ordered pairs of rows that differ in ``identity`` and ``kind`` and agree in ``same``, with repetition."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        a, b = torch.randint(len(identity), (_BLOCK, 2), generator=generator).unbind(dim=1)
        fits = (identity[a] != identity[b]) & (kind[a] != kind[b])
        fits &= True if same is None else same[a] == same[b]
        yield from zip(a[fits].tolist(), b[fits].tolist())


def _available(identity: Tensor, kind: Tensor) -> int:
    """The number of unordered pairs that differ in both: all - equal in one - equal in the other + equal in both."""
    n, both = len(identity), torch.stack([identity, kind], dim=1)
    return n * (n - 1) // 2 - _equal(identity) - _equal(kind) + _equal(both)


def _equal(values: Tensor) -> int:
    """The number of unordered pairs of equal rows."""
    counts = values.unique(dim=0, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())
