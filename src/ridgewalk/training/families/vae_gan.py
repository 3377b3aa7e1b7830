"""
The VAE-GAN: a VAE whose decoder is sharpened by a discriminator of images. The loss of each optimiser is differentiated for its own networks only.

    VAE-GAN  critic         1/2 softplus(-D(x)) + 1/4 [softplus(D(G(z))) + softplus(D(G(z_p)))]
                            + gamma/2 |grad D(x)|^2                                              moves D
             autoencoder    beta KL(q(z|x) || p(z)) + p rec(G(z), x) + f feat(G(z), x)           moves E, G
                            + a/2 [softplus(-D(G(z'))) + softplus(-D(G(z_p)))]                   moves G
             latent         1/2 [softplus(-D_z(z)) + softplus(D_z(z_p))]                         moves D_z

with z_p drawn from the prior, z a draw of q(z|x), z' the same without its gradient, and feat the squared distance of what the
critic's last layer reads. A VAE-GAN's terms of G(z) and of G(z_p) are each taken over half of a batch, so that critic and images are balanced.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from ridgewalk.models.autoencoders import GaussianAutoencoder, reparameterise
from ridgewalk.models.discriminators import Discriminator, image_discriminator
from ridgewalk.settings.fields import TABLE, NotNegative
from ridgewalk.settings.recipes import Recipe
from ridgewalk.settings.training import Schedule
from ridgewalk.training import losses
from ridgewalk.training.duels import state
from ridgewalk.training.families.base import AutoencoderFamily, Networks, Shape, Stage, build_code_discriminator, seeded
from ridgewalk.training.families.vae import VAE
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss, Objective


@plain_dataclass(eq=False)
class VAEGAN:
    """
    Variational autoencoder with a discriminator of images for its reconstructions, and a discriminator of codes.

    ``feature`` > 0 is the learned reconstruction loss of Larsen et al. (2016), on what the critic's last layer reads; ``feature`` = 0 with
    ``pixel`` = 1 the plain adversarial loss added to a VAE. As there, the adversarial loss does not reach the encoder, nor the
    reconstruction the critic. The latent discriminator separates reparameterised draws of q(z|x) from draws of the prior, and
    gives nothing back to the encoder: the KL term holds the codes together.

    Args:
        model: whose decoder is to be sharpened.
        critic: logits of images, positive for ``real``.
        latent: logits of codes, positive for ``encoded``; None where it is trained afterwards.
        reconstruction: name of the pixel loss.
        beta: weight of the KL term.
        pixel: weight p of the pixel loss.
        feature: weight f of the feature loss.
        adversarial: weight a of the decoder's adversarial loss.
        r1: gamma of the gradient penalty on real images; 0 for none.
        instance_noise: standard deviation of Gaussian noise on all that the critic sees (Sonderby et al. 2017); 0 for none.
        encoder_moves: False trains decoder and critic over a fixed encoder.
    """

    model: GaussianAutoencoder
    critic: Discriminator
    latent: nn.Module | None = None
    reconstruction: str = "half_squared"
    beta: float = 1.0
    pixel: float = 1.0
    feature: float = 0.0
    adversarial: float = 1.0
    r1: float = 0.0
    instance_noise: float = 0.0
    encoder_moves: bool = True

    def __post_init__(self) -> None:
        if self.critic.positive != "real":
            raise ValueError(
                f"a VAE-GAN's critic is positive for 'real'; got one positive for '{self.critic.positive}'"
            )
        positive = getattr(self.latent, "positive", "encoded")
        if positive != "encoded":
            raise ValueError(
                f"a VAE-GAN's latent discriminator is positive for 'encoded'; got one positive for '{positive}'"
            )
        if not (self.pixel > 0 or self.feature > 0):
            raise ValueError(f"a VAE-GAN needs a pixel or a feature loss; got weights {self.pixel} and {self.feature}")

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Encoder, decoder, critic, and the latent discriminator where there is one."""
        own = {"encoder": self.model.encoder, "decoder": self.model.decoder, "critic": self.critic}
        return own if self.latent is None else {**own, "latent": self.latent}

    @property
    def optimisers(self) -> Mapping[str, tuple[str, ...]]:
        """The critic first, so that the other losses are computed with its updated weights."""
        own = ("encoder", "decoder") if self.encoder_moves else ("decoder",)
        moves: dict[str, tuple[str, ...]] = {"critic": ("critic",), "autoencoder": own}
        return moves if self.latent is None else {**moves, "latent": ("latent",)}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """The loss of one optimiser, as in the table above."""
        x = batch[0]
        with torch.set_grad_enabled(optimiser == "autoencoder" and self.encoder_moves):
            mean, log_variance = self.model.posterior(x)
            z = reparameterise(mean, log_variance, noise.normal(*mean.shape))
        z_p = noise.normal(*z.shape)
        if optimiser == "latent":
            assert self.latent is not None
            on_codes, on_prior = self.latent(z), self.latent(z_p)
            bce = losses.classify(on_codes, on_prior)
            return bce, {"latent": bce} | state("latent", on_codes, on_prior)
        half = len(x) // 2
        with torch.set_grad_enabled(optimiser == "autoencoder"):
            made = self.model.decode(torch.cat([z.detach()[:half], z_p[half:]]))
        if optimiser == "autoencoder":
            fit, terms = self._reconstruction(self.model.decode(z), x)
            kl, fooled = losses.gaussian_kl(mean, log_variance), self._halves(losses.fool, made, half, noise)
            drawn = made[half:].detach().float()
            spread = drawn.std(dim=0).mean() / x.float().std(dim=0).mean().clamp_min(1e-6)
            total = self.beta * kl + fit + self.adversarial * fooled
            return total, terms | {"kl": kl, "fooled": fooled, "diversity": spread}
        on_real, on_made = self.critic(self._noisy(x, noise)), self.critic(self._noisy(made, noise))
        bce = (losses.classify(on_real, on_made[:half]) + losses.classify(on_real, on_made[half:])) / 2
        terms = {"critic": bce} | state("critic", on_real, on_made)
        if not self.r1:
            return bce, terms
        penalty = losses.r1_penalty(self.critic, x)
        return bce + self.r1 / 2 * penalty, terms | {"r1": penalty}

    def sides(self, batch: Batch, noise: Noise) -> Mapping[str, tuple[nn.Module, Tensor, Tensor]]:
        """The critic with images and decodings, half of them of draws of the prior; the latent discriminator with codes and draws."""
        x, half = batch[0], len(batch[0]) // 2
        with torch.no_grad():
            mean, log_variance = self.model.posterior(x)
            z = reparameterise(mean, log_variance, noise.normal(*mean.shape))
            z_p = noise.normal(*z.shape)
            made = self.model.decode(torch.cat([z[:half], z_p[half:]]))
        found: dict[str, tuple[nn.Module, Tensor, Tensor]] = {
            "critic": (self.critic, self._noisy(x, noise), self._noisy(made, noise))
        }
        return found if self.latent is None else {**found, "latent": (self.latent, z, z_p)}

    def _halves(self, loss: Callable[[Tensor], Tensor], made: Tensor, half: int, noise: Noise) -> Tensor:
        """The mean of a loss over reconstructions and over draws, with equal weights whatever the size of the batch."""
        logits = self.critic(self._noisy(made, noise))
        return (loss(logits[:half]) + loss(logits[half:])) / 2

    def _reconstruction(self, x_hat: Tensor, x: Tensor) -> Loss:
        """The pixel loss and the feature loss, each by its weight; the critic is not updated by it."""
        total, terms = torch.zeros((), device=x.device), {}
        if self.pixel:
            terms["reconstruction"] = losses.reconstruction(self.reconstruction, x_hat, x)
            total = total + self.pixel * terms["reconstruction"]
        if self.feature:
            with torch.no_grad():
                wanted = self.critic.features(x)
            terms["feature"] = losses.feature_matching(self.critic.features(x_hat), wanted)
            total = total + self.feature * terms["feature"]
        return total, terms

    def _noisy(self, x: Tensor, noise: Noise) -> Tensor:
        return x + self.instance_noise * noise.normal(*x.shape) if self.instance_noise else x


@dataclass(frozen=True, config=TABLE)
class VAEGANObjective(AutoencoderFamily):
    """A variational autoencoder with a discriminator of images and a discriminator of codes."""

    name: Literal["vae-gan"] = "vae-gan"
    beta: NotNegative = 1.0
    """Weight of the KL term."""
    adversarial: NotNegative = 1.0
    """Weight of the decoder's adversarial loss."""
    pixel_weight: NotNegative = 1.0
    """Weight of the reconstruction loss of pixels."""
    feature_weight: NotNegative = 0.0
    """Weight of the reconstruction loss of the critic's features (Larsen et al. 2016)."""
    order: Literal["joint", "separate"] = "joint"
    """Whether all networks are trained at once, or first the VAE and then decoder and critic over its encoder, half the epochs each."""
    latent: bool = True
    """Whether a discriminator of codes is trained as well."""

    ignored: ClassVar = frozenset({"sigma"})
    posteriors: ClassVar = ("gaussian",)
    adversary_tables: ClassVar = ("matcher", "critic")

    def discriminators(self, recipe: Recipe, shape: Shape) -> dict[str, Discriminator]:
        """The critic of images, and with ``latent`` the discriminator of codes."""
        c = recipe.critic
        found = {"critic": image_discriminator(shape, "real", c.hidden, "leaky_relu", c.network, c.spectral)}
        return (
            {**found, "latent": build_code_discriminator(recipe, recipe.model.latent, "encoded")}
            if self.latent
            else found
        )

    def sensors(self, recipe: Recipe, adversaries: Mapping[str, Discriminator]) -> dict[str, Discriminator]:
        """The critic and the discriminator of codes, each by its own name."""
        return dict(adversaries)

    def objective(self, recipe: Recipe, networks: Networks) -> VAEGAN:
        """The reconstruction losses, the KL term and the games."""
        assert isinstance(networks.model, GaussianAutoencoder)
        return VAEGAN(
            networks.model,
            networks.adversaries["critic"],
            networks.adversaries.get("latent"),
            self.reconstruction,
            self.beta,
            self.pixel_weight,
            self.feature_weight,
            self.adversarial,
            recipe.critic.r1,
            recipe.critic.instance_noise,
            encoder_moves=self.order == "joint",
        )

    def stages(self, recipe: Recipe, networks: Networks, seed: int) -> list[Stage]:
        """One stage, or for the order "separate" the VAE and then decoder and critic over its fixed encoder, half the epochs each."""
        if self.order == "joint":
            return super().stages(recipe, networks, seed)
        self.refuse_unread(recipe)
        schedule, second = seeded(recipe.training, seed), self.objective(recipe, networks)
        if schedule.epochs < 2:
            raise ValueError(f"separate training needs training.epochs >= 2, one for each stage; got {schedule.epochs}")
        first, half = VAE(second.model, self.reconstruction, self.beta), schedule.epochs // 2

        def part(objective: Objective, epochs: int) -> Schedule:
            rates = {p: r for p, r in schedule.rates.items() if p in objective.optimisers or p not in OPTIMISERS}
            return replace(schedule, epochs=epochs, rates=rates)

        return [
            Stage(first, part(first, half), "stage-1", "training, stage 1 of 2"),
            Stage(second, part(second, schedule.epochs - half), "", "training, stage 2 of 2"),
        ]


OPTIMISERS = ("autoencoder", "critic", "latent")
"""Names of all the optimisers, of which a stage uses some; the learning rates of the others are the other stage's."""
