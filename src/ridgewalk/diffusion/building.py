"""Builds the forward process, the network and the sampler that the settings name."""

import torch
from torch import nn

from ridgewalk.diffusion.deterministic import Flow, Heun, ProbabilityFlow
from ridgewalk.diffusion.sampling import Sampler
from ridgewalk.diffusion.sde import SDE, VE, VP, SubVP, Tabulated
from ridgewalk.diffusion.stochastic import PREDICTORS, AnnealedLangevin, LangevinCorrector, PredictorCorrector
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.models.diffusers_unet import unet_2d
from ridgewalk.models.unet import UNet, UNetLayers
from ridgewalk.registry import SAMPLERS
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.diffusion import Diffusion, Sampling


def build_process(settings: Diffusion) -> SDE:
    """Builds the forward process that the settings name, of standardised data: images in [-1, 1], or points and codes of deviation 1."""
    if settings.sde == "ve":
        return VE(*settings.sigmas)
    if settings.sde == "ddpm":
        return Tabulated.ddpm()
    return (VP if settings.sde == "vp" else SubVP)(*settings.betas)


def build_network(settings: Diffusion, shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    """
    Builds the score network.

    Args:
        settings: the architecture.
        shape: shape of one datum, (d,) for points and codes, (c, h, w) for images.
        classes: number of classes of the data; the network is conditioned on them if ``settings.labels``.
        seed: seed of the weights.

    Raises:
        ValueError: for a U-Net of data that are not images, a perceptron of images, and images whose sides a U-Net cannot halve.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, Stream.DENOISER))
        return _network(settings, shape, classes if settings.labels else 0)


def _network(s: Diffusion, shape: tuple[int, ...], classes: int) -> nn.Module:
    if s.network == "mlp":
        if len(shape) != 1:
            raise ValueError(f"diffusion.network = 'mlp' is for points and codes (n, d); images {shape} need 'unet'")
        return TimeMLP(shape[0], s.hidden, classes=classes, fourier=s.fourier)
    if len(shape) != 3:
        raise ValueError(f"diffusion.network = '{s.network}' is for images (n, c, h, w); points {shape} need 'mlp'")
    size = (shape[0], shape[1], shape[2])
    if s.network == "diffusers":
        return unet_2d(size, s.channels, s.multipliers, s.blocks, s.attention, s.dropout, classes)
    layers = UNetLayers(s.channels, s.multipliers, s.blocks, s.attention, s.dropout, classes, patch=s.patch)
    return UNet(size, layers)


def build_sampler(settings: Sampling, sde: SDE, keep: int = 0) -> Sampler | ProbabilityFlow:
    """Builds the sampler that the settings name, one of ``registry.SAMPLERS``; it keeps ``keep`` states."""
    sampler: Sampler | ProbabilityFlow = SAMPLERS.find(settings.sampler).build(settings.resolved(), sde, keep)
    return sampler


def build_heun(settings: Sampling, sde: SDE, keep: int) -> Heun:
    """Builds the sampler "heun"."""
    return Heun(sde, settings.steps, churn=settings.churn, t_min=settings.t_min or None, keep=keep)


def build_ddim(settings: Sampling, sde: SDE, keep: int) -> Heun:
    """Builds the sampler "ddim"."""
    return Heun(sde, settings.steps, order=1, t_min=settings.t_min or None, keep=keep)


def build_predictor(settings: Sampling, sde: SDE, keep: int) -> Sampler:
    """Builds the samplers "euler-maruyama", "reverse-diffusion" and "ancestral"."""
    return PREDICTORS[settings.sampler](sde, settings.steps, t_min=settings.t_min or None, keep=keep)


def build_predictor_corrector(settings: Sampling, sde: SDE, keep: int) -> PredictorCorrector:
    """Builds the sampler "pc"."""
    corrector = LangevinCorrector(settings.snr, settings.corrections)
    return PredictorCorrector(sde, settings.steps, corrector=corrector, t_min=settings.t_min or None, keep=keep)


def build_langevin(settings: Sampling, sde: SDE, keep: int) -> AnnealedLangevin:
    """Builds the sampler "langevin"."""
    s = settings
    return AnnealedLangevin(sde, s.steps, corrections=s.corrections, snr=s.snr, t_min=s.t_min or None, keep=keep)


def build_ode(settings: Sampling, sde: SDE, keep: int) -> ProbabilityFlow:
    """Builds the sampler "ode"."""
    return ProbabilityFlow(Flow(sde, rtol=settings.rtol, atol=settings.rtol), settings.t_min or None, keep=keep)
