"""Ends of walks chosen by what a latent discriminator says of them: where its score is far from 1/2, high, low, or nearest to 1/2."""

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.data.splits import role_slice
from ridgewalk.evaluation.ends import Ends
from ridgewalk.path import chunked
from ridgewalk.seeds import mixed_seed
from ridgewalk.store.run import Run

KINDS = ("outlier", "high", "low", "typical")
"""Kinds of ends: the scores furthest from 1/2, the highest, the lowest, and those nearest to 1/2."""

SHARE, LEAST = 0.05, 12
"""Of the role's images, how many are of a kind; and at least how many."""


def scores(run: Run, sensor: str = "matcher", role: str = "test") -> Tensor:
    """sigmoid(logit) of the role's codes: (n,)."""
    return chunked(run.sensors[sensor], run.encode(part(run.data, role).floats())).sigmoid().cpu()


def of_kind(found: Tensor, kind: str) -> Tensor:
    """Indices of the images of a kind: (m,)."""
    m = min(len(found), max(LEAST, round(SHARE * len(found))))
    far = (found - 0.5).abs()
    ordered = {"outlier": -far, "high": -found, "low": found, "typical": far}[kind].argsort(stable=True)
    return ordered[:m]


def pairs(run: Run, found: Tensor, kind: str, count: int, seed: int, role: str = "test") -> Ends:
    """
    Ends of walks between images of one kind, without repetition, of different classes where the images have any.

    Args:
        run: whose test images.
        found: their scores, (n,), of the role's images.
        kind: one of ``KINDS``.
        count: pairs at most; fewer where there are no more.
        seed: of the draw.
        role: of the images.
    """
    chosen = of_kind(found, kind)
    images = part(run.data, role)
    a, b = torch.combinations(torch.arange(len(chosen)), 2).unbind(1)
    labels = images.labels[chosen]
    many = len(run.data.class_names) > 1
    keep = (labels[a] != labels[b]) if many else torch.ones_like(a, dtype=torch.bool)
    keep = keep if keep.any() else torch.ones_like(keep)
    a, b = a[keep], b[keep]
    generator = torch.Generator().manual_seed(mixed_seed(seed, KINDS.index(kind)))
    order = torch.randperm(len(a), generator=generator)[:count]
    swap = torch.rand(len(order), generator=generator) < 0.5
    first, second = torch.where(swap, b[order], a[order]), torch.where(swap, a[order], b[order])
    x_a, x_b = images.take(chosen[first]), images.take(chosen[second])
    start = role_slice(role, len(run.data.train), len(run.data.test))[1].start
    return Ends(x_a.floats(), x_b.floats(), chosen[first] + start, chosen[second] + start, x_a.labels, x_b.labels)
