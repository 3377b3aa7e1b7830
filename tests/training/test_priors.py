"""Priors: their laws by closed forms, classes in their places, and a user's own function looked at before it is used."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ridgewalk.training.noise import Noise
from ridgewalk.training.priors import Classed, Mixture, Own, SwissRoll, categories, prior

N = 40_000


def test_the_gaussian_and_the_uniform_law_have_their_moments() -> None:
    z = prior("gaussian", 3, sigma=5.0)(N, Noise(0, 0))
    assert torch.allclose(z.std(0), torch.full((3,), 5.0), rtol=0.02)
    u = prior("uniform", 3, scale=2.0)(N, Noise(0, 0))
    assert float(u.abs().max()) <= 2
    assert torch.allclose(u.std(0), torch.full((3,), 2 / math.sqrt(3)), rtol=0.02)


def test_a_petal_lies_at_its_angle_and_is_longer_than_wide() -> None:
    for k in (0, 3):
        z = Mixture(10).given(torch.full((N,), k), Noise(0, k))
        angle = 2 * math.pi * k / 10
        radial = torch.tensor([math.cos(angle), math.sin(angle)])
        across = torch.tensor([-math.sin(angle), math.cos(angle)])
        assert float((z @ radial).mean()) == pytest.approx(1.4, abs=0.02)
        assert float((z @ radial).std()) == pytest.approx(0.5, rel=0.02)
        assert float((z @ across).mean()) == pytest.approx(0, abs=0.01)
        assert float((z @ across).std()) == pytest.approx(0.1, rel=0.02)


def test_a_segment_lies_between_its_radii() -> None:
    for k in (0, 4, 9):
        r = SwissRoll(10).given(torch.full((2000,), k), Noise(0, 0)).norm(dim=1)
        assert float(r.min()) > 3 * math.sqrt(k / 10) - 0.3
        assert float(r.max()) < 3 * math.sqrt((k + 1) / 10) + 0.3


@pytest.mark.parametrize("law", [Mixture(7, scale=2.0), SwissRoll(7)])
def test_where_no_class_is_given_each_is_as_likely(law: Classed) -> None:
    assert isinstance(law, Classed)
    mixed, noise = law(N, Noise(0, 0)), Noise(0, 1)
    each = torch.cat([law.given(torch.full((N // 7,), k), noise) for k in range(7)])
    assert torch.allclose(mixed.mean(0), each.mean(0), atol=0.05)
    assert torch.allclose(mixed.std(0), each.std(0), rtol=0.03)


def test_categories_are_uniform_corners() -> None:
    y = categories(N, 4, Noise(0, 0))
    assert set(y.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(y.sum(1), torch.ones(N))
    assert torch.allclose(y.mean(0), torch.full((4,), 0.25), atol=0.01)


@pytest.mark.parametrize("name", ["gaussian", "uniform", "mixture", "swiss-roll"])
def test_processes_share_the_draws_of_one(name: str) -> None:
    law = prior(name, 2)
    parts = torch.cat([law(5, Noise(0, 3, rank=r, world=2)) for r in range(2)])
    assert torch.equal(parts, law(10, Noise(0, 3)))
    assert torch.equal(law(5, Noise(0, 3)), law(5, Noise(0, 3)))


def test_the_plane_is_needed_where_a_prior_lies_in_it() -> None:
    with pytest.raises(ValueError, match=r"needs model.latent = 2; got 3"):
        prior("swiss-roll", 3)
    with pytest.raises(ValueError, match=r"did you mean 'mixture'.*module:function"):
        prior("mixtur", 2)


MODULE = """
import torch
def ring(rows, generator):
    a = 6.2831853 * torch.rand(rows, generator=generator)
    return torch.stack([a.cos(), a.sin()], 1)
def wide(rows, generator):
    return torch.zeros(rows, 3)
def broken(rows, generator):
    z = torch.zeros(rows, 2)
    z[1] = float("nan")
    return z
def failing(rows, generator):
    raise KeyError("nothing here")
def text(rows, generator):
    return "points"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's, in a folder that Python searches."""
    (tmp_path / "rings_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "rings_of_mine", raising=False)
    return "rings_of_mine"


def test_a_users_own_function_is_a_prior(own: str) -> None:
    law = prior(f"{own}:ring", 2)
    z = law(100, Noise(0, 0))
    assert torch.allclose(z.norm(dim=1), torch.ones(100), atol=1e-5)
    assert torch.equal(z, law(100, Noise(0, 0)))
    assert torch.equal(z[50:], law(50, Noise(0, 0, rank=1, world=2)))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("wide", r"must return a tensor of floats \(8, 2\), rows by model.latent; got torch.float32 \(8, 3\)"),
        ("broken", r"must return finite values; row 1 of 8 has NaN"),
        ("failing", r"failed to draw 8 rows: KeyError"),
        ("text", r"must return a tensor of floats \(8, 2\).*got str"),
    ],
)
def test_what_a_users_function_returns_is_looked_at(own: str, function: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prior(f"{own}:{function}", 2)(8, Noise(0, 0))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_here:f", "cannot be imported"),
        ("math:no_such_function", "has no function called 'no_such_function'"),
        (":f", "named as module:function"),
    ],
)
def test_a_function_that_cannot_be_found_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prior(name, 2)


def test_draws_carry_no_gradient_and_are_floats() -> None:
    def double(rows: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(rows, 2, dtype=torch.float64, requires_grad=True)

    z = Own(double, 2, "double")(4, Noise(0, 0))
    assert z.dtype == torch.float32
    assert not z.requires_grad
