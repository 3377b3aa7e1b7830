"""Interpolation networks: exact by construction, trained by their formulas, collapsing where nothing holds them."""

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.energies import GaussianPrior
from ridgewalk.finders.amortised import Amortised
from ridgewalk.models.interpolator import ExactInterpolator, Interpolator
from ridgewalk.settings.training import Schedule
from ridgewalk.training.health import WINDOW
from ridgewalk.training.interpolation import Distilled, Pairing, PathEnergy, Reprojection, variety
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.noise import Noise


def latents(n: int, d: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def made(exact: bool, latent: int = 3) -> Interpolator:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return (ExactInterpolator if exact else Interpolator)(latent, (16, 16)).double()


def test_the_exact_network_meets_both_ends_and_reads_alike_from_either_side() -> None:
    network, a, b = made(True), latents(50).double(), latents(50, seed=1).double()
    zero, one = torch.zeros(50, dtype=torch.double), torch.ones(50, dtype=torch.double)
    torch.testing.assert_close(network(a, b, zero), a, rtol=0, atol=0)
    torch.testing.assert_close(network(a, b, one), b, rtol=0, atol=1e-15)
    t = torch.rand(50, generator=torch.Generator().manual_seed(2), dtype=torch.double)
    torch.testing.assert_close(network(a, b, t), network(b, a, 1 - t), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(network(a, b, t), torch.lerp(a, b, t[:, None]))


def test_the_plain_network_is_a_perceptron_of_the_documents_sizes() -> None:
    network = Interpolator(256, (1024, 1024, 512))
    sizes = [(layer.in_features, layer.out_features) for layer in network.net if isinstance(layer, nn.Linear)]
    assert sizes == [(513, 1024), (1024, 1024), (1024, 512), (512, 256)]
    a, b, t = latents(4, 256), latents(4, 256, seed=1), torch.rand(4)
    torch.testing.assert_close(network(a, b, t), network.net(torch.cat([a, b, t[:, None]], dim=1)))


def test_latents_of_another_size_are_refused_with_both_sizes() -> None:
    with pytest.raises(ValueError, match=r"latents of 3 values .*\(2, 4\)"):
        made(True)(latents(2, 4).double(), latents(2, 4, seed=1).double(), torch.rand(2).double())


def test_an_exact_networks_paths_arrive_and_a_plain_ones_say_that_they_do_not() -> None:
    a, b = latents(5).double(), latents(5, seed=1).double()
    path = Amortised(made(True), nodes=9)(a, b)
    assert bool(path.arrived.all())
    assert torch.equal(path.nodes[:, -1], b)
    plain = Amortised(made(False), nodes=9)(a, b)
    assert not bool(plain.arrived.any())
    assert torch.equal(plain.nodes[:, 0], a)
    assert not torch.equal(plain.nodes[:, -1], b)
    assert plain.stats["end_gap"] > 0.01


def test_both_terms_of_the_first_loss_are_their_formulas() -> None:
    pool = latents(40)
    network = made(False).float()
    pairing = Pairing(pool, fresh=False, redrawn=False)
    objective = Reprojection(network, lambda z: 0.5 * z + 1, pairing, attraction=0.3)
    index, partner, time = (column[:8] for column in pairing.data())
    loss, terms = objective.loss("interpolation", (index, partner, time), Noise(0, 0))
    a, b = pool[index], pool[partner]
    z = network(a, b, time)
    again = (z - (0.5 * z + 1)).square().sum(1).mean()
    away = (z - ((1 - time[:, None]) * a + time[:, None] * b)).square().sum(1).mean()
    torch.testing.assert_close(loss, again + 0.3 * away)
    torch.testing.assert_close(terms["reprojection"], again)


def test_attraction_may_follow_the_step() -> None:
    pairing = Pairing(latents(40))
    objective = Reprojection(made(False).float(), lambda z: z, pairing, attraction=lambda step: 1.0 / (1 + step))
    batch = tuple(c[:8] for c in pairing.data())
    first, terms = objective.loss("interpolation", batch, Noise(0, 0))
    torch.testing.assert_close(first, terms["attraction"])
    later, terms = objective.loss("interpolation", batch, Noise(0, 3))
    torch.testing.assert_close(later, terms["attraction"] / 4)


def test_the_four_ways_to_pair() -> None:
    pool = latents(400, 2)
    rows = tuple(c[:60] for c in Pairing(pool).data())
    fixed = Pairing(pool, fresh=False, redrawn=False)
    for step in (0, 1):
        _, b, t = fixed.draw(rows, Noise(0, step))
        assert torch.equal(b, pool[rows[1]])
        assert torch.equal(t, rows[2])
    many = Pairing(pool, fresh=False, times=6)
    a, b, t = many.draw(rows, Noise(0, 0))
    assert (len(a), len(t)) == (10, 60)  # as many points as before: equal cost
    assert torch.equal(b, pool[rows[1][:10]])
    assert not torch.equal(t, many.draw(rows, Noise(0, 1))[2])
    fresh = Pairing(pool)
    partners = torch.cat([fresh.draw(rows, Noise(0, s))[1] for s in range(40)])
    assert not torch.equal(fresh.draw(rows, Noise(0, 0))[1], fresh.draw(rows, Noise(0, 1))[1])
    assert len(partners.unique(dim=0)) > 390  # of 400: the whole pool, not the batch
    assert bool((fresh.draw(rows, Noise(0, 0))[0] != fresh.draw(rows, Noise(0, 0))[1]).any(1).all())


def test_without_attraction_it_collapses_is_named_and_with_it_is_not() -> None:
    # one attracting fixed point: E(G(z)) = z / 2
    schedule = Schedule(epochs=60, batch=64, rate=3e-3, log_gradients=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        free, held = Interpolator(2, (32, 32)), Interpolator(2, (32, 32))
    pairing = Pairing(latents(640, 2))
    with pytest.warns(UserWarning, match="interpolation network has collapsed"):
        history = fit(Reprojection(free, lambda z: z / 2, pairing, 0.0), pairing.data(), schedule, Fitting("cpu"))
    assert float(history.terms["variety"][-WINDOW:].mean()) < 0.05
    assert float(history.terms["interpolation_gradient"][:20].min()) > 0  # it was no vanishing gradient that led there
    kept = fit(Reprojection(held, lambda z: z / 2, pairing, 1.0), pairing.data(), schedule, Fitting("cpu"))
    assert not kept.events
    assert float(kept.terms["variety"][-WINDOW:].mean()) > 0.5


def test_a_path_energy_is_1_and_1_for_straight_lines() -> None:
    pairing = Pairing(latents(64), times=7)
    line = Bent()
    objective = PathEnergy(line, GaussianPrior(), lambda z: 3 * z, pairing, curve=0.5)
    loss, terms = objective.loss("interpolation", tuple(c[:56] for c in pairing.data()), Noise(0, 0))
    assert float(terms["energy"]) == pytest.approx(1, rel=1e-5)
    assert float(terms["curve"]) == pytest.approx(1, rel=1e-5)
    assert float(loss) == pytest.approx(1.5, rel=1e-5)
    with torch.no_grad():
        line.bend.fill_(2.0)
    _, bent = objective.loss("interpolation", tuple(c[:56] for c in pairing.data()), Noise(0, 0))
    assert float(bent["curve"]) > 1.01


def test_the_energy_of_a_path_does_not_depend_on_how_fast_it_is_passed() -> None:
    """The same lines at other times, slow where the energy is low: the mean over nodes falls by half, that over arc length hardly changes."""

    class Timed(nn.Module):
        def __init__(self, power: float) -> None:
            super().__init__()
            self.power = power

        def forward(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
            s = 2 * t - 1
            return torch.lerp(a, b, ((s.sign() * s.abs() ** self.power + 1) / 2)[:, None])

    a = latents(1).double()
    pairing = Pairing(torch.cat([a, -a]), fresh=False, times=31)  # one pair, whose line passes the origin
    batch = (torch.zeros(31).long(), torch.ones(31).long(), torch.zeros(31))
    for curve in (0.0, 0.5):
        objective = PathEnergy(Timed(3.0), GaussianPrior(), lambda z: 3 * z, pairing, curve=curve)
        _, terms = objective.loss("interpolation", batch, Noise(0, 0))
        assert float(terms["energy"]) == pytest.approx(1, abs=0.03)


class Bent(nn.Module):
    """lerp + bend t (1 - t), the same for all pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.bend = nn.Parameter(torch.zeros(()))

    def forward(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        s = t[:, None]
        return torch.lerp(a, b, s) + self.bend * s * (1 - s)


def bent_paths(n: int, k: int, bend: float) -> Tensor:
    a, b, t = latents(n), latents(n, seed=1), torch.linspace(0, 1, k)
    s = t.view(1, -1, 1)
    return torch.lerp(a[:, None], b[:, None], s) + bend * s * (1 - s)


def test_a_distilled_networks_loss_is_1_on_the_line_and_0_on_the_solutions() -> None:
    network, paths = Bent(), bent_paths(40, 9, 2.0)
    objective = Distilled(network, paths, times=5)
    (data,) = objective.data()
    assert torch.equal(data, paths)
    loss, terms = objective.loss("interpolation", (data[:16],), Noise(0, 0))
    assert float(loss) == pytest.approx(1, rel=1e-5)
    with torch.no_grad():
        network.bend.fill_(1.0)  # half of the way: a quarter of the squared distance
    assert float(objective.loss("interpolation", (data[:16],), Noise(0, 0))[0]) == pytest.approx(0.25, rel=1e-4)
    with torch.no_grad():
        network.bend.fill_(2.0)
    loss, terms = objective.loss("interpolation", (data[:16],), Noise(0, 1))
    assert float(loss) == pytest.approx(0, abs=1e-10)
    assert float(terms["variety"]) == pytest.approx(1, abs=0.05)


def test_an_exact_network_learns_the_solutions_of_a_search() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ExactInterpolator(3, (32, 32))
    objective = Distilled(network, bent_paths(200, 9, 2.0))
    history = fit(objective, objective.data(), Schedule(epochs=40, batch=20, rate=3e-3), Fitting("cpu"))
    assert float(history.terms["distance"][-20:].mean()) < 0.05
    torch.testing.assert_close(  # pairs that it never saw
        network(latents(50, seed=7), latents(50, seed=8), torch.full((50,), 0.5)),
        (latents(50, seed=7) + latents(50, seed=8)) / 2 + 0.5,
        rtol=0,
        atol=0.25,
    )


def test_solutions_that_are_the_lines_cost_nothing() -> None:
    loss, _ = Distilled(Bent(), bent_paths(8, 5, 0.0)).loss("interpolation", (bent_paths(8, 5, 0.0),), Noise(0, 0))
    assert float(loss) == 0


def test_solutions_that_are_no_paths_are_refused() -> None:
    with pytest.raises(ValueError, match="k >= 3"):
        Distilled(Bent(), latents(4))
    with pytest.raises(ValueError, match="not finite"):
        Distilled(Bent(), bent_paths(4, 5, float("nan")))
    with pytest.raises(ValueError, match="times must be at least 1"):
        Distilled(Bent(), bent_paths(4, 5, 1.0), times=0)


def test_what_no_network_can_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 latents"):
        Pairing(latents(1))
    with pytest.raises(ValueError, match="not finite"):
        Pairing(torch.tensor([[0.0], [float("nan")]]))
    with pytest.raises(ValueError, match="exactly 1 if times are drawn once"):
        Pairing(latents(5), times=3, redrawn=False)
    with pytest.raises(ValueError, match="times >= 2"):
        PathEnergy(made(True), GaussianPrior(), lambda z: z, Pairing(latents(5)))
    with pytest.raises(ValueError, match="no pair with 9 times"):
        Pairing(latents(20), times=9).draw(tuple(c[:8] for c in Pairing(latents(20)).data()), Noise(0, 0))


def test_variety_of_one_point_for_all_is_0_and_of_the_lines_1() -> None:
    line = latents(30)
    assert float(variety(torch.ones(30, 3), line)) == 0
    assert float(variety(line, line)) == pytest.approx(1)
