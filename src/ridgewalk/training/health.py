"""
What goes wrong in adversarial training, seen in the log while it happens.

Of windows of ``WINDOW`` steps the means are taken, and each player named by its terms is in one of these states:

    saturated   the gap between a discriminator's mean logits exceeds 10: probabilities of 0 and 1, whose gradients vanish
    silent      its cross-entropy is within 0.005 of chance and its logits spread by less than 0.05: the same score for everything
    collapsed   the decoder's draws vary by less than a tenth of the images' own variation: one picture for every code
    constant    an interpolation network's outputs vary between pairs by less than a tenth of what straight lines do
    posterior   the KL term is below 0.1 nats: the codes tell nothing of their images

A state is told once, when it is entered, and once more when it is left. It is a function of the logged lines alone, so that a resumed
run tells what an uninterrupted one would have told.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import log

WINDOW = 100
"""Steps whose terms are averaged."""


@dataclass(frozen=True)
class Event:
    """
    A state entered or left.

    Attributes:
        step: the last of the window.
        name: of the term or discriminator.
        state: ``saturated``, ``silent``, ``collapsed``, ``constant`` or ``posterior``; ``recovered`` when left.
        sentence: in plain words, with the figures.
    """

    step: int
    name: str
    state: str
    sentence: str

    def line(self) -> dict[str, object]:
        """As it stands in the log."""
        return {"step": self.step, "event": self.state, "name": self.name, "sentence": self.sentence}


@dataclass(eq=False)
class Health:
    """Takes logged lines in order, and yields what they show."""

    _window: list[Mapping[str, float]] = field(default_factory=list)
    _states: dict[str, str] = field(default_factory=dict)

    def feed(self, lines: Iterable[Mapping[str, float]]) -> Iterator[Event]:
        """
        Events that these lines complete.

        Args:
            lines: of the log, each with ``step`` and terms; a discriminator NAME has the terms NAME, NAME_gap and NAME_spread.
        """
        for line in lines:
            self._window.append(line)
            if int(line["step"]) % WINDOW == 0:
                means = {k: sum(w[k] for w in self._window) / len(self._window) for k in line if k != "step"}
                self._window.clear()
                yield from self._judge(int(line["step"]), means)

    def _judge(self, step: int, means: Mapping[str, float]) -> Iterator[Event]:
        found = {}
        for name in (k.removesuffix("_gap") for k in means if k.endswith("_gap")):
            bce, gap, spread = means[name], means[f"{name}_gap"], means[f"{name}_spread"]
            if gap > 10:
                found[name] = (
                    "saturated",
                    f"{name} is saturated: its mean logits are {gap:.1f} apart, so it gives its opponents hardly a gradient; "
                    "lower its learning rate, or add R1, spectral norm or instance noise",
                )
            elif abs(bce - log(2)) < 0.005 and spread < 0.05:
                found[name] = (
                    "silent",
                    f"{name} is silent: cross-entropy {bce:.4f} at chance ({log(2):.4f}) and logits that spread by {spread:.3f}; "
                    "collapsed, or at equilibrium, which a fresh probe tells (ridgewalk sensors)",
                )
        if "diversity" in means and means["diversity"] < 0.1:
            found["decoder"] = (
                "collapsed",
                f"decoder has collapsed: its draws vary by {means['diversity']:.1%} of what images do; "
                "lower the adversarial weight, or the critic's learning rate",
            )
        if "variety" in means and means["variety"] < 0.1:
            found["interpolation"] = (
                "constant",
                f"interpolation network has collapsed: between pairs its points vary by {means['variety']:.1%} of what straight lines do, one path "
                "for all; raise the attraction",
            )
        if "kl" in means and means["kl"] < 0.1:
            found["encoder"] = (
                "posterior",
                f"encoder's posterior has collapsed on to the prior: KL {means['kl']:.3f} nats; lower beta",
            )
        for name in sorted({*found, *self._states}):
            state, sentence = found.get(name, ("", ""))
            before = self._states.get(name, "")
            if state == before:
                continue
            if state:
                self._states[name] = state
                yield Event(step, name, state, f"step {step}: {sentence}")
            else:
                del self._states[name]
                yield Event(step, name, "recovered", f"step {step}: {name} is no longer {_PLAIN[before]}")


_PLAIN = {
    "saturated": "saturated",
    "silent": "silent",
    "collapsed": "collapsed",
    "constant": "constant",
    "posterior": "collapsed on to the prior",
}
