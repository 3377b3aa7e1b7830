"""The choice of the images that keep their label."""

import pytest
import torch

from ridgewalk.data.labels import hide_labels, labelled_rows

NAMES = ("a", "b", "c")
LABELS = torch.tensor([0, 1, 2] * 20 + [0] * 5)


def test_every_class_has_its_share_and_seeds_differ() -> None:
    rows = labelled_rows(LABELS, NAMES, 10, 0)
    assert torch.equal(rows, rows.sort().values)
    assert torch.bincount(LABELS[rows]).tolist() == [4, 3, 3]
    assert torch.equal(rows, labelled_rows(LABELS, NAMES, 10, 0))
    assert not torch.equal(rows, labelled_rows(LABELS, NAMES, 10, 1))


def test_all_labels_are_all() -> None:
    assert torch.equal(labelled_rows(LABELS, NAMES, -1, 0), torch.arange(65))


def test_the_others_are_hidden_and_nothing_is_changed() -> None:
    before = LABELS.clone()
    out = hide_labels(LABELS, torch.tensor([1, 5]))
    assert out[1] == 1
    assert out[5] == 2
    assert int((out == -1).sum()) == 63
    assert torch.equal(LABELS, before)


@pytest.mark.parametrize(
    ("labels", "names", "count", "message"),
    [
        (LABELS, NAMES, 2, "2 labels are fewer than the 3 classes"),
        (LABELS, NAMES, 66, "66 labels were requested, but there are 65 images"),
        (LABELS, (*NAMES, "d"), 10, "class 'd' has no image among the 65"),
        (LABELS * 0, ("all",), 10, "at least 2 classes; these images have 1"),
        (LABELS + 1, NAMES, 10, r"labels must lie in 0 .. 2; row 2 has 3"),
    ],
)
def test_labels_that_cannot_do_are_refused(
    labels: torch.Tensor, names: tuple[str, ...], count: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        labelled_rows(labels, names, count, 0)
