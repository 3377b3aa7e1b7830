"""
A score and the discriminator that guides it, trained together.

    denoiser        denoising score matching; the discriminator does not change its weights
    discriminator   data against a bank of the score's own samples, drawn anew every ``refresh`` steps with the weights of that step

The bank is a buffer of a network, so that checkpoints hold it and a resumed training continues with the same samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ridgewalk.diffusion import RowNoise, Sampled
from ridgewalk.seeds import mixed_seed
from ridgewalk.training.denoising import ScoreMatching
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss
from ridgewalk.training.ratio import NoisedRatio


class Bank(nn.Module):
    """
    A buffer of samples in the units of data: (rows, *shape).

    Args:
        rows: number of samples.
        shape: shape of one sample.
    """

    samples: Tensor

    def __init__(self, rows: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("samples", torch.zeros(rows, *shape))


@dataclass(eq=False)
class Joint:
    """
    The objectives of both networks; a batch holds data (n, *).

    Args:
        matching: objective of the score.
        ratio: objective of the discriminator, against finished samples.
        bank: buffer of the score's samples.
        sampler: the sampler that will be guided; it fills the bank.
        refresh: number of steps between two fillings; the first is at step 0.
        seed: seed of the samples; each filling mixes its step into it.
    """

    matching: ScoreMatching
    ratio: NoisedRatio
    bank: Bank
    sampler: Callable[..., Sampled]
    refresh: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.refresh < 1:
            raise ValueError(f"a bank is filled anew every 1 or more steps; got {self.refresh}")
        if self.ratio.negatives != "samples" or self.ratio.labelled:
            raise ValueError("joint training is of unconditional, finished samples: pass a ratio of these")

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {**self.matching.networks, **self.ratio.networks, "bank": self.bank}

    @property
    def optimisers(self) -> Mapping[str, tuple[str, ...]]:
        """The score network and the discriminator, each with its own optimiser."""
        return {**self.matching.optimisers, **self.ratio.optimisers}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        if optimiser != "discriminator":
            return self.matching.loss(optimiser, batch, noise)
        if noise.step % self.refresh == 0:
            self._fill(noise.step)
        rows = noise.integers(len(self.bank.samples), len(batch[0]))
        return self.ratio.loss(optimiser, (batch[0], self.bank.samples[rows]), noise)

    def _fill(self, step: int) -> None:
        denoiser, bank = self.matching.denoiser, self.bank.samples
        rows = RowNoise(
            mixed_seed(self.seed, step) % 2**31, len(bank), tuple(bank.shape[1:]), dtype=bank.dtype, device=bank.device
        )
        training = denoiser.network.training
        denoiser.network.eval()
        with torch.no_grad():
            bank.copy_(self.matching.standardiser.to_data(self.sampler(denoiser.score, rows).x))
        denoiser.network.train(training)
