"""Values of a path: straight lines and right angles by hand, probabilities by hand, and undefined values."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ridgewalk.metrics.paths import (
    curve_energy,
    end_error,
    image_length,
    interior,
    largest_step,
    mean_confidence,
    monotonicity,
    precision,
    relative_length,
    share_real,
    step_evenness,
    third_class_mass,
    wholly_real,
    worst_confidence,
)

FRAME_METRICS = [image_length, curve_energy, largest_step, step_evenness]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def line(k: int) -> Tensor:
    """One pair's straight line of even steps from black to white, of 2 x 2 pixels: length 2."""
    return torch.linspace(0, 1, k, dtype=torch.float64).view(1, k, 1, 1, 1).expand(1, k, 1, 2, 2)


def curve(*points: tuple[float, ...]) -> Tensor:
    return torch.tensor([points], dtype=torch.float64)


BENT = curve((0, 0), (3, 0), (3, 4), (3, 5))  # steps 3, 4, 1; chord sqrt(34)
STILL = curve((1, 2), (1, 2), (1, 2))
LOOP = curve((0, 0), (3, 4), (0, 0))


@pytest.mark.parametrize("k", [2, 3, 17])
def test_a_straight_line_of_even_steps(k: int) -> None:
    expected = {image_length: 2.0, curve_energy: 4.0, largest_step: 1 / (k - 1), step_evenness: 1.0}
    for metric, value in expected.items():
        torch.testing.assert_close(metric(line(k)), torch.tensor([value], dtype=torch.float64), rtol=1e-12, atol=0)


def test_a_bent_path_by_hand() -> None:
    assert image_length(BENT).item() == 8
    assert curve_energy(BENT).item() == 3 * (9 + 16 + 1)
    assert largest_step(BENT).item() == pytest.approx(4 / 34**0.5, rel=1e-12)
    assert step_evenness(BENT).item() == pytest.approx(4 / (8 / 3), rel=1e-12)


def test_energy_bounds_the_squared_length() -> None:
    frames = torch.rand(20, 9, 3, 4, 4, generator=generator(), dtype=torch.float64)
    assert (curve_energy(frames) > image_length(frames) ** 2).all()


def test_one_jump_is_as_uneven_as_can_be() -> None:
    assert step_evenness(curve((0,), (0,), (0,), (1,), (1,))).item() == 4


def test_equal_ends_leave_the_largest_step_without_a_scale() -> None:
    assert largest_step(LOOP).item() == torch.inf
    assert largest_step(STILL).isnan().all()


def test_a_constant_path_has_no_evenness() -> None:
    assert step_evenness(STILL).isnan().all()
    assert step_evenness(LOOP).item() == 1


def test_relative_length() -> None:
    straight = curve((0, 0), (3, 5))  # its own number of frames
    assert relative_length(BENT, straight).item() == pytest.approx(8 / 34**0.5, rel=1e-12)
    assert relative_length(BENT, BENT).item() == 1
    assert relative_length(BENT, STILL).item() == torch.inf
    assert relative_length(STILL, STILL).isnan().all()


def test_end_error_is_the_worse_end() -> None:
    nodes = torch.tensor([[[0.0, 0.0], [9.0, 9.0], [1.0, 1.0]]]).expand(3, 3, 2)
    z_a = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    z_b = torch.tensor([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    assert end_error(nodes, z_a, z_b).tolist() == [0, 5, 2]
    spatial = nodes.reshape(3, 3, 1, 2, 1)
    assert end_error(spatial, z_a.reshape(3, 1, 2, 1), z_b.reshape(3, 1, 2, 1)).tolist() == [0, 5, 2]


def test_interior_leaves_the_ends_out() -> None:
    assert interior(torch.arange(5)[None]).tolist() == [[1, 2, 3]]
    with pytest.raises(ValueError, match="k >= 3"):
        interior(torch.zeros(4, 2, 7))


def test_precision_and_wholly_real() -> None:
    inside = torch.tensor([[True, True, True, True], [True, False, True, True], [False, False, False, False]])
    assert precision(inside).tolist() == share_real(inside.double()).tolist() == [1, 0.75, 0]
    assert wholly_real(inside.double()).tolist() == [1, 0, 0]
    assert wholly_real(torch.full((2, 3), torch.nan)).isnan().all()  # of a judge that cannot tell


# Two interior frames; classes A = 0, B = 1 and a third. The ends do not count for confidence or third classes.
PROBABILITIES = torch.tensor(
    [[[0.0, 0.0, 1.0], [0.7, 0.1, 0.2], [0.2, 0.4, 0.4], [0.0, 0.0, 1.0]]], dtype=torch.float64
)
A, B = torch.tensor([0]), torch.tensor([1])


def two_class(*p_b: float) -> Tensor:
    """A path whose frames have probability p_b of class 1 and the rest of class 0."""
    p = torch.tensor([p_b], dtype=torch.float64)
    return torch.stack([1 - p, p], dim=2)


def test_confidence_of_interior_frames() -> None:
    assert mean_confidence(PROBABILITIES).item() == pytest.approx(0.55, rel=1e-12)
    assert worst_confidence(PROBABILITIES).item() == pytest.approx(0.4, rel=1e-12)


def test_third_class_mass_of_interior_frames() -> None:
    assert third_class_mass(PROBABILITIES, A, B).item() == pytest.approx(0.3, rel=1e-12)
    assert third_class_mass(PROBABILITIES, B, A).item() == pytest.approx(0.3, rel=1e-12)
    assert third_class_mass(PROBABILITIES, A, A).item() == pytest.approx(1 - 0.45, rel=1e-12)


def test_third_class_mass_is_never_below_zero() -> None:
    p = torch.rand(200, 5, 10, generator=generator()).mul(30).softmax(dim=2)
    a, b = p[:, 2].topk(2, dim=1).indices.unbind(1)
    assert (third_class_mass(p, a, b) >= 0).all()


@pytest.mark.parametrize(
    ("p_b", "expected"),
    [
        ((0.0, 0.3, 0.3, 1.0), 1.0),  # never decreases
        ((1.0, 0.4, 0.0), 0.0),  # never increases
        ((0.0, 0.6, 0.2, 1.0), 1.4 / 1.8),  # up 0.6 and 0.8, down 0.4
        ((0.2, 0.9, 0.2), 0.5),  # all undone
        ((0.5, 0.5, 0.5), 1.0),  # nothing changes
    ],
)
def test_monotonicity_is_the_share_of_change_towards_b(p_b: tuple[float, ...], expected: float) -> None:
    assert monotonicity(two_class(*p_b), A, B).item() == pytest.approx(expected, rel=1e-12)
    if p_b[0] != p_b[-1]:
        assert monotonicity(two_class(*p_b), B, A).item() == pytest.approx(1 - expected, abs=1e-12)


def test_monotonicity_hardly_depends_on_the_rounding_of_a_plateau() -> None:
    noisy = two_class(0.0, 1e-9, 0.0, 1e-9, 0.0, 1.0, 1 - 1e-9, 1.0, 1 - 1e-9)
    assert monotonicity(noisy, A, B).item() == pytest.approx(1, abs=1e-8)  # half of its steps decrease


def test_monotonicity_of_a_pair_of_one_class_is_one() -> None:
    assert monotonicity(PROBABILITIES, A, A).item() == 1


def random_case(metric: Callable[..., Tensor], b: int) -> tuple[Tensor, ...]:
    """Arguments for ``metric`` over b pairs."""
    frames = torch.rand(b, 6, 1, 5, 5, generator=generator(1), dtype=torch.float64)
    p = torch.randn(b, 6, 4, generator=generator(2), dtype=torch.float64).softmax(dim=2)
    labels = torch.randint(4, (2, b), generator=generator(3)).unbind()
    if metric in FRAME_METRICS:
        return (frames,)
    if metric is relative_length:
        return (frames, frames.flip(0)[:, ::5])
    if metric is end_error:
        return (frames, frames[:, 1], frames[:, 2])
    if metric is precision:
        return (p[:, :, 0] > 0.15,)
    if metric in (share_real, wholly_real):
        return ((p[:, :, 0] > 0.15).double(),)
    return (p,) if metric in (mean_confidence, worst_confidence) else (p, *labels)


ALL = [
    *FRAME_METRICS,
    relative_length,
    end_error,
    precision,
    share_real,
    wholly_real,
    mean_confidence,
    worst_confidence,
    third_class_mass,
    monotonicity,
]


@pytest.mark.parametrize("metric", ALL)
def test_a_pairs_value_does_not_depend_on_the_batch_and_inputs_stay(metric: Callable[..., Tensor]) -> None:
    args = random_case(metric, 40)  # more pairs than one chunk of frames
    before = [a.clone() for a in args]
    whole = metric(*args)
    assert whole.shape == (40,)
    assert whole.unique().numel() > 1
    for i in (0, 17, 39):
        # sums of 25 pixels may be ordered by the batch's layout: to rounding
        torch.testing.assert_close(metric(*(a[i : i + 1] for a in args)), whole[i : i + 1], rtol=1e-14, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(args, before))


@pytest.mark.parametrize("metric", ALL)
def test_dtype_follows_the_inputs(metric: Callable[..., Tensor]) -> None:
    args = random_case(metric, 3)
    expected = torch.float32 if metric is precision else torch.float64
    assert metric(*args).dtype == expected
    assert metric(*(a.float() if a.is_floating_point() else a for a in args)).dtype == torch.float32


@pytest.mark.parametrize("metric", [mean_confidence, worst_confidence, third_class_mass, monotonicity])
def test_logits_are_refused(metric: Callable[..., Tensor]) -> None:
    p, *labels = random_case(metric, 3)
    with pytest.raises(ValueError, match="softmax"):
        metric(p.log(), *labels)
    with pytest.raises(ValueError, match=r"\(b, k, classes\)"):
        metric(p[0], *labels)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="frames must be floating"):
        image_length(torch.zeros(2, 3, 4, dtype=torch.uint8))  # whose differences would wrap
    with pytest.raises(ValueError, match="k >= 2"):
        largest_step(torch.zeros(2, 1, 4))
    with pytest.raises(ValueError, match="same pairs"):
        relative_length(torch.rand(2, 3, 4), torch.rand(1, 3, 4))
    with pytest.raises(ValueError, match="z_b"):
        end_error(torch.zeros(2, 3, 4), torch.zeros(2, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="bool"):
        precision(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="k >= 3"):
        wholly_real(torch.zeros(2, 0))
    with pytest.raises(ValueError, match="floating"):
        share_real(torch.zeros(2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="unlabelled"):
        monotonicity(PROBABILITIES, torch.tensor([-1]), B)
    with pytest.raises(ValueError, match="one for each pair"):
        third_class_mass(PROBABILITIES, A, torch.tensor([1, 1]))
