"""
Autoencoders with a part of the code for a class, matched to two priors (Makhzani et al. 2015, sections 5 to 7).

With f = E(x'), s = S(f), y = softmax(L(f)), prior draws s_p ~ p(s) and y_p one-hot of a uniform class, and a labelled image (x_l, t):

    autoencoder    rec(G(s, y), x)                                                      moves E, S, L, G
                   reduced: G reads W y + s; + h sum_{i<j} max(0, m - |w_i - w_j|)      moves W as well
    discriminator  1/2 [softplus(-D_s(s_p)) + softplus(D_s(s))]                         moves D_s
                   + 1/2 [softplus(-D_y(y_p)) + softplus(D_y(y))]                       moves D_y
    matcher        w softplus(-D_s(s)) + w_y softplus(-D_y(y))                          moves E, S, L
    supervised     c CE(L(E(x_l')), t)                                                  moves E, L

``label_noise`` puts Gaussian noise on the logits of y in training (not on those of labelled images), so that no class is decided before the
autoencoder has learned what classes are; with ``code_noise`` it makes q(s, y | x) a law in place of a point.

``invariance`` reads y from an augmented image and s from the image itself: what a small map of the image changes is then left to the style.

With labelled images it is the semi-supervised autoencoder; without any, and so without the optimiser "supervised", it finds K clusters by itself; with
the sum W y + s in place of the pair it reduces dimensions, and the hinge holds the columns w_i of W, the heads of clusters, m apart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.data import Images
from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.categories import CategoricalAutoencoder, ReducedAutoencoder, build_categorical
from ridgewalk.models.discriminators import Discriminator, SummedLogit
from ridgewalk.settings.fields import TABLE
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training.duels import Augmentation
from ridgewalk.training.families.base import Networks, Shape, architecture, build_code_discriminator, changed
from ridgewalk.training.families.classes import MOVES, ClassFamily, augmentation, join_with_classes
from ridgewalk.training.families.matching import Codes, Matching, refuse_positive
from ridgewalk.training.labelled import Labelled
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss
from ridgewalk.training.priors import Prior, categories


def apart(heads: Tensor, margin: float) -> Tensor:
    """sum_{i<j} max(0, m - |w_i - w_j|) over the rows w_i of ``heads`` (K, d): 0 where all are at least ``margin`` apart."""
    i, j = torch.triu_indices(len(heads), len(heads), offset=1, device=heads.device)
    distance = ((heads[i] - heads[j]).square().sum(dim=1) + 1e-12).sqrt()  # two equal heads have a gradient of 0
    return F.relu(margin - distance).sum()


@plain_dataclass(eq=False)
class Categorical(Matching):
    """
    Style and class of an image, each matched to its prior.

    Args:
        model: categorical or reduced autoencoder.
        style_discriminator: logits of styles (n, d), positive for ``prior``.
        label_discriminator: logits of points of the simplex (n, K), positive for ``prior``.
        prior: prior of styles (n, d).
        labelled: images with their classes; None finds clusters.
        label_weight: weight w_y of the matcher's loss on classes.
        supervision: weight c of the cross-entropy.
        margin: m of the hinge on the heads of clusters, of a reduced model.
        hinge: weight h of the hinge.
        label_noise: standard deviation of Gaussian noise on the logits of classes.
        invariance: augmentation of the images that classes are read from, while styles are read from the unchanged image; None reads both in one pass.
    """

    model: CategoricalAutoencoder
    style_discriminator: nn.Module
    label_discriminator: nn.Module
    prior: Prior
    labelled: Labelled | None = None
    label_weight: float = 1.0
    supervision: float = 1.0
    margin: float = 0.0
    hinge: float = 1.0
    label_noise: float = 0.0
    invariance: Augmentation | None = None

    def __post_init__(self) -> None:
        refuse_positive(self.discriminators)
        if self.margin and not isinstance(self.model, ReducedAutoencoder):
            raise ValueError(
                "a margin between the heads of clusters is for a reduced autoencoder, which has such heads"
            )
        if self.labelled is not None:
            labels = self.labelled.labels
            if len(labels) == 0 or not ((labels >= 0) & (labels < self.model.classes)).all():
                raise ValueError(
                    f"labels must lie in 0 .. {self.model.classes - 1}, the classes of this model; got "
                    f"{f'{int(labels.min())} to {int(labels.max())}' if len(labels) else 'none'}"
                )

    @property
    def discriminators(self) -> Mapping[str, nn.Module]:
        return {"style_discriminator": self.style_discriminator, "label_discriminator": self.label_discriminator}

    @property
    def weights(self) -> Mapping[str, float]:
        return {"style_discriminator": self.adversarial, "label_discriminator": self.label_weight}

    @property
    def optimisers(self) -> Mapping[str, tuple[str, ...]]:
        """The optimisers, and that of the supervised loss where there are labels and the losses are not minimised ``together``."""
        own = super().optimisers
        return own if self.labelled is None or self.together else {**own, "supervised": ("encoder", "label")}

    def codes(self, batch: Batch, noise: Noise) -> Codes:
        x = batch[0]
        if self.invariance is None:
            style, logits = self.model.heads(self.corruption(x, noise))
        else:
            style = self.model.style(self.model.encoder(self.corruption(x, noise)))
            logits = self.model.logits(self.corruption(self.invariance(x, noise), noise))
        if self.label_noise:
            logits = logits + self.label_noise * noise.normal(*logits.shape)
        return self._spread(style, noise), logits.softmax(dim=1)

    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        """G(s, y), or G(W y + s)."""
        return self.model.decode(self.model.join(*codes))

    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        """The styles for one discriminator, the classes for the other."""
        return {"style_discriminator": codes[0], "label_discriminator": codes[1]}

    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        rows = len(batch[0])
        y = categories(rows, self.model.classes, noise)
        return {"style_discriminator": self.prior(rows, noise), "label_discriminator": y}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """The loss of one optimiser, as in the table above."""
        if optimiser == "supervised":
            return self._supervised(noise)
        total, terms = super().loss(optimiser, batch, noise)
        if optimiser == "autoencoder" and self.together and self.labelled is not None:
            loss, more = self._supervised(noise)
            total, terms = total + loss, terms | more
        return total, terms

    def _extra_terms(self, codes: Codes) -> Loss:
        """The hinge; and for the log how many classes a batch uses, by exp of the entropy of its mean y."""
        mean = codes[1].detach().float().mean(dim=0)
        terms = {"classes_used": torch.exp(-(mean * mean.clamp_min(1e-12).log()).sum())}
        if not self.margin or not isinstance(self.model, ReducedAutoencoder):
            return torch.zeros((), device=mean.device), terms
        hinge = apart(self.model.clusters.weight.T, self.margin)
        return self.hinge * hinge, terms | {"hinge": hinge}

    def _supervised(self, noise: Noise) -> Loss:
        assert self.labelled is not None
        x, labels = self.labelled.draw(noise)
        logits = self.model.logits(self.corruption(x, noise))
        entropy = F.cross_entropy(logits, labels)
        error = (logits.detach().argmax(dim=1) != labels).float().mean()
        return self.supervision * entropy, {"cross_entropy": entropy, "labelled_error": error}


@dataclass(frozen=True, config=TABLE)
class CategoricalFamily(ClassFamily):
    """An adversarial autoencoder whose code has a style and a class, each matched to its prior."""

    posteriors: ClassVar = ("deterministic",)

    kind: ClassVar[str] = "categorical"

    def unread_labels(self, recipe: Recipe) -> list[str]:
        """The settings of a reduction."""
        return changed(recipe, "labels", ("margin", "hinge"))

    def code_size(self, recipe: Recipe) -> int:
        return recipe.model.latent + recipe.labels.classes

    def network(self, recipe: Recipe, shape: Shape) -> Autoencoder:
        """An autoencoder whose encoder has a head of styles and one of classes."""
        return build_categorical(shape, recipe.model.latent, recipe.labels.classes, architecture(recipe), self.kind)

    def discriminators(self, recipe: Recipe, shape: Shape) -> dict[str, Discriminator]:
        """A discriminator of styles and one of classes."""
        return {
            "style_discriminator": build_code_discriminator(recipe, recipe.model.latent, "prior"),
            "label_discriminator": build_code_discriminator(recipe, recipe.labels.classes, "prior"),
        }

    def sensors(self, recipe: Recipe, adversaries: Mapping[str, Discriminator]) -> dict[str, Discriminator]:
        """The sum of both discriminators' logits, as the sensor "matcher"."""
        both = SummedLogit(adversaries["style_discriminator"], adversaries["label_discriminator"], recipe.model.latent)
        return {"matcher": Discriminator(both, "prior")}

    def labelled(self, recipe: Recipe, images: Images, rows: Tensor) -> Labelled | None:
        """The labelled images, of which each step draws an augmented batch."""
        own = recipe.labels
        return Labelled(images.pixels[rows], images.labels[rows], own.batch, augmentation(own))

    def objective(self, recipe: Recipe, networks: Networks) -> Categorical:
        """Reconstruction, the two games, and the cross-entropy of labelled images."""
        law, labels, model = self.checked_prior(recipe), recipe.labels, networks.model
        assert isinstance(model, CategoricalAutoencoder)
        return Categorical(
            model,
            networks.adversaries["style_discriminator"],
            networks.adversaries["label_discriminator"],
            law,
            networks.labelled,
            label_weight=labels.adversarial,
            label_noise=labels.noise,
            invariance=augmentation(labels) if labels.invariant else None,
            supervision=labels.weight,
            margin=labels.margin,
            hinge=labels.hinge,
            **self.shared(recipe),
        )

    def draw_prior(
        self, recipe: Recipe, model: Autoencoder, codes: Callable[[], Tensor], rows: int, noise: Noise
    ) -> Tensor:
        """Draws of the prior of styles, each joined with a class that is drawn uniformly."""
        return join_with_classes(model, super().draw_prior(recipe, model, codes, rows, noise), noise)


@dataclass(frozen=True, config=TABLE)
class SemiSupervisedObjective(CategoricalFamily):
    """A classifier from few labels: labelled images train the head of classes as well."""

    name: Literal["aae-semisupervised"] = "aae-semisupervised"


@dataclass(frozen=True, config=TABLE)
class ClusteringObjective(CategoricalFamily):
    """Clusters without labels: the head of classes finds them by itself."""

    name: Literal["aae-clustering"] = "aae-clustering"

    def unread_labels(self, recipe: Recipe) -> list[str]:
        """The settings of a reduction and of labelled images."""
        keys = ("weight", "batch", "margin", "hinge", *(() if recipe.labels.invariant else MOVES))
        return changed(recipe, "labels", keys)

    def check_labels(self, recipe: Recipe) -> None:
        """Accepts any number of labels, as ``complete`` sets it to 0."""

    def complete(self, recipe: Recipe, class_names: Sequence[str]) -> Recipe:
        """The recipe without labels, and with the number of its clusters."""
        if recipe.labels.count > 0:
            raise ValueError(
                f"'{self.name}' uses no labels; got labels.count = {recipe.labels.count}: leave it out, or train aae-semisupervised"
            )
        return super().complete(replace(recipe, labels=replace(recipe.labels, count=0)), class_names)
