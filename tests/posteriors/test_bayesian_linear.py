"""The posterior of an output layer: the same in one go and task by task, and that of its definition."""

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from cl_bench.posteriors import bayesian_linear, class_statistics
from cl_bench.posteriors.bayesian_linear import Posterior

N, K, NUM_FEATURES = 30, 3, 4
A, B = 0.7, 5.0


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(N, NUM_FEATURES, generator=generator, dtype=torch.float64)
    return features, torch.randint(K, (N,), generator=generator)


def posterior(*parts: tuple[torch.Tensor, torch.Tensor]) -> Posterior:
    state = class_statistics.init(K, NUM_FEATURES)
    for features, labels in parts:
        state = class_statistics.add(state, features, labels)
    return bayesian_linear.posterior(state, prior_precision=A, noise_precision=B)


def targets(labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(labels, K).double()


def test_the_posterior_of_each_task_as_the_next_prior_ends_at_the_joint_one(data):
    """Bayes' rule with a general Gaussian prior, one example at a time, in several orders."""
    features, labels = data
    expected = posterior(data)
    for seed in range(3):
        mean = torch.zeros(K, NUM_FEATURES, dtype=torch.float64)
        precision = A * torch.eye(NUM_FEATURES, dtype=torch.float64)
        for index in torch.randperm(N, generator=torch.Generator().manual_seed(seed)).tolist():
            x, y = features[index], targets(labels)[index]
            updated = precision + B * x.outer(x)
            mean = torch.linalg.solve(updated, (mean @ precision + B * y.outer(x)).mT).mT
            precision = updated
        torch.testing.assert_close(mean, expected.mean, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(precision.inverse(), expected.covariance, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sizes", [[1] * N, [10, 20], [3, 7, 20]])
def test_any_split_and_order_gives_the_joint_posterior(data, sizes):
    features, labels = data
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    parts = [(features[part], labels[part]) for part in order.split(sizes)]
    torch.testing.assert_close(posterior(*parts), posterior(data), rtol=1e-10, atol=1e-12)


def test_the_mean_is_numpys_least_squares_on_more_rows(data):
    features, labels = data
    rows = np.vstack([features.numpy(), (A / B) ** 0.5 * np.eye(NUM_FEATURES)])
    goals = np.vstack([targets(labels).numpy(), np.zeros((NUM_FEATURES, K))])
    expected, *_ = np.linalg.lstsq(rows, goals, rcond=None)
    torch.testing.assert_close(posterior(data).mean, torch.from_numpy(expected.T))


def test_it_is_prior_times_likelihood_up_to_a_constant(data):
    features, labels = data
    found = posterior(data)
    weights = torch.randn(6, NUM_FEATURES, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for label in range(K):
        y = targets(labels)[:, label]
        joint = torch.stack(
            [
                Normal(torch.tensor(0.0).double(), A**-0.5).log_prob(w).sum()
                + Normal(features @ w, torch.tensor(B**-0.5, dtype=torch.float64)).log_prob(y).sum()
                for w in weights
            ]
        )
        density = MultivariateNormal(found.mean[label], found.covariance).log_prob(weights)
        apart = joint - density
        torch.testing.assert_close(apart, apart[:1].expand_as(apart))


def test_the_predictive_variance_is_that_of_draws(data):
    found = posterior(data)
    x = torch.randn(1, NUM_FEATURES, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    generator = torch.Generator().manual_seed(5)
    factor = torch.linalg.cholesky(found.covariance)
    noise = torch.randn(100_000, NUM_FEATURES, generator=generator, dtype=torch.float64)
    outputs = (found.mean[0] + noise @ factor.mT) @ x[0]
    outputs = outputs + B**-0.5 * torch.randn(100_000, generator=generator, dtype=torch.float64)
    variance = bayesian_linear.predictive_variance(x, found.covariance, noise_precision=B)
    assert float(variance) == pytest.approx(float(outputs.var()), rel=0.02)


def test_probabilities_are_predictive_densities_of_one_hot_targets(data):
    features, _ = data
    found = posterior(data)
    scores = features @ found.mean.mT
    variance = bayesian_linear.predictive_variance(features, found.covariance, noise_precision=B)
    densities = torch.stack(
        [
            Normal(scores, variance.sqrt()[:, None]).log_prob(target).sum(dim=-1)
            for target in torch.eye(K).double()
        ],
        dim=-1,
    )
    expected = densities.log_softmax(dim=-1)
    torch.testing.assert_close(bayesian_linear.class_logits(scores, variance).log_softmax(dim=-1), expected)


def test_without_data_it_is_the_prior():
    found = bayesian_linear.posterior(
        class_statistics.init(K, NUM_FEATURES), prior_precision=A, noise_precision=B
    )
    assert not found.mean.any()
    torch.testing.assert_close(found.covariance, torch.eye(NUM_FEATURES).double() / A)
