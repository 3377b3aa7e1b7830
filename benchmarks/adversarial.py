"""
The time of training adversarial autoencoders over that of the bare passes of their networks, for every recipe of the family at its cpu budget.

    python benchmarks/adversarial.py [RECIPE ...]

One step is recorded: the network and the number of rows of each call, and whether it is differentiated for its weights, for its input, or a second time
(R1). The bare side repeats only those calls, on random rows: forward, backward of the sum, and the step of each optimiser. The difference is the library's
own work: conversion of bytes to floats, noise, augmentation, draws of priors, losses, logging, the schedule. Both sides alternate in one process, and
medians are reported; the ratio of times should be at most 1.10. Nothing is written and no diagnostics are run: every manifest states their cost
(diagnostics_seconds and seconds).
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ridgewalk.data import Images
from ridgewalk.settings import recipes
from ridgewalk.training.families.base import Networks, family_of
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Objective
from ridgewalk.training.schedule import build_optimiser

STILL = ["labels.shift=0.0", "labels.rotation=0.0", "labels.scale=0.0", "labels.shear=0.0", "labels.invariant=false"]
CLEAN = [
    *STILL,
    "objective.input_noise=0.0",
    "objective.input_dropout=0.0",
    "objective.code_noise=0.0",
    "labels.noise=0.0",
    "matcher.noise=0.0",
]

RECIPES = {
    **{
        name: []
        for name in (
            "aae",
            "aae-likelihood",
            "aae-priors",
            "aae-style",
            "aae-semisupervised",
            "aae-clustering",
            "aae-reduction",
        )
    },
    "aae-semisupervised, without noise and augmentation": CLEAN,
    "aae-clustering, without noise and augmentation": CLEAN,
}
STEPS, ROUNDS = 60, 7
SHAPE = (1, 28, 28)


@dataclass(frozen=True)
class Call:
    """One pass of a network: its input's shape; whether it is differentiated for its weights, for its input, and whether that gradient is again."""

    network: nn.Module
    shape: tuple[int, ...]
    graph: bool
    through: bool
    twice: bool


def record_calls(objective: Objective, batch: tuple[Tensor, ...]) -> dict[str, list[Call]]:
    """Returns the passes of each optimiser's loss."""
    calls: list[Call] = []

    def note(network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        x = args[0]
        calls.append(
            Call(network, tuple(x.shape), torch.is_grad_enabled(), x.requires_grad, x.requires_grad and x.is_leaf)
        )

    hooks = [network.register_forward_pre_hook(note) for network in objective.networks.values()]
    found = {}
    for optimiser in objective.optimisers:
        calls.clear()
        objective.loss(optimiser, batch, Noise(0, 0))
        found[optimiser] = list(calls)
    for hook in hooks:
        hook.remove()
    return found


def measure(name: str) -> dict[str, float]:
    """Returns the milliseconds of a step of both sides, and their ratio."""
    recipe = recipes.read(name.split(",")[0], "cpu", RECIPES[name], "mnist")
    recipe = family_of(recipe).complete(recipe, [str(i) for i in range(10)])
    schedule = replace(recipe.training, epochs=1)
    generator = torch.Generator().manual_seed(0)
    n = schedule.batch * STEPS
    if recipe.labels.count > n:  # a quarter of the images, as 10000 are of MNIST's 40000
        recipe = replace(recipe, labels=replace(recipe.labels, count=n // 4))
    pixels = torch.randint(0, 256, (n, *SHAPE), dtype=torch.uint8, generator=generator)
    images = Images(pixels, torch.arange(n) % 10, tuple(str(i) for i in range(10)))
    family = family_of(recipe)
    model, others = family.autoencoder(recipe, SHAPE, 0), family.adversaries(recipe, SHAPE, 0)
    tensors, labelled = family.tensors(recipe, images, 0)
    objective = family.stages(recipe, Networks(model, others, labelled), 0)[0].objective
    batch = tuple(t[: schedule.batch].float() / 255 if t.dtype == torch.uint8 else t[: schedule.batch] for t in tensors)
    passes = record_calls(objective, batch)
    weights = {
        p: [w for k in names for w in objective.networks[k].parameters()] for p, names in objective.optimisers.items()
    }
    rows = {c.shape: torch.rand(c.shape, generator=generator) for calls in passes.values() for c in calls}

    def bare() -> None:
        moves = {p: build_optimiser(schedule, p, own) for p, own in weights.items()}  # made anew, as for every training
        for network in objective.networks.values():
            network.train()
        for _ in range(STEPS):
            for optimiser, calls in passes.items():
                total, leaves = torch.zeros(()), []
                for call in calls:
                    x = rows[call.shape]
                    if call.through:
                        x = x.clone().requires_grad_(True)
                        leaves.append(x)
                    with torch.set_grad_enabled(call.graph):
                        made = call.network(x)
                    if call.twice:
                        total = total + torch.autograd.grad(made.sum(), x, create_graph=True)[0].square().sum()
                    total = total + made.sum() if call.graph else total
                moves[optimiser].zero_grad(set_to_none=True)
                total.backward(inputs=[*weights[optimiser], *leaves])
                moves[optimiser].step()

    def ours() -> float:
        return fit(
            objective, tensors, schedule, Fitting("cpu")
        ).seconds  # seconds of the steps, without work that is done once

    ours(), bare()
    pairs = [(ours(), seconds(bare)) for _ in range(ROUNDS)]
    mine, theirs = (1000 * statistics.median(column) / STEPS for column in zip(*pairs))
    return {"step_ms": mine, "bare_ms": theirs, "ratio": statistics.median(a / b for a, b in pairs)}


def seconds(f: Callable[[], object]) -> float:
    """Returns the wall-clock seconds of one call."""
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


if __name__ == "__main__":
    found = {name: measure(name) for name in (sys.argv[1:] or RECIPES)}
    print(json.dumps({"threads": torch.get_num_threads(), **found}, indent=1))
