"""Linear operators as matrices: adjoints, pseudo-inverses, orthogonal rows, and projections onto what was measured."""

from dataclasses import dataclass
from math import prod

import pytest
import torch
from torch import Tensor

from problems import points
from ridgewalk.diffusion.operators import Downsample, LinearOperator, Mask

HALF = torch.tensor([[True, False, True, False], [False, False, True, True]])


@dataclass(frozen=True, eq=False)
class Case:
    """An operator, the shape of a datum and that of a measurement, and how many numbers a measurement holds."""

    operator: LinearOperator
    shape: tuple[int, ...]
    measured: tuple[int, ...]
    rank: int


CASES = {
    "mask": Case(Mask(HALF), (2, 4), (2, 4), 4),
    "mask-of-channels": Case(Mask(HALF), (3, 2, 4), (3, 2, 4), 12),
    "mask-of-points": Case(Mask(torch.tensor([True, False])), (2,), (2,), 1),
    "downsample": Case(Downsample(2), (3, 4, 6), (3, 2, 3), 18),
    "downsample-by-3": Case(Downsample(3), (3, 6), (1, 2), 2),
}
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def matrix(case: Case) -> Tensor:
    """Returns the operator as a matrix, (measured, data)."""
    d = prod(case.shape)
    return case.operator(torch.eye(d, dtype=torch.float64).view(d, *case.shape)).flatten(1).T


@EVERY
def test_the_transpose_is_the_adjoint(case: Case) -> None:
    """<A x, y> = <x, A^T y>."""
    x, y = points(5, *case.shape), points(5, *case.measured, seed=1)
    seen, back = case.operator(x), case.operator.transpose(y)
    assert seen.shape == y.shape
    assert back.shape == x.shape
    assert torch.allclose((seen * y).flatten(1).sum(1), (x * back).flatten(1).sum(1), atol=1e-12)


@EVERY
def test_rows_are_orthogonal_and_the_gain_is_their_square(case: Case) -> None:
    """A A^T = c I on the range of A: c as often as A has rank, and 0 else."""
    a = matrix(case)
    values = torch.linalg.eigvalsh(a @ a.T)
    expected = torch.zeros_like(values)
    expected[-case.rank :] = case.operator.gain
    assert torch.allclose(values, expected, atol=1e-12)


@EVERY
def test_the_pseudo_inverse_is_that_of_moore_and_penrose(case: Case) -> None:
    m = prod(case.measured)
    inverse = case.operator.pseudo_inverse(torch.eye(m, dtype=torch.float64).view(m, *case.measured)).flatten(1).T
    assert torch.allclose(inverse, torch.linalg.pinv(matrix(case)), atol=1e-12)
    seen = case.operator(points(5, *case.shape))
    assert torch.allclose(case.operator(case.operator.pseudo_inverse(seen)), seen, atol=1e-12)


@EVERY
@pytest.mark.parametrize("of_all", [False, True])
def test_a_projection_agrees_with_what_was_measured_and_is_the_nearest_that_does(case: Case, of_all: bool) -> None:
    x, z = points(5, *case.shape), points(5, *case.shape, seed=1)
    y = case.operator(z[:1] if of_all else z)
    before = x.clone(), y.clone()
    found = case.operator.project(x, y)
    assert torch.allclose(case.operator(found), y.expand_as(case.operator(x)), atol=1e-12)
    moved = (found - x).flatten(1)
    null = torch.eye(moved.shape[1], dtype=torch.float64) - torch.linalg.pinv(matrix(case)) @ matrix(case)
    assert torch.allclose(moved @ null, torch.zeros_like(moved), atol=1e-12)  # along the rows of A alone
    assert torch.allclose(case.operator.project(found, y), found, atol=1e-12)
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])
    assert isinstance(case.operator, LinearOperator)


def test_a_mask_projects_to_the_last_bit_and_never_reads_what_it_hides() -> None:
    operator, x = Mask(HALF), points(3, 2, 4)
    y = torch.where(HALF, 1e-9 * points(3, 2, 4, seed=1), torch.nan)
    found = operator.project(x, y)
    assert torch.equal(found[:, HALF], y[:, HALF])
    assert torch.equal(found[:, ~HALF], x[:, ~HALF])
    assert bool(operator.transpose(y).isfinite().all())
    assert torch.equal(operator(y)[:, ~HALF], torch.zeros(3, 4, dtype=torch.float64))


@EVERY
def test_types_are_kept(case: Case) -> None:
    x = points(2, *case.shape, dtype=torch.float32)
    y = case.operator(x)
    assert y.dtype == case.operator.transpose(y).dtype == case.operator.project(x, y).dtype == torch.float32


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="keep some values and hide some; it keeps 0 of 4"):
        Mask(torch.zeros(4, dtype=torch.bool))
    with pytest.raises(ValueError, match="keep some values and hide some; it keeps 4 of 4"):
        Mask(torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"bool.*float32"):
        Mask(torch.ones(4))
    for shape in ((3, 4), (4,), (8, 2), (2, 5)):
        with pytest.raises(ValueError, match="does not fit data of shape"):
            Mask(HALF)(points(1, *shape))
    with pytest.raises(ValueError, match="at least 2; got 1"):
        Downsample(1)
    for shape in ((3, 4), (4, 3), (4,)):
        with pytest.raises(ValueError, match="divisible by 2"):
            Downsample(2)(points(2, *shape))


@EVERY
def test_measurements_of_another_shape_are_refused(case: Case) -> None:
    x, y = points(5, *case.shape), points(5, *case.measured)
    with pytest.raises(ValueError, match="measurements must be"):
        case.operator.project(x, y[:2])
    with pytest.raises(ValueError, match="measurements must be"):
        case.operator.project(x, y[..., None])
