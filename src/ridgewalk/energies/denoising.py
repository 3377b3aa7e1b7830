"""The denoising error of a diffusion as an energy."""

import torch
from torch import Tensor

from ridgewalk.context import Context
from ridgewalk.diffusion.denoiser import Denoiser
from ridgewalk.diffusion.scaling import Standardiser
from ridgewalk.diffusion.sde import along
from ridgewalk.protocols import Energy


class DenoisingBound:
    """
    The denoising error, averaged over levels of noise:

        E(z) = L / 2M  sum_m |eps_m + sigma_m score(alpha_m x + sigma_m eps_m, t_m)|^2,    x = standardised z

    With t_m uniform in log(alpha^2 / sigma^2) over a range of length L this estimates, up to a constant, the variational bound on -log p(x)
    (Kingma, Salimans, Poole and Ho 2021, equation 15). The M draws are fixed, in pairs eps and -eps, and the same for every point, so that E is a
    function and its error hardly varies between nearby points. Unlike the norm of a score, E is not low between two modes.

    Args:
        denoiser: the denoiser of standardised data.
        standardiser: the map from z to standardised data.
        low: smallest level of noise sigma / alpha.
        high: largest level of noise.
        levels: number of levels; M is twice this number.
        seed: seed of the draws.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        standardiser: Standardiser,
        low: float = 0.05,
        high: float = 5.0,
        levels: int = 6,
        seed: int = 0,
    ) -> None:
        if not 0 < low < high or levels < 1:
            raise ValueError(f"the bound needs 0 < low < high and levels >= 1; got {low}, {high}, {levels}")
        self.denoiser, self.standardiser, self.seed = denoiser, standardiser, seed
        ends = torch.tensor([low, high], dtype=torch.float64).log()
        places = (torch.arange(levels, dtype=torch.float64) + 0.5) / levels
        self.times = denoiser.sde.time_of((ends[0] + (ends[1] - ends[0]) * places).exp())
        self.length = 2 * float(ends[1] - ends[0])

    def __call__(self, z: Tensor, /) -> Tensor:
        x = self.standardiser.to_model(z)
        generator = torch.Generator().manual_seed(self.seed)
        total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for t in self.times.to(x):
            sigma = self.denoiser.sde.sigma(t)
            drawn = torch.randn(1, *x.shape[1:], generator=generator, dtype=torch.float64).to(x)
            for eps in (drawn, -drawn):
                x_t = self.denoiser.sde.perturb(x, t, eps.expand_as(x))
                error = eps + along(sigma, x) * self.denoiser.score(x_t, t)
                total = total + error.flatten(1).square().sum(1)
        return self.length / (4 * len(self.times)) * total


def build_denoising_bound(context: Context) -> Energy:
    """Builds the energy "diffusion"."""
    return DenoisingBound(context.diffusion.denoiser, context.diffusion.standardiser)
