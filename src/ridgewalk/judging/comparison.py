"""
Comparison of finders on the same pairs of endpoints by two judges, with four lines of reference.

    ceiling   reconstructions of test images: the decoder at codes of real data
    floor     decoded draws of the prior
    LERP      the straight line in latent space
    SLERP     the great circle with linearly interpolated norms; a spatial code (c, h, w) counts as one vector

LERP and SLERP cost nothing and need no sensor: they are the *free* paths. Where the prior is Gaussian, draws and codes lie near a sphere round the origin, on
which SLERP stays. It is a curve between the codes for every other prior as well, and is therefore always measured: where it means nothing it is less
real than LERP, and LERP is the best free path. What a method is worth is its gain over the best free path,

    gain_m = mean_p (v_mp - v_fp),   f = the free path with the higher mean share of real frames,

which is chosen once for all methods and metrics, and named. It is chosen on the pairs that the methods are compared on, so that a gain is rather under- than
overstated. Ratios, such as the share of the gap to the reconstructions that a method closes, are not computed: where a free path is nearly as real as the
reconstructions they have no finite interval.

Whether a frame is real is said by the composite judges (``judges``). Where one of them cannot tell on the data at hand, its figures are NaN, and so are the
judges' means: no method is then the best, and no gain is settled.

Every figure is a mean over pairs with a bootstrap interval over pairs. Where several runs are pooled, it is a mean over runs and pairs, and
its interval contains the spread of both (``metrics.crossed``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan

import torch
from torch import Tensor

from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import crossed, paths, statistics
from ridgewalk.metrics.statistics import Interval
from ridgewalk.path import Path

Columns = Mapping[str, Tensor]
"""Per-pair values (b,) by metric."""

JUDGED = (
    "real",
    "wholly_real",
    "realism",
    "precision",
    "mean_confidence",
    "worst_confidence",
    "third_class",
    "monotonicity",
)
"""Metrics that depend on the judge, all in [0, 1]: the column NAME is the judges' mean, and NAME_A is that of judge A."""

FREE = ("lerp", "slerp")
"""The free paths, which every comparison measures."""

HIGHER = {
    "real",
    "precision",
    "wholly_real",
    "realism",
    "mean_confidence",
    "worst_confidence",
    "monotonicity",
    "arrived",
}
"""Metrics for which higher is better; for all others lower is better."""


@dataclass(frozen=True)
class Entry:
    """
    The measurements of one finder's paths.

    Attributes:
        method: the finder's name.
        columns: values (b,) by metric, one for each pair.
        stats: figures of the search: nfe, iterations, seconds, peak memory.
    """

    method: str
    columns: Columns
    stats: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PairedPaths:
    """
    Paths between pairs of endpoints, and what their metrics need.

    Attributes:
        path: nodes (b, k, *) and whether each path arrived.
        frames: (b, k, c, h, w) decoded nodes in [0, 1].
        lerp_frames: (b, k, c, h, w) decoded nodes of the straight lines between the same endpoints.
        z_a: (b, *) first endpoints, at which the nodes should begin.
        z_b: (b, *) second endpoints, at which the nodes should end.
        labels_a: (b,) classes of the first endpoints; -1 where unknown, which leaves out the metrics of classes.
        labels_b: (b,) classes of the second endpoints.
    """

    path: Path
    frames: Tensor
    lerp_frames: Tensor
    z_a: Tensor
    z_b: Tensor
    labels_a: Tensor
    labels_b: Tensor


def measure(pairs: PairedPaths, judges: Sequence[Judge]) -> dict[str, Tensor]:
    """
    Measures every metric of every pair.

    Args:
        pairs: b paths.
        judges: their reference images must contain none of the pairs' endpoints.

    Returns:
        Values (b,) in float64 by metric.
    """
    frames, labels = pairs.frames, (pairs.labels_a, pairs.labels_b)
    has_labels = bool((labels[0] >= 0).all() & (labels[1] >= 0).all())
    b, k = frames.shape[:2]
    inner = frames[:, 1:-1].flatten(0, 1)
    columns: dict[str, Tensor] = {}
    for judge in judges:
        grades = judge.grades(inner)
        features = judge.features(frames.flatten(0, 1)).view(b, k, -1)
        real = grades.real.view(b, k - 2)
        found = {
            "real": paths.share_real(real),
            "wholly_real": paths.wholly_real(real),
            "realism": grades.realism.view(b, k - 2).mean(dim=1),
            "precision": paths.precision(judge.near(features[:, 1:-1].flatten(0, 1)).view(b, k - 2)),
        }
        if judge.labelled and has_labels:
            p = judge.classify(features)
            found |= {
                "mean_confidence": paths.mean_confidence(p),
                "worst_confidence": paths.worst_confidence(p),
                "third_class": paths.third_class_mass(p, *labels),
                "monotonicity": paths.monotonicity(p, *labels),
            }
        columns |= {f"{name}_{judge.name}": value.double() for name, value in found.items()}
    _add_means(columns, JUDGED, judges)
    columns["relative_length"] = paths.relative_length(frames, pairs.lerp_frames).double()
    columns["largest_step"] = paths.largest_step(frames).double()
    columns["step_evenness"] = paths.step_evenness(frames).double()
    columns["end_error"] = paths.end_error(pairs.path.nodes, pairs.z_a, pairs.z_b).double()
    columns["arrived"] = pairs.path.arrived.double()
    return columns


def single_images(images: Tensor, judges: Sequence[Judge]) -> dict[str, Tensor]:
    """Measures realism, precision and confidence of single images (n, c, h, w), one value (n,) each: for the ceiling and the floor."""
    columns: dict[str, Tensor] = {}
    for judge in judges:
        grades = judge.grades(images)
        columns[f"real_{judge.name}"] = grades.real
        columns[f"realism_{judge.name}"] = grades.realism
        features = judge.features(images)
        columns[f"precision_{judge.name}"] = judge.near(features).double()
        if judge.labelled:
            columns[f"mean_confidence_{judge.name}"] = judge.classify(features).amax(dim=1).double()
    _add_means(columns, ("real", "realism", "precision", "mean_confidence"), judges)
    return columns


def _add_means(columns: dict[str, Tensor], names: Sequence[str], judges: Sequence[Judge]) -> None:
    """Adds to ``columns`` the judges' mean of each metric that any judge gives."""
    for name in names:
        each = [columns[f"{name}_{judge.name}"] for judge in judges if f"{name}_{judge.name}" in columns]
        if each:
            columns[name] = torch.stack(each).mean(dim=0)


@dataclass(frozen=True)
class Summary:
    """
    The comparison of several methods, with intervals.

    Attributes:
        rows: the mean by method and metric.
        differences: the paired difference to LERP by method and metric.
        free: the best free path.
        gains: the paired difference to the best free path by method and metric.
        lines: mean values by metric of real images, the ceiling and the floor.
        agreement: Kendall's tau between the two judges' orders of the methods by the share of real frames, and the pairs of methods that they order
            differently; NaN where a judge cannot tell.
        best: the method with the highest share of real frames among those whose paths all arrived; "" where a judge cannot tell.
        models: number of runs over which the figures are pooled.
    """

    rows: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Mapping[str, Interval]]
    free: str
    gains: Mapping[str, Mapping[str, Interval]]
    lines: Mapping[str, Mapping[str, float]]
    agreement: tuple[float, list[tuple[str, str]]]
    best: str
    models: int = 1


def summarise(entries: Sequence[Entry], lines: Mapping[str, Columns], seed: int, models: int = 1) -> Summary:
    """
    Computes means, intervals, and differences to LERP and to the best free path.

    Args:
        entries: the measurements of each method, ``lerp`` among them and ``slerp`` where it was measured, all over the same pairs in the same order.
        lines: the columns of ``single_images`` for ``real``, ``reconstructions`` and ``prior``.
        seed: seed of the bootstrap.
        models: number of runs that are pooled; the values of the same pairs follow one another, run by run.
    """
    by_name = {e.method: e.columns for e in entries}
    if "lerp" not in by_name:
        raise ValueError(f"a comparison needs LERP as its baseline; got {', '.join(by_name)}")
    means = {line: {name: float(v.mean()) for name, v in columns.items()} for line, columns in lines.items()}
    # a metric that is not defined on some path, such as the evenness of steps of a path that does not move, is left out of its row
    defined = {
        m: {n: v for n, v in own.items() if not v.isnan().any() or bool(v.isnan().all())} for m, own in by_name.items()
    }
    rows = {
        m: {n: crossed.estimate_mean(v, seed, models, _is_share(n)) for n, v in own.items()}
        for m, own in defined.items()
    }

    def over(base: str) -> dict[str, dict[str, Interval]]:
        return {
            m: {
                n: crossed.estimate_difference(v, defined[base][n], seed, models)
                for n, v in own.items()
                if n in defined[base]
            }
            for m, own in defined.items()
            if m != base
        }

    free, differences = best_free(by_name), over("lerp")
    judged = sorted({n.removeprefix("real_") for n in by_name["lerp"] if n.startswith("real_")})
    orders = [{m: rows[m][f"real_{j}"].value for m in by_name} for j in judged]
    agreement: tuple[float, list[tuple[str, str]]] = (1.0, [])
    if any(isnan(v) for order in orders for v in order.values()):
        agreement = nan, []
    elif len(orders) > 1:
        agreement = statistics.rank_agreement(orders[0], orders[1])
    whole_walks = [m for m, own in by_name.items() if bool((own["arrived"] == 1).all())]
    told = {m: rows[m]["real"].value for m in whole_walks}
    best = "" if any(map(isnan, told.values())) else max(told, key=lambda m: told[m])
    return Summary(
        rows, differences, free, differences if free == "lerp" else over(free), means, agreement, best, models
    )


def _is_share(column: str) -> bool:
    """Whether the values of a column lie in [0, 1]."""
    return column == "arrived" or column.startswith(JUDGED)


def best_free(columns: Mapping[str, Columns]) -> str:
    """The free path with more real frames of those that were measured, by method; LERP where both are equal, or no judge can tell."""
    return max((m for m in FREE if m in columns), key=lambda m: float(columns[m]["real"].mean().nan_to_num()))


def describe_gain(method: str, gain: Interval, free: str) -> str:
    """
    Returns a sentence that compares a method's share of real frames with that of the best free path.

    Args:
        method: name of the method.
        gain: paired difference of its share of real frames to that of the free path.
        free: name of the free path.
    """
    other = f"the best free path, {free.upper()}"
    if isnan(gain.value):
        return (
            f"Whether {method} is more real than {other}, is not settled, because the judges cannot tell on these data."
        )
    if gain.low > 0:
        return f"{method} is more real than {other}, by {gain:+.3f}."
    if gain.high < 0:
        return f"{method} is less real than {other}, by {gain:+.3f}."
    return f"Whether {method} is more real than {other}, is not settled: the difference is {gain:+.3f}, whose interval includes zero."


def describe_agreement(summary: Summary, most: int | None = None) -> str:
    """
    Returns a sentence about the agreement of the two judges.

    Args:
        summary: the comparison.
        most: number of pairs of methods that are named at most; None for all that the judges order differently.
    """
    tau, swapped = summary.agreement
    if isnan(tau):
        return "The judges' orders of the methods cannot be compared, because to one of them all methods are equal, or because it cannot tell."
    pairs = ", ".join(f"{a} and {b}" for a, b in swapped[:most])
    end = f"; they order these pairs differently: {pairs}." if swapped else "; they agree on every pair."
    return f"The two judges order the methods with Kendall's tau {tau:.2f}, where 1 is the same order and 0 unrelated ones{end}"
