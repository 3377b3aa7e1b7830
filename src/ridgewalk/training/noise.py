"""
Randomness that belongs to a training step and not to a process.

The noise of step s is drawn for the whole global batch from a generator seeded by (seed, s), and each process takes its own
rows: a run resumed at s, or split over processes, sees the noise that an uninterrupted single process would have seen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk.seeds import mixed_seed


@dataclass(eq=False)
class Noise:
    """
    The draws of one step.

    Args:
        seed: seed of the run.
        step: number of the step.
        rank: number of this process, which says what share of the global batch it draws.
        world: number of processes.
        device: device of the returned draws; they are made on the CPU, so that every device gets the same values.
    """

    seed: int
    step: int
    rank: int = 0
    world: int = 1
    device: torch.device | str = "cpu"
    _generator: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.step))

    def normal(self, rows: int, *shape: int) -> Tensor:
        """Standard normal draws for this process's ``rows``: (rows, *shape)."""
        return self._own(torch.randn(rows * self.world, *shape, generator=self._generator), rows)

    def uniform(self, rows: int, *shape: int) -> Tensor:
        """Draws of U[0, 1): (rows, *shape)."""
        return self._own(torch.rand(rows * self.world, *shape, generator=self._generator), rows)

    def integers(self, high: int, rows: int, *shape: int) -> Tensor:
        """Draws of 0, ..., high - 1: int64 (rows, *shape)."""
        return self._own(torch.randint(high, (rows * self.world, *shape), generator=self._generator), rows)

    def drawn(self, rows: int, sampler: Callable[[int, torch.Generator], Tensor]) -> Tensor:
        """What ``sampler`` (rows of the global batch, generator) -> (rows, *) draws: this process's ``rows`` of it."""
        return self._own(sampler(rows * self.world, self._generator), rows)

    def _own(self, drawn: Tensor, rows: int) -> Tensor:
        return drawn[self.rank * rows : (self.rank + 1) * rows].to(self.device, non_blocking=True)
