"""
Measures of what distances and paths of a latent space preserve of images (neighbourhoods, classes, style), and of the losses of a reconstruction.

    local order     Spearman's correlation of latent distance and another distance, among each point's own neighbours
    linear fit      R^2 of another distance on the latent one, over pairs
    class kept      share of the interior frames that a classifier assigns to the class of both ends
    style           an exact statistic of an image, such as the slant of its strokes:
                        slant = mu_11 / mu_02,   the moments of the pixel mass about its centre, x to the right, y downwards
    within          share of interior frames whose style is between those of the ends; 1/3 for frames that are unrelated to them
    monotone        |s_k - s_1| / sum_i |s_{i+1} - s_i|: 1 if style never turns back

A shear x -> x + a y adds a to the slant, exactly, as long as no mass leaves the image.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ridgewalk.judging.judges import Judge
from ridgewalk.metrics.paths import interior
from ridgewalk.metrics.statistics import Interval, bootstrap
from ridgewalk.path import chunked

# --------------------------------------------------------------------------------------------------- distances


def neighbours_of(z: Tensor, count: int) -> Tensor:
    """Returns the rows of the ``count`` nearest other points of each: (n, d) -> int64 (n, count), the nearest first."""
    if not 1 <= count < len(z):
        raise ValueError(f"a point has from 1 to {len(z) - 1} neighbours among {len(z)}; got {count}")

    def nearest(part: Tensor, own: Tensor) -> Tensor:
        distance = torch.cdist(part, z).scatter(1, own[:, None], torch.inf)
        return distance.topk(count, dim=1, largest=False).indices

    return chunked(nearest, z.flatten(1), torch.arange(len(z)), chunk=256)


def strangers_of(n: int, count: int, seed: int) -> Tensor:
    """Returns the rows of ``count`` other points for each, drawn with repetition: int64 (n, count)."""
    generator = torch.Generator().manual_seed(seed)
    shift = 1 + torch.randint(n - 1, (n, count), generator=generator)
    return (torch.arange(n)[:, None] + shift) % n


def distances_to(values: Tensor, index: Tensor) -> Tensor:
    """|v_i - v_index(i, j)|, Euclidean over all of a row's values: (n, *), (n, m) -> (n, m)."""
    flat = values.flatten(1)
    return chunked(lambda own, others: (own[:, None] - flat[others]).norm(dim=2), flat[: len(index)], index, chunk=128)


def local_order(a: Tensor, b: Tensor) -> Tensor:
    """
    Spearman's correlation row by row: (n, m), (n, m) -> float64 (n,); 0 where a row is constant.

    Args:
        a: distances of each point to m others.
        b: Other distances to the same points, (n, m).
    """
    from scipy.stats import rankdata

    if a.shape != b.shape or a.dim() != 2 or a.shape[1] < 3:
        raise ValueError(
            f"distances to the same m >= 3 others, (n, m) each, are compared; got {tuple(a.shape)}, {tuple(b.shape)}"
        )
    x, y = (torch.from_numpy(rankdata(v.double().numpy(), axis=1)) - (v.shape[1] + 1) / 2 for v in (a, b))
    size = x.norm(dim=1) * y.norm(dim=1)
    return torch.where(size > 0, (x * y).sum(dim=1) / size.clamp_min(1e-12), torch.zeros_like(size))


def linear_fit(a: Tensor, b: Tensor, seed: int) -> Interval:
    """
    R^2 = cov(a, b)^2 / (var a var b) of the best line, over all entries of (n, m), with an interval over the n points.

    Args:
        a: distances of each point to m others.
        b: Other distances to the same points, (n, m).
        seed: Seed of the bootstrap.
    """
    x, y = a.double() - a.double().mean(), b.double() - b.double().mean()  # centred, so that no digits cancel
    columns = {"x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}

    def r_squared(mean: Mapping[str, Tensor]) -> Tensor:
        covariance = mean["xy"] - mean["x"] * mean["y"]
        return covariance**2 / ((mean["xx"] - mean["x"] ** 2) * (mean["yy"] - mean["y"] ** 2))

    return bootstrap(r_squared, {name: v.mean(dim=1) for name, v in columns.items()}, seed)


# ------------------------------------------------------------------------------------------------------- class


def class_kept(probabilities: Tensor, labels: Tensor) -> Tensor:
    """
    Share of interior frames whose most probable class is the pair's: (b,).

    Args:
        probabilities: Class probabilities of each frame, (b, k, classes).
        labels: The class of both ends, integers (b,).
    """
    if labels.shape != probabilities.shape[:1] or labels.is_floating_point():
        raise ValueError(f"a pair has one class, integers ({len(probabilities)},); got {tuple(labels.shape)}")
    return (interior(probabilities).argmax(dim=2) == labels[:, None]).double().mean(dim=1)


# ------------------------------------------------------------------------------------------------------- style


def slant(images: Tensor) -> Tensor:
    """
    mu_11 / mu_02 of the pixel mass, all channels together: (n, c, h, w) -> (n,); NaN where no mass is, or all in one row.

    It is the shear that would make the mass upright: positive where strokes lean to the left at the top (y runs downwards).
    """
    mass = images.double().sum(dim=1)
    x, y = (torch.arange(s, dtype=mass.dtype, device=mass.device) for s in (mass.shape[2], mass.shape[1]))
    x, y = x.view(1, 1, -1), y.view(1, -1, 1)
    total = mass.sum(dim=(1, 2))

    def mean(values: Tensor) -> Tensor:
        return (mass * values).sum(dim=(1, 2)) / total

    centre_x, centre_y = mean(x).view(-1, 1, 1), mean(y).view(-1, 1, 1)
    return mean((x - centre_x) * (y - centre_y)) / mean((y - centre_y) ** 2)


def stroke_mass(images: Tensor) -> Tensor:
    """Mean pixel: (n, c, h, w) -> (n,)."""
    return images.double().flatten(1).mean(dim=1)


STYLES = {"slant": slant, "stroke mass": stroke_mass}
"""Exact statistics of single images, by name."""


def within(values: Tensor) -> Tensor:
    """Share of interior values in [min, max] of the two ends: (b, k) -> (b,); 1/3 on average for k independent draws of one law."""
    low, high = (f(values[:, :1], values[:, -1:]) for f in (torch.minimum, torch.maximum))
    inner = interior(values)
    return ((inner >= low) & (inner <= high)).double().mean(dim=1)


def monotone(values: Tensor) -> Tensor:
    """|s_k - s_1| / sum_i |s_{i+1} - s_i|, from 0 (it comes back) to 1 (it never turns): (b, k) -> (b,); 1 where nothing changes."""
    variation = values.diff(dim=1).abs().sum(dim=1)
    net = (values[:, -1] - values[:, 0]).abs()
    return torch.where(variation > 0, net / torch.where(variation > 0, variation, 1.0), torch.ones_like(net))


def off_line(values: Tensor) -> Tensor:
    """mean_i |s_i - ((1 - t_i) s_1 + t_i s_k)| over interior frames, t_i = (i - 1) / (k - 1): (b, k) -> (b,), in units of s."""
    t = torch.linspace(0, 1, values.shape[1], dtype=values.dtype, device=values.device)
    line = torch.lerp(values[:, :1], values[:, -1:], t)
    return interior((values - line).abs()).mean(dim=1)


# --------------------------------------------------------------------------------------------- reconstructions


def sharpness(images: Tensor) -> Tensor:
    """Mean length of the forward differences (d_x, d_y) over the (h - 1) x (w - 1) inner corners: (n, c, h, w) -> (n,)."""
    if images.dim() != 4 or min(images.shape[2:]) < 2:
        raise ValueError(f"differences need images (n, c, h, w) of at least 2 x 2 pixels; got {tuple(images.shape)}")
    x = images.double()
    across, down = x[:, :, :-1, 1:] - x[:, :, :-1, :-1], x[:, :, 1:, :-1] - x[:, :, :-1, :-1]
    return torch.hypot(across, down).flatten(1).mean(dim=1)


def reconstruction_columns(images: Tensor, reconstructions: Tensor, judges: Sequence[Judge]) -> dict[str, Tensor]:
    """
    Returns measures of the losses of each reconstruction: (n,) each.

    ``squared`` and ``absolute`` are means over pixels, ``sharpness`` the reconstruction's over the image's, ``features_NAME`` a judge's
    distance |phi(x_hat) - phi(x)| over the root mean squared distance of two images of the set, sqrt(2 sum_f var phi_f).

    Args:
        images: (n, c, h, w) in [0, 1].
        reconstructions: Their reconstructions, in their order.
        judges: Judges that were trained on none of the images.
    """
    off = (reconstructions - images).double().flatten(1)
    columns = {
        "squared": off.square().mean(dim=1),
        "absolute": off.abs().mean(dim=1),
        "sharpness": sharpness(reconstructions) / sharpness(images),
    }
    for judge in judges:
        real = judge.features(images).double()
        scale = (2 * real.var(dim=0).sum()).sqrt()
        columns[f"features_{judge.name}"] = (judge.features(reconstructions).double() - real).norm(dim=1) / scale
    return columns
