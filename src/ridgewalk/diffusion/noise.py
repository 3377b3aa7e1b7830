"""
The noise of a sampler. The draws of row i depend on (seed, i) alone, so that a sample does not depend on its batch.

Source of the idea of one seed per sample: Karras, Aittala, Aila and Laine (2022).
"""

from math import prod

import torch
from torch import Tensor

from ridgewalk.seeds import row_generators

_DRAWN = 1024  # numbers that a row draws at once, so that the overhead of a generator is negligible


class RowNoise:
    """
    Normal draws for ``rows`` samples.

    Args:
        seed: seed of all samples.
        rows: number of samples.
        shape: shape of one sample.
        first: index of the first sample: rows 100 to 199 of 1000 are ``RowNoise(seed, 100, shape, first=100)``.
        dtype: dtype of the draws.
        device: device of the draws, which are made on the CPU and therefore equal on every device.
    """

    def __init__(
        self,
        seed: int,
        rows: int,
        shape: tuple[int, ...],
        first: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.rows, self.shape, self.dtype, self.device = rows, shape, dtype, torch.device(device)
        self._generators = row_generators(seed, rows, first)
        self._block = max(1, _DRAWN // prod(shape))
        self._drawn = torch.empty(0)
        self._next = 0

    def normal(self) -> Tensor:
        """The next draw (rows, *shape) of N(0, I)."""
        if self._next == len(self._drawn):
            drawn = [torch.randn(self._block, *self.shape, generator=g, dtype=self.dtype) for g in self._generators]
            self._drawn, self._next = torch.stack(drawn, 1).to(self.device), 0
        self._next += 1
        return self._drawn[self._next - 1]
