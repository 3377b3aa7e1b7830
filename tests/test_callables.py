"""Functions that a user brings: missing gradients, values that are no tensors, networks in train mode, and inference mode."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ridgewalk import finders
from ridgewalk.callables import evaluation_mode, outside_inference_mode
from ridgewalk.diffusion import VP, Heun, sample
from ridgewalk.diffusion.guidance import DiscriminatorGuidance
from ridgewalk.energies import KernelDensity, NearestNeighbours, WeightedSum
from ridgewalk.fields import add, energy_and_score
from ridgewalk.path import Path, chunked

A, B = torch.tensor([[1.0, 0.1]]), torch.tensor([[-1.0, 0.2]])


def ring(z: Tensor) -> Tensor:
    """Lowest on the unit circle, so that the straight line between A and B is not the best path."""
    return (z.norm(dim=1) - 1) ** 2


def decode(z: Tensor) -> Tensor:
    """A curved surface over the plane."""
    return torch.stack([z[:, 0], z[:, 1], 2 * torch.exp(-z.square().sum(1))], dim=1)


def by_numpy(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda z: torch.from_numpy(f(z.detach()).numpy())


def of_energy(energy: Callable[[Tensor], Tensor]) -> dict[str, Callable[[Tensor, Tensor], Path]]:
    return {
        "string": finders.StringMethod(energy, nodes=9, iterations=60),
        "walk": finders.ScoreGuidedWalk(energy, nodes=9),
        "arriving": finders.ArrivingWalk(energy, nodes=9),
        "guided": finders.GuidedExploration(energy, nodes=9),
        "ridge": finders.RidgePath(energy, decode, nodes=9),
    }


def of_points(energy: Callable[[Tensor], Tensor]) -> dict[str, Callable[[Tensor], finders.Moved]]:
    return {
        "descent": finders.Descent(energy, steps=50),
        "langevin": finders.Langevin(energy, steps=20, burn=5),
        "tempered": finders.Tempered(energy, steps=20, burn=5),
    }


@pytest.mark.parametrize("name", [*of_energy(ring), *of_points(ring)])
@pytest.mark.parametrize("hide", [torch.no_grad(), by_numpy], ids=["no_grad", "numpy"])
def test_an_energy_whose_gradient_is_missing_is_refused(name: str, hide: Callable[..., Callable]) -> None:
    search = partial({**of_energy(hide(ring)), **of_points(hide(ring))}[name], A)
    ends = (B,) if name in of_energy(ring) else ()
    with pytest.raises(ValueError, match=r"energy is not differentiable in z.*no_grad"):
        search(*ends)


@pytest.mark.parametrize("hide", [torch.no_grad(), by_numpy], ids=["no_grad", "numpy"])
def test_a_decoder_whose_gradient_is_missing_is_refused(hide: Callable[..., Callable]) -> None:
    for find in (finders.Geodesic(hide(decode)), finders.RidgePath(ring, hide(decode))):
        with pytest.raises(ValueError, match="decoder is not differentiable in z"):
            find(A, B)


def test_a_decoder_with_trainable_weights_and_detached_input_is_refused() -> None:
    weights = nn.Linear(2, 3)
    with pytest.raises(ValueError, match="is not differentiable in z"):
        finders.Geodesic(lambda z: weights(z.detach()))(A, B)


def test_one_term_of_a_sum_without_a_gradient_is_refused() -> None:
    whole = WeightedSum([ring, lambda z: z[:, 0] ** 2], [1.0, 0.5])
    half = WeightedSum([ring, torch.no_grad()(lambda z: z[:, 0] ** 2)], [1.0, 0.5])
    assert torch.allclose(energy_and_score(whole, A)[1], energy_and_score(ring, A)[1] - torch.tensor([[1.0, 0.0]]))
    with pytest.raises(ValueError, match="energy of the sum is not differentiable"):
        energy_and_score(half, A)


def test_an_energy_that_is_constant_has_no_force() -> None:
    for constant in (lambda z: torch.ones(len(z)), torch.no_grad()(lambda z: torch.ones(len(z)))):
        values, force = energy_and_score(constant, A)
        assert values.tolist() == [1.0]
        assert not force.any()


@pytest.mark.parametrize("name", list(of_energy(ring)))
def test_inside_inference_mode_a_path_is_the_same(name: str) -> None:
    find = of_energy(ring)[name]
    outside = find(A, B)
    with torch.inference_mode():
        ends = A.clone(), B.clone()
        inside = find(*ends)
    assert torch.equal(outside.nodes, inside.nodes)
    assert torch.equal(outside.traces["energy"], inside.traces["energy"])


@pytest.mark.parametrize("name", list(of_points(ring)))
def test_inside_inference_mode_points_move_alike(name: str) -> None:
    move = of_points(ring)[name]
    outside = move(2 * A)
    with torch.inference_mode():
        inside = move(2 * A)
    assert torch.equal(outside.z, inside.z)
    assert not torch.equal(outside.z, 2 * A)


def test_inside_inference_mode_a_geodesic_is_the_same() -> None:
    find = finders.Geodesic(decode)
    outside = find(A, B)
    with torch.inference_mode():
        inside = find(A, B)
    assert torch.equal(outside.nodes, inside.nodes)


def test_guidance_inside_inference_mode_is_the_same_and_without_a_gradient_refused() -> None:
    sde = VP()

    def score(x: Tensor, t: Tensor) -> Tensor:
        return -x

    def drawn(ratio: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return sample(Heun(sde, steps=6), add(score, DiscriminatorGuidance(ratio, sde)), 20, (2,)).x

    outside = drawn(lambda x, t: 3 * x[:, 0])
    with torch.inference_mode():
        inside = drawn(lambda x, t: 3 * x[:, 0])
    plain = sample(Heun(sde, steps=6), score, 20, (2,)).x
    assert torch.equal(outside, inside)
    assert (outside - plain)[:, 0].abs().min() > 0.1
    with pytest.raises(ValueError, match="discriminator is not differentiable"):
        drawn(torch.no_grad()(lambda x, t: 3 * x[:, 0]))


class Output:
    """What other libraries return in place of a tensor."""

    def __init__(self, sample: Tensor) -> None:
        self.sample = sample


@pytest.mark.parametrize("wrap", [Output, lambda z: (z, None), lambda z: z.numpy(), lambda z: None])
def test_what_is_no_tensor_is_refused_in_a_sentence(wrap: Callable[[Tensor], object]) -> None:
    path = finders.Lerp(5)(A, B)
    with pytest.raises(ValueError, match="must return a tensor"):
        path.map(lambda z: wrap(z))
    with pytest.raises(ValueError, match="must return a tensor"):
        finders.StringMethod(ring, nodes=5, iterations=1, spacing=lambda z: wrap(z))(A, B)
    with pytest.raises(ValueError, match="must return a tensor"):
        energy_and_score(lambda z: wrap(z.detach()), A)


def test_arrays_and_tuples_in_place_of_tensors_are_refused() -> None:
    array = np.zeros((20, 2), dtype=np.float32)
    for use in (
        lambda v: finders.Lerp(5)(v, v),
        finders.GraphPath,
        NearestNeighbours,
        KernelDensity,
    ):
        for value in (array, (A, B)):
            with pytest.raises(ValueError, match="must be a tensor; got a"):
                use(value)


def test_a_spacing_that_is_not_finite_is_an_error_and_not_a_path() -> None:
    def overflowing(z: Tensor) -> Tensor:
        return torch.where(z > 0, torch.sqrt(z - 10), z)

    for find in (
        finders.StringMethod(ring, nodes=9, iterations=5, spacing=overflowing),
        finders.Amortised(lambda a, b, t: torch.lerp(a, b, t[:, None]), 9, spacing=overflowing),
    ):
        with pytest.raises(FloatingPointError, match=r"pair 0.*decoder"):
            find(A, B)


def test_a_path_that_arrived_has_finite_nodes() -> None:
    nodes = torch.stack([A, torch.full_like(A, torch.nan), B], dim=1)
    with pytest.raises(FloatingPointError, match="1 of 1 paths"):
        Path(nodes, torch.tensor([True]))
    assert not Path(nodes, torch.tensor([False])).arrived.any()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 3)).train()


class Pair:
    """A model that is no module."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def decode(self, z: Tensor) -> Tensor:
        return self.net(z)


GLOBAL = network()


@pytest.mark.parametrize(
    "hold",
    [
        lambda net: net,
        lambda net: net.forward,
        lambda net: lambda z: net(z),
        lambda net: partial(lambda n, z: n(z), net),
        lambda net: Pair(net).decode,
        lambda net: lambda z: GLOBAL(z),
        lambda net: [net],
    ],
    ids=["module", "method", "closure", "partial", "object", "global", "list"],
)
def test_a_network_is_found_in_every_container(hold: Callable[[nn.Module], object]) -> None:
    net = network()
    held = hold(net)
    used = GLOBAL if callable(held) and "GLOBAL" in getattr(getattr(held, "__code__", None), "co_names", ()) else net
    used.train()
    with evaluation_mode(held):
        assert not any(m.training for m in used.modules())
    assert all(m.training for m in used.modules())


def test_a_module_in_train_mode_is_used_in_eval_mode_and_left_as_it_was() -> None:
    net, calm = network(), network().eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    z = torch.randn(70, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(chunked(net, z), chunked(calm, z))
    energy = lambda z: net(z).square().sum(1)  # noqa: E731
    assert torch.equal(energy_and_score(energy, z)[1], energy_and_score(lambda z: calm(z).square().sum(1), z)[1])
    assert torch.equal(finders.Geodesic(net)(A, B).nodes, finders.Geodesic(calm)(A, B).nodes)
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_a_method_runs_outside_inference_mode_once() -> None:
    class Doubling:
        @outside_inference_mode
        def __call__(self, z: Tensor) -> Tensor:
            assert not torch.is_inference_mode_enabled()
            return 2 * z

    with torch.inference_mode():
        assert not Doubling()(A.clone()).is_inference()


def test_the_former_name_of_the_finders_still_works() -> None:
    from ridgewalk import paths

    assert paths is finders
