"""
Holes: the share of a model's prior that decodes to nothing real.

    holes      share of prior draws z_p whose decoding G(z_p) the judges take for unreal, by each judge and by their mean
    floor      the same share of reconstructions G(E(x)) of held-out images: what the decoder's own blur costs
    excess     holes - floor: what the prior adds

A judge also calls some real images unreal, and all reconstructions of a blurred decoder: only the excess is due to the prior. The draws must come from the
law with which the model is used: an AAE's own prior, N(0, I) for a VAE, and for a plain autoencoder, which has no prior, a law fitted to its codes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ridgewalk.diagnosis.misalignment import BASELINE, MEAN, grade
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics.statistics import Interval, bootstrap_mean

_DRAWN = "prior"


@dataclass(frozen=True, eq=False)
class Holes:
    """
    The judges' results; every mapping is by judge, with the mean of judges under ``mean``.

    Attributes:
        unreal: 1 for each draw that decodes to nothing real, otherwise 0, float64 (n,), NaN where a judge cannot tell; under ``mean`` the share of judges.
        floor: The same for reconstructions, float64 (m,).
    """

    unreal: Mapping[str, Tensor]
    floor: Mapping[str, Tensor]

    def share(self, judge: str = MEAN, seed: int = 0) -> Interval:
        """Returns the share of draws that decode to nothing real, with its bootstrap interval over draws."""
        return bootstrap_mean(self.unreal[judge], seed)

    def of_reconstructions(self, judge: str = MEAN, seed: int = 0) -> Interval:
        """Returns the share of reconstructions that are not real, with its bootstrap interval."""
        return bootstrap_mean(self.floor[judge], seed)

    def excess(self, judge: str = MEAN, seed: int = 0) -> Interval:
        """Returns the share of draws less that of reconstructions, over equally many draws and images."""
        return bootstrap_mean(self.excesses(judge), seed)

    def excesses(self, judge: str = MEAN) -> Tensor:
        """Returns ``unreal`` less ``floor`` row by row, over equally many draws and images: float64 (min(n, m),)."""
        n = min(len(self.unreal[judge]), len(self.floor[judge]))
        return self.unreal[judge][:n] - self.floor[judge][:n]

    def __str__(self) -> str:
        """Returns the figures in a sentence."""
        return (
            f"{self.share():.1%} of {len(self.unreal[MEAN])} draws of the prior decode to nothing real, by the mean of "
            f"{len(self.unreal) - 1} judges; of reconstructions {self.of_reconstructions():.1%}"
        )


def holes(draws: Tensor, codes: Tensor, decode: Callable[[Tensor], Tensor], judges: Sequence[Judge]) -> Holes:
    """
    Returns every figure of this module's docstring.

    Args:
        draws: Draws of the prior, (n, *), n at least 10.
        codes: Codes of held-out images that are none of the judges' own references, (m, *), m at least 10.
        decode: the frozen decoder, on the codes' device.
        judges: The judges, at least one.

    Raises:
        ValueError: if there are no judges or too few rows, or draws and codes do not fit.
    """
    if draws.shape[1:] != codes.shape[1:]:
        raise ValueError(f"draws and codes must have one shape; got {tuple(draws.shape)} and {tuple(codes.shape)}")
    real = grade({_DRAWN: draws, BASELINE: codes}, decode, judges).real
    return Holes(*(_unreal({name: by_group[group] for name, by_group in real.items()}) for group in (_DRAWN, BASELINE)))


def _unreal(real: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {name: 1 - rows.cpu() for name, rows in real.items()}
    return {**found, MEAN: torch.stack(list(found.values())).mean(dim=0)}
