"""
Walks along one part of a code while the other part stays: along style at a fixed class, or across classes at a fixed style.

With the codes (s, y) of the first image and (s', y') of the second,

    keep = "style"   from (s, y) to (s, y')      across classes; within one class where both images have the same
    keep = "class"   from (s, y) to (s', y)      along style

The force that a finder follows has no component along the part that stays, so that this part does not change at all.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ridgewalk import naming
from ridgewalk.finders.building import parse_method
from ridgewalk.models.categories import CategoricalAutoencoder, ConditionalAutoencoder, ReducedAutoencoder
from ridgewalk.path import chunked
from ridgewalk.registry import METHODS
from ridgewalk.store.run import Run

KEPT = ("style", "class")


def refuse_keep(run: Run, keep: str, method: str) -> None:
    """Refuses an unknown part, a run whose codes have no such parts, and a method that would change the part that should stay."""
    if keep not in KEPT:
        raise ValueError(f"--keep: {naming.unknown('part of a code', keep, KEPT)}")
    if not isinstance(run.model, CategoricalAutoencoder | ConditionalAutoencoder):
        raise ValueError(
            f"--keep {keep} needs a code with style and class; this run's objective is '{run.recipe.objective.name}': "
            "train aae-semisupervised, aae-clustering, aae-style or aae-reduction"
        )
    chosen = parse_method(method)[0]
    if isinstance(run.model, ReducedAutoencoder) and chosen.name != "lerp":
        raise ValueError(
            f"a reduction's code is the sum of style and class, and only a straight line keeps one of them; got --method {method}: choose lerp"
        )
    if not chosen.keeps:
        choices = METHODS.choices(lambda m: m.keeps)
        raise ValueError(f"method '{chosen.name}' would not keep the {keep}; choose {choices}")


def encode_ends(run: Run, x_a: Tensor, x_b: Tensor, keep: str) -> tuple[Tensor, Tensor]:
    """Returns the codes of the first images, and codes with one part of the second images' and the other part of the first ones': (b, *) each."""
    model = run.model
    assert isinstance(model, CategoricalAutoencoder | ConditionalAutoencoder)
    (s_a, y_a), (s_b, y_b) = (_split(run, x) for x in (x_a, x_b))
    with torch.no_grad():
        return model.join(s_a, y_a), model.join(s_a, y_b) if keep == "style" else model.join(s_b, y_a)


def _split(run: Run, x: Tensor) -> tuple[Tensor, Tensor]:
    model = run.model
    assert isinstance(model, CategoricalAutoencoder | ConditionalAutoencoder)
    both = chunked(lambda v: torch.cat(model.split(v), dim=1), x.to(run.device))
    return both[:, : model.dims], both[:, model.dims :]


def restrict(run: Run, keep: str) -> Run:
    """Returns the run with finders that move the other part of the code only."""
    if isinstance(run.model, ReducedAutoencoder):
        return run
    assert isinstance(run.model, CategoricalAutoencoder | ConditionalAutoencoder)
    moving = torch.arange(run.size, device=run.device) >= run.model.dims
    return replace(run, moving=moving if keep == "style" else ~moving)
