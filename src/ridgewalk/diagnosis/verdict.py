"""
Figures of a discriminator -> one of the words of ``ridgewalk.thresholds``, and a sentence that says why.

The rules, of which the first that holds decides, with s the spread of logits and "the sides differ" where a fresh probe's AUC is above 0.6:

    dead           s < 0.05 and the sides differ; or s < 0.05 even between these points and points far away
    equilibrium    |AUC - 1/2| < 0.05 and the sides are alike
    dead           AUC < 0.55 (finished);  |AUC - 1/2| < 0.05 and the probe's AUC is above 0.75 (with an opponent)
    overconfident  cross-entropy > ln 2 and AUC > 0.55 (finished)
    saturated      median |logit| > 5
    alive          otherwise

A discriminator that is being trained against an opponent may be behind, or may take one side for the other, for a while: its opponent has
just moved. This is not death, nor is it overconfidence. A sensor whose training is finished has no such excuse.
"""

from dataclasses import dataclass

from ridgewalk.diagnosis.measure import LogitFigures
from ridgewalk.thresholds import (
    AUC_MARGIN,
    CHANCE,
    FEWEST,
    FLAT_SPREAD,
    PROBE_ALIKE,
    PROBE_APART,
    PROBE_LEAD,
    SATURATED_LOGIT,
    Verdict,
)


@dataclass(frozen=True)
class Subject:
    """
    The discriminator that a verdict is about.

    Attributes:
        name: name of the discriminator; the sentence begins with it.
        positive: the positive side, in words.
        negative: the negative side, in words.
        opponent: whether it is being trained against a network that makes its negative side.
    """

    name: str
    positive: str = "one side"
    negative: str = "the other"
    opponent: bool = False


def judge(
    subject: Subject, logits: LogitFigures, probe: float, far: float | None = None, points: int | None = None
) -> tuple[Verdict, str]:
    """
    Says in which state a discriminator is.

    Args:
        subject: the discriminator.
        logits: figures of its logits on held-out points.
        probe: AUC of a fresh probe on the same points.
        far: mean logit of points far from both sides, less the mean logit of both sides; None where it was not measured.

        points: number of points of each side; below ``FEWEST`` the sentence calls the verdict undecided.

    Returns:
        The verdict, and a sentence with the figures and, where something is wrong, with advice.
    """
    facts = (
        f"of pairs of held-out points, one of each, it puts {logits.auc:.0%} in the right order and a classifier newly trained on these points {probe:.0%}, "
        f"where chance is 50%; its cross-entropy is {logits.bce:.3f}, where chance is {CHANCE:.3f}, "
        f"and the standard deviation of its logits {logits.spread:.2f}"
    )
    verdict, why = _decide(subject, logits, probe, far)
    advice = _ADVICE[subject.opponent].get(verdict, "")
    if verdict == "dead" and not subject.opponent and probe <= PROBE_ALIKE:
        advice = "; walks guided by it are no better than LERP, and where a newly trained classifier sees no difference, training it again promises none"
    state = "at equilibrium" if verdict == "equilibrium" else verdict
    if points is not None and points < FEWEST:
        return (
            verdict,
            f"whether {subject.name} is {state} is undecided on {points} points of each side, fewer than {FEWEST}: {why} ({facts}).",
        )
    return verdict, f"{subject.name} is {state}: {why} ({facts}){advice}."


def _decide(subject: Subject, logits: LogitFigures, probe: float, far: float | None) -> tuple[Verdict, str]:
    """The verdict and its reason."""
    sides = f"{subject.positive} from {subject.negative}"
    flat, at_chance = logits.spread < FLAT_SPREAD, abs(logits.auc - 0.5) < AUC_MARGIN
    if flat and probe > PROBE_ALIKE:
        return "dead", f"its score is the same everywhere, while a newly trained classifier separates {sides}"
    if flat and far is not None and abs(far) < FLAT_SPREAD:
        return "dead", "its score is the same everywhere, even at points far from both sides"
    if at_chance and probe <= PROBE_ALIKE:
        return "equilibrium", f"a newly trained classifier cannot separate {sides} either"
    if (at_chance and probe > PROBE_APART) if subject.opponent else logits.auc < 0.5 + AUC_MARGIN:
        reached = (
            "while a newly trained classifier does"
            if probe > PROBE_ALIKE
            else "and a newly trained classifier cannot either"
        )
        return "dead", f"its score does not separate {sides}, {reached}"
    if not subject.opponent and logits.bce > CHANCE:
        return "overconfident", (
            "it orders points, but its held-out cross-entropy is worse than chance: "
            "it is overfitted to its training points, or was trained for another task"
        )
    if logits.median > SATURATED_LOGIT:
        return "saturated", f"its median |logit| is {logits.median:.1f}, so that probabilities carry no gradient"
    if logits.auc < 0.5 - AUC_MARGIN:
        return "alive", "at present it takes one side for the other, which its opponent has learned to bring about"
    if subject.opponent and probe - logits.auc > PROBE_LEAD:
        return "alive", f"a newly trained classifier separates {sides} better, so it lags behind its opponent"
    return "alive", f"it separates {sides}"


_ADVICE: dict[bool, dict[Verdict, str]] = {
    False: {
        "dead": "; walks guided by it are no better than LERP: train it again, or choose the energy of another sensor",
        "equilibrium": "; it says little about holes",
        "overconfident": "; train it for fewer epochs, or on more data",
        "saturated": "; use energies of the raw logit",
    },
    True: {
        "dead": "; raise its learning rate, and start from PyTorch's default weights",
        "saturated": "; lower its learning rate, or add R1, spectral norm or noise on its inputs",
    },
}
