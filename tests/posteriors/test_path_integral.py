"""The path integral on a quadratic loss, where every step is known in closed form."""

import pytest
import torch

from cl_bench.posteriors import path_integral, quadratic_penalty

HESSIAN = torch.tensor([[2.0, 0.3, 0.0], [0.3, 1.0, 0.2], [0.0, 0.2, 0.5]], dtype=torch.float64)
SOLUTION = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def loss(weights: torch.Tensor) -> torch.Tensor:
    return (weights - SOLUTION) @ HESSIAN @ (weights - SOLUTION) / 2


def descend(step_size: float, num_steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    weights = torch.zeros(3, dtype=torch.float64)
    share = torch.zeros(3, dtype=torch.float64)
    for _ in range(num_steps):
        gradient = HESSIAN @ (weights - SOLUTION)
        change = -step_size * gradient
        share = path_integral.follow(share, gradient, change)
        weights = weights + change
    return weights, share


def test_the_shares_add_up_to_the_fall_of_the_loss_for_small_steps():
    weights, share = descend(1e-5, 200_000)
    fall = loss(torch.zeros(3, dtype=torch.float64)) - loss(weights)
    assert fall > 2
    assert float(share.sum()) == pytest.approx(float(fall), rel=2e-5)


def test_a_large_step_misses_the_fall_by_its_second_order_term():
    """For one step d of a quadratic, -g d is the fall of the loss plus d H d / 2."""
    weights, share = descend(0.3, 1)
    fall = loss(torch.zeros(3, dtype=torch.float64)) - loss(weights)
    torch.testing.assert_close(share.sum(), fall + weights @ HESSIAN @ weights / 2)


def test_the_importance_of_a_diagonal_quadratic_is_half_its_curvature_along_the_whole_way():
    """Without damping, omega / Delta^2 = h / 2 where training ends at the solution: the penalty c = 1, which
    has no half, is the loss itself."""
    curvature = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    weights, share = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for _ in range(60_000):
        gradient = curvature * (weights - SOLUTION)
        share = path_integral.follow(share, gradient, -1e-3 * gradient)
        weights = weights - 1e-3 * gradient
    state = quadratic_penalty.init(torch.zeros(3, dtype=torch.float64))
    state = path_integral.consolidate(state, weights, share, damping=1e-12, cut_off=True)
    torch.testing.assert_close(state.precision, curvature / 2, rtol=2e-3, atol=0)
    assert torch.equal(state.centre, weights)


def test_importances_add_up_over_tasks_and_are_cut_off_at_0():
    state = quadratic_penalty.init(torch.tensor([0.0, 0.0, 0.0]))
    state = path_integral.consolidate(
        state, torch.tensor([1.0, 2.0, 0.0]), torch.tensor([3.0, -1.0, 0.0]), damping=0.5, cut_off=True
    )
    torch.testing.assert_close(state.precision, torch.tensor([3 / 1.5, 0.0, 0.0]))
    state = path_integral.consolidate(
        state, torch.tensor([2.0, 1.0, 0.0]), torch.tensor([-1.5, 3.0, 0.25]), damping=0.5, cut_off=True
    )
    torch.testing.assert_close(state.precision, torch.tensor([2 - 1.0, 2.0, 0.5]))


def test_without_the_cut_off_an_importance_may_be_negative():
    state = quadratic_penalty.init(torch.tensor([0.0, 0.0]))
    state = path_integral.consolidate(
        state, torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0]), damping=0.5, cut_off=False
    )
    torch.testing.assert_close(state.precision, torch.tensor([3 / 1.5, -1 / 4.5]))
