"""Choice of the images that keep their label, for training with few labels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ridgewalk.seeds import Stream, mixed_seed


def labelled_rows(labels: Tensor, class_names: Sequence[str], count: int, seed: int) -> Tensor:
    """
    Chooses ``count`` rows that keep their label, equally many of each class, and returns them in increasing order.

    If ``count`` is not a multiple of K, the first classes get one more. A class with too few images contributes all of them.

    Args:
        labels: int64 (n,) labels in 0 .. K - 1; every class must occur.
        class_names: names of the K classes, K at least 2.
        count: number of labels, K to n; -1 for all.
        seed: seed of the choice.
    """
    k = len(class_names)
    if k < 2:
        raise ValueError(
            f"labels need at least 2 classes; these images have {k}: pass images in a folder for each class, or with labels"
        )
    outside = (labels < 0) | (labels >= k)
    if outside.any():
        row = int(outside.nonzero()[0, 0])
        raise ValueError(f"labels must lie in 0 .. {k - 1}; row {row} has {int(labels[row])}")
    there = torch.bincount(labels, minlength=k)
    if not there.all():
        missing = class_names[int((there == 0).nonzero()[0, 0])]
        raise ValueError(
            f"class '{missing}' has no image among the {len(labels)} that train the model, so it can have no label; add images, or remove the class"
        )
    if count == -1:
        return torch.arange(len(labels))
    if count < k:
        raise ValueError(
            f"{count} labels are fewer than the {k} classes, each of which needs one; set labels.count to {k} or more"
        )
    if count > len(labels):
        raise ValueError(
            f"{count} labels were requested, but there are {len(labels)} images; set labels.count = -1 for all"
        )
    generator = torch.Generator().manual_seed(mixed_seed(seed, Stream.LABELLED_ROWS))
    chosen = []
    for c in range(k):
        rows = (labels == c).nonzero()[:, 0]
        share = count // k + (c < count % k)
        chosen.append(rows[torch.randperm(len(rows), generator=generator)[:share]])
    return torch.cat(chosen).sort().values


def hide_labels(labels: Tensor, known: Tensor) -> Tensor:
    """Replaces the labels of all rows except ``known`` by -1: int64 (n,)."""
    out = torch.full_like(labels, -1)
    out[known] = labels[known]
    return out
