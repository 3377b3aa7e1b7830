"""
A discriminator at every level of noise: noised data against noised samples of a model.

    loss    1/2 E_t [ softplus(-D(x_t, t)) + softplus(D(y_t, t)) ],    x data, y samples, noised alike

whose optimum is D = log p_t / q_t; chance is ln 2. D is a raw logit: a clipped sigmoid would give no gradient for the samples that are classified most surely.
Two terms may be added. R1 (Mescheder, Geiger and Nowozin 2018),

    r1 / 2 E sigma^2 |grad D(x_t, t)|^2

shrinks the gradient and so the guidance. Gradient matching (after Verine et al. 2025), with s the score that will be guided, kept as it is,

    matching E sigma^2 |s(x_t, t) + grad D(x_t, t) + eps / sigma|^2 / d,    x_t = alpha x + sigma eps

is denoising score matching of the guided score: cross-entropy says little of gradients, and this says all; its optimum is grad D = grad log p_t - s, whatever
law the samples have.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk import naming
from ridgewalk.diffusion.guidance import TimeRatio
from ridgewalk.diffusion.scaling import Standardiser
from ridgewalk.diffusion.sde import along
from ridgewalk.training.denoising import Times
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss, OneOptimiser

Score = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""A score under labels: (n, *), (n,), labels (n,) or None -> (n, *)."""

NEGATIVES = ("samples", "rollout", "both")


@dataclass(eq=False)
class NoisedRatio(OneOptimiser):
    """
    A discriminator of noised data against noised samples; each pair has one noise level.

    A batch holds data (n, *); then finished samples (n, *), which are noised as data are, or states of the sampler's trajectories (n, 1 + d), each with its
    time first, or both, of which each row takes one at random; then labels (n,) of data and samples where it is conditional.

    Args:
        ratio: the log ratio whose network is trained.
        standardiser: maps data (n, *) to the values that the network reads; samples are given as data, states standardised.
        times: law of times, one of ``training.denoising.TIMES``; rows of states keep their own.
        t_min: smallest time that is drawn.
        r1: weight of the gradient penalty.
        matching: weight of gradient matching.
        score: s, which gradient matching needs: grad log p_t under labels (n,) or None.
        labelled: whether the batch's last tensor is labels.
        negatives: one of ``NEGATIVES``.
    """

    optimiser: ClassVar[str] = "discriminator"

    ratio: TimeRatio
    standardiser: Standardiser
    times: str = "log-snr"
    t_min: float = 1e-3
    r1: float = 0.0
    matching: float = 0.0
    score: Score | None = None
    labelled: bool = False
    negatives: str = "samples"

    def __post_init__(self) -> None:
        if not 0 <= self.r1 < float("inf") or not 0 <= self.matching < float("inf"):
            raise ValueError(
                f"the weights of the gradient penalty and of gradient matching must be >= 0 and finite; got {self.r1} and {self.matching}"
            )
        if self.negatives not in NEGATIVES:
            raise ValueError(naming.unknown("kind of negatives", self.negatives, NEGATIVES))
        if self.matching and self.score is None:
            raise ValueError("gradient matching needs the score that will be guided; pass score")
        self._times = Times(self.ratio.sde, self.times, self.t_min, self.ratio.deviation)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"discriminator": self.ratio.network}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """Balanced binary cross-entropy over levels with its penalties; the figures that ``training.health`` reads are logged as well."""
        labels = batch[-1] if self.labelled else None
        sde, x = self.ratio.sde, self.standardiser.to_model(batch[0])
        t, y_t = self._negatives(batch, noise, x)
        eps = noise.normal(*x.shape)
        x_t = sde.perturb(x, t, eps)
        differentiated = bool(self.r1 or self.matching)
        if differentiated:
            x_t.requires_grad_(True)
        real, fake = self.ratio(x_t, t, labels), self.ratio(y_t, t, labels)
        terms = {"discriminator": (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2}
        total = terms["discriminator"]
        if differentiated:
            gradient = torch.autograd.grad(real.sum(), x_t, create_graph=True)[0]
            sigma = along(sde.sigma(t), x)
            if self.r1:
                terms["penalty"] = self.r1 / 2 * (sigma * gradient).square().flatten(1).sum(1).mean()
                total = total + terms["penalty"]
            if self.matching:
                assert self.score is not None
                with torch.no_grad():
                    missed = sigma * self.score(x_t.detach(), t, labels) + eps
                terms["matching"] = (missed + sigma * gradient).square().flatten(1).mean(1).mean()
                total = total + self.matching * terms["matching"]
        terms["discriminator_gap"] = real.mean() - fake.mean()
        terms["discriminator_spread"] = (real.std() + fake.std()) / 2
        terms["error"] = ((real <= 0).float().mean() + (fake > 0).float().mean()) / 2
        return total, terms

    def _negatives(self, batch: Batch, noise: Noise, x: Tensor) -> tuple[Tensor, Tensor]:
        """Times (n,), and negatives at them (n, *)."""
        sde, n = self.ratio.sde, len(x)
        t = self._times.at(noise.uniform(n)).to(x)
        if self.negatives != "rollout":
            y_t = sde.perturb(self.standardiser.to_model(batch[1]), t, noise.normal(*x.shape))
            if self.negatives == "samples":
                return t, y_t
        states = batch[1 if self.negatives == "rollout" else 2]
        own, passed = states[:, 0].contiguous().to(x), states[:, 1:].reshape(x.shape)
        if self.negatives == "rollout":
            return own, passed
        first = noise.uniform(n) < 0.5
        return torch.where(first, t, own), torch.where(along(first.to(x), x) > 0, y_t, passed)
