"""
Exact likelihoods by the probability-flow ODE, and bits per dimension of images.

With the flow's velocity v(x, t) = f(t) x - g(t)^2 / 2 score(x, t), the log density of a point changes by the divergence along its trajectory:

    d/dt (x, l) = (v, div v),    l = 0 at t_min,    log p(x) = log N(x_1; 0, s_1^2 I) + l_1

This is the density of the model that decodes noise by the flow down to t_min. For an exact score it is p_{t_min}, the density of
alpha(t_min) x_0 + sigma(t_min) eps, which differs from that of the data by an amount that t_min determines (1e-5 in the source).
The density at t = 1 is approximated by a Gaussian of standard deviation s_1 = sigma(1), which omits alpha(1) x_0 for a VP (0.7% of the data) and the data
beside sigma_max for a VE. For data of standard deviation s_d the exact value is (alpha(1)^2 s_d^2 + sigma(1)^2)^(1/2).

Sources: Song et al. (2021), section 4.3 and appendix D.2; Grathwohl, Chen, Bettencourt, Sutskever and Duvenaud (2019) for the random probes;
Theis, van den Oord and Bethge (2016), section 3.1, for images.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ridgewalk import naming
from ridgewalk.diffusion.deterministic import Flow
from ridgewalk.diffusion.noise import RowNoise
from ridgewalk.diffusion.sampling import Counted, PerRows
from ridgewalk.diffusion.scaling import Standardiser
from ridgewalk.progress import track
from ridgewalk.protocols import VectorField

DIVERGENCES = ("hutchinson", "exact")
EXACT_LIMIT = 1024  # values in a row; an exact divergence takes as many backward passes per evaluation
CHUNK = 100


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """
    The log likelihoods of points under a flow.

    Attributes:
        values: (n,) log p of each point, in nats.
        nfe: number of evaluations of the score, each with its backward passes.
        latents: (n, *) the points at t = 1.
    """

    values: Tensor
    nfe: int
    latents: Tensor


@final
@dataclass(frozen=True, eq=False)
class Likelihood:
    """
    The log likelihood of points under the flow of a score.

        hutchinson    div v = E[e . grad(v . e)],   where e has independent random signs that are drawn once for each row
        exact         div v = sum_i dv_i / dx_i

    The divergence is that of the whole velocity, so that the score, including guidance, must be differentiable in x by autograd; a gradient inside it
    needs ``create_graph``. A score that depends on x in a way that autograd does not see is refused. The rows of a score must be independent.

    Args:
        flow: the ODE and its solver; an adaptive solver makes the value of a row depend on its batch within the tolerance.
        divergence: ``hutchinson``, an unbiased estimate with one backward pass per probe, or ``exact``, with one backward pass per value of a row.
        probes: number of probes that Hutchinson's estimate averages.
        t_min: time of the points; the SDE's own if it is None.
        prior_deviation: s_1; sigma(1) if it is None.
    """

    flow: Flow
    divergence: str = "hutchinson"
    probes: int = 1
    t_min: float | None = None
    prior_deviation: float | None = None

    def __post_init__(self) -> None:
        if self.divergence not in DIVERGENCES:
            raise ValueError(naming.unknown("divergence", self.divergence, DIVERGENCES))
        if self.probes < 1:
            raise ValueError(f"a divergence needs at least one probe; got {self.probes}")
        if self.prior_deviation is not None and not 0 < self.prior_deviation < math.inf:
            raise ValueError(f"the deviation at t = 1 must be above 0 and finite; got {self.prior_deviation}")
        self.flow.sde.check_times(1.0, self.start)

    @property
    def start(self) -> float:
        """Time of the points."""
        return self.flow.sde.t_min if self.t_min is None else self.t_min

    @property
    def deviation(self) -> float:
        """Standard deviation s_1 of the Gaussian at t = 1."""
        return self.flow.sde.prior_deviation if self.prior_deviation is None else self.prior_deviation

    def __call__(self, score: VectorField, x: Tensor, noise: RowNoise | int = 0) -> LogLikelihood:
        """
        Computes the log likelihood of points.

        Args:
            score: grad log p_t, which maps (n, *) and () to (n, *).
            x: (n, *), finite.
            noise: the noise of the probes for each row, or its seed.

        Raises:
            ValueError: if the score is not differentiable in x, or the solver does not reach its tolerance.
            FloatingPointError: if the score is not finite.
        """
        if x.dim() < 2 or not x.numel() or not x.is_floating_point():
            raise ValueError(f"a likelihood is of points (n, *) of floats; got {tuple(x.shape)} of {x.dtype}")
        if not bool(x.isfinite().all()):
            raise ValueError(f"{int((~x.flatten(1).isfinite().all(1)).sum())} of {len(x)} points are not finite")
        d = x[0].numel()
        if self.divergence == "exact" and d > EXACT_LIMIT:
            raise ValueError(
                f"an exact divergence takes a backward pass for each of the {d} values of a row, and {EXACT_LIMIT} are the most; use divergence 'hutchinson'"
            )
        noise = _noise(noise, x)
        _check_differentiable(self.flow, score, x, noise, self.start)
        probes = [_signs(noise, x) for _ in range(self.probes)] if self.divergence == "hutchinson" else list(_axes(x))
        share = 1 / self.probes if self.divergence == "hutchinson" else 1.0
        counted = Counted(score)

        def derivative(t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            with torch.enable_grad():
                at = state[0].detach().requires_grad_(True)
                v = self.flow.velocity(counted, at, t)
            total = torch.zeros_like(state[1])
            for i, e in enumerate(probes):
                total += share * _rows_dot(_product(v, at, e, keep=i + 1 < len(probes)), e)
            return v.detach(), total

        times = torch.tensor([self.start, 1.0], device=x.device, dtype=x.dtype)
        with torch.no_grad():
            states, gained = self.flow.solve(derivative, (x, x.new_zeros(len(x))), times)
        latents = states[-1]
        return LogLikelihood(_log_normal(latents, self.deviation) + gained[-1], counted.nfe, latents)


def log_likelihood(
    likelihood: Likelihood,
    score: "PerRows | VectorField",
    x: Tensor,
    *,
    seed: int = 0,
    chunk: int = CHUNK,
) -> LogLikelihood:
    """
    Computes the log likelihood of many points in chunks, with a progress bar; ``nfe`` is the largest number of a chunk.

    Args:
        likelihood: the integrator.
        score: the score of all rows, or a ``PerRows`` if each row has its own condition.
        x: (n, *) the points.
        seed: seed of the probes; those of row i depend on (seed, i).
        chunk: number of points that are computed at once.
    """
    parts = []
    for rows in track(_slices(len(x), chunk), "likelihood"):
        part = x[rows]
        parts.append(likelihood(_of(score, rows), part, _noise(seed, part, rows.start)))
    values, latents = torch.cat([p.values for p in parts]), torch.cat([p.latents for p in parts])
    return LogLikelihood(values, max(p.nfe for p in parts), latents)


def dequantised(pixels: Tensor, noise: RowNoise, levels: int = 256) -> Tensor:
    """
    Dequantised images (u + nu) / levels in [0, 1) with nu uniform on [0, 1), which have a density; they have the dtype of the noise.

    Args:
        pixels: u, (n, *) integers from 0 to levels - 1.
        noise: the noise of each image; nu is the normal distribution function of its next draw.
        levels: number of values of a pixel.
    """
    if pixels.is_floating_point() or int(pixels.min()) < 0 or int(pixels.max()) >= levels:
        raise ValueError(
            f"images to dequantise hold integers from 0 to {levels - 1}; got {pixels.dtype} from {float(pixels.min()):g} to {float(pixels.max()):g}"
        )
    nu = torch.special.ndtr(_fitting(noise, pixels).normal().double())
    below_one = 1 - torch.finfo(noise.dtype).eps / 2
    return ((pixels.to(noise.device) + nu) / levels).to(noise.dtype).clamp_max(below_one)


def bits_per_dim(log_p: Tensor, standardiser: Standardiser, shape: tuple[int, ...], levels: int = 256) -> Tensor:
    """
    Bits per value of dequantised images: -(log p(x) - log |dv / dx|) / (D ln 2) + log2 levels, (n,).

    The density of v = (u + nu) / levels in [0, 1)^D is that of x = (v - shift) / scale over |dv / dx|, and the cell of one u has the volume levels^-D.
    The mean over nu is at most log P(u) by Jensen's inequality, so that the result is an upper bound on the bits of u. A uniform v takes log2 levels
    with any standardiser.

    Args:
        log_p: (n,) log p of standardised images, in nats.
        standardiser: the map from v in [0, 1] to x.
        shape: shape of one image, with D values.
        levels: number of values of a pixel.
    """
    if math.prod(shape) < 1:
        raise ValueError(f"an image has at least 1 value; got the shape {shape}")
    log_density = log_p - standardiser.log_volume(shape)
    return -log_density / (math.prod(shape) * math.log(2)) + math.log2(levels)


@dataclass(frozen=True, eq=False)
class ImageBits:
    """
    Bits per dimension of images.

    Attributes:
        values: (draws, n) the bits of each image for each draw of dequantisation and probes.
        nfe: largest number of evaluations of the score on one image, over all draws.
    """

    values: Tensor
    nfe: int

    @property
    def per_image(self) -> Tensor:
        """The means (n,) over draws."""
        return self.values.mean(0)

    @property
    def mean(self) -> float:
        """The mean over images."""
        return float(self.per_image.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean over images, including the noise of the draws; NaN for a single image."""
        each = self.per_image
        return float(each.std() / math.sqrt(len(each))) if len(each) > 1 else math.nan


def image_bits_per_dim(
    likelihood: Likelihood,
    score: "PerRows | VectorField",
    pixels: Tensor,
    standardiser: Standardiser,
    *,
    draws: int = 1,
    seed: int = 0,
    chunk: int = CHUNK,
    dtype: torch.dtype = torch.float32,
) -> ImageBits:
    """
    Computes the bits per dimension of images, each of which is dequantised ``draws`` times with separate probes.

    Args:
        likelihood: the integrator; its t_min is the time of the dequantised images.
        score: the score of all standardised images, or a ``PerRows``.
        pixels: u, (n, *) integers from 0 to 255.
        standardiser: the map from [0, 1] to standardised images.
        draws: number of draws of dequantisation and probes.
        seed: seed of the draws; those of image i depend on (seed, i).
        chunk: number of images that are computed at once.
        dtype: dtype of the flow.
    """
    if draws < 1:
        raise ValueError(f"bits per dimension need at least one draw; got {draws}")
    n, shape = len(pixels), tuple(pixels.shape[1:])
    columns, nfe = [], 0
    for rows in track(_slices(n, chunk), "bits per dimension"):
        part, made, own = pixels[rows], 0, []
        noise = RowNoise(seed, len(part), shape, rows.start, dtype, pixels.device)
        for _ in range(draws):
            x = standardiser.to_model(dequantised(part, noise))
            found = likelihood(_of(score, rows), x, noise)
            own.append(bits_per_dim(found.values, standardiser, shape))
            made += found.nfe
        columns.append(torch.stack(own))
        nfe = max(nfe, made)
    return ImageBits(torch.cat(columns, 1), nfe)


def _log_normal(x: Tensor, deviation: float) -> Tensor:
    """The log density (n,) of N(0, deviation^2 I) at x (n, *)."""
    flat = x.flatten(1)
    return -(flat / deviation).square().sum(1) / 2 - flat.shape[1] * math.log(deviation * math.sqrt(2 * math.pi))


def _product(v: Tensor, at: Tensor, e: Tensor, keep: bool) -> Tensor:
    """The products e^T J (n, *) of each row with the Jacobian J of v in ``at``; 0 if v is not connected to it."""
    if not v.requires_grad:
        return torch.zeros_like(at)
    product = torch.autograd.grad(v, at, e, retain_graph=keep, allow_unused=True)[0]
    return torch.zeros_like(at) if product is None else product


def _rows_dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)


def _signs(noise: RowNoise, x: Tensor) -> Tensor:
    """Independent random signs in the shape of x: those of a normal draw."""
    drawn = noise.normal().to(x)
    return torch.where(drawn < 0, -torch.ones_like(drawn), torch.ones_like(drawn))


def _axes(x: Tensor) -> Iterator[Tensor]:
    """Yields each unit vector of a row, expanded to all rows (n, *)."""
    for unit in torch.eye(x[0].numel(), dtype=x.dtype, device=x.device):
        yield unit.view(1, *x.shape[1:]).expand_as(x)


_STEPS = (0.05, 0.005)  # step sizes of finite differences, in units of sigma
_APART = 0.02  # largest relative difference from autograd


def _check_differentiable(flow: Flow, score: VectorField, x: Tensor, noise: RowNoise, start: float) -> None:
    """
    Compares e . J e by autograd with finite differences of the score at six levels from t_min to 1, and refuses a score where they differ.

    Terms that are detached from x (a score under ``no_grad``, guidance by ``fields.score``) have no derivative for autograd, so that log p would
    silently lack their divergence. A finite difference that differs is repeated with a smaller step, because the score may be curved.
    """
    sde, counted = flow.sde, Counted(score)
    ends = sde.level(torch.tensor([start, 1.0], dtype=torch.float64)).log()
    between = sde.time_of(torch.linspace(float(ends[0]), float(ends[1]), 6, dtype=torch.float64).exp())
    e = _signs(noise, x)
    for t in (start, *between[1:-1].tolist(), 1.0):
        time = torch.tensor(t, dtype=torch.float64)
        with torch.enable_grad():
            at = sde.perturb(x, time, noise.normal().to(x)).to(x).detach().requires_grad_(True)
            s = counted(at, t)
        product = _product(s, at, e, keep=False)
        for step in _STEPS:
            h = step * float(sde.sigma(time))
            with torch.no_grad():
                ahead, behind = at + h * e, at - h * e
                true = _rows_dot(counted(ahead, t) - counted(behind, t), e) / (2 * h)
                seen = _rows_dot(product, ahead - behind) / (2 * h)
                rounding = 100 * torch.finfo(x.dtype).eps * float(s.abs().sum()) / h
                apart, size = float((seen - true).abs().sum()), max(float(seen.abs().sum()), float(true.abs().sum()))
            if not math.isfinite(apart):
                raise FloatingPointError(f"the score has values or derivatives that are not finite at t = {t:.3g}")
            if apart <= _APART * size + rounding:
                break
        else:
            raise ValueError(
                f"the score moves with x where autograd does not see it: at t = {t:.3g} its derivative along a probe is {float(true.mean()):.4g} by "
                f"differences and {float(seen.mean()):.4g} by autograd (means over {len(x)} rows), so that the likelihood would be wrong. Make all of the "
                "score differentiable in x: no detach, no torch.no_grad, no clipping, and create_graph and smooth activations if it contains a gradient "
                "(that of ridgewalk.fields.score is detached)"
            )


def _fitting(noise: RowNoise, x: Tensor) -> RowNoise:
    if (noise.rows, *noise.shape) != tuple(x.shape):
        raise ValueError(
            f"the noise must be of as many rows and of the same shape; got {(noise.rows, *noise.shape)} for {tuple(x.shape)}"
        )
    return noise


def _noise(noise: RowNoise | int, x: Tensor, first: int = 0) -> RowNoise:
    if isinstance(noise, int):
        return RowNoise(noise, len(x), tuple(x.shape[1:]), first, x.dtype, x.device)
    return _fitting(noise, x)


def _of(score: "PerRows | VectorField", rows: slice) -> VectorField:
    return score.of(rows) if isinstance(score, PerRows) else score


def _slices(n: int, chunk: int) -> list[slice]:
    if n < 1 or chunk < 1:
        raise ValueError(f"a likelihood needs at least one point and chunk >= 1; got {n} and {chunk}")
    return [slice(first, min(first + chunk, n)) for first in range(0, n, chunk)]
