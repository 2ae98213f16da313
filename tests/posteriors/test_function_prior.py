"""The functional prior: covariances against explicit Jacobians, points by enumeration, the quadratic form."""

from itertools import combinations

import pytest
import torch
from torch import Tensor, nn

from cl_bench.posteriors import function_prior
from cl_bench.posteriors.function_prior import FunctionPrior


def variance_of(model: nn.Module) -> Tensor:
    size = sum(parameter.numel() for parameter in model.parameters())
    return torch.rand(size, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.1


def jacobian_of_logits(model: nn.Module, pixels: Tensor, task: int) -> Tensor:
    """One row at a time, [M, C, P]."""
    rows = [
        torch.cat([g.reshape(-1) for g in torch.autograd.grad(logit, list(model.parameters()))])
        for image in pixels
        for logit in list_of(model, image, task)
    ]
    return torch.stack(rows).unflatten(0, (len(pixels), -1))


def list_of(model: nn.Module, image: Tensor, task: int) -> list[Tensor]:
    return [model(image[None], task)[0, index] for index in range(3)]


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_kernels_are_lambda_j_sigma_j_lambda_with_explicit_jacobians(tiny, kind):
    model, pixels = tiny.network(kind), tiny.images(7)
    jacobian, variance = jacobian_of_logits(model, pixels, 1), variance_of(model)
    p = model(pixels, 1).softmax(-1).detach()
    hessians = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]  # Lambda [M, C, C]
    slopes = torch.einsum("mcd,mdp->cmp", hessians, jacobian)
    expected = slopes @ torch.diag(variance) @ slopes.transpose(1, 2)
    found = function_prior.kernels(model, pixels, 1, variance)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert found.shape == (3, 7, 7)
    assert found.abs().max() > 0.01


@pytest.mark.parametrize("elements", [1, 100, 250])
def test_chunks_of_points_change_nothing(tiny, monkeypatch, elements):
    model = tiny.network("dense")
    whole = function_prior.kernels(model, tiny.images(7), 0, variance_of(model))
    monkeypatch.setattr(function_prior, "CHUNK_ELEMENTS", elements)
    found = function_prior.kernels(model, tiny.images(7), 0, variance_of(model))
    torch.testing.assert_close(found, whole, rtol=1e-12, atol=1e-15)


def test_the_penalty_is_the_quadratic_form_of_the_inverse_kernel(tiny):
    model = tiny.network("dense")
    kernel = function_prior.kernels(model, tiny.images(7), 0, variance_of(model))
    generator = torch.Generator().manual_seed(3)
    old, new = torch.rand(2, 7, 3, generator=generator, dtype=torch.float64)
    prior = FunctionPrior(old, function_prior.whitening(kernel, jitter=0.1))
    inverses = torch.linalg.inv(kernel + 0.1 * torch.eye(7, dtype=torch.float64))
    expected = sum((new - old)[:, c] @ inverses[c] @ (new - old)[:, c] / 2 for c in range(3))
    torch.testing.assert_close(function_prior.penalty(prior, new), expected, rtol=1e-9, atol=0)
    assert function_prior.penalty(prior, old) == 0


def test_stacked_seeds_have_the_sum_of_their_penalties():
    generator = torch.Generator().manual_seed(3)
    means, new = torch.rand(2, 4, 5, 3, generator=generator)
    whitenings = torch.rand(4, 3, 5, 5, generator=generator)
    alone = [
        function_prior.penalty(FunctionPrior(mean, whitening), each)
        for mean, whitening, each in zip(means, whitenings, new, strict=True)
    ]
    found = function_prior.penalty(FunctionPrior(means, whitenings), new)
    torch.testing.assert_close(found, torch.stack(alone).sum())


def test_for_a_small_step_of_the_weights_the_penalty_is_their_mahalanobis_length_at_one_point(tiny):
    """With one point of a linear binary classifier: (dp)^2 / (s^T Sigma s), s its slope, to first order."""
    model = tiny.scaled(nn.Flatten(), nn.Linear(9, 2, bias=False))
    (weight,) = model.parameters()
    pixel, variance = tiny.images(1), variance_of(model)
    old = model(pixel, 0).softmax(-1).detach()
    kernel = function_prior.kernels(model, pixel, 0, variance)
    prior = FunctionPrior(old, function_prior.whitening(kernel, jitter=1e-12))
    # p_0 (1 - p_0) (x, -x) is the slope of p_0, and minus that of p_1
    slope = old[0, 0] * old[0, 1] * torch.cat([pixel.flatten(), -pixel.flatten()])
    step = 1e-5 * torch.randn(18, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with torch.no_grad():
        weight += step.view(2, 9)
    expected = 2 * (slope @ step) ** 2 / (2 * (slope @ (variance * slope)))
    found = function_prior.penalty(prior, model(pixel, 0).softmax(-1)).detach()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


def test_a_kernel_that_is_not_positive_definite_names_the_jitter():
    with pytest.raises(ValueError, match=r"jitter must be .*got jitter=0\.001 .*largest value 1: raise it"):
        function_prior.whitening(-torch.eye(2, dtype=torch.float64), jitter=0.001)


def test_uncertainty_is_the_trace_of_the_hessian_of_the_cross_entropy_by_the_logits():
    logits = torch.tensor([[0.3, -1.2, 2.0], [0.0, 0.0, 0.0], [50.0, 0.0, 0.0]], dtype=torch.float64)
    expected = [
        torch.autograd.functional.hessian(
            lambda f: nn.functional.cross_entropy(f, torch.tensor(1)), row
        ).trace()
        for row in logits
    ]
    found = function_prior.uncertainty(logits)
    torch.testing.assert_close(found, torch.stack(expected))
    assert found[1] == pytest.approx(2 / 3)
    assert found[2] < 1e-12


def test_the_most_memorable_points_by_enumeration():
    """Of all choices of two of each class, the one of the largest sum of scores."""
    scores = torch.tensor([0.1, 0.9, 0.5, 0.4, 0.8, 0.7, 0.2])
    labels = torch.tensor([0, 0, 0, 1, 0, 1, 1])
    choices = [
        {*zeros, *ones}
        for zeros in combinations((labels == 0).nonzero().flatten().tolist(), 2)
        for ones in combinations((labels == 1).nonzero().flatten().tolist(), 2)
    ]
    best = max(choices, key=lambda chosen: float(scores[list(chosen)].sum()))
    found = function_prior.most_memorable(scores, labels, 4)
    assert set(found.tolist()) == best == {1, 4, 5, 3}


def test_fewer_examples_than_places_are_all_kept():
    found = function_prior.most_memorable(torch.arange(3.0), torch.tensor([0, 0, 1]), 5)
    assert sorted(found.tolist()) == [0, 1, 2]
