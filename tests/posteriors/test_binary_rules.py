"""Synaptic metaplasticity, Bop and AdaSTE: each rule worked by hand, and its limits."""

import math

import pytest
import torch

from cl_bench.posteriors import adaste, bop, metaplasticity
from cl_bench.posteriors.bop import Flips


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Synaptic metaplasticity


def test_only_what_pushes_a_latent_weight_down_is_held_back_by_its_size():
    latent = torch.tensor([2.0, 2.0, -0.5, -0.5, 0.0, 0.0]).double()
    change = torch.tensor([0.1, -0.1, -0.2, 0.2, 0.3, -0.3]).double()
    found = (metaplasticity.step(latent, change, meta=1.35) - latent).tolist()
    held = [1 - math.tanh(1.35 * size) ** 2 for size in (2.0, 0.5)]
    assert found == pytest.approx([0.1, -0.1 * held[0], -0.2, 0.2 * held[1], 0.3, -0.3])


def test_without_metaplasticity_the_change_is_made_as_it_is():
    latent, change = draws(100), draws(100, seed=1)
    assert torch.equal(metaplasticity.step(latent, change, meta=0.0), latent + change)


def test_a_large_latent_weight_is_frozen_against_its_sign():
    latent = torch.tensor([30.0, -30.0]).double()
    assert torch.equal(metaplasticity.step(latent, -latent, meta=1.35), latent)


# Bop


def test_a_weight_flips_where_the_average_gradient_is_large_and_of_its_sign():
    weights = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    gradient = torch.tensor([0.5, 0.1, -0.5, -0.5, -0.1, 0.5])
    found = bop.step(bop.init(weights), gradient, adaptivity=0.5, threshold=0.1)
    assert torch.equal(found.momentum, gradient / 2)
    assert found.weights.tolist() == [-1, 1, 1, 1, -1, -1]


def test_many_steps_of_bop_are_those_of_a_loop_over_plain_numbers():
    state = bop.init(torch.where(draws(20) >= 0, 1.0, -1.0).double())
    weights, momentum, flips = state.weights.tolist(), [0.0] * 20, 0
    for seed in range(30):
        gradient = draws(20, seed=seed)
        state = bop.step(state, gradient, adaptivity=0.2, threshold=0.3)
        for index, g in enumerate(gradient.tolist()):
            momentum[index] = 0.8 * momentum[index] + 0.2 * g
            if abs(momentum[index]) >= 0.3 and momentum[index] * weights[index] > 0:
                weights[index] *= -1
                flips += 1
    assert state.weights.tolist() == weights
    assert state.momentum.tolist() == pytest.approx(momentum)
    assert flips > 20


def test_with_threshold_zero_and_no_memory_the_weights_are_the_signs_of_descent():
    gradient = draws(50)
    found = bop.step(bop.init(torch.ones(50).double()), gradient, adaptivity=1.0, threshold=0.0)
    assert torch.equal(found.weights, -gradient.sign())
    assert torch.equal(found.momentum, gradient)


def test_an_inactive_weight_keeps_its_sign_and_its_average():
    state = Flips(torch.ones(2), torch.tensor([0.5, 0.5]))
    found = bop.step(state, torch.ones(2), adaptivity=0.1, threshold=0.0, active=torch.tensor([1.0, 0.0]))
    assert found.weights.tolist() == [-1, 1]
    assert found.momentum.tolist() == pytest.approx([0.55, 0.5])


# AdaSTE


def test_the_weight_of_adaste_goes_from_linear_to_binary():
    latent = torch.linspace(-2, 2, 41).double()
    linear = adaste.weight(latent, a=0.01, b=0.0)
    torch.testing.assert_close(linear, latent.clamp(-1, 1))
    for b in (100.0, 250.0):  # a b >= 1
        assert torch.equal(adaste.weight(latent, a=0.01, b=b), torch.where(latent >= 0, 1.0, -1.0).double())
    found = adaste.weight(torch.tensor([0.3, -0.3, 0.99]).double(), a=0.1, b=2.0)
    assert found.tolist() == pytest.approx([(0.3 + 2.2) / 3, -(0.3 + 2.2) / 3, 1.0])


def plain_factor(theta, g, a, b, small):
    """The table of the paper, case by case."""
    binary = a * b >= 1
    about_zero = abs(theta) <= (1e-3 if binary else 1e-6) or abs(g) <= small
    same = theta * g > 0
    if binary:
        if about_zero:
            return 1.0
        return min(max(1 / abs(theta), 0), 0.5) if same else 0.0
    if about_zero:
        return 1 / (1 + b)
    if abs(theta) > 1 - a * b:
        return min((1 + 2 * b + a * b) / ((1 + b) * abs(theta)), 0.5) if same else 0.0
    if same:
        return min(max((2 * b * (1 + a) - theta) / ((1 + b) * abs(theta)), 0), 0.5)
    return 1 / (1 + b)


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.01), (0.01, 5.0), (0.2, 4.0), (0.01, 100.0), (0.5, 10.0)])
def test_the_factor_of_adaste_is_the_table_case_by_case(a, b):
    latent = torch.cat([3 * draws(300), torch.tensor([0.0, 1e-7, 1e-4, -1e-4]).double()])
    gradient = draws(304, seed=1) * 0.01
    found = adaste.gradient_factor(latent, gradient, a=a, b=b, small_gradient=1e-3)
    expected = [
        plain_factor(*each, a, b, 1e-3) for each in zip(latent.tolist(), gradient.tolist(), strict=True)
    ]
    assert found.tolist() == pytest.approx(expected)
    assert len(set(expected)) > 2


def test_a_binary_weight_feels_only_gradients_that_push_its_latent_weight_to_zero():
    latent, gradient = torch.tensor([4.0, 4.0, -4.0, -4.0, 1.0]), torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])
    found = adaste.gradient_factor(latent, gradient, a=0.01, b=200.0, small_gradient=1e-3)
    assert found.tolist() == [0.25, 0, 0, 0.25, 0.5]


def test_the_sharpness_of_adaste_grows_geometrically():
    found = [adaste.sharpness(progress, initial=0.01, final=100.0) for progress in (0.0, 0.5, 1.0)]
    assert found == pytest.approx([0.01, 1.0, 100.0])
