"""Detectors of holes, trained on any model's codes: density-ratio discriminators of codes, and of what the decoder makes of them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ridgewalk.callables import check_tensor
from ridgewalk.energies import frozen
from ridgewalk.models.discriminators import Discriminator, MeanLogit, latent_discriminator
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.training import Schedule
from ridgewalk.training.loop import fit
from ridgewalk.training.negatives import Negatives, mixture
from ridgewalk.training.objectives import Detector, PixelDetector


def train_detector(
    codes: Tensor,
    negatives: Negatives | None = None,
    *,
    hidden: Sequence[int] = (256, 256, 256),
    act: str = "relu",
    members: int = 3,
    epochs: int = 20,
    batch: int = 512,
    rate: float = 1e-3,
    seed: int = 0,
    device: str = "cpu",
    log_variance: Tensor | None = None,
) -> Discriminator:
    """
    A density-ratio discriminator of codes against off-data points: its logit estimates log q(z) - log r(z).

    Args:
        codes: (n, d) of real data.
        negatives: sampler of r (``training.negatives``); by default the mixture of prior, LERP points and shells.
        hidden: widths of its layers.
        act: name of its activation.
        members: networks trained from different seeds whose logits are averaged.
        epochs: of the training.
        batch: of the training.
        rate: of the training.
        seed: of initial weights, order and noise.
        device: to train on.
        log_variance: (n, d) of q(z|x), where ``codes`` are its means; every step then takes fresh draws in place of the means.

    Returns:
        A discriminator positive for ``encoded``, frozen, on the CPU.
    """
    check_tensor(codes, "codes")
    if codes.dim() != 2 or not codes.isfinite().all():
        raise ValueError(f"a detector learns from finite codes (n, d); got shape {tuple(codes.shape)}")
    if members < 1:
        raise ValueError(f"a detector has at least 1 member; got {members}")
    trained = []
    for i in range(members):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed_seed(seed, Stream.DETECTOR, i))
            network = latent_discriminator(codes.shape[1], "encoded", hidden, act)
        schedule = Schedule(
            epochs=epochs, batch=min(batch, len(codes)), rate=rate, decay="cosine", seed=mixed_seed(seed, i)
        )
        fit(
            Detector(network, negatives or mixture()),
            [codes] if log_variance is None else [codes, log_variance],
            schedule,
            device=device,
            label=f"detector {i + 1} of {members}",
            shared=False,
        )
        trained.append(network.cpu())
    return frozen(trained[0] if members == 1 else Discriminator(MeanLogit(trained), "encoded"))


def train_pixel_detector(
    codes: Tensor,
    images: Tensor,
    decode: Callable[[Tensor], Tensor],
    discriminator: Discriminator,
    negatives: Negatives | None = None,
    *,
    contrast: str = "holes",
    epochs: int = 10,
    batch: int = 256,
    rate: float = 1e-3,
    seed: int = 0,
    device: str = "cpu",
) -> Discriminator:
    """
    Trains a pixel discriminator D_x to see holes of the latent space in what they decode to.

    Args:
        codes: (n, d) of real data.
        images: (n, c, h, w) that they are codes of, uint8 or floats in [0, 1].
        decode: the frozen decoder, on ``device``.
        discriminator: logits of images, positive for ``encoded`` (contrast ``holes``) or ``real``; trained in place.
        negatives: sampler of off-data codes; by default the mixture of prior, LERP points and shells.
        contrast: ``holes`` or ``real``; see ``training.objectives.PixelDetector``.
        epochs: of the training.
        batch: of the training.
        rate: of the training.
        seed: of order and noise.
        device: to train on.

    Returns:
        The discriminator, frozen, on the CPU.
    """
    wanted = "encoded" if contrast == "holes" else "real"
    if discriminator.positive != wanted:
        raise ValueError(
            f"a pixel detector of contrast '{contrast}' is positive for '{wanted}'; got '{discriminator.positive}'"
        )
    schedule = Schedule(epochs=epochs, batch=min(batch, len(codes)), rate=rate, decay="cosine", seed=seed)
    objective = PixelDetector(discriminator, decode, negatives or mixture(), contrast)
    fit(objective, [codes, images], schedule, device=device, label="pixel detector", shared=False)
    return frozen(discriminator.cpu())
