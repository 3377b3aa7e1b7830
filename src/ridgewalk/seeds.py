"""Seeds: names of the random streams, and a generator of its own for each row, so that what a row draws does not depend on its batch."""

from enum import IntEnum

import numpy as np
import torch

_MIX = 0x9E3779B97F4A7C15  # the golden ratio in 64 bits: spreads consecutive counters over the seeds


class Stream(IntEnum):
    """
    The name of each random stream: the second part of ``mixed_seed(seed, Stream.NAME)``.

    Two streams may share a number, which makes one name an alias of the other: these are the values that recorded results were made with. Such streams
    are equal under the same seed. A new stream takes a number that is free.
    """

    AUTOENCODER = 1
    """Weights of an autoencoder."""
    ROLLOUT_STATES = 1
    """Which state of each sampling trajectory a guide's negatives keep."""
    ADVERSARIES = 2
    """Weights of the discriminators that take part in an autoencoder's training."""
    ESTIMATOR_STEPS = 2
    """Order and noise of an estimator's training."""
    PRIOR_DRAWS = 5
    """Codes drawn from a run's prior."""
    DETECTOR = 7
    """Weights of each member of a density-ratio detector."""
    TRUE_PRIOR = 7
    """Draws of the prior that codes are compared with."""
    PARTS_OF_PRIOR = 8
    """Draws of each class's part of a prior."""
    PIXEL_DETECTOR = 9
    """Weights of a pixel detector."""
    DENOISER = 11
    """Weights of a score network."""
    PROBE_FOLDS = 11
    """Folds of the cross-validation that probes a sensor."""
    DENOISER_STEPS = 12
    """Order and noise of a diffusion's training."""
    POSTERIOR_ORDER = 17
    """Order in which points of a posterior are split in halves."""
    GUIDE = 21
    """Weights of the discriminator that guides a diffusion."""
    LABELLED_ROWS = 21
    """Which training images keep their label."""
    PARTNERS = 21
    """Partners and times that an interpolation network is trained on."""
    GUIDE_SAMPLES = 22
    """Samples that a guide is trained against."""
    GUIDE_ORDER = 23
    """Which data a guide is trained on, and which are held out."""
    GUIDE_STEPS = 24
    """Order and noise of a guide's training."""
    JOINT_BANK = 25
    """Samples in the bank of a joint training."""
    CLASSIFIER = 31
    """Weights of the classifier that a semi-supervised autoencoder is compared with."""
    OVERFITTING = 31
    """Draws on which the overfitting of a latent discriminator is measured."""
    VARIANT = 31
    """Weights of a variant of the interpolation network."""
    CLASSIFIER_STEPS = 32
    """Order and noise of the classifier's training."""
    SEARCHED_PAIRS = 32
    """Pairs whose paths the string method searches for an interpolation network."""
    LATENT_DETECTORS = 37
    """Seeds of the latent detectors of one space."""
    INTERPOLATOR = 41
    """Weights of the network that is taught paths."""
    NORMAL_CODES = 41
    """Draws of N(0, I) in a latent space."""
    TAUGHT_PAIRS = 42
    """Pairs whose paths the network is taught."""
    PAIRS_OF_A_CLASS = 43
    """Pairs of different images of one class."""
    OVERFITTED_DETECTORS = 47
    """Seeds of the detectors whose overfitting is measured."""
    STRANGERS = 53
    """Codes drawn at random, beside which nearest neighbours are compared."""
    TWO_MOONS = 59
    """Draws of the two moons."""
    WIDE_CODES = 61
    """Draws of a wider density of codes."""
    SHUFFLED_CODES = 67
    """The order of the model's own images."""


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
