"""The verbs `sample` and `evaluate`: what a run generates, as files and pictures, and measured."""

import math
import platform
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

import ridgewalk
from ridgewalk import naming
from ridgewalk.data import ImageData, part
from ridgewalk.data.points import PointData
from ridgewalk.diffusion import PerRows, Sampled
from ridgewalk.files import free_folder, refuse_used, write_arrays, write_bytes
from ridgewalk.judging import samples
from ridgewalk.judging.judges import NAMES, judge
from ridgewalk.metrics.layout import asymmetry, borders
from ridgewalk.path import chunked
from ridgewalk.protocols import VectorField
from ridgewalk.reports import Block, Cell, Column, Figure, Page, Section, Table, TableBlock, figures, write
from ridgewalk.reports import samples as pictures
from ridgewalk.settings import recipes
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store import guide as guides
from ridgewalk.store.guide import Guide
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run, load, read_settings
from ridgewalk.verbs import diffuse
from ridgewalk.verbs.diffuse import DiffusionRun
from ridgewalk.verbs.report import Result

PARTS = ("both", "predictor", "corrector")
"""Of a predictor-corrector, which may be guided."""

KEPT = 40
"""States of a trajectory that are kept for its picture."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """
    Samples of a run.

    Attributes:
        values: images (n, c, h, w) in [0, 1], or points (n, d).
        states: of points, the way from noise: (k, n, d).
        nfe: evaluations of the score on each; 0 of a prior.
        source: what drew them, in words.
        seconds: taken.
    """

    values: Tensor
    states: Tensor
    nfe: int
    source: str
    seconds: float


AnyRun = Run | DiffusionRun


def open_run(folder: Path, device: str = "cpu") -> AnyRun:
    """A run of either kind."""
    return (
        diffuse.load(folder, device) if read_settings(folder)[1].objective.name == "diffusion" else load(folder, device)
    )


def settled(run: AnyRun, changes: Sequence[str] = (), **given: Any) -> Sampling:
    """How a run is sampled: its recipe's table, with options and settings put in."""
    recipe = recipes.changed(run.recipe, changes, ("sampling",)) if changes else run.recipe
    return replace(recipe.sampling, **{k: v for k, v in given.items() if v is not None})


def draw(
    run: AnyRun,
    rows: int,
    seed: int,
    how: Sampling,
    label: int | None = None,
    prior: bool = False,
    keep: int = 0,
    gamma: float | None = None,
    parts: str = "both",
) -> Drawn:
    """
    Samples of a run: of its diffusion, or of an autoencoder's prior where it has none or ``prior`` asks for it.

    Args:
        run: of either kind.
        rows: number of samples.
        seed: of all; sample i is the same however many there are.
        how: sampler, steps and the rest.
        label: the class asked of a diffusion that was trained with labels.
        prior: whether to draw an autoencoder's prior although its codes have a diffusion.
        keep: states of the way that are kept, of points.
        gamma: strength of the guide's correction; None for none.
        parts: of a predictor-corrector, which are guided: one of ``PARTS``.
    """
    if rows < 1:
        raise ValueError(f"at least one sample must be asked for; got {rows}")
    model = run.diffused
    began = perf_counter()
    if prior or model is None:
        if isinstance(run, DiffusionRun):
            raise ValueError("a diffusion of data has no prior but noise; leave out --prior")
        if label is not None:
            raise ValueError(
                "a prior has no classes; leave out --label, or train a diffusion with diffusion.labels = true"
            )
        images = chunked(run.decode, prior_draws(run, rows, seed)).cpu()
        return Drawn(images, torch.empty(0), 0, "the autoencoder's prior", perf_counter() - began)
    labels = None if label is None else torch.full((rows,), label)
    if parts not in PARTS:
        raise ValueError(naming.unknown("part of a sampler", parts, PARTS))
    score: VectorField | PerRows | None = None
    corrector: VectorField | None = None
    if gamma is not None:
        guide = guides.read(run.folder, model)
        score = guide.score(model, gamma, labels, how.weight)
        for complaint in guide.complaints(how):
            warnings.warn(complaint, stacklevel=2)
        if parts != "both":
            if labels is not None:
                raise ValueError("parts of a sampler are guided apart without classes only; leave out --label")
            assert not isinstance(score, PerRows)
            score, corrector = (score, model.denoiser.score) if parts == "predictor" else (model.denoiser.score, score)
    elif parts != "both":
        raise ValueError("only guided samples have parts that are guided; give --gamma too")
    made: Sampled = model.sample(rows, seed, how, labels, keep=keep, score=score, corrector_score=corrector)
    values, states = made.x, made.states
    if isinstance(run, Run):
        values, states = chunked(run.decode, made.x.to(run.device)).cpu(), torch.empty(0)
    elif len(model.shape) == 3:
        values, states = made.x.clamp(0, 1), torch.empty(0)
    what = "the diffusion of its codes" if isinstance(run, Run) else "the diffusion"
    by = f"{what} by '{how.sampler}'"
    if gamma is not None:
        by += f", guided with strength {gamma:g}" + (f" in its {parts} alone" if parts != "both" else "")
    return Drawn(values, states, made.nfe, by, perf_counter() - began)


def sample(
    run: AnyRun,
    rows: int = 64,
    seed: int = 0,
    how: Sampling | None = None,
    label: int | None = None,
    prior: bool = False,
    out: Path | None = None,
    gamma: float | None = None,
    parts: str = "both",
) -> Result:
    """Draws samples into a new folder: ``samples.npz``, ``samples.png``, and of points in the plane ``trajectories.png``."""
    chosen = how or run.recipe.sampling
    plane = isinstance(run, DiffusionRun) and run.diffused.shape == (2,)
    folder = _folder(run, out, "samples")
    drawn = draw(run, rows, seed, chosen, label, prior, KEPT if plane else 0, gamma, parts)
    values = drawn.values.numpy()
    write_arrays(folder / "samples.npz", {"samples": drawn.values})
    files = [folder / "samples.npz"]
    if values.ndim == 4:
        _picture(folder / "samples.png", pictures.sheet(values[:256]), files)
    elif plane:
        ground = _ground(run)
        _picture(folder / "samples.png", pictures.clouds({drawn.source: values}, ground), files)
        ways = drawn.states[:, : pictures.WAYS].numpy()
        _picture(folder / "trajectories.png", pictures.trajectories({drawn.source: ways}, ground), files)
    figures_found = {
        "run": str(run.folder),
        "samples": rows,
        "seed": seed,
        "source": drawn.source,
        "nfe": drawn.nfe,
        "seconds": drawn.seconds,
        "sampling": vars(chosen),
        "files": [str(f) for f in files],
    }
    line = f"{rows} samples of {drawn.source}, {drawn.nfe} evaluations each, in {drawn.seconds:.1f} s"
    return Result(files[-1], [line], figures_found)


def evaluate(
    run: AnyRun,
    rows: int | None = None,
    seed: int = 0,
    how: Sampling | None = None,
    out: Path | None = None,
    gamma: float | None = None,
) -> Result:
    """Measures a run's samples: images by both judges, points by their density, beside real data; writes ``report.html``."""
    chosen = how or run.recipe.sampling
    data = run.data
    if isinstance(data, PointData):
        assert isinstance(run, DiffusionRun)
        lines, blocks, found = _points(run, data, rows or 20000, seed, chosen, gamma)
    else:
        lines, blocks, found = _images(run, data, rows, seed, chosen, gamma)
    if gamma is not None and run.diffused is not None:
        guide = guides.read(run.folder, run.diffused)
        lines.append(f"The guide: {guide.account.sentence}.")
        blocks.append(_accounted(guide))
        found["guide"] = guide.account.to_json()
    folder = _folder(run, out, "evaluation")
    page = Page(
        f"What {run.folder.name} generates",
        f"{run.origin.budget}; recipe {run.origin.recipe}, model seed {run.origin.seed}; ridgewalk {ridgewalk.__version__}.",
        lines,
        [Section("Samples", "", blocks)],
        {"sampling": vars(chosen)},
        "Are its samples real, and are they all that there is?",
        {
            "command": f"ridgewalk evaluate {run.folder.name} --seed {seed}",
            "software": f"Python {platform.python_version()}, PyTorch {torch.__version__}",
        },
    )
    write(page, folder / "report.html")
    return Result(
        folder / "report.html", lines, {"run": str(run.folder), "report": str(folder / "report.html"), **found}
    )


def _images(
    run: AnyRun, data: ImageData, rows: int | None, seed: int, how: Sampling, gamma: float | None
) -> tuple[list[str], list[Block], dict[str, Any]]:
    j = run.recipe.judges
    judges = [judge(data, name, j) for name in NAMES]
    n = min(rows or 5000, len(judges[0].reference))
    held = torch.cat([part(data, role).floats() for role in ("validation", "test")])[:n]
    groups = {"real, held out": held}
    drawn = draw(run, n, seed, how, gamma=gamma)
    groups[drawn.source] = drawn.values
    if gamma is not None:
        plain = draw(run, n, seed, how)
        groups[plain.source] = plain.values
    if isinstance(run, Run) and run.diffused is not None:
        groups["the autoencoder's prior"] = draw(run, n, seed, how, prior=True).values
    graded = {name: samples.grade(x, judges, seed) for name, x in groups.items()}
    keys = {
        "frechet": Column(
            "Frechet", ".2f", "lower", "distance in the judge's features; not comparable with published FID"
        ),
        "kid": Column("KID", ".4f", "lower", "kernel distance in the judge's features"),
        "precision": Column("precision", ".3f", "higher", "share of samples in a 3-NN ball of a real image"),
        "recall": Column("recall", ".3f", "higher", "share of real images in a 3-NN ball of a sample"),
        "density": Column("density", ".3f", None, "mean number of real 5-NN balls a sample lies in, over 5"),
        "coverage": Column("coverage", ".3f", "higher", "share of real images with a sample in their 5-NN ball"),
        "classes_score": Column(
            "score of classes", ".2f", "higher", "exp E KL(p(y|x) || p(y)) by the judge's own classes"
        ),
    }
    blocks: list[Block] = []
    for i, own in enumerate(judges):
        cells = {name: {k: Cell.of(v) for k, v in g[i].values.items() if k in keys} for name, g in graded.items()}
        present = {k: c for k, c in keys.items() if any(k in r for r in cells.values())}
        blocks.append(TableBlock(Table(present, cells, ("real, held out",)), f"Judge {own.name}, {n} of each"))
    measured = {name: {"asymmetry": float(asymmetry(x).mean()), "borders": borders(x)} for name, x in groups.items()}
    whole = {name: {k: v for k, v in row.items() if math.isfinite(v)} for name, row in measured.items()}
    shape = {
        "asymmetry": Column("asymmetry", ".3f", None, "0 for mirror images of themselves, 1 for unrelated halves"),
        "borders": Column("borders", ".3f", None, "correlation of the colours at the left and right border"),
    }
    laid = {name: {k: Cell(v) for k, v in row.items()} for name, row in whole.items()}
    blocks.append(TableBlock(Table(shape, laid, ("real, held out",)), "Symmetry and background, no judge asked"))
    blocks += [
        Figure(
            figures.png(pictures.sheet(x[:64].numpy())),
            f"A sheet of images: {name}.",
            f"{name}: the first 64, not chosen.",
            name,
        )
        for name, x in groups.items()
    ]
    mine, real = samples.pooled(graded[drawn.source]), samples.pooled(graded["real, held out"])
    lines = [
        f"Samples of {drawn.source} ({drawn.nfe} evaluations each): Frechet distance {mine['frechet']:.2f}, precision {mine['precision']:.3f}, recall "
        f"{mine['recall']:.3f}; real held-out images {real['frechet']:.2f}, {real['precision']:.3f} and {real['recall']:.3f} (means of both judges)."
    ]
    found = {
        "samples": n,
        "nfe": drawn.nfe,
        "seconds": drawn.seconds,
        "layout": whole,
        "groups": {
            name: {g.judge: {k: [v.value, v.low, v.high] for k, v in g.values.items()} for g in gs}
            for name, gs in graded.items()
        },
    }
    return lines, blocks, found


def _points(
    run: DiffusionRun, data: PointData, rows: int, seed: int, how: Sampling, gamma: float | None
) -> tuple[list[str], list[Block], dict[str, Any]]:
    plane = run.diffused.shape == (2,)
    drawn = draw(run, rows, seed, how, keep=KEPT if plane else 0, gamma=gamma)
    blocks: list[Block] = []
    found: dict[str, Any] = {"samples": rows, "nfe": drawn.nfe, "seconds": drawn.seconds}
    if data.density is not None:
        modes = run.origin.source in samples.MODES
        values = samples.compare_with_density(drawn.values, data.density, modes, seed)
        base = samples.floor(data.density, rows, modes, seed)
        cells = {"samples": values, "draws of the density": base}
        if gamma is not None:
            plain = samples.compare_with_density(draw(run, rows, seed, how).values, data.density, modes, seed)
            cells = {"guided": values, "unguided": plain, "draws of the density": base}
            found["unguided"] = plain
        columns = {
            k: Column(k.replace("_", " "), ".4f", None if k in ("mmd", "nll_of_data") else "lower") for k in values
        }
        table = Table(
            columns, {n: {k: Cell(v) for k, v in row.items()} for n, row in cells.items()}, ("draws of the density",)
        )
        blocks.append(TableBlock(table, f"{rows} samples against the density that they should have"))
        key, what = (
            ("kl", "KL(model || data)") if "kl" in values else ("sliced_wasserstein", "Sliced Wasserstein distance")
        )
        lines = [
            f"{what} {values[key]:.3f}, where draws of the density give {base[key]:.3f}; {drawn.nfe} evaluations each."
        ]
        found |= {"values": values, "floor": base}
    else:
        values = samples.compare_with_data(drawn.values, run.rows("test"), seed)
        row = {"samples": {k: Cell(v) for k, v in values.items()}}
        blocks.append(
            TableBlock(
                Table({k: Column(k.replace("_", " "), ".4f", None) for k in values}, row),
                "Samples against held-out points",
            )
        )
        lines = [
            f"Sliced Wasserstein distance to held-out points {values['sliced_wasserstein']:.4f}; {drawn.nfe} evaluations each."
        ]
        found |= {"values": values}
    if plane:
        ground = _ground(run)
        held = run.rows("test")[:4000].numpy()
        clouds = figures.png(pictures.clouds({"data": held, "samples": drawn.values[:4000].numpy()}, ground))
        ways = figures.png(pictures.trajectories({how.sampler: drawn.states[:, : pictures.WAYS].numpy()}, ground))
        blocks += [
            Figure(clouds, "Clouds of points: data and samples.", "Held-out data, and samples.", "Samples"),
            Figure(
                ways, "Lines from noise to data.", f"The ways of {min(rows, pictures.WAYS)} samples.", "Trajectories"
            ),
        ]
    return lines, blocks, found


def _accounted(guide: Guide) -> Block:
    """What a guide is worth, level by level."""
    columns = {
        "bce": Column("cross-entropy", ".3f", "lower", "held out; chance is 0.693"),
        "calibration": Column("calibration error", ".3f", "lower", "of its probabilities"),
        "gain": Column(
            "gain", ".3g", "higher", "what guiding takes off the held-out denoising error; below 0 it harms"
        ),
        "strength": Column("best strength", ".2f", None, "the multiple of its gradient that gains most"),
        "gradient_error": Column(
            "gradient error", ".3g", "lower", "0 right, 1 as good as none; where the density is known"
        ),
    }
    cells = {
        f"{v.level:.2g}": {k: Cell(getattr(v, k)) for k in columns if getattr(v, k) is not None}
        for v in guide.account.levels
    }
    return TableBlock(Table(columns, cells), "The guide, by sigma / alpha, on held-out data")


def _ground(run: AnyRun) -> Any:
    data = run.data
    return samples.plane(data.density) if isinstance(data, PointData) and data.density is not None else None


def _picture(file: Path, figure: Any, files: list[Path]) -> None:
    write_bytes(file, figures.png(figure))
    files.append(file)


def _folder(run: AnyRun, out: Path | None, name: str) -> Path:
    if out is not None:
        refuse_used(out)
    return out or free_folder(run.folder, name)
