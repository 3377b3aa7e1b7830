"""The verb `evaluate`: a run's samples measured, images by the judges, points by the density that they should have."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data import ImageData, Images, role_slice
from ridgewalk.data.points import PointData
from ridgewalk.evaluation.judged import (
    describe_blindness,
    describe_budget,
    describe_power,
    judges_of,
    power_figures,
)
from ridgewalk.evaluation.likelihood import Bits, held_out_bits, refuse_undefined
from ridgewalk.evaluation.sampling import KEPT, Draw, Drawn, draw, in_plane
from ridgewalk.files import new_folder, new_free_folder
from ridgewalk.judging import samples
from ridgewalk.judging.inception import Inception, load_inception
from ridgewalk.judging.judges import Judge
from ridgewalk.judging.samples import GradedImages
from ridgewalk.limits import lower
from ridgewalk.metrics.layout import asymmetry, borders
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.store.guide import Guide
from ridgewalk.store.run import Run

REAL = "real, held out"
"""Name of the group of real images that samples are compared with."""

IMAGES, POINTS = 5000, 20000
"""Default numbers of samples."""

FEWEST = 10
"""Smallest number of images that can be evaluated."""


@dataclass(frozen=True)
class Request:
    """
    What to measure.

    Attributes:
        rows: number of samples; by default ``IMAGES`` or ``POINTS``, and no more images than the judges have references.
        seed: seed of the samples and of the intervals.
        how: sampler and its settings; by default the recipe's.
        gamma: strength of the guide's correction; by default there is none. Samples without it are then measured as well.
        nll: number of held-out rows whose bits per dimension are computed; 0 for none.
        inception: TorchScript file of the published Inception network, in whose features FID is measured; None for none.
        out: folder of the result, new or empty; by default RUN/evaluation, or the next free name.
    """

    rows: int | None = None
    seed: int = 0
    how: Sampling | None = None
    gamma: float | None = None
    nll: int = 0
    inception: Path | None = None
    out: Path | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """
    Samples compared with real data.

    Attributes:
        drawn: the samples.
        verdict: the result in sentences.
        figures: everything measured, for JSON.
        groups: images (n, c, h, w) by group, real ones first; empty for points.
        graded: figures of each group by each judge; empty for points.
        judges: the judges; none for points.
        layout: figures that need no judge by group of images; empty for points.
        values: figures by group of points; empty for images.
        fid: FID by group of images; empty without the published network.
    """

    drawn: Drawn
    verdict: Sequence[str]
    figures: Mapping[str, Any]
    groups: Mapping[str, Tensor] = field(default_factory=dict)
    graded: Mapping[str, Sequence[GradedImages]] = field(default_factory=dict)
    layout: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    fid: Mapping[str, float] = field(default_factory=dict)
    judges: Sequence[Judge] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """
    The evaluation.

    Attributes:
        folder: folder that the page goes into.
        run: the run.
        request: the request.
        how: sampler and its settings.
        measured: the samples compared with real data.
        guide: the guide that corrected the samples; None without one.
        bits: bits per dimension of held-out data by the source of the samples; empty where they were not asked for.
        verdict: the result in sentences.
        figures: everything measured, for JSON.
    """

    folder: Path
    run: Run
    request: Request
    how: Sampling
    measured: Measured
    guide: Guide | None
    verdict: Sequence[str]
    figures: Mapping[str, Any]
    bits: Mapping[str, Bits] = field(default_factory=dict)

    @property
    def page(self) -> Path:
        """The file of the report."""
        return self.folder / "report.html"


def evaluate(run: Run, request: Request) -> Result:
    """Draws samples and compares them with real data."""
    how = request.how or run.recipe.sampling
    if request.gamma is not None:
        _ = run.guide  # one that is missing is refused before anything is sampled
    if request.nll:
        refuse_undefined(run)
    data = run.dataset
    if request.inception is not None and isinstance(data, PointData):
        raise ValueError(f"--inception is for images, and {run.folder} is a diffusion of points: leave it out")
    device = run.device if run.has_latents else run.diffusion.device
    network = None if request.inception is None else load_inception(request.inception, device)
    folder = new_folder(request.out) if request.out else new_free_folder(run.folder, "evaluation")
    if isinstance(data, PointData):
        measured = _points(run, data, how, request)
    else:
        measured = _images(run, data, how, request, network)
    figures = {"run": str(run.folder), "report": str(folder / "report.html"), **measured.figures}
    verdict, guide = list(measured.verdict), None
    if request.gamma is not None:
        guide = run.guide
        verdict.append(f"The guide: {guide.diagnosis.sentence}.")
        figures["guide"] = guide.diagnosis.to_json()
    bits = _bits(run, request) if request.nll else {}
    if bits:
        verdict += [b.sentence(source) for source, b in bits.items()]
        figures["bits_per_dimension"] = {source: b.figures() for source, b in bits.items()}
    return Result(folder, run, request, how, measured, guide, verdict, figures, bits)


def _bits(run: Run, request: Request) -> dict[str, Bits]:
    """Bits per dimension under the diffusion, and under the guided one where samples are guided."""
    bits = {"the diffusion": held_out_bits(run, request.nll, request.seed)}
    if request.gamma is not None:
        name = f"the diffusion, guided with strength {request.gamma:g}"
        bits[name] = held_out_bits(run, request.nll, request.seed, request.gamma)
    return bits


def _images(run: Run, data: ImageData, how: Sampling, request: Request, network: Inception | None) -> Measured:
    judges, seed, gamma = judges_of(run), request.seed, request.gamma
    most = len(judges[0].reference)
    n = (
        min(IMAGES, most)
        if request.rows is None
        else lower("the number of samples", request.rows, most, f"the judges compare with {most} images")
    )
    held_out = role_slice("test", len(data.train), len(data.test))[1].stop  # the roles validation and test
    fewest = min(held_out, *(len(j.reference) for j in judges))
    if fewest < FEWEST:
        raise ValueError(
            f"an evaluation of images needs at least {FEWEST} reference images, and as many of the roles validation and test together; "
            f"there are {fewest}: take a larger data set"
        )
    real_images = data.test.floats(torch.arange(min(n, held_out)))
    groups = {REAL: real_images}
    drawn = draw(run, Draw(n, seed, how, gamma=gamma))
    groups[drawn.source] = drawn.values
    if gamma is not None:
        plain = draw(run, Draw(n, seed, how))
        groups[plain.source] = plain.values
    if run.has_latents and run.has_diffusion:
        groups["the autoencoder's prior"] = draw(run, Draw(n, seed, how, prior=True)).values
    graded = {name: samples.grade(x, judges, seed) for name, x in groups.items()}
    layout = {name: {"asymmetry": float(asymmetry(x).mean()), "borders": borders(x)} for name, x in groups.items()}
    finite = {name: {k: v for k, v in row.items() if math.isfinite(v)} for name, row in layout.items()}
    own, real = samples.pooled(graded[drawn.source]), samples.pooled(graded[REAL])
    verdict = (
        f"Samples of {drawn.source} ({drawn.nfe} evaluations each): Fréchet distance in the judges' features {own['frechet']:.2f}, precision "
        f"{own['precision']:.3f}, recall {own['recall']:.3f}; real held-out images {real['frechet']:.2f}, {real['precision']:.3f} and "
        f"{real['recall']:.3f} (means of both judges)."
    )
    fid = {} if network is None else _fid(network, groups, judges[0].reference, n)
    figures = {
        "samples": n,
        "nfe": drawn.nfe,
        "seconds": drawn.seconds,
        "layout": finite,
        "power": power_figures(judges),
        "groups": {
            name: {g.judge: {k: [v.value, v.low, v.high] for k, v in g.values.items()} for g in gs}
            for name, gs in graded.items()
        },
    }
    real_shares = f"{own['real']:.0%} of the samples and {real['real']:.0%} of real held-out images are real to the judges. {describe_power(judges)}"
    told = [*describe_budget(run), verdict, *(describe_blindness(judges) or [real_shares])]
    if network is not None:
        figures["fid"] = {"file": str(network.file), "sha256": network.sha256, "images": n, "groups": fid}
        told.append(
            f"FID by the network in {network.file}: {fid[drawn.source]:.2f}, real held-out images {fid[REAL]:.2f}, each of at most {n} images against as many "
            "real ones; published figures take 50,000, and fewer raise it."
        )
    return Measured(drawn, told, figures, groups, graded, finite, fid=fid, judges=judges)


def _fid(network: Inception, groups: Mapping[str, Tensor], reference: Images, n: int) -> dict[str, float]:
    """FID of each group of images against the reference images, of which n are taken, or as many as the group has."""
    real = network.features(reference.floats(torch.arange(min(n, len(reference)))))
    found = {}
    for name, images in groups.items():
        m = min(len(real), len(images))
        found[name] = network.fid(network.features(images[:m]), real[:m])
    return found


def _points(run: Run, data: PointData, how: Sampling, request: Request) -> Measured:
    rows, seed, gamma = request.rows or POINTS, request.seed, request.gamma
    drawn = draw(run, Draw(rows, seed, how, keep=KEPT if in_plane(run) else 0, gamma=gamma))
    figures: dict[str, Any] = {"samples": rows, "nfe": drawn.nfe, "seconds": drawn.seconds}
    if data.density is None:
        values = samples.compare_with_data(drawn.values, run.rows("test"), seed)
        figures["values"] = values
        verdict = (
            f"Sliced Wasserstein distance to held-out points {values['sliced_wasserstein']:.4f}; "
            f"{drawn.nfe} evaluations each."
        )
        return Measured(drawn, [verdict], figures, values={"samples": values})
    modes = run.origin.source in samples.MODES
    values = samples.compare_with_density(drawn.values, data.density, modes, seed)
    floor = samples.floor(data.density, rows, modes, seed)
    groups = {"samples": values}
    if gamma is not None:
        plain = samples.compare_with_density(draw(run, Draw(rows, seed, how)).values, data.density, modes, seed)
        groups = {"guided": values, "unguided": plain}
        figures["unguided"] = plain
    figures |= {"values": values, "floor": floor}
    key, name = ("kl", "KL(model || data)") if "kl" in values else ("sliced_wasserstein", "Sliced Wasserstein distance")
    verdict = (
        f"{name} {values[key]:.3f}, where draws of the density have {floor[key]:.3f}; {drawn.nfe} evaluations each."
    )
    return Measured(drawn, [verdict], figures, values={**groups, "draws of the density": floor})
