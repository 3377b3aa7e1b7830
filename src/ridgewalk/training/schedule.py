"""The optimiser and the decay of the learning rate of a schedule."""

import math

import torch
from torch import nn

from ridgewalk.settings.training import Schedule


def build_optimiser(schedule: Schedule, name: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser called ``name`` of these parameters, at its own learning rate."""
    rate = schedule.rates.get(name, schedule.rate)
    if schedule.optimiser == "sgd":
        momentum = schedule.momenta.get(name, schedule.betas[0])
        return torch.optim.SGD(parameters, lr=rate, momentum=momentum, fused=True)
    return torch.optim.Adam(parameters, lr=rate, betas=schedule.betas, fused=True)


def decay_factor(schedule: Schedule, step: int, total: int) -> float:
    """Returns the factor of the learning rate at a step of ``total``."""
    if schedule.decay == "steps":
        epoch = step * schedule.epochs // total
        return 0.1 ** sum(epoch >= m for m in schedule.milestones)
    return 1.0 if schedule.decay == "constant" else 0.5 * (1 + math.cos(math.pi * step / total))
