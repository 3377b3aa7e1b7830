"""Seeds of rows: no two rows share a stream, which no hash to 32 bits can promise."""

import numpy as np
import pytest
import torch

from ridgewalk.diffusion import RowNoise
from ridgewalk.seeds import Stream, mixed_seed, row_generators, row_seeds


def test_the_generator_reads_32_bits_of_its_seed() -> None:
    """The reason for ``row_seeds``; where this fails, PyTorch reads more, and they may go."""
    one, other = (torch.Generator().manual_seed(s) for s in (5, 5 + 2**32))
    assert torch.equal(torch.randn(4, generator=one), torch.randn(4, generator=other))


@pytest.mark.parametrize("seed", [0, 1, -1, 2**63 - 1, 2**64 + 7])
def test_no_two_rows_share_a_seed(seed: int) -> None:
    """Of 500,000 rows hashed to 32 bits 29 pairs would be expected to, and at least one but for e^-29."""
    seeds = row_seeds(seed, 500_000)
    assert len(set(seeds)) == 500_000
    for bit in range(
        19, 32
    ):  # a product that loses a high bit joins rows that differ in it, and in the one that the shift by 16 makes of it
        for first in (2**bit, 2**bit + 2 ** (bit - 16)):
            assert not set(seeds[:100]) & set(row_seeds(seed, 100, first)), first
    assert 0 <= min(seeds) <= max(seeds) < 2**32


def test_a_rows_seed_is_its_own_wherever_its_batch_begins() -> None:
    assert row_seeds(3, 100)[40:60] == row_seeds(3, 20, 40)
    assert row_seeds(3, 2, 2**32 - 2) != row_seeds(3, 2)
    assert [g.initial_seed() for g in row_generators(3, 5, 7)] == row_seeds(3, 5, 7)
    assert not set(row_seeds(3, 1000)) & set(row_seeds(4, 1000))
    for first, rows in ((-1, 2), (2**32 - 1, 2)):
        with pytest.raises(ValueError, match=r"rows 0 to 2\^32 - 1"):
            row_seeds(0, rows, first)


def test_seeds_fill_the_32_bits_evenly() -> None:
    """Each bit is set in half of the rows, and unrelated to each bit of the row's number and to the bits of the next row's seed; 5 standard errors."""
    n = 1 << 16
    bits = np.unpackbits(np.array(row_seeds(11, n + 1), dtype=">u4").view(np.uint8)).reshape(n + 1, 32) * 2.0 - 1
    rows = np.unpackbits(np.arange(n, dtype=">u4").view(np.uint8)).reshape(n, 32)[:, 16:] * 2.0 - 1
    assert np.abs(bits[:-1].mean(0)).max() < 5 / n**0.5
    assert np.abs(bits[:-1].T @ rows / n).max() < 5 / n**0.5
    assert np.abs(bits[:-1].T @ bits[1:] / n).max() < 5 / n**0.5


def test_draws_of_neighbouring_rows_are_unrelated() -> None:
    x = RowNoise(0, 20_000, (4,), dtype=torch.float64).normal()
    assert float(x.mean(0).abs().max()) < 4 / 20_000**0.5
    for lag in (1, 2, 16):
        related = x[:-lag].T @ x[lag:] / (len(x) - lag)
        assert float(related.abs().max()) < 5 / 20_000**0.5


def test_a_stream_is_its_number() -> None:
    """Recorded results were made with numbers: names that share one are aliases, and no value changes."""
    assert mixed_seed(3, Stream.GUIDE) == mixed_seed(3, 21)
    assert Stream.GUIDE is Stream.PARTNERS is Stream.LABELLED_ROWS
    assert sorted(set(Stream)) == [
        1,
        2,
        5,
        7,
        8,
        9,
        11,
        12,
        17,
        21,
        22,
        23,
        24,
        25,
        31,
        32,
        37,
        41,
        42,
        43,
        47,
        53,
        59,
        61,
        67,
    ]
