"""
Autoencoders with a part of the code for a class, matched to two priors (Makhzani et al. 2015, sections 5 to 7).

With f = E(x'), s = S(f), y = softmax(L(f)), prior draws s_p ~ p(s) and y_p one-hot of a uniform class, and a labelled image (x_l, t):

    autoencoder    rec(G(s, y), x)                                                      moves E, S, L, G
                   reduced: G reads W y + s; + h sum_{i<j} max(0, m - |w_i - w_j|)      moves W as well
    discriminator  1/2 [softplus(-D_s(s_p)) + softplus(D_s(s))]                         moves D_s
                   + 1/2 [softplus(-D_y(y_p)) + softplus(D_y(y))]                       moves D_y
    matcher        w softplus(-D_s(s)) + w_y softplus(-D_y(y))                          moves E, S, L
    supervised     c CE(L(E(x_l')), t)                                                  moves E, L

``label_noise`` puts Gaussian noise on the logits of y in training (not on those of labelled images), so that a class is not settled before the
autoencoder has learned what classes are; with ``code_noise`` it makes q(s, y | x) a law in place of a point.

``invariance`` reads y from an augmented image and s from the image itself: what a small map of the image changes is then left to the style.

With labelled images it is the semi-supervised autoencoder; without any, and so without its last player, it finds K clusters by itself; with
the sum W y + s in place of the pair it reduces dimensions, and the hinge holds the columns w_i of W, the heads of clusters, m apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.models.categories import CategoricalAutoencoder, ReducedAutoencoder
from ridgewalk.training.duels import Augmentation, Corruption, Duel
from ridgewalk.training.matching import Codes, Matching, refuse_positive
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss
from ridgewalk.training.priors import Prior, categories


def apart(heads: Tensor, margin: float) -> Tensor:
    """sum_{i<j} max(0, m - |w_i - w_j|) over the rows w_i of ``heads`` (K, d): 0 where all are at least ``margin`` apart."""
    i, j = torch.triu_indices(len(heads), len(heads), offset=1, device=heads.device)
    distance = ((heads[i] - heads[j]).square().sum(dim=1) + 1e-12).sqrt()  # two equal heads have a gradient of 0
    return F.relu(margin - distance).sum()


@dataclass(frozen=True, eq=False)
class Labelled:
    """
    The labelled images, of which each step draws a batch of its own, with replacement.

    Args:
        images: uint8 or float (m, c, h, w).
        labels: int64 (m,), each in 0 .. K - 1.
        batch: rows drawn in a step, of the global batch.
        augmentation: of what is drawn.
    """

    images: Tensor
    labels: Tensor
    batch: int = 100
    augmentation: Augmentation = field(default_factory=Augmentation)

    def draw(self, noise: Noise) -> tuple[Tensor, Tensor]:
        """Images as floats, and their labels, on the noise's device."""
        rows = noise.integers(len(self.images), max(1, self.batch // noise.world)).to(self.images.device)
        images = self.images[rows].to(noise.device)
        if images.dtype == torch.uint8:
            images = images.float().div_(255)
        return self.augmentation(images, noise), self.labels[rows].to(noise.device)


@dataclass(eq=False)
class Categorical(Matching):
    """
    Style and class of an image, each matched to its prior.

    Args:
        model: categorical, or reduced.
        style_discriminator: logits of styles (n, d), positive for ``prior``.
        label_discriminator: logits of points of the simplex (n, K), positive for ``prior``.
        prior: of styles.
        labelled: images with their classes; None finds clusters.
        reconstruction: name of the reconstruction loss.
        adversarial: weight w of the matcher's loss on styles.
        label_weight: weight w_y of its loss on classes.
        supervision: weight c of the cross-entropy.
        margin: m of the hinge on the heads of clusters, of a reduced model.
        hinge: its weight h.
        duel: the games, and what steadies them.
        corruption: of what the encoder reads, labelled images as well.
        together: whether all that moves the encoder is paid along with the reconstruction.
        code_noise: deviation of noise on styles.
        label_noise: deviation of noise on the logits of classes.
        invariance: augmentation of what classes are read from, styles being read from the image as it is; None reads both from one pass.
    """

    model: CategoricalAutoencoder
    style_discriminator: nn.Module
    label_discriminator: nn.Module
    prior: Prior
    labelled: Labelled | None = None
    reconstruction: str = "half_squared"
    adversarial: float = 1.0
    label_weight: float = 1.0
    supervision: float = 1.0
    margin: float = 0.0
    hinge: float = 1.0
    duel: Duel = field(default_factory=Duel)
    corruption: Corruption = field(default_factory=Corruption)
    together: bool = False
    code_noise: float = 0.0
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
        """Of styles and of classes."""
        return {"style_discriminator": self.style_discriminator, "label_discriminator": self.label_discriminator}

    @property
    def weights(self) -> Mapping[str, float]:
        """Theirs."""
        return {"style_discriminator": self.adversarial, "label_discriminator": self.label_weight}

    @property
    def players(self) -> Mapping[str, tuple[str, ...]]:
        """With the supervised one, where there are labels and it has a move of its own."""
        own = super().players
        return own if self.labelled is None or self.together else {**own, "supervised": ("encoder", "label")}

    def codes(self, batch: Batch, noise: Noise) -> Codes:
        """Styles, and points of the simplex."""
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
        """Styles to one, classes to the other."""
        return {"style_discriminator": codes[0], "label_discriminator": codes[1]}

    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        """Draws of both priors."""
        rows = len(batch[0])
        y = categories(rows, self.model.classes, noise)
        return {"style_discriminator": self.prior(rows, noise), "label_discriminator": y}

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        """Each player's part of the table above."""
        if player == "supervised":
            return self._supervised(noise)
        total, terms = super().loss(player, batch, noise)
        if player == "autoencoder" and self.together and self.labelled is not None:
            pays, more = self._supervised(noise)
            total, terms = total + pays, terms | more
        return total, terms

    def _beside(self, codes: Codes) -> Loss:
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
