"""A recipe's networks, and the stages in which they are trained: names become objects here, as energies and finders do in ``build``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from ridgewalk import naming
from ridgewalk.models import autoencoders
from ridgewalk.models.autoencoders import Autoencoder, GaussianAutoencoder
from ridgewalk.models.blocks import restart
from ridgewalk.models.discriminators import Discriminator, image_discriminator, latent_discriminator
from ridgewalk.runs.config import ORDERS, Matcher, Recipe
from ridgewalk.training.adversarial import AAE, VAEGAN
from ridgewalk.training.negatives import BOUNDARIES, Negatives, mixture
from ridgewalk.training.noise import mixed_seed
from ridgewalk.training.objectives import AE, VAE, Objective
from ridgewalk.training.schedule import Schedule

OBJECTIVES = ("ae", "vae", "aae", "vae-gan")

SENSORS: Mapping[str, str] = {"discriminator": "matcher", "critic": "critic", "latent": "latent"}
"""Adversaries by the names of their networks: what they are called as sensors of a run."""

Shape = tuple[int, int, int]


def model(recipe: Recipe, shape: Shape, seed: int) -> Autoencoder:
    """The recipe's autoencoder for images of ``shape``, its weights drawn from ``seed``."""
    m = recipe.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, 1))
        return autoencoders.build(shape, m.latent, m.posterior, m.network, m.hidden, m.activation)


def adversaries(recipe: Recipe, shape: Shape, seed: int) -> dict[str, Discriminator]:
    """
    The discriminators that take part in the training, untrained.

    An AAE's ``discriminator`` of codes (positive: prior); a VAE-GAN's ``critic`` of images (positive: real), and its ``latent``
    discriminator of codes (positive: encoded) where ``objective.latent`` asks for one.
    """
    m, c, o = recipe.matcher, recipe.critic, recipe.objective
    latent, found = recipe.model.latent, dict[str, Discriminator]()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, 2))
        if o.name == "aae":
            found["discriminator"] = _of_codes(latent, "prior", m)
        if o.name == "vae-gan":
            found["critic"] = image_discriminator(shape, "real", c.hidden, c.activation, c.network, c.spectral)
            if o.latent:
                found["latent"] = _of_codes(latent, "encoded", m)
    return found


def _of_codes(latent: int, positive: str, m: Matcher) -> Discriminator:
    network = latent_discriminator(latent, positive, m.hidden, m.activation, m.spectral)
    if m.init:
        restart(network, m.init)
    return network


@dataclass(frozen=True, eq=False)
class Stage:
    """
    One training of one objective.

    Attributes:
        objective: over the networks that all stages share.
        schedule: its own.
        folder: below the run's, of its log and checkpoints; empty for the run's own, the last stage's.
        label: of its progress bar.
    """

    objective: Objective
    schedule: Schedule
    folder: str
    label: str


def stages(recipe: Recipe, autoencoder: Autoencoder, others: Mapping[str, Discriminator], seed: int) -> list[Stage]:
    """
    What is trained, in order: one stage, or for ``objective.order`` "separate" two of half the epochs each.

    Separate training of a VAE-GAN begins with the VAE alone; then its encoder stands still, and decoder and critic play.
    """
    o, schedule = recipe.objective, recipe.training
    name = o.name
    if name not in OBJECTIVES:
        raise ValueError(naming.unknown("objective", name, OBJECTIVES))
    if (o.order != ORDERS[0]) and name != "vae-gan":
        raise ValueError(f"objective.order = '{o.order}' is for the objective 'vae-gan'; '{name}' has one stage")
    schedule = replace(schedule, seed=mixed_seed(seed, schedule.seed))
    if name == "aae":
        game = AAE(
            autoencoder,
            others["discriminator"],
            sigma=o.sigma,
            reconstruction=o.reconstruction,
            adversarial=o.adversarial,
        )
        return [Stage(game, schedule, "", "training")]
    gaussian = isinstance(autoencoder, GaussianAutoencoder)
    if name == "ae":
        if gaussian:
            raise ValueError(
                "the objective 'ae' needs model.posterior = \"deterministic\"; got 'gaussian': use the objective 'vae'"
            )
        return [Stage(AE(autoencoder, o.reconstruction), schedule, "", "training")]
    if not isinstance(autoencoder, GaussianAutoencoder):
        raise ValueError(f"the objective '{name}' needs model.posterior = \"gaussian\"; got 'deterministic'")
    vae = VAE(autoencoder, o.reconstruction, o.beta)
    if name == "vae":
        return [Stage(vae, schedule, "", "training")]
    separate = o.order == "separate"
    c = recipe.critic
    game_of_three = VAEGAN(
        autoencoder,
        others["critic"],
        others.get("latent"),
        o.reconstruction,
        o.beta,
        o.pixel_weight,
        o.feature_weight,
        o.adversarial,
        c.r1,
        c.instance_noise,
        encoder_moves=not separate,
    )
    if not separate:
        return [Stage(game_of_three, schedule, "", "training")]
    if schedule.epochs < 2:
        raise ValueError(f"separate training needs training.epochs >= 2, one for each stage; got {schedule.epochs}")
    first = replace(schedule, epochs=schedule.epochs // 2, rates=_known(schedule.rates, vae))
    second = replace(schedule, epochs=schedule.epochs - first.epochs, rates=_known(schedule.rates, game_of_three))
    return [
        Stage(vae, first, "stage-1", "training, stage 1 of 2"),
        Stage(game_of_three, second, "", "training, stage 2 of 2"),
    ]


def _known(rates: Mapping[str, float], objective: Objective) -> dict[str, float]:
    """The learning rates of this stage's players; those of the other stage's are its own."""
    every = {"autoencoder", "critic", "latent"}
    return {p: r for p, r in rates.items() if p in objective.players or p not in every}


def negatives(recipe: Recipe) -> Negatives:
    """The detector's sampler of negatives."""
    d = recipe.detector
    return mixture(d.prior, d.lerp, d.shells) if d.negatives == "mixture" else BOUNDARIES[d.negatives]()
