"""The verb `guide`: trains a discriminator of a run's diffusion on its own samples, or both together from the beginning (`guide --joint`)."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.data.mixtures import exact_score
from ridgewalk.data.points import PointData, points_part
from ridgewalk.diagnosis.guides import HeldOut, diagnose, held_times
from ridgewalk.diffusion import Denoiser
from ridgewalk.diffusion.building import build_network, build_process, build_sampler
from ridgewalk.diffusion.guidance import TimeRatio
from ridgewalk.files import refuse_used
from ridgewalk.protocols import VectorField
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings import recipes
from ridgewalk.settings.diffusion import Guidance, Sampling
from ridgewalk.store import diffusion, guide
from ridgewalk.store.diffusion import Diffused
from ridgewalk.store.guide import Guide
from ridgewalk.store.run import Run, read_settings, write_settings
from ridgewalk.training.joint import Bank, Joint
from ridgewalk.training.loop import fit
from ridgewalk.training.ratio import NoisedRatio
from ridgewalk.verbs.diffuse import DiffusionRun

STATES = 20
"""States of a sampler's way, of which a rollout keeps one a row."""

CHUNK = 2000
"""Rows of a rollout that are made at once."""


def train(
    run: Run | DiffusionRun,
    changes: Sequence[str] = (),
    seed: int = 0,
    folder: Path | None = None,
    accepted: Callable[[], None] = lambda: None,
) -> Guide:
    """
    Trains a discriminator of a run's diffusion, on the device that it is on, and writes it beside it.

    Negatives are samples of the run's own sampler, as its recipe or ``changes`` of the table ``sampling`` have it: guide that sampler.
    A fifth of data and samples is held out from the discriminator (the diffusion learned from those data): on it the guide is held to account and its
    strength calibrated. One at chance is named.

    Args:
        run: the diffusion's.
        changes: of its recipe's tables ``guidance`` and ``sampling``.
        seed: of weights, negatives, order and noise.
        folder: where it is written; beside the diffusion by default.
        accepted: called when nothing is left to refuse.

    Raises:
        ValueError: where there is no diffusion, or one is guided already.
    """
    if run.diffused is None:
        raise ValueError(f"{run.folder} has no diffusion to guide: train one with `ridgewalk diffuse {run.folder}`")
    place = folder or run.folder
    guide.refuse_present(place)
    recipe = recipes.changed(run.recipe, changes, ("guidance", "sampling"))
    model, settings, how = run.diffused, recipe.guidance, recipe.sampling
    body = guide.network(settings, model, seed)
    accepted()
    data, labels = _data(run, settings.labels)
    n = min(len(data), settings.negatives)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(mixed_seed(seed, Stream.GUIDE_ORDER)))[:n]
    x, told = data[order], None if labels is None else labels[order]
    began = perf_counter()
    y, states = negatives(model, settings.kind, n, mixed_seed(seed, Stream.GUIDE_SAMPLES) % 2**31, how, told)
    made = perf_counter() - began
    kept = n - n // 5
    given = [v[:kept] for v in (x, *((y,) if settings.kind != "rollout" else ()), states, told) if v is not None]
    objective = _objective(TimeRatio(body, model.denoiser.sde, model.denoiser.deviation), model, settings, how)
    history = fit(
        objective,
        given,
        settings.schedule(mixed_seed(seed, Stream.GUIDE_STEPS), kept),
        folder=place / guide.NAME,
        resume=(place / guide.NAME).is_dir(),
        device=str(model.device),
        label="guide",
    )
    body = history.averages.get("discriminator", body).requires_grad_(False)
    began = perf_counter()
    ratio = TimeRatio(body, model.denoiser.sde, model.denoiser.deviation)
    held = None if told is None else told[kept:]
    record = {
        "seed": seed,
        "negatives": n,
        "sampling": asdict(how.resolved()),
        "settings": asdict(settings),
        "held_out": _accounted(ratio, run, model, how, x[kept:], y[kept:], held),
        "seconds": {"negatives": made, "training": history.seconds, "account": perf_counter() - began},
    }
    trained = guide.save(place, body, model, record)
    _tell(trained)
    return trained


def train_jointly(
    run: DiffusionRun, folder: Path, changes: Sequence[str] = (), seed: int | None = None
) -> tuple[DiffusionRun, Guide]:
    """
    Trains a run's diffusion anew together with the discriminator that guides it, into a new folder.

    At every step both move: the score network by denoising score matching, the discriminator against a bank of the score network's own
    samples, which is drawn anew every ``guidance.refresh`` steps. The discriminator moves at its own rate.

    Args:
        run: whose recipe, data and seed are taken.
        folder: new or empty; one that holds the same training unfinished is gone on with.
        changes: of the tables ``diffusion``, ``guidance`` and ``sampling``.
        seed: in place of the run's.
    """
    recipe = recipes.changed(run.recipe, changes, ("diffusion", "guidance", "sampling"))
    d, g, how = recipe.diffusion, recipe.guidance, recipe.sampling
    if g.labels or d.labels or g.kind != "samples":
        raise ValueError(
            'joint training is of unconditional diffusions and of samples: set guidance.labels = false, diffusion.labels = false, guidance.kind = "samples"'
        )
    if len(run.diffused.shape) != 1:
        raise ValueError("joint training is of points; guide a diffusion of images after its training")
    own = run.origin.seed if seed is None else seed
    asked = (replace(run.origin, seed=own), recipe)
    begun = (folder / "run.toml").is_file() and not guide.present(folder) and read_settings(folder) == asked
    if not begun:
        refuse_used(folder)
        write_settings(folder, *asked)
    x = run.rows("model")
    standardiser, shape = run.diffused.standardiser, run.diffused.shape
    denoiser = Denoiser(build_network(d, shape, 0, own), build_process(d), run.diffused.denoiser.deviation)
    blank = replace(run.diffused, denoiser=denoiser, settings=d, sampling=how)
    ratio = TimeRatio(guide.network(g, blank, own), denoiser.sde, denoiser.deviation)
    objective = Joint(
        diffusion.matching(denoiser, standardiser, d, 0, False),
        _objective(ratio, blank, g, how),
        Bank(g.bank, shape),
        build_sampler(how, denoiser.sde),
        g.refresh,
        mixed_seed(own, Stream.JOINT_BANK),
    )
    schedule = replace(
        d.schedule(mixed_seed(own, Stream.DENOISER_STEPS)), rates={"denoiser": d.rate, "discriminator": g.rate}
    )
    history = fit(
        objective,
        [x],
        schedule,
        folder=folder / "diffusion",
        resume=begun and (folder / "diffusion").is_dir(),
        device=str(run.diffused.device),
        label="joint",
    )
    model = diffusion.write(
        folder,
        history.averages.get("denoiser", denoiser.network),
        d,
        how,
        standardiser=standardiser,
        deviation=denoiser.deviation,
        shape=shape,
        seed=own,
        notes={"seconds": history.seconds, "steps": len(history.steps), "joint": True},
    )
    joined = replace(run, folder=folder, origin=replace(run.origin, seed=own), recipe=recipe, diffused=model)
    body = history.averages.get("discriminator", ratio.network).requires_grad_(False).to(model.device)
    ratio = TimeRatio(body, denoiser.sde, denoiser.deviation)
    held = joined.rows("validation")[: g.negatives // 5]
    y = model.sample(len(held), mixed_seed(own, Stream.GUIDE_SAMPLES) % 2**31, how).x
    record = {
        "seed": own,
        "negatives": g.bank,
        "sampling": asdict(how.resolved()),
        "settings": asdict(g),
        "held_out": _accounted(ratio, joined, model, how, held, y, None),
        "seconds": {"joint": history.seconds},
    }
    trained = guide.save(folder, body, model, record)
    _tell(trained)
    return joined, trained


def negatives(
    model: Diffused, kind: str, rows: int, seed: int, how: Sampling, labels: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """
    What the discriminator learns against.

    Args:
        model: the diffusion.
        kind: ``samples``, ``rollout`` or ``both``.
        rows: of them.
        seed: of all.
        how: the sampler that will be guided.
        labels: (rows,) classes that they are asked for.

    Returns:
        finished samples (rows, *) as data; and of a rollout one state a row as the network sees it, (rows, 1 + d), its time first.
    """
    if kind == "samples":
        return model.sample(rows, seed, how, labels).x, None
    samples, states = [], []
    for first in range(0, rows, CHUNK):
        own = slice(first, min(first + CHUNK, rows))
        told = None if labels is None else labels[own]
        part_seed = mixed_seed(seed, first) % 2**31
        made = model.sample(own.stop - own.start, part_seed, how, told, keep=min(how.steps, STATES))
        samples.append(made.x)
        usable = (made.times > 0).nonzero().flatten()
        generator = torch.Generator().manual_seed(mixed_seed(part_seed, Stream.ROLLOUT_STATES))
        pick = usable[torch.randint(len(usable), (len(made.x),), generator=generator)]
        x = model.standardiser.to_model(made.states[pick, torch.arange(len(made.x))].to(model.device)).cpu()
        states.append(torch.cat([made.times[pick].to(x)[:, None], x.flatten(1)], 1))
    return torch.cat(samples), torch.cat(states)


def _objective(ratio: TimeRatio, model: Diffused, settings: Guidance, how: Sampling) -> NoisedRatio:
    return NoisedRatio(
        ratio,
        model.standardiser,
        settings.times,
        settings.t_min,
        settings.r1,
        settings.matching,
        _asked(model, how),
        settings.labels,
        settings.kind,
    )


def _asked(model: Diffused, how: Sampling) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """The score that will be guided: the denoiser's, under labels at the sampler's weight."""

    def score(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        if labels is None:
            return model.denoiser.score(x, t)
        return model.denoiser.given(labels, how.weight)(x, t)

    return score


def _accounted(
    ratio: TimeRatio,
    run: Run | DiffusionRun,
    model: Diffused,
    how: Sampling,
    x: Tensor,
    y: Tensor,
    labels: Tensor | None,
) -> list[dict[str, Any]]:
    to_model, device = model.standardiser.to_model, model.device
    found = diagnose(
        ratio,
        _asked(model, how),
        HeldOut(
            to_model(x.float().to(device)),
            to_model(y.float().to(device)),
            None if labels is None else labels.to(device),
        ),
        held_times(model.denoiser.sde),
        truth=_truth(run, model) if labels is None else None,
    )
    return found.to_json()


def _truth(run: Run | DiffusionRun, model: Diffused) -> VectorField | None:
    """Grad log p_t of standardised data, where their density is known."""
    data = run.data if isinstance(run, DiffusionRun) else None
    density = data.density if isinstance(data, PointData) else None
    if density is None:
        return None
    return exact_score(model.density(density), model.denoiser.sde)


def _tell(trained: Guide) -> None:
    harmful = trained.account.harmful and not trained.settings.calibrated
    if trained.account.verdict == "at chance" or harmful:
        warnings.warn(trained.account.sentence, stacklevel=3)


def _data(run: Run | DiffusionRun, labelled: bool) -> tuple[Tensor, Tensor | None]:
    """What the diffusion learned from, as floats (codes, images in [0, 1] or points), and labels where they are wanted."""
    if isinstance(run, Run):
        images = part(run.data, "model")
        return run.encode(images.floats()).cpu(), images.labels if labelled else None
    if isinstance(run.data, PointData):
        points = points_part(run.data, "model")
        return points.values, points.labels if labelled else None
    images = part(run.data, "model")
    return images.floats(), images.labels if labelled else None
