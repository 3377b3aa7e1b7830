"""
Faults of an adversarial training that its log shows while it runs.

The terms of the log are averaged over windows of ``WINDOW`` steps. In each window every optimiser has one of these states, or none:

    saturated    |mean logit of one side - mean logit of the other| > 10: half of the logits are then about 5 or more in size
    at chance    |cross-entropy - ln 2| < 0.005 and the logits' spread is below 0.05: dead or at equilibrium, which the log cannot distinguish
    collapsed    the decoder's draws vary by less than a tenth of the images' own variation: every code gives the same picture
    constant     an interpolation network's outputs vary between pairs by less than a tenth of what straight lines do
    posterior    the KL term is below 0.1 nats: the codes carry no information about their images

The words for discriminators and all thresholds are those of ``ridgewalk.thresholds``. An event is logged when a state begins and when it
ends. Events depend on the logged lines alone, so that a resumed run logs the same events as an uninterrupted one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ridgewalk.thresholds import CHANCE, FLAT_SPREAD, LEAST_KL, LEAST_VARIATION, NEAR_CHANCE, SATURATED_LOGIT

WINDOW = 100
"""Number of steps over which the terms are averaged."""


@dataclass(frozen=True)
class Event:
    """
    The beginning or the end of a state.

    Attributes:
        step: the last step of the window.
        name: name of the optimiser.
        state: ``saturated``, ``at chance``, ``collapsed``, ``constant`` or ``posterior``; ``recovered`` when a state ends.
        sentence: the event in words, with the figures.
    """

    step: int
    name: str
    state: str
    sentence: str

    def line(self) -> dict[str, object]:
        """The line that is written to the log."""
        return {"step": self.step, "event": self.state, "name": self.name, "sentence": self.sentence}


@dataclass(eq=False)
class Health:
    """Turns the lines of a training's log, given in order, into events."""

    _window: list[Mapping[str, float]] = field(default_factory=list)
    _states: dict[str, str] = field(default_factory=dict)

    def feed(self, lines: Iterable[Mapping[str, float]]) -> Iterator[Event]:
        """
        Yields the events of the windows that these lines complete.

        Args:
            lines: lines of the log, each with ``step`` and terms; a discriminator NAME has the terms NAME, NAME_gap and NAME_spread.
        """
        for line in lines:
            self._window.append(line)
            if int(line["step"]) % WINDOW == 0:
                means = {k: sum(w[k] for w in self._window) / len(self._window) for k in line if k != "step"}
                self._window.clear()
                yield from self._compare(int(line["step"]), means)

    def _compare(self, step: int, means: Mapping[str, float]) -> Iterator[Event]:
        """Yields what is different from the window before."""
        found = _states(means)
        for name in sorted({*found, *self._states}):
            state, sentence = found.get(name, ("", ""))
            before = self._states.get(name, "")
            if state == before:
                continue
            if state:
                self._states[name] = state
                yield Event(step, name, state, f"step {step}: {name} {sentence}")
            else:
                del self._states[name]
                was = "collapsed on to the prior" if before == "posterior" else before
                yield Event(step, name, "recovered", f"step {step}: {name} is no longer {was}")


def _states(means: Mapping[str, float]) -> dict[str, tuple[str, str]]:
    """State and sentence of each optimiser that has one, from the means of a window."""
    found = {}
    for name in (k.removesuffix("_gap") for k in means if k.endswith("_gap")):
        bce, gap, spread = means[name], means[f"{name}_gap"], means[f"{name}_spread"]
        if gap > 2 * SATURATED_LOGIT:
            found[name] = (
                "saturated",
                f"is saturated: the mean logits of its two sides are {gap:.1f} apart, so that its opponents get almost no gradient; "
                "lower its learning rate, or add R1, spectral norm or noise on its inputs",
            )
        elif abs(bce - CHANCE) < NEAR_CHANCE and spread < FLAT_SPREAD:
            found[name] = (
                "at chance",
                f"is at chance: cross-entropy {bce:.4f} (chance is {CHANCE:.4f}), logit spread {spread:.3f}; "
                "it is dead or at equilibrium; a newly trained classifier distinguishes these (ridgewalk sensors)",
            )
    if means.get("diversity", 1.0) < LEAST_VARIATION:
        found["decoder"] = (
            "collapsed",
            f"has collapsed: its draws vary by {means['diversity']:.1%} of what images do; "
            "lower the adversarial weight, or the critic's learning rate",
        )
    if means.get("variety", 1.0) < LEAST_VARIATION:
        found["interpolation"] = (
            "constant",
            f"network has collapsed: between pairs its points vary by {means['variety']:.1%} of what straight lines do, "
            "which is one path for all pairs; raise the attraction",
        )
    if means.get("kl", 1.0) < LEAST_KL:
        found["encoder"] = (
            "posterior",
            f"has a posterior that collapsed on to the prior: KL divergence {means['kl']:.3f} nats; lower beta",
        )
    return found
