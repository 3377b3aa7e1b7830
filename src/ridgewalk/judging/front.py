"""
The Pareto front of two metrics that conflict: the finders that no other finder beats in both.

A finder is

    on the front   if no other has a better mean in one metric and at least as good a mean in the other,
    near it        if another has, but the interval of the difference contains zero in at least one metric,
    off it         if another is better in both metrics, and both paired intervals exclude zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ridgewalk.judging.comparison import HIGHER, Entry
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import crossed
from ridgewalk.metrics.samples import frechet

Place = Literal["on", "near", "off"]

MIDDLE = 4
"""Number of frames in the middle of a path for which the Fréchet distance is measured."""


@dataclass(frozen=True)
class Standing:
    """The place of a finder, and the name of a finder that beats it, if there is one."""

    place: Place
    beaten_by: str | None = None


def standings(entries: Sequence[Entry], quality: str, cost: str, seed: int, models: int = 1) -> dict[str, Standing]:
    """
    Places each finder relative to the front.

    Args:
        entries: the measurements of each finder over the same pairs in the same order; finders that did not always arrive are left out, and
            all where a metric has a pair without a value, as of judges that cannot tell.
        quality: one metric, such as ``real``.
        cost: the other metric, such as ``relative_length``.
        seed: seed of the bootstrap.
        models: number of runs that are pooled, as in ``comparison.summarise``.
    """
    usable = [e for e in entries if bool((e.columns["arrived"] == 1).all())]
    if any(e.columns[n].isnan().any() for e in usable for n in (quality, cost)):
        return {}
    signs = [1.0 if name in HIGHER else -1.0 for name in (quality, cost)]
    means = {e.method: [s * float(e.columns[n].mean()) for s, n in zip(signs, (quality, cost))] for e in usable}
    found = {}
    for e in usable:
        own = means[e.method]
        better = [o for o in usable if all(a >= b for a, b in zip(means[o.method], own)) and means[o.method] != own]
        sure = [o.method for o in better if _surely(o, e, (quality, cost), signs, seed, models)]
        beaten = sure or [o.method for o in better]
        found[e.method] = Standing("off" if sure else "near" if beaten else "on", beaten[0] if beaten else None)
    return found


def _surely(a: Entry, b: Entry, names: Sequence[str], signs: Sequence[float], seed: int, models: int) -> bool:
    """Whether ``a`` beats ``b`` in both metrics by intervals that exclude zero."""
    gaps = (crossed.estimate_difference(s * a.columns[n], s * b.columns[n], seed, models) for s, n in zip(signs, names))
    return all(gap.low > 0 for gap in gaps)


def middle_distance(frames: Tensor, real: Mapping[str, Tensor], judges: Sequence[Judge]) -> dict[str, float]:
    """
    Measures the Fréchet distance between the middle frames of all paths and real images, by judge.

    Args:
        frames: (b, k, c, h, w) with k >= MIDDLE + 2.
        real: features (n, f) of real images by judge.
        judges: whose features of the frames are compared.
    """
    k = frames.shape[1]
    if k < MIDDLE + 2:
        raise ValueError(f"the middle frames are defined for paths of at least {MIDDLE + 2} frames; got {k}")
    first = (k - MIDDLE) // 2
    middle = frames[:, first : first + MIDDLE].flatten(0, 1)
    with torch.no_grad():
        return {j.name: frechet(j.features(middle), real[j.name]) for j in judges}
