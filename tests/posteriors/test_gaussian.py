"""The Gaussian posterior against torch.distributions, autograd and an exact conjugate posterior."""

import torch
from torch import distributions, nn

from cl_bench.posteriors import gaussian
from cl_bench.posteriors.gaussian import Gaussian


def random_gaussian(seed: int, size: int = 7) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(*(torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(2)))


def normal(state: Gaussian) -> distributions.Normal:
    return distributions.Normal(state.mean, torch.exp(state.log_variance / 2))


def test_truncated_normal_draws_have_the_normal_distribution_between_the_cuts():
    uniform = torch.linspace(0, 1, 1001, dtype=torch.float64)
    drawn = gaussian.truncated_normal(uniform, deviation=0.1)
    standard = distributions.Normal(0.0, 1.0)
    low, high = standard.cdf(torch.tensor([-2.0, 2.0], dtype=torch.float64))
    torch.testing.assert_close(standard.cdf(drawn / 0.1), low + uniform * (high - low), rtol=0, atol=1e-12)
    torch.testing.assert_close(drawn[[0, -1]], torch.tensor([-0.2, 0.2], dtype=torch.float64))
    assert gaussian.truncated_normal(torch.zeros(1), deviation=0.1).isfinite(), "generators return 0"


def test_kl_divergence_equals_torch_distributions():
    posterior, prior = random_gaussian(0), random_gaussian(1)
    expected = distributions.kl_divergence(normal(posterior), normal(prior))
    torch.testing.assert_close(gaussian.kl_divergence(posterior, prior), expected, rtol=1e-12, atol=1e-12)


def test_kl_divergence_of_a_gaussian_to_itself_is_zero():
    assert gaussian.kl_divergence(random_gaussian(3), random_gaussian(3)).abs().max() == 0


def test_kl_gradient_equals_autograd():
    posterior, prior = random_gaussian(0), random_gaussian(1)
    leaf = Gaussian(*(part.clone().requires_grad_() for part in posterior))
    expected = torch.autograd.grad(gaussian.kl_divergence(leaf, prior).sum(), leaf)
    for found, wanted in zip(gaussian.kl_gradient(posterior, prior), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_local_reparameterisation_has_the_moments_of_sampled_weights():
    """Mean and variance of a dense layer's output, against 40,000 draws of whole weight matrices."""
    generator = torch.Generator().manual_seed(4)
    inputs, mean = torch.randn(3, 5, generator=generator), torch.randn(2, 5, generator=generator)
    variance = torch.rand(2, 5, generator=generator)
    weights = mean + variance.sqrt() * torch.randn(40000, 2, 5, generator=generator)
    by_weights = torch.einsum("bi,soi->sbo", inputs, weights)
    outputs = torch.stack(
        [
            gaussian.local_reparameterisation(
                nn.functional.linear,
                inputs,
                mean,
                variance,
                lambda like: torch.randn(like.shape, generator=generator),
            )
            for _ in range(4000)
        ]
    )
    torch.testing.assert_close(outputs.mean(0), by_weights.mean(0), rtol=0, atol=0.12)
    torch.testing.assert_close(outputs.var(0), by_weights.var(0), rtol=0.15, atol=0.05)


def test_sequential_bayesian_linear_regression_ends_at_the_batch_posterior():
    """With orthogonal inputs the exact posterior factorises, so mean-field VCL is exact: minimising the
    expected squared error plus the KL to the previous posterior, task by task, ends at the posterior given
    all data."""
    inputs = torch.diag(torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64))
    tasks = [torch.tensor(y, dtype=torch.float64) for y in ([1.0, -1.0, 2.0], [0.0, 3.0, 1.0])]
    prior = Gaussian(torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    for targets in tasks:
        leaf = Gaussian(*(part.clone().requires_grad_() for part in prior))
        optimizer = torch.optim.LBFGS(list(leaf), max_iter=200, tolerance_grad=1e-14, tolerance_change=1e-16)

        def objective(leaf=leaf, optimizer=optimizer, targets=targets, prior=prior):
            optimizer.zero_grad()
            residual = (targets - inputs @ leaf.mean).square().sum()
            spread = (inputs.square() @ leaf.log_variance.exp()).sum()  # noise variance 1
            loss = (residual + spread) / 2 + gaussian.kl_divergence(leaf, prior).sum()
            loss.backward()
            return loss

        for _ in range(5):
            optimizer.step(objective)
        prior = Gaussian(*(part.detach() for part in leaf))
    precision = 1 + 2 * inputs.diagonal().square()
    exact_mean = inputs.diagonal() * sum(tasks) / precision
    torch.testing.assert_close(prior.mean, exact_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(prior.log_variance, -precision.log(), rtol=1e-6, atol=1e-6)


def test_samples_have_the_stated_mean_and_deviation():
    state = Gaussian(torch.tensor([1.0, -2.0]), torch.tensor([0.0, -2.0]))
    noise = torch.randn(20000, 2, generator=torch.Generator().manual_seed(5))
    draws = torch.stack([gaussian.sample(state, row) for row in noise])
    torch.testing.assert_close(draws.mean(0), state.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(draws.std(0), torch.exp(state.log_variance / 2), rtol=0.03, atol=0)
