"""
How well images x_i are reconstructed as y_i, n images of p values each.

    rmse      sqrt(mean_i |x_i - y_i|^2 / p)
    relative  rmse / sqrt(mean_i |x_i - m|^2 / p), m the mean image: 1 for a decoder that shows the mean image whatever it is given
    confused  share of the i with |x_j - y_i| < |x_i - y_i| for some j: the reconstruction looks more like another image than like its own
    detail    mean over images of sum |grad y_i| / sum |grad x_i|, |grad| the length of the differences (d_row, d_column): below 1 is blur

Reconstructions are too poor for a path to matter where

    1 - (1 - confused)^2 > 1/2,

that is, where most pairs of images have an end that shows another image than its own: what lies between is then no path between the two images. The
criterion has no scale, so that it means the same for few grey pixels and for photographs. With fewer images fewer are confused. It does not see blur, which
``detail`` does; where the images have noise, a good reconstruction has less detail than they have.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

BLURRED = 0.5
"""Share of the detail below which reconstructions are called blurred."""


@dataclass(frozen=True)
class Reconstruction:
    """
    The figures of the reconstructions of ``n`` images; they are defined above.

    ``relative`` is None where all images are alike, and ``detail`` where they have no differences or are rows of numbers.
    """

    n: int
    rmse: float
    relative: float | None
    confused: float
    detail: float | None

    @property
    def poor(self) -> bool:
        """Whether most pairs of images have an end that shows another image than its own."""
        return 1 - (1 - self.confused) ** 2 > 0.5

    @property
    def blurred(self) -> bool:
        """Whether less than half of the detail is left."""
        return self.detail is not None and self.detail < BLURRED

    def figures(self) -> dict[str, object]:
        """Everything, for JSON."""
        return {**asdict(self), "poor": self.poor, "blurred": self.blurred}


def compare_reconstructions(x: Tensor, y: Tensor) -> Reconstruction:
    """
    Measures reconstructions.

    Args:
        x: images (n, c, h, w) in [0, 1], at least 2.
        y: their reconstructions, of the same shape and in the same order.
    """
    if x.shape != y.shape or x.dim() != 4 or len(x) < 2:
        raise ValueError(
            f"reconstructions are compared with images (n, c, h, w), n >= 2, of their own shape; got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    images, made = x.flatten(1).double(), y.flatten(1).double()
    error = (images - made).square().sum(dim=1)
    spread = (images - images.mean(dim=0)).square().sum(dim=1).mean()
    away = torch.cdist(made, images, compute_mode="donot_use_mm_for_euclid_dist")
    own = away.diagonal()
    confused = (away < own[:, None]).any(dim=1).double().mean()
    return Reconstruction(
        len(x),
        float((error.mean() / images.shape[1]).sqrt()),
        float((error.mean() / spread).sqrt()) if spread > 0 else None,
        float(confused),
        _detail(x.double(), y.double()) if 1 not in x.shape[2:] else None,
    )


def _detail(x: Tensor, y: Tensor) -> float | None:
    own, other = _edges(x), _edges(y)
    seen = own > 0
    return float((other[seen] / own[seen]).mean()) if seen.any() else None


def _edges(x: Tensor) -> Tensor:
    """Sum of the lengths of the differences (d_row, d_column), over pixels and channels: (n, c, h, w) -> (n,)."""
    inner = x[..., :-1, :-1]
    down, right = x[..., 1:, :-1] - inner, x[..., :-1, 1:] - inner
    return (down.square() + right.square()).sqrt().flatten(1).sum(dim=1)
