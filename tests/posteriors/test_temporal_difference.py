"""TD-VCL: its weights in the paper's letters, its one prior, and exact Bayes with every likelihood."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from cl_bench.posteriors import gaussian, temporal_difference
from cl_bench.posteriors.gaussian import Gaussian

LENGTHS = (1, 2, 3, 5, 8)
DECAYS = (0.0, 0.1, 0.5, 0.99, 1.0)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussians(number: int, *, num_weights: int = 4) -> list[Gaussian]:
    return [Gaussian(*random(2, num_weights, seed=seed)) for seed in range(number)]


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("decay", DECAYS[:-1])
def test_weights_are_those_of_equation_5(n, decay):
    found = temporal_difference.kl_weights(n, decay=decay).tolist()
    assert found == pytest.approx([decay**i * (1 - decay) / (1 - decay**n) for i in range(n)])
    likelihoods = temporal_difference.likelihood_weights(n, decay=decay).tolist()
    expected = [decay**i * (1 - decay ** (n - i)) / (1 - decay**n) for i in range(n)]
    assert likelihoods == pytest.approx(expected)


@pytest.mark.parametrize("n", LENGTHS)
def test_at_lambda_1_they_are_those_of_equation_4(n):
    assert temporal_difference.kl_weights(n, decay=1.0).tolist() == pytest.approx([1 / n] * n)
    found = temporal_difference.likelihood_weights(n, decay=1.0)
    assert found.tolist() == pytest.approx([(n - i) / n for i in range(n)])
    near = temporal_difference.likelihood_weights(n, decay=1 - 1e-7)
    torch.testing.assert_close(near, found, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("decay", DECAYS)
def test_weights_of_divergences_sum_to_1_and_the_present_task_counts_once(n, decay):
    assert float(temporal_difference.kl_weights(n, decay=decay).sum()) == pytest.approx(1)
    likelihoods = temporal_difference.likelihood_weights(n, decay=decay).tolist()
    assert likelihoods[0] == pytest.approx(1)
    assert all(later <= earlier for earlier, later in pairwise(likelihoods))


@pytest.mark.parametrize(("n", "decay"), [(1, 0.5), (1, 1.0), (4, 0.0)])
def test_one_posterior_or_lambda_0_is_vcl(n, decay):
    only = [1.0] + [0.0] * (n - 1)
    assert temporal_difference.kl_weights(n, decay=decay).tolist() == only
    assert temporal_difference.likelihood_weights(n, decay=decay).tolist() == only


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("decay", DECAYS)
def test_the_objective_is_the_mean_of_td_targets(n, decay):
    """A target goes back to one posterior, and has the likelihoods of all tasks since (definition 4.3)."""
    losses, divergences = random(2, n, seed=0)
    weights = temporal_difference.kl_weights(n, decay=decay)
    targets = torch.stack([losses[: j + 1].sum() + divergences[j] for j in range(n)])
    objective = temporal_difference.likelihood_weights(n, decay=decay) @ losses + weights @ divergences
    torch.testing.assert_close(objective, weights @ targets)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("decay", DECAYS)
def test_divergences_from_all_posteriors_are_that_from_the_pooled_one_and_a_constant(n, decay):
    posteriors, weights = gaussians(n), temporal_difference.kl_weights(n, decay=decay)
    prior = temporal_difference.pooled(posteriors, weights)
    constants = []
    for q in (Gaussian(*random(2, 4, seed=seed)) for seed in (50, 51, 52)):
        terms = torch.stack([gaussian.kl_divergence(q, each) for each in posteriors])
        constants.append(weights @ terms - gaussian.kl_divergence(q, prior))
        for part in range(2):
            gradients = torch.stack([gaussian.kl_gradient(q, each)[part] for each in posteriors])
            torch.testing.assert_close(gaussian.kl_gradient(q, prior)[part], weights @ gradients)
    for one in constants[1:]:
        torch.testing.assert_close(one, constants[0])
    assert (constants[0] >= -1e-9).all()


def test_the_n_step_divergence_is_the_mean_of_the_last_n():
    posteriors, q = gaussians(3), gaussians(4)[3]
    terms = torch.stack([gaussian.kl_divergence(q, each) for each in posteriors])
    weights = temporal_difference.kl_weights(3, decay=1.0)
    torch.testing.assert_close(weights @ terms, terms.mean(dim=0))


def test_a_single_posterior_is_the_prior_itself():
    (only,) = gaussians(1)
    assert temporal_difference.pooled([only], torch.ones(1)) is only


def test_an_error_of_one_posterior_counts_by_its_weight():
    """Errors of precision and of precision times mean."""
    posteriors, weights = gaussians(4), temporal_difference.kl_weights(4, decay=0.5)

    def natural(one: Gaussian) -> Tensor:
        return torch.stack([gaussian.precision(one), gaussian.precision(one) * one.mean])

    exact = natural(temporal_difference.pooled(posteriors, weights))
    for number, each in enumerate(posteriors):
        wrong = Gaussian(each.mean + 0.3, each.log_variance - 0.2)
        found = natural(
            temporal_difference.pooled([*posteriors[:number], wrong, *posteriors[number + 1 :]], weights)
        )
        torch.testing.assert_close(found - exact, weights[number] * (natural(wrong) - natural(each)))


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("decay", DECAYS)
def test_where_all_likelihoods_are_kept_a_conjugate_model_ends_at_the_exact_posterior(n, decay):
    """The objective's minimum over Gaussians, where -log p(D_i | w) = s_i w^2 / 2 - r_i w."""
    first = Gaussian(torch.tensor([0.4], dtype=torch.float64), torch.tensor([-0.7], dtype=torch.float64))
    curvatures, slopes = random(6, seed=1).exp(), random(6, seed=2)
    past = [first]
    for task in range(6):
        number = min(n, task + 1)
        prior = temporal_difference.pooled(past[:number], temporal_difference.kl_weights(number, decay=decay))
        likelihoods = temporal_difference.likelihood_weights(number, decay=decay)
        tasks = torch.arange(task, task - number, -1)
        precision = gaussian.precision(prior) + likelihoods @ curvatures[tasks]
        mean = (gaussian.precision(prior) * prior.mean + likelihoods @ slopes[tasks]) / precision
        past = [Gaussian(mean, -precision.log()), *past]
        exact = gaussian.precision(first) + curvatures[: task + 1].sum()
        torch.testing.assert_close(precision, exact)
        expected = gaussian.precision(first) * first.mean + slopes[: task + 1].sum()
        torch.testing.assert_close(mean * precision, expected)


def test_the_mean_over_a_memory_is_the_weighted_sum_of_mean_losses_of_tasks():
    ages = torch.tensor([1, 3, 1, 2, 1, 3, 5])
    task_weights, losses = random(4, seed=3).abs(), random(7, seed=4)
    found = temporal_difference.example_weights(ages, task_weights)
    assert found[-1] == 0, "an example of a task that is too old"
    expected = sum(task_weights[age] * losses[ages == age].mean() for age in (1, 2, 3))
    torch.testing.assert_close((found * losses).mean(), expected)


def test_a_task_without_examples_is_left_out():
    found = temporal_difference.example_weights(torch.tensor([2, 2]), torch.tensor([1.0, 0.7, 0.4]))
    assert found.tolist() == pytest.approx([0.4, 0.4])
