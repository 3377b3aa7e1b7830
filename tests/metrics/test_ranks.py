"""Rank correlations against scipy's, resample by resample."""

from math import inf, isnan

import pytest
import torch
from scipy.stats import rankdata, spearmanr
from torch import Tensor

from ridgewalk.metrics.ranks import bootstrap_spearman, ranks, spearman


def tied(n: int = 60) -> tuple[Tensor, Tensor]:
    """Two related columns with many ties, and an infinite value."""
    g = torch.Generator().manual_seed(3)
    a = torch.randint(5, (n,), generator=g).double()
    b = a + torch.randint(6, (n,), generator=g)
    b[3] = inf
    return a, b


def test_ranks_are_scipys() -> None:
    _, b = tied()
    assert ranks(b).tolist() == rankdata(b).tolist()


def test_rank_correlation_is_scipys_and_exact_at_the_ends() -> None:
    a, b = tied()
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    x = torch.randn(30, generator=torch.Generator().manual_seed(0))
    assert spearman(x, x.exp()) == pytest.approx(1)
    assert spearman(x, -x.pow(3)) == pytest.approx(-1)
    assert isnan(spearman(x, torch.ones(30)))


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_are_quantiles_of_resamples_ranked_anew(level: float) -> None:
    a, b = tied()
    found = bootstrap_spearman(a, b, seed=7, level=level, resamples=200)
    drawn = torch.randint(60, (200, 60), generator=torch.Generator().manual_seed(7))
    each = torch.tensor([spearmanr(a[i], b[i]).statistic for i in drawn], dtype=torch.float64)
    assert found.value == pytest.approx(spearmanr(a, b).statistic)
    assert found.low == pytest.approx(float(each.quantile((1 - level) / 2, interpolation="lower")))
    assert found.high == pytest.approx(float(each.quantile((1 + level) / 2, interpolation="higher")))
    assert (found.n, found.level) == (60, level)


def test_intervals_cover_what_they_say() -> None:
    """Normal columns of correlation 0.6: rho = 6 / pi asin(0.6 / 2); of 200 intervals of 90 % about 180 hold it."""
    rho = float(6 / torch.pi * torch.tensor(0.3).asin())
    held = 0
    for seed in range(200):
        a, e = torch.randn(2, 100, generator=torch.Generator().manual_seed(seed))
        found = bootstrap_spearman(a, 0.6 * a + 0.8 * e, seed, level=0.9, resamples=400)
        held += found.low <= rho <= found.high
    assert 165 <= held <= 195  # binomial standard deviation 4, and percentile intervals run a little short


def test_a_resample_without_an_order_might_have_any() -> None:
    found = bootstrap_spearman(torch.tensor([0.0, 0, 1]), torch.tensor([0.0, 0, 1]), seed=0)
    assert (found.value, found.low, found.high) == (pytest.approx(1), -1, 1)


def test_many_points_are_ranked_in_parts_that_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = tied()
    whole = bootstrap_spearman(a, b, seed=0)
    monkeypatch.setattr("ridgewalk.metrics.ranks._DRAWS", 1000)
    assert bootstrap_spearman(a, b, seed=0) == whole


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(3), torch.zeros(4), "same points twice"),
        (torch.zeros(1), torch.zeros(1), "n >= 2"),
        (torch.zeros(3, 2), torch.zeros(3, 2), r"must be \(n,\)"),
        (torch.zeros(3), torch.tensor([0.0, 1, float("nan")]), "1 of 3 are NaN"),
    ],
)
def test_columns_that_cannot_be_ranked(a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_spearman(a, b, seed=0)
