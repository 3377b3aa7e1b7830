"""The map between data and the standardised data that a diffusion is trained on, and the size of the latter."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Standardiser:
    """
    The fixed affine map x = (u - shift) / scale from data u (images in [0, 1], codes, points) to standardised data x.

    Args:
        shift: is broadcast to one datum.
        scale: above 0 and finite; is broadcast to one datum.
    """

    shift: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        bad = ~((self.scale > 0) & self.scale.isfinite())
        if bool(bad.any()):
            raise ValueError(
                f"the scale of data must be above 0 and finite; got {float(self.scale[bad][0]):g} in {int(bad.sum())} of {bad.numel()} values: "
                "use 1 for values that do not vary"
            )

    def to_model(self, u: Tensor) -> Tensor:
        """Standardised data (u - shift) / scale from data u."""
        return (u - self.shift.to(u)) / self.scale.to(u)

    def to_data(self, x: Tensor) -> Tensor:
        """Data x * scale + shift from standardised data x."""
        return x * self.scale.to(x) + self.shift.to(x)

    def log_volume(self, shape: tuple[int, ...]) -> float:
        """The log volume log |du / dx| = log p(x) - log p(u) of one datum with the given shape."""
        return float(self.scale.double().log().expand(shape).sum())

    @classmethod
    def of(cls, u: Tensor, log_variance: Tensor | None = None) -> "Standardiser":
        """
        The map to mean 0 and standard deviation 1 of each value; a value that does not vary is only shifted.

        Args:
            u: (n, *) data, or the means of the Gaussians that data are drawn from.
            log_variance: (n, *) log-variances of those Gaussians; the variance of the draws is var u + mean exp(log_variance). None for data.
        """
        scale = u.std(dim=0)
        if log_variance is not None:
            scale = (scale.square() + log_variance.exp().mean(dim=0)).sqrt()
        return cls(u.mean(dim=0), torch.where(scale > 0, scale, torch.ones_like(scale)))

    @classmethod
    def between(cls, low: float, high: float) -> "Standardiser":
        """The map from [low, high] to [-1, 1]."""
        return cls(torch.tensor((low + high) / 2), torch.tensor((high - low) / 2))


def root_mean_square(x: Tensor) -> float:
    """s_d = (E |x|^2 / d)^(1/2) of data x (n, *), about 0 and not about their mean: the size of data that ``Denoiser`` needs."""
    return float(x.double().square().mean().sqrt())
