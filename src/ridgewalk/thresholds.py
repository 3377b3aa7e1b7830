"""
The words for the state of a discriminator, and the thresholds that separate them. Every module that uses these words takes both from here.

    dead           its score is the same everywhere, or at chance, although a fresh probe separates the two sides
    equilibrium    its score is at chance, and so is a fresh probe: the two sides are alike
    at chance      its score is at chance and no probe was trained, so that it is either dead or at equilibrium
    overconfident  it ranks points correctly, but its held-out cross-entropy is worse than chance
    saturated      its logits are so large that its probabilities are 0 and 1 and their gradients vanish
    alive          none of these

A *side* is one of the two sets of points that a discriminator is trained to separate. A *fresh probe* is another classifier, trained
from scratch on held-out points of both sides.
"""

from math import log
from typing import Literal

Verdict = Literal["dead", "equilibrium", "at chance", "overconfident", "saturated", "alive"]

CHANCE = log(2)
"""Balanced binary cross-entropy, in nats, of a logit that is 0 everywhere; no other constant logit has less."""

NEAR_CHANCE = 0.005
"""A cross-entropy in the training log is at chance if it differs from ``CHANCE`` by less than this, in nats."""

BELOW_CHANCE = 1e-3
"""A held-out cross-entropy must be this far below ``CHANCE``, in nats, to count as better: one of ten may be lower by chance."""

FLAT_SPREAD = 0.05
"""A discriminator whose logits have a standard deviation below this gives the same score to everything."""

SATURATED_LOGIT = 5.0
"""Logits are saturated if half of them are larger than this: sigmoid(5) = 0.993."""

AUC_MARGIN = 0.05
"""An AUC is at chance if it differs from 1/2 by less than this."""

PROBE_ALIKE = 0.6
"""The two sides are alike if the AUC of a fresh probe is at most this."""

PROBE_APART = 0.75
"""The two sides differ clearly if the AUC of a fresh probe is above this."""

PROBE_LEAD = 0.1
"""A discriminator lags behind its opponent if the AUC of a fresh probe exceeds its own by more than this."""

FEWEST = 50
"""On fewer points of each side an AUC has a standard error above 0.06, more than ``AUC_MARGIN``: a verdict from it is undecided.
A share of frames of fewer pairs, or by judges with fewer real images, is an impression."""

LEAST_VARIATION = 0.1
"""A generator has collapsed if its outputs vary by less than this share of the variation that they should have."""

LEAST_KL = 0.1
"""A posterior has collapsed to the prior if its KL divergence, in nats, is below this."""
