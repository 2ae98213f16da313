"""GVCL's divergence against its closed form, finite differences, and its two limits."""

import math

import pytest
import torch

from cl_bench.posteriors import gaussian, tempered
from cl_bench.posteriors.gaussian import Gaussian


def draw(seed: int, spread: float = 1.0) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    return Gaussian(parts[0], spread * parts[1] - 2)


FIRST = math.log(0.5)


def test_strength_1_is_the_plain_divergence_bit_for_bit():
    posterior, prior = draw(0), draw(1)
    added = tempered.added_precision(prior, first_log_variance=FIRST, strength=1.0)
    found = tempered.kl_gradient(posterior, prior, added)
    for part, plain in zip(found, gaussian.kl_gradient(posterior, prior), strict=True):
        assert torch.equal(part, plain)
    assert torch.equal(
        tempered.kl_divergence(posterior, prior, added), gaussian.kl_divergence(posterior, prior)
    )


@pytest.mark.parametrize("strength", [0.0, 0.3, 10.0])
def test_the_quadratic_has_the_paper_s_precision_where_data_added_some(strength):
    prior = draw(1)._replace(
        log_variance=torch.tensor([-3.0, -1.0, FIRST, 0.0, 2.0, -6.0], dtype=torch.float64)
    )
    added = tempered.added_precision(prior, first_log_variance=FIRST, strength=strength)
    precision = (-prior.log_variance).exp()
    found = precision + added
    paper = strength * (precision - 2.0) + 2.0
    gained = precision > 2.0 + 1e-12
    torch.testing.assert_close(found[gained], paper[gained])
    torch.testing.assert_close(found[~gained], precision[~gained])  # nothing was learnt: the plain KL
    assert gained.tolist() == [True, True, False, False, False, True]


def test_the_first_task_s_prior_is_the_plain_one():
    prior = Gaussian(torch.zeros(4), torch.full((4,), FIRST))
    added = tempered.added_precision(prior, first_log_variance=FIRST, strength=1e6)
    assert added.abs().max() < 1e6 * 1e-6  # rounding of exp in float32 and float64


@pytest.mark.parametrize("strength", [0.3, 10.0])
def test_the_gradient_equals_finite_differences(strength):
    posterior, prior = draw(0), draw(1)
    added = tempered.added_precision(prior, first_log_variance=FIRST, strength=strength)
    found = tempered.kl_gradient(posterior, prior, added)
    for part in (0, 1):
        shift = [torch.zeros(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)]
        shift[part] += 1e-6
        up, down = (
            tempered.kl_divergence(
                Gaussian(*(p + sign * s for p, s in zip(posterior, shift, strict=True))), prior, added
            )
            for sign in (1, -1)
        )
        torch.testing.assert_close((up - down) / 2e-6, found[part], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("beta", [1.0, 0.1, 1e-3])
def test_for_a_quadratic_loss_the_next_task_s_quadratic_is_lambda_times_the_curvature(beta):
    """The limit of section 2: E[loss] + beta KL is least at 1/v = h / beta + 1/v0, so that beta times the
    scaled precision is lambda h + beta / v0: for beta -> 0 the penalty of online EWC."""
    curvature, centre = torch.tensor([2.0, 5.0]).double(), torch.tensor([1.0, -1.0]).double()
    first = Gaussian(torch.zeros(2).double(), torch.full((2,), FIRST, dtype=torch.float64))
    precision = curvature / beta + (-first.log_variance).exp()
    optimum = Gaussian(curvature / beta * centre / precision, -precision.log())
    by_loss = Gaussian(curvature * (optimum.mean - centre), curvature / 2 * optimum.log_variance.exp())
    for loss, kl in zip(by_loss, gaussian.kl_gradient(optimum, first), strict=True):
        torch.testing.assert_close(loss + beta * kl, torch.zeros(2).double(), rtol=0, atol=1e-9)
    added = tempered.added_precision(optimum, first_log_variance=FIRST, strength=7.0)
    quadratic = beta * (precision + added)  # what pulls the next task's means
    torch.testing.assert_close(quadratic, 7.0 * curvature + beta / 0.5)
