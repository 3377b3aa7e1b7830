"""
Autoencoders whose codes are matched to a prior by discriminators (Makhzani et al. 2015). As everywhere, each player's loss is
differentiated for its own networks only. With x' a corrupted image, u what a discriminator D reads of a code, v the same of the prior:

    autoencoder    rec(G(z), x), z of x'                                       moves E (with its heads), G
    discriminator  the sum over D of  1/2 [softplus(-D(v)) + softplus(D(u))]   moves every D
    matcher        the sum over D of  w_D softplus(-D(u))                      moves E (with its heads)

or another game in place of the cross-entropies, see ``duels``. The members of the family differ in what codes are and in what is read of them:

    AAE                one D:  u = z                     v ~ prior
    LabelConditioned   one D:  u = (z, c)                v = (draw of the prior's class, c), c one-hot over the classes and "not labelled"
    StyleContent       one D:  u = z; G reads (z, y)     v ~ prior, y the label, one-hot
    Categorical        in ``categories``: two discriminators, one of styles and one of classes

``code_noise`` puts Gaussian noise on codes (styles, where a code has a class as well) before anything reads them in training: a posterior of fixed
deviation about E(x), which bounds what a style can tell of an image and so leaves more of it to the class.

``together`` lets the matcher's losses be paid along with the reconstruction, in one pass of the encoder and by one optimiser: each
network's gradient is then the sum of those above, which for the decoder is that of the reconstruction alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.categories import ConditionalAutoencoder
from ridgewalk.training import losses
from ridgewalk.training.duels import Corruption, Duel
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss
from ridgewalk.training.priors import Classed, Prior

Codes = tuple[Tensor, ...]


class Matching(ABC):
    """What the members share: the three players, and how each one's loss is put together."""

    model: Autoencoder
    reconstruction: str
    duel: Duel
    corruption: Corruption
    together: bool
    code_noise: float

    @property
    @abstractmethod
    def discriminators(self) -> Mapping[str, nn.Module]:
        """By the names of their networks."""

    @property
    @abstractmethod
    def weights(self) -> Mapping[str, float]:
        """w_D, by the names of the discriminators."""

    @abstractmethod
    def codes(self, batch: Batch, noise: Noise) -> Codes:
        """What the encoder and its heads make of a batch."""

    @abstractmethod
    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        """Reconstructions."""

    @abstractmethod
    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        """U, what each discriminator reads of codes."""

    @abstractmethod
    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        """V, what each discriminator reads of the prior: of the shapes of U."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Those of the autoencoder, and the discriminators."""
        return {**self.model.networks, **self.discriminators}

    @property
    def players(self) -> Mapping[str, tuple[str, ...]]:
        """Reconstruction, then the two sides of the game."""
        moves = {"autoencoder": tuple(self.model.networks), "discriminator": tuple(self.discriminators)}
        return moves if self.together else {**moves, "matcher": self.encoding}

    @property
    def encoding(self) -> tuple[str, ...]:
        """The networks that codes come from."""
        return tuple(n for n in self.model.networks if n not in ("decoder", "clusters"))

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        """Each player's part of the game above."""
        if player == "discriminator":
            return self._discriminators(batch, noise)
        codes = self.codes(batch, noise)
        if player == "matcher":
            return self._fooled(codes, batch, noise)
        rec = losses.reconstruction(self.reconstruction, self.decoded(codes, batch), batch[0])
        total, terms = self._beside(codes)
        total, terms = rec + total, {"reconstruction": rec} | terms
        if self.together:
            fooled, more = self._fooled(codes, batch, noise)
            total, terms = total + fooled, terms | more
        return total, terms

    def _spread(self, codes: Tensor, noise: Noise) -> Tensor:
        """Codes, or styles, with noise on them."""
        return codes + self.code_noise * noise.normal(*codes.shape) if self.code_noise else codes

    def _beside(self, codes: Codes) -> Loss:
        """What the autoencoder pays beside its reconstruction: nothing."""
        return torch.zeros((), device=codes[0].device), {}

    def _discriminators(self, batch: Batch, noise: Noise) -> Loss:
        encoded, drawn = self._shown(batch, noise)
        total, terms = torch.zeros((), device=batch[0].device), dict[str, Tensor]()
        for name, d in self.discriminators.items():
            pays, own = self.duel.discriminate(name, d, drawn[name], encoded[name], noise)
            total, terms = total + pays, terms | own
        return total, terms

    def _shown(self, batch: Batch, noise: Noise) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """U and V, without gradients."""
        with torch.no_grad():
            encoded = self.encoded(self.codes(batch, noise), batch)
            return encoded, self.drawn(batch, encoded, noise)

    def sides(self, batch: Batch, noise: Noise) -> Mapping[str, tuple[nn.Module, Tensor, Tensor]]:
        """Each discriminator, with V and U as it sees them."""
        encoded, drawn = self._shown(batch, noise)
        return {
            n: (d, self.duel.seen(drawn[n], noise), self.duel.seen(encoded[n], noise))
            for n, d in self.discriminators.items()
        }

    def _fooled(self, codes: Codes, batch: Batch, noise: Noise) -> Loss:
        total, terms = torch.zeros((), device=codes[0].device), dict[str, Tensor]()
        encoded = self.encoded(codes, batch)
        for name, d in self.discriminators.items():
            fooled = self.duel.fool(d, encoded[name], noise)
            total = total + self.weights[name] * fooled
            terms[name.replace("discriminator", "matcher")] = fooled
        return total, terms


def refuse_positive(discriminators: Mapping[str, nn.Module]) -> None:
    """Refuses discriminators that take codes for their positive side."""
    for discriminator in discriminators.values():
        positive = getattr(discriminator, "positive", "prior")
        if positive != "prior":
            raise ValueError(f"an AAE's discriminator is positive for 'prior'; got one positive for '{positive}'")


class OfCodes(Matching):
    """Those with one discriminator, which is shown codes."""

    discriminator: nn.Module
    adversarial: float

    def __post_init__(self) -> None:
        refuse_positive(self.discriminators)

    @property
    def discriminators(self) -> Mapping[str, nn.Module]:
        """One."""
        return {"discriminator": self.discriminator}

    @property
    def weights(self) -> Mapping[str, float]:
        """Its weight."""
        return {"discriminator": self.adversarial}

    def codes(self, batch: Batch, noise: Noise) -> Codes:
        """Draws of q(z|x)."""
        return (self._spread(self.model.draw(self.corruption(batch[0], noise), noise.normal), noise),)


@dataclass(eq=False)
class AAE(OfCodes):
    """
    Adversarial autoencoder: the aggregated posterior is matched to a prior by a discriminator of codes.

    Args:
        model: deterministic, Gaussian or universal; codes are draws of q(z|x).
        discriminator: logits of codes, positive for ``prior``.
        prior: by default N(0, sigma^2 I) in as many dimensions as codes have.
        sigma: of the default prior.
        reconstruction: name of the reconstruction loss.
        adversarial: weight w of the matcher's loss.
        duel: the game, and what steadies it.
        corruption: of what the encoder reads.
        together: whether the matcher's loss is paid along with the reconstruction.
        code_noise: deviation of noise on codes.
    """

    model: Autoencoder
    discriminator: nn.Module
    prior: Prior | None = None
    sigma: float = 1.0
    reconstruction: str = "half_squared"
    adversarial: float = 1.0
    duel: Duel = field(default_factory=Duel)
    corruption: Corruption = field(default_factory=Corruption)
    together: bool = False
    code_noise: float = 0.0

    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        """G(z)."""
        return self.model.decode(codes[0])

    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        """The codes themselves."""
        return {"discriminator": codes[0]}

    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        """Draws of the prior."""
        z = encoded["discriminator"]
        return {"discriminator": self.prior(len(z), noise) if self.prior else self.sigma * noise.normal(*z.shape)}


@dataclass(eq=False)
class LabelConditioned(OfCodes):
    """
    An AAE with a part of the prior for each class: D is told the class of a row, or that its label is not known (section 2.3).

    A batch holds images and labels, int64, -1 where an image has none. A labelled image's code is matched to its class's part of the prior,
    that of an image without a label to the whole prior; every row of the prior is shown with the same c as the code in its place.

    Args:
        model: as of ``AAE``.
        discriminator: logits of (code, c), positive for ``prior``: d + K + 1 values.
        prior: with a law for each of K classes.
        reconstruction: name of the reconstruction loss.
        adversarial: weight of the matcher's loss.
        duel: the game, and what steadies it.
        corruption: of what the encoder reads.
        together: whether the matcher's loss is paid along with the reconstruction.
        code_noise: deviation of noise on codes.
    """

    model: Autoencoder
    discriminator: nn.Module
    prior: Classed
    reconstruction: str = "half_squared"
    adversarial: float = 1.0
    duel: Duel = field(default_factory=Duel)
    corruption: Corruption = field(default_factory=Corruption)
    together: bool = False
    code_noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.prior, Classed):
            raise ValueError(
                "a prior for each class is needed: the prior 'mixture' or 'swiss-roll', or an object with classes and given(labels, noise)"
            )

    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        """G(z): the decoder is told nothing."""
        return self.model.decode(codes[0])

    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        """(z, c)."""
        return {"discriminator": torch.cat([codes[0], self._told(batch[1])], dim=1)}

    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        """(draw, c)."""
        z = self.prior.given(batch[1], noise)
        return {"discriminator": torch.cat([z, self._told(batch[1])], dim=1)}

    def _told(self, labels: Tensor) -> Tensor:
        """C: one-hot over K classes and "not labelled", (n, K + 1)."""
        k = self.prior.classes
        return F.one_hot(torch.where(labels < 0, k, labels), k + 1).float()


@dataclass(eq=False)
class StyleContent(OfCodes):
    """
    An AAE whose decoder is told the class, so that the code keeps what is not the class (section 4).

    A batch holds images and labels, int64, one for each image.

    Args:
        model: its decoder reads (style, class).
        discriminator: logits of styles, positive for ``prior``.
        prior: of styles.
        reconstruction: name of the reconstruction loss.
        adversarial: weight of the matcher's loss.
        duel: the game, and what steadies it.
        corruption: of what the encoder reads.
        together: whether the matcher's loss is paid along with the reconstruction.
        code_noise: deviation of noise on codes.
    """

    model: ConditionalAutoencoder
    discriminator: nn.Module
    prior: Prior
    reconstruction: str = "half_squared"
    adversarial: float = 1.0
    duel: Duel = field(default_factory=Duel)
    corruption: Corruption = field(default_factory=Corruption)
    together: bool = False
    code_noise: float = 0.0

    def codes(self, batch: Batch, noise: Noise) -> Codes:
        """Styles."""
        return (self._spread(self.model.encoder(self.corruption(batch[0], noise)), noise),)

    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        """G(s, y)."""
        y = F.one_hot(batch[1], self.model.classes).to(codes[0])
        return self.model.decode(self.model.join(codes[0], y))

    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        """The styles."""
        return {"discriminator": codes[0]}

    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        """Draws of the prior."""
        return {"discriminator": self.prior(len(batch[0]), noise)}
