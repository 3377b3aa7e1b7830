"""
Composite judges: networks that tell real things from composites of real ones, without labels and without having seen what a decoder makes.

    loss       1/2 [softplus(-f(soft(x))) + softplus(f(soft(c)))]    x real, c composites of real ones (``composites``)
    accepts    f(x) >= t, where t is the 10 % quantile of f on held-out real things, softened as in the training
    realism    share of these things whose f is not above that of x, in [0, 1]

Both sides of the training are softened alike, so that softness, which decoded images have and real ones have not, says nothing. A blurred image tells less of
what it shows than a sharp one, and its logit is nearer to 0: with a threshold chosen on sharp images, judge A of MNIST took 0.90 of real validation images
for real and 0.82 of them under a blur of 0.9 pixels; with this one 0.95 and 0.92, and 0.016 of their averages in place of 0.010.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn

from ridgewalk.data import ImageData, Images, part
from ridgewalk.data.images import to_floats
from ridgewalk.judging import composites, power
from ridgewalk.judging.composites import soften
from ridgewalk.judging.kept import keep_power
from ridgewalk.judging.power import Power
from ridgewalk.models import classifiers
from ridgewalk.models.weights import digest_network
from ridgewalk.path import chunked
from ridgewalk.records import digest_of
from ridgewalk.settings.training import Schedule
from ridgewalk.training import losses
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss, OneOptimiser

REJECTED = 0.1
"""Share of the calibration's real things that a judge rejects, by the choice of its threshold."""

MOST = 500
"""Most real things that a judge is tried on."""

CALIBRATION = 100
"""Fewer images of the role validation than this are joined by the first half of the role reference for the choice of the threshold."""

PASSES = 200
"""Most passes over the things that a judge is trained on: on a few hundred images more of them learn these by heart (digits, 257 images: after 750 passes
judge B took 77 % of half-and-half averages for real)."""

BATCH = 64
"""Most real things of a training step; as many composites are told from them. Half of 128 at 1.7 times the steps gave more power in less time."""

_BATCH = 250
_SEED = 89

NETWORKS: Mapping[str, Callable[[classifiers.Shape], nn.Module]] = {"A": classifiers.pooling, "B": classifiers.residual}
"""The architecture of each judge, by name."""


@dataclass(eq=False)
class Discernment(OneOptimiser):
    """
    Balanced binary cross-entropy between real things and composites of real ones.

    Args:
        network: maps things (n, c, h, w) to logits (n, 1), positive for real.
        pool: uint8 or float things (m, c, h, w) that composites are made of.
    """

    optimiser: ClassVar[str] = "judge"

    network: nn.Module
    pool: Tensor

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"judge": self.network}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        """The cross-entropy in nats; chance is ln 2."""
        x = batch[0]
        sources = to_floats(self.pool[noise.integers(len(self.pool), len(x)).to(self.pool.device)]).to(x.device)
        both = soften(torch.cat([x, composites.compose(sources, noise)]), noise)
        logits = self.network(both)
        bce = losses.classify(logits[: len(x)], logits[len(x) :])
        return bce, {"judge": bce}


@dataclass(frozen=True, eq=False)
class CompositeJudge:
    """
    A trained composite judge with its threshold.

    Attributes:
        name: ``A`` or ``B``.
        network: the network, in evaluation mode.
        calibration: (m,) sorted logits of the real things that the threshold is chosen on, softened (``composites.soften``).
        held_out: further real things, which the judge's power is measured on.
        keep: whether its power is kept in the cache, for which its weights must tell it from every other judge.
    """

    name: str
    network: nn.Module
    calibration: Tensor
    held_out: Images = field(repr=False)
    keep: bool = False

    @property
    def threshold(self) -> float:
        """Logit from which the judge accepts: the ``REJECTED`` quantile of the calibration's."""
        return float(self.calibration.quantile(REJECTED))

    def logits(self, x: Tensor) -> Tensor:
        """Logits of things (n, c, h, w) in [0, 1]: (n,), higher for what is more real."""
        return chunked(self.network, x, chunk=_BATCH)[:, 0]

    def accepts(self, x: Tensor) -> Tensor:
        """Whether the judge takes each thing for real: (n, c, h, w) -> (n,) bool."""
        return self.logits(x) >= self.threshold

    def realism(self, logits: Tensor) -> Tensor:
        """Share of the calibration's logits that are not above: (n,) -> (n,) in [0, 1]; 0.5 for a typical real thing."""
        place = torch.searchsorted(self.calibration, logits.contiguous(), right=True)
        return place.double() / len(self.calibration)

    @cached_property
    def power(self) -> Power:
        """What the judge accepts of held-out real things, of composites of them and of controls."""
        return keep_power(self._key(), self._measure) if self.keep else self._measure()

    def _measure(self) -> Power:
        real = self.held_out.floats(torch.arange(min(MOST, len(self.held_out))))
        return power.measure_power(self.name, self.logits, self.threshold, real, len(self.calibration))

    def _key(self) -> str:
        own = [self.name, digest_network(self.network), self.threshold, len(self.calibration)]
        return digest_of([power.VERSION, MOST, *own, self.held_out.fingerprint()])[:24]


def new_network(name: str, shape: classifiers.Shape, seed: int) -> nn.Module:
    """The untrained network of a judge."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name](shape)


def train_network(name: str, network: nn.Module, pixels: Tensor, steps: int, seed: int, device: str = "cpu") -> None:
    """
    Trains the network of a composite judge in place.

    Args:
        name: name of the judge.
        network: the network.
        pixels: real things (n, c, h, w), uint8 or float, that are told from composites of them.
        steps: number of training steps, of at most ``BATCH`` real things each; whole passes are made, at least one and at most ``PASSES``.
        seed: seed of the order and of the composites.
        device: device of the training.
    """
    batch = min(BATCH, len(pixels))
    epochs = min(PASSES, max(1, round(steps / (len(pixels) // batch))))
    schedule = Schedule(epochs=epochs, batch=batch, rate=1e-3, decay="cosine", seed=seed, clip=1.0)
    fitting = Fitting(device, label=f"judge {name}", shared=False)
    fit(Discernment(network, pixels), [pixels], schedule, fitting)


def calibrate(name: str, network: nn.Module, data: ImageData, seen: Tensor) -> CompositeJudge:
    """
    The judge of a trained network: its threshold is chosen on images of the role validation, its power is measured on those of the role reference.

    Args:
        name: name of the judge.
        network: the network.
        data: the data set.
        seen: digests of the images that the judge was trained on, copies of which are left out.
    """
    reference = _unseen(part(data, "reference"), seen)
    chosen = [_unseen(part(data, "validation"), seen).floats()] if len(data.test) >= 10 else []  # fewer leave it none
    half = len(reference) // 2 if sum(map(len, chosen)) < CALIBRATION else 0
    chosen.append(reference.floats(torch.arange(half)))
    network.eval().requires_grad_(False)
    logits = chunked(network, soften(torch.cat(chosen), Noise(_SEED, 0)), chunk=_BATCH)[:, 0]
    held_out = reference.take(torch.arange(half, len(reference)))
    return CompositeJudge(name, network, logits.sort().values, held_out, keep=True)


def _unseen(images: Images, seen: Tensor) -> Images:
    kept = (~torch.isin(images.digests(), seen)).nonzero()[:, 0]
    return images.take(kept) if len(kept) else images
