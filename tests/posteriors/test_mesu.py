"""MESU's rule: worked by hand, its equilibria, exact Bayes, and its limits."""

import math

import pytest
import torch

from cl_bench.posteriors import mesu
from cl_bench.posteriors.mesu import Synapses

RULE = {
    "mean_rate": 1.6,
    "deviation_rate": 2.1,
    "prior_mean": 0.1,
    "prior_deviation": 0.3,
    "memory_window": 50.0,
    "clip": 0.36,
}


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def synapses(*shape):
    return Synapses(draws(*shape), draws(*shape, seed=1).abs() * 0.2 + 0.01)


@pytest.mark.parametrize("clip", [0.36, None])
def test_a_step_is_the_published_one_worked_with_plain_numbers(clip):
    state, by_mean, by_deviation = synapses(30), draws(30, seed=2), draws(30, seed=3)
    found = mesu.step(state, by_mean, by_deviation, **RULE | {"clip": clip})
    cut = 0
    for m, s, g_m, g_s, mean, deviation in zip(*state, by_mean, by_deviation, *found, strict=True):
        limit = math.inf if clip is None else clip / s
        cut += abs(g_m) > limit
        g_m, g_s = min(max(g_m, -limit), limit), min(max(g_s, -limit), limit)
        expected_mean = m + 1.6 * (-(s**2) * g_m + s**2 * (0.1 - m) / (50 * 0.3**2))
        expected_deviation = s + 2.1 / 2 * (-(s**2) * g_s + s * (0.3**2 - s**2) / (50 * 0.3**2))
        torch.testing.assert_close(mean, expected_mean)
        torch.testing.assert_close(deviation, expected_deviation)
    assert (cut > 0) == (clip is not None)


def test_the_gradients_are_those_of_autograd_through_the_sample():
    state, noise, direction = synapses(20), draws(20, seed=4), draws(20, seed=5)
    leaves = Synapses(*(part.clone().requires_grad_() for part in state))
    weights = mesu.sample(leaves, noise)
    expected = torch.autograd.grad((weights.sin() * direction).sum(), leaves)
    found = mesu.gradients(weights.detach().cos() * direction, noise)
    torch.testing.assert_close(found, torch.stack(expected))


def test_without_data_the_posterior_goes_back_to_the_prior():
    state = synapses(10)
    for _ in range(3000):
        state = mesu.step(state, torch.zeros(10), torch.zeros(10), **RULE)
    torch.testing.assert_close(state.mean, torch.full_like(state.mean, 0.1))
    torch.testing.assert_close(state.deviation, torch.full_like(state.deviation, 0.3))


def test_a_quadratic_loss_gives_the_precision_of_the_window_and_the_prior():
    """With curvature h a step, 1/s^2 = N h + 1/s0^2 is the fixed point, and m is the precision's mean."""
    curvature, optimum = torch.tensor([0.5, 4.0]).double(), torch.tensor([1.0, -2.0]).double()
    state = synapses(2)
    rule = RULE | {"clip": None, "mean_rate": 1.0, "deviation_rate": 1.0}
    for _ in range(3000):  # the expectations of the gradients at m + s e: h (m - optimum) and h s
        state = mesu.step(state, curvature * (state.mean - optimum), curvature * state.deviation, **rule)
    precision = 50 * curvature + 1 / 0.3**2
    torch.testing.assert_close(state.deviation**-2, precision)
    torch.testing.assert_close(state.mean, (50 * curvature * optimum + 0.1 / 0.3**2) / precision)


def test_a_deviation_never_reaches_zero_and_inactive_weights_stand_still():
    state, huge = Synapses(torch.zeros(3), torch.full((3,), 0.2)), torch.full((3,), 1e3)
    active = torch.tensor([1.0, 0, 1])
    found = mesu.step(state, huge, huge, **RULE | {"clip": None}, active=active)
    assert found.deviation.tolist() == pytest.approx([mesu.SMALLEST_DEVIATION, 0.2, mesu.SMALLEST_DEVIATION])
    assert (found.mean != 0).tolist() == [True, False, True]
    with_clip = mesu.step(state, huge, huge, **RULE)
    assert (with_clip.deviation > 0.1).all()


def test_a_leading_seed_axis_changes_nothing():
    state, by_mean, by_deviation = synapses(3, 8), draws(3, 8, seed=2), draws(3, 8, seed=3)
    found = mesu.step(state, by_mean, by_deviation, **RULE)
    for row in range(3):
        alone = mesu.step(
            Synapses(state.mean[row], state.deviation[row]), by_mean[row], by_deviation[row], **RULE
        )
        assert torch.equal(found.mean[row], alone.mean)
        assert torch.equal(found.deviation[row], alone.deviation)
