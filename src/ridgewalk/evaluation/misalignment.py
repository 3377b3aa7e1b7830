"""Whether points that the sensors of a run call ideal decode to something real: the points, and the measurement."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.diagnosis.misalignment import BASELINE, LEAST, Misalignment, compare, grade
from ridgewalk.evaluation.ends import draw_ends
from ridgewalk.evaluation.sensors import latent_sensor
from ridgewalk.geometry import lerp
from ridgewalk.judging.judges import Judge
from ridgewalk.progress import track
from ridgewalk.registry import SENSORS
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk.training.noise import Noise

POINTS = 1000
"""Points of each group, where the data have as many images."""


def sample_points(run: Run, seed: int, role: str = "test", points: int = POINTS) -> dict[str, Tensor]:
    """
    Samples three groups of latents: draws of the prior, points on LERP paths, and codes of held-out images.

    A LERP point is an interior frame, drawn uniformly, of a pair of images of its own; the pair has different classes, unless the data
    have one class only.

    Args:
        run: the run.
        seed: seed of the draws.
        role: role of the images.
        points: points of each group; fewer where the role has fewer images.

    Returns:
        Latents (n, d) by group, n the same for each.
    """
    images = part(run.data, role)
    n = min(points, len(images) - 1)  # there are at least so many pairs of different classes
    ends = draw_ends(run, n, seed, role)
    frames = run.recipe.walks.frames
    t = torch.linspace(0, 1, frames)
    nodes = lerp(run.encode(ends.x_a).cpu(), run.encode(ends.x_b).cpu(), t)
    chosen = 1 + Noise(seed, 0).integers(frames - 2, n)
    return {
        "prior": prior_draws(run, n, seed).cpu(),
        "lerp": nodes[torch.arange(n), chosen],
        BASELINE: run.encode(images.take(torch.arange(n)).floats()).cpu(),
    }


def measure_misalignment(
    run: Run, judges: Sequence[Judge], seed: int, role: str = "test", points: int = POINTS
) -> list[Misalignment]:
    """
    Measures every sensor of the run on the same points; sensors trained against the prior come first.

    Args:
        run: the run; a sensor of images sees what the decoder makes of a point.
        judges: judges of the decoded points; the role's images are left out of their references.
        seed: seed of the points and of the bootstrap.
        role: role of the images that are encoded, never ``reference``.
        points: points of each group.

    Returns:
        One measurement a sensor; none where the role has too few images, or the judges too few references beside them.
    """
    if role == "reference":
        raise ValueError("codes of the role 'reference' would be judged by themselves; choose validation or test")
    images = part(run.data, role)
    if min(points, len(images) - 1) < LEAST:
        return []
    own = images.digests()
    if any(int((~torch.isin(j.reference.digests(), own)).sum()) <= j.k for j in judges):
        return []
    groups = sample_points(run, seed, role, points)
    seen = [j.without(own) for j in judges]
    graded = grade(groups, lambda z: run.decode(z.to(run.device)), seen)
    names = sorted(run.sensors, key=lambda name: (not SENSORS[name].against_prior, name))
    return [
        compare(name, latent_sensor(run, name), graded, seed, undecided=SENSORS[name].against_prior)
        for name in track(names, "measuring what sensors call ideal")
    ]


def describe_misalignment(found: Sequence[Misalignment]) -> list[str]:
    """Returns a sentence for each sensor that was trained against the prior, of which a score of 1/2 is said to be ideal."""
    return [m.sentence for m in found if SENSORS[m.name].against_prior]
