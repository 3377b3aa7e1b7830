"""Intervals that cover as often as their level, ratios resampled jointly, and judges that disagree."""

from math import inf, isnan, sqrt

import pytest
import torch
from scipy.stats import kendalltau
from torch import Tensor

from ridgewalk.metrics.statistics import (
    Interval,
    bootstrap,
    bootstrap_independent,
    bootstrap_mean,
    bootstrap_ratio,
    paired_difference,
    rank_agreement,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def width(interval: Interval) -> float:
    return interval.high - interval.low


def test_the_width_is_that_of_the_normal_theory() -> None:
    values = 3 + 2 * normal(1000)
    interval = bootstrap_mean(values, seed=1, resamples=8000)
    assert interval.value == pytest.approx(float(values.mean()), rel=1e-12)
    # 2 x 1.96 s / sqrt(n); each end varies by 0.0075 of the width with 8,000 resamples, so 3 % is three sigma of the difference
    theory = 2 * 1.96 * float(values.std(correction=0)) / sqrt(1000)
    assert width(interval) == pytest.approx(theory, rel=0.03)
    assert (interval.level, interval.n) == (0.95, 1000)


@pytest.mark.parametrize(("level", "expected"), [(0.95, 0.94), (0.8, 0.79)])
def test_intervals_cover_the_mean_as_often_as_their_level(level: float, expected: float) -> None:
    # n = 50: normal quantiles and s with n in place of t and n - 1 lose a percent. 400 data sets leave a standard
    # error of 0.012 and 0.02; three of them either way.
    data = normal(400, 50, seed=2)
    intervals = [bootstrap(lambda m: m["v"], {"v": row}, i, level, resamples=400) for i, row in enumerate(data)]
    covered = sum(i.low <= 0 <= i.high for i in intervals) / 400
    assert covered == pytest.approx(expected, abs=3 * sqrt(level * (1 - level) / 400))


def test_an_interval_of_two_values_by_hand() -> None:
    # means of two draws from {0, 1}: 0, 1/2, 1 with chances 1/4, 1/2, 1/4
    values = torch.tensor([0.0, 1.0])
    assert bootstrap_mean(values, seed=0) == Interval(0.5, 0.0, 1.0, 0.95, 2)
    middle = bootstrap(lambda m: m["v"], {"v": values}, seed=0, level=0.4)
    assert (middle.low, middle.high) == (0.5, 0.5)


def test_the_seed_decides() -> None:
    values = normal(30)
    assert bootstrap_mean(values, seed=5) == bootstrap_mean(values, seed=5)
    assert bootstrap_mean(values, seed=5) != bootstrap_mean(values, seed=6)
    state = torch.random.get_rng_state()
    bootstrap_mean(values, seed=5)
    assert torch.equal(state, torch.random.get_rng_state())


def test_rows_drawn_do_not_depend_on_the_columns_beside() -> None:
    n = 3000  # large enough for several chunks, of sizes that depend on the number of columns
    a, b = normal(n), normal(n, seed=1)
    alone = bootstrap_mean(a, seed=3)
    beside = bootstrap(lambda mean: mean["a"], {"b": b, "c": b, "a": a}, seed=3)
    assert (alone.low, alone.high) == pytest.approx((beside.low, beside.high), rel=1e-12)


def test_paired_differences_cancel_what_pairs_share() -> None:
    hard, gain = 10 * normal(100), 0.5 + 0.1 * normal(100, seed=1)
    difference = paired_difference(hard + gain, hard, seed=2)
    assert difference.value == pytest.approx(float(gain.mean()), rel=1e-9)
    own = bootstrap_mean(gain, seed=2)
    assert (difference.low, difference.high) == pytest.approx((own.low, own.high), rel=1e-9)
    assert width(bootstrap_mean(hard + gain, seed=2)) > 50 * width(difference)


def test_a_constant_ratio_has_no_width() -> None:
    under = normal(50).exp()
    interval = bootstrap_ratio(3 * under, under, seed=1)
    assert (interval.value, interval.low, interval.high) == pytest.approx((3, 3, 3), rel=1e-12)


def test_a_ratio_is_of_means_not_a_mean_of_ratios() -> None:
    assert bootstrap_ratio(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 2.0]), seed=0).value == 2


def test_an_undefined_resample_opens_both_ends() -> None:
    # one pair in four has a path to divide by: 0.75^4 = 0.32 of the resamples are 0 / 0
    over, under = torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([1.0, 0.0, 0.0, 0.0])
    interval = bootstrap_ratio(over, under, seed=0)
    assert (interval.value, interval.low, interval.high) == (1, -inf, inf)
    above = bootstrap_ratio(torch.ones(4), under, seed=0)  # 1 / 0 is inf, which opens only the upper end
    assert above.value == 4
    assert 0 < above.low < 4 < above.high == inf


def test_nan_is_refused_and_named() -> None:
    values = torch.tensor([1.0, torch.nan, torch.nan])
    with pytest.raises(ValueError, match="'values' is NaN for 2 of 3 pairs"):
        bootstrap_mean(values, seed=0)
    with pytest.raises(ValueError, match="'b' is NaN"):
        paired_difference(torch.ones(3), values, seed=0)


def test_what_does_not_fit_is_refused() -> None:
    values = torch.arange(4.0)
    with pytest.raises(ValueError, match="same pairs"):
        paired_difference(values, values[:3], seed=0)
    with pytest.raises(ValueError, match="same pairs"):
        bootstrap_mean(values.view(2, 2), seed=0)
    with pytest.raises(ValueError, match="at least 2 pairs; got 1"):
        bootstrap_mean(values[:1], seed=0)
    with pytest.raises(ValueError, match="level"):
        bootstrap(lambda m: m["v"], {"v": values}, seed=0, level=95)
    with pytest.raises(ValueError, match="mean is 0"):
        bootstrap_ratio(values, torch.tensor([1.0, -1.0, 1.0, -1.0]), seed=0)
    with pytest.raises(ValueError, match="element by element"):
        bootstrap(lambda mean: mean["a"].sum(), {"a": values}, seed=0)
    with pytest.raises(ValueError, match="at least one column"):
        bootstrap(lambda mean: mean["a"], {}, seed=0)


def test_inputs_stay_as_they_are_and_bools_count() -> None:
    real = torch.tensor([True, False, True, True])
    kept = real.clone()
    assert bootstrap_mean(real, seed=0).value == 0.75
    assert torch.equal(real, kept)


def test_rank_agreement_names_what_is_reversed() -> None:
    a = {"lerp": 0.1, "walk": 0.2, "string": 0.3, "graph": 0.4}
    assert rank_agreement(a, a) == (1.0, [])
    swapped = rank_agreement(a, {"graph": 9.0, "string": 7.0, "walk": 8.0, "lerp": 1.0})
    assert swapped.tau == pytest.approx((5 - 1) / 6)
    assert swapped.reversed == [("string", "walk")]  # the first judge's higher one first
    opposite = rank_agreement(a, {name: -value for name, value in a.items()})
    assert (opposite.tau, len(opposite.reversed)) == (-1, 6)


def test_tau_agrees_with_scipy_with_ties() -> None:
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        a, b = torch.randint(4, (2, 7), generator=g).tolist()
        ours = rank_agreement({str(i): v for i, v in enumerate(a)}, {str(i): v for i, v in enumerate(b)})
        assert ours.tau == pytest.approx(kendalltau(a, b).statistic, abs=1e-12)
        assert all((a[int(x)] - a[int(y)]) * (b[int(x)] - b[int(y)]) < 0 for x, y in ours.reversed)


def test_rank_agreement_where_there_is_no_ranking() -> None:
    assert isnan(rank_agreement({"lerp": 1.0}, {"lerp": 2.0}).tau)
    assert isnan(rank_agreement({"x": 1.0, "y": 1.0}, {"x": 1.0, "y": 2.0}).tau)
    with pytest.raises(ValueError, match="same finders; only one has string, walk"):
        rank_agreement({"lerp": 1.0, "walk": 1.0}, {"lerp": 1.0, "string": 1.0})
    with pytest.raises(ValueError, match="NaN for walk"):
        rank_agreement({"lerp": 1.0, "walk": torch.nan}, {"lerp": 1.0, "walk": 1.0})


def test_the_interval_of_independent_samples_covers_the_truth_at_its_level() -> None:
    """Of mean v - log mean e, v ~ N(1, 1) of 30 and e ~ U(0, 2) of 50: the truth 1 lies in 95 % of 400 intervals, to two standard errors of that share."""
    generator, inside = torch.Generator().manual_seed(0), 0
    for seed in range(400):
        v = 1 + torch.randn(30, generator=generator, dtype=torch.float64)
        e = 2 * torch.rand(50, generator=generator, dtype=torch.float64)
        both = bootstrap_independent(lambda m: m["v"] - m["e"].log(), {"v": v, "e": e}, seed, resamples=400)
        inside += both.low < 1 < both.high
        assert both.n == 30
        assert both.value == pytest.approx(float(v.mean() - e.mean().log()))
    assert inside / 400 > 0.91  # percentiles of 30 values cover a little less than 0.95


def test_independent_samples_of_one_value_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 values of each sample; got 1 of 'e'"):
        bootstrap_independent(lambda m: m["v"], {"v": torch.ones(3), "e": torch.ones(1)}, 0)
