"""The data of the claims on a latent space: codes, images, pairs, densities and a D_z of a trained Gaussian autoencoder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.energies import AggregatePosterior, freeze
from ridgewalk.evaluation.ends import draw_ends
from ridgewalk.judging.judges import Judge
from ridgewalk.models.autoencoders import Autoencoder, GaussianAutoencoder
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.path import Path, chunked
from ridgewalk.protocols import PathFinder
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.store.run import Run
from ridgewalk.training.detectors import SCHEDULE, train_detector
from ridgewalk.training.negatives import Prior
from ridgewalk.training.noise import Noise
from ridgewalk_studies.measures import latents

SEEDS = 3
"""Number of networks of each kind for claims that may depend on a single network."""


@dataclass(frozen=True, eq=False)
class Space:
    """
    The data of all claims on a latent space.

    Attributes:
        model: The frozen model, on the CPU.
        judges: The judges without the measured images among their references.
        train: q(z|x) of the model's images, shuffled, as the order of a file may be that of its writers.
        held: q(z|x) of held-out images.
        images: The held-out images, (n, c, h, w) in [0, 1].
        labels: Their classes (n,), all 0 if there is one class only.
        pairs: Rows of held-out images of different classes, (b, 2).
        alike: Rows of held-out images of one class, (b, 2).
        d_z: The latent discriminator, trained against draws of the prior.
        again: The same from other seeds, for claims that may depend on a single network.
        detector: The run's own detector, trained against its recipe's negatives.
        prior: Minus the log density of N(0, I), with its constant.
        density: Minus the log of the estimate of q(z): the mixture of all q(z|x) of the model's images, widened on validation images.
        factor: The factor by which the mixture was widened.
        size: Number of points of a figure.
        steps: Number of steps of each training of a discriminator.
        frames: Number of frames of a path.
        seed: Seed of all draws.
    """

    model: Autoencoder
    judges: Sequence[Judge]
    train: AggregatePosterior
    held: AggregatePosterior
    images: Tensor
    labels: Tensor
    pairs: Tensor
    alike: Tensor
    d_z: Discriminator
    again: Sequence[Discriminator]
    detector: Discriminator
    prior: AggregatePosterior
    density: AggregatePosterior
    factor: float
    size: int
    steps: int
    frames: int
    seed: int

    def draws(self) -> Tensor:
        """Returns one draw of q(z|x) for each of the first ``size`` held-out images."""
        n = min(self.size, len(self.held.mean))
        return self.held.draw(torch.arange(n), self.normal(n, 1))

    def normal(self, rows: int, stream: int) -> Tensor:
        """Returns draws of N(0, I), (rows, d)."""
        return Noise(mixed_seed(self.seed, Stream.NORMAL_CODES), stream).normal(rows, self.held.mean.shape[1])

    def middles(self) -> Tensor:
        """Returns the middles of straight lines between codes of different classes."""
        a, b = self.pairs.T
        return (self.held.mean[a] + self.held.mean[b]) / 2

    def outside(self, times: float) -> Tensor:
        """Returns held-out codes moved to ``times`` their distance from the mean of all codes."""
        centre = self.train.mean.mean(0)
        return centre + times * (self.held.mean[: self.size] - centre)

    def walk(self, finder: PathFinder, pairs: Tensor) -> tuple[Path, Tensor]:
        """Returns paths between the codes of pairs, and their frames (b, k, c, h, w)."""
        path = finder(self.held.mean[pairs[:, 0]], self.held.mean[pairs[:, 1]])
        return path, path.map(self.model.decode)

    def judged(self, frames: Tensor) -> dict[str, Tensor]:
        """Returns the share of interior frames that each judge takes for real: float64 (b,) each; NaN where it cannot tell."""
        inner = frames[:, 1:-1]
        return {j.name: j.real(inner.flatten(0, 1)).view(inner.shape[:2]).mean(1) for j in self.judges}

    def realism(self, frames: Tensor) -> Tensor:
        """Returns the mean over judges of ``judged``: (b,)."""
        return torch.stack(list(self.judged(frames).values())).mean(0)


def space_of(run: Run, judges: Sequence[Judge], seed: int, size: int) -> Space:
    """Prepares codes, images, pairs and a D_z of the run; see ``latent_claims.measure``."""
    if not isinstance(run.model, GaussianAutoencoder):
        raise ValueError(
            "claims on q(z|x) need a run with model.posterior = \"gaussian\"; this one's is 'deterministic'"
        )
    if size < 20:
        raise ValueError(f"size must be at least 20 points; got {size}")
    images, model = part(run.data, "test"), freeze(run.model).cpu()

    def posterior(x: Tensor) -> AggregatePosterior:
        both = chunked(lambda part: torch.cat(model.posterior(part), 1), x).chunk(2, dim=1)
        return AggregatePosterior(*both)

    x = images.floats()
    shuffled = torch.randperm(
        len(part(run.data, "model")), generator=torch.Generator().manual_seed(mixed_seed(seed, Stream.SHUFFLED_CODES))
    )
    validation = part(run.data, "validation").floats()
    train, held, other = posterior(part(run.data, "model").floats(shuffled)), posterior(x), posterior(validation)
    b, steps, start = max(2, size // 5), max(20, size * 3 // 5), len(validation)
    drawn = other.draw(torch.arange(start), Noise(mixed_seed(seed, Stream.NORMAL_CODES), 0).normal(*other.mean.shape))
    density, factor = latents.widen(train, drawn)
    ends = draw_ends(run, b, seed)
    pairs = torch.stack([ends.index_a, ends.index_b], 1) - start
    batch = min(512, len(train.mean))
    d_z, *again = (
        train_detector(
            train.mean,
            Prior(1.0),
            members=1,
            schedule=replace(
                SCHEDULE,
                epochs=max(1, round(2 * steps / (len(train.mean) // batch))),
                batch=batch,
                seed=mixed_seed(seed, Stream.LATENT_DETECTORS, i),
            ),
            log_variance=train.log_variance,
        )
        for i in range(SEEDS)
    )
    zero = torch.zeros(1, train.mean.shape[1])
    return Space(
        model,
        [j.without(images.digests()) for j in judges],
        train,
        held,
        x,
        images.labels,
        pairs,
        same_class(images.labels, images.digests(), b, seed),
        d_z,
        again,
        freeze(run.sensors["detector"]).cpu(),
        AggregatePosterior(zero, zero),
        density,
        factor,
        min(size, len(x)),
        steps,
        run.recipe.walks.frames,
        seed,
    )


def same_class(labels: Tensor, identity: Tensor, count: int, seed: int) -> Tensor:
    """Draws ``count`` pairs of different images of one class with repetition: (count, 2)."""
    fits = (labels[:, None] == labels) & (identity[:, None] != identity)
    found = fits.nonzero()
    if not len(found):
        raise ValueError("no two of the held-out images are of one class and different; take a larger data set")
    return found[
        torch.randint(
            len(found), (count,), generator=torch.Generator().manual_seed(mixed_seed(seed, Stream.PAIRS_OF_A_CLASS))
        )
    ]
