"""The bias of the cut slope against draws, and the hard estimator against enumeration."""

import itertools
import re
from pathlib import Path

import pytest
import torch

from cl_bench.posteriors import bernoulli, bernoulli_slope


@pytest.mark.parametrize(("temperature", "max_slope"), [(0.5, 5.0), (1.0, 5.0), (0.5, 2.0), (1.0, None)])
def test_the_expected_slope_is_the_mean_over_draws(temperature, max_slope):
    uniform = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = bernoulli.logistic_noise(uniform)
    for value in (0.0, -1.0, 2.0):
        natural = torch.full_like(noise, value)
        slope = bernoulli.sound_scale(
            natural,
            noise,
            bernoulli.relax(natural, noise, temperature=temperature),
            num_examples=1,
            temperature=temperature,
            max_slope=max_slope,
        )
        found = bernoulli_slope.expected_slope(
            natural[:1], temperature=temperature, max_slope=max_slope
        ).item()
        assert found == pytest.approx(slope.mean().item(), abs=5 * slope.std().item() / 1000)


def test_a_low_temperature_without_a_limit_has_no_bias():
    natural = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    found = bernoulli_slope.expected_slope(natural, temperature=0.01)
    torch.testing.assert_close(found, torch.ones_like(natural), rtol=0, atol=0.01)


def test_derivatives_at_draws_have_the_gradient_by_the_mean_of_a_loss_linear_in_each_weight():
    """l(w) = a w1 w2 + b w2 w3 + c w1: dE[l]/dmu by enumeration, and the mean of dl/dw over all draws."""
    natural = torch.tensor([0.3, -0.8, 1.2], dtype=torch.float64, requires_grad=True)
    a, b, c = 0.7, -1.1, 0.4

    def loss(w):
        return a * w[0] * w[1] + b * w[1] * w[2] + c * w[0]

    mean = natural.tanh().detach().requires_grad_()
    expected, by_draws = torch.zeros((), dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for signs in itertools.product((-1.0, 1.0), repeat=3):
        w = torch.tensor(signs, dtype=torch.float64, requires_grad=True)
        probability = ((1 + w.detach() * mean) / 2).prod()
        expected = expected + probability * loss(w.detach())
        (derivative,) = torch.autograd.grad(loss(w), w)
        by_draws += probability.detach() * derivative
    (exact,) = torch.autograd.grad(expected, mean)
    torch.testing.assert_close(by_draws, exact)


@pytest.mark.parametrize("limit", ["5", "null"])
def test_the_page_of_strategies_has_the_expected_slopes(limit):
    page = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text()
    (header,) = re.findall(r"^\| lambda of the weight \| (.*) \|$", page, re.M)
    (row,) = re.findall(rf"^\| `max_slope={limit}`.*? \| (.*) \|$", page, re.M)
    natural = torch.tensor([float(each) for each in header.split(" | ")])
    found = bernoulli_slope.expected_slope(
        natural, temperature=0.5, max_slope=None if limit == "null" else float(limit)
    )
    assert row.split(" | ") == [f"{each:.2f}" for each in found.tolist()]
