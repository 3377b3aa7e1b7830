"""Sensors against grades where the answer is known: the judge's balls and the sensor's logit are formulas of one number."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.data import Images
from ridgewalk.diagnosis.misalignment import GradedPoints, Misalignment, compare, grade
from ridgewalk.judging.discernment import CompositeJudge
from ridgewalk.judging.judges import Judge
from ridgewalk.models.classifiers import Classifier
from ridgewalk.models.discriminators import Discriminator
from ridgewalk.reports.sensors import misalignment_section
from sighted import Formula, sighted

N = 200


class Black(nn.Module):
    """Images (n, 1, 2, 2) to their first pixel: (n, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1, 0, 0]


def judge_of_darkness(name: str = "A") -> Judge:
    """Grey x is real up to 2 / 255, and the less real the lighter it is: the logit is -255 x, with the threshold -2."""
    rows = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    rows[2:] = 1
    reference = Images(rows, torch.zeros(4, dtype=torch.int64), ("all",))
    composite = sighted(lambda x: -255 * x[:, 0, 0, 0], -2.0, reference)
    return Judge(
        name, Classifier(Black(), 1, 1).eval(), torch.empty(0, dtype=torch.int64), reference, False, 1.0, composite, k=2
    )


def decode(z: Tensor) -> Tensor:
    """The first coordinate is the grey of every pixel."""
    return z[:, :1, None, None].expand(-1, 1, 2, 2)


def spread(n: int = N, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Tensor:
    """Grey at even steps, shuffled; the second coordinate knows nothing of it: (n, 2)."""
    g = torch.Generator().manual_seed(seed)
    grey = torch.linspace(low, high, n)[torch.randperm(n, generator=g)]
    return torch.stack([grey, torch.rand(n, generator=g) * 2 - 1], dim=1)


def groups() -> dict[str, Tensor]:
    """Greys above 2 / 255 are unreal: all of the prior, half of the encodings."""
    real = spread(N // 2, 0.0, 1 / 255, seed=2)
    return {
        "prior": spread(N, 0.1, 1.0),
        "lerp": spread(N, 0.05, 0.9, seed=1),
        "encoded": torch.cat([real, spread(N // 2, 0.1, 1.0, seed=3)]),
    }


def graded_by_darkness(points: dict[str, Tensor]) -> GradedPoints:
    return grade(points, decode, [judge_of_darkness()])


@pytest.fixture(scope="module")
def graded() -> GradedPoints:
    return graded_by_darkness(groups())


def sensor(formula: Callable[[Tensor], Tensor], positive: str = "encoded") -> Discriminator:
    return Discriminator(Formula(formula), positive)


def value(found: Misalignment, quantity: str, group: str = "all", reading: int = -1) -> float:
    return getattr(found.readings[reading], quantity)[group]["mean"].value


def test_grades_are_those_of_the_composite_judge(graded: GradedPoints) -> None:
    assert not graded.real["A"]["prior"].any()
    assert graded.real["A"]["encoded"].tolist() == [1] * (N // 2) + [0] * (N // 2)
    grey = graded.groups["prior"][:, 0]
    assert torch.allclose(graded.realism["A"]["prior"], 2 - 255 * grey.double(), rtol=1e-5)


def test_a_judge_that_cannot_tell_leaves_everything_undefined() -> None:
    judge = judge_of_darkness()
    blind = replace(judge, composite=CompositeJudge("A", judge.composite.network, torch.zeros(5), judge.reference))
    found = compare("it", sensor(lambda z: z[:, 0], "prior"), grade(groups(), decode, [blind]), 0)
    assert "— of these are unreal to the judges" in found.sentence
    assert "undefined with closeness to 1/2, undefined with its density ratio" in found.sentence
    assert json.loads(json.dumps(found.figures(), allow_nan=False)) == found.figures()
    assert misalignment_section([found]).blocks == ()


@pytest.mark.parametrize(("sign", "positive"), [(-1.0, "encoded"), (1.0, "prior"), (-1.0, "real")])
def test_a_sensor_that_orders_as_the_judge_does_has_rank_correlation_one(
    sign: float, positive: str, graded: GradedPoints
) -> None:
    found = compare("it", sensor(lambda z: sign * 5 * (z[:, 0] - 0.5), positive), graded, 0)
    for group in ("prior", "lerp"):
        interval = found.readings[-1].correlation[group]["A"]
        assert interval is not None
        assert (interval.value, interval.low, interval.high) == pytest.approx((1, 1, 1))
        assert value(found, "correlation", group) == pytest.approx(1)
    turned = compare("it", sensor(lambda z: -sign * z[:, 0], positive), graded, 0)
    assert value(turned, "correlation", "prior") == pytest.approx(-1)


def test_a_sensor_of_something_else_has_rank_correlation_zero() -> None:
    """Every grey with every logit."""
    z = {"encoded": torch.cartesian_prod(torch.linspace(0.1, 0.9, 20), torch.linspace(-2, 2, 20))}
    found = compare("it", sensor(lambda z: z[:, 1]), graded_by_darkness(z), seed=0)
    interval = found.readings[0].correlation["encoded"]["mean"]
    assert interval is not None
    assert interval.value == pytest.approx(0, abs=1e-12)
    assert -0.15 < interval.low < 0 < interval.high < 0.15  # the standard error over 400 points is 0.05


@pytest.mark.parametrize(("centre", "rho"), [(0.1, 1.0), (0.55, 0.0), (1.0, -1.0)])
def test_closeness_to_a_half_and_the_ratio_are_different_claims(
    centre: float, rho: float, graded: GradedPoints
) -> None:
    """Realism falls with the grey x in [0.1, 1], l = x - centre: the ratio -l is right all the way, -|l| where it peaks at the real end."""
    found = compare("it", sensor(lambda z: z[:, 0] - centre, "prior"), graded, 0)
    assert [r.name for r in found.readings] == ["undecided", "ratio"]
    assert value(found, "correlation", "prior", 0) == pytest.approx(
        rho, abs=0.02
    )  # ties round 0.55 may fall by rounding
    assert value(found, "correlation", "prior", 1) == pytest.approx(1)


def test_shares_are_counts_over_counts(graded: GradedPoints) -> None:
    """A matcher whose logit is 0 for half of the encoded blacks and all prior points with x > 0.55, and 9 elsewhere."""

    def logit(z: Tensor) -> Tensor:
        return torch.where((z[:, 0] > 0.55) | (z[:, 0] < 0.5 / 255), 0.0, 9.0)

    found = compare("it", sensor(logit, "prior"), graded, 0)
    ideal = {g: (z[:, 0] > 0.55) | (z[:, 0] < 0.5 / 255) for g, z in graded.groups.items()}
    unreal = {g: z[:, 0] > 2 / 255 for g, z in graded.groups.items()}
    both, some = (torch.cat([v[g] for g in v]) for v in (ideal, unreal))
    first = found.readings[0]
    assert first.ideal == {**{g: int(v.sum()) for g, v in ideal.items()}, "all": int(both.sum())}
    assert value(found, "unreal", "encoded", 0) == pytest.approx(1 / 2, abs=0.01)  # 50 blacks, 50 greys
    assert value(found, "unreal", "prior", 0) == 1
    share = float(some[both].double().mean())
    assert value(found, "unreal", "all", 0) == pytest.approx(share)
    assert value(found, "over_encoded", "all", 0) == pytest.approx(share - 1 / 2)
    assert value(found, "over_all", "all", 0) == pytest.approx(share - 5 / 6)  # 500 of 600 points are unreal
    assert value(found, "over_encoded", "prior", 0) == pytest.approx(1 / 2)
    every = found.unreal["all"]["mean"]
    assert every is not None
    assert every.value == pytest.approx(5 / 6)
    assert every.low < 5 / 6 < every.high
    assert first.span == (0.4, 0.6)


@pytest.mark.parametrize(
    ("positive", "undecided", "counts"),
    [("encoded", False, [40]), ("encoded", True, [20, 40]), ("prior", None, [20, 20]), ("prior", False, [20])],
)
def test_the_band_parts_the_scores_in_three(positive: str, undecided: bool | None, counts: list[int]) -> None:
    """Of each 80 points 20 score 0.3, 20 score 0.55 and 40 score 0.7."""
    scores = torch.tensor([0.3, 0.55, 0.7, 0.7]).repeat(20)
    z = {"encoded": torch.stack([torch.linspace(0, 1, 80), scores.logit()], 1)}
    found = compare("it", sensor(lambda z: z[:, 1], positive), graded_by_darkness(z), 0, 0.1, undecided)
    assert [r.ideal["encoded"] for r in found.readings] == counts


def test_the_mean_of_judges_is_that_of_their_ranks_and_of_their_shares(graded: GradedPoints) -> None:
    """Two judges of opposite orders: each correlation is +-1, and the mean rank is tied throughout."""
    flipped = {g: -v for g, v in graded.realism["A"].items()}
    real = {g: torch.zeros(len(z), dtype=torch.float64) for g, z in graded.groups.items()}
    two = GradedPoints(graded.groups, {**graded.realism, "B": flipped}, {**graded.real, "B": real})
    found = compare("it", sensor(lambda z: -z[:, 0]), two, 0)
    by_judge = found.readings[0].correlation["prior"]
    assert by_judge["A"] is not None
    assert by_judge["A"].value == pytest.approx(1)
    assert by_judge["B"] is not None
    assert by_judge["B"].value == pytest.approx(-1)
    assert found.figures()["readings"]["ratio"]["correlation"]["prior"]["mean"] is None  # type: ignore[index]
    mean = found.unreal["encoded"]["mean"]
    assert mean is not None
    assert mean.value == pytest.approx((1 / 2 + 1) / 2)


def test_ties_share_their_rank() -> None:
    """Two greys and two logits in a 2 x 2 table of 30, 10, 10, 30: Spearman's is phi = (30 30 - 10 10) / 40^2 = 1/2."""
    grey = torch.tensor([0.2] * 40 + [0.6] * 40)
    logit = torch.tensor([1.0] * 30 + [-1.0] * 10 + [1.0] * 10 + [-1.0] * 30)
    z = {"encoded": torch.stack([grey, logit], dim=1)}
    found = compare("it", sensor(lambda z: z[:, 1]), graded_by_darkness(z), seed=0)
    assert value(found, "correlation") == pytest.approx(0.5)


def test_a_constant_sensor_has_no_rank_correlation_and_reports_it(graded: GradedPoints) -> None:
    found = compare("it", sensor(lambda z: 0 * z[:, 0], "prior"), graded, 0)
    assert "undefined with closeness to 1/2" in found.sentence
    assert "it gives 600 of 600 points a score within 0.1 of 1/2, which is said to be ideal: 83% [" in found.sentence
    figures = found.figures()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_ideal_points_too_few_to_tell(graded: GradedPoints) -> None:
    found = compare("it", sensor(lambda z: torch.where(z[:, 0] > 0.99, 9.0, -9.0) + z[:, 1]), graded, 0)
    assert 0 < found.readings[0].ideal["all"] < 10
    assert found.readings[0].unreal["all"]["mean"] is None
    assert "too few to say" in found.sentence


def test_the_same_seed_gives_the_same_intervals(graded: GradedPoints) -> None:
    one, two, other = (compare("it", sensor(lambda z: z[:, 1]), graded, seed).figures() for seed in (0, 0, 1))
    assert one == two
    assert one != other


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": {"encoded": spread(9)}}, "at least 10 points .* encoded: 9"),
        ({"groups": {"encoded": spread(20), "lerp": spread(3)}}, "lerp: 3"),
        ({"groups": {"prior": spread(20)}}, "'encoded' as the baseline"),
        ({"groups": {"encoded": spread(20), "all": spread(20)}}, "'all'"),
        ({"judges": []}, "at least one"),
    ],
)
def test_points_that_cannot_be_graded_are_refused(changes: dict[str, object], message: str) -> None:
    arguments = {"groups": {"encoded": spread(20)}, "judges": [judge_of_darkness()]} | changes
    with pytest.raises(ValueError, match=message):
        grade(decode=decode, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("positive", "band", "message"),
    [("encoded", 0.5, r"0 < band < 0.5; got 0.5"), ("model", 0.1, "positive for 'model'")],
)
def test_a_band_or_a_side_without_a_reading_is_refused(
    positive: str, band: float, message: str, graded: GradedPoints
) -> None:
    with pytest.raises(ValueError, match=message):
        compare("it", sensor(lambda z: z[:, 0], positive), graded, 0, band)
