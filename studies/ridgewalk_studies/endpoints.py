"""Ends of walks, selected by a latent discriminator's score: furthest from 1/2, highest, lowest, or nearest to 1/2."""

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
"""The share of the role's images that belong to a kind, and their least number."""


def scores(run: Run, sensor: str = "matcher", role: str = "test") -> Tensor:
    """Returns sigmoid(logit) of the role's codes: (n,)."""
    return chunked(run.sensors[sensor], run.encode(part(run.data, role).floats())).sigmoid().cpu()


def of_kind(found: Tensor, kind: str) -> Tensor:
    """Returns the indices of the images of a kind: (m,)."""
    m = min(len(found), max(LEAST, round(SHARE * len(found))))
    far = (found - 0.5).abs()
    ordered = {"outlier": -far, "high": -found, "low": found, "typical": far}[kind].argsort(stable=True)
    return ordered[:m]


def pairs(run: Run, found: Tensor, kind: str, count: int, seed: int, role: str = "test") -> Ends:
    """
    Draws ends of walks between images of one kind, without repetition, from different classes if the images have any.

    Args:
        run: The run whose images are used.
        found: The scores of the role's images, (n,).
        kind: one of ``KINDS``.
        count: The largest number of pairs; fewer are drawn if no more exist.
        seed: Seed of the draw.
        role: Role of the images.
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
