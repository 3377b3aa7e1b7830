"""What the claims on a latent space are measured on: codes, images, pairs, densities and a D_z of a trained Gaussian autoencoder."""

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
"""Networks of each kind, where what is claimed may hang on one."""


@dataclass(frozen=True, eq=False)
class Space:
    """
    What all claims are measured on.

    Attributes:
        model: frozen, on the CPU.
        judges: without the images measured among their references.
        train: q(z|x) of the model's images, shuffled: the order of a file may be that of its writers.
        held: of held-out ones.
        images: those, (n, c, h, w) in [0, 1].
        labels: (n,) their classes, all 0 where there is one class only.
        pairs: rows of held-out images of different classes, (b, 2).
        alike: of one class, (b, 2).
        d_z: the latent discriminator, against draws of the prior.
        again: the same from other seeds, where what it says may hang on one network.
        detector: the run's own, against its recipe's negatives.
        prior: minus the log of N(0, I), whole.
        density: minus the log of q(z) as well as it is known: the mixture of all q(z|x) of the model's images, widened on validation images.
        factor: by which it was widened.
        size: points of a figure.
        steps: of each training of a discriminator.
        frames: of a path.
        seed: of everything random.
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
        """One draw of q(z|x) for each of the first ``size`` held-out images."""
        n = min(self.size, len(self.held.mean))
        return self.held.draw(torch.arange(n), self.normal(n, 1))

    def normal(self, rows: int, stream: int) -> Tensor:
        """Draws of N(0, I), (rows, d)."""
        return Noise(mixed_seed(self.seed, Stream.NORMAL_CODES), stream).normal(rows, self.held.mean.shape[1])

    def middles(self) -> Tensor:
        """The middles of straight lines between codes of different classes."""
        a, b = self.pairs.T
        return (self.held.mean[a] + self.held.mean[b]) / 2

    def outside(self, times: float) -> Tensor:
        """Held-out codes, moved from the mean of all codes to ``times`` the distance."""
        centre = self.train.mean.mean(0)
        return centre + times * (self.held.mean[: self.size] - centre)

    def walk(self, finder: PathFinder, pairs: Tensor) -> tuple[Path, Tensor]:
        """Paths between the codes of pairs, and their frames (b, k, c, h, w)."""
        path = finder(self.held.mean[pairs[:, 0]], self.held.mean[pairs[:, 1]])
        return path, path.map(self.model.decode)

    def judged(self, frames: Tensor) -> dict[str, Tensor]:
        """Share of interior frames in a k-NN ball, by judge: float64 (b,) each."""
        inner = frames[:, 1:-1]
        return {
            j.name: j.real(j.features(inner.flatten(0, 1))).view(inner.shape[:2]).double().mean(1) for j in self.judges
        }

    def realism(self, frames: Tensor) -> Tensor:
        """The judges' mean of ``judged``: (b,)."""
        return torch.stack(list(self.judged(frames).values())).mean(0)


def space_of(run: Run, judges: Sequence[Judge], seed: int, size: int) -> Space:
    """Codes, images, pairs and a D_z of the run; see ``measure``."""
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
    """``count`` pairs of different images of one class, (count, 2), drawn with repetition."""
    fits = (labels[:, None] == labels) & (identity[:, None] != identity)
    found = fits.nonzero()
    if not len(found):
        raise ValueError("no two of the held-out images are of one class and different; take a larger data set")
    return found[
        torch.randint(
            len(found), (count,), generator=torch.Generator().manual_seed(mixed_seed(seed, Stream.PAIRS_OF_A_CLASS))
        )
    ]
