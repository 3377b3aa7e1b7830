"""A recipe's networks, and the stages in which they are trained: names become objects here, as energies and finders do in ``build``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from ridgewalk import naming
from ridgewalk.models import autoencoders
from ridgewalk.models.autoencoders import Autoencoder, GaussianAutoencoder, Layers
from ridgewalk.models.blocks import restart
from ridgewalk.models.categories import CategoricalAutoencoder, ConditionalAutoencoder, categorical, conditional
from ridgewalk.models.discriminators import (
    Discriminator,
    Part,
    Summed,
    Untold,
    image_discriminator,
    latent_discriminator,
)
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.autoencoder import Labels, Matcher
from ridgewalk.settings.recipes import Recipe
from ridgewalk.settings.training import Schedule
from ridgewalk.store import labelling
from ridgewalk.training import priors
from ridgewalk.training.adversarial import VAEGAN
from ridgewalk.training.categories import Categorical, Labelled
from ridgewalk.training.duels import Corruption, Duel
from ridgewalk.training.matching import AAE, LabelConditioned, StyleContent
from ridgewalk.training.negatives import BOUNDARIES, Negatives
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import AE, VAE, Objective
from ridgewalk.training.priors import Classed, Prior

OBJECTIVES = ("ae", "vae", "aae", "vae-gan", *labelling.CLASSED)

SENSORS: Mapping[str, str] = {"critic": "critic", "latent": "latent"}
"""Adversaries by the names of their networks: what they are called as sensors of a run; those of an AAE together are its ``matcher``."""

Shape = tuple[int, int, int]


def code_size(recipe: Recipe) -> int:
    """Dimensions of a code: of the style, and of the class where it stands beside it."""
    beside = recipe.objective.name in ("aae-style", "aae-semisupervised", "aae-clustering")
    return recipe.model.latent + (recipe.labels.classes if beside else 0)


def model(recipe: Recipe, shape: Shape, seed: int) -> Autoencoder:
    """The recipe's autoencoder for images of ``shape``, its weights drawn from ``seed``."""
    m, kind = recipe.model, labelling.CLASSED.get(recipe.objective.name, "")
    classes = recipe.labels.classes
    decoder = Layers(m.decoder or m.network, m.decoder_hidden) if m.decoder_hidden else None
    if kind and m.posterior != "deterministic":
        raise ValueError(
            f"the objective '{recipe.objective.name}' needs model.posterior = \"deterministic\"; got '{m.posterior}'"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, Stream.AUTOENCODER))
        found: Autoencoder
        if kind == "conditional":
            found = conditional(
                shape, m.latent, classes, m.network, m.hidden, m.activation, m.batch_norm, m.output, decoder
            )
        elif kind:
            found = categorical(
                shape, m.latent, classes, kind, m.network, m.hidden, m.activation, m.batch_norm, m.output, decoder
            )
        else:
            found = autoencoders.build(
                shape,
                m.latent,
                m.posterior,
                m.network,
                m.hidden,
                m.activation,
                m.noise,
                m.batch_norm,
                m.output,
                decoder,
            )
        if m.init:
            restart(found, m.init)
    return found


def adversaries(recipe: Recipe, shape: Shape, seed: int) -> dict[str, Discriminator]:
    """
    The discriminators that take part in the training, untrained.

    An AAE's ``discriminator`` of codes (positive: prior), or of one with styles and classes ``style_discriminator`` and
    ``label_discriminator``; a VAE-GAN's ``critic`` of images (positive: real), and its ``latent`` discriminator of codes
    (positive: encoded) where ``objective.latent`` asks for one.
    """
    m, c, o = recipe.matcher, recipe.critic, recipe.objective
    latent, classes, found = recipe.model.latent, recipe.labels.classes, dict[str, Discriminator]()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, Stream.ADVERSARIES))
        if o.name in ("aae", "aae-style"):
            found["discriminator"] = _of_codes(latent, "prior", m)
        if o.name == "aae-conditioned":
            found["discriminator"] = _of_codes(latent + classes + 1, "prior", m)
        if o.name in ("aae-semisupervised", "aae-clustering", "aae-reduction"):
            found["style_discriminator"] = _of_codes(latent, "prior", m)
            found["label_discriminator"] = _of_codes(classes, "prior", m)
        if o.name == "vae-gan":
            found["critic"] = image_discriminator(shape, "real", c.hidden, "leaky_relu", c.network, c.spectral)
            if o.latent:
                found["latent"] = _of_codes(latent, "encoded", m)
    return found


def sensors(recipe: Recipe, others: Mapping[str, Discriminator]) -> dict[str, Discriminator]:
    """
    The adversaries as sensors of a run's codes, by name.

    Of a code with style and class the ``matcher`` sums both discriminators' logits; one that was told classes is told that they are not
    known; a reduction's discriminators read style and class, which its codes do not keep apart, and so it has none.
    """
    name, latent = recipe.objective.name, recipe.model.latent
    if name == "aae":
        return {"matcher": others["discriminator"]}
    if name == "aae-style":
        return {"matcher": Discriminator(Part(others["discriminator"], latent), "prior")}
    if name == "aae-conditioned":
        return {"matcher": Discriminator(Untold(others["discriminator"], recipe.labels.classes), "prior")}
    if name in ("aae-semisupervised", "aae-clustering"):
        both = Summed(others["style_discriminator"], others["label_discriminator"], latent)
        return {"matcher": Discriminator(both, "prior")}
    return {SENSORS[n]: network for n, network in others.items() if n in SENSORS}


def prior(recipe: Recipe) -> Prior:
    """The law that codes, or their styles, are matched to."""
    p, o = recipe.prior, recipe.objective
    if p.name != "gaussian" and o.sigma != 1:
        raise ValueError(f"objective.sigma is of the prior 'gaussian'; with prior.name = '{p.name}' leave it out")
    if p.name == "gaussian" and p.scale != 1:
        raise ValueError("prior.scale is of the other priors; that of 'gaussian' is objective.sigma")
    return priors.prior(p.name, recipe.model.latent, o.sigma, p.components, p.scale)


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


def stages(
    recipe: Recipe,
    autoencoder: Autoencoder,
    others: Mapping[str, Discriminator],
    seed: int,
    labelled: Labelled | None = None,
) -> list[Stage]:
    """
    What is trained, in order: one stage, or for ``objective.order`` "separate" two of half the epochs each.

    Separate training of a VAE-GAN begins with the VAE alone; then its encoder stands still, and decoder and critic play.
    """
    o, schedule = recipe.objective, recipe.training
    name = o.name
    if name not in OBJECTIVES:
        raise ValueError(naming.unknown("objective", name, OBJECTIVES))
    if (o.order != "joint") and name != "vae-gan":
        raise ValueError(f"objective.order = '{o.order}' is for the objective 'vae-gan'; '{name}' has one stage")
    schedule = replace(schedule, seed=mixed_seed(seed, schedule.seed))
    refuse_unread(recipe)
    if name == "aae" or name in labelling.CLASSED:
        return [Stage(_matching(recipe, autoencoder, others, labelled), schedule, "", "training")]
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


def _matching(
    recipe: Recipe, autoencoder: Autoencoder, others: Mapping[str, Discriminator], labelled: Labelled | None
) -> Objective:
    """The adversarial autoencoder of the recipe's name."""
    o, m, labels = recipe.objective, recipe.matcher, recipe.labels
    law = prior(recipe)
    law(8, Noise(0, 0))  # what a user's own function returns is looked at before the training
    shared: dict[str, Any] = {
        "reconstruction": o.reconstruction,
        "adversarial": o.adversarial,
        "duel": Duel(m.loss, m.r1, m.noise),
        "corruption": Corruption(o.input_noise, o.input_dropout),
        "together": o.together,
        "code_noise": o.code_noise,
    }
    if o.name == "aae":
        return AAE(autoencoder, others["discriminator"], law, **shared)
    if o.name == "aae-conditioned":
        if not isinstance(law, Classed) or law.classes != labels.classes:
            has = f"{law.classes}" if isinstance(law, Classed) else "none"
            raise ValueError(
                f"'aae-conditioned' needs a prior with a part for each of the {labels.classes} classes; '{recipe.prior.name}' has {has}: "
                f"choose mixture or swiss-roll, with prior.components = {labels.classes}"
            )
        return LabelConditioned(autoencoder, others["discriminator"], law, **shared)
    if isinstance(autoencoder, ConditionalAutoencoder):
        return StyleContent(autoencoder, others["discriminator"], law, **shared)
    assert isinstance(autoencoder, CategoricalAutoencoder)
    return Categorical(
        autoencoder,
        others["style_discriminator"],
        others["label_discriminator"],
        law,
        labelled,
        label_weight=labels.adversarial,
        label_noise=labels.noise,
        invariance=labelling.augmentation(labels) if labels.invariant else None,
        supervision=labels.weight,
        margin=labels.margin,
        hinge=labels.hinge,
        **shared,
    )


def refuse_unread(recipe: Recipe) -> None:
    """Refuses settings that the recipe's objective would not read."""
    name, plain = recipe.objective.name, Recipe()
    adversarial = name == "aae" or name in labelling.CLASSED
    unread: list[str] = []
    if not adversarial:
        unread += _changed("objective", recipe, ("input_noise", "input_dropout", "code_noise", "together"))
        unread += _changed("matcher", recipe, ("loss", "r1", "noise"))
        unread += ["prior"] if recipe.prior != plain.prior else []
    else:
        unread += _changed("objective", recipe, ("beta", "pixel_weight", "feature_weight", "order", "latent"))
        unread += _changed("critic", recipe)
        if recipe.prior.name in ("gaussian", "uniform") or ":" in recipe.prior.name:
            unread += _changed("prior", recipe, ("components",))
        if ":" in recipe.prior.name:
            unread += _changed("prior", recipe, ("scale",))
    if recipe.model.posterior != "universal":
        unread += _changed("model", recipe, ("noise",))
    if name in labelling.CLASSED:
        unread += _changed("labels", recipe, _unread_labels(name, recipe.labels))
    elif recipe.labels != plain.labels:
        unread.append("labels")
    if unread:
        raise ValueError(f"the objective '{name}' has no use for {', '.join(unread)}; leave out what it does not read")


def _changed(table: str, recipe: Recipe, keys: Iterable[str] | None = None) -> list[str]:
    """Those settings of a table, of ``keys`` or of all, that are not the default."""
    own, plain = getattr(recipe, table), getattr(Recipe(), table)
    return [
        f"{table}.{f.name}"
        for f in fields(own)
        if (keys is None or f.name in keys) and getattr(own, f.name) != getattr(plain, f.name)
    ]


def _unread_labels(name: str, labels: Labels) -> set[str]:
    """Keys of ``labels`` that an objective with classes does not read; a reduction may keep those of labelled images where it has none."""
    supervised = {"weight", "batch", "margin", "hinge"}
    moves = {"shift", "rotation", "scale", "shear"}
    if labelling.CLASSED[name] not in ("categorical", "reduced"):
        return supervised | moves | {"adversarial", "noise", "invariant"}
    unread = set() if name == "aae-reduction" else {"margin", "hinge"}
    if name == "aae-reduction" and not labels.margin:
        unread.add("hinge")
    if name == "aae-clustering":
        unread |= {"weight", "batch"} | (set() if labels.invariant else moves)
    return unread


def _known(rates: Mapping[str, float], objective: Objective) -> dict[str, float]:
    """The learning rates of this stage's players; those of the other stage's are its own."""
    every = {"autoencoder", "critic", "latent"}
    return {p: r for p, r in rates.items() if p in objective.players or p not in every}


def negatives(recipe: Recipe) -> Negatives:
    """The detector's sampler of negatives."""
    d = recipe.detector
    return BOUNDARIES[d.negatives]()
