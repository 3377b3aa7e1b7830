"""
Finders compared: the same pairs, the same frames, two judges, and three lines to read them against.

    ceiling   reconstructions of test images: what the decoder can do at a code of real data
    floor     decoded draws of the prior
    LERP      the path that everybody has

Every figure is a mean over pairs with a bootstrap interval over pairs; where several runs are pooled, a pair and all its runs are
resampled together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import paths, statistics
from ridgewalk.metrics.statistics import Interval

Columns = Mapping[str, Tensor]
"""Per-pair values (b,) by metric."""

JUDGED = ("precision", "wholly_real", "realism", "mean_confidence", "worst_confidence", "third_class", "monotonicity")
"""Metrics that each judge gives; the plain name is the judges' mean, "name_A" one judge's."""

HIGHER = {"precision", "wholly_real", "realism", "mean_confidence", "worst_confidence", "monotonicity", "arrived"}
"""Metrics of which more is better; of all others less is."""


@dataclass(frozen=True)
class Entry:
    """
    One finder's paths, measured.

    Attributes:
        method: its name.
        columns: per-pair values.
        stats: the search's own: nfe, iterations, seconds, peak memory.
    """

    method: str
    columns: Columns
    stats: Mapping[str, float] = field(default_factory=dict)


def measure(
    frames: Tensor,
    nodes: Tensor,
    z_a: Tensor,
    z_b: Tensor,
    arrived: Tensor,
    judges: Sequence[Judge],
    labels_a: Tensor,
    labels_b: Tensor,
    lerp_frames: Tensor,
) -> dict[str, Tensor]:
    """
    Every metric of every pair.

    Args:
        frames: (b, k, c, h, w) in [0, 1].
        nodes: (b, k, d).
        z_a: (b, d), where the nodes should begin.
        z_b: (b, d), where they should end.
        arrived: (b,) bool.
        judges: each with its own features; their reference images hold none of the pairs' ends.
        labels_a: (b,) classes of the first ends; -1 where not known, which leaves class figures out.
        labels_b: (b,) classes of the second ends.
        lerp_frames: (b, k, c, h, w) of the same pairs.
    """
    b, k = frames.shape[:2]
    inner = frames[:, 1:-1].flatten(0, 1)
    columns: dict[str, Tensor] = {}
    for judge in judges:
        features = judge.features(inner)
        real = judge.real(features).view(b, k - 2)
        found = {
            "precision": paths.precision(real),
            "wholly_real": paths.wholly_real(real),
            "realism": judge.realism(features).view(b, k - 2).mean(dim=1),
        }
        if judge.labelled and bool((labels_a >= 0).all() & (labels_b >= 0).all()):
            p = judge.probabilities(frames.flatten(0, 1)).view(b, k, -1)
            found |= {
                "mean_confidence": paths.mean_confidence(p),
                "worst_confidence": paths.worst_confidence(p),
                "third_class": paths.third_class_mass(p, labels_a, labels_b),
                "monotonicity": paths.monotonicity(p, labels_a, labels_b),
            }
        columns |= {f"{name}_{judge.name}": value.double() for name, value in found.items()}
    for name in JUDGED:
        each = [columns[f"{name}_{judge.name}"] for judge in judges if f"{name}_{judge.name}" in columns]
        if each:
            columns[name] = torch.stack(each).mean(dim=0)
    columns["relative_length"] = paths.relative_length(frames, lerp_frames).double()
    columns["largest_step"] = paths.largest_step(frames).double()
    columns["step_evenness"] = paths.step_evenness(frames).double()
    columns["end_error"] = paths.end_error(nodes, z_a, z_b).double()
    columns["arrived"] = arrived.double()
    return columns


def single_images(images: Tensor, judges: Sequence[Judge]) -> dict[str, Tensor]:
    """Precision and realism of single images (n, c, h, w), one value an image: for the ceiling and the floor."""
    columns: dict[str, Tensor] = {}
    for judge in judges:
        features = judge.features(images)
        columns[f"precision_{judge.name}"] = judge.real(features).double()
        columns[f"realism_{judge.name}"] = judge.realism(features).double()
        if judge.labelled:
            columns[f"mean_confidence_{judge.name}"] = judge.probabilities(images).amax(dim=1).double()
    for name in ("precision", "realism", "mean_confidence"):
        each = [columns[f"{name}_{judge.name}"] for judge in judges if f"{name}_{judge.name}" in columns]
        if each:
            columns[name] = torch.stack(each).mean(dim=0)
    return columns


@dataclass(frozen=True)
class Summary:
    """
    A table of intervals.

    Attributes:
        rows: by method, by metric.
        differences: each method's paired difference to LERP, by metric.
        gap_closed: share of the gap in precision between LERP and the reconstructions that each method closes.
        whole_ratio: each method's share of wholly real paths over LERP's.
        lines: ceiling, floor and real images: mean values by metric.
        agreement: of the two judges on the methods' order by precision: Kendall's tau, and the pairs that they order differently.
        best: the method with the highest mean precision among those whose walks all arrived.
    """

    rows: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Mapping[str, Interval]]
    gap_closed: Mapping[str, Interval]
    whole_ratio: Mapping[str, Interval]
    lines: Mapping[str, Mapping[str, float]]
    agreement: tuple[float, list[tuple[str, str]]]
    best: str


def summarise(
    entries: Sequence[Entry], lines: Mapping[str, Columns], seed: int, groups: Tensor | None = None
) -> Summary:
    """
    Means, intervals, differences to LERP and shares of the gap.

    Args:
        entries: one of them ``lerp``; columns of all over the same pairs in the same order.
        lines: ``real``, ``reconstructions`` and ``prior``: per-image columns of ``single_images``.
        seed: of the bootstrap.
        groups: (b,) ids of pairs that are resampled together, where several runs are pooled.
    """
    by_name = {e.method: e for e in entries}
    if "lerp" not in by_name:
        raise ValueError(f"a comparison needs LERP as its baseline; got {', '.join(by_name)}")
    base = by_name["lerp"].columns
    means = {line: {name: float(v.mean()) for name, v in columns.items()} for line, columns in lines.items()}
    ceiling = means["reconstructions"]["precision"]
    # a metric that is not defined on some path, such as the evenness of steps of one that stands still, is left out of its row
    defined = {m: {n: v for n, v in e.columns.items() if not v.isnan().any()} for m, e in by_name.items()}
    rows = {
        m: {n: statistics.bootstrap_mean(v, seed, groups=groups) for n, v in own.items()} for m, own in defined.items()
    }
    differences = {
        m: {
            n: statistics.paired_difference(v, base[n], seed, groups=groups)
            for n, v in own.items()
            if n in defined["lerp"]
        }
        for m, own in defined.items()
        if m != "lerp"
    }

    def share(values: Mapping[str, Tensor]) -> Tensor:
        return (values["own"] - values["lerp"]) / (ceiling - values["lerp"])

    def ratio(values: Mapping[str, Tensor]) -> Tensor:
        return values["own"] / values["lerp"]

    def against(metric: str, method: str) -> dict[str, Tensor]:
        return {"own": by_name[method].columns[metric], "lerp": base[metric]}

    gap = {m: statistics.bootstrap(share, against("precision", m), seed, groups=groups) for m in by_name}
    whole = {
        m: statistics.bootstrap(ratio, against("wholly_real", m), seed, groups=groups)
        for m in by_name
        if float(base["wholly_real"].sum()) > 0
    }
    judged = sorted({n.removeprefix("precision_") for n in base if n.startswith("precision_")})
    orders = [{m: rows[m][f"precision_{j}"].value for m in by_name} for j in judged]
    agreement = statistics.rank_agreement(orders[0], orders[1]) if len(orders) > 1 else (1.0, [])
    whole_walks = [m for m, e in by_name.items() if bool((e.columns["arrived"] == 1).all())]
    best = max(whole_walks, key=lambda m: rows[m]["precision"].value)
    return Summary(rows, differences, gap, whole, means, agreement, best)
