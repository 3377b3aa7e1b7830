"""The judges of a run's data, and the lines that the paths of a run are read against."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ridgewalk import processes
from ridgewalk.data import part
from ridgewalk.files import write_arrays
from ridgewalk.judging.comparison import single_images
from ridgewalk.judging.features import read_features
from ridgewalk.judging.judges import NAMES, Judge, judge
from ridgewalk.judging.power import AVERAGES
from ridgewalk.path import chunked
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run

BLIND = "No share of real frames is given: the judges cannot tell on these data"
"""Beginning of the sentence where a judge cannot tell."""

BLUR_COSTS = 0.1
"""Share of the real images that a blur must take from them before the judges are said to see it."""

CEILING_IMAGES = 1000
"""Number of test images whose reconstructions make the ceiling, and of draws of the prior that make the floor."""


def judges_of(run: Run) -> list[Judge]:
    """Returns both judges of the data of a run, trained now or read from the cache."""
    return [judge(run.data, name, run.recipe.judges) for name in NAMES]


def prepare_judges(run: Run, without: Tensor | None = None, features: Path | None = None) -> list[Judge]:
    """
    Makes both judges before what they will judge is searched, so that their refusal comes before the search is paid for.

    Args:
        run: the run.
        without: digests of images that are left out of their references, such as the ends of paths.
        features: TorchScript file of a network that maps images to features, in which both judges then look for neighbours.

    Returns:
        The judges, with the balls of their references and their measured power; on the processes of a torchrun but the first none, after process 0
        has made them.
    """
    made: list[Judge] = []
    own = None
    if features is not None:  # another network is refused before judges are trained
        images = part(run.data, "reference")
        own = read_features(features, images.floats(torch.arange(min(2, len(images)))))

    def make() -> None:
        for each in judges_of(run):
            each = each if own is None else each.with_features(own, str(features))
            made.append(each if without is None else each.without(without))
            _ = made[-1].balls, made[-1].composite.power

    processes.first(make)
    return made


def describe_blindness(judges: Sequence[Judge]) -> list[str]:
    """Returns a sentence that says why no share of real frames is given; none where both judges can tell."""
    reasons = {j.name: j.composite.power.reasons for j in judges}
    told = [f"judge {name}: {' and '.join(found)}" for name, found in reasons.items() if found]
    return [f"{BLIND} ({'; '.join(told)})."] if told else []


def describe_power(judges: Sequence[Judge]) -> str:
    """Returns what the judges take for real: held-out real things, averages, composites of unseen kinds; and a warning where blur is unreal to them."""
    powers = [j.composite.power for j in judges]
    if any(not p.controls for p in powers):
        return "There are too few images to measure what the judges can tell."
    n = len(powers)
    average = sum(p.controls[AVERAGES].share for p in powers) / n
    unseen, real = sum(p.unseen_mean for p in powers) / n, sum(p.real for p in powers) / n
    soft = sum(p.softened for p in powers) / n
    blurred = (
        f" They take {soft:.0%} of real images under a blur of {powers[0].blur:.2g} pixels for real: a frame may be unreal to them because it is blurred."
        if real - soft > BLUR_COSTS  # not so for rows, whose share is NaN
        else ""
    )
    return (
        f"The judges take {real:.0%} of held-out real {_things(judges)} for real, {average:.0%} of half-and-half averages of two of them, and {unseen:.0%} "
        f"of composites of kinds that they were not trained on.{blurred}"
    )


def _things(judges: Sequence[Judge]) -> str:
    return "rows" if 1 in judges[0].reference.shape[1:] else "images"


def describe_budget(run: Run) -> list[str]:
    """Returns a sentence that says what the budget "smoke" is for; none for other budgets."""
    if run.origin.budget != "smoke":
        return []
    return [
        "This run has the budget 'smoke', which shows that everything works: its networks and judges are hardly trained, and its figures mean nothing."
    ]


def power_figures(judges: Sequence[Judge]) -> dict[str, Any]:
    """What each judge can tell, for JSON."""
    return {j.name: j.composite.power.figures() for j in judges}


@contextmanager
def keeping(arrays: Mapping[str, Tensor], folder: Callable[[], Path]) -> Iterator[None]:
    """Writes paths that were searched into ``paths.npz`` of a folder where what follows fails, and says so in one sentence."""
    try:
        yield
    except Exception as error:
        file = folder() / "paths.npz"
        if not file.exists():
            write_arrays(file, arrays)
        reason = (
            str(error) if isinstance(error, ValueError | FloatingPointError) else f"{type(error).__name__}: {error}"
        )
        raise ValueError(f"the paths could not be judged ({reason}); they are in {file}") from error


def judge_lines(run: Run, judges: Sequence[Judge], role: str, seed: int) -> dict[str, dict[str, Tensor]]:
    """
    Judges real images, their reconstructions, draws of the prior, and the pixel averages of two images.

    The mean of two images does not look real, and no decoder made it: a judge that can tell takes few of them for real.

    Args:
        run: the run.
        judges: judges of its data.
        role: role of the real images.
        seed: seed of the draws of the prior.

    Returns:
        For each line the columns of ``single_images``, one value an image.
    """
    images = part(run.data, role)
    real = images.take(torch.arange(min(CEILING_IMAGES, len(images)))).floats()
    codes = run.encode(real)
    prior = prior_draws(run, CEILING_IMAGES, seed)
    shown = {
        "real": real,
        "reconstructions": chunked(run.decode, codes).cpu(),
        "prior": chunked(run.decode, prior).cpu(),
        "pixel averages": (real + real.roll(1, dims=0)) / 2,
    }
    return {name: single_images(x, judges) for name, x in shown.items()}
