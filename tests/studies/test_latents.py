"""What a latent discriminator does: its gradients in closed form, medians, levels by distance, overfitting where it must be, densities that are known."""

from dataclasses import replace
from math import log, pi

import pytest
import torch
from torch import Tensor, nn

from problems import points
from ridgewalk.energies import AggregatePosterior, DensityRatio, PosteriorEnergy
from ridgewalk.fields import score
from ridgewalk.metrics import calibration
from ridgewalk.models.discriminators import Discriminator, latent_discriminator
from ridgewalk.path import chunked
from ridgewalk.training.detectors import SCHEDULE, train_detector
from ridgewalk.training.negatives import Prior
from ridgewalk_studies.measures import latents


class Linear(nn.Module):
    """The logit a . z + b, whose gradient is a."""

    def __init__(self, slope: Tensor, offset: float = 0.0) -> None:
        super().__init__()
        self.slope = nn.Parameter(slope, requires_grad=False)
        self.offset = offset

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.slope + self.offset)[:, None]


SLOPE = torch.tensor([3.0, -4.0], dtype=torch.float64)


def linear(offset: float = 0.0) -> Discriminator:
    return Discriminator(Linear(SLOPE, offset), "encoded")


def gaussian(sigma: float, dim: int = 2) -> AggregatePosterior:
    """-log N(z; 0, sigma^2 I)."""
    return AggregatePosterior(torch.zeros(1, dim), torch.full((1, dim), 2 * log(sigma)))


def test_the_three_drives_of_a_linear_logit_have_their_closed_form_sizes() -> None:
    z = points(101, 2)
    norms = latents.drive_norms(linear(), z)
    d = (z @ SLOPE).sigmoid()
    torch.testing.assert_close(norms["logit"], torch.full((101,), 5.0, dtype=z.dtype))
    torch.testing.assert_close(norms["log D"], 5 * (1 - d))
    torch.testing.assert_close(norms["D"], 5 * d * (1 - d))


def test_the_drives_of_any_logit_have_one_direction_and_sizes_that_differ_by_d() -> None:
    torch.manual_seed(0)
    network, z = latent_discriminator(3, "encoded", (16, 16), "tanh").double().requires_grad_(False), 2 * points(40, 3)
    d = network(z).sigmoid()[:, None]
    slope = score(latents.DRIVES["logit"](network), z)
    torch.testing.assert_close(score(latents.DRIVES["D"](network), z), d * (1 - d) * slope)
    torch.testing.assert_close(score(latents.DRIVES["log D"](network), z), (1 - d) * slope)


def test_d_vanishes_on_both_sides_and_log_d_on_the_datas_alone() -> None:
    z = points(50, 2)
    on, off = latents.drive_norms(linear(30.0), z / 10), latents.drive_norms(linear(-30.0), z / 10)
    assert on["D"].max() < 1e-6
    assert off["D"].max() < 1e-6
    assert on["log D"].max() < 1e-6
    torch.testing.assert_close(off["log D"], off["logit"])


def test_a_field_that_leads_to_the_nearest_code_has_cosine_one_and_its_opposite_minus_one() -> None:
    codes, z = 3 * points(20, 4, seed=1), points(30, 4, seed=2)

    def well(z: Tensor) -> Tensor:
        return torch.cdist(z, codes).amin(dim=1)

    torch.testing.assert_close(latents.towards_data(well, z, codes), torch.ones(30, dtype=z.dtype))
    torch.testing.assert_close(latents.towards_data(lambda z: -well(z), z, codes), -torch.ones(30, dtype=z.dtype))
    assert latents.towards_data(lambda z: 0 * well(z), z, codes).abs().max() == 0


def test_a_median_lies_between_the_order_statistics_of_the_sign_test() -> None:
    # n = 10: P(Bin(10, 1/2) <= 1) = 11 / 1024 = 1.1 % and P(<= 2) = 5.5 %, so k = 2: from the second to the ninth
    found = latents.median(torch.arange(10, 0, -1).float())
    assert (found.value, found.low, found.high, found.n) == (5.5, 2, 9, 10)
    # n = 30: P(Bin <= 9) = 2.1 % and P(<= 10) = 4.9 %, so k = 10
    found = latents.median(torch.arange(1, 31).float())
    assert (found.value, found.low, found.high) == (15.5, 10, 21)
    assert latents.median(torch.tensor([3.0])).low == 3


def test_the_interval_of_a_median_covers_it_as_often_as_its_level() -> None:
    draws = points(400, 25, seed=3).exp()  # of a skewed law whose median is 1
    covered = [m.low <= 1 <= m.high for m in map(latents.median, draws)]
    assert 0.93 < sum(covered) / 400 < 0.99  # nominally at least 0.95: 0.957 for n = 25


def test_a_median_of_nothing_is_refused() -> None:
    for values in (torch.empty(0), torch.tensor([1.0, float("nan")])):
        with pytest.raises(ValueError, match="a median needs numbers"):
            latents.median(values)


def test_bce_by_rows_has_the_balanced_bce_as_its_mean() -> None:
    real, fake = points(30, 2, seed=4), points(30, 2, seed=5)
    truth = torch.cat([torch.ones(30), torch.zeros(30)]).long()
    logits = linear()(torch.cat([real, fake]))
    assert float(latents.bce_rows(linear(), real, fake).mean()) == pytest.approx(calibration.bce(logits, truth))
    with pytest.raises(ValueError, match="paired with a fake one"):
        latents.bce_rows(linear(), real, fake[:3])


def test_the_optimal_discriminator_is_one_half_only_where_densities_are_equal() -> None:
    wide, narrow = gaussian(2.0), gaussian(1.0)
    # in two dimensions N(0, 1) and N(0, 4) are equally dense at |z|^2 = 2 log(4) / (1 - 1/4)
    z = torch.tensor([[0.0, 0.0], [(2 * log(4) / 0.75) ** 0.5, 0.0], [0.0, 5.0]])
    optimal = latents.optimal_logit(narrow, wide, z).sigmoid()
    assert optimal.tolist() == pytest.approx([0.8, 0.5, 1 / (1 + 0.25 * 2.718281828 ** (0.375 * 25))], abs=1e-5)
    assert latents.optimal_logit(wide, wide, z).abs().max() == 0


def test_a_mixture_is_widened_to_the_density_of_other_points() -> None:
    # components of sd 0.1 round draws of N(0, I): Silverman's width for 2000 points in 2-d is 2000^(-1/6) = 0.28
    mixture = AggregatePosterior(points(2000, 2, seed=11).float(), torch.full((2000, 2), 2 * log(0.1)))
    other, fresh = points(1000, 2, seed=12).float(), points(1000, 2, seed=13).float()
    wide, factor = latents.widen(mixture, other)
    assert factor in (2, 2.5, 3, 3.5)
    truth = float(gaussian(1.0)(fresh).mean())
    assert truth < float(wide(fresh).mean()) < truth + 0.03 < float(mixture(fresh).mean())


def test_levels_go_from_near_to_far_and_hold_every_point_once() -> None:
    distance = torch.arange(20.0)[torch.randperm(20, generator=torch.Generator().manual_seed(0))]
    found = latents.levels({"twice": 2 * distance}, distance, seed=0, parts=5)
    assert [(p.low, p.high) for p in found] == [(0, 3), (4, 7), (8, 11), (12, 15), (16, 19)]
    assert [p.means["twice"].value for p in found] == [3, 11, 19, 27, 35]
    with pytest.raises(ValueError, match="from 1 to 10 parts"):
        latents.levels({}, distance, seed=0, parts=11)


def test_distance_to_the_nearest_codes() -> None:
    codes = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert latents.nearest_distance(torch.tensor([[0.0, 1.0]]), codes).tolist() == pytest.approx([1.0])
    assert latents.nearest_distance(torch.tensor([[0.0, 0.0]]), codes, 2).tolist() == pytest.approx([12.5**0.5])


def test_few_fixed_means_are_memorised_and_fresh_draws_of_broad_posteriors_are_not() -> None:
    # q(z|x) = N(mu, 0.8^2) with mu ~ N(0, 0.6^2): q(z) = N(0, I) = r, so that nothing can be learned but the points themselves
    d, broad = 6, 2 * log(0.8)
    train = AggregatePosterior(0.6 * points(60, d, seed=6).float(), torch.full((60, d), broad))
    held = AggregatePosterior(0.6 * points(600, d, seed=7).float(), torch.full((600, d), broad))
    found = latents.overfitting(train, held, 60, latents.Detectors(400, (0, 1), hidden=(64, 64)))
    assert found.codes == 60
    gaps = {v: float(found.gap(v).mean()) for v in latents.VARIANTS}
    assert gaps["one draw"] > 0.3
    assert gaps["fresh draws"] < 0.4 * gaps["one draw"]
    assert set(found.detectors) == set(latents.VARIANTS)
    for v in latents.VARIANTS:
        for place in latents.PLACES:
            assert float(found.rows[v][place].mean()) == pytest.approx(sum(found.by_seed[v][place]) / 2, abs=1e-5)


def test_one_fixed_draw_is_memorised() -> None:
    train = AggregatePosterior(points(64, 4, seed=6).float(), torch.zeros(64, 4))
    found = latents.overfitting(train, train, 64, latents.Detectors(600, (0,), ("one draw",)))
    assert float(found.rows["one draw"]["trained on"].mean()) < 0.5  # its own points, against fresh draws of r


def test_the_exact_energy_fits_and_the_plain_ratio_does_not() -> None:
    exact, broad = gaussian(0.5), gaussian(1.0)
    grid, cell = latents.square_grid(6.0, 300, torch.float32)
    samples = exact.draw(torch.zeros(2000, dtype=torch.long), points(2000, 2, seed=8).float())
    whole = latents.density_fit(exact, exact, samples, grid, cell)
    assert whole.total == pytest.approx(1, abs=1e-4)
    assert (abs(whole.kl), whole.error) == pytest.approx((0, 0), abs=1e-4)
    assert (whole.correlation, whole.rank) == pytest.approx((1, 1), abs=1e-6)

    def plain(z: Tensor) -> Tensor:
        return exact(z) - broad(z)  # -l = E_q - E_r

    # exp(l) of N(0, 1/4) against N(0, 1) is 4 exp(-3 |z|^2 / 2), a Gaussian of variance 1/3 whose integral is 8 pi / 3, and
    # KL(N(0, 1/4) || N(0, 1/3)) = 3/4 - 1 - log(3/4)
    ratio = latents.density_fit(plain, exact, samples, grid, cell)
    assert ratio.total == pytest.approx(8 * pi / 3, abs=1e-3)
    assert ratio.kl == pytest.approx(0.75 - 1 - log(0.75), abs=1e-4)
    flat = latents.density_fit(lambda z: 0 * z[:, 0], exact, samples, grid, cell)
    assert (flat.correlation, flat.rank) == (0, 0)
    assert flat.total == pytest.approx(144, rel=1e-5)


def test_two_moons_lie_apart_and_their_density_is_whole() -> None:
    moons = latents.two_moons()
    grid, cell = latents.square_grid(4.0, 400, torch.float32)
    assert float((-moons(grid)).exp().sum() * cell) == pytest.approx(1, abs=1e-4)
    assert moons.mean.mean(0).abs().max() < 1e-5
    assert torch.cdist(moons.mean[:24], moons.mean[24:]).min() > 3 * 0.12


def test_a_detector_of_two_moons_gives_their_density_with_the_reference_and_not_without() -> None:
    moons, reference = latents.two_moons(width=0.2), gaussian(1.0)
    which = torch.randint(48, (20_000,), generator=torch.Generator().manual_seed(1))
    codes = moons.draw(which, points(20_000, 2, seed=9).float())
    detector = train_detector(
        codes, Prior(1.0), hidden=(128, 128), members=1, schedule=replace(SCHEDULE, epochs=20, rate=3e-3)
    )
    grid, cell = latents.square_grid(4.0, 200, torch.float32)
    restored = latents.density_fit(PosteriorEnergy(detector, reference), moons, codes[:2000], grid, cell)
    plain = latents.density_fit(DensityRatio(detector), moons, codes[:2000], grid, cell)
    # twice and more what 20 epochs of four seconds leave: total 0.999, KL 0.011, error 0.10 nats, correlation 0.978
    assert restored.total == pytest.approx(1, abs=0.05)
    assert restored.kl < 0.03
    assert restored.error < 0.2
    assert restored.correlation > 0.95
    assert plain.kl > 4 * restored.kl
    assert plain.error > 2 * restored.error


def test_where_data_are_the_reference_the_learned_logit_is_nearly_flat_and_the_restored_energy_is_right() -> None:
    codes = points(8000, 2, seed=10).float()
    detector = train_detector(codes, Prior(1.0), hidden=(32, 32), members=1, schedule=replace(SCHEDULE, epochs=5))
    assert float(chunked(detector, codes).std()) < 0.15
    restored = PosteriorEnergy(detector, gaussian(1.0))
    assert latents.order(-chunked(restored, codes), -gaussian(1.0)(codes))[0] > 0.98
