"""
A discriminator at every level of noise: noised data against noised samples of a model.

    loss    1/2 E_t w(t) [ softplus(-D(x_t, t)) + softplus(D(y_t, t)) ],    x data, y samples, noised alike

whose optimum is D = log p_t / q_t; chance is ln 2. Raw logits: a clipped sigmoid would leave the samples that are told most surely without a gradient.
With R1 (Mescheder, Geiger and Nowozin 2018) r1/2 E sigma^2 |grad D(x_t, t)|^2 is added, which shrinks the gradient and so the guidance: calibrate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.diffusion.guidance import TimeRatio
from ridgewalk.diffusion.scaling import Standardiser
from ridgewalk.training.denoising import Times
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss


@dataclass(eq=False)
class NoisedRatio:
    """
    Data against samples, both noised to one level a pair.

    A batch holds data (n, *) and samples (n, *), and then labels (n,) of both where the discriminator is conditional.

    Args:
        ratio: its network learns.
        standardiser: from data to what the network sees; samples are given as data.
        times: law of times, one of ``training.denoising.TIMES``.
        t_min: least time.
        r1: weight of the gradient penalty.
        labelled: whether labels are given.
        rollout: whether the samples are states of the sampler's own way, (n, 1 + d) with their time first and already noised.
    """

    ratio: TimeRatio
    standardiser: Standardiser
    times: str = "log-snr"
    t_min: float = 1e-3
    r1: float = 0.0
    labelled: bool = False
    rollout: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.r1 < float("inf"):
            raise ValueError(f"the weight of the gradient penalty must be >= 0 and finite; got {self.r1}")
        self._times = Times(self.ratio.sde, self.times, self.t_min, self.ratio.deviation)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The discriminator."""
        return {"discriminator": self.ratio.network}

    @property
    def players(self) -> Mapping[str, tuple[str, ...]]:
        """One."""
        return {"discriminator": ("discriminator",)}

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        """Balanced binary cross-entropy over levels, and the penalty."""
        x, y = batch[0], batch[1]
        labels = batch[2] if self.labelled else None
        sde, n = self.ratio.sde, len(x)
        x = self.standardiser.to_model(x)
        if self.rollout:
            t, y_t = y[:, 0].contiguous(), y[:, 1:].reshape(x.shape)
        else:
            t = self._times.at(noise.uniform(n)).to(x)
            y_t = sde.perturb(self.standardiser.to_model(y), t, noise.normal(*x.shape))
        x_t = sde.perturb(x, t, noise.normal(*x.shape))
        penalty = x.new_zeros(())
        if self.r1:
            x_t.requires_grad_(True)
        real, fake = self.ratio(x_t, t, labels), self.ratio(y_t, t, labels)
        bce = (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2
        if self.r1:
            gradient = torch.autograd.grad(real.sum(), x_t, create_graph=True)[0].flatten(1).square().sum(1)
            penalty = self.r1 / 2 * (sde.sigma(t) ** 2 * gradient).mean()
        error = ((real <= 0).float().mean() + (fake > 0).float().mean()) / 2
        return bce + penalty, {"discriminator": bce, "penalty": penalty, "error": error}


@torch.no_grad()
def held_out(
    ratio: TimeRatio, x: Tensor, y: Tensor, times: Tensor, seed: int = 0, labels: Tensor | None = None
) -> dict[str, Tensor]:
    """
    Binary cross-entropy and logits on standardised data and samples that were not learned from, by time.

    Args:
        ratio: the discriminator.
        x: data (n, *).
        y: samples (n, *).
        times: (k,).
        seed: of the noise, the same at every time.
        labels: (n,) of both.

    Returns:
        ``bce`` (k,), ``real`` and ``fake`` (k, n) logits.
    """
    rows: dict[str, list[Tensor]] = {"bce": [], "real": [], "fake": []}
    for t in times.to(x):
        noise = Noise(seed, 0, device=x.device)
        sides = [ratio.sde.perturb(v, t, noise.normal(*v.shape)) for v in (x, y)]
        real, fake = (ratio(v, t, labels) for v in sides)
        rows["bce"].append((F.softplus(-real).mean() + F.softplus(fake).mean()) / 2)
        rows["real"].append(real)
        rows["fake"].append(fake)
    return {k: torch.stack(v) for k, v in rows.items()}
