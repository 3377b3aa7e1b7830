"""How long and how fast a model is trained."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic.dataclasses import dataclass

from ridgewalk.settings.fields import TABLE, Batch, Count, CountOrNone, Positive, Seed, Share


@dataclass(frozen=True, config=TABLE)
class Schedule:
    """How long and how fast a model is trained, and how often something is written down."""

    epochs: Count = 20
    """Passes over the data."""
    batch: Batch = 256
    """Rows of the global batch; an incomplete last batch of an epoch is left out."""
    rate: Positive = 1e-3
    """Learning rate of every optimiser that ``rates`` does not name."""
    rates: Mapping[str, Positive] = field(default_factory=dict)
    """Learning rates by optimiser, such as autoencoder, discriminator, matcher or critic."""
    optimiser: Literal["adam", "sgd"] = "adam"
    """Adam, with ``betas``, or stochastic gradient descent with momentum."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Decays of Adam's two moments; the first is the momentum of SGD where ``momenta`` names none."""
    momenta: Mapping[str, Share] = field(default_factory=dict)
    """Momenta of SGD by optimiser."""
    decay: Literal["constant", "cosine", "steps"] = "constant"
    """Of the learning rates: none, cosine to 0 over the whole run (Loshchilov and Hutter 2017), or by 10 at each milestone."""
    milestones: tuple[Count, ...] = ()
    """Epochs after which the decay "steps" divides the learning rates by 10."""
    clip: Positive | None = None
    """Largest norm of one optimiser's gradient; left out for no limit."""
    ema: Share | None = None
    """Decay of the moving average of every network (Polyak), which is then what is kept; left out for none."""
    log_every: Count = 50
    """Steps between two writings of the log, which has a line for each step."""
    checkpoint_every: CountOrNone = 0
    """Steps between two checkpoints; 0 writes one at the end of each epoch."""
    log_gradients: bool = False
    """Whether the norm of each optimiser's gradient, before it is clipped, is logged as NAME_gradient."""
    seed: Seed = 0
    """Of the order of the data and of the noise, mixed with the run's own seed."""

    def __post_init__(self) -> None:
        if self.momenta and self.optimiser != "sgd":
            raise ValueError(f"momenta are SGD's; got {dict(self.momenta)} for the optimiser '{self.optimiser}'")
        if (self.decay == "steps") != bool(self.milestones):
            raise ValueError(
                f"decay = 'steps' needs milestones, and no other decay has them; got '{self.decay}' and {list(self.milestones)}"
            )
