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
    return [torch.Generator().manual_seed(s) for s in row_seeds(seed, rows, first)]


def row_seeds(seed: int, rows: int, first: int = 0) -> list[int]:
    """
    Seeds of 32 bits for rows ``first``, ``first`` + 1, ...: no two rows under one seed have the same.

    PyTorch's generator on the CPU reads 32 bits of its seed and no more, so that hashes of (seed, i) would let two of 50,000 rows share their noise with
    probability 1/4. Here the seed keys an invertible map of i: each step (exclusive or with a key or with the number shifted right, product
    with an odd number) can be undone. Rows of two different seeds may still meet by chance, as any two of 2^32.

    Source of shifts and factors: the 32-bit finaliser of MurmurHash3 (Appleby 2011), twice.

    Raises:
        ValueError: for rows beyond 2^32.
    """
    if first < 0 or first + rows > 2**32:
        raise ValueError(f"there is noise for rows 0 to 2^32 - 1; got rows {first} to {first + rows - 1}")
    x = np.arange(first, first + rows, dtype=np.uint64).astype(np.uint32)
    for key in np.random.SeedSequence(seed % 2**64).generate_state(2, np.uint32):
        x ^= key
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            x ^= x >> np.uint32(shift)
            x *= np.uint32(factor)
        x ^= x >> np.uint32(16)
    return x.tolist()
