"""Parameters that are frozen, shared or parametrized when a strategy is built stay so, in every method."""

from typing import Any

import pytest
import torch
from strategy_variants import SUBJECTS, VARIANTS
from torch import nn
from torch.nn.utils import parametrizations

from cl_bench.conformance.check import PASS, result_of
from cl_bench.conformance.weights import HALF_FROZEN
from cl_bench.evaluation.states import deployed_bits
from cl_bench.learner.gaussian_layers import GaussianLayer, make_gaussian
from cl_bench.learner.noise import Noise
from cl_bench.learner.seeds import Seeds
from cl_bench.models.parameters import trainable
from cl_bench.models.stacked import StackedNetwork
from cl_bench.posteriors import fisher, kronecker
from cl_bench.strategies import Bop, Finetune
from cl_bench.streams.stacked import StackedTask
from cl_bench.testing import CHECKS, Subject

BY_NAME = {check.name: check for check in CHECKS}
# each method once, and both structures of the Laplace approximation
OURS = [name for name in SUBJECTS if not name.startswith("avalanche") and name not in VARIANTS]
OURS += ["online_laplace_diagonal"]


@pytest.mark.parametrize("name", OURS)
def test_a_stack_of_half_frozen_networks_learns_as_each_alone(name):
    strategy, *settings = SUBJECTS[name]
    check = BY_NAME["stacked_seeds_are_those_alone_or_refused"]
    result = result_of(check, Subject(strategy, [*settings, HALF_FROZEN]))
    assert result.outcome == PASS, result


@pytest.mark.parametrize("name", ["ewc", "online_laplace", "function_prior", "vcl", "gvcl", "der"])
def test_the_gradient_of_a_half_frozen_network_is_that_of_its_loss(name):
    check = BY_NAME["the_gradient_is_that_of_loss_and_penalty"]
    result = result_of(check, Subject(name, [HALF_FROZEN]))
    assert result.outcome == PASS, result


# Networks whose parameters are not one a layer


def tied() -> nn.Module:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(nn.Flatten(), first, nn.Tanh(), second, nn.Tanh(), nn.Linear(4, 3))


def half_frozen() -> nn.Module:
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 3)
    )
    network[1].requires_grad_(False)
    network[3].weight.requires_grad_(False)
    return network


def normed() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), parametrizations.weight_norm(nn.Linear(4, 5)), nn.Tanh(), nn.Linear(5, 3)
    )


class OwnForward(nn.Linear):
    """A layer that is no linear map of its weight."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(inputs, self.weight.tanh(), self.bias)


def own_forward() -> nn.Module:
    return nn.Sequential(nn.Flatten(), OwnForward(4, 3))


NETWORKS = {"tied": tied, "half_frozen": half_frozen, "normed": normed, "own_forward": own_forward}


def built(make: Any, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return make()


class Tasked(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor, task: int) -> torch.Tensor:
        return self.model(images)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_fisher_information_is_that_of_single_gradients(name):
    network = Tasked(built(NETWORKS[name])).eval()
    images, labels = torch.randn(6, 1, 2, 2), torch.arange(6) % 3
    found = fisher.diagonal(
        network, [(images, labels, 0)], estimator="empirical", generator=torch.Generator()
    )
    expected = 0
    for image, label in zip(images, labels, strict=True):
        loss = nn.functional.cross_entropy(network(image[None], 0), label[None])
        gradients = torch.autograd.grad(loss, list(trainable(network).values()))
        expected = expected + torch.cat([each.reshape(-1) for each in gradients]).square() / 6
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_kronecker_factors_stand_for_whole_layers_of_their_own_alone(name):
    network = built(NETWORKS[name])
    num_weights = sum(each.numel() for each in trainable(network).values())
    blocks = kronecker.blocks_of(network)
    layers = {"tied": [5], "half_frozen": [5], "normed": [3], "own_forward": []}[name]
    assert kronecker.layers_of(network) == [network[index] for index in layers]
    outside = kronecker.outside(blocks, torch.ones(num_weights))
    in_blocks = sum(each.numel() for index in layers for each in network[index].parameters())
    assert num_weights - int(outside.sum()) == in_blocks


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stack_keeps_what_is_tied_and_what_is_frozen(name):
    networks = [built(NETWORKS[name], seed) for seed in (0, 1)]
    stacked = StackedNetwork([Tasked(each) for each in networks])
    names = [name for name, _ in stacked.template.named_parameters()]
    assert names == [f"model.{name}" for name, _ in networks[0].named_parameters()]
    assert list(trainable(stacked.template)) == [f"model.{name}" for name in trainable(networks[0])]
    images = torch.randn(6, 1, 2, 2)
    torch.testing.assert_close(
        stacked(images, 0), torch.cat([networks[0](images[:3]), networks[1](images[3:])])
    )
    one = stacked.one(1)
    assert list(trainable(one)) == list(trainable(stacked.template))
    torch.testing.assert_close(one(images, 0), networks[1](images))


def test_what_is_tied_stays_tied(lab):
    network = built(tied)
    strategy = Finetune(model=network, **lab.settings())
    before = network[1].weight.detach().clone()
    strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
    assert network[1].weight is network[3].weight
    assert (network[1].weight != before).all()
    assert len(strategy.flat) == 4 * 4 + 4 + 4 + 4 * 3 + 3


# Binary weights and Gaussian ones


def with_frozen_biases() -> nn.Module:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3, bias=False))
    network[1].bias.requires_grad_(False)
    return network


def test_a_frozen_parameter_of_a_binary_network_keeps_its_own_value(lab):
    network = built(with_frozen_biases)
    biases = network[1].bias.detach().clone()
    strategy = Bop(model=network, threshold=0.0, **lab.settings())
    strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
    assert torch.equal(network[1].bias, biases)
    assert not set(biases.tolist()) & {-1.0, 1.0}
    assert set(network[1].weight.unique().tolist()) == {-1.0, 1.0}
    assert deployed_bits(strategy) == 4 * 6 + 6 * 3 + 32 * 6
    with pytest.raises(ValueError, match=r"parameter 1\.bias"):
        Bop(model=network.requires_grad_(True), threshold=0.0, **lab.settings())


def gaussian(network: nn.Module) -> list[GaussianLayer]:
    return make_gaussian(network, log_variance=-2.0, noise=Noise([torch.Generator().manual_seed(0)]))


def test_frozen_layers_stay_plain_and_frozen_weights_have_no_variance():
    network = built(half_frozen)
    plain, weight = network[1], network[3].weight
    partly, whole = gaussian(network)
    assert network[1] is plain
    assert partly.mean[0] is weight
    assert list(trainable(partly)) == ["mean.1", "log_variance.1"]
    assert list(trainable(whole)) == ["mean.0", "mean.1", "log_variance.0", "log_variance.1"]
    inputs = torch.ones(20_000, 5)
    drawn = partly.train()(inputs)
    torch.testing.assert_close(drawn.mean(0), partly.eval()(inputs)[0], rtol=0, atol=0.02)
    torch.testing.assert_close(drawn.var(0), torch.full((5,), -2.0).exp(), rtol=0.05, atol=0)
    drawn.sum().backward()
    assert weight.grad is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [("tied", "1.weight in several places"), ("normed", "parametrization"), ("own_forward", "OwnForward")],
)
def test_what_has_no_gaussian_form_is_refused_unless_it_is_frozen(name, reason):
    with pytest.raises(ValueError, match=reason):
        gaussian(built(NETWORKS[name]))
    network = built(NETWORKS[name])
    network.append(nn.Linear(3, 3))
    network[:-1].requires_grad_(False)
    before = network[:-1](torch.ones(2, 4))
    assert len(gaussian(network)) == 1
    assert torch.equal(network[:-1](torch.ones(2, 4)), before)


@pytest.mark.parametrize("name", NETWORKS)
def test_stacked_seeds_are_those_alone(lab, name):
    experience = lab.benchmark(lab.tasks(1)).train_stream[0]
    networks = [built(NETWORKS[name], seed) for seed in (0, 1)]
    tasks = StackedTask([experience.task_data] * 2)
    together = Finetune(
        model=StackedNetwork([Tasked(each) for each in networks]),
        **lab.settings(seeds=[Seeds(0), Seeds(1)], optimizer="sgd"),
    )
    experience.task_data = tasks
    together.train(experience, eval_streams=[])
    alone = []
    for seed, network in enumerate(networks):
        experience.task_data = tasks.parts[seed]
        strategy = Finetune(model=network, **lab.settings(seed=seed, optimizer="sgd"))
        strategy.train(experience, eval_streams=[])
        alone.append(strategy.flat.values.data)
    torch.testing.assert_close(together.flat.values.data, torch.stack(alone), rtol=1e-5, atol=1e-6)
