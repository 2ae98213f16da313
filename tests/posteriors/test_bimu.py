"""BiMU's rule: worked by hand, its limits, and what makes it metaplastic."""

import math

import pytest
import torch

from cl_bench.posteriors import bernoulli, bimu

RULE = {
    "step_size": 4.9,
    "likelihood_weight": 161.3,
    "kl_weight": 3.76,
    "memory_window": 700.0,
    "max_step": 0.0023,
}


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_step_is_the_published_one_worked_with_plain_numbers():
    natural, gradient = draws(20), draws(20, seed=1) * 0.01
    found = bimu.step(natural, gradient, **RULE)
    for before, g, after in zip(natural.tolist(), gradient.tolist(), found.tolist(), strict=True):
        mean = math.tanh(before)
        c, force = 3.76 * (1 - mean**2), 161.3 * g
        denominator = c + 2 * force * mean + 2 * abs(force) + 1 / 0.0023
        assert after == pytest.approx(before - (4.9 * force + before * c / 700) / denominator, rel=1e-12)


def test_the_gradient_by_lambda_is_that_of_autograd_through_the_relaxation():
    natural, noise, direction = draws(50).requires_grad_(), draws(50, seed=1), draws(50, seed=2)
    relaxed = torch.tanh((natural + noise) / 0.7)
    (expected,) = torch.autograd.grad((relaxed.sin() * direction).sum(), natural)
    at_weight = relaxed.detach().cos() * direction
    found = bimu.gradient_of_natural(at_weight, relaxed.detach(), temperature=0.7)
    torch.testing.assert_close(found, expected)
    assert torch.equal(relaxed.detach(), bernoulli.relax(natural.detach(), noise, temperature=0.7)), (
        "of the relaxation that is trained"
    )


def test_weights_without_a_gradient_stand_still_and_so_do_inactive_ones():
    natural, gradient = draws(6), draws(6, seed=1)
    gradient[:2] = 0
    active = torch.tensor([1.0, 1, 1, 1, 0, 0])
    moved = bimu.step(natural, gradient, **RULE, active=active) != natural
    assert moved.tolist() == [False, False, True, True, False, False]


def test_a_small_gradient_makes_a_step_of_gradient_descent_and_no_gradient_exceeds_half_the_step_size():
    """eta_max eta a g where the other terms vanish; eta |G| / 2 |G| where G is large and lambda is 0."""
    zero, small, huge = torch.zeros(1).double(), torch.tensor([1e-9]).double(), torch.tensor([1e9]).double()
    free = RULE | {"kl_weight": 0.0}
    torch.testing.assert_close(bimu.step(zero, small, **free), -small * 0.0023 * 4.9 * 161.3)
    torch.testing.assert_close(bimu.step(zero, huge, **free), torch.tensor([-4.9 / 2]).double())


def test_a_certain_weight_moves_less_towards_zero_than_away_from_it():
    natural, gradient = torch.tensor([1.5, 1.5]).double(), torch.tensor([3.0, -3.0]).double()
    down, up = (bimu.step(natural, gradient, **RULE | {"kl_weight": 0.0}) - natural).abs().tolist()
    force, mean = 3 * 161.3, math.tanh(1.5)
    assert down == pytest.approx(4.9 * force / (2 * force * (1 + mean) + 1 / 0.0023))
    assert up == pytest.approx(4.9 * force / (2 * force * (1 - mean) + 1 / 0.0023))
    assert up > 3 * down


def test_the_window_alone_pulls_to_zero_and_an_infinite_one_does_not():
    natural, nothing = torch.tensor([-2.0, 0.5]).double(), torch.full((2,), 1e-300, dtype=torch.float64)
    pulled = bimu.step(natural, nothing, **RULE)
    assert (pulled.abs() < natural.abs()).all()
    assert torch.equal(bimu.step(natural, nothing, **RULE | {"memory_window": math.inf}), natural)


def test_a_leading_seed_axis_changes_nothing():
    natural, gradient = draws(3, 10), draws(3, 10, seed=1)
    apart = [bimu.step(*each, **RULE) for each in zip(natural, gradient, strict=True)]
    assert torch.equal(bimu.step(natural, gradient, **RULE), torch.stack(apart))
