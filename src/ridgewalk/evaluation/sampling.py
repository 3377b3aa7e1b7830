"""Samples of a run: of its diffusion, guided or not, or of its autoencoder's prior."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from ridgewalk import naming
from ridgewalk.diffusion import PerRows
from ridgewalk.judging import samples
from ridgewalk.memory import refuse_beyond
from ridgewalk.path import chunked
from ridgewalk.protocols import VectorField
from ridgewalk.settings import recipes
from ridgewalk.settings.diffusion import Sampling
from ridgewalk.settings.recipes import changed_keys
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run

PARTS = ("both", "predictor", "corrector")
"""Parts of a predictor-corrector that may be guided."""

KEPT = 40
"""States of a trajectory that are kept for its picture."""


@dataclass(frozen=True)
class Draw:
    """
    How to draw samples.

    Attributes:
        rows: number of samples.
        seed: seed of all of them; sample i does not depend on ``rows``.
        how: sampler, steps and its other settings.
        label: class of the samples, of a diffusion that was trained with labels.
        prior: whether to draw an autoencoder's prior although its codes have a diffusion.
        keep: number of states of each trajectory that are kept, of points.
        gamma: strength of the guide's correction; None leaves the guide out.
        parts: parts of a predictor-corrector that are guided, one of ``PARTS``.
    """

    rows: int
    seed: int
    how: Sampling
    label: int | None = None
    prior: bool = False
    keep: int = 0
    gamma: float | None = None
    parts: str = "both"

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError(f"at least one sample must be drawn; got {self.rows}")
        if self.parts not in PARTS:
            raise ValueError(naming.unknown("part of a sampler", self.parts, PARTS))


@dataclass(frozen=True, eq=False)
class Drawn:
    """
    Samples of a run.

    Attributes:
        values: images (n, c, h, w) in [0, 1], or points (n, d).
        states: trajectories of points from noise to data (k, n, d); empty for images.
        nfe: evaluations of the score for each sample; 0 for a prior.
        source: the distribution and the sampler, in words.
        seconds: duration of sampling.
    """

    values: Tensor
    states: Tensor
    nfe: int
    source: str
    seconds: float


def sampling_of(run: Run, changes: Sequence[str] = (), label: int | None = None, **given: Any) -> Sampling:
    """
    Returns the sampling settings of a run.

    Args:
        run: the run, whose recipe has them.
        changes: changed settings, such as ``sampling.churn=10``.
        label: class of the samples, which a weight of the class needs.
        **given: fields in place of the recipe's; None leaves the recipe's value.

    Raises:
        ValueError: for a field that is given and changed as well, and one that the sampler, or samples of no class, would ignore.
    """
    recipe = recipes.changed(run.recipe, changes, ("sampling",)) if changes else run.recipe
    fields = {k: v for k, v in given.items() if v is not None}
    changed = changed_keys(changes, "sampling")
    if twice := sorted(changed & set(fields)):
        raise ValueError(f"--{twice[0]} and --set sampling.{twice[0]} name one setting; give one of them")
    settings = replace(recipe.sampling, **fields)
    settings.refuse_unread([*fields, *sorted(changed)])
    if label is None and "weight" in {*fields, *changed}:
        raise ValueError(
            "a weight is that of a class, and these samples are of none: name a class with --label, or leave the weight out"
        )
    return settings


def in_plane(run: Run) -> bool:
    """Whether the run is a diffusion of points in the plane."""
    return not run.has_latents and run.diffusion.shape == (2,)


def ground(run: Run) -> Any:
    """The grid and the log density of points in the plane, as the ground of a picture; None where the density is unknown."""
    return None if run.density is None else samples.plane(run.density)


def draw(run: Run, request: Draw) -> Drawn:
    """Draws samples of a run's diffusion, or of its autoencoder's prior where it has no diffusion or with ``prior``."""
    size = (
        request.rows * math.prod(run.origin.shape) * 12
    )  # float32 samples, what they are made of, and their copy in a file
    refuse_beyond(size, f"drawing {request.rows} samples", "draw fewer with --n")
    if request.prior or not run.has_diffusion:
        return _prior(run, request)
    model = run.diffusion
    began = perf_counter()
    labels = None if request.label is None else torch.full((request.rows,), request.label)
    score, corrector = _scores(run, request, labels)
    made = model.sample(
        request.rows, request.seed, request.how, labels, keep=request.keep, score=score, corrector_score=corrector
    )
    values, states = made.x, made.states
    if run.has_latents:
        values, states = chunked(run.decode, made.x.to(run.device)).cpu(), torch.empty(0)
    elif len(model.shape) == 3:
        values, states = made.x.clamp(0, 1), torch.empty(0)
    source = f"{'the diffusion of its codes' if run.has_latents else 'the diffusion'} by '{request.how.sampler}'"
    if request.gamma is not None:
        source += f", guided with strength {request.gamma:g}"
        source += f" in its {request.parts} alone" if request.parts != "both" else ""
    return Drawn(values, states, made.nfe, source, perf_counter() - began)


def _prior(run: Run, request: Draw) -> Drawn:
    if not run.has_latents:
        raise ValueError("a diffusion of data has no prior but noise; leave out --prior")
    if request.label is not None:
        raise ValueError("a prior has no classes; leave out --label, or train a diffusion with diffusion.labels = true")
    began = perf_counter()
    images = chunked(run.decode, prior_draws(run, request.rows, request.seed)).cpu()
    return Drawn(images, torch.empty(0), 0, "the autoencoder's prior", perf_counter() - began)


def _scores(run: Run, request: Draw, labels: Tensor | None) -> tuple[VectorField | PerRows | None, VectorField | None]:
    """The score of the predictor and that of the corrector, guided according to the request; None stands for the model's own."""
    if request.gamma is None:
        if request.parts != "both":
            raise ValueError("only guided samples have parts that are guided; give --gamma too")
        return None, None
    guide = run.guide
    score = guide.score(run.diffusion, request.gamma, labels, request.how.weight)
    for reason in guide.warnings_for(request.how):
        warnings.warn(reason, stacklevel=3)
    if request.parts == "both":
        return score, None
    if labels is not None:
        raise ValueError("parts of a sampler are guided apart without classes only; leave out --label")
    assert not isinstance(score, PerRows)
    plain = run.diffusion.denoiser.score
    return (score, plain) if request.parts == "predictor" else (plain, score)
