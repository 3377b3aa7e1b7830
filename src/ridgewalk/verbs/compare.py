"""
The verb `compare`: every finder on the same pairs, and the front of realism against smoothness and against time.

Smoothness is the length of the path in decoded images over LERP's; time is that of the search, of all threads. Ridge paths take part at several
settings of their realism, and so does an interpolation network that has learned ridge paths and needs one pass for a path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from ridgewalk import processes
from ridgewalk.data import part
from ridgewalk.data.images import to_floats
from ridgewalk.evaluation.ends import count_pairs
from ridgewalk.evaluation.judged import (
    CEILING_IMAGES,
    describe_blindness,
    describe_budget,
    describe_power,
    prepare_judges,
)
from ridgewalk.evaluation.methods import (
    Measured,
    Pooled,
    figures_of,
    pool_runs,
    refuse_comparison,
    refuse_mixed,
    refuse_role,
)
from ridgewalk.evaluation.search import search
from ridgewalk.files import new_folder, new_free_folder, write_bytes
from ridgewalk.finders import Amortised
from ridgewalk.judging.comparison import Entry, describe_gain
from ridgewalk.judging.front import MIDDLE, Standing, middle_distance, standings
from ridgewalk.models.interpolator import ExactInterpolator
from ridgewalk.path import chunked
from ridgewalk.progress import track
from ridgewalk.records import json_bytes
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.training import Schedule
from ridgewalk.store.run import Run
from ridgewalk.training.interpolation import Distilled
from ridgewalk.training.loop import Fitting, fit

KNOBS = (1, 2, 4, 8, 16, 32)
"""Realisms of the ridge paths."""

AMORTISED = "amortised"

TEACHER = "ridge-quick@16"
"""Method whose paths the network learns."""

ONE_IN = 6
"""One pair is searched for the network per so many codes of the pool."""

LONG = 1.3
"""Length over LERP's up to which a path counts as smooth."""


@dataclass(frozen=True)
class Request:
    """
    What to compare.

    Attributes:
        pairs: number of pairs of test images; by default the recipe's.
        role: role of the images, test or validation.
        methods: names of methods; by default ``methods_for`` and the interpolation network.
        out: folder of the result; by default RUN/compare, or the next free name.
        seed: seed of the pairs and of the bootstrap.
    """

    pairs: int | None = None
    role: str = "test"
    methods: Sequence[str] | None = None
    out: Path | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Learned:
    """
    An interpolation network as a finder.

    Attributes:
        finder: its paths.
        searching: seconds of the search of the paths that it learned from.
        training: seconds of its training.
        distance: distance of its paths from those at the end of the training, where straight lines have 1.
    """

    finder: Amortised
    searching: float
    training: float
    distance: float


@dataclass(frozen=True, eq=False)
class Front:
    """
    Every finder measured on the same pairs of all runs.

    Attributes:
        runs: the runs.
        pooled: their paths, judged.
        smooth: standing of each finder on the front of realism against length; none where a judge cannot tell.
        quick: standing of each finder on the front of realism against time.
        middles: Fréchet distance of middle frames to held-out images, divided by LERP's, for each run by finder and judge.
        answer: the result in sentences.
        figures: everything measured, for JSON.
    """

    runs: Sequence[Run]
    pooled: Pooled
    smooth: Mapping[str, Standing]
    quick: Mapping[str, Standing]
    middles: Sequence[Mapping[str, Mapping[str, float]]]
    answer: Sequence[str]
    figures: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Result:
    """
    The front on disk.

    Attributes:
        folder: folder with ``result.json``, which the page goes into.
        request: the request.
        pairs: number of pairs.
        front: what was measured.
        verdict: the result in sentences.
        figures: everything measured, for JSON.
    """

    folder: Path
    request: Request
    pairs: int
    front: Front
    verdict: Sequence[str]
    figures: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The file of the report."""
        return self.folder / "report.html"


def compare(runs: Sequence[Run], request: Request) -> Result | None:
    """
    Compares finders over runs of one recipe, and writes ``result.json`` into a folder.

    Returns:
        The result; None on all processes of a torchrun but the first.

    Raises:
        ValueError: if a run is named twice, the runs are of different recipes or images, or the folder exists and is not empty.
    """
    refuse_mixed(runs)
    folder = processes.first(
        lambda: new_folder(request.out) if request.out else new_free_folder(runs[0].folder, "compare")
    )
    refuse_role(request.role)
    pairs = count_pairs(runs[0], request.role, request.pairs)
    front = measure_front(runs, pairs, request.role, request.methods, request.seed)
    if front is None:
        return None
    figures = {**front.figures, "answer": list(front.answer)}
    write_bytes(folder / "result.json", json_bytes(figures))
    return Result(folder, request, pairs, front, front.answer, {"report": str(folder / "report.html"), **figures})


def methods_for(run: Run) -> list[str]:
    """Returns the methods compared by default: by the energy dual where the run has a pixel sensor, by the density ratio otherwise."""
    dual = ":dual" if "pixel" in run.sensors else ""
    both = ["string:dual"] if dual else []
    return [
        *("lerp", "slerp", "geodesic", "graph", "sgw-arriving", "string", "graph-string", "string:neighbours", *both),
        *(f"ridge@{r}{dual}" for r in KNOBS),
        *(["ridge@8", "ridge-quick@8"] if dual else ["ridge-quick@8"]),
    ]


def measure_front(runs: Sequence[Run], pairs: int, role: str, methods: Sequence[str] | None, seed: int) -> Front | None:
    """
    Measures all methods over the same pairs of all runs.

    Args:
        runs: runs of one recipe and data, with different seeds.
        pairs: number of pairs of images of the role.
        role: test or validation.
        methods: names; by default ``methods_for``, and then the interpolation network as well.
        seed: seed of the pairs and of the bootstrap.

    Returns:
        The measurement; None on all processes of a torchrun but the first.
    """
    for run in runs:
        if run.recipe.walks.frames < MIDDLE + 2:
            raise ValueError(
                f"a comparison measures the middle of paths of at least {MIDDLE + 2} frames; {run.folder} has walks.frames = {run.recipe.walks.frames}"
            )
        refuse_comparison(run, pairs, role, methods or methods_for(runs[0]), seed)
    judges = [prepare_judges(run) for run in runs]
    energy = "dual" if all("pixel" in run.sensors for run in runs) else "soft-ratio"
    learned = [] if methods else [learn_paths(run, energy) for run in track(runs, "interpolation networks")]
    own = [{AMORTISED: a.finder} for a in learned] if learned else None
    pooled = pool_runs(runs, pairs, role, list(methods or methods_for(runs[0])), seed, own, judges)
    if pooled is None:
        return None
    entries = [_with_milliseconds(e) for e in pooled.entries]
    smooth = standings(entries, "real", "relative_length", seed, len(runs))
    quick = standings(entries, "real", "milliseconds", seed, len(runs))
    middles = [_middles(run, measured, role) for run, measured in zip(runs, pooled.measured)]
    figures: dict[str, Any] = {
        **figures_of(runs, pooled.summary, pooled.entries, pooled.measured[0].judges, pairs, role, seed),
        "front": {m: {"smoothness": vars(smooth[m]), "time": vars(quick[m])} for m in smooth},
        "middle_frechet": middles,
        "amortised": [{"search": a.searching, "training": a.training, "distance": a.distance} for a in learned],
    }
    answer = [*describe_budget(runs[0]), *_answer(pooled, smooth, quick)]
    return Front(runs, pooled, smooth, quick, middles, answer, figures)


def learn_paths(run: Run, energy: str) -> Learned:
    """
    Trains an interpolation network on ridge paths between codes that the model was trained on; its paths have exact ends by construction.

    It learns searched paths: trained on their objective itself, it would find points that the sensors prefer and that no judge calls real.

    Args:
        run: the run.
        energy: name of the energy of the ridge paths.
    """
    i = run.recipe.interpolation
    pool = run.references[: i.pool]
    count = max(2, len(pool) // ONE_IN)
    generator = torch.Generator().manual_seed(mixed_seed(run.origin.seed, Stream.TAUGHT_PAIRS))
    first = torch.randperm(len(pool), generator=generator)[:count]
    second = (first + torch.randint(1, len(pool), (count,), generator=generator)) % len(pool)
    began = perf_counter()
    taught = search(run, TEACHER, pool[first.to(pool.device)], pool[second.to(pool.device)], energy).nodes
    searching = perf_counter() - began
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(run.origin.seed, Stream.INTERPOLATOR))
        network = ExactInterpolator(run.size, i.hidden, i.activation)
    objective = Distilled(network, taught, i.times)
    schedule = Schedule(epochs=i.epochs, batch=min(i.batch, count), rate=i.rate, decay="cosine", seed=run.origin.seed)
    history = fit(objective, objective.data(), schedule, Fitting(str(run.device), label=AMORTISED, shared=False))
    away = history.terms["distance"]
    finder = Amortised(objective.network.eval(), run.recipe.walks.frames, spacing=run.decode)
    return Learned(finder, searching, history.seconds, float(away[-max(1, len(away) // 10) :].mean()))


def _with_milliseconds(e: Entry) -> Entry:
    time = 1000 * e.stats.get("cpu_seconds_per_path", 0.0)
    return Entry(e.method, {**e.columns, "milliseconds": torch.full_like(e.columns["arrived"], time)}, e.stats)


def _middles(run: Run, measured: Measured, role: str) -> dict[str, dict[str, float]]:
    """Fréchet distance of middle frames to held-out images over LERP's, by method and judge; the same for reconstructions."""
    frames, judges = measured.frames, measured.judges
    x = to_floats(part(run.data, role).pixels[:CEILING_IMAGES])
    real = {j.name: j.features(x) for j in judges}
    found = {
        n: middle_distance(f, real, judges) for n, f in track(frames.items(), "Fréchet distances", total=len(frames))
    }
    shown = chunked(run.decode, run.encode(x)).cpu()[:, None].expand(-1, 6, -1, -1, -1)
    count = min(len(x), len(next(iter(frames.values()))))
    found["reconstructions"] = middle_distance(shown[:count], real, judges)
    return {n: {j: v / found["lerp"][j] for j, v in values.items()} for n, values in found.items()}


def _answer(pooled: Pooled, smooth: Mapping[str, Standing], quick: Mapping[str, Standing]) -> list[str]:
    s, judges = pooled.summary, pooled.measured[0].judges
    if blind := describe_blindness(judges):
        return blind

    def row(m: str) -> str:
        p = s.rows[m]["real"]
        return f"{m} ({p.value:.3f} at {s.rows[m]['relative_length'].value:.2f})"

    on = sorted((m for m, v in smooth.items() if v.place == "on"), key=lambda m: s.rows[m]["relative_length"].value)
    off = [m for m, v in smooth.items() if v.place == "off"]
    fast = [m for m, v in quick.items() if v.place == "on"]
    best = [] if s.best == s.free else [describe_gain(s.best, s.gains[s.best]["real"], s.free)]
    return [
        *best,
        f"On the front of realism against length (share of real frames at length over LERP's): {', '.join(row(m) for m in on)}.",
        f"Off it beyond doubt: {', '.join(off) or 'none'}.",
        f"On the front of realism against time: {', '.join(fast)}.",
        describe_power(judges),
    ]
