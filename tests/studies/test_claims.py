"""The function that judges claims: every direction, the settling of criteria, and their combination."""

import math
from collections.abc import Sequence

import pytest

from ridgewalk.metrics.statistics import Interval
from ridgewalk_studies.claims import LEAST, SEEDS, Claim, Criterion, Fate, Measured, Verdict, judge


def interval(value: float, low: float, high: float, n: int = 200) -> Interval:
    return Interval(value, low, high, 0.95, n)


def by_value(direction: str, threshold: float, **more: float) -> Criterion:
    return Criterion("figure", direction, threshold, settled_by="value", **more)  # type: ignore[arg-type]


ABOVE, BELOW = Criterion("figure", "above", 0), Criterion("figure", "below", 0)
GRADED = Criterion("figure", "above", 0.5, part=0)
NEAR = Criterion("figure", "within", 0.05, target=0.5)
NONE_THAT_MATTERS = Criterion("figure", "within", 0.05, refuted=0)
NO_WORSE = Criterion("figure", "above", -0.01, refuted=0)


@pytest.mark.parametrize(
    ("criterion", "measured", "fate"),
    [
        (ABOVE, interval(0.2, 0.1, 0.3), "held"),
        (BELOW, interval(0.2, 0.1, 0.3), "did not hold"),
        (ABOVE, interval(0.2, -0.1, 0.3), "undecided"),
        (ABOVE, interval(-0.2, -0.3, -0.1), "did not hold"),
        (ABOVE, interval(0.2, 0.0, 0.3), "undecided"),
        (ABOVE, interval(0.0, 0.0, 0.0), "undecided"),
        (BELOW, interval(-0.2, -0.3, -0.1), "held"),
        (Criterion("figure", "at least", 0), interval(0.2, 0.0, 0.3), "held"),
        (Criterion("figure", "at most", 0), interval(-0.2, -0.3, 0.0), "held"),
        (ABOVE, interval(0.99, 0.9, 0.98), "held"),  # a percentile interval may miss its own value
        (ABOVE, interval(math.nan, -math.inf, math.inf), "undecided"),
        (ABOVE, interval(0.5, 0.5, 0.5, n=LEAST - 1), "undecided"),
        (ABOVE, interval(0.5, 0.5, 0.5, n=LEAST), "held"),
        (Criterion("figure", "above", 0, least=SEEDS), interval(0.5, 0.4, 0.6, n=2), "held"),
        (ABOVE, 0.5, "undecided"),  # a point value settles nothing that an interval must settle
        (GRADED, interval(0.6, 0.55, 0.65), "held"),
        (GRADED, interval(0.3, 0.2, 0.4), "held in part"),
        (GRADED, interval(0.45, 0.4, 0.55), "held in part"),
        (GRADED, interval(0.1, -0.1, 0.3), "undecided"),
        (GRADED, interval(-0.2, -0.3, -0.1), "did not hold"),
        (NEAR, interval(0.51, 0.48, 0.54), "held"),
        (NEAR, interval(0.66, 0.63, 0.69), "did not hold"),
        (NEAR, interval(0.4, 0.38, 0.42), "did not hold"),
        (NEAR, interval(0.54, 0.5, 0.58), "undecided"),
        (NEAR, interval(0.51, 0.48, 0.54, n=49), "undecided"),
        (NONE_THAT_MATTERS, interval(0.01, -0.02, 0.04), "held"),
        (NONE_THAT_MATTERS, interval(-0.06, -0.09, -0.01), "did not hold"),
        (NONE_THAT_MATTERS, interval(0.03, -0.01, 0.07), "undecided"),
        (NO_WORSE, interval(0.0, -0.005, 0.005), "held"),
        (NO_WORSE, interval(-0.02, -0.03, -0.01), "did not hold"),
        (NO_WORSE, interval(0.0, -0.02, 0.02), "undecided"),
        (by_value("at most", 2), 2.0, "held"),
        (by_value("below", 2), 2.0, "did not hold"),
        (by_value("below", 2), interval(1.0, 0.0, 3.0), "held"),
        (by_value("below", 2), interval(1.0, 1.0, 1.0, n=3), "undecided"),
        (by_value("below", 2), math.nan, "undecided"),
        (by_value("below", 2), math.inf, "did not hold"),
        (by_value("at least", 1, part=0.5), 0.5, "held in part"),
        (by_value("at least", 1, part=0.5), 0.4, "did not hold"),
        (by_value("below", -0.005, refuted=0.005), 0.0, "undecided"),
        (by_value("below", -0.005, refuted=0.005), 0.01, "did not hold"),
        (by_value("above", 0), [1.0, 2.0], "held"),
        (by_value("above", 0), [1.0, -2.0], "held in part"),
        (by_value("above", 0), [-1.0, -2.0], "did not hold"),
        (by_value("above", 0), [], "undecided"),
        (ABOVE, [interval(-0.2, -0.3, -0.1), interval(0.1, -0.1, 0.3)], "undecided"),
    ],
)
def test_a_criterion_is_settled_only_by_its_own_conditions(
    criterion: Criterion, measured: Measured, fate: Fate
) -> None:
    assert criterion.judge(measured) == fate


YES, NO, OPEN = interval(0.2, 0.1, 0.3), interval(-0.2, -0.3, -0.1), interval(0.0, -0.1, 0.1)


@pytest.mark.parametrize(
    ("rule", "measured", "fate"),
    [
        ("all", (YES, YES), "held"),
        ("all", (YES, NO), "did not hold"),
        ("all", (YES, OPEN), "undecided"),
        ("all", (OPEN, NO), "did not hold"),
        ("some", (YES, YES), "held"),
        ("some", (YES, NO), "held in part"),
        ("some", (NO, NO), "did not hold"),
        ("some", (OPEN, NO), "undecided"),
        ("first", (YES, OPEN), "held in part"),
        ("first", (NO, YES), "did not hold"),
        ("first", (OPEN, YES), "undecided"),
        ("weaker", (YES, NO), "held"),
        ("weaker", (NO, YES), "held in part"),
        ("weaker", (NO, OPEN), "undecided"),
        ("weaker", (OPEN, YES), "undecided"),
    ],
)
def test_the_rule_of_a_claim_combines_its_criteria(rule: str, measured: Sequence[Measured], fate: Fate) -> None:
    claim = Claim("both rise", "", (ABOVE, ABOVE), rule)  # type: ignore[arg-type]
    assert judge(claim, *measured, figure="two figures").fate == fate


def test_the_condition_describes_when_a_claim_holds() -> None:
    assert Claim("c", "", (GRADED,)).condition == "held: figure above 0.5 (in part above 0)"
    assert Claim("c", "", (NEAR, BELOW), "first").condition == (
        "held: figure within 0.05 of 0.5 and figure below 0; in part: figure within 0.05 of 0.5"
    )
    assert Claim("c", "", (ABOVE, BELOW), "weaker").condition == "held: figure above 0; in part: figure below 0"
    assert "holds in part only" in Claim("c", "", (Criterion("figure", "above", math.inf, part=0),)).condition
    assert "refutes it" in Claim("c", "", (Criterion("figure", "at most", -math.inf, refuted=2),)).condition


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="has 1 criteria; got 2 figures"):
        judge(Claim("c", "", (ABOVE,)), YES, NO, figure="0")
    with pytest.raises(ValueError, match="needs a figure"):
        judge(Claim("c", "", (ABOVE,)), YES, figure=" ")
    with pytest.raises(ValueError, match="a statement and a criterion"):
        Claim("c", "", ())
    with pytest.raises(ValueError, match="must be one of"):
        Verdict(Claim("c", "", (ABOVE,)), "true", "0.5")  # type: ignore[arg-type]
