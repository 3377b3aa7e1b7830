"""Discriminators of known calibration: chance, perfect order, saturated logits, and overconfidence by hand."""

from math import log

import pytest
import torch
from torch import Tensor

from ridgewalk.metrics.calibration import auc, auc_interval, bce, expected_calibration_error, reliability
from ridgewalk.thresholds import CHANCE


def logits_of(*p: float) -> Tensor:
    return torch.tensor(p, dtype=torch.float64).logit()


def drawn(n: int) -> tuple[Tensor, Tensor]:
    """Labels 1 with probability sigmoid(logit): a calibrated discriminator."""
    g = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, generator=g, dtype=torch.float64)
    return logits, (torch.rand(n, generator=g, dtype=torch.float64) < logits.sigmoid()).long()


def test_a_constant_discriminator_is_at_chance_for_all_class_shares() -> None:
    labels = torch.tensor([1, 0, 0, 0, 0])
    assert bce(torch.zeros(5), labels) == pytest.approx(CHANCE, rel=1e-12)
    assert pytest.approx(log(2)) == CHANCE
    assert auc(torch.zeros(5), labels) == 0.5
    assert bce(torch.full((5,), -log(4)), labels) > CHANCE  # the class shares guessed


def test_bce_by_hand() -> None:
    logits, labels = logits_of(0.8, 0.4, 0.4), torch.tensor([1, 0, 1])
    assert bce(logits, labels) == pytest.approx((-(log(0.8) + log(0.4)) / 2 - log(0.6)) / 2, rel=1e-12)
    assert bce(torch.tensor([800.0, -800.0]), torch.tensor([0, 1])) == 800  # no log of a saturated sigmoid


def test_auc_counts_ordered_pairs_and_half_the_ties() -> None:
    logits, labels = torch.tensor([3.0, 1.0, 1.0, -2.0]), torch.tensor([1, 1, 0, 0])
    assert auc(logits, labels) == pytest.approx(3.5 / 4)
    assert auc(-logits, labels) == pytest.approx(0.5 / 4)


def test_auc_orders_saturated_logits() -> None:
    logits = torch.tensor([800.0, 900.0, 1000.0, -900.0])  # sigmoids 1, 1, 1, 0
    assert auc(logits, torch.tensor([0, 1, 1, 0])) == 1


def test_auc_agrees_with_the_definition() -> None:
    logits, labels = drawn(400)
    logits = (4 * logits).round() / 4  # with ties
    gap = logits[labels == 1][:, None] - logits[labels == 0][None]
    expected = ((gap > 0).double() + 0.5 * (gap == 0).double()).mean()
    assert auc(logits, labels) == pytest.approx(float(expected), abs=1e-12)


def test_calibration_by_hand() -> None:
    # bins of width 1/4: three rows at 0.1, one of them positive; two at 0.9 (0.8 and 1.0), one positive
    logits = torch.cat([logits_of(0.1, 0.1, 0.1, 0.8), torch.tensor([1000.0], dtype=torch.float64)])
    labels = torch.tensor([1, 0, 0, 1, 0])
    curve = reliability(logits, labels, bins=4)
    assert curve.size.tolist() == [3, 0, 0, 2]
    for got, expected in (
        (curve.confidence, [0.1, torch.nan, torch.nan, 0.9]),
        (curve.positives, [1 / 3, torch.nan, torch.nan, 0.5]),
    ):
        torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), equal_nan=True, rtol=1e-12, atol=0)
    expected = 3 / 5 * (1 / 3 - 0.1) + 2 / 5 * (0.9 - 0.5)
    assert expected_calibration_error(logits, labels, bins=4) == pytest.approx(expected, rel=1e-12)


def test_a_probability_on_an_edge_belongs_to_the_upper_bin() -> None:
    assert reliability(torch.tensor([0.0, 0.0]), torch.tensor([0, 1]), bins=2).size.tolist() == [0, 2]


def test_the_error_is_the_curves_mean_distance() -> None:
    logits, labels = drawn(5000)
    curve = reliability(3 * logits, labels)
    distance = (curve.confidence - curve.positives).abs().nan_to_num()
    expected = float((distance * curve.size).sum() / 5000)
    assert expected_calibration_error(3 * logits, labels) == pytest.approx(expected, rel=1e-9)


def test_a_calibrated_discriminator_has_a_small_error_and_an_overconfident_one_does_not() -> None:
    logits, labels = drawn(20000)
    # 15 bins of some 1,300 rows: mean |share - p| of about 0.8 x 0.5 / sqrt(1300) = 0.011
    assert expected_calibration_error(logits, labels) < 0.015
    assert expected_calibration_error(5 * logits, labels) > 0.1
    assert auc(logits, labels) == pytest.approx(auc(5 * logits, labels), abs=1e-6)
    assert bce(logits, labels) < CHANCE


def test_inputs_stay_as_they_are() -> None:
    logits, labels = drawn(50)
    kept = logits.clone(), labels.clone()
    for f in (bce, auc, expected_calibration_error, reliability):
        f(logits, labels)
    assert torch.equal(logits, kept[0])
    assert torch.equal(labels, kept[1])


@pytest.mark.parametrize("f", [bce, auc, expected_calibration_error, reliability])
def test_what_does_not_fit_is_refused(f) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="both present"):
        f(torch.zeros(3), torch.ones(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="both present"):
        f(torch.zeros(3), torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match="share one shape"):
        f(torch.zeros(3, 1), torch.tensor([0, 1, 1]))
    with pytest.raises(ValueError, match="1 of 3 are NaN"):
        f(torch.tensor([0.0, torch.nan, 1.0]), torch.tensor([0, 1, 1]))


def test_the_interval_of_an_auc_is_delongs_by_hand() -> None:
    up, down = [3.0, 2.0, 0.5, 2.5], [1.0, 0.0, 2.2]
    logits, labels = torch.tensor(up + down), torch.tensor([1] * 4 + [0] * 3)
    above = torch.tensor([1.0, 2 / 3, 1 / 3, 1.0], dtype=torch.float64)  # share of the negatives below each positive
    below = torch.tensor([3 / 4, 1.0, 1 / 2], dtype=torch.float64)  # share of the positives above each negative
    area, error = 0.75, float(above.var() / 4 + below.var() / 3) ** 0.5
    reach = 1.959963984540054 * error / (area * (1 - area))
    found = auc_interval(logits, labels)
    assert found.value == pytest.approx(area, rel=1e-12)
    assert found.low == pytest.approx(1 / (1 + (1 - area) / area * torch.tensor(reach).exp().item()), rel=1e-6)
    assert found.high == pytest.approx(1 / (1 + (1 - area) / area / torch.tensor(reach).exp().item()), rel=1e-6)


def test_the_interval_covers_the_true_auc_as_often_as_its_level() -> None:
    """Of N(1, 1) against N(0, 1), AUC = Phi(1 / sqrt 2) = 0.7602."""
    g, covered, labels = torch.Generator().manual_seed(0), 0, torch.arange(120) % 2
    for _ in range(300):
        found = auc_interval(torch.randn(120, generator=g) + labels, labels)
        covered += found.low <= 0.760250 <= found.high
    assert 0.91 < covered / 300 < 0.985  # 0.95 +- 3 errors


def test_an_auc_without_a_miss_has_an_interval_by_number() -> None:
    logits, labels = torch.tensor([2.0, 3.0, 0.0, 1.0]), torch.tensor([1, 1, 0, 0])
    assert auc_interval(logits, labels).high == 1
    assert auc_interval(logits, labels).low == pytest.approx(0.025**0.5)
    assert auc_interval(-logits, labels).high == pytest.approx(1 - 0.025**0.5)
    assert (auc_interval(0 * logits, labels).low, auc_interval(0 * logits, labels).high) == (0.5, 0.5)
    with pytest.raises(ValueError, match="at least 2 points of each label"):
        auc_interval(logits[:3], labels[:3])
