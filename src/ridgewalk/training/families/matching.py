"""
The common part of adversarial autoencoders: codes are matched to a prior by discriminators (Makhzani et al. 2015).

The loss of each optimiser is differentiated for its own networks only. With x' a corrupted image, u what a discriminator D reads of a code, and v
what it reads of a draw of the prior:

    autoencoder    rec(G(z), x), z of x'                                       moves E (with its heads), G
    discriminator  the sum over D of  1/2 [softplus(-D(v)) + softplus(D(u))]   moves every D
    matcher        the sum over D of  w_D softplus(-D(u))                      moves E (with its heads)

or another game in place of the cross-entropies, see ``duels``. The members differ in what a code is and in what a discriminator reads of it:

    AAE                one D:  u = z                     v ~ prior                        (``adversarial``)
    LabelConditioned   one D:  u = (z, c)                v = (draw of class c's part, c)  (``conditioned``), c one-hot over classes and "not labelled"
    StyleContent       one D:  u = z; G reads (z, y)     v ~ prior                        (``style``), y the label, one-hot
    Categorical        two D:  one of styles and one of classes                           (``categorical``, ``reduction``)

``code_noise`` adds Gaussian noise to codes (to styles, where a code has a class as well) before anything reads them in training: a posterior of fixed
deviation about E(x), which bounds what a style can say of an image and so leaves more of it to the class.

``together`` adds the matcher's losses to the reconstruction, in one pass of the encoder and with one optimiser: the gradient of each network is then
the sum of those above, which for the decoder is that of the reconstruction alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Any, ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.settings.fields import TABLE, NotNegative, Positive, Share
from ridgewalk.settings.recipes import Recipe
from ridgewalk.training import losses, priors
from ridgewalk.training.duels import Corruption, Duel
from ridgewalk.training.families.base import AutoencoderFamily, Shape, build_code_discriminator, changed
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss
from ridgewalk.training.priors import Prior

Codes = tuple[Tensor, ...]


@plain_dataclass(eq=False, kw_only=True)
class Matching(ABC):
    """
    Base of the objectives: three optimisers, and the terms of their losses.

    Args:
        reconstruction: name of the reconstruction loss.
        adversarial: weight w of the matcher's loss.
        duel: the game between discriminators and encoder, and what stabilises it.
        corruption: noise on the images that the encoder reads in training.
        together: whether the matcher's losses are added to the reconstruction and minimised by the same optimiser.
        code_noise: standard deviation of Gaussian noise on codes, or on styles where a code has a class as well.
    """

    model: Autoencoder = field(kw_only=False)
    reconstruction: str = "half_squared"
    adversarial: float = 1.0
    duel: Duel = field(default_factory=Duel)
    corruption: Corruption = field(default_factory=Corruption)
    together: bool = False
    code_noise: float = 0.0

    @property
    @abstractmethod
    def discriminators(self) -> Mapping[str, nn.Module]:
        """The discriminators, by the names of their networks."""

    @property
    @abstractmethod
    def weights(self) -> Mapping[str, float]:
        """The weight w_D of the matcher's loss, by the name of each discriminator."""

    @abstractmethod
    def codes(self, batch: Batch, noise: Noise) -> Codes:
        """The codes of a batch: the outputs of the encoder and its heads."""

    @abstractmethod
    def decoded(self, codes: Codes, batch: Batch) -> Tensor:
        """The reconstructions of codes, (n, c, h, w)."""

    @abstractmethod
    def encoded(self, codes: Codes, batch: Batch) -> Mapping[str, Tensor]:
        """What each discriminator reads of codes: u."""

    @abstractmethod
    def drawn(self, batch: Batch, encoded: Mapping[str, Tensor], noise: Noise) -> Mapping[str, Tensor]:
        """What each discriminator reads of draws of the prior: v, each of the shape of u."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks of the autoencoder, and the discriminators."""
        return {**self.model.networks, **self.discriminators}

    @property
    def optimisers(self) -> Mapping[str, tuple[str, ...]]:
        """The optimisers of the reconstruction, of the discriminators, and unless ``together`` of the encoder against them."""
        moves = {"autoencoder": tuple(self.model.networks), "discriminator": tuple(self.discriminators)}
        return moves if self.together else {**moves, "matcher": self.encoding}

    @property
    def encoding(self) -> tuple[str, ...]:
        """Names of the networks that make codes."""
        return tuple(n for n in self.model.networks if n not in ("decoder", "clusters"))

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """The loss of one optimiser, as in the table above."""
        if optimiser == "discriminator":
            return self._discriminators(batch, noise)
        codes = self.codes(batch, noise)
        if optimiser == "matcher":
            return self._fooled(codes, batch, noise)
        rec = losses.reconstruction(self.reconstruction, self.decoded(codes, batch), batch[0])
        total, terms = self._extra_terms(codes)
        total, terms = rec + total, {"reconstruction": rec} | terms
        if self.together:
            fooled, more = self._fooled(codes, batch, noise)
            total, terms = total + fooled, terms | more
        return total, terms

    def _spread(self, codes: Tensor, noise: Noise) -> Tensor:
        """Codes, or styles, with noise on them."""
        return codes + self.code_noise * noise.normal(*codes.shape) if self.code_noise else codes

    def _extra_terms(self, codes: Codes) -> Loss:
        """Further terms of the autoencoder's loss: none."""
        return torch.zeros((), device=codes[0].device), {}

    def _discriminators(self, batch: Batch, noise: Noise) -> Loss:
        encoded, drawn = self._shown(batch, noise)
        total, terms = torch.zeros((), device=batch[0].device), dict[str, Tensor]()
        for name, d in self.discriminators.items():
            loss, own = self.duel.discriminate(name, d, drawn[name], encoded[name], noise)
            total, terms = total + loss, terms | own
        return total, terms

    def _shown(self, batch: Batch, noise: Noise) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """What each discriminator reads of codes and of the prior, without gradients."""
        with torch.no_grad():
            encoded = self.encoded(self.codes(batch, noise), batch)
            return encoded, self.drawn(batch, encoded, noise)

    def sides(self, batch: Batch, noise: Noise) -> Mapping[str, tuple[nn.Module, Tensor, Tensor]]:
        """Each discriminator with what it reads of the prior and of codes, noise included."""
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
    """Refuses discriminators whose positive class is not the prior."""
    for discriminator in discriminators.values():
        positive = getattr(discriminator, "positive", "prior")
        if positive != "prior":
            raise ValueError(f"an AAE's discriminator is positive for 'prior'; got one positive for '{positive}'")


@plain_dataclass(eq=False)
class OfCodes(Matching):
    """An adversarial autoencoder with one discriminator, which reads codes."""

    discriminator: nn.Module

    def __post_init__(self) -> None:
        refuse_positive(self.discriminators)

    @property
    def discriminators(self) -> Mapping[str, nn.Module]:
        return {"discriminator": self.discriminator}

    @property
    def weights(self) -> Mapping[str, float]:
        return {"discriminator": self.adversarial}

    def codes(self, batch: Batch, noise: Noise) -> Codes:
        return (self._spread(self.model.draw(self.corruption(batch[0], noise), noise.normal), noise),)


@dataclass(frozen=True, config=TABLE)
class MatchingFamily(AutoencoderFamily):
    """Settings and methods that all adversarial autoencoders have."""

    sigma: Positive = 1.0
    """Standard deviation of a Gaussian prior."""
    adversarial: NotNegative = 1.0
    """Weight of the matcher's loss on codes, or on styles."""
    input_noise: NotNegative = 0.0
    """Standard deviation of Gaussian noise on the images that the encoder reads in training."""
    input_dropout: Share = 0.0
    """Share of the pixels that the encoder reads as 0 in training."""
    code_noise: NotNegative = 0.0
    """Standard deviation of Gaussian noise on codes, or on styles, in training."""
    together: bool = False
    """Whether the matcher's loss is added to the reconstruction and minimised by the same optimiser."""

    adversary_tables: ClassVar = ("matcher",)

    def unread(self, recipe: Recipe) -> list[str]:
        """The settings of the critic, and those of other priors than the recipe's."""
        own, found = recipe.prior.name, changed(recipe, "critic")
        if own in ("gaussian", "uniform") or ":" in own:
            found += changed(recipe, "prior", ("components",))
        if ":" in own:
            found += changed(recipe, "prior", ("scale",))
        return found + self.unread_labels(recipe)

    def unread_labels(self, recipe: Recipe) -> list[str]:
        """Settings of the table ``labels`` that the objective does not read: all of them."""
        return ["labels"] if changed(recipe, "labels") else []

    def prior(self, recipe: Recipe) -> Prior:
        """The law that codes, or their styles, are matched to."""
        p = recipe.prior
        if p.name != "gaussian" and self.sigma != 1:
            raise ValueError(f"objective.sigma is of the prior 'gaussian'; with prior.name = '{p.name}' leave it out")
        if p.name == "gaussian" and p.scale != 1:
            raise ValueError("prior.scale is of the other priors; that of 'gaussian' is objective.sigma")
        return priors.prior(p.name, recipe.model.latent, self.sigma, p.components, p.scale)

    def checked_prior(self, recipe: Recipe) -> Prior:
        """The prior, after a user's own function has been called once, so that it is refused before the training."""
        law = self.prior(recipe)
        law(8, Noise(0, 0))
        return law

    def shared(self, recipe: Recipe) -> dict[str, Any]:
        """The arguments of ``Matching``."""
        m = recipe.matcher
        return {
            "reconstruction": self.reconstruction,
            "adversarial": self.adversarial,
            "duel": Duel(m.loss, m.r1, m.noise),
            "corruption": Corruption(self.input_noise, self.input_dropout),
            "together": self.together,
            "code_noise": self.code_noise,
        }

    def discriminators(self, recipe: Recipe, shape: Shape) -> dict[str, Discriminator]:
        return {"discriminator": build_code_discriminator(recipe, recipe.model.latent, "prior")}

    def draw_prior(
        self, recipe: Recipe, model: Autoencoder, codes: Callable[[], Tensor], rows: int, noise: Noise
    ) -> Tensor:
        """Draws of the prior that codes are matched to; where a code has a class as well, all classes are equally likely."""
        return self.prior(recipe)(rows, noise).to(next(model.parameters()).device)
