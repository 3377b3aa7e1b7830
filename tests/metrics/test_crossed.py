"""Intervals over models and pairs: they cover as often as their level, also for five and for two models, where pairs alone do not."""

import math

import pytest
import torch
from torch import Tensor

from ridgewalk.judging.comparison import Summary
from ridgewalk.metrics.crossed import estimate, estimate_difference, estimate_mean
from ridgewalk.metrics.statistics import bootstrap, bootstrap_mean
from ridgewalk.reports.comparison import describe_intervals

SIMULATED = 600


def tables(models: int, pairs: int, of_models: float, of_pairs: float = 1.0, left: float = 1.0) -> Tensor:
    """Simulated values (SIMULATED, models, pairs) of mean 0 with these deviations."""
    g = torch.Generator().manual_seed(models * 1000 + pairs)

    def draw(*shape: int) -> Tensor:
        return torch.randn(SIMULATED, *shape, generator=g, dtype=torch.float64)

    return of_models * draw(models, 1) + of_pairs * draw(1, pairs) + left * draw(models, pairs)


def covered(values: Tensor, models: int) -> float:
    found = [estimate_mean(v.flatten(), 0, models) for v in values]
    return sum(i.low <= 0 <= i.high for i in found) / len(found)


@pytest.mark.parametrize("of_models", [0.0, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("models", [2, 5])
def test_a_nominal_95_percent_covers_at_least_90(models: int, of_models: float) -> None:
    share = covered(tables(models, 50, of_models), models)
    assert share >= 0.90, share
    assert share < 1.0, share  # an interval that always covers says nothing


def test_pairs_alone_leave_the_models_out() -> None:
    values = tables(5, 200, 0.5)
    found = [bootstrap_mean(v.mean(dim=0), i, resamples=200) for i, v in enumerate(values)]
    assert sum(i.low <= 0 <= i.high for i in found) / len(found) < 0.7
    assert covered(values, 5) >= 0.90


def test_two_by_two_by_hand() -> None:
    # means of models 2 and 4, of pairs 1 and 5, nothing is left: M_S = 4, M_P = 16, one degree of freedom each, h^2 = t^2 (4 + 16) / 4
    found = estimate_mean(torch.tensor([0.0, 4.0, 2.0, 6.0]), 0, 2)
    assert found.value == 3.0
    assert found.high - 3.0 == pytest.approx(12.706204736 * math.sqrt(5.0), rel=1e-9)
    assert (found.n, found.models) == (2, 2)


def test_differences_between_models_that_both_methods_share_cancel() -> None:
    a = tables(5, 40, 3.0)[0].flatten()
    found = estimate_difference(a + 0.1, a, 0, 5)
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_a_ratio_is_linearised() -> None:
    g = torch.Generator().manual_seed(3)
    base = tables(5, 60, 0.3)
    hits = 0
    for row in base[:300]:
        under = 10 + row.flatten()
        over = 20 + 2 * row.flatten() + torch.randn(300, generator=g, dtype=torch.float64)
        found = estimate(lambda m: m["over"] / m["under"], {"over": over, "under": under}, 0, 5)
        hits += found.low <= 2 <= found.high
    assert 0.90 <= hits / 300 < 1.0


def test_a_ratio_without_a_value_has_no_bounds() -> None:
    zero, one = torch.zeros(6), torch.ones(6)
    found = estimate(lambda m: m["over"] / m["under"], {"over": one, "under": zero}, 0, 3)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_one_model_is_the_bootstrap_over_pairs() -> None:
    values = tables(1, 50, 0.0)[0].flatten()
    assert estimate_mean(values, 7) == bootstrap(lambda m: m["values"], {"values": values}, 7)


def test_values_that_are_no_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="7 values of 2 models"):
        estimate_mean(torch.zeros(7), 0, 2)
    with pytest.raises(ValueError, match="at least 2, of each model; got 3 values of 3 models"):
        estimate_mean(torch.zeros(3), 0, 3)


def test_what_the_intervals_extend_over_is_said() -> None:
    def said(models: int) -> str:
        return describe_intervals(Summary({}, {}, "lerp", {}, {}, (1.0, []), "lerp", models))

    assert "another seed of its training may give other figures" in said(1)
    assert "over 2 models" in said(2)
    assert "figures to quote need 5" in said(4)
    assert "figures to quote" not in said(5)


def test_the_interval_of_a_share_stays_between_zero_and_one() -> None:
    values = torch.tensor([0.0] * 9 + [1.0] + [0.0] * 10)  # of two models: one degree of freedom is wide
    free, cut = estimate_mean(values, 0, 2), estimate_mean(values, 0, 2, share=True)
    assert free.low < 0 < free.high < 1
    assert (cut.low, cut.value, cut.high) == (0.0, free.value, free.high)
    assert estimate_mean(1 - values, 0, 2, share=True).high == 1
