"""Names of the random streams, and one generator for each row, so that the draws of a row do not depend on its batch."""

from enum import IntEnum

import numpy as np
import torch

_MIX = 0x9E3779B97F4A7C15  # the golden ratio in 64 bits: spreads consecutive counters over the seeds


class Stream(IntEnum):
    """
    The names of the random streams, each the second part of ``mixed_seed(seed, Stream.NAME)``.

    The numbers are those that recorded results were made with. Some names share a number, so that one is an alias of the other and their streams are
    equal under the same seed. A new stream takes a number that is not used yet.
    """

    AUTOENCODER = 1  # weights of an autoencoder
    ROLLOUT_STATES = 1  # which state of each sampling trajectory a guide's negatives keep
    ADVERSARIES = 2  # weights of the discriminators that take part in an autoencoder's training
    ESTIMATOR_STEPS = 2  # order and noise of an estimator's training
    PRIOR_DRAWS = 5  # codes drawn from a run's prior
    DETECTOR = 7  # weights of each member of a density-ratio detector
    TRUE_PRIOR = 7  # draws of the prior that codes are compared with
    PARTS_OF_PRIOR = 8  # draws of each class's part of a prior
    PIXEL_DETECTOR = 9  # weights of a pixel detector
    DENOISER = 11  # weights of a score network
    PROBE_FOLDS = 11  # folds of the cross-validation that probes a sensor
    DENOISER_STEPS = 12  # order and noise of a diffusion's training
    POSTERIOR_ORDER = 17  # order in which points of a posterior are split in halves
    GUIDE = 21  # weights of the discriminator that guides a diffusion
    LABELLED_ROWS = 21  # which training images keep their label
    PARTNERS = 21  # partners and times that an interpolation network is trained on
    GUIDE_SAMPLES = 22  # samples that a guide is trained against
    GUIDE_ORDER = 23  # which data a guide is trained on, and which are held out
    GUIDE_STEPS = 24  # order and noise of a guide's training
    JOINT_BANK = 25  # samples in the bank of a joint training
    CLASSIFIER = 31  # weights of the classifier that a semi-supervised autoencoder is compared with
    OVERFITTING = 31  # draws on which the overfitting of a latent discriminator is measured
    VARIANT = 31  # weights of a variant of an interpolation network
    CLASSIFIER_STEPS = 32  # order and noise of the classifier's training
    SEARCHED_PAIRS = 32  # pairs whose paths the string method searches for an interpolation network
    LATENT_DETECTORS = 37  # seeds of the latent detectors of one space
    INTERPOLATOR = 41  # weights of an interpolation network
    NORMAL_CODES = 41  # draws of N(0, I) in a latent space
    TAUGHT_PAIRS = 42  # pairs whose paths an interpolation network is trained on
    PAIRS_OF_A_CLASS = 43  # pairs of different images of one class
    OVERFITTED_DETECTORS = 47  # seeds of the detectors whose overfitting is measured
    STRANGERS = 53  # random codes that nearest neighbours are compared with
    TWO_MOONS = 59  # draws of the two moons
    WIDE_CODES = 61  # draws of a wider density of codes
    SHUFFLED_CODES = 67  # the order of the model's own images


def mixed_seed(*parts: int) -> int:
    """Mixes several integers into one seed of 63 bits; different tuples give unrelated streams."""
    state = 0
    for part in parts:
        state = ((state ^ (part & (2**64 - 1))) * _MIX + 0x632BE59BD9B4E019) & (2**64 - 1)
        state ^= state >> 29
    return state >> 1


def row_generators(seed: int, rows: int, first: int = 0) -> list[torch.Generator]:
    """Generators on the CPU for rows ``first``, ``first`` + 1, ... under a seed."""
    return [torch.Generator().manual_seed(s) for s in row_seeds(seed, rows, first)]


def row_seeds(seed: int, rows: int, first: int = 0) -> list[int]:
    """
    Seeds of 32 bits for rows ``first``, ``first`` + 1, ...; no two rows have the same seed.

    PyTorch's generator on the CPU reads only 32 bits of its seed, so that with hashes of (seed, i) two of 50,000 rows would share their noise with
    probability 1/4. Here the seed is the key of an invertible map of i, each of whose steps can be undone: an exclusive or with a key or with the
    shifted number, and a product with an odd number. Rows under two different seeds may still coincide by chance, as any two of 2^32 numbers.

    Source of the shifts and factors: the 32-bit finaliser of MurmurHash3 (Appleby 2011), applied twice.
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
