"""
Where the claims come from, and how their figures are written.

A claim is stated beside the measurement that tests it, as data (``ridgewalk.judging.claims``); its source is one of those below. Five of them are
documents of this project; they are not published, which is why a claim repeats what they say.
"""

from collections.abc import Mapping
from typing import Any

from ridgewalk.judging.claims import LEAST, SEEDS, Claim, Criterion, Verdict, judge
from ridgewalk.metrics.statistics import LEVEL, Interval

__all__ = ["LEAST", "SEEDS", "Claim", "Criterion", "Verdict", "counted", "judge", "of", "plain", "signed"]

WALKS = "Score-guided path search: manifold misalignment in adversarial autoencoders, a design note"
NETWORK = "Design of a non-linear interpolation network for traversing manifolds, a design note"
GUIDANCE = "Correcting score-based diffusion by a discriminator's density ratio, a design note"
CONFUSION = "A VAE-GAN with two discriminators and its density map of confusion, a design note"
AAE = "Makhzani, Shlens, Jaitly, Goodfellow and Frey (2015), Adversarial autoencoders"
SDES = "Song, Sohl-Dickstein, Kingma, Kumar, Ermon and Poole (2021), Score-based generative modeling through stochastic differential equations"
WEIGHTING = "Song, Durkan, Murray and Ermon (2021), Maximum likelihood training of score-based diffusion models"


def counted(value: float, n: int) -> Interval:
    """A figure without an interval, and the number of points, pairs or images that it is of."""
    return Interval(value, value, value, LEVEL, n)


def of(i: Interval) -> str:
    """A figure and its interval."""
    return f"{i:.2f}"


def signed(i: Interval) -> str:
    """A difference and its interval."""
    return f"{i:+.3f}"


def plain(value: Any) -> Any:
    """Intervals as [value, low, high, n], anywhere within."""
    if isinstance(value, Interval):
        return [value.value, value.low, value.high, value.n]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value
