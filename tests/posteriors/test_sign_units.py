"""Sums, sign units and the largest output: against enumeration, numerical integrals and autograd."""

import math
from itertools import product

import pytest
import torch

from cl_bench.posteriors import sign_units
from cl_bench.posteriors.sign_units import FLOOR, Moments


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def totals(*shape, seed=0):
    return Moments(3 * draws(*shape, seed=seed), draws(*shape, seed=seed + 1).exp())


def test_sums_have_the_mean_and_the_variance_of_all_weights_and_units_enumerated():
    fields_of_weights, fields_of_units = draws(3), draws(3, seed=1)
    weights, units = (sign_units.binary(each[None]) for each in (fields_of_weights, fields_of_units))
    total = sign_units.sums(weights, units)
    signs = torch.tensor(list(product((-1.0, 1.0), repeat=3)), dtype=torch.float64)
    chances = [torch.softmax((signs * fields).sum(1), 0) for fields in (fields_of_weights, fields_of_units)]
    values, chance = signs @ signs.T, chances[0][:, None] * chances[1]
    mean = (chance * values).sum()
    variance = (chance * (values - mean) ** 2).sum()
    assert float(total.mean) == pytest.approx(float(mean), abs=1e-12)
    assert float(total.variance) == pytest.approx(float(variance) + FLOOR, abs=1e-12)


def test_the_sum_of_known_weights_and_inputs_is_known():
    weights, inputs = (Moments(each, torch.zeros_like(each)) for each in (draws(4, 5), draws(2, 5, seed=1)))
    total = sign_units.sums(weights, inputs)
    assert torch.allclose(total.mean, inputs.mean @ weights.mean.T)
    assert torch.equal(total.variance, torch.full((2, 4), FLOOR, dtype=torch.float64))


def log_evidence(down, omega, variance):
    """log sum_x exp(down x) P(sign(z) = x), with z ~ N(omega, variance), integrated on a fine grid."""
    width = 12 * math.sqrt(variance)
    parts = []
    for x, low, high in ((1, 0.0, omega + width), (-1, omega - width, 0.0)):
        z = torch.linspace(min(low, high), high, 40001, dtype=torch.float64)
        density = torch.exp(-((z - omega) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
        parts.append(math.exp(down * x) * float(torch.trapezoid(density, z)))
    return math.log(sum(parts))


@pytest.mark.parametrize("down", [-2.0, -0.1, 0.0, 0.5, 3.0])
@pytest.mark.parametrize("omega", [-2.5, 0.0, 0.7])
def test_slope_curvature_and_mean_are_derivatives_of_the_integrated_evidence(down, omega):
    variance, step = 1.7, 1e-3
    total = Moments(*(torch.tensor(each, dtype=torch.float64) for each in (omega, variance)))
    field = torch.tensor(down, dtype=torch.float64)
    low, mid, high = (log_evidence(down, omega + side * step, variance) for side in (-1, 0, 1))
    g = sign_units.slope(field, total)
    assert float(g) == pytest.approx((high - low) / (2 * step), abs=1e-5)
    assert float(sign_units.curvature(g, total)) == pytest.approx(-(high - 2 * mid + low) / step**2, abs=2e-4)
    low, high = (log_evidence(down + side * step, omega, variance) for side in (-1, 1))
    mean = sign_units.binary(sign_units.upward(total) + field).mean
    assert float(mean) == pytest.approx((high - low) / (2 * step), abs=1e-5)


@pytest.mark.parametrize("u", [-3e4, -40.0, -1e-6, 0.0, 40.0, 3e4])
@pytest.mark.parametrize("down", [-60.0, -1e-6, 0.0, 60.0])
def test_in_single_precision_a_slope_is_that_of_double_precision_however_sure_a_unit_is(u, down):
    single, double = (
        sign_units.slope(
            torch.tensor(down, dtype=kind),
            Moments(torch.tensor(u, dtype=kind), torch.tensor(1.0, dtype=kind)),
        )
        for kind in (torch.float32, torch.float64)
    )
    assert math.isfinite(single)
    assert float(single) == pytest.approx(float(double), rel=1e-4, abs=1e-30)


def test_a_unit_of_which_nothing_comes_down_sends_nothing():
    total = totals(20)
    assert not sign_units.slope(torch.zeros(20, dtype=torch.float64), total).any()


def test_of_two_classes_the_scores_are_the_exact_log_probabilities():
    total = totals(50, 2)
    first = total.mean[:, 0] - total.mean[:, 1]
    exact = torch.distributions.Normal(0.0, 1.0).cdf(first / total.variance.sum(1).sqrt())
    scores = sign_units.class_scores(total).exp()
    assert torch.allclose(scores, torch.stack([exact, 1 - exact], dim=1))


@pytest.mark.parametrize("present", [None, torch.tensor([True, True, False, True, False])])
def test_the_slopes_of_outputs_are_the_gradient_of_the_label_s_score(present):
    mean, variance = (each.clone() for each in totals(40, 5))
    labels = torch.arange(40) % (5 if present is None else 2)
    mean.requires_grad_()
    scores = sign_units.class_scores(Moments(mean, variance), present)
    (expected,) = torch.autograd.grad(scores.gather(1, labels[:, None]).sum(), mean)
    g = sign_units.class_slope(Moments(mean.detach(), variance), labels, present)
    assert torch.allclose(g, expected)
    assert torch.allclose(g.sum(1), torch.zeros(40, dtype=torch.float64), atol=1e-12)
    if present is not None:
        assert not g[:, ~present].any()


def test_the_largest_output_is_that_of_independent_sums_nearly():
    """The scores, made to add up to 1, beside the share of draws in which each output is the largest."""
    total = totals(6, 4)
    noise = draws(50_000, 6, 4, seed=5)
    largest = (total.mean + noise * total.variance.sqrt()).argmax(dim=-1)
    shares = torch.stack([(largest == label).double().mean(0) for label in range(4)], dim=1)
    assert (sign_units.class_scores(total).softmax(1) - shares).abs().max() < 0.08
