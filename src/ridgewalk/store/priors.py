"""Draws of the prior of a run, whatever its objective."""

import torch

from ridgewalk.models.categories import CategoricalAutoencoder, ConditionalAutoencoder
from ridgewalk.seeds import Stream
from ridgewalk.store import labelling, players
from ridgewalk.store.run import Run
from ridgewalk.training.noise import Noise
from ridgewalk.training.priors import categories


def prior_draws(run: Run, count: int, seed: int) -> torch.Tensor:
    """
    Draws of the run's prior: an AAE's own, N(0, I) for a VAE, a Gaussian fitted to its codes for a plain autoencoder.

    Where the code has a class as well as a style, the class is one of all, each as likely.

    Args:
        run: the model.
        count: number of draws.
        seed: of the draws.
    """
    noise, name = Noise(seed, Stream.PRIOR_DRAWS), run.recipe.objective.name
    if name == "aae" or name in labelling.CLASSED:
        drawn = players.prior(run.recipe)(count, noise).to(run.device)
        if isinstance(run.model, CategoricalAutoencoder | ConditionalAutoencoder):
            y = categories(count, run.model.classes, noise).to(run.device)
            with torch.no_grad():
                return run.model.join(drawn, y)
        return drawn
    drawn = noise.normal(count, run.size).to(run.device)
    if name == "ae":
        mean, factor = run.references.mean(0), torch.linalg.cholesky(run.references.T.cov())
        return mean + drawn @ factor.T
    return drawn
