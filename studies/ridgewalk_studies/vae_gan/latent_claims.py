"""
The smaller claims made of a latent discriminator and its space, each measured on a trained Gaussian autoencoder.

D_z is trained after the model: draws of q(z|x), fresh in every step, against draws of the prior. All figures are of images of the role
``test``, which neither model nor D_z saw; realism is the share of interior frames that a judge takes for real, mean of the judges.
``latent_space`` holds the data of the measurements, ``latent_sensor`` and ``latent_density`` the claims on D_z, ``latent_paths`` those
on distances and paths.
"""

from collections.abc import Sequence
from typing import Any

from ridgewalk.data import part
from ridgewalk.judging.judges import Judge
from ridgewalk.metrics.statistics import bootstrap_mean, bootstrap_ratio
from ridgewalk.path import chunked
from ridgewalk.store.run import Run
from ridgewalk.training.families.base import family_of
from ridgewalk_studies.claims import Claim, Criterion, Verdict, judge, of, plain
from ridgewalk_studies.findings import Part
from ridgewalk_studies.measures import attributes
from ridgewalk_studies.sources import CONFUSION
from ridgewalk_studies.vae_gan.latent_density import energy_based
from ridgewalk_studies.vae_gan.latent_paths import carried, distances
from ridgewalk_studies.vae_gan.latent_sensor import drives, half_on_data, overfits
from ridgewalk_studies.vae_gan.latent_space import space_of

EITHER_LOSS = Claim(
    "The criterion of reconstruction can be L1 or L2: either keeps what there is to see",
    CONFUSION,
    (Criterion("L1 over L2 in the feature distance of each judge", "within", 0.1, target=1),),
)


def measure(run: Run, judges: Sequence[Judge], seed: int, size: int) -> Part:
    """
    Measures and judges every claim except that on reconstruction losses (``reconstructions``); figures are [value, low, high, n] each.

    Args:
        run: The run of a Gaussian autoencoder.
        judges: The judges of its data.
        seed: Seed of draws, detectors and intervals.
        size: Number of points of a figure. There are a fifth as many pairs of images, and 0.6 as many steps of each of 15 small detectors.

    Raises:
        ValueError: if the run's codes are not Gaussian, or ``size`` is below 20.
    """
    space = space_of(run, judges, seed, size)
    parts = [part_of(space) for part_of in (overfits, drives, half_on_data, distances, carried, energy_based)]
    figures: dict[str, Any] = {"size": size, "seed": seed, "pairs": len(space.pairs)}
    for one in parts:
        figures |= one.figures
    return Part(figures, [v for one in parts for v in one.verdicts])


def reconstructions(run_l2: Run, run_l1: Run, judges: Sequence[Judge], seed: int) -> Verdict:
    """
    Judges whether training for squared or for absolute differences matters, on held-out images.

    Args:
        run_l2: The run with objective.reconstruction "half_squared".
        run_l1: The run with "absolute" on the same data.
        judges: The judges of the data.
        seed: Seed of the intervals.
    """
    return reconstruction_figures(run_l2, run_l1, judges, seed)[0]


def reconstruction_figures(
    run_l2: Run, run_l1: Run, judges: Sequence[Judge], seed: int
) -> tuple[Verdict, dict[str, Any]]:
    """Returns the verdict of ``reconstructions``, and its figures for JSON."""
    for run, wanted in ((run_l2, "half_squared"), (run_l1, "absolute")):
        if family_of(run.recipe).reconstruction != wanted:
            raise ValueError(
                f"L2 is compared with L1: a run with objective.reconstruction = '{wanted}' was expected; got '{family_of(run.recipe).reconstruction}'"
            )
    if run_l2.origin.data != run_l1.origin.data:
        raise ValueError(f"both runs must be of the same images; got {run_l2.origin.source} and {run_l1.origin.source}")
    x = part(run_l2.data, "test").floats()
    l2, l1 = (
        attributes.reconstruction_columns(x, chunked(run.decode, run.encode(x)).cpu(), judges)
        for run in (run_l2, run_l1)
    )
    found = {
        name: {
            "l2": bootstrap_mean(l2[name], seed),
            "l1": bootstrap_mean(l1[name], seed),
            "l1 / l2": bootstrap_ratio(l1[name], l2[name], seed),
        }
        for name in l2
    }
    features = {name: f["l1 / l2"] for name, f in found.items() if name.startswith("features")}
    sharp = found["sharpness"]
    verdict = judge(
        EITHER_LOSS,
        list(features.values()),
        figure=f"L1 / L2 in a judge's feature distance: {', '.join(f'{n[-1]} {of(f)}' for n, f in features.items())}; squared error "
        f"{of(found['squared']['l1 / l2'])}, absolute error {of(found['absolute']['l1 / l2'])}; sharpness against the images' {of(sharp['l1'])} "
        f"and {of(sharp['l2'])}",
        how="one run each at one schedule, intervals over images; beta is the same, and weighs less against L1's larger loss",
    )
    return verdict, plain(found)
