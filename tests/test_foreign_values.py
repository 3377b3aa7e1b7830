"""Functions that a user brings and that change their input, or return values of another type, shape or device, or gradients of 0 that are none."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ridgewalk import finders, train_detector
from ridgewalk.callables import evaluation_mode
from ridgewalk.diffusion import VP, Heun, sample
from ridgewalk.diffusion.guidance import DiscriminatorGuidance
from ridgewalk.energies import WeightedSum
from ridgewalk.fields import energy_and_score
from ridgewalk.path import Path, chunked

A, B = torch.tensor([[1.0, 0.1], [0.5, 1.0]]), torch.tensor([[-1.0, 0.2], [-0.5, -1.0]])

Function = Callable[[Tensor], Tensor]


def ring(z: Tensor) -> Tensor:
    """Lowest on the unit circle."""
    return (z.norm(dim=1) - 1) ** 2


def decode(z: Tensor) -> Tensor:
    """A curved surface over the plane."""
    return torch.stack([z[:, 0], z[:, 1], 2 * torch.exp(-z.square().sum(1))], dim=1)


def in_place(f: Function) -> Function:
    """The function of rectified points; it rectifies its argument."""
    return lambda z: f(torch.relu_(z))


def copying(f: Function) -> Function:
    return lambda z: f(torch.relu(z))


def of_energy(energy: Function) -> dict[str, Callable[[Tensor, Tensor], Path]]:
    return {
        "string": finders.StringMethod(energy, nodes=9, iterations=30),
        "walk": finders.ScoreGuidedWalk(energy, nodes=9),
        "arriving": finders.ArrivingWalk(energy, nodes=9),
        "ridge": finders.RidgePath(energy, decode, nodes=9),
    }


def of_decoder(decode: Function) -> dict[str, Callable[[Tensor, Tensor], Path]]:
    return {
        "spacing": finders.StringMethod(ring, nodes=9, iterations=30, spacing=decode),
        "geodesic": finders.Geodesic(decode, nodes=9),
        "ridge": finders.RidgePath(ring, decode, nodes=9),
    }


@pytest.mark.parametrize("name", list(of_energy(ring)))
def test_an_energy_that_works_in_place_gives_the_path_of_one_that_copies(name: str) -> None:
    expected = of_energy(copying(ring))[name](A, B)
    found = of_energy(in_place(ring))[name](A, B)
    assert torch.equal(found.nodes, expected.nodes)
    assert torch.equal(found.traces["energy"], expected.traces["energy"])


@pytest.mark.parametrize("name", list(of_decoder(decode)))
def test_a_decoder_that_works_in_place_gives_the_path_of_one_that_copies(name: str) -> None:
    a, b = A.clone(), B.clone()
    found = of_decoder(in_place(decode))[name](a, b)
    assert torch.equal(found.nodes, of_decoder(copying(decode))[name](A, B).nodes)
    assert torch.equal(a, A)
    assert torch.equal(b, B)


def test_a_function_that_works_in_place_changes_no_node_of_a_path_in_any_block() -> None:
    path = finders.Lerp(33)(A, B)
    before = path.nodes.clone()
    assert torch.equal(path.map(in_place(decode), chunk=20), path.map(copying(decode), chunk=20))
    assert torch.equal(path.nodes, before)


def test_one_term_of_a_sum_that_works_in_place_leaves_the_others_their_points() -> None:
    total = WeightedSum([in_place(ring), ring], [1.0, 1.0])
    assert torch.equal(
        energy_and_score(total, B)[1], energy_and_score(WeightedSum([copying(ring), ring], [1.0, 1.0]), B)[1]
    )


def test_an_input_that_is_changed_outside_autograd_is_refused() -> None:
    def doubled(z: Tensor) -> Tensor:
        with torch.no_grad():
            z.mul_(2)
        return ring(z)

    with pytest.raises(ValueError, match=r"changes its input in place inside torch\.no_grad"):
        energy_and_score(doubled, A)


def test_a_score_and_a_discriminator_that_work_in_place_sample_as_those_that_copy() -> None:
    def drawn(rectify: Function) -> Tensor:
        return sample(Heun(VP(), steps=6), lambda x, t: -rectify(x), 20, (2,)).x

    assert torch.equal(drawn(torch.relu_), drawn(torch.relu))
    guides = (
        DiscriminatorGuidance(lambda x, t, rectify=rectify: rectify(x)[:, 0], VP())
        for rectify in (torch.relu_, torch.relu)
    )
    first, second = (guide(A - 0.7, torch.tensor(0.5)) for guide in guides)
    assert torch.equal(first, second)


def test_a_discriminator_whose_gradient_belongs_to_other_tensors_is_refused() -> None:
    weights = nn.Linear(2, 1)
    guide = DiscriminatorGuidance(lambda x, t: weights(x.detach())[:, 0], VP())
    with pytest.raises(ValueError, match="discriminator is not differentiable"):
        guide(A, torch.tensor(0.5))


@pytest.mark.parametrize(
    "hidden",
    [lambda z: torch.from_numpy(z.detach().numpy()).requires_grad_(True), lambda z: z.detach().requires_grad_(True)],
    ids=["numpy", "detach"],
)
def test_a_part_of_an_objective_with_a_gradient_of_its_own_is_refused(hidden: Function) -> None:
    for find in (
        finders.RidgePath(lambda z: ring(hidden(z)), decode, nodes=9),
        finders.RidgePath(ring, lambda z: decode(hidden(z)), nodes=9),
        finders.StringMethod(WeightedSum([ring, lambda z: ring(hidden(z))], [1.0, 1.0]), nodes=9),
    ):
        with pytest.raises(ValueError, match="is not differentiable in z"):
            find(A, B)


@pytest.mark.parametrize(
    "energy",
    [lambda z: ring((1000 * z).round() / 1000), lambda z: ring(z.detach()) + 0 * z.sum(1)],
    ids=["rounding", "detach"],
)
def test_an_energy_whose_gradient_is_0_although_it_changes_is_refused(energy: Function) -> None:
    for find in (finders.StringMethod(energy, nodes=9), finders.ScoreGuidedWalk(energy, nodes=9)):
        with pytest.raises(ValueError, match="gradient 0 in z although its value changes"):
            find(A, B)


def test_an_energy_that_is_flat_or_at_a_minimum_a_kink_or_a_step_has_the_score_0() -> None:
    at = torch.zeros(1, 2)
    for energy in (
        lambda z: z.square().sum(1),
        lambda z: z.norm(dim=1),
        lambda z: torch.relu(z.sum(1) - 0.001),
        lambda z: torch.relu(0.1 - z.sum(1)) * 0 + 1,
    ):
        assert not energy_and_score(energy, at)[1].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_an_energy_of_another_precision_is_used_in_that_of_the_points(dtype: torch.dtype) -> None:
    energy = lambda z: ring(z.to(dtype))  # noqa: E731
    assert energy_and_score(energy, A)[0].dtype == A.dtype
    assert finders.Descent(energy, steps=20)(A).z.dtype == A.dtype
    assert finders.Langevin(energy, steps=5, burn=5)(A).z.dtype == A.dtype
    for find in of_energy(energy).values():
        assert find(A, B).nodes.dtype == A.dtype


@pytest.mark.parametrize(
    "change",
    [lambda e: e > 0.1, lambda e: (100 * e).long(), lambda e: torch.complex(e, e), lambda e: e.to("meta")],
    ids=["bool", "int", "complex", "meta"],
)
def test_an_energy_that_is_no_real_number_on_the_device_of_the_points_is_refused(change: Function) -> None:
    for find in of_energy(lambda z: change(ring(z))).values():
        with pytest.raises(
            ValueError, match=r"real floating-point numbers on their device; the energy returned torch\."
        ):
            find(A, B)


def test_a_column_of_energies_is_refused_by_every_finder() -> None:
    for find in of_energy(lambda z: ring(z)[:, None]).values():
        with pytest.raises(ValueError, match=r"an energy maps \(n, \*\) to \(n,\)"):
            find(A, B)


def test_an_energy_that_is_nan_is_counted_where_a_walk_goes_on() -> None:
    energy = lambda z: torch.where(z[:, 0] > 0, ring(z), torch.nan)  # noqa: E731
    for name in ("walk", "arriving"):
        assert of_energy(energy)[name](A, B).stats["nonfinite"] > 0


@pytest.mark.parametrize(
    "change",
    [
        lambda x: (100 * x).long(),
        lambda x: (50 * x).to(torch.uint8),
        lambda x: x > 0,
        lambda x: x[:, :0],
        lambda x: x + 0j,
    ],
    ids=["int", "uint8", "bool", "empty", "complex"],
)
def test_a_decoder_whose_values_have_no_distances_is_refused(change: Function) -> None:
    for find in of_decoder(lambda z: change(decode(z))).values():
        with pytest.raises(ValueError, match="distances are measured between real floating-point values; the decoder"):
            find(A, B)


def test_a_decoder_of_one_number_a_row_is_one_of_one_column() -> None:
    for name, find in of_decoder(lambda z: decode(z)[:, 2]).items():
        assert torch.equal(find(A, B).nodes, of_decoder(lambda z: decode(z)[:, 2:])[name](A, B).nodes)


def test_rows_are_counted_in_every_block() -> None:
    with pytest.raises(ValueError, match=re.escape("over 4 rows must return as many rows; it returned (1, 2)")):
        chunked(lambda z: z if len(z) == 16 else z[:1], torch.zeros(20, 2))


def test_a_network_in_a_slot_is_found() -> None:
    class Slotted:
        __slots__ = ("net",)

        def __init__(self) -> None:
            self.net = nn.Dropout().train()

        def __call__(self, z: Tensor) -> Tensor:
            return self.net(z)

    held = Slotted()
    with evaluation_mode(held):
        assert not held.net.training
    assert held.net.training


@pytest.mark.parametrize(
    "codes", [torch.randn(50, 2).double(), torch.ones(50, 2).long(), torch.zeros(1, 2), torch.zeros(0, 2)]
)
def test_codes_that_no_detector_can_be_trained_on_are_refused_in_a_sentence(codes: Tensor) -> None:
    with pytest.raises(ValueError, match=r"at least 2 codes of torch\.float32; got"):
        train_detector(codes)
