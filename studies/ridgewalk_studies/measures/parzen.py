"""
Log-likelihood by a Parzen window: the log density of held-out points under Gaussians about a model's samples.

    log p(x) = log 1/n sum_j N(x; s_j, sigma^2 I)
             = logsumexp_j(-|x - s_j|^2 / 2 sigma^2) - log n - d log(sigma sqrt(2 pi)),      in nats

sigma is chosen among a few by the mean over validation points, which neither the samples' model nor the test saw. A best sigma at the end of the grid
does not locate the optimum: the grid is then continued by its own ratio until the best is inside, and if it never is, the grid is refused.

The figure falls short of the true log-likelihood, grows with n, and rewards blur: real data as samples may score below a model, or below the centres of
k-means. It compares models only with models at the same n, in the same units of x.

Distances are expanded into |x|^2 - 2 x.s + |s|^2 in float64, whose rounding (1e-12 for images) is far below what sigma resolves. Points are processed
in chunks whose distances to all samples take 34 MB, whatever the number of samples.

Source: Breuleux, Bengio and Vincent (2011), Quickly generating representative samples from an RBM-derived process, appendix; Goodfellow et al. (2014),
Generative adversarial nets, section 5; Theis, van den Oord and Bethge (2016), A note on the evaluation of generative models, section 3.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log, pi, sqrt

import torch
from torch import Tensor

from ridgewalk.path import chunked

GRID: tuple[float, ...] = tuple(10 ** (-1 + i / 9) for i in range(10))
"""Ten values of sigma from 0.1 to 1 in equal ratios, for pixels in [0, 1]."""

WIDENINGS = 20
"""Largest number of values that are added beyond an end of the grid."""

_VALUES = 2**22  # number of distances held at once

WORTH = (
    "a Parzen window underestimates, grows with the number of samples and rewards blur (Theis et al. 2016): "
    "real images as samples may score below a model"
)
"""The limits of the figure, which are reported with it."""


@dataclass(frozen=True)
class Parzen:
    """
    A log-likelihood with all settings on which it depends.

    Attributes:
        value: mean log p(x) over the test points, in nats.
        error: its standard error, std / sqrt(m), over test points alone: not over samples, nor over models.
        sigma: the width chosen on the validation points.
        samples: n, the number of samples.
        points: m, the number of test points.
        grid: every sigma that was tried, upwards.
        validation: Mean log p over the validation points at each sigma, in nats.
        widened: Number of values that were added to the grid because the best lay at an end of the given one.
    """

    value: float
    error: float
    sigma: float
    samples: int
    points: int
    grid: tuple[float, ...]
    validation: tuple[float, ...]
    widened: int = 0

    def __str__(self) -> str:
        """Returns the figure with its protocol in a sentence."""
        grid = f"{self.grid[0]:.3g} to {self.grid[-1]:.3g}"
        more = f", {self.widened} of them added" if self.widened else ""
        return (
            f"{self.value:.1f} +- {self.error:.1f} nats over {self.points} points, {self.samples} samples, "
            f"sigma {self.sigma:.3g} of {len(self.grid)} from {grid}{more}; {WORTH}"
        )


def log_density(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """
    Returns log p(x) of this module's docstring: float64 (m,), in nats.

    Args:
        x: (m, *) floating points.
        samples: Samples of the same shape, (n, *).
        sigma: width of the Gaussians, in the units of x.

    Raises:
        ValueError: if shapes do not fit, a point is not finite, or sigma is not positive.
    """
    x, samples = _check_points(("points", x), ("samples", samples))
    return _log_densities(x, samples, _check_widths([sigma]))[:, 0]


def parzen_likelihood(samples: Tensor, validation: Tensor, test: Tensor, grid: Sequence[float] = GRID) -> Parzen:
    """
    Returns the mean log p of the test points at the sigma that is best on the validation points.

    Args:
        samples: (n, *) of the model, floating; images in [0, 1].
        validation: (v, *) held-out points that choose sigma, and nothing else.
        test: (m, *) points that took part in nothing, m > 1.
        grid: Three or more values of sigma in growing order. It is continued by the ratio of its two values at an end as long as the best lies there.

    Raises:
        ValueError: if shapes do not fit, a point is not finite, the grid is not as described, or the best sigma lies at the end of the grid after
            ``WIDENINGS`` more values, as it does where validation points are among the samples.
    """
    samples, validation, test = _check_points(("samples", samples), ("validation", validation), ("test", test))
    if len(test) < 2:
        raise ValueError(f"a standard error needs at least 2 test points; got {len(test)}")
    tried, means, added = _choose_width(samples, validation, _check_widths(grid, 3))
    best = max(range(len(tried)), key=means.__getitem__)
    values = _log_densities(test, samples, tried[best : best + 1])[:, 0]
    return Parzen(
        value=float(values.mean()),
        error=float(values.std()) / sqrt(len(values)),
        sigma=tried[best],
        samples=len(samples),
        points=len(test),
        grid=tuple(tried),
        validation=tuple(means),
        widened=added,
    )


def _choose_width(samples: Tensor, validation: Tensor, grid: list[float]) -> tuple[list[float], list[float], int]:
    """Returns the continued grid, whose best value is inside, the mean log density at each, and the number of added values."""
    tried, means, added = list(grid), _log_densities(validation, samples, grid).mean(dim=0).tolist(), 0
    while (best := max(range(len(tried)), key=means.__getitem__)) in (0, len(tried) - 1):
        if added == WIDENINGS:
            raise ValueError(
                f"the best sigma lies at the end of the grid, {tried[best]:.3g} of {tried[0]:.3g} to {tried[-1]:.3g}, after {added} more values: "
                "are validation points among the samples, or all samples one? otherwise give a grid round the optimum"
            )
        step = max(1, min(5, WIDENINGS - added))
        if best:
            more = [tried[-1] * (tried[-1] / tried[-2]) ** (i + 1) for i in range(step)]
        else:
            more = [tried[0] * (tried[0] / tried[1]) ** (i + 1) for i in reversed(range(step))]
        found = _log_densities(validation, samples, more).mean(dim=0).tolist()
        tried, means = (tried + more, means + found) if best else (more + tried, found + means)
        added += step
    return tried, means, added


def _log_densities(x: Tensor, samples: Tensor, widths: Sequence[float]) -> Tensor:
    """Returns log p at each width, from distances that are computed once: (m, d), (n, d) -> (m, widths)."""
    n, d = samples.shape
    squares = samples.square().sum(dim=1)

    def at(part: Tensor) -> Tensor:
        distances = (part.square().sum(dim=1, keepdim=True) - 2 * part @ samples.T + squares).clamp_min_(0)
        columns = [
            torch.logsumexp(distances / (-2 * s**2), dim=1) - log(n) - d * (log(s) + log(2 * pi) / 2) for s in widths
        ]
        return torch.stack(columns, dim=1)

    return chunked(at, x, chunk=max(1, _VALUES // n))


def _check_widths(grid: Sequence[float], least: int = 1) -> list[float]:
    widths = [float(s) for s in grid]
    if len(widths) < least or not all(s > 0 and isfinite(s) for s in widths) or widths != sorted(set(widths)):
        raise ValueError(
            f"sigma needs at least {least} positive finite value{'s in growing order' if least > 1 else ''}; got {widths}"
        )
    return widths


def _check_points(*sets: tuple[str, Tensor]) -> list[Tensor]:
    """Returns sets of points as (n, d) in float64, after a check that rows have one shape and are finite."""
    first = sets[0][1]
    for name, rows in sets:
        if not rows.is_floating_point():
            raise ValueError(f"{name} must be floating points; got {rows.dtype}: divide images by 255")
        if rows.dim() < 2 or 0 in rows.shape or rows.shape[1:] != first.shape[1:]:
            raise ValueError(
                f"{name} must be (n, *), at least one and shaped as the others; "
                f"got {' and '.join(f'{what} {tuple(v.shape)}' for what, v in sets)}"
            )
        if not bool(rows.isfinite().all()):
            raise ValueError(f"{name} must be finite; some are not: look at what made them")
    return [rows.detach().flatten(1).double() for _, rows in sets]
