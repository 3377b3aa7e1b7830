"""Randomness that belongs to a row: a generator of its own for each, so that what it draws does not depend on its batch."""

import numpy as np
import torch

_MIX = 0x9E3779B97F4A7C15  # the golden ratio in 64 bits: spreads consecutive counters over the seeds


def mixed_seed(*parts: int) -> int:
    """One 63-bit seed of several integers; different tuples give unrelated streams."""
    state = 0
    for part in parts:
        state = ((state ^ (part & (2**64 - 1))) * _MIX + 0x632BE59BD9B4E019) & (2**64 - 1)
        state ^= state >> 29
    return state >> 1


def row_generators(seed: int, rows: int, first: int = 0) -> list[torch.Generator]:
    """The generators of rows ``first``, ``first`` + 1, ... under a seed, on the CPU."""
    return [
        torch.Generator().manual_seed(
            int(np.random.SeedSequence((seed % 2**64, i)).generate_state(1, np.uint64)[0] >> 1)
        )
        for i in range(first, first + rows)
    ]
