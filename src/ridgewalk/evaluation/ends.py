"""Pairs of images that paths join: drawn from the test part of a run's data, or named on the command line."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ridgewalk.data import TEST_ROLES, available, digests_of, draw, part, read_image, role_of_test_index
from ridgewalk.limits import lower
from ridgewalk.naming import unknown
from ridgewalk.store.run import Run


@dataclass(frozen=True, eq=False)
class Ends:
    """
    The two images of each pair.

    Attributes:
        x_a: first images (b, c, h, w) in [0, 1].
        x_b: second images, of the same shape.
        index_a: rows of the first images in the test part (b,), -1 for an image file.
        index_b: rows of the second images.
        labels_a: classes of the first images (b,), -1 where the class is unknown.
        labels_b: classes of the second images.
    """

    x_a: Tensor
    x_b: Tensor
    index_a: Tensor
    index_b: Tensor
    labels_a: Tensor
    labels_b: Tensor

    def __len__(self) -> int:
        return len(self.x_a)

    def digests(self) -> Tensor:
        """Digests of the images of all ends, as ``Images.digests`` gives them."""
        return digests_of(torch.cat([self.x_a, self.x_b]))


def draw_ends(run: Run, count: int, seed: int, role: str = "test", same_class: bool = False) -> Ends:
    """
    Draws pairs of test images.

    Args:
        run: the run, whose test images are drawn.
        count: number of pairs.
        seed: seed of the draw.
        role: role of the images, validation or test.
        same_class: whether both images of a pair have the same class; otherwise they have different classes, unless the images of the
            role have one class only.
    """
    data = run.data
    mixed = _has_classes(run, role)
    pairs = draw(data, role, count, seed, different_classes=mixed, same_class=same_class)
    a, b = data.test.take(pairs.index_a), data.test.take(pairs.index_b)
    return Ends(a.floats(), b.floats(), pairs.index_a, pairs.index_b, a.labels, b.labels)


def count_pairs(run: Run, role: str, asked: int | None, wanted: int | None = None) -> int:
    """
    Number of pairs for a comparison.

    Args:
        run: the run.
        role: role of the images.
        asked: the number that a user asked for, which is not changed.
        wanted: the number otherwise, the recipe's by default; it is lowered to the number of pairs that there are, with a note.

    Raises:
        ValueError: for fewer than 2 pairs, of which no interval can be computed.
    """
    if asked is None:
        most = available(run.data, role, different_classes=_has_classes(run, role))
        asked = lower("the number of pairs", wanted or run.recipe.walks.pairs, most, f"the role '{role}' has {most}")
    if asked == 1:
        raise ValueError(
            f"a comparison computes intervals over pairs and needs at least 2; got 1 pair of the role '{role}': give more --pairs, or take a "
            "larger data set"
        )
    return asked


def _has_classes(run: Run, role: str) -> bool:
    """Whether the images of a role are of several classes."""
    if role not in TEST_ROLES:
        raise ValueError(unknown("role of test images", role, TEST_ROLES))
    return len(part(run.data, role).labels.unique()) > 1


def refuse_resize(resize: bool, *ends: str | None) -> None:
    """Refuses to resize where no end is an image file."""
    if resize and all(end is None or end.strip().lstrip("+-").isdecimal() for end in ends):
        raise ValueError("--resize resizes image files, and no end is one; leave it out")


def read_ends(run: Run, start: str, end: str, resize: bool = False) -> Ends:
    """
    Reads one pair of images.

    Args:
        run: the run, whose test images an index means.
        start: index in the test part, or an image file.
        end: the same for the second image.
        resize: whether image files are resized to the run's size; otherwise another size is refused.

    Raises:
        ValueError: if an image does not exist, or both are the same.
    """
    a, b = _image(run, start, resize), _image(run, end, resize)
    if torch.equal(a[0], b[0]):
        raise ValueError(f"--from {start} and --to {end} are the same image; a path needs two different ends")
    return Ends(a[0][None], b[0][None], *(torch.tensor([v]) for v in (a[1], b[1], a[2], b[2])))


def _image(run: Run, text: str, resize: bool) -> tuple[Tensor, int, int]:
    try:
        index = int(text)
    except ValueError:
        return read_image(Path(text), run.origin.image, resize=resize).float() / 255, -1, -1
    test = run.data.test
    if not 0 <= index < len(test):
        raise ValueError(f"test image {index} does not exist; indices go from 0 to {len(test) - 1}")
    image = test.take(torch.tensor([index]))
    return image.floats()[0], index, int(image.labels[0])


def roles_of(run: Run, ends: Ends) -> list[str]:
    """The roles of the test images among the ends, each once."""
    indices = torch.cat([ends.index_a, ends.index_b]).tolist()
    return sorted({role_of_test_index(i, len(run.data.test)) for i in indices if i >= 0})
