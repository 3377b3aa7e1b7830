"""
Losses of a discriminator D and of its opponent, on rows p of the positive side and rows q of the negative one:

    bce           D  1/2 [softplus(-D(p)) + softplus(D(q))]          opponent  softplus(-D(q))
    hinge         D  1/2 [relu(1 - D(p)) + relu(1 + D(q))]           opponent  -D(q)
    wasserstein   D  1/2 [-D(p) + D(q)]                              opponent  -D(q)

Source: bce, Goodfellow et al. (2014), the non-saturating game; hinge, Lim and Ye (2017); wasserstein, Arjovsky et al. (2017), whose critic
has to be held smooth, here by spectral norms (Miyato et al. 2018) or by R1 (Mescheder et al. 2018).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk import naming
from ridgewalk.training import losses
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Loss


@dataclass(frozen=True)
class Game:
    """The loss of the discriminator on the logits of both sides, and that of its opponent on the logits of the negative side."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    opponent: Callable[[Tensor], Tensor]


GAMES = {
    "bce": Game(losses.classify, losses.fool),
    "hinge": Game(lambda p, q: (F.relu(1 - p).mean() + F.relu(1 + q).mean()) / 2, lambda q: -q.mean()),
    "wasserstein": Game(lambda p, q: (q.mean() - p.mean()) / 2, lambda q: -q.mean()),
}


@dataclass(frozen=True)
class Duel:
    """
    A game, and the regularisation that stabilises it.

    Args:
        loss: one of ``GAMES``.
        r1: gamma of gamma / 2 E |grad D(p)|^2, added to the loss of the discriminator; 0 for none.
        noise: standard deviation of Gaussian noise on all that the discriminator sees (Sonderby et al. 2017); 0 for none.
    """

    loss: str = "bce"
    r1: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.loss not in GAMES:
            raise ValueError(naming.unknown("loss of a discriminator", self.loss, GAMES))

    def discriminate(self, name: str, d: nn.Module, positive: Tensor, negative: Tensor, noise: Noise) -> Loss:
        """
        The loss of ``d``, and the terms that are logged.

        NAME is its cross-entropy whatever the game, as that has a chance level; NAME_gap and NAME_spread are what ``training.health`` watches,
        of the game whose gradients vanish where the gap is wide; NAME_prior and NAME_encoded the mean logits of the two sides.
        """
        on_p, on_q = d(self.seen(positive, noise)), d(self.seen(negative, noise))
        own = GAMES[self.loss].discriminator(on_p, on_q)
        terms = {name: own if self.loss == "bce" else losses.classify(on_p, on_q)}
        terms |= {f"{name}_prior": on_p.detach().float().mean(), f"{name}_encoded": on_q.detach().float().mean()}
        terms |= state(name, on_p, on_q, gap="gap" if self.loss == "bce" else "apart")
        if self.loss != "bce":
            terms[f"{name}_{self.loss}"] = own
        if not self.r1:
            return own, terms
        penalty = losses.r1_penalty(d, positive)
        return own + self.r1 / 2 * penalty, terms | {f"{name}_r1": penalty}

    def fool(self, d: nn.Module, negative: Tensor, noise: Noise) -> Tensor:
        """The loss of the opponent, whose rows are the negative side."""
        return GAMES[self.loss].opponent(d(self.seen(negative, noise)))

    def seen(self, rows: Tensor, noise: Noise) -> Tensor:
        """Returns the input of a discriminator for rows (n, *)."""
        return rows + self.noise * noise.normal(*rows.shape) if self.noise else rows


def state(name: str, positive: Tensor, negative: Tensor, gap: str = "gap") -> dict[str, Tensor]:
    """What ``training.health`` watches of a discriminator: the gap of its mean logits, and their spread within each side."""
    up, down = positive.detach().float(), negative.detach().float()
    return {f"{name}_{gap}": up.mean() - down.mean(), f"{name}_spread": (up.std() + down.std()) / 2}


@dataclass(frozen=True)
class Corruption:
    """
    Noise on images before an encoder reads them in training, while the clean images are reconstructed (Vincent et al. 2008).

    Args:
        noise: standard deviation of Gaussian noise on every value.
        dropout: share of values set to 0, the others divided by 1 - dropout.
    """

    noise: float = 0.0
    dropout: float = 0.0

    def __call__(self, x: Tensor, noise: Noise) -> Tensor:
        """(n, *) -> (n, *)."""
        if self.noise:
            x = x + self.noise * noise.normal(*x.shape)
        if self.dropout:  # in the memory of the draws
            x = noise.uniform(*x.shape).ge_(self.dropout).to(x.dtype).mul_(x).div_(1 - self.dropout)
        return x


@dataclass(frozen=True)
class Augmentation:
    """
    Random affine maps of images, about their middle, bilinear, with zeros from outside: each amount uniform in both directions.

    Args:
        shift: largest shift along each side, in pixels.
        rotation: largest angle, in degrees.
        scale: largest relative change of size, of each side by itself.
        shear: largest slope.
    """

    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __call__(self, x: Tensor, noise: Noise) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w)."""
        if not any((self.shift, self.rotation, self.scale, self.shear)):
            return x
        n, _, h, w = x.shape
        u = 2 * noise.uniform(n, 6) - 1
        angle, slope = torch.deg2rad(self.rotation * u[:, 0]), self.shear * u[:, 1]
        wide, high = (1 + self.scale * u[:, 2:4]).unbind(dim=1)
        right, down = (2 * self.shift * u[:, 4:] / u.new_tensor([w, h])).unbind(dim=1)
        cos, sin = angle.cos(), angle.sin()
        entries = [wide * cos, (slope - wide * sin) * h / w, right, high * sin * w / h, high * cos, down]
        maps = torch.stack(entries, dim=1).view(n, 2, 3)
        # F.affine_grid lays out the points of every image anew, at more than twice the time of laying out one image's and mapping them
        one = F.affine_grid(maps.new_tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), [1, 1, h, w], align_corners=False)
        grid = (F.pad(one.view(h * w, 2), (0, 1), value=1.0) @ maps.mT).view(n, h, w, 2)
        return F.grid_sample(x, grid, align_corners=False)
