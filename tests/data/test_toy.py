"""Named densities: each has the shape that its name promises, in the stated scale, without ripples."""

import math

import pytest
import torch
from torch import Tensor

from ridgewalk.data import DENSITIES, density, exact_score
from ridgewalk.data.toy import classes, random_mixture
from ridgewalk.diffusion import VP

every = pytest.mark.parametrize("name", DENSITIES)


# Is it true?


@every
def test_the_mean_is_zero_and_the_mean_variance_one(name: str) -> None:
    p = density(name)
    assert p.means.dtype == torch.float64
    assert p.mean.abs().max() < 1e-14
    assert float(p.covariance.diagonal().mean()) == pytest.approx(1, abs=1e-13)


@every
def test_its_exact_score_is_the_gradient_of_its_noised_log_density(name: str) -> None:
    p, sde = density(name), VP()
    x, t = p.sample(30, torch.Generator().manual_seed(0))[0], torch.tensor(0.05, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    noised = p.noised(float(sde.alpha(t)), float(sde.sigma(t)))
    (gradient,) = torch.autograd.grad(noised.log_prob(leaf).sum(), leaf)
    assert torch.allclose(exact_score(p, sde)(x, t), gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", [n for n in DENSITIES if "mixture" not in n])
def test_densities_in_the_plane_integrate_to_one(name: str) -> None:
    line = torch.linspace(-5, 5, 301, dtype=torch.float64)
    mass = density(name).log_prob(torch.cartesian_prod(line, line)).exp().sum() * float(line[1] - line[0]) ** 2
    assert float(mass) == pytest.approx(
        1, abs=1e-3
    )  # a spacing of 0.033 under a least deviation of 0.07; two-modes ends near 5


def test_the_rings_modes_lie_on_a_circle_in_the_stated_ratio() -> None:
    p = density("ring")
    assert (len(p), p.dims) == (8, 2)
    radius, deviation = p.means.norm(dim=1), p.variances.sqrt()
    assert torch.allclose(radius / deviation[:, 0], torch.full((8,), 2 / 0.15, dtype=torch.float64))
    assert torch.allclose(radius, (1 / (0.5 + (0.15 / 2) ** 2)) ** 0.5 * torch.ones(8, dtype=torch.float64))
    gaps = (p.means - p.means.roll(-1, 0)).norm(dim=1)
    assert torch.allclose(gaps, 2 * radius * math.sin(math.pi / 8))


def test_the_grids_modes_are_a_lattice_ten_deviations_apart() -> None:
    p = density("grid")
    modes = p.means.view(5, 5, 2)
    step = float(modes[1, 0, 0] - modes[0, 0, 0])
    assert torch.allclose(modes[..., 0] / step, torch.arange(-2.0, 3, dtype=torch.float64)[:, None].expand(5, 5))
    assert torch.allclose(modes[..., 1] / step, torch.arange(-2.0, 3, dtype=torch.float64).expand(5, 5))
    assert torch.allclose(p.variances.sqrt(), torch.tensor(step / 10, dtype=torch.float64))


def test_two_modes_are_those_of_song_and_ermon() -> None:
    p = density("two-modes")
    assert p.weights.tolist() == [0.8, 0.2]
    away = p.means[0] - p.means[1]
    assert torch.allclose(away / p.variances[0].sqrt(), torch.full((2,), 10.0, dtype=torch.float64))


def test_moons_interleave_as_scikit_learns_do() -> None:
    from sklearn.datasets import make_moons

    p = density("moons")
    theirs, labels = make_moons(400, noise=None)
    x = torch.from_numpy(theirs)
    s = float(p.variances[0, 0].sqrt()) / 0.1
    mine = p.means / s
    mine = mine - mine.mean(dim=0) + x.mean(dim=0)  # they share their centre, by symmetry
    of, names = classes("moons")
    assert names == ("upper", "lower")
    for k in range(2):
        near = torch.cdist(mine[of == k], x[torch.from_numpy(labels) == k]).amin(dim=1)
        assert near.max() < math.pi / 400  # half of what 200 points of a half circle are apart
    assert torch.cdist(mine[of == 0], mine[of == 1]).min() > 0.3


def test_the_roll_is_scikit_learns_curve() -> None:
    p = density("swiss-roll")
    s = float(p.variances[0, 0].sqrt()) / 0.5
    angle = 1.5 * math.pi * (1 + 2 * (torch.arange(300, dtype=torch.float64) + 0.5) / 300)
    curve = angle[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    assert torch.allclose(p.means / s, curve - curve.mean(dim=0), atol=1e-12)


def second_difference(p_along: Tensor) -> Tensor:
    return p_along[2:] - 2 * p_along[1:-1] + p_along[:-2]


@pytest.mark.parametrize("name", ["moons", "swiss-roll"])
def test_curves_have_no_ripple_between_their_components(name: str) -> None:
    p = density(name)
    of = classes(name)[0]
    curve = p.means[of == 0]
    away = (curve[1:] - curve[:-1]).norm(dim=1).max() / p.variances[0, 0].sqrt()
    assert away < 1  # a deviation apart or closer, as the docstring says
    line = torch.cat([curve[:-1], (curve[1:] + curve[:-1]) / 2], dim=1).view(
        -1, 2
    )  # components, and the middles between
    log = p.log_prob(line)[60:-60]
    # a ripple alternates from component to middle: the second difference would alternate in sign; a curve's own bend does not
    bends = second_difference(log)
    ripple = (bends[1:-1] - (bends[2:] + bends[:-2]) / 2).abs().max() / 8
    assert ripple < 1e-3
    assert log.std() < 0.5


@pytest.mark.parametrize("name", ["mixture-16", "mixture-64"])
def test_random_mixtures_are_anisotropic_and_always_the_same(name: str) -> None:
    p, d = density(name), int(name.split("-")[1])
    assert (len(p), p.dims) == (10, d)
    assert torch.equal(p.means, density(name).means)
    ratio = (p.variances.amax(dim=1) / p.variances.amin(dim=1)).sqrt()
    assert ((ratio > 3) & (ratio <= 10)).all()
    off = p.covariances - torch.diag_embed(p.covariances.diagonal(dim1=1, dim2=2))
    assert off.abs().amax(dim=(1, 2)).min() > 0.03
    assert not torch.equal(p.means, random_mixture(d, seed=1).means)
    # known once and for all: runs compare against these numbers, of means and, with axes, of covariances
    first = {16: (-0.255278, 0.026603), 64: (-0.252600, -0.054222)}[d]
    assert (float(p.means[0, 0]), float(p.covariances[3, 0, 1])) == pytest.approx(first, abs=1e-6)


# Does it keep the contract?


@every
def test_every_component_has_a_class_with_a_name(name: str) -> None:
    of, names = classes(name)
    assert of.dtype == torch.int64
    assert len(of) == len(density(name))
    assert sorted(set(of.tolist())) == list(range(len(names)))


def test_unknown_densities_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown density 'rings'; did you mean 'ring'"):
        density("rings")
    with pytest.raises(ValueError, match="unknown density 'moon'; did you mean 'moons'"):
        classes("moon")
