"""A recipe's tables of a diffusion: what it is, how it is trained, how it is sampled, and how a discriminator guides it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from ridgewalk.registry import SAMPLERS
from ridgewalk.settings.fields import (
    MOST,
    TABLE,
    WIDEST,
    Batch,
    Count,
    NotNegative,
    Positive,
    Share,
    Time,
    Width,
    Widths,
)
from ridgewalk.settings.training import Schedule

Law = Literal["uniform", "log-normal", "log-snr"]


@dataclass(frozen=True, config=TABLE)
class Diffusion:
    """A diffusion of data, or of an autoencoder's codes (`ridgewalk diffuse`)."""

    sde: Literal["vp", "sub-vp", "ve", "ddpm"] = "vp"
    """The forward process; "ddpm" has 1000 levels."""
    betas: tuple[Positive, Positive] = (0.1, 20.0)
    """Noise rates at t = 0 and t = 1 of "vp" and "sub-vp"."""
    sigmas: tuple[Positive, Positive] = (0.02, 100.0)
    """Least and greatest standard deviation of "ve", in units of standardised data: of images in [-1, 1] twice what is published for [0, 1]."""
    network: Literal["mlp", "unet", "diffusers"] = "mlp"
    """Perceptron for points and codes, or a U-Net for images, ours or that of the library diffusers."""
    hidden: Widths = (256, 256, 256)
    """Widths of a perceptron."""
    fourier: Annotated[int, Field(ge=0, le=WIDEST)] = 0
    """Fourier features of a perceptron's input, an even number."""
    channels: Width = 32
    """Channels of a U-Net's finest level."""
    multipliers: Widths = (1, 2, 2)
    """Factors of the number of channels, one for each level, finest first."""
    blocks: Width = 1
    """Residual blocks of a level."""
    attention: tuple[Count, ...] = ()
    """Sides, in pixels, at which a U-Net has self-attention."""
    patch: Width = 1
    """Side of the squares of pixels that a U-Net reads as one."""
    dropout: Share = 0.0
    """Probability of dropout within a U-Net's blocks."""
    matching: Literal["denoising", "implicit", "sliced"] = "denoising"
    """The score matching objective (``training.denoising``)."""
    weighting: Literal["unit", "noise", "likelihood"] = "unit"
    """Weights of the levels in denoising score matching."""
    times: Law = "log-normal"
    """The law that times are drawn from in denoising score matching."""
    t_min: Time = 1e-5
    """Least time that is trained on."""
    labels: bool = False
    """Whether the network is conditioned on the class."""
    drop: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of rows whose class is left out in training, for classifier-free guidance."""
    draws: bool = False
    """Whether a diffusion of codes learns fresh draws of q(z|x) in place of its means; needs a Gaussian posterior."""
    epochs: Count = 40
    """Passes over the data."""
    batch: Batch = 512
    """Rows of a step."""
    rate: Positive = 1e-3
    """Learning rate of Adam."""
    decay: Literal["constant", "cosine"] = "cosine"
    """Of the learning rate: none, or cosine to 0 over the whole run."""
    clip: Positive = 1.0
    """Largest norm of a gradient."""
    ema: Share = 0.999
    """Decay of the moving average of the weights, which is what is kept; 0 for none."""

    def __post_init__(self) -> None:
        if self.weighting != "unit" and self.times == "log-normal":
            raise ValueError(
                f"weighting = '{self.weighting}' needs times = 'uniform' or 'log-snr'; got 'log-normal', which has no density to divide by"
            )

    def schedule(self, seed: int) -> Schedule:
        """The schedule of its training; ``seed`` of order and noise."""
        return Schedule(
            epochs=self.epochs,
            batch=self.batch,
            rate=self.rate,
            decay=self.decay,
            clip=self.clip,
            ema=self.ema or None,
            seed=seed,
        )


@dataclass(frozen=True, config=TABLE)
class Guidance:
    """A discriminator that guides a diffusion (`ridgewalk guide`), and how it does."""

    network: Literal["own", "backbone"] = "own"
    """A network of its own (a perceptron, or the encoder of a U-Net for images), or a head on the score network's features."""
    hidden: Widths = (128, 128, 128)
    """Widths of the perceptron, or of the head."""
    fourier: Annotated[int, Field(ge=-1, le=WIDEST)] = -1
    """Fourier features of the perceptron's input; -1 for as many as suit the dimensions."""
    channels: Width = 32
    """Channels of the U-Net's encoder at its finest level."""
    spectral: bool = False
    """Whether the spectral norm of every layer is held at 1."""
    negatives: Annotated[int, Field(ge=10, le=MOST)] = 25000
    """Samples that the discriminator is trained on, against as many data; a fifth of both is held out."""
    kind: Literal["samples", "rollout", "both"] = "samples"
    """Negatives at each noise level: samples with noise added, states on the sampler's own way, or both."""
    labels: bool = False
    """Whether data of each class are compared with samples of that class; needs a diffusion with labels."""
    times: Law = "log-snr"
    """The law that times are drawn from in training."""
    t_min: Time = 1e-3
    """Least time that is trained on."""
    r1: NotNegative = 0.0
    """Weight of the gradient penalty; 0 for none."""
    matching: NotNegative = 1.0
    """Weight of denoising score matching, which is added to the cross-entropy."""
    gamma: NotNegative = 1.0
    """Strength of the guidance."""
    calibrated: bool = True
    """Whether the strength is calibrated on held-out data at each noise level."""
    low: NotNegative = 0.0
    """Least sigma / alpha at which the guidance acts."""
    high: NotNegative = 0.0
    """Greatest sigma / alpha at which the guidance acts; 0 for no limit."""
    epochs: Count = 40
    """Passes over data and samples."""
    batch: Batch = 512
    """Rows of a step."""
    rate: Positive = 3e-3
    """Learning rate of Adam."""
    ema: Share = 0.99
    """Decay of the moving average of the weights, which is what is kept; 0 for none."""
    refresh: Count = 500
    """Steps after which joint training draws its negatives anew."""
    bank: Annotated[int, Field(ge=10, le=MOST)] = 5000
    """Negatives that joint training keeps at a time."""

    def schedule(self, seed: int, rows: int) -> Schedule:
        """The schedule of its training on ``rows`` rows; ``seed`` of order and noise."""
        return Schedule(
            epochs=self.epochs,
            batch=min(self.batch, rows),
            rate=self.rate,
            decay="cosine",
            ema=self.ema or None,
            seed=seed,
        )


OWN = {"pc": (0.16, 1), "langevin": (0.316, 3)}
"""The ratio of signal to noise and the corrections of the samplers that have Langevin steps, where the settings name none."""


READERS = {
    "steps": ("heun", "ddim", "euler-maruyama", "reverse-diffusion", "ancestral", "pc", "langevin"),
    "churn": ("heun",),
    "snr": ("pc", "langevin"),
    "corrections": ("pc", "langevin"),
    "rtol": ("ode",),
}
"""The samplers that read a setting, where not all do."""


@dataclass(frozen=True, config=TABLE)
class Sampling:
    """How a diffusion is sampled."""

    sampler: str = "heun"
    """Name of the sampler: heun, ddim, euler-maruyama, reverse-diffusion, ancestral, pc, langevin or ode."""
    steps: Count = 25
    """Steps from noise to data."""
    churn: NotNegative = 0.0
    """Noise that Heun's method adds and removes at each step; 0 for none."""
    snr: NotNegative = 0.0
    """Ratio of signal to noise of Langevin steps; 0 for the sampler's own, 0.16 in "pc" and 0.316 in "langevin"."""
    corrections: Annotated[int, Field(ge=-1, le=MOST)] = -1
    """Langevin steps at each level; -1 for the sampler's own, 1 in "pc" and 3 in "langevin"."""
    rtol: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """Relative tolerance of the adaptive solver."""
    t_min: Share = 0.0
    """Time at which sampling ends; 0 for the SDE's own."""
    weight: NotNegative = 1.0
    """Weight of the class: 1 for the conditional score, above 1 for classifier-free guidance."""

    def __post_init__(self) -> None:
        SAMPLERS.find(self.sampler)
        if self.sampler == "langevin" and self.corrections == 0:
            raise ValueError("'langevin' moves by its corrections alone; give it at least 1, or -1 for its own number")

    def refuse_unread(self, names: Iterable[str]) -> None:
        """Raises a ValueError where a user named a setting that the sampler does not read."""
        for name in names:
            readers = READERS.get(name, (self.sampler,))
            if self.sampler not in readers:
                raise ValueError(
                    f"the sampler '{self.sampler}' does not read {name}; leave it out, or choose {' or '.join(readers)} by --sampler"
                )

    def resolved(self) -> "Sampling":
        """The same settings, with the sampler's own snr and corrections where they name none."""
        if self.sampler not in OWN:
            return self
        snr, corrections = OWN[self.sampler]
        return replace(self, snr=self.snr or snr, corrections=corrections if self.corrections < 0 else self.corrections)
