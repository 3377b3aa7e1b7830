"""Generated samples against real ones: kernels, balls, lines and classes, by hand, by brute force and against populations known in closed form."""

from collections.abc import Callable
from math import exp, log, sqrt

import pytest
import torch
from torch import Tensor

from ridgewalk.metrics import kernels, neighbours, transport
from ridgewalk.metrics.coverage import density_coverage, precision_recall
from ridgewalk.metrics.inception import inception_score
from ridgewalk.metrics.kernels import kid, median_bandwidths, mmd
from ridgewalk.metrics.transport import sliced_wasserstein


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def shuffled(x: Tensor) -> Tensor:
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(9))]


def unbiased(kernel: Callable[[Tensor, Tensor], float], a: Tensor, b: Tensor) -> float:
    """MMD^2 one pair at a time."""
    n, m = len(a), len(b)
    within_a = sum(kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_b = sum(kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_a + within_b - 2 * sum(kernel(p, q) for p in a for q in b) / (n * m)


def cubic(a: Tensor, b: Tensor) -> float:
    return (float(a @ b) / len(a) + 1) ** 3


# ------------------------------------------------------------------------------------------------------ kernels


def test_mmd_is_its_sum_over_pairs_for_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, h = cloud(11, 3), 0.5 + cloud(8, 3, seed=1), (0.7, 2.0)

    def kernel(p: Tensor, q: Tensor) -> float:
        return sum(exp(-float((p - q).square().sum()) / (2 * s**2)) for s in h) / 2

    assert mmd(x, y, h) == pytest.approx(unbiased(kernel, x, y), rel=1e-12)
    monkeypatch.setattr(kernels, "CHUNK", 4)
    assert mmd(x, y, h) == pytest.approx(unbiased(kernel, x, y), rel=1e-12)


def test_mmd_of_two_gaussians_is_its_population_value() -> None:
    d, h, s, t, shift = 3, 1.5, 1.0, 1.4, torch.tensor([0.5, 0.0, -0.3], dtype=torch.float64)

    def mean_kernel(variance: float, away: float) -> float:
        """E exp(-|v|^2 / 2 h^2) of v ~ N(away, variance I): a Gaussian integral."""
        total = h**2 + variance
        return (h**2 / total) ** (d / 2) * exp(-away / (2 * total))

    away = float(shift.square().sum())
    population = mean_kernel(2 * s**2, 0) + mean_kernel(2 * t**2, 0) - 2 * mean_kernel(s**2 + t**2, away)
    found = torch.tensor([mmd(s * cloud(800, d, i), shift + t * cloud(700, d, 100 + i), [h]) for i in range(12)])
    assert population > 0.01
    assert float(found.mean()) == pytest.approx(population, abs=4 * float(found.std()) / sqrt(12))
    assert float(found.mean()) == pytest.approx(population, rel=0.1)


def test_mmd_and_kid_of_one_law_are_zero_in_the_mean_and_of_both_signs() -> None:
    for distance in (lambda a, b: mmd(a, b), lambda a, b: kid(a, b, subset=150, subsets=2).mean):
        found = torch.tensor([distance(cloud(150, 4, i), cloud(150, 4, 100 + i)) for i in range(24)])
        assert abs(float(found.mean())) < 4 * float(found.std()) / sqrt(24)
        assert 4 < int((found > 0).sum()) < 20


def test_bandwidths_are_scales_of_the_median_distance() -> None:
    # of 0, 1, 3 and 7 together the distances are 1, 2, 3, 4, 6, 7, and torch's median the lower of the middle two
    assert median_bandwidths(column(0, 1), column(3, 7), scales=(1.0, 0.5)) == (3.0, 1.5)
    x, y = cloud(30, 2), 1 + cloud(20, 2, seed=1)
    assert mmd(x, y) == mmd(x, y, median_bandwidths(x, y))
    assert mmd(10 * x, 10 * y) == pytest.approx(mmd(x, y), rel=1e-9)
    long = torch.arange(5000.0)[:, None]
    assert median_bandwidths(long, scales=(1.0,))[0] == pytest.approx(5000 * (1 - sqrt(0.5)), rel=0.01)
    with pytest.raises(ValueError, match=r"no scale; pass bandwidths"):
        mmd(torch.zeros(5, 2), torch.zeros(5, 2))


def test_kid_of_whole_sets_is_its_sum_over_pairs() -> None:
    a, b = cloud(9, 5), 0.3 + cloud(9, 5, seed=1)
    assert kid(a, b, subset=9, subsets=2).mean == pytest.approx(unbiased(cubic, a, b), rel=1e-10)


def test_kid_of_laws_with_known_moments_is_its_population_value() -> None:
    # f = 1, a = 0 always and b = 2 always: k = 1, 125 and 1 across, so 1 + 125 - 2
    found = kid(torch.zeros(20, 1), torch.full((20, 1), 2.0), subset=10, subsets=3)
    assert found == (124.0, 0.0)


def test_kids_error_is_the_deviation_of_kid_between_samples() -> None:
    found = [kid(cloud(120, 4, i), 0.8 + cloud(120, 4, 1000 + i), subset=60, subsets=30) for i in range(150)]
    deviation = float(torch.tensor([e.mean for e in found]).std())
    error = sqrt(sum(e.error**2 for e in found) / len(found))
    assert error == pytest.approx(deviation, rel=0.2)  # 150 draws tell a deviation to 6 %, and it is of first order
    whole = kid(cloud(120, 4), 0.8 + cloud(120, 4, 1), subset=120, subsets=5)
    assert whole.error > 0.5 * deviation  # all subsets are alike, and the error is not 0


def test_kid_follows_its_seed() -> None:
    a, b = cloud(60, 4), cloud(70, 4, seed=1)
    assert kid(a, b, 30, 5, seed=1) == kid(a, b, 30, 5, seed=1)
    assert kid(a, b, 30, 5, seed=1).mean != kid(a, b, 30, 5, seed=2).mean


# ------------------------------------------------------------------------------------------------------ balls

REAL = column(0.0, 1.0, 3.0, 7.0)  # balls with k = 1: [-1, 1], [0, 2], [1, 5], [3, 11]
FAKE = column(0.5, 4.0, 20.0)  # balls with k = 1: [-3, 4], [0.5, 7.5], [4, 36]


def test_precision_and_recall_on_a_line() -> None:
    both = precision_recall(REAL, FAKE, k=1)
    assert both.inside_real.tolist() == [True, True, False]
    assert both.inside_fake.tolist() == [True, True, True, True]
    assert (both.precision, both.recall) == (2 / 3, 1.0)
    other = precision_recall(FAKE, REAL, k=1)  # the roles exchanged exchange the two
    assert (other.precision, other.recall) == (1.0, 2 / 3)


def test_density_and_coverage_on_a_line() -> None:
    found = density_coverage(REAL, FAKE, k=1)
    assert found.counts.tolist() == [2, 2, 0]  # 0.5 is in the first two balls, 4 in the last two
    assert found.covered.tolist() == [True, True, True, True]
    found = density_coverage(REAL, column(4.0, 6.0), k=2)  # balls [-3, 3], [-1, 3], [0, 6], [1, 13]
    assert found.counts.tolist() == [1, 1]  # two balls of k = 2
    assert found.covered.tolist() == [False, False, True, True]
    assert (found.density, found.coverage) == (1.0, 0.5)


def test_identical_sets_meet_everywhere_and_distant_ones_nowhere() -> None:
    x = cloud(60, 5)
    same, apart = precision_recall(x, x), precision_recall(x, x + 100)
    assert (same.precision, same.recall, apart.precision, apart.recall) == (1, 1, 0, 0)
    dense, none = density_coverage(x, x), density_coverage(x, x + 100)
    assert (dense.density, dense.coverage) == (1.2, 1)  # a ball holds its centre, and its edge: k + 1 of k
    assert (none.density, none.coverage) == (0, 0)


def test_one_law_has_density_one_and_the_coverage_of_its_closed_form() -> None:
    n, m, k = 80, 120, 5
    pairs = [density_coverage(cloud(n, 3, i), cloud(m, 3, 500 + i), k) for i in range(40)]
    missed = 1.0
    for i in range(1, k + 1):
        missed *= (n - i) / (n + m - i)
    assert sum(p.coverage for p in pairs) / 40 == pytest.approx(1 - missed, abs=0.005)  # 3,200 reals, 0.99
    assert sum(p.density for p in pairs) / 40 == pytest.approx(m / m, abs=0.05)


def test_a_copy_of_one_real_image_is_precise_and_covers_little() -> None:
    x = cloud(60, 5)
    stuck = x[:1].repeat(60, 1)
    assert precision_recall(x, stuck, k=3).precision == 1
    assert precision_recall(x, stuck, k=3).recall == 1 / 60
    assert density_coverage(x, stuck).coverage < 0.5


def test_balls_do_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = cloud(50, 4), 1.3 * cloud(40, 4, seed=1)
    a, c = precision_recall(x, y), density_coverage(x, y)
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    b, d = precision_recall(x, y), density_coverage(x, y)
    assert torch.equal(a.inside_real, b.inside_real)
    assert torch.equal(a.inside_fake, b.inside_fake)
    assert torch.equal(c.counts, d.counts)
    assert torch.equal(c.covered, d.covered)


# ------------------------------------------------------------------------------------------------------ lines


def test_on_a_line_it_is_the_wasserstein_distance_of_any_two_numbers_of_points() -> None:
    from scipy.stats import wasserstein_distance

    assert sliced_wasserstein(column(0, 1), column(0, 1, 2), p=1) == pytest.approx(1 / 2)  # 1/6 by 1 and 1/3 by 1
    assert sliced_wasserstein(column(0, 3), column(0, 1, 2), p=2) == pytest.approx(sqrt(1 / 6 * (1 + 4) + 1 / 3))
    x, y = cloud(37, 1), 0.5 + 2 * cloud(24, 1, seed=1)
    assert sliced_wasserstein(x, y, projections=3, p=1) == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]))
    assert sliced_wasserstein(x, y.repeat(3, 1)) == pytest.approx(sliced_wasserstein(x, y), rel=1e-12)


def test_of_a_shift_it_is_the_shifts_length_over_the_root_of_the_dimensions() -> None:
    x, v = cloud(50, 6), torch.tensor([3.0, -1.0, 0.5, 0.0, 2.0, 1.0], dtype=torch.float64)
    exact = float(v.norm()) / sqrt(6)
    assert sliced_wasserstein(x, x + v, projections=20_000) == pytest.approx(exact, rel=0.01)  # 3 deviations
    assert sliced_wasserstein(x, x + v, projections=1) <= float(v.norm())
    assert sliced_wasserstein(x, x) == 0


def test_of_two_gaussians_it_is_its_closed_form() -> None:
    # along u both are Gaussian: W_2^2 = (u . m)^2 + (s - t)^2
    m, s, t = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), 1.0, 2.5
    found = sliced_wasserstein(s * cloud(20_000, 3), m + t * cloud(15_000, 3, seed=1), projections=2000)
    assert found == pytest.approx(sqrt(float(m.square().sum()) / 3 + (s - t) ** 2), rel=0.02)


def test_images_are_points_and_directions_in_parts_are_the_same_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = cloud(20, 12), cloud(30, 12, seed=1)
    whole = sliced_wasserstein(x, y)
    assert sliced_wasserstein(x.view(20, 3, 2, 2), y.view(30, 3, 2, 2)) == whole
    monkeypatch.setattr(transport, "_VALUES", 500)
    assert sliced_wasserstein(x, y) == pytest.approx(whole, rel=1e-12)
    assert sliced_wasserstein(x, y, seed=1) != whole


# ------------------------------------------------------------------------------------------------------ classes


def test_the_score_is_one_for_uninformative_probabilities_and_the_number_of_classes_for_certain_ones() -> None:
    assert inception_score(torch.full((50, 7), 1 / 7)) == pytest.approx((1.0, 0.0), abs=1e-6)
    assert inception_score(torch.eye(7).repeat_interleave(20, 0)) == pytest.approx((7.0, 0.0))  # sorted by class
    assert inception_score(torch.eye(7)[:1].repeat(20, 1)) == pytest.approx((1.0, 0.0))


def test_the_score_by_hand() -> None:
    p = torch.tensor([[0.5, 0.5], [1.0, 0.0]], dtype=torch.float64)  # the mean is (3/4, 1/4)
    by_hand = exp((0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25) + log(1 / 0.75)) / 2)
    assert inception_score(p, splits=1) == pytest.approx((by_hand, 0.0))
    # of two splits, one of two sure classes and one of a single class: scores 2 and 1
    mixed = torch.eye(2)[[0, 0, 1, 0]]
    assert inception_score(mixed, splits=2) == pytest.approx((1.5, 0.5))


# ------------------------------------------------------------------------------------------------------ all


MEASURES: dict[str, Callable[[Tensor, Tensor], object]] = {
    "kid": lambda x, y: kid(x, y, subset=len(y), subsets=3).mean,  # of proper subsets it follows the rows' order
    "kid error": lambda x, y: kid(x, y, subset=len(y), subsets=3).error,
    "mmd": mmd,
    "precision": lambda x, y: precision_recall(x, y).precision,
    "recall": lambda x, y: precision_recall(x, y).recall,
    "density": lambda x, y: density_coverage(x, y).density,
    "coverage": lambda x, y: density_coverage(x, y).coverage,
    "sliced": sliced_wasserstein,
    "score": lambda x, y: inception_score((x[: len(y)] + y).softmax(1), splits=1).mean,
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures_leave_inputs_and_the_global_generator_unchanged_and_repeat_their_result(name: str) -> None:
    x, y = cloud(40, 3), 1.2 * cloud(40, 3, seed=1)
    before, state = (x.clone(), y.clone()), torch.get_rng_state()
    first = MEASURES[name](x, y)
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(3)
    assert MEASURES[name](x, y) == first
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])


@pytest.mark.parametrize("name", [n for n in MEASURES if n != "score"])
def test_values_do_not_depend_on_the_order_of_rows(name: str) -> None:
    x, y = cloud(40, 3), 1.2 * cloud(40, 3, seed=1)
    assert MEASURES[name](shuffled(x), shuffled(y)) == pytest.approx(MEASURES[name](x, y), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kid(torch.rand(5, 3), torch.rand(5, 4)), r"at least 2 rows each; got \(5, 3\), \(5, 4\)"),
        (lambda: kid(torch.rand(5, 3), torch.rand(5, 3)), r"of 2 to 5 rows.*got 100 of 1000: take a smaller"),
        (lambda: kid(torch.rand(5, 3), torch.rand(5, 3), 3, 1), r"got 1 of 3"),
        (lambda: kid(torch.rand(5, 3), torch.full((5, 3), torch.nan), 3), r"some of the second set are not"),
        (lambda: mmd(torch.rand(1, 3), torch.rand(5, 3)), r"points must be \(n, f\)"),
        (lambda: mmd(torch.rand(5), torch.rand(5)), r"points must be \(n, f\)"),
        (lambda: mmd(torch.rand(5, 3), torch.rand(5, 3), []), r"at least one; got \(\)"),
        (lambda: mmd(torch.rand(5, 3), torch.rand(5, 3), [1.0, -1.0]), r"must be positive"),
        (lambda: precision_recall(torch.rand(9, 3), torch.rand(9, 2)), r"\(9, 3\), \(9, 2\): take both from one"),
        (lambda: precision_recall(torch.rand(9, 3), torch.rand(3, 3)), r"1 <= k < m"),
        (lambda: density_coverage(torch.rand(5, 3), torch.rand(9, 3)), r"1 <= k < m"),
        (lambda: density_coverage(torch.rand(9, 3), torch.rand(9, 3).double()), r"floats of one type"),
        (lambda: density_coverage(torch.rand(9, 3), torch.full((9, 3), torch.inf)), r"some of the second set are not"),
        (lambda: sliced_wasserstein(torch.rand(5, 3), torch.rand(5, 2)), r"\(5, 3\) and \(5, 2\)"),
        (lambda: sliced_wasserstein(torch.rand(5), torch.rand(5)), r"of one shape and not empty"),
        (lambda: sliced_wasserstein(torch.rand(5, 3), torch.rand(0, 3)), r"not empty"),
        (lambda: sliced_wasserstein(torch.rand(5, 3), torch.rand(5, 3), p=0.5), r"p >= 1 are needed"),
        (lambda: sliced_wasserstein(torch.rand(5, 3), torch.rand(5, 3), projections=0), r"at least 1 direction"),
        (lambda: sliced_wasserstein(torch.full((5, 3), torch.nan), torch.rand(5, 3)), r"first sample are not"),
        (lambda: inception_score(torch.randn(20, 4)), r"apply softmax to logits"),
        (lambda: inception_score(torch.full((20, 4), torch.nan)), r"apply softmax to logits"),
        (lambda: inception_score(torch.rand(5, 4).softmax(1)), r"10 splits: take fewer"),
        (lambda: inception_score(torch.rand(5)), r"must be \(n, c\)"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
