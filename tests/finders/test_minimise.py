"""Minimisation of many curves: quadratics whose minimum is known, each pair for itself, and what is refused."""

import pytest
import torch
from torch import Tensor

from problems import points
from ridgewalk.finders.minimise import minimise

B, N, D = 5, 7, 3


def chain(targets: Tensor, stiffness: Tensor) -> object:
    """sum_i |z_{i+1} - z_i|^2 + c |z_i - t_i|^2 with ends at 0; its minimum solves (L + c) z = c t."""

    def objective(z: Tensor, rows: Tensor) -> Tensor:
        ends = torch.zeros(len(z), 1, D, dtype=z.dtype)
        steps = torch.cat([ends, z, ends], dim=1).diff(dim=1).square().sum((1, 2))
        return steps + stiffness[rows] * (z - targets[rows]).square().sum((1, 2))

    return objective


def solution(targets: Tensor, stiffness: Tensor) -> Tensor:
    ones = torch.ones(N - 1, dtype=torch.float64)
    laplacian = 2 * torch.eye(N, dtype=torch.float64) - torch.diag(ones, 1) - torch.diag(ones, -1)
    matrices = laplacian + stiffness.view(-1, 1, 1) * torch.eye(N, dtype=torch.float64)
    return torch.linalg.solve(matrices, stiffness.view(-1, 1, 1) * targets)


def test_quadratic_chains_reach_their_solutions_at_any_stiffness() -> None:
    targets, stiffness = points(B, N, D, seed=3), torch.tensor([1e-3, 0.1, 1.0, 10.0, 1e3], dtype=torch.float64)
    found = minimise(chain(targets, stiffness), torch.zeros(B, N, D).double(), torch.ones(B).double(), 100, 1e-14)
    torch.testing.assert_close(found.z, solution(targets, stiffness), rtol=0, atol=1e-5)
    assert found.done.all()
    assert found.nonfinite == 0


def test_a_stiff_chain_needs_few_iterations_where_steepest_descent_needs_hundreds() -> None:
    n = 63
    line = torch.linspace(0, 1, n + 2, dtype=torch.float64)[1:-1].view(1, n, 1)

    def tension(z: Tensor, rows: Tensor) -> Tensor:
        whole = torch.cat([torch.zeros(len(z), 1, 1).double(), z, torch.ones(len(z), 1, 1).double()], dim=1)
        return whole.diff(dim=1).square().sum((1, 2))

    start = line + points(1, n, 1, seed=4)
    found = minimise(tension, start, torch.ones(1).double(), 10, 0.0)
    torch.testing.assert_close(found.z, line, rtol=0, atol=1e-6)
    plain = start.clone()
    for _ in range(100):
        plain = plain.requires_grad_(True)
        plain = (plain - 0.25 * torch.autograd.grad(tension(plain, torch.zeros(1)).sum(), plain)[0]).detach()
    assert float((plain - line).abs().max()) > 0.01


def test_pairs_that_are_done_are_not_evaluated_again_and_no_value_rises() -> None:
    targets, stiffness = points(B, N, D, seed=3), torch.tensor([1e-3, 0.1, 1.0, 10.0, 1e3], dtype=torch.float64)
    objective, evaluated = chain(targets, stiffness), []

    def counted(z: Tensor, rows: Tensor) -> Tensor:
        evaluated.append(rows.clone())
        return objective(z, rows)

    z = torch.zeros(B, N, D).double()
    before = objective(z, torch.arange(B))
    found = minimise(counted, z, torch.ones(B).double(), 60, 1e-6)
    assert len(evaluated[-1]) < B
    assert found.evaluations == sum(len(a) for a in evaluated)
    assert (found.values <= before).all()
    torch.testing.assert_close(found.values, objective(found.z, torch.arange(B)))


def test_a_gradient_that_is_not_finite_counts_as_zero_and_is_counted() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, z: Tensor) -> Tensor:
            return z.clone()

        @staticmethod
        def backward(ctx: object, g: Tensor) -> Tensor:
            g = g.clone()
            g[0, 0, 0] = torch.inf
            return g

    found = minimise(lambda z, rows: Broken.apply(z).square().sum((1, 2)), torch.ones(2, 3, 1), torch.ones(2), 4, 1e-6)
    assert found.z.isfinite().all()
    assert found.nonfinite > 0


def test_steps_into_what_is_not_finite_are_taken_back() -> None:
    found = minimise(lambda z, rows: -(1 - z).log().sum((1, 2)), torch.full((1, 1, 1), -0.5), torch.ones(1), 5, 0.0)
    assert found.values.isfinite().all()
    walled = minimise(
        lambda z, rows: (z - z.log()).sum((1, 2)), torch.full((1, 1, 1), 9.0).double(), torch.ones(1), 60, 0
    )
    torch.testing.assert_close(walled.z, torch.ones(1, 1, 1).double(), rtol=0, atol=1e-4)


def test_an_objective_that_is_nan_at_the_start_is_refused_by_pair() -> None:
    with pytest.raises(FloatingPointError, match="curve of pair 1 is nan"):
        minimise(
            lambda z, rows: torch.where(rows == 1, torch.nan, z.sum((1, 2))), torch.ones(2, 2, 1), torch.ones(2), 3, 0
        )
