"""Negatives have the law that their docstrings state; noise belongs to the step, not to the process."""

import pytest
import torch
from torch import Tensor

from ridgewalk.seeds import mixed_seed
from ridgewalk.training.negatives import (
    BOUNDARIES,
    Ball,
    DensityShell,
    LerpPoints,
    Mixture,
    Prior,
    Shells,
    Whole,
    mixture,
)
from ridgewalk.training.noise import Noise


def codes(n: int = 4000, d: int = 3) -> Tensor:
    scale = torch.tensor([0.5, 1.0, 2.0])[:d]
    return 4 + scale * torch.randn(n, d, generator=torch.Generator().manual_seed(1))


def test_lerp_points_lie_on_segments_between_different_codes() -> None:
    z = codes(50)
    r = LerpPoints(margin=0.1)(z, Noise(0, 0))
    for i in range(50):
        along = z - z[i]  # the segments from code i
        t = ((r[i] - z[i]) * along).sum(1) / along.square().sum(1).clamp_min(1e-12)
        off = (z[i] + t[:, None] * along - r[i]).norm(dim=1)
        off[i] = torch.inf
        partner = int(off.argmin())
        assert off[partner] < 1e-5
        assert 0.1 - 1e-5 <= float(t[partner]) <= 0.9 + 1e-5


def test_lerp_points_use_the_whole_segment() -> None:
    z = torch.arange(2.0)[:, None].repeat(1000, 1)  # 0, 1, 0, 1, ...: half of the partners differ
    r = LerpPoints(margin=0.1)(z, Noise(0, 0))
    inside = r[(r > 0.05) & (r < 0.95)]
    assert inside.min() < 0.12
    assert inside.max() > 0.88
    assert float(inside.mean()) == pytest.approx(0.5, abs=0.03)


def test_shells_have_the_stated_radii_in_deviations() -> None:
    z = codes()
    r = Shells(0.3, 1.2)(z, Noise(0, 0))
    radius = ((r - z) / z.std(0)).norm(dim=1) / 3**0.5
    assert float(radius.min()) >= 0.3 - 1e-4
    assert float(radius.max()) <= 1.2 + 1e-4
    assert float(radius.mean()) == pytest.approx(0.75, abs=0.02)
    direction = (r - z) / z.std(0) / radius[:, None]
    assert direction.mean(0).abs().max() < 0.1  # uniform on the sphere


def test_a_prior_without_sigma_is_a_gaussian_fitted_to_the_codes() -> None:
    z = codes()
    r = Prior()(z, Noise(0, 0))
    assert torch.allclose(r.mean(0), z.mean(0), atol=0.15)
    assert torch.allclose(r.std(0), z.std(0), rtol=0.05)


def test_a_prior_with_sigma_ignores_the_codes() -> None:
    z = codes()
    r = Prior(2.0)(z, Noise(0, 0))
    assert torch.equal(r, Prior(2.0)(z + 100, Noise(0, 0)))
    assert float(r.std()) == pytest.approx(2.0, rel=0.03)


def test_a_mixture_has_its_weights() -> None:
    parts = [lambda z, noise, value=value: torch.full_like(z, value) for value in (1.0, 2.0, 3.0)]
    r = Mixture(parts, (1.0, 0.0, 3.0))(codes(8000), Noise(0, 0))[:, 0]
    shares = [float((r == value).double().mean()) for value in (1.0, 2.0, 3.0)]
    assert shares[1] == 0
    assert shares[0] == pytest.approx(0.25, abs=0.02)
    assert shares[2] == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("weights", [(0.0, 0.0, 0.0), (1.0, -1.0, 1.0)])
def test_a_mixture_refuses_weights_that_are_none(weights: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        mixture(*weights)


@pytest.mark.parametrize("sampler", [Prior(), LerpPoints(), Shells(), mixture()])
def test_negatives_keep_shape_dtype_and_inputs_and_repeat(sampler: object) -> None:
    for z in (codes(40), torch.randn(40, 2, 3, 3, generator=torch.Generator().manual_seed(0))):
        before = z.clone()
        first, again = sampler(z, Noise(3, 9)), sampler(z, Noise(3, 9))  # type: ignore[operator]
        assert first.shape == z.shape
        assert first.dtype == z.dtype
        assert torch.equal(z, before)
        assert torch.equal(first, again)
        assert not torch.equal(first, sampler(z, Noise(3, 10)))  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["normal", "uniform", "integers"])
@pytest.mark.parametrize("world", [2, 4])
def test_the_shards_of_a_steps_noise_are_the_global_rows(kind: str, world: int) -> None:
    def drawn(noise: Noise, rows: int) -> list[Tensor]:
        if kind == "integers":
            return [noise.integers(100, rows), noise.integers(9, rows, 2)]
        return [getattr(noise, kind)(rows, 3), getattr(noise, kind)(rows)]

    whole = drawn(Noise(7, 11), 16)
    shards = [drawn(Noise(7, 11, rank, world), 16 // world) for rank in range(world)]
    for i, expected in enumerate(whole):
        assert torch.equal(torch.cat([s[i] for s in shards]), expected)


def test_noise_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    Noise(0, 0).normal(5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_seeds_of_different_parts_differ() -> None:
    seeds = {mixed_seed(a, b) for a in range(-50, 50) for b in range(-50, 50)}
    assert len(seeds) == 10_000
    assert all(0 <= s < 2**63 for s in seeds)
    assert mixed_seed(1, 2) != mixed_seed(2, 1) != mixed_seed(1) != mixed_seed(1, 0)


def test_the_whole_space_is_a_box_of_the_codes_own_size() -> None:
    z = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 3.0]) + 5
    r = Whole(4.0)(z, Noise(0, 0))
    low, high = z.mean(0) - 4 * z.std(0), z.mean(0) + 4 * z.std(0)
    assert bool(((r >= low) & (r <= high)).all())
    # a uniform law of width w has deviation w / sqrt(12); 20,000 draws know it to half a percent
    assert torch.allclose(r.std(0), (high - low) / 12**0.5, rtol=0.02)


def test_a_balls_points_are_uniform_in_it() -> None:
    z = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0))
    r = Ball(0.5)(z, Noise(0, 0))
    distance = ((r - z) / (0.5 * 3**0.5 * z.std(0))).norm(dim=1)
    assert float(distance.max()) <= 1 + 1e-5
    # in d dimensions the share within half of the radius is 2^-d
    assert float((distance < 0.5).float().mean()) == pytest.approx(1 / 8, abs=0.01)


def test_a_density_shell_lies_further_from_the_codes_than_they_from_one_another_and_starts_at_their_edge() -> None:
    z = torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    shell = DensityShell(neighbours=5, edge=0.2, width=0.5, candidates=4)
    r = shell(z, Noise(0, 0))
    own = torch.cdist(z, z).kthvalue(6, dim=1).values
    away = torch.cdist(r, z).kthvalue(5, dim=1).values
    assert float(away.median()) > 2 * float(own.median())
    # of a Gaussian the sparsest fifth lies beyond radius sqrt(-2 ln 0.2) = 1.79, the draws near it
    assert float(torch.cdist(r, z[own >= own.quantile(0.8)]).amin(1).median()) < 0.6
    assert float(r.norm(dim=1).median()) > 1.79
    near = DensityShell(neighbours=5, edge=0.2, width=0.5, candidates=1)(z, Noise(0, 0))
    assert float(away.mean()) > float(torch.cdist(near, z).kthvalue(5, dim=1).values.mean())


def test_a_density_shell_of_too_few_codes_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 5 codes"):
        DensityShell()(torch.zeros(5, 2), Noise(0, 0))


@pytest.mark.parametrize("name", BOUNDARIES)
def test_every_boundary_keeps_shape_and_codes_and_depends_on_the_noise_alone(name: str) -> None:
    z = torch.randn(64, 2, 3, generator=torch.Generator().manual_seed(1))
    before = z.clone()
    sampler = BOUNDARIES[name]()
    a, b, c = sampler(z, Noise(0, 0)), sampler(z, Noise(0, 0)), sampler(z, Noise(0, 1))
    assert a.shape == z.shape
    assert torch.equal(z, before)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
