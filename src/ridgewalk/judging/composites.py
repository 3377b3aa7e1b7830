"""
Composites: things that are certainly not real, made from real ones without a model.

A composite judge is trained to tell real things from composites of two of them, and tested on kinds that it was not trained on as well. Every kind is a
function of two batches x, y (n, ...) in [0, 1] and of the draws of a ``Noise``, and returns n composites in [0, 1].

    of images, trained on             average, union, intersection, sum, contrast-restored average, product, cut, smooth mixture, erasure, washed out, constant,
                                      noise
    of images, kept for the test      warp, pasted part, strokes, noise patch, shuffled patches
    of rows, trained on               convex combination, mixed columns, noise, constant row
    of rows, kept for the test        permuted columns, extrapolation, scaled row

The pixel average (x + y) / 2 is what a straight line between two codes tends to decode to where the latent space has a hole. The half-and-half average is
the first figure that is quoted of every judge.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk.training.noise import Noise

Kind = Callable[[Tensor, Tensor, Noise], Tensor]
"""Maps two batches (n, ...) of real things in [0, 1] and draws to n composites."""

PATCHES = 4
"""Rows and columns of the grid whose patches are shuffled."""


def average(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """W x + (1 - w) y with w ~ U[0.3, 0.7]."""
    return torch.lerp(y, x, _each(noise, x, 0.3, 0.7))


def half_average(x: Tensor, y: Tensor, _noise: Noise) -> Tensor:
    """(x + y) / 2."""
    return (x + y) / 2


def union(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """max(x, w y) with w ~ U[0.6, 1]."""
    return torch.maximum(x, y * _each(noise, x, 0.6, 1.0))


def intersection(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """min(x, 1 - w (1 - y)) with w ~ U[0.6, 1]."""
    return torch.minimum(x, 1 - (1 - y) * _each(noise, x, 0.6, 1.0))


def product(x: Tensor, y: Tensor, _noise: Noise) -> Tensor:
    """The geometric mean sqrt(x y)."""
    return (x * y).sqrt()


def total(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """X + w y with w ~ U[0.4, 1], clipped at 1."""
    return (x + y * _each(noise, x, 0.4, 1.0)).clamp_max(1)


def restored_average(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """The average with the mean and the standard deviation of x: what is left when an average is not told by its low contrast."""
    mixed = average(x, y, noise)
    over = tuple(range(1, x.dim()))
    wanted, own = x.std(over, keepdim=True), mixed.std(over, keepdim=True).clamp_min(1e-6)
    return ((mixed - mixed.mean(over, keepdim=True)) * (wanted / own) + x.mean(over, keepdim=True)).clamp(0, 1)


def cut(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """X on one side of a straight edge of random angle, place and softness, y on the other."""
    return torch.where((side := _half_plane(x, noise)) > 0, y + side * (x - y), y)


def smooth_mixture(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """M x + (1 - m) y with a smooth random mask m of four by four values."""
    return y + _smooth_mask(x, noise) * (x - y)


def erasure(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """X without a rectangle, or without one side of an edge, which has the median of the image's border or a random grey in its place."""
    n = len(x)
    border = (
        torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], dim=-1).median(dim=-1).values[..., None, None]
    )
    random = noise.uniform(n, *x.shape[1:-2], 1, 1)
    filling = torch.where(noise.uniform(n, *(1,) * (x.dim() - 1)) < 0.7, border, random)
    away = torch.where(
        noise.uniform(n, *(1,) * (x.dim() - 1)) < 0.5, _rectangle(x, noise, 0.3, 0.7), _half_plane(x, noise)
    )
    return x + away * (filling - x)


def washed_out(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """X without what is smaller than a third of its side: the means of three by three parts, and a smooth surface through them."""
    means = F.adaptive_avg_pool2d(x, 3)
    smooth = F.interpolate(means, x.shape[-2:], mode="bilinear", align_corners=False)
    return means.mean((2, 3), keepdim=True) + _each(noise, x, 0.3, 1.0) * (smooth - means.mean((2, 3), keepdim=True))


def constant(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """One random colour everywhere, in half of the images a grey; each value is 0, or 1, once in four times."""
    colour = (2 * noise.uniform(len(x), x.shape[1], *(1,) * (x.dim() - 2)) - 0.5).clamp(0, 1)
    colour = torch.where(_each(noise, x, 0, 1) < 0.5, colour[:, :1], colour)
    return colour.expand_as(x).contiguous()


def white_noise(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """X in Gaussian noise of a standard deviation of U[0.15, 0.5], or independent uniform values in its place; in half of the images under a smooth mask."""
    drowned = x + _each(noise, x, 0.15, 0.5) * noise.normal(*x.shape)
    made = torch.where(_each(noise, x, 0, 1) < 0.3, noise.uniform(*x.shape), drowned)
    where = torch.where(_each(noise, x, 0, 1) < 0.5, _smooth_mask(x, noise), 1.0)
    return torch.lerp(x, made, where.expand_as(x)).clamp(0, 1)


def warp(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """X bent by a smooth random displacement of about a tenth of the image's side."""
    n, _, h, w = x.shape
    coarse = noise.normal(n, 2, 5, 5)
    field = F.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)
    field = field / field.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt()
    theta = torch.eye(2, 3, device=x.device).expand(n, 2, 3)
    grid = F.affine_grid(theta, [n, 1, h, w], align_corners=False) + 0.3 * field.permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def pasted_part(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """X with a rectangle of y, taken from another place of it."""
    mask = _rectangle(x, noise, 0.3, 0.6)
    h, w = x.shape[-2:]
    shifts = [(1 + int(noise.integers(max(side - 1, 1), 1))) for side in (h, w)]
    return x + mask * (y.roll(shifts, dims=(-2, -1)) - x)


def strokes(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """X with two wrong strokes: bent lines of random ends in the brightest or the darkest colour of x."""
    n, _, h, w = x.shape
    yy, xx = _places(x)
    drawn = torch.zeros(n, 1, h, w, device=x.device)
    for _ in range(2):
        ends = noise.uniform(n, 3, 2) * 1.6 - 0.8
        steps = torch.linspace(0, 1, 24, device=x.device)[None, :, None]
        curve = (1 - steps) ** 2 * ends[:, :1] + 2 * steps * (1 - steps) * ends[:, 1:2] + steps**2 * ends[:, 2:]
        away = (yy[None, None] - curve[..., 0, None, None]) ** 2 + (xx[None, None] - curve[..., 1, None, None]) ** 2
        width = max(0.09, 1.2 / min(h, w))
        drawn = torch.maximum(drawn, (1.5 - away.amin(dim=1, keepdim=True).sqrt() / width).clamp(0, 1))
    bright = x.flatten(2).amax(dim=2)[..., None, None]
    dark = x.flatten(2).amin(dim=2)[..., None, None]
    ink = torch.where(x.mean(dim=(1, 2, 3), keepdim=True) < 0.5, bright, dark)
    return x + drawn * (ink - x)


def noise_patch(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """X with a rectangle of independent uniform values."""
    return x + _rectangle(x, noise, 0.3, 0.6) * (noise.uniform(*x.shape) - x)


def shuffled_patches(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """The patches of a grid of four by four over x in a random order; rows and columns that the grid leaves over keep their place."""
    n, c, h, w = x.shape
    rows, columns = min(PATCHES, h), min(PATCHES, w)
    a, b = h // rows, w // columns
    inner = x[..., : a * rows, : b * columns]
    parts = inner.reshape(n, c, rows, a, columns, b).permute(0, 2, 4, 1, 3, 5).reshape(n, rows * columns, c, a, b)
    order = noise.uniform(n, rows * columns).argsort(dim=1)
    parts = parts.gather(1, order[:, :, None, None, None].expand_as(parts))
    made = x.clone()
    made[..., : a * rows, : b * columns] = (
        parts.reshape(n, rows, columns, c, a, b).permute(0, 3, 1, 4, 2, 5).reshape(n, c, a * rows, b * columns)
    )
    return made


def combination(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """W x + (1 - w) y with w ~ U[0.3, 0.7], of rows."""
    return average(x, y, noise)


def mixed_columns(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """Each column from x or from y, with even chances."""
    return torch.where(noise.uniform(*x.shape) < 0.5, x, y)


def noisy_row(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """X with Gaussian noise of U[0.5, 2] standard deviations of its column in the batch."""
    return (x + _each(noise, x, 0.5, 2.0) * x.std(dim=0, keepdim=True) * noise.normal(*x.shape)).clamp(0, 1)


def permuted_columns(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """The values of each row in a random order of columns."""
    flat = x.flatten(1)
    return flat.gather(1, noise.uniform(*flat.shape).argsort(dim=1)).view_as(x)


def extrapolation(x: Tensor, y: Tensor, noise: Noise) -> Tensor:
    """X + w (x - y) with w ~ U[0.5, 1.5], clipped to [0, 1]."""
    return (x + _each(noise, x, 0.5, 1.5) * (x - y)).clamp(0, 1)


def independent_columns(x: Tensor, _y: Tensor, noise: Noise) -> Tensor:
    """Each column from another row of the batch: what is left if no two columns depend on each other."""
    flat = x.flatten(1)
    return flat.gather(0, noise.uniform(*flat.shape).argsort(dim=0)).view_as(x)


TRAINED: Mapping[str, Kind] = {
    "average": average,
    "union": union,
    "intersection": intersection,
    "product": product,
    "sum": total,
    "contrast-restored average": restored_average,
    "cut": cut,
    "smooth mixture": smooth_mixture,
    "erasure": erasure,
    "washed out": washed_out,
    "constant": constant,
    "noise": white_noise,
}
"""Kinds of composites of images that judges are trained on."""

SHARES: Mapping[str, float] = {
    "average": 3,
    "sum": 2,
    "contrast-restored average": 2,
    "cut": 2,
    "washed out": 0.5,
    "constant": 0.5,
    "combination": 2,
}
"""Relative shares of kinds in the training of judges; 1 where a kind is not named."""

UNSEEN: Mapping[str, Kind] = {
    "warp": warp,
    "pasted part": pasted_part,
    "strokes": strokes,
    "noise patch": noise_patch,
    "shuffled patches": shuffled_patches,
}
"""Kinds of composites of images that judges are tested on and never trained on."""

TRAINED_ROWS: Mapping[str, Kind] = {
    "combination": combination,
    "mixed columns": mixed_columns,
    "noise": noisy_row,
    "constant": constant,
}
"""Kinds of composites of rows of numbers that judges are trained on."""

UNSEEN_ROWS: Mapping[str, Kind] = {
    "permuted columns": permuted_columns,
    "independent columns": independent_columns,
    "extrapolation": extrapolation,
}
"""Kinds of composites of rows of numbers that judges are tested on and never trained on."""


def kinds(shape: torch.Size | tuple[int, ...]) -> tuple[Mapping[str, Kind], Mapping[str, Kind]]:
    """The kinds of composites that judges of things (c, h, w) are trained on, and those that are kept for the test."""
    return (TRAINED_ROWS, UNSEEN_ROWS) if 1 in shape[-2:] else (TRAINED, UNSEEN)


def compose(x: Tensor, noise: Noise) -> Tensor:
    """One composite of each thing in x (n, c, h, w), n >= 1, of the kinds that judges are trained on, in the shares of ``SHARES``."""
    other = x[noise.uniform(len(x)).argsort()]
    trained, _ = kinds(x.shape[1:])
    weights = torch.tensor([float(SHARES.get(name, 1)) for name in trained]).cumsum(0)
    stops = (weights / weights[-1] * len(x)).round().long().tolist()
    made, start = [], 0
    for kind, stop in zip(trained.values(), stops):
        if stop > start:
            made.append(kind(x[start:stop], other[start:stop], noise))
        start = max(start, stop)
    return torch.cat(made)


def soften(x: Tensor, noise: Noise) -> Tensor:
    """
    Three quarters of the images x (n, c, h, w) under a Gaussian blur, each of its own width w ~ U[0, side / 16] in pixels.

    Decoded images are softer than real ones. Both sides of a composite judge's training are softened, so that softness says nothing. Images whose smaller
    side is below 16 pixels stay as they are: there the blur would be narrower than a pixel, and a pixel is as small as what they show.
    """
    widest = min(x.shape[-2:]) / 16
    if widest < 1:
        return x
    widths = widest * ((4 * noise.uniform(len(x)) - 1) / 3).clamp_min(0)
    return blur(x, widths.to(x.device))


def blur(x: Tensor, width: float | Tensor) -> Tensor:
    """The images x (n, c, h, w) under Gaussian blurs of the standard deviation ``width`` in pixels: one for all, or (n,), where 0 leaves an image as it is."""
    n, c, h, w = x.shape
    widths = torch.as_tensor(width, dtype=x.dtype, device=x.device).expand(n)
    reach = max(1, min(round(2.5 * float(widths.max())), min(h, w) - 1))
    places = torch.arange(-reach, reach + 1, device=x.device)
    kernel = torch.exp(-(places**2) / (2 * widths[:, None].clamp_min(1e-3) ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(c, dim=0)
    rows = F.pad(x.reshape(1, n * c, h, w), (reach,) * 4, mode="replicate")
    rows = F.conv2d(rows, kernel[:, None, None, :], groups=n * c)
    return F.conv2d(rows, kernel[:, None, :, None], groups=n * c).view_as(x)


def _each(noise: Noise, x: Tensor, low: float, high: float) -> Tensor:
    """One draw of U[low, high] for each thing, in a shape that multiplies x."""
    return low + (high - low) * noise.uniform(len(x), *(1,) * (x.dim() - 1))


def _places(x: Tensor) -> tuple[Tensor, Tensor]:
    """Vertical and horizontal places of pixels in [-1, 1]: (h, w) each."""
    h, w = x.shape[-2:]
    yy, xx = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return yy.to(x.device), xx.to(x.device)


def _smooth_mask(x: Tensor, noise: Noise) -> Tensor:
    """Masks (n, 1, h, w) in [0, 1]: a smooth surface through four by four random values, of which three in four are 0 or 1."""
    coarse = (4 * noise.uniform(len(x), 1, 4, 4) - 1.5).clamp(0, 1)
    return F.interpolate(coarse, x.shape[-2:], mode="bilinear", align_corners=False)


def _half_plane(x: Tensor, noise: Noise) -> Tensor:
    """Masks (n, 1, h, w) in [0, 1]: one side of a line through the middle half of the image, with an edge of random softness."""
    yy, xx = _places(x)
    angle = _each(noise, x, 0, 2 * torch.pi)
    offset, softness = _each(noise, x, -0.35, 0.35), _each(noise, x, 0.02, 0.4)
    return ((angle.cos() * xx + angle.sin() * yy - offset) / softness + 0.5).clamp(0, 1)


def _rectangle(x: Tensor, noise: Noise, low: float, high: float) -> Tensor:
    """Masks (n, 1, h, w): a rectangle inside the image whose sides are ``low`` to ``high`` of the image's, with hard edges."""
    yy, xx = _places(x)
    sides = [_each(noise, x, low, high) for _ in range(2)]
    middles = [_each(noise, x, -1, 1) * (1 - side) for side in sides]
    inside = ((yy - middles[0]).abs() <= sides[0]) & ((xx - middles[1]).abs() <= sides[1])
    return inside.to(x.dtype)
