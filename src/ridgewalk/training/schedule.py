"""How long and how fast: the settings of a training, and the optimiser and the decay of the learning rate that they ask for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from ridgewalk import naming

OPTIMISERS = ("adam", "sgd")
DECAYS = ("constant", "cosine", "steps")


@dataclass(frozen=True)
class Schedule:
    """
    How long, how fast, and how often something is written down.

    Attributes:
        epochs: passes over the data.
        batch: rows of the global batch; an incomplete last batch of an epoch is left out.
        rate: learning rate of every player that ``rates`` does not name.
        rates: learning rates by player.
        optimiser: ``adam`` (betas as given) or ``sgd``.
        betas: of Adam; the first is the momentum of SGD, of every player that ``momenta`` does not name.
        momenta: of SGD, by player.
        weight_decay: L2 penalty's weight.
        decay: ``constant``, ``cosine`` to 0 over the whole run (Loshchilov and Hutter 2017), or ``steps``: by 10 at each of ``milestones``.
        milestones: epochs, from the start, after which ``steps`` divides the learning rates.
        clip: largest gradient norm of a player; None for no limit.
        ema: decay of the moving average of every network (Polyak); None for none.
        log_every: steps between two writings of the log (each step has its line).
        log_gradients: also log the norm of each player's gradient, as "PLAYER_gradient", before it is clipped.
        checkpoint_every: steps between two checkpoints; 0 writes one at the end of each epoch.
        seed: of order, noise and nothing else.
    """

    epochs: int = 20
    batch: int = 256
    rate: float = 1e-3
    rates: Mapping[str, float] = field(default_factory=dict)
    optimiser: str = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    momenta: Mapping[str, float] = field(default_factory=dict)
    weight_decay: float = 0.0
    decay: str = "constant"
    milestones: tuple[int, ...] = ()
    clip: float | None = None
    ema: float | None = None
    log_every: int = 50
    checkpoint_every: int = 0
    log_gradients: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known, value in (("optimiser", OPTIMISERS, self.optimiser), ("decay", DECAYS, self.decay)):
            if value not in known:
                raise ValueError(naming.unknown(name, value, known))
        if self.epochs < 1 or self.batch < 2 or self.log_every < 1 or self.checkpoint_every < 0:
            raise ValueError(
                "a schedule needs epochs >= 1, batch >= 2, log_every >= 1 and checkpoint_every >= 0; got "
                f"{self.epochs}, {self.batch}, {self.log_every}, {self.checkpoint_every}"
            )
        if not all(0 < rate < math.inf for rate in (self.rate, *self.rates.values())):
            raise ValueError(f"learning rates must be finite and above 0; got {self.rate}, {dict(self.rates)}")
        if not all(0 <= m < 1 for m in self.momenta.values()) or (self.momenta and self.optimiser != "sgd"):
            raise ValueError(f"momenta are SGD's, each in [0, 1); got {dict(self.momenta)} for '{self.optimiser}'")
        if (self.decay == "steps") != bool(self.milestones) or min(self.milestones, default=1) < 1:
            raise ValueError(
                f"decay = 'steps' needs milestones, epochs >= 1, and no other decay has them; got '{self.decay}' and {list(self.milestones)}"
            )
        if not all(0 <= beta < 1 for beta in self.betas) or not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                f"a schedule needs betas in [0, 1) and weight_decay >= 0; got {self.betas}, {self.weight_decay}"
            )
        if (self.clip is not None and not self.clip > 0) or (self.ema is not None and not 0 <= self.ema < 1):
            raise ValueError(f"clip must be above 0 and ema in [0, 1), or left out; got {self.clip} and {self.ema}")


def optimiser(schedule: Schedule, player: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of one player's parameters, at the player's own learning rate."""
    rate = schedule.rates.get(player, schedule.rate)
    if schedule.optimiser == "sgd":
        momentum = schedule.momenta.get(player, schedule.betas[0])
        return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=schedule.weight_decay, fused=True)
    return torch.optim.Adam(parameters, lr=rate, betas=schedule.betas, weight_decay=schedule.weight_decay, fused=True)


def decay_factor(schedule: Schedule, step: int, total: int) -> float:
    """What the learning rate is multiplied by at a step of ``total``."""
    if schedule.decay == "steps":
        epoch = step * schedule.epochs // total
        return 0.1 ** sum(epoch >= m for m in schedule.milestones)
    return 1.0 if schedule.decay == "constant" else 0.5 * (1 + math.cos(math.pi * step / total))
