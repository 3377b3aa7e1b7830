"""
Manifold fracturing: do similar images get similar codes, or is the data's manifold cut in pieces that lie anywhere in code space?

For each image i among n, with its k nearest others by pixels and its k nearest others by codes:

    rank        mean over its k nearest images j of (r_ij - 1) / (n - 2), r_ij the rank of j by distance of codes from i: 0 where the nearest k in
                turn are k similar images, about k / 2n where neighbourhoods are kept, 1/2 where codes are unrelated to images
    kept        share of its k nearest images that are among its k nearest codes
    agreement   share of its k nearest codes that are of its class
    step        |E(T x_i) - E(x_i)| / median |z_j - z_l| over pairs, the mean over T, a shift by one pixel in each of four directions
    lost        share of the four shifts whose code is further from E(x_i) than the k-th nearest other image's is: a tear

and for each class, in the graph that joins every code to its k nearest of all classes, with the edges inside the class alone:

    pieces      1 / sum_c p_c^2 over its connected components' shares p_c: 1 for one piece, m for m equal ones; outliers hardly count

None of them depends on the scale of the codes, so that autoencoders with and without a prior can be compared; all but ``step`` use ranks. A model
that separates classes may still cut them in pieces, and similar images may have similar codes where classes mix: no figure suffices alone. Rows of several
models over the same images can be paired (``statistics.paired_difference``).

Source: Makhzani et al. (2015), Adversarial autoencoders, section 7 (fracturing); Venna and Kaski (2001), Neighborhood preservation in nonlinear
projection methods (ranks of neighbours); Simpson (1949), Measurement of diversity (effective number).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk.metrics.statistics import Interval, bootstrap_mean
from ridgewalk.path import chunked
from ridgewalk_studies.measures.attributes import neighbours_of

NEIGHBOURS = 10
"""Default number of neighbours k."""

_ROWS = 256  # number of rows whose distances to all others are held at once
_PAIRS = 2000  # number of rows between which the median distance is computed


@dataclass(frozen=True, eq=False)
class Fracturing:
    """
    Measures of a model over n images.

    Attributes:
        columns: Values float64 (n,) by name: ``rank``, ``kept``, ``step``, ``lost``, and ``agreement`` if there are classes.
        pieces: Effective number of pieces of each class that has an image, (classes,); empty if there is one class only.
        neighbours: The number of neighbours k.
    """

    columns: Mapping[str, Tensor]
    pieces: Tensor
    neighbours: int

    def interval(self, name: str, seed: int = 0) -> Interval:
        """Returns the mean of a column with its bootstrap interval over images."""
        return bootstrap_mean(self.columns[name], seed)


def fracturing(
    encode: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor | None = None, neighbours: int = NEIGHBOURS
) -> Fracturing:
    """
    Returns every figure of this module's docstring.

    Args:
        encode: frozen, images (n, c, h, w) -> codes (n, *).
        images: held-out, floats in [0, 1], n > 2 k; their distances are Euclidean over pixels.
        labels: (n,) int64; without them, or with one class, there is neither ``agreement`` nor ``pieces``.
        neighbours: The number of neighbours k.

    Raises:
        ValueError: if there are too few images, labels do not fit, codes are not finite, or all codes are one.
    """
    n, k = len(images), neighbours
    if images.dim() != 4 or not 1 <= k < n / 2:
        raise ValueError(
            f"images (n, c, h, w) with n > 2 k are needed; got {tuple(images.shape)} and k = {k}: give more images"
        )
    if labels is not None and (labels.shape != (n,) or labels.is_floating_point()):
        raise ValueError(f"labels are integers, one an image, ({n},); got {labels.dtype} {tuple(labels.shape)}")
    z = _codes(encode, images)
    typical = float(torch.pdist(z[:_PAIRS]).median())
    if not typical > 0:
        raise ValueError("at least half of the codes are one: there is no distance to measure by; train the model")
    alike, near = neighbours_of(images.flatten(1).double(), k), neighbours_of(z, k)
    columns = {"rank": _ranks(z, alike), "kept": (alike[:, :, None] == near[:, None]).any(2).double().mean(1)}
    moved = torch.stack([(_codes(encode, shift(images, *way)) - z).norm(dim=1) for way in _WAYS], dim=1)
    edge = (z - z[near[:, -1]]).norm(dim=1)
    columns |= {"step": moved.mean(1) / typical, "lost": (moved > edge[:, None]).double().mean(1)}
    if labels is None or len(labels.unique()) < 2:
        return Fracturing(columns, torch.empty(0, dtype=torch.float64), k)
    labels = labels.cpu()
    columns["agreement"] = (labels[near] == labels[:, None]).double().mean(1)
    return Fracturing(columns, pieces(near, labels), k)


def pieces(near: Tensor, labels: Tensor) -> Tensor:
    """
    Effective number of pieces of each class that has a point: float64 (classes,), in the order of their labels.

    Args:
        near: Rows of each point's nearest others, as from ``attributes.neighbours_of``, (n, k).
        labels: Classes, integers (n,).
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n, k = near.shape
    here, there = torch.arange(n).repeat_interleave(k), near.flatten()
    inside = labels[here] == labels[there]
    graph = coo_matrix((torch.ones(int(inside.sum())).numpy(), (here[inside].numpy(), there[inside].numpy())), (n, n))
    component = torch.from_numpy(connected_components(graph, directed=False)[1]).long()
    found = []
    for label in labels.unique():
        sizes = component[labels == label].bincount().double()
        found.append(sizes.sum() ** 2 / sizes.square().sum())
    return torch.stack(found)


_WAYS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def shift(images: Tensor, right: int, down: int) -> Tensor:
    """Returns images (n, c, h, w) moved by whole pixels, with zeros from outside."""
    h, w = images.shape[2:]
    padded = F.pad(images, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)))
    return padded[:, :, max(-down, 0) : max(-down, 0) + h, max(-right, 0) : max(-right, 0) + w]


def _codes(encode: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    z = chunked(encode, images).flatten(1).cpu().double()
    if not bool(z.isfinite().all()):
        raise ValueError("codes must be finite; some are not: look at the encoder")
    return z


def _ranks(z: Tensor, alike: Tensor) -> Tensor:
    """Returns the mean of (r - 1) / (n - 2) over the k given others of each row: (n, d), (n, k) -> (n,); ties share their mean rank."""
    n = len(z)

    def mean_rank(part: Tensor, others: Tensor, own: Tensor) -> Tensor:
        distance = torch.cdist(part, z).scatter(1, own[:, None], torch.inf)
        wanted = distance.gather(1, others)
        ordered = distance.sort(dim=1).values
        before = torch.searchsorted(ordered, wanted)
        upto = torch.searchsorted(ordered, wanted, right=True)
        return ((before + upto - 1).double() / 2 / (n - 2)).mean(dim=1)

    return chunked(mean_rank, z, alike, torch.arange(n), chunk=_ROWS)
