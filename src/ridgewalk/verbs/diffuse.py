"""The verb `diffuse`: trains a diffusion of an autoencoder's codes, which becomes part of its run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ridgewalk.data import part
from ridgewalk.diffusion import Standardiser
from ridgewalk.diffusion.building import build_network
from ridgewalk.limits import lower_batch
from ridgewalk.locks import writing
from ridgewalk.models.autoencoders import GaussianAutoencoder
from ridgewalk.settings import recipes
from ridgewalk.store import diffusion
from ridgewalk.store.diffusion import DIFFUSION, DiffusionData, TrainedDiffusion
from ridgewalk.store.run import Run
from ridgewalk.training.loop import Fitting


def diffuse(
    run: Run,
    changes: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    accepted: Callable[[], None] = lambda: None,
    folder: Path | None = None,
) -> TrainedDiffusion:
    """
    Trains a diffusion of a run's codes and writes it into the run's folder; an interrupted training is resumed.

    Args:
        run: a run with an autoencoder.
        changes: changed settings of the tables ``diffusion`` and ``sampling``, such as "diffusion.epochs=5".
        seed: seed of weights, order and noise.
        device: device of the training.
        accepted: called when all checks have passed and the folder is locked, before the training.
        folder: folder of the diffusion; the run's folder by default.

    Raises:
        ValueError: where the run has a diffusion already.
    """
    model, place = run.model, folder or run.folder
    DIFFUSION.refuse_present(place)
    settings = recipes.changed(run.recipe, changes, ("diffusion", "sampling"))
    d, images = settings.diffusion, part(run.data, "model")
    d = replace(d, batch=lower_batch("diffusion.batch", d.batch, len(images), changes))
    codes = run.encode_images(images).cpu()
    if codes.dim() == 2 and d.network != "mlp":
        d = replace(d, network="mlp")
    log_variance = None
    if d.draws:
        if not isinstance(model, GaussianAutoencoder):
            raise ValueError('diffusion.draws needs model.posterior = "gaussian"; this run\'s is deterministic')
        log_variance = images.map(lambda v: model.posterior(v.to(run.device))[1].cpu())
    classes = len(images.class_names) if d.labels else 0
    data = DiffusionData(
        codes,
        Standardiser.of(codes, log_variance),
        labels=images.labels if d.labels else None,
        classes=classes,
        log_variance=log_variance,
    )
    build_network(d, data.shape, classes, seed)  # refuses a network that does not fit the codes
    with writing(place):
        DIFFUSION.refuse_present(place)  # once more, now that no other process can write one
        accepted()
        how = Fitting(device, resume=DIFFUSION.started_in(place), label="diffusion of codes")
        return diffusion.train(data, d, settings.sampling, place, seed, how)
