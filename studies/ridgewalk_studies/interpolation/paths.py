"""Judged paths of interpolation networks and straight lines on held-out pairs, and measurements of the model at their points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ridgewalk.evaluation.ends import Ends, draw_ends
from ridgewalk.evaluation.judged import judge_lines
from ridgewalk.evaluation.search import search
from ridgewalk.finders import Lerp, Slerp
from ridgewalk.judging import comparison
from ridgewalk.judging.comparison import Entry, PairedPaths, Summary
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.metrics.paths import curve_energy
from ridgewalk.metrics.ranks import bootstrap_spearman
from ridgewalk.metrics.statistics import Interval
from ridgewalk.path import Path, chunked
from ridgewalk.store.run import Run
from ridgewalk_studies.interpolation.variants import TEACHER, Trained, projection

GEODESIC = "geodesic"
"""The shortest curves in decoded images, which the learned paths are claimed to approximate."""


@dataclass(frozen=True, eq=False)
class Judged:
    """
    Judged paths over one run.

    Attributes:
        run: The run whose codes the paths join.
        ends: The images at the ends.
        paths: Paths (b, k, d) by name, ``lerp`` included.
        shown: Frames (b, k, c, h, w) by name.
        entries: Figures by pair: those of the comparison, ``reprojection`` (mean |z - E(G(z))|^2 over interior nodes), and
            ``curve_energy`` of the frames.
        summary: Summary of the entries.
        others: The judges without the ends among their reference images.
    """

    run: Run
    ends: Ends
    paths: Mapping[str, Path]
    shown: Mapping[str, Tensor]
    entries: Mapping[str, Entry]
    summary: Summary
    others: Sequence[Judge]

    def reprojection(self, name: str) -> Interval:
        """Returns the re-projection error of a method over that of straight lines, on the same pairs."""
        return self.over(name, "lerp", "reprojection")

    def over(self, name: str, other: str, metric: str) -> Interval:
        """Returns the ratio of a metric's means of two methods, on the same pairs."""
        own, base = (self.entries[n].columns[metric] for n in (name, other))
        return statistics.bootstrap_ratio(own, base, 0)


def judge_paths(run: Run, judges: Sequence[Judge], found: Mapping[str, Trained], teacher: bool) -> Judged:
    """Judges LERP, SLERP, each network, geodesics and, with ``teacher``, strings under the networks' energy, on the run's test pairs."""
    frames = run.recipe.walks.frames
    ends = draw_ends(run, run.recipe.walks.pairs, 0, "test")
    z_a, z_b = run.encode(ends.x_a), run.encode(ends.x_b)
    paths = {"lerp": Lerp(frames)(z_a, z_b), "slerp": Slerp(frames)(z_a, z_b)}
    paths |= {n: t.finder(z_a, z_b) for n, t in found.items()}
    paths[GEODESIC] = search(run, GEODESIC, z_a, z_b)
    if teacher:
        paths["string"] = search(run, "string", z_a, z_b, TEACHER)
    shown = {n: p.map(run.decode).cpu() for n, p in paths.items()}
    others = [j.without(ends.digests()) for j in judges]
    entries = {}
    for n, p in paths.items():
        whole = replace(p, arrived=torch.ones_like(p.arrived))
        columns = comparison.measure(
            PairedPaths(whole, shown[n], shown["lerp"], z_a, z_b, ends.labels_a, ends.labels_b), others
        )
        inner = p.nodes[:, 1:-1].flatten(0, 1)
        again = (inner - chunked(projection(run), inner)).square().sum(dim=1).view(len(ends), -1).mean(dim=1)
        entries[n] = Entry(
            n,
            {k: v.cpu() for k, v in columns.items()}
            | {"reprojection": again.cpu().double(), "curve_energy": curve_energy(shown[n]).cpu().double()},
            p.stats,
        )
    summary = comparison.summarise(list(entries.values()), judge_lines(run, judges, "test", 0), 0)
    return Judged(run, ends, paths, shown, entries, summary, others)


def on_the_line(j: Judged, points: int) -> Tensor:
    """Returns the first interior points of straight lines: (n, d)."""
    return j.paths["lerp"].nodes[:, 1:-1].flatten(0, 1)[:points]


def idempotence(j: Judged, judges: Sequence[Judge], points: int) -> dict[str, Interval]:
    """Measures on LERP points the rank correlation of small re-projection error with realism, and the idempotence of E(G(.))."""
    z = on_the_line(j, points)
    once = chunked(projection(j.run), z)
    twice = chunked(projection(j.run), once)
    first, second = ((a - b).flatten(1).norm(dim=1).cpu() for a, b in ((z, once), (once, twice)))
    images = chunked(j.run.decode, z).cpu()
    realism = torch.stack([judge.margin(images) for judge in judges]).mean(dim=0)
    return {
        "rank": bootstrap_spearman(-first, realism, 0),
        "second over first": statistics.bootstrap_ratio(second, first, 0),
    }


def slope(j: Judged) -> Tensor:
    """
    Slope of the re-projection loss on straight lines: mean |grad_z |z - E(G(z))|^2| over each line's interior points, by pair (b,).

    In units of the codes' own size, their mean norm: the loss of a model whose codes are twice as large has twice the gradient.
    """
    z = j.paths["lerp"].nodes[:, 1:-1]
    rows = []
    for block in z.flatten(0, 1).split(1024):
        with torch.enable_grad():
            x = block.detach().requires_grad_(True)
            (x - projection(j.run)(x)).square().sum().backward()
        assert x.grad is not None
        rows.append(x.grad.norm(dim=1))
    size = j.run.references[:1000].norm(dim=1).mean()
    return (torch.cat(rows).view(len(z), -1).mean(dim=1) / size).cpu().double()
