"""VCL against autograd, torch.distributions, and exact Bayes for a linear model."""

import math
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from cl_bench.strategies import Finetune

CPU = torch.device("cpu")


@pytest.fixture
def make(make_vcl):
    return make_vcl


# The objective


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize(("kl_weight", "num_samples"), [(0.0, 1), (1.0, 1), (2.5, 1), (1.0, 3)])
def test_the_gradient_is_autograd_s_of_the_likelihood_and_the_kl_over_n(
    lab, make, kl_weight, num_samples, heads
):
    """At the second task, whose prior is the first posterior; the noise of the layers is drawn alike."""
    tasks = lab.tasks(2, heads=heads)
    method = {"kl_weight": kl_weight, "num_samples": num_samples}
    strategy = make(num_heads=2 if heads else 1, method=method, learning_rate=0.1)
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    after_first = strategy.prior
    prior = Normal(after_first.mean, (after_first.log_variance / 2).exp())
    strategy.train(second, eval_streams=[])
    strategy.prior = after_first  # as in the midst of the second task

    images, labels = tasks[1].images(CPU)[:7], tasks[1].labels[:7]
    layers = [strategy.network.body[1], strategy.network.heads.linear]
    shapes = [layer.mean[0].shape for layer in layers for _ in (0, 1)]
    generator = lab.clone(strategy.layers[0].noise)
    parameters = strategy.flat.values.data.clone().requires_grad_()
    mean, log_variance = parameters.chunk(2)
    posterior = Normal(mean, (log_variance / 2).exp())
    sizes = [layer.mean[part].numel() for layer in layers for part in (0, 1)]
    means, variances = mean.split(sizes), log_variance.exp().split(sizes)
    head = tasks[1].head
    likelihood = torch.zeros(())
    for _ in range(num_samples):
        flow = images.flatten(1)
        for index in (0, 2):
            centre = flow @ means[index].view(shapes[index]).T + means[index + 1]
            variance = flow**2 @ variances[index].view(shapes[index]).T + variances[index + 1]
            flow = centre + variance.sqrt() * torch.randn(centre.shape, generator=generator)
            flow = flow.relu() if index == 0 else flow
        logits = flow[:, head * 3 : head * 3 + 3]
        likelihood = likelihood + F.cross_entropy(logits, labels) / num_samples
    kl = kl_divergence(posterior, prior)
    if heads:  # the other head's posterior costs nothing
        weight_rows, bias_rows = 3 * 5, 3
        start = sum(sizes[:2])
        other = [*range(start, start + weight_rows), *range(start + sizes[2], start + sizes[2] + bias_rows)]
        keep = torch.ones(len(kl), dtype=torch.bool)
        keep[other] = False
        kl = kl[keep]
    objective = likelihood + kl_weight * kl.sum() / len(tasks[1])
    objective.backward()
    lab.batch(strategy, images, labels, head)
    torch.testing.assert_close(strategy.flat.gradients, parameters.grad, rtol=1e-9, atol=1e-9)
    assert parameters.grad.abs().max() > 0.01


@pytest.mark.usefixtures("double_precision")
def test_without_kl_and_variance_it_trains_like_fine_tuning(lab, make):
    benchmark = lab.benchmark(lab.tasks(2))
    vcl = make(method={"kl_weight": 0.0, "initial_log_variance": -40.0}, optimizer="sgd", learning_rate=0.1)
    plain = make(cls=Finetune, optimizer="sgd", learning_rate=0.1)
    start = plain.flat.values.data.clone()
    for strategy in (vcl, plain):
        strategy.train(benchmark.train_stream, eval_streams=[])
    means = {
        name.replace("mean.0", "weight").replace("mean.1", "bias"): p
        for name, p in vcl.network.named_parameters()
    }
    for name, parameter in plain.network.named_parameters():
        torch.testing.assert_close(means[name], parameter, rtol=0, atol=1e-7)  # outputs spread by 1e-8
    assert (plain.flat.values.data - start).abs().max() > 0.05


# The next prior


def test_the_posterior_of_a_task_is_the_prior_of_the_next_and_its_own(lab, make):
    strategy = make(learning_rate=0.05)
    seen = Priors(strategy)
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    assert torch.equal(strategy.prior.mean, torch.zeros_like(strategy.prior.mean))
    torch.testing.assert_close(strategy.prior.log_variance.exp(), torch.full_like(strategy.prior.mean, 0.5))
    strategy.train(first, eval_streams=[])
    after_first = [part.clone() for part in strategy.posterior]
    strategy.train(second, eval_streams=[])
    during_second = seen.priors[len(seen.priors) // 2 :]
    for prior in during_second:
        assert torch.equal(prior[0], after_first[0])
        assert torch.equal(prior[1], after_first[1])
    for part, prior in zip(strategy.posterior, after_first, strict=True):
        assert not torch.equal(part, prior)
    strategy.flat.values.data.add_(1)
    assert not torch.equal(strategy.prior.mean, strategy.posterior.mean), "no alias"
    assert not torch.equal(strategy.prior.log_variance, strategy.posterior.log_variance), "no alias"


# Restart


def test_means_may_start_at_draws_of_their_own(lab, make):
    """The cut normal of deviation s has deviation 0.8796 s."""
    wide = {"initial_mean_deviation": 0.1}
    strategy = make(hidden=[200], method=wide)
    mean = strategy.posterior.mean
    assert mean.abs().max() <= 0.2
    assert 0.085 < mean.std() < 0.091
    assert mean.mean().abs() < 0.01
    assert torch.equal(strategy.posterior.log_variance, torch.full_like(mean, -3.0))
    assert torch.equal(strategy.prior.mean, torch.zeros_like(mean))
    assert torch.equal(make(hidden=[200], method=wide).posterior.mean, mean), "the seed's own draws"
    other = make(hidden=[200], method=wide, seed=5).posterior.mean
    assert not torch.equal(other, mean)


def test_no_weight_is_frozen_before_it_has_learned(make):
    """The posterior starts with a deviation of a twentieth of the prior's."""
    strategy = make(method={"initial_log_variance": -6.0, "prior_variance": 1.0})
    assert strategy.frozen_share() == 0
    strategy.posterior.log_variance[:3] -= math.log(101)
    assert strategy.frozen_share() == 3 / len(strategy.posterior.mean)


def test_a_restart_goes_back_to_the_means_drawn(lab, make):
    strategy = make(method={"restart": True, "initial_mean_deviation": 0.1}, learning_rate=0.05)
    assert torch.equal(strategy.initial.mean, strategy.posterior.mean)
    assert strategy.initial.mean.abs().max() <= 0.2


def test_a_restart_puts_the_means_and_variances_back_and_leaves_the_prior(lab, make):
    strategy = make(method={"restart": True}, learning_rate=0.05)
    starts = StartsOf(strategy)
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    initial = strategy.flat.values.data.clone()
    strategy.train(first, eval_streams=[])
    posterior = strategy.flat.values.data.clone()
    strategy.train(second, eval_streams=[])
    assert not torch.equal(posterior, initial)
    for values, _ in starts.seen:
        assert torch.equal(values, initial)
    assert torch.equal(starts.seen[1][1], posterior)


def test_a_restart_keeps_the_posterior_of_other_heads(lab, make):
    strategy = make(method={"restart": True}, learning_rate=0.05, num_heads=3)
    experiences = list(lab.benchmark(lab.tasks(3, heads=True)).train_stream)
    strategy.train(experiences[0], eval_streams=[])
    learnt = lab.head_values(strategy.network, 0).clone()
    strategy.train(experiences[1:], eval_streams=[])
    assert torch.equal(lab.head_values(strategy.network, 0), learnt)


def test_a_head_that_was_not_trained_keeps_the_first_prior(lab, make):
    strategy = make(num_heads=2)
    first, _ = lab.benchmark(lab.tasks(2, heads=True)).train_stream
    start = [part.clone() for part in strategy.prior]
    strategy.train(first, eval_streams=[])
    trained = strategy.active_for(0) > 0
    for part, old, posterior in zip(strategy.prior, start, strategy.posterior, strict=True):
        assert torch.equal(part[~trained], old[~trained])
        assert torch.equal(part[trained], posterior[trained])
        assert not trained.all()


def test_a_head_that_comes_again_has_its_own_posterior_as_the_prior(lab, make):
    tasks = lab.tasks(2, heads=True)
    strategy = make(num_heads=2)
    starts = StartsOf(strategy)
    first, second = lab.benchmark(tasks).train_stream
    for experience in (first, second, first):
        strategy.train(experience, eval_streams=[])
    assert torch.equal(starts.seen[2][0], starts.seen[2][1])


# Probes


class Priors(SupervisedPlugin):
    """The prior at every step."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.priors: list = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.priors.append([part.clone() for part in strategy.prior])


class StartsOf(SupervisedPlugin):
    """Posterior and prior (as flat values) when the training of each task begins."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.seen: list = []
        self.fresh = False
        strategy.plugins.insert(0, self)

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.fresh = True

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        if self.fresh:
            self.seen.append((strategy.flat.values.data.clone(), torch.cat(strategy.prior)))
            self.fresh = False


def test_a_prior_that_is_changed_in_place_counts(make):
    strategy = make()
    strategy.posterior.mean.add_(1)
    before = strategy.kl_gradient(strategy.prior).mean.clone()
    strategy.prior.log_variance.sub_(math.log(4))
    torch.testing.assert_close(strategy.kl_gradient(strategy.prior).mean, 4 * before)


# A prior by the Fisher information


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("heads", [False, True])
def test_a_prior_by_the_fisher_information_has_that_of_each_task_at_the_means(lab, make, heads):
    tasks = lab.tasks(2, heads=heads)
    method = {"carried_precision": "fisher", "fisher_strength": 3.0, "prior_variance": 0.5}
    strategy = make(num_heads=2 if heads else 1, method=method, learning_rate=0.1)
    precision = torch.full_like(strategy.prior.mean, 2.0)
    layers = [strategy.network.body[1], strategy.network.heads.linear]
    for task, experience in zip(tasks, lab.benchmark(tasks).train_stream, strict=True):
        before = strategy.prior
        strategy.train(experience, eval_streams=[])
        means = [part.detach().clone().requires_grad_() for layer in layers for part in layer.mean]
        fisher = torch.zeros_like(precision)
        for image in task.images(CPU).flatten(1):
            hidden = (means[0] @ image + means[1]).relu()
            logits = means[2] @ hidden + means[3]
            log_p = logits[task.head * 3 : task.head * 3 + 3].log_softmax(dim=0)
            for each in range(3):
                gradient = torch.autograd.grad(log_p[each], means, retain_graph=True)
                fisher += log_p[each].exp().detach() * torch.cat([part.reshape(-1) for part in gradient]) ** 2
        trained = strategy.active > 0
        precision = torch.where(trained, precision + 3.0 * fisher, precision)
        torch.testing.assert_close((-strategy.prior.log_variance).exp(), precision)
        assert torch.equal(strategy.prior.mean[trained], strategy.posterior.mean[trained])
        assert torch.equal(strategy.prior.mean[~trained], before.mean[~trained])


def test_with_a_prior_by_the_fisher_information_the_variances_start_anew_where_the_task_trains(lab, make):
    tasks = lab.tasks(2, heads=True)
    strategy = make(num_heads=2, method={"carried_precision": "fisher"}, learning_rate=0.1)
    seen = []

    class Seen(SupervisedPlugin):
        def before_training_epoch(self, strategy, **kwargs):
            seen.append(tuple(part.clone() for part in strategy.posterior))

    strategy.plugins.append(Seen())
    first, second = lab.benchmark(tasks).train_stream
    strategy.train(first, eval_streams=[])
    learned = tuple(part.clone() for part in strategy.posterior)
    seen.clear()
    strategy.train(second, eval_streams=[])
    mean, log_variance = seen[0]
    active = strategy.active > 0
    assert torch.equal(mean, learned[0])
    assert torch.equal(log_variance[~active], learned[1][~active])
    assert (log_variance[active] == strategy.initial_log_variance).all()
    assert not torch.equal(log_variance, learned[1])


def test_the_first_task_has_a_kl_weight_of_its_own(lab, make):
    first, _ = lab.benchmark(lab.tasks(2)).train_stream

    def after(**method):
        strategy = make(method=method, learning_rate=0.1)
        strategy.train(first, eval_streams=[])
        return strategy.flat.values.data

    assert torch.equal(after(kl_weight=5.0, first_kl_weight=0.0), after(kl_weight=0.0))
    assert not torch.equal(after(kl_weight=5.0), after(kl_weight=0.0))
