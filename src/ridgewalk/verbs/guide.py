"""The verb `guide`: trains a discriminator of a run's diffusion on its own samples, or both together from the beginning (`guide --joint`)."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter

from ridgewalk.data import part
from ridgewalk.data.mixtures import exact_score
from ridgewalk.diagnosis.guides import HeldOut, diagnose, held_times
from ridgewalk.diffusion import Denoiser
from ridgewalk.diffusion.building import build_network, build_process, build_sampler
from ridgewalk.files import refuse_used
from ridgewalk.limits import lower_batch
from ridgewalk.locks import writing
from ridgewalk.protocols import VectorField
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings import recipes
from ridgewalk.settings.diffusion import Guidance, Sampling
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store import diffusion, guide
from ridgewalk.store.diffusion import DiffusionData
from ridgewalk.store.guide import GUIDE, Guide
from ridgewalk.store.origin import Origin, read_settings, write_settings
from ridgewalk.store.run import Run
from ridgewalk.training.guide import TrainedRatio, held_out, train_ratio
from ridgewalk.training.joint import Bank, Joint
from ridgewalk.training.loop import Fitting, fit

LEAST = 2
"""Smallest number of held-out rows that a guide is measured on."""


def train(
    run: Run,
    changes: Sequence[str] = (),
    seed: int = 0,
    folder: Path | None = None,
    accepted: Callable[[], None] = lambda: None,
) -> Guide:
    """
    Trains a discriminator of a run's diffusion, on the device of the diffusion, and writes it into the diffusion's folder.

    Its negatives are samples of the sampler that the recipe or ``changes`` of the table ``sampling`` name: guide that sampler. A fifth of data and samples
    is held out from the discriminator (the diffusion learned from those data); on it the guide is measured and its strength is calibrated. A warning says
    where the discriminator is at chance.

    Args:
        run: the run whose diffusion is guided.
        changes: changed settings of the tables ``guidance`` and ``sampling``.
        seed: seed of weights, negatives, order and noise.
        folder: folder of the guide; that of the diffusion by default.
        accepted: called when all checks have passed and the folder is locked, before the training.

    Raises:
        ValueError: where there is no diffusion, or one that has a guide.
    """
    if not run.has_diffusion:
        raise ValueError(f"{run.folder} has no diffusion to guide: train one with `ridgewalk diffuse {run.folder}`")
    place = folder or run.folder
    GUIDE.refuse_present(place)
    recipe = recipes.changed(run.recipe, changes, ("guidance", "sampling"))
    settings, sampling = recipe.guidance, recipe.sampling
    sampling.refuse_unread(sorted(recipes.changed_keys(changes, "sampling")))
    _refuse_settings(changes, ("refresh", "bank"), "a guide of a trained diffusion", "joint training alone (--joint)")
    body = guide.network(settings, run.diffusion, seed)
    rows = min(len(run.labels("model")), settings.negatives)
    if rows // 5 < LEAST:
        raise ValueError(
            f"a guide is measured on a fifth of the data, which must be at least {LEAST} of {5 * LEAST}; there are {rows} to train on: take a larger data set"
        )
    settings = replace(settings, batch=lower_batch("guidance.batch", settings.batch, rows - rows // 5, changes))
    data = run.encode_images(part(run.data, "model")).cpu() if run.has_latents else run.rows("model")
    labels = run.labels("model") if settings.labels else None
    guided = guide.guided_model(run.diffusion, sampling)
    with writing(place):
        GUIDE.refuse_present(place)  # once more, now that no other process can write one
        accepted()
        trained = train_ratio(body, guided, data, settings, seed, labels, folder=place / GUIDE.log)
        record = {"seed": seed, "negatives": min(len(data), settings.negatives)}
        return _save(place, trained, run, settings, sampling, record)


def train_jointly(run: Run, folder: Path, changes: Sequence[str] = (), seed: int | None = None) -> tuple[Run, Guide]:
    """
    Trains a run's diffusion anew together with the discriminator that guides it, into a new folder.

    Every step updates both networks: the score network by denoising score matching, the discriminator against a bank of the score network's own
    samples, which is drawn anew every ``guidance.refresh`` steps. The discriminator has its own learning rate.

    Args:
        run: a diffusion of points, whose recipe, data and seed are taken.
        folder: new or empty, or with the same training unfinished, which is resumed.
        changes: changed settings of the tables ``diffusion``, ``guidance`` and ``sampling``.
        seed: seed of the training; that of the run by default.
    """
    if run.has_latents:
        raise ValueError(f"{run.folder} is an autoencoder; guide the diffusion of its codes after its training")
    recipe = recipes.changed(run.recipe, changes, ("diffusion", "guidance", "sampling"))
    recipe.sampling.refuse_unread(sorted(recipes.changed_keys(changes, "sampling")))
    _refuse_settings(changes, ("epochs", "batch", "ema"), "joint training", "guides that are trained afterwards")
    d, g, old = recipe.diffusion, recipe.guidance, run.diffusion
    if g.labels or d.labels or g.kind != "samples":
        raise ValueError(
            'joint training is of unconditional diffusions and of samples: set guidance.labels = false, diffusion.labels = false, guidance.kind = "samples"'
        )
    if len(old.shape) != 1:
        raise ValueError("joint training is of points; guide a diffusion of images after its training")
    rows = run.rows("model")
    recipe = replace(recipe, diffusion=replace(d, batch=lower_batch("diffusion.batch", d.batch, len(rows), changes)))
    if min(len(run.rows("validation")), g.negatives // 5) < LEAST:
        raise ValueError(
            f"a guide is measured on at least {LEAST} points of the role validation; there are {len(run.rows('validation'))} (guidance.negatives = "
            f"{g.negatives}): take a larger data set, or raise guidance.negatives"
        )
    origin = replace(run.origin, seed=run.origin.seed if seed is None else seed)
    with writing(folder):
        return _train_jointly(run, folder, recipe, origin)


def _refuse_settings(changes: Sequence[str], names: Sequence[str], what: str, owner: str) -> None:
    """Refuses changed settings of the table ``guidance`` that ``what`` does not read."""
    if ignored := [n for n in names if n in recipes.changed_keys(changes, "guidance")]:
        raise ValueError(f"{what} does not read guidance.{ignored[0]}, which belongs to {owner}; leave it out")


def _train_jointly(run: Run, folder: Path, recipe: Recipe, origin: Origin) -> tuple[Run, Guide]:
    d, g, sampling, old, own = recipe.diffusion, recipe.guidance, recipe.sampling, run.diffusion, origin.seed
    begun = (folder / "run.toml").is_file() and not GUIDE.is_in(folder) and read_settings(folder) == (origin, recipe)
    if not begun:
        refuse_used(folder)
        write_settings(folder, origin, recipe)
    data = DiffusionData(run.rows("model"), old.standardiser, old.denoiser.deviation)
    denoiser = Denoiser(build_network(d, old.shape, 0, own), build_process(d), data.deviation)
    blank = replace(old, denoiser=denoiser, settings=d, sampling=sampling)
    body, guided = guide.network(g, blank, own), guide.guided_model(blank, sampling)
    objective = Joint(
        data.matching(denoiser, d),
        guided.objective(body, g),
        Bank(g.bank, old.shape),
        build_sampler(sampling, denoiser.sde),
        g.refresh,
        mixed_seed(own, Stream.JOINT_BANK),
    )
    resume = begun and diffusion.DIFFUSION.started_in(folder)
    history = fit(
        objective,
        data.tensors,
        replace(
            d.schedule(mixed_seed(own, Stream.DENOISER_STEPS)), rates={"denoiser": d.rate, "discriminator": g.rate}
        ),
        Fitting(str(old.device), resume=resume, label="joint"),
        folder=folder / diffusion.DIFFUSION.log,
    )
    notes = {"seconds": history.seconds, "steps": len(history.steps), "joint": True}
    network = history.averages.get("denoiser", denoiser.network)
    model = diffusion.save(folder, network, data, d, sampling, own, notes)
    joined = replace(run, origin=origin, recipe=recipe).with_diffusion(model, folder)
    held = joined.rows("validation")[: g.negatives // 5]
    samples = model.sample(len(held), mixed_seed(own, Stream.GUIDE_SAMPLES) % 2**31, sampling).x
    body = history.averages.get("discriminator", body)
    guided = guide.guided_model(model, sampling)
    trained = held_out(body, guided, held, samples, None, {"joint": history.seconds})
    return joined, _save(folder, trained, joined, g, sampling, {"seed": own, "negatives": g.bank})


def _save(
    folder: Path, trained: TrainedRatio, run: Run, settings: Guidance, sampling: Sampling, record: dict[str, int]
) -> Guide:
    """Measures a trained discriminator on what was held out from it, writes it, and warns where it is at chance."""
    began = perf_counter()
    model = guide.guided_model(run.diffusion, sampling)
    found = diagnose(
        trained.ratio,
        model.score,
        HeldOut(trained.x, trained.y, trained.labels),
        held_times(model.sde),
        truth=_truth(run) if trained.labels is None else None,
    )
    seconds = trained.seconds if "joint" in trained.seconds else {**trained.seconds, "account": perf_counter() - began}
    saved = guide.save(
        folder,
        trained.ratio.network,
        run.diffusion,
        {
            **record,
            "sampling": asdict(sampling.resolved()),
            "settings": asdict(settings),
            "held_out": found.to_json(),
            "seconds": seconds,
        },
    )
    if found.verdict == "at chance" or (found.harmful and not settings.calibrated):
        warnings.warn(found.sentence, stacklevel=3)
    return saved


def _truth(run: Run) -> VectorField | None:
    """The exact score grad log p_t of standardised data, where their density is known."""
    if run.has_latents or run.density is None:
        return None
    return exact_score(run.diffusion.density(run.density), run.diffusion.denoiser.sde)
