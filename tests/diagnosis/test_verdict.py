"""Each rule of the verdicts, on both sides of its threshold, from figures alone."""

from dataclasses import replace

import pytest
import torch

from ridgewalk.diagnosis.measure import LogitFigures, logit_figures
from ridgewalk.diagnosis.verdict import Subject, judge
from ridgewalk.thresholds import CHANCE

NORMAL = replace(
    logit_figures(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, -2.0])), spread=0.8, median=1.0, auc=0.8, bce=0.55
)
SENSOR = Subject("detector", "encoded data", "its negatives")
PLAYER = Subject("discriminator", opponent=True)


@pytest.mark.parametrize(
    ("changes", "probe", "finished", "opponent"),
    [
        ({}, 0.8, "alive", "alive"),
        ({"spread": 0.04}, 0.61, "dead", "dead"),
        ({"spread": 0.06}, 0.61, "alive", "alive"),
        ({"spread": 0.04, "auc": 0.5}, 0.6, "equilibrium", "equilibrium"),
        ({"auc": 0.54}, 0.6, "equilibrium", "equilibrium"),
        ({"auc": 0.46}, 0.6, "equilibrium", "equilibrium"),
        ({"auc": 0.52}, 0.68, "dead", "alive"),  # behind an opponent that has just moved
        ({"auc": 0.52}, 0.76, "dead", "dead"),
        ({"auc": 0.40}, 0.63, "dead", "alive"),
        ({"auc": 0.60, "bce": CHANCE + 0.01}, 0.63, "overconfident", "alive"),
        ({"median": 5.1}, 0.8, "saturated", "saturated"),
        ({"median": 5.1, "bce": CHANCE + 0.01}, 0.8, "overconfident", "saturated"),
    ],
)
def test_the_first_rule_that_holds_decides(
    changes: dict[str, float], probe: float, finished: str, opponent: str
) -> None:
    logits: LogitFigures = replace(NORMAL, **changes)  # type: ignore[arg-type]
    for subject, verdict in ((SENSOR, finished), (PLAYER, opponent)):
        found, sentence = judge(subject, logits, probe)
        assert found == verdict
        assert sentence.startswith(f"{subject.name} is ")
        assert verdict in sentence
        assert f"a classifier newly trained on these points {probe:.0%}" in sentence


def test_a_score_that_is_flat_far_away_as_well_is_dead_although_the_sides_are_alike() -> None:
    flat = replace(NORMAL, spread=0.04, auc=0.5)
    assert [judge(PLAYER, flat, 0.5, far)[0] for far in (0.04, -0.06)] == ["dead", "equilibrium"]


@pytest.mark.parametrize(
    ("auc", "probe", "words"), [(0.40, 0.63, "takes one side for the other"), (0.56, 0.68, "lags behind its opponent")]
)
def test_a_discriminator_that_lags_is_alive_and_its_sentence_states_it(auc: float, probe: float, words: str) -> None:
    verdict, sentence = judge(PLAYER, replace(NORMAL, auc=auc), probe)
    assert verdict == "alive"
    assert words in sentence


@pytest.mark.parametrize(("probe", "advised"), [(0.63, True), (0.55, False)])
def test_training_again_is_advised_only_where_a_probe_sees_a_difference(probe: float, advised: bool) -> None:
    verdict, sentence = judge(SENSOR, replace(NORMAL, auc=0.40), probe)
    assert verdict == "dead"
    assert ("train it again, or" in sentence) == advised
    assert ("a newly trained classifier cannot either" in sentence) != advised


@pytest.mark.parametrize(("points", "undecided"), [(49, True), (50, False), (None, False)])
def test_a_verdict_from_few_points_is_called_undecided(points: int | None, undecided: bool) -> None:
    for subject in (SENSOR, PLAYER):
        verdict, sentence = judge(subject, replace(NORMAL, spread=0.04), 0.7, points=points)
        assert verdict == "dead"
        assert ("is undecided on 49 points of each side" in sentence) == undecided
        assert not (undecided and ("train it again" in sentence or "raise its" in sentence))
