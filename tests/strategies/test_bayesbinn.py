"""BayesBiNN's training against the authors' update written out."""

import math
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional as F

from cl_bench.strategies import BayesBiNN

CPU = torch.device("cpu")


@pytest.fixture
def network(binary_network):
    return binary_network


@pytest.fixture
def make(make_bayesbinn):
    return make_bayesbinn


def weights_of(strategy: BayesBiNN) -> Tensor:
    return torch.cat([parameter.detach().reshape(-1) for parameter in strategy.network.parameters()])


# Training


@pytest.mark.usefixtures("double_precision")
def test_hard_weights_move_by_the_gradient_at_a_draw(lab, make, network):
    """lambda <- lambda - alpha (N dl/dw + k (lambda - lambda0)) at w = -1 or +1, drawn as tests draw."""
    task = lab.tasks(1)[0]
    alpha, n = 3e-2, len(task.labels)
    strategy = make({"estimator": "hard"}, network(normalisation="batch"), learning_rate=alpha, batch_size=n)
    reference, natural = network(normalisation="batch"), strategy.posterior.natural.clone()
    noise, order = lab.clone(strategy.noise), lab.clone(strategy.batch_order)
    images = task.images(CPU)
    for _ in range(2):
        positions = torch.randperm(n, generator=order)
        uniform = torch.rand(len(natural), generator=noise)
        w = torch.where(uniform < torch.sigmoid(-2 * natural), -1.0, 1.0)
        nn.utils.vector_to_parameters(w, reference.parameters())
        loss = F.cross_entropy(reference(images[positions]), task.labels[positions])
        gradient = torch.cat(
            [part.reshape(-1) for part in torch.autograd.grad(loss, list(reference.parameters()))]
        )
        natural = natural - alpha * (n * gradient + natural)
    (experience,) = lab.benchmark([task]).train_stream
    strategy.train(experience, eval_streams=[])
    torch.testing.assert_close(strategy.posterior.natural, natural)


@pytest.mark.parametrize("estimator", ["relaxed", "hard"])
def test_the_first_task_has_a_kl_weight_of_its_own(lab, make, estimator):
    tasks = lab.benchmark(lab.tasks(2)).train_stream

    def after(number, **method):
        strategy = make({"estimator": estimator} | method)
        for experience in list(tasks)[:number]:
            strategy.train(experience, eval_streams=[])
        return strategy.posterior.natural

    both = {"kl_weight": 0.5, "first_kl_weight": 0.1}
    assert torch.equal(after(1, **both), after(1, kl_weight=0.1))
    assert not torch.equal(after(2, **both), after(2, kl_weight=0.1))
    assert torch.equal(after(1, kl_weight=0.5, first_kl_weight=0.0), after(1, kl_weight=0.0))
    assert torch.equal(after(2, kl_weight=0.5, first_kl_weight=0.5), after(2, kl_weight=0.5))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("epochs", [1, 3])
def test_a_rate_by_the_number_of_steps_is_that_rate(lab, make, schedule, epochs):
    def after(method, learning_rate, tasks):
        strategy = make(method, learning_rate=learning_rate, schedule=schedule, epochs=epochs, batch_size=6)
        for experience in lab.benchmark(tasks).train_stream:
            strategy.train(experience, eval_streams=[])
        return strategy.posterior.natural

    tasks = lab.tasks(2)
    num_steps = epochs * -(-len(tasks[0].labels) // 6)
    assert torch.allclose(after({"rate_times_steps": 0.6}, 99.0, tasks), after({}, 0.6 / num_steps, tasks))
    assert not torch.allclose(after({"rate_times_steps": 0.6}, 99.0, tasks), after({}, 0.6, tasks))


@pytest.mark.parametrize("c", [0.5, 2.0])
@pytest.mark.parametrize("epochs", [20, 80])
def test_without_data_lambda_relaxes_as_far_in_any_number_of_steps(lab, make, c, epochs):
    """lambda - lambda0 is multiplied with (1 - k c / S)^S, close to e^(-k c) for S steps."""
    strategy = make({"rate_times_steps": c}, epochs=epochs, batch_size=1000)
    before = strategy.posterior.natural.clone()
    strategy.posterior_gradient = lambda weights, noise: torch.zeros_like(weights)
    (experience,) = lab.benchmark(lab.tasks(1)).train_stream
    strategy.train(experience, eval_streams=[])
    left = math.exp(-c * strategy.kl_weight)
    torch.testing.assert_close(strategy.posterior.natural, before * left, rtol=0.12, atol=1e-4)


def test_a_rate_by_the_number_of_steps_must_be_positive(make):
    with pytest.raises(ValueError, match="rate_times_steps must be a positive number"):
        make({"rate_times_steps": 0.0})


def test_the_published_steps_have_no_hard_weights(make):
    with pytest.raises(ValueError, match="estimator must be relaxed for variant=published"):
        make({"variant": "published", "estimator": "hard"})


def test_weights_are_binary_before_and_after_training_and_relaxed_within(lab, make):
    strategy = make()
    seen = Steps(strategy)
    for experience in lab.benchmark(lab.tasks(2)).train_stream:
        assert torch.equal(weights_of(strategy).abs(), torch.ones(len(strategy.flat)))
        strategy.train(experience, eval_streams=[])
        assert torch.equal(weights_of(strategy), strategy.posterior.natural.sign())
    for weights in seen.weights:
        assert weights.abs().max() <= 1
        assert (weights.abs() < 0.99).any()


@pytest.mark.parametrize("carry_prior", [True, False])
def test_the_posterior_becomes_the_next_prior_only_if_it_is_carried(lab, make, carry_prior):
    strategy = make({"carry_prior": carry_prior})
    seen = Steps(strategy)
    posteriors = [torch.zeros(len(strategy.flat))]
    for experience in lab.benchmark(lab.tasks(3)).train_stream:
        strategy.train(experience, eval_streams=[])
        posteriors.append(strategy.posterior.natural.clone())
    steps = len(seen.priors) // 3
    for step, prior in enumerate(seen.priors):
        assert torch.equal(prior, posteriors[step // steps] if carry_prior else posteriors[0])
    assert not torch.equal(posteriors[1], posteriors[2])


def test_the_carried_prior_first_shows_at_the_second_task(lab, make):
    carried, fixed = make({"carry_prior": True}), make({"carry_prior": False})
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    for strategy in (carried, fixed):
        strategy.train(first, eval_streams=[])
    assert torch.equal(carried.posterior.natural, fixed.posterior.natural)
    for strategy in (carried, fixed):
        strategy.train(second, eval_streams=[])
    assert not torch.equal(carried.posterior.natural, fixed.posterior.natural)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("variant", "max_slope"), [("published", None), ("sound", None), ("sound", 1.5)])
@pytest.mark.parametrize(("num_samples", "momentum"), [(1, 0.0), (3, 0.9)])
def test_two_tasks_equal_the_update_of_the_paper_written_out(
    lab, make, network, variant, max_slope, num_samples, momentum
):
    """lambda <- lambda - alpha (s g + k (lambda - lambda0)) with s = N (1 - w^2 + e) / (tau (1 - mu^2 + e)).
    The authors' mu is one step old; ours may limit s / N. The loop draws what the strategy draws.
    """
    tasks = lab.tasks(2)
    tau, alpha, k, n = 0.5, 3e-2, 0.7, 12
    e = 1e-10 if variant == "published" else 0.0
    method = {"temperature": tau, "kl_weight": k, "num_samples": num_samples, "momentum": momentum}
    strategy = make(
        method | {"variant": variant, "max_slope": max_slope},
        network(normalisation="batch"),
        learning_rate=alpha,
        batch_size=6,
    )
    reference = network(normalisation="batch")
    natural = strategy.posterior.natural.clone()
    assert torch.equal(natural.abs(), torch.ones_like(natural))
    assert 0 < (natural > 0).float().mean() < 1
    noise, order = lab.clone(strategy.noise), lab.clone(strategy.batch_order)
    prior, velocity, mean, steps = torch.zeros_like(natural), torch.zeros_like(natural), natural.tanh(), 0
    for task in tasks:
        images = task.images(CPU)
        for _ in range(2):
            for positions in torch.randperm(n, generator=order).split(6):
                total = torch.zeros_like(natural)
                for _ in range(num_samples):
                    u = torch.rand(len(natural), generator=noise)
                    w = torch.tanh((natural + 0.5 * torch.log(u / (1 - u))) / tau)
                    nn.utils.vector_to_parameters(w, reference.parameters())
                    loss = F.cross_entropy(reference(images[positions]), task.labels[positions])
                    gradient = torch.autograd.grad(loss, list(reference.parameters()))
                    slope = (1 - w**2 + e) / (tau * (1 - mean**2 + e))
                    slope = slope if max_slope is None else slope.clamp(max=max_slope)
                    total += n * slope * torch.cat([part.reshape(-1) for part in gradient])
                direction = total / num_samples + k * (natural - prior)
                steps += 1
                velocity = momentum * velocity + (1 - momentum) * direction
                old, natural = natural, natural - alpha * velocity / (1 - momentum**steps)
                mean = (old if variant == "published" else natural).tanh()
        prior = natural.clone()
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.posterior.natural, natural, rtol=1e-9, atol=1e-9)
    other = make(
        method | {"variant": "sound" if variant == "published" else "published"},
        network(normalisation="batch"),
        learning_rate=alpha,
        batch_size=6,
    )
    other.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    assert (other.posterior.natural - natural).abs().max() > 5e-3, "the age of mu is seen"


@pytest.mark.usefixtures("double_precision")
def test_several_weight_samples_give_the_mean_of_their_single_gradients(lab, make):
    (task,) = lab.tasks(1)
    images, labels = task.images(CPU), task.labels
    four, single = make({"num_samples": 4}), make({"num_samples": 1})
    found, losses = [], []
    for strategy, times in ((four, 1), (single, 4)):
        strategy.num_examples = 12
        for _ in range(times):
            lab.batch(strategy, images, labels)
            found.append(strategy.mean_gradient.clone())
            losses.append(strategy.loss.clone())
    torch.testing.assert_close(found[0], torch.stack(found[1:]).mean(0), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(losses[0], torch.stack(losses[1:]).mean(0), rtol=1e-9, atol=1e-9)
    assert not torch.equal(found[1], found[2])


def test_the_posterior_of_other_heads_stands_still(lab, make, network):
    strategy = make({"momentum": 0.5}, network(num_heads=3))
    mask = {head: ~strategy.flat.mask(strategy.other_heads(head)).bool() for head in range(3)}
    for head, experience in enumerate(lab.benchmark(lab.tasks(3, heads=True)).train_stream):
        before = strategy.posterior.natural.clone()
        strategy.train(experience, eval_streams=[])
        assert mask[head].sum() == 2 * 3 * 6
        assert torch.equal(before[mask[head]], strategy.posterior.natural[mask[head]])
        assert (before != strategy.posterior.natural)[~mask[head]].all()


def test_a_head_that_was_not_trained_keeps_the_first_prior(lab, make, network):
    strategy = make({"momentum": 0.5}, network(num_heads=2))
    first, second = lab.benchmark(lab.tasks(2, heads=True)).train_stream
    other = ~strategy.flat.mask(strategy.other_heads(0)).bool()
    strategy.train(first, eval_streams=[])
    assert not strategy.prior[other].any()
    assert not strategy.posterior.momentum[other].any()
    assert torch.equal(strategy.prior[~other], strategy.posterior.natural[~other])
    strategy.train(second, eval_streams=[])
    assert torch.equal(strategy.prior[other], strategy.posterior.natural[other])


def test_the_prior_is_no_alias_of_the_posterior(lab, make):
    strategy = make()
    strategy.train(lab.benchmark(lab.tasks(1)).train_stream, eval_streams=[])
    assert torch.equal(strategy.prior, strategy.posterior.natural)
    strategy.posterior.natural.add_(1)
    assert not torch.equal(strategy.prior, strategy.posterior.natural)


# Probes


class Steps(SupervisedPlugin):
    """Weights, natural parameters and prior after every step."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.weights: list = []
        self.naturals: list = []
        self.priors: list = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.weights.append(weights_of(strategy))
        self.naturals.append(strategy.posterior.natural.clone())
        self.priors.append(strategy.prior.clone())
