"""Draws of the prior of a run, whatever its objective."""

import torch

from ridgewalk.seeds import Stream
from ridgewalk.store.run import Run
from ridgewalk.training.families.base import family_of
from ridgewalk.training.noise import Noise


def prior_draws(run: Run, count: int, seed: int) -> torch.Tensor:
    """
    Draws codes (count, d) from the prior of the run's objective.

    Args:
        run: the model.
        count: number of draws.
        seed: seed of the draws.
    """
    noise = Noise(seed, Stream.PRIOR_DRAWS)
    return family_of(run.recipe).draw_prior(run.recipe, run.model, lambda: run.references, count, noise)
