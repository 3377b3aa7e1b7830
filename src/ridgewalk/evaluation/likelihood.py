"""
Bits per dimension of held-out data under a diffusion, by the likelihood of its probability flow.

    pixels    -log2 P(u) / D of images u of 256 levels, bounded from above by uniform dequantisation (``diffusion.likelihood``)
    codes     -log2 p(z) / d of codes, for a diffusion of an autoencoder's codes: a density in the unit of the codes, and no likelihood of images
    points    -log2 p(x) / d of points, a density in their own unit

A density may exceed 1, so that bits of codes and points may be below 0; those of pixels cannot be, and 8 is what a uniform law has.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.data import ImageData, part
from ridgewalk.diffusion import Flow, PerRows
from ridgewalk.diffusion.likelihood import Likelihood, image_bits_per_dim
from ridgewalk.models.autoencoders import GaussianAutoencoder
from ridgewalk.protocols import VectorField
from ridgewalk.store.run import Run
from ridgewalk.training.noise import Noise

ROWS = 256
"""Default number of held-out rows; each takes about a hundred evaluations of the network with its gradient."""

START = 1e-4
"""Time of dequantised images, whose noise is there a fraction of the step between two levels."""

TOLERANCE = 1e-4
"""Relative and absolute tolerance of the flow's solver."""

EXACT = 16
"""Greatest number of dimensions for which the divergence is exact; beyond it Hutchinson's estimate is taken."""

CHUNK = 64
"""Number of images that are computed at once."""


@dataclass(frozen=True, eq=False)
class Bits:
    """
    Bits per dimension of held-out data.

    Attributes:
        kind: "pixels", "codes" or "points".
        values: (n,) bits per dimension of each.
        nfe: largest number of evaluations of the score on one of them.
        conditional: whether each is given its class, for a network that was never trained without.
    """

    kind: str
    values: Tensor
    nfe: int
    conditional: bool

    @property
    def mean(self) -> float:
        """The mean over rows."""
        return float(self.values.double().mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean over rows, including the noise of dequantisation and probes; NaN for one row."""
        return float(self.values.double().std() / math.sqrt(len(self.values))) if len(self.values) > 1 else math.nan

    def figures(self) -> dict[str, object]:
        """Mean, standard error and how they were computed, for JSON."""
        return {
            "kind": self.kind,
            "bits": self.mean,
            "standard_error": self.standard_error,
            "rows": len(self.values),
            "nfe": self.nfe,
            "conditional": self.conditional,
        }

    def sentence(self, model: str) -> str:
        """The result in a sentence; ``model`` names the diffusion."""
        of = {
            "pixels": "held-out images, in pixels, by uniform dequantisation",
            "codes": "codes of held-out images, a density in latent space and no likelihood of the images",
            "points": "held-out points, a density in their own unit",
        }[self.kind]
        given = ", given the class" if self.conditional else ""
        bits = f"{self.mean:.3f} +- {self.standard_error:.3f} (standard error)"
        return f"Bits per dimension of {len(self.values)} {of}{given}, under {model}: {bits}."


def refuse_undefined(run: Run) -> None:
    """Raises a ValueError where a run has no likelihood: an autoencoder without a diffusion."""
    if not run.has_diffusion:
        raise ValueError(
            f"no likelihood is defined by {run.folder}, an autoencoder without a diffusion: train one of its codes with `ridgewalk diffuse {run.folder}`, "
            "or one of pixels with `ridgewalk train diffusion-mnist`"
        )


def held_out_bits(run: Run, rows: int = ROWS, seed: int = 0, gamma: float | None = None) -> Bits:
    """
    Computes the bits per dimension of the first rows of the role ``test``.

    Args:
        run: a run with a diffusion.
        rows: number of rows, at least 2; all of the role where it has fewer.
        seed: seed of dequantisation and probes.
        gamma: strength of the guide's correction; None leaves the guide out.

    Raises:
        ValueError: for fewer than 2 rows, and a run without a diffusion.
    """
    refuse_undefined(run)
    if rows < 2:
        raise ValueError(f"bits per dimension need at least 2 rows for their standard error; got {rows}")
    model, denoiser = run.diffusion, run.diffusion.denoiser
    conditional = bool(model.classes) and not model.settings.drop
    score: VectorField | PerRows | None = None
    if conditional or gamma is not None:
        labels = run.labels("test")[:rows] if conditional else None
        score = model.field(labels) if gamma is None else run.guide.score(model, gamma, labels)
    flow = Flow(denoiser.sde, rtol=TOLERANCE, atol=TOLERANCE)
    if isinstance(run.dataset, ImageData) and not run.has_latents:
        like = Likelihood(flow, prior_deviation=denoiser.prior_deviation, t_min=START)
        pixels = part(run.dataset, "test").pixels[:rows].to(model.device)
        found = image_bits_per_dim(like, score or denoiser.score, pixels, model.standardiser, seed=seed, chunk=CHUNK)
        return Bits("pixels", found.per_image.cpu(), found.nfe, conditional)
    x = _codes(run, rows, seed) if run.has_latents else run.rows("test")[:rows]
    d = x[0].numel()
    divergence = "exact" if d <= EXACT else "hutchinson"
    like = Likelihood(flow, divergence, prior_deviation=denoiser.prior_deviation)
    log_p = model.log_likelihood(model.standardiser.to_model(x.to(model.device)), like, seed, score)
    log_density = log_p.values.cpu() - model.standardiser.log_volume(model.shape)
    return Bits("codes" if run.has_latents else "points", -log_density / (d * math.log(2)), log_p.nfe, conditional)


def _codes(run: Run, rows: int, seed: int) -> Tensor:
    """Codes of held-out images as the diffusion was trained on them: means, or draws of q(z|x)."""
    x = run.rows("test")[:rows]
    means = run.encode(x)
    if not run.diffusion.settings.draws:
        return means
    assert isinstance(run.model, GaussianAutoencoder)
    with torch.no_grad():
        log_variance = run.model.posterior(x.to(run.device))[1]
    return means + torch.exp(log_variance / 2) * Noise(seed, 0).normal(*means.shape).to(means)
