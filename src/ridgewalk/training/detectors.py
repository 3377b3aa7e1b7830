"""Training of detectors of holes on any model's codes: density-ratio discriminators of codes, and of their decodings."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ridgewalk.callables import check_tensor
from ridgewalk.data import Images
from ridgewalk.energies import freeze
from ridgewalk.models.autoencoders import Autoencoder, GaussianAutoencoder
from ridgewalk.models.discriminators import Discriminator, MeanLogit, latent_discriminator
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.autoencoder import Detector as Settings
from ridgewalk.settings.training import Schedule
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.negatives import Negatives, mixture
from ridgewalk.training.objectives import Detector, PixelDetector

SCHEDULE = Schedule(epochs=20, batch=512, decay="cosine")
"""The default schedule of a detector of codes."""

PIXEL_SCHEDULE = Schedule(epochs=10, batch=256, decay="cosine")
"""The default schedule of a pixel detector."""


def train_detector(
    codes: Tensor,
    negatives: Negatives | None = None,
    *,
    hidden: Sequence[int] = (256, 256, 256),
    act: str = "relu",
    members: int = 3,
    schedule: Schedule = SCHEDULE,
    device: str = "cpu",
    log_variance: Tensor | None = None,
) -> Discriminator:
    """
    Trains a density-ratio discriminator of codes against off-data points: its logit estimates log q(z) - log r(z).

    Args:
        codes: (n, d) codes of real data.
        negatives: sampler of r (``training.negatives``); by default the mixture of prior, LERP points and shells.
        hidden: widths of the layers.
        act: name of the activation.
        members: number of networks, trained from different seeds, whose logits are averaged.
        schedule: schedule of the training; its seed also draws initial weights, order and noise. A batch larger than the data is cut.
        device: device of the training.
        log_variance: (n, d) log-variances of q(z|x), where ``codes`` are its means; every step then takes fresh draws in place of the means.

    Returns:
        A discriminator positive for ``encoded``, frozen, on the CPU.
    """
    check_tensor(codes, "codes")
    if codes.dim() != 2 or not codes.isfinite().all():
        raise ValueError(f"a detector is trained on finite codes (n, d); got shape {tuple(codes.shape)}")
    if len(codes) < 2 or codes.dtype != torch.get_default_dtype():
        raise ValueError(
            f"a detector is trained on at least 2 codes of {torch.get_default_dtype()}; got {len(codes)} of {codes.dtype}: convert them, as in codes.float()"
        )
    if members < 1:
        raise ValueError(f"a detector needs at least 1 member; got {members}")
    trained = []
    for i in range(members):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed_seed(schedule.seed, Stream.DETECTOR, i))
            network = latent_discriminator(codes.shape[1], "encoded", hidden, act)
        fit(
            Detector(network, negatives or mixture()),
            [codes] if log_variance is None else [codes, log_variance],
            replace(schedule, batch=min(schedule.batch, len(codes)), seed=mixed_seed(schedule.seed, i)),
            Fitting(device, label=f"detector {i + 1} of {members}", shared=False),
        )
        trained.append(network.cpu())
    return freeze(trained[0] if members == 1 else Discriminator(MeanLogit(trained), "encoded"))


def train_model_detector(
    model: Autoencoder, images: Images, settings: Settings, negatives: Negatives, seed: int, device: str = "cpu"
) -> Discriminator:
    """
    Trains the detector on a model's codes of images: on their means or, depending on the settings, on fresh draws of q(z|x).

    Args:
        model: the autoencoder.
        images: images that the model was trained on.
        settings: networks and schedule.
        negatives: sampler of points off the data.
        seed: seed of initial weights, order and noise.
        device: device of the training.
    """
    where = next(model.parameters()).device
    log_variance = None
    if settings.samples and isinstance(model, GaussianAutoencoder):
        log_variance = images.map(lambda v: model.posterior(v.to(where))[1].cpu())
    return train_detector(
        images.map(lambda v: model.encode(v.to(where)).cpu()),
        negatives,
        hidden=settings.hidden,
        act=settings.activation,
        members=settings.members,
        schedule=replace(SCHEDULE, epochs=settings.epochs, batch=settings.batch, rate=settings.rate, seed=seed),
        device=device,
        log_variance=log_variance,
    )


def train_pixel_detector(
    codes: Tensor,
    images: Tensor,
    decode: Callable[[Tensor], Tensor],
    discriminator: Discriminator,
    negatives: Negatives | None = None,
    *,
    contrast: str = "holes",
    schedule: Schedule = PIXEL_SCHEDULE,
    device: str = "cpu",
) -> Discriminator:
    """
    Trains a pixel discriminator D_x to detect holes of the latent space from their decodings.

    Args:
        codes: (n, d) codes of real data.
        images: (n, c, h, w) images of these codes, uint8 or floats in [0, 1].
        decode: the frozen decoder, on ``device``.
        discriminator: logits of images, positive for ``encoded`` (contrast ``holes``) or ``real``; trained in place.
        negatives: sampler of off-data codes; by default the mixture of prior, LERP points and shells.
        contrast: ``holes`` or ``real``; see ``training.objectives.PixelDetector``.
        schedule: schedule of the training; its seed also draws order and noise. A batch larger than the data is cut.
        device: device of the training.

    Returns:
        The discriminator, frozen, on the CPU.
    """
    wanted = "encoded" if contrast == "holes" else "real"
    if discriminator.positive != wanted:
        raise ValueError(
            f"a pixel detector of contrast '{contrast}' is positive for '{wanted}'; got '{discriminator.positive}'"
        )
    schedule = replace(schedule, batch=min(schedule.batch, len(codes)))
    objective = PixelDetector(discriminator, decode, negatives or mixture(), contrast)
    fit(objective, [codes, images], schedule, Fitting(device, label="pixel detector", shared=False))
    return freeze(discriminator.cpu())
