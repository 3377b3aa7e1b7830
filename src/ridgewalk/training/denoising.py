"""
Score matching: the objectives that train a denoiser.

With x_t = alpha x + sigma eps, the score's error is that of the network F against its target F* (see ``diffusion.denoiser``), scaled:

    sigma |score + eps / sigma|  =  alpha s_d / v^(1/2) |F - F*|

    denoising   E_t w(t) E |F - F*|^2 / d                                               Vincent (2011)
    implicit    E_t sigma^2 E [2 tr(d score / d x) + |score|^2] / d                      Hyvarinen (2005)
    sliced      the same with e^T (d score / d x) e in place of the trace, e of signs    Song, Garg, Shi and Ermon (2020)

    weighting   w(t), t uniform in [t_min, 1]
    unit        1, whatever law t has                                                    Karras et al. (2022)
    noise       alpha^2 s_d^2 / v: makes it E |sigma score + eps|^2 / d, the usual one   Song et al. (2021), equation 7
    likelihood  g^2 alpha^2 s_d^2 / (sigma^2 v): E g^2 |score + eps / sigma|^2 / d, which bounds the likelihood    Song, Durkan, Murray and Ermon (2021)

Times that are not uniform have the weights "noise" and "likelihood" divided by their density, so that the mean stays what it was and
its variance changes: with t uniform in log(alpha^2 / sigma^2) the weight "likelihood" is that of "noise" times a constant.
"""

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from ridgewalk import naming
from ridgewalk.diffusion.denoiser import Denoiser
from ridgewalk.diffusion.scaling import Standardiser
from ridgewalk.diffusion.sde import SDE, along
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss, OneOptimiser

WEIGHTINGS = ("unit", "noise", "likelihood")
TIMES = ("uniform", "log-normal", "log-snr")

_TABLE = 4097
_QUANTISED = 256


@dataclass(eq=False)
class Times:
    """
    A law of times: it maps uniform draws to times, and gives their density.

    Args:
        sde: forward diffusion.
        law: ``uniform`` in t; ``log-snr``: log(sigma / alpha) uniform; ``log-normal``: log(sigma / (2 alpha s_d)) normal, of mean -1.2 and deviation 1.2,
            cut to what the SDE reaches (Karras et al. 2022, table 1, whose data have s_d = 1/2).
        t_min: the least time.
        deviation: s_d.
    """

    sde: SDE
    law: str
    t_min: float
    deviation: float = 1.0
    _logs: Tensor = field(init=False, repr=False)
    _table: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.law not in TIMES:
            raise ValueError(naming.unknown("law of times", self.law, TIMES))
        if not 0 < self.t_min < 1:
            raise ValueError(f"training needs a least time between 0 and 1; got {self.t_min}")
        ends = self.sde.level(torch.tensor([self.t_min, 1.0], dtype=torch.float64)).log()
        self._logs = torch.linspace(float(ends[0]), float(ends[1]), _TABLE, dtype=torch.float64)
        self._table = self.sde.time_of(self._logs.exp())
        self._table[0], self._table[-1] = self.t_min, 1.0

    def at(self, u: Tensor) -> Tensor:
        """Times of uniform draws u (n,) in [0, 1)."""
        u = u.double()
        if self.law == "uniform":
            return self.t_min + (1 - self.t_min) * u
        low, high = float(self._logs[0]), float(self._logs[-1])
        if self.law == "log-snr":
            logs = low + (high - low) * u
        else:
            # the normal law cut to [low, high]: uniform between the shares at its ends
            centre, scale = -1.2 + math.log(2 * self.deviation), 1.2
            ends = torch.special.ndtr(torch.tensor([(low - centre) / scale, (high - centre) / scale]).double())
            share = (ends[0] + (ends[1] - ends[0]) * u).clamp(1e-12, 1 - 1e-12)
            logs = (centre + scale * torch.special.ndtri(share)).clamp(low, high)
        place = (logs - low) / (high - low) * (_TABLE - 1)
        left = place.floor().clamp(0, _TABLE - 2).long()
        table = self._table.to(u.device)
        return table[left] + (place - left) * (table[left + 1] - table[left])

    def density(self, t: Tensor) -> Tensor:
        """Density of times t (n,) relative to the uniform law; for ``log-snr`` it is g^2 / sigma^2 over its mean."""
        if self.law == "uniform":
            return torch.ones_like(t)
        if self.law == "log-snr":
            span = 2 * float(self._logs[-1] - self._logs[0])
            return self.sde.diffusion_squared(t) / self.sde.sigma(t) ** 2 * (1 - self.t_min) / span
        raise ValueError("a log-normal law of times is for weighting = 'unit'; choose times = 'uniform' or 'log-snr'")


@dataclass(eq=False)
class ScoreMatching(OneOptimiser):
    """
    Base of the objectives: the one network that is trained, and the transformation of a batch into its input.

    A batch holds data (n, *), or means and log-variances of q(z|x), of which each step takes a fresh draw; then labels (n,) where the network
    is conditional.

    Args:
        denoiser: the denoiser whose network is trained.
        standardiser: maps data (n, *) to the values that the network reads, of the same shape.
        t_min: smallest time that is drawn.
        drop: share of labels in [0, 1] that are replaced by -1, so that the network learns the unconditional score as well.
        labelled: whether the batch's last tensor is labels.
        quantised: whether data are images of 256 levels in [0, 1], to be made continuous by uniform noise: (255 x + u) / 256.
    """

    optimiser: ClassVar[str] = "denoiser"

    denoiser: Denoiser
    standardiser: Standardiser
    _: KW_ONLY
    t_min: float = 1e-5
    drop: float = 0.1
    labelled: bool = False
    quantised: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.drop <= 1:
            raise ValueError(f"the share of labels left out must be in [0, 1]; got {self.drop}")

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"denoiser": self.denoiser.network}

    def inputs(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor | None]:
        """A batch as the network sees it: drawn, made continuous and standardised, with some labels left out (-1)."""
        parts, labels = (batch[:-1], batch[-1]) if self.labelled else (batch, None)
        x = parts[0]
        if len(parts) > 1:
            x = x + torch.exp(parts[1] / 2) * noise.normal(*x.shape)
        if self.quantised:
            x = (x * (_QUANTISED - 1) + noise.uniform(*x.shape)) / _QUANTISED
        if labels is not None:
            labels = torch.where(noise.uniform(len(x)) < self.drop, torch.full_like(labels, -1), labels)
        return self.standardiser.to_model(x), labels


@dataclass(eq=False)
class DenoisingScoreMatching(ScoreMatching):
    """
    Denoising score matching.

    Args:
        weighting: one of ``WEIGHTINGS``.
        times: one of ``TIMES``.
    """

    weighting: str = "unit"
    times: str = "log-normal"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weighting not in WEIGHTINGS:
            raise ValueError(naming.unknown("weighting", self.weighting, WEIGHTINGS))
        self._times = Times(self.denoiser.sde, self.times, self.t_min, self.denoiser.deviation)
        if self.weighting != "unit":
            self._times.density(torch.ones(1).double())  # refuses what has no density

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """E_t w(t) |F - F*|^2 / d."""
        x, labels = self.inputs(batch, noise)
        n = len(x)
        t = self._times.at(noise.uniform(n))
        sde, s = self.denoiser.sde, self.denoiser.deviation
        alpha, sigma = sde.alpha(t), sde.sigma(t)
        v = (alpha * s) ** 2 + sigma**2
        weight = torch.ones_like(t)
        if self.weighting != "unit":
            weight = (alpha * s) ** 2 / v / self._times.density(t)
        if self.weighting == "likelihood":
            weight = weight * sde.diffusion_squared(t) / sigma**2
        eps = noise.normal(*x.shape)
        a, r = along(alpha.to(x), x), along(sigma.to(x), x)
        # F* = (x - alpha s_d^2 / v x_t) v^(1/2) / (sigma s_d), with the cancelling done by hand
        x_t = a * x + r * eps
        target = (r * x / s - a * s * eps) / along(v.sqrt().to(x), x)
        error = (self.denoiser.raw(x_t, t.to(x), labels) - target).flatten(1).square().mean(1)
        return (weight.to(x) * error).mean(), {"denoiser": (weight.to(x) * error).mean(), "unweighted": error.mean()}


@dataclass(eq=False)
class ImplicitScoreMatching(ScoreMatching):
    """
    Score matching without the noise's own score, for few dimensions: the trace of the score's Jacobian is taken by autograd, of a network that is
    twice differentiable.

    Args:
        slices: directions of signs a row for the sliced form; 0 takes the whole trace.
    """

    slices: int = 0
    t_min: float = field(default=1e-3, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.slices < 0:
            raise ValueError(f"slices must be 0 (the whole trace) or more; got {self.slices}")
        self._times = Times(self.denoiser.sde, "uniform", self.t_min, self.denoiser.deviation)

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """sigma^2 (2 tr(d score / d x) + |score|^2) / d, a mean over times."""
        x, labels = self.inputs(batch, noise)
        n, d = len(x), x[0].numel()
        t = self._times.at(noise.uniform(n)).to(x)
        sigma = self.denoiser.sde.sigma(t)
        x_t = self.denoiser.sde.perturb(x, t, noise.normal(*x.shape)).requires_grad_(True)
        with torch.enable_grad():
            score = self.denoiser.score(x_t, t, labels)
            trace = torch.zeros_like(t)
            if self.slices == 0:
                for i in range(d):
                    row = torch.autograd.grad(score.flatten(1)[:, i].sum(), x_t, create_graph=True)[0]
                    trace = trace + row.flatten(1)[:, i]
            for _ in range(self.slices):
                e = noise.integers(2, *x.shape).to(x) * 2 - 1
                row = torch.autograd.grad((score * e).sum(), x_t, create_graph=True)[0]
                trace = trace + (row * e).flatten(1).sum(1) / self.slices
        loss = (sigma**2 * (2 * trace + score.flatten(1).square().sum(1)) / d).mean()
        return loss, {"denoiser": loss}
