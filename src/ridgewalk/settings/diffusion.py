"""A recipe's tables of a diffusion: what it is, how it is trained, and how it is sampled; names become objects here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from ridgewalk import naming
from ridgewalk.diffusion import (
    SDE,
    VE,
    VP,
    AnnealedLangevin,
    Flow,
    Heun,
    Langevin,
    PredictorCorrector,
    ProbabilityFlow,
    Sampler,
    SubVP,
    Tabulated,
)
from ridgewalk.diffusion.stochastic import PREDICTORS
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.models.unet import UNet
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.checks import above_zero, at_least
from ridgewalk.training.denoising import TIMES, WEIGHTINGS
from ridgewalk.training.ratio import NEGATIVES
from ridgewalk.training.schedule import Schedule

SDES = ("vp", "sub-vp", "ve", "ddpm")
NETWORKS = ("mlp", "unet", "diffusers")
MATCHINGS = ("denoising", "implicit", "sliced")


@dataclass(frozen=True)
class Diffusion:
    """
    A diffusion of data, or of an autoencoder's codes (`ridgewalk diffuse`).

    ``sde`` vp, sub-vp, ve or ddpm (1000 levels); ``betas`` of the first two, ``sigmas`` of VE. ``network`` mlp (``hidden``: widths; ``fourier``:
    features of the input), unet or diffusers (``channels``, ``multipliers``, ``blocks``, ``attention`` at these sides, ``patch`` x ``patch`` pixels read as
    one, ``dropout``). ``matching`` denoising, implicit or sliced; ``weighting`` and ``times`` as ``training.denoising`` has them. ``labels``: whether the
    network is told the class, ``drop`` the share of the time that it is not. ``draws``: whether a latent diffusion learns fresh draws of q(z|x)
    in place of its means.
    """

    sde: str = "vp"
    betas: tuple[float, float] = (0.1, 20.0)
    sigmas: tuple[float, float] = (0.01, 50.0)
    network: str = "mlp"
    hidden: tuple[int, ...] = (256, 256, 256)
    fourier: int = 0
    channels: int = 32
    multipliers: tuple[int, ...] = (1, 2, 2)
    blocks: int = 1
    attention: tuple[int, ...] = ()
    patch: int = 1
    dropout: float = 0.0
    matching: str = "denoising"
    weighting: str = "unit"
    times: str = "log-normal"
    t_min: float = 1e-5
    labels: bool = False
    drop: float = 0.1
    draws: bool = False
    epochs: int = 40
    batch: int = 512
    rate: float = 1e-3
    decay: str = "cosine"
    clip: float = 1.0
    ema: float = 0.999

    def __post_init__(self) -> None:
        for what, value, known in (
            ("SDE", self.sde, SDES),
            ("network", self.network, NETWORKS),
            ("matching", self.matching, MATCHINGS),
            ("weighting", self.weighting, WEIGHTINGS),
            ("law of times", self.times, TIMES),
        ):
            if value not in known:
                raise ValueError(naming.unknown(what, value, known))
        if self.weighting != "unit" and self.times == "log-normal":
            raise ValueError(
                f"weighting = '{self.weighting}' needs times = 'uniform' or 'log-snr'; got 'log-normal', which has no density to divide by"
            )
        if not 0 <= self.drop <= 1 or not 0 <= self.dropout < 1 or not 0 <= self.ema < 1:
            raise ValueError(
                f"drop must be in [0, 1], dropout and ema in [0, 1); got {self.drop}, {self.dropout}, {self.ema}"
            )
        if not 0 < self.t_min < 1:
            raise ValueError(f"t_min must be between 0 and 1; got {self.t_min}")
        at_least(1, hidden=min(self.hidden, default=0), channels=self.channels, blocks=self.blocks, patch=self.patch)
        at_least(1, multipliers=min(self.multipliers, default=0), epochs=self.epochs)
        at_least(2, batch=self.batch)
        above_zero(rate=self.rate, clip=self.clip)

    def process(self) -> SDE:
        """The forward diffusion."""
        if self.sde == "ve":
            return VE(*self.sigmas)
        if self.sde == "ddpm":
            return Tabulated.ddpm()
        return (VP if self.sde == "vp" else SubVP)(*self.betas)

    def backbone(self, shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
        """
        The network for data of ``shape``, its weights drawn from ``seed``.

        Raises:
            ValueError: for a U-Net of data that are no images, and sides that it cannot halve.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed_seed(seed, Stream.DENOISER))
            return self._backbone(shape, classes if self.labels else 0)

    def _backbone(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        if self.network == "mlp":
            if len(shape) != 1:
                raise ValueError(
                    f"diffusion.network = 'mlp' is for points and codes (n, d); images {shape} need 'unet'"
                )
            return TimeMLP(shape[0], self.hidden, classes=classes, fourier=self.fourier)
        if len(shape) != 3:
            raise ValueError(
                f"diffusion.network = '{self.network}' is for images (n, c, h, w); points {shape} need 'mlp'"
            )
        size = (shape[0], shape[1], shape[2])
        if self.network == "diffusers":
            from ridgewalk.adapters.diffusers import unet_2d

            return unet_2d(size, self.channels, self.multipliers, self.blocks, self.attention, self.dropout, classes)
        return UNet(
            size,
            self.channels,
            self.multipliers,
            self.blocks,
            attention=self.attention,
            dropout=self.dropout,
            classes=classes,
            patch=self.patch,
        )

    def schedule(self, seed: int) -> Schedule:
        """Of its training."""
        return Schedule(
            epochs=self.epochs,
            batch=self.batch,
            rate=self.rate,
            decay=self.decay,
            clip=self.clip,
            ema=self.ema or None,
            seed=mixed_seed(seed, Stream.DENOISER_STEPS),
        )


@dataclass(frozen=True)
class Guidance:
    """
    A discriminator that guides a diffusion (`ridgewalk guide`), and how it does.

    ``network`` own or backbone (a head on the score network's own features); ``hidden`` and ``fourier`` (-1: as the dimensions ask for) of the
    perceptron for points and codes, ``hidden`` of the head, ``channels`` of the U-Net's encoder for images; ``spectral``: spectral norm.
    ``negatives`` samples against as many data, a fifth of both held out; ``kind`` samples (noised again), rollout (states of the sampler's own way) or
    both. ``labels``: of each class against its own samples, for a diffusion trained with labels. ``times``, ``t_min``, ``r1`` and ``matching`` as
    ``training.ratio`` has them. ``gamma`` is the strength, acting where sigma / alpha lies between ``low`` and ``high`` (0: no end),
    ``calibrated`` by level on held-out data. ``refresh``: steps after which joint training draws its negatives anew, ``bank`` of them.
    """

    network: str = "own"
    hidden: tuple[int, ...] = (128, 128, 128)
    fourier: int = -1
    channels: int = 32
    spectral: bool = False
    negatives: int = 25000
    kind: str = "samples"
    labels: bool = False
    times: str = "log-snr"
    t_min: float = 1e-3
    r1: float = 0.0
    matching: float = 1.0
    gamma: float = 1.0
    calibrated: bool = True
    low: float = 0.0
    high: float = 0.0
    epochs: int = 40
    batch: int = 512
    rate: float = 3e-3
    ema: float = 0.99
    refresh: int = 500
    bank: int = 5000

    def __post_init__(self) -> None:
        for what, value, known in (
            ("network", self.network, ("own", "backbone")),
            ("kind of negatives", self.kind, NEGATIVES),
            ("law of times", self.times, TIMES),
        ):
            if value not in known:
                raise ValueError(naming.unknown(what, value, known))
        if not 0 < self.t_min < 1 or not 0 <= self.ema < 1:
            raise ValueError(f"guidance needs t_min between 0 and 1 and ema in [0, 1); got {self.t_min}, {self.ema}")
        at_least(0, r1=self.r1, matching=self.matching, gamma=self.gamma, low=self.low, high=self.high)
        at_least(-1, fourier=self.fourier)
        at_least(1, hidden=min(self.hidden, default=0), channels=self.channels, epochs=self.epochs)
        at_least(10, negatives=self.negatives, bank=self.bank)
        at_least(2, batch=self.batch)
        at_least(1, refresh=self.refresh)
        above_zero(rate=self.rate)

    def schedule(self, seed: int, rows: int) -> Schedule:
        """Of its training on so many rows."""
        return Schedule(
            epochs=self.epochs,
            batch=min(self.batch, rows),
            rate=self.rate,
            decay="cosine",
            ema=self.ema or None,
            seed=mixed_seed(seed, Stream.GUIDE_STEPS),
        )


SAMPLERS: Mapping[str, str] = {
    "heun": "Heun's method on the probability flow; with churn, stochastic",
    "ddim": "Euler's method on the probability flow",
    "euler-maruyama": "the reverse SDE in equal steps",
    "reverse-diffusion": "the forward step turned round",
    "ancestral": "DDPM's",
    "pc": "predictor-corrector: reverse diffusion and Langevin",
    "langevin": "annealed Langevin dynamics, no predictor",
    "ode": "the probability flow by an adaptive solver",
}
"""Samplers that can be named, each with a line that explains it."""


@dataclass(frozen=True)
class Sampling:
    """
    How a diffusion is sampled.

    ``sampler`` one of ``SAMPLERS`` in ``steps`` steps down to ``t_min`` (0: the SDE's own); ``churn`` of Heun's; ``snr`` (0: the sampler's own) and
    ``corrections`` at each level (-1: the sampler's own) of Langevin's steps, by default 0.16 and 1 in "pc", 0.316 and 3 in "langevin"; ``rtol`` of the
    adaptive solver; ``weight`` of a condition on the class (1: conditional; above: classifier-free guidance).
    """

    sampler: str = "heun"
    steps: int = 25
    churn: float = 0.0
    snr: float = 0.0
    corrections: int = -1
    rtol: float = 1e-4
    t_min: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ValueError(naming.unknown("sampler", self.sampler, SAMPLERS))
        at_least(1, steps=self.steps)
        at_least(0, churn=self.churn, snr=self.snr, t_min=self.t_min, weight=self.weight)
        at_least(-1, corrections=self.corrections)
        above_zero(rtol=self.rtol)
        if self.sampler == "langevin" and self.corrections == 0:
            raise ValueError("'langevin' moves by its corrections alone; give it at least 1, or -1 for its own number")
        if self.t_min >= 1 or self.rtol >= 1:
            raise ValueError(f"sampling needs t_min in [0, 1) and rtol below 1; got {self.t_min}, {self.rtol}")

    def resolved(self) -> "Sampling":
        """The same, the sampler's own snr and corrections in place of what stands for them."""
        if self.sampler == "pc":
            snr, corrections = Langevin.snr, Langevin.steps
        elif self.sampler == "langevin":
            snr, corrections = AnnealedLangevin.snr, AnnealedLangevin.corrections
        else:
            return self
        return replace(self, snr=self.snr or snr, corrections=corrections if self.corrections < 0 else self.corrections)

    def make(self, sde: SDE, keep: int = 0) -> Sampler | ProbabilityFlow:
        """The sampler over an SDE; ``keep`` states of the way are kept."""
        end = self.t_min or None
        if self.sampler == "heun":
            return Heun(sde, self.steps, churn=self.churn, t_min=end, keep=keep)
        if self.sampler == "ddim":
            return Heun(sde, self.steps, order=1, t_min=end, keep=keep)
        own = self.resolved()
        if self.sampler == "pc":
            corrector = Langevin(own.snr, own.corrections)
            return PredictorCorrector(sde, self.steps, corrector=corrector, t_min=end, keep=keep)
        if self.sampler == "langevin":
            return AnnealedLangevin(sde, self.steps, corrections=own.corrections, snr=own.snr, t_min=end, keep=keep)
        if self.sampler == "ode":
            return ProbabilityFlow(Flow(sde, rtol=self.rtol, atol=self.rtol), end, keep=keep)
        return PREDICTORS[self.sampler](sde, self.steps, t_min=end, keep=keep)
