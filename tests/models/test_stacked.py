"""Several networks as one compute what each computes alone."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cl_bench.models.stacked import StackedNetwork

ROUNDING = {"rtol": 1e-9, "atol": 1e-9}  # double precision; batched products sum in another order
NUM_SEEDS, BATCH = 3, 6
TASKS = {"first head": 0, "second head": 1, "mixed": torch.arange(NUM_SEEDS * BATCH) // 3 % 2}


@pytest.fixture(params=TASKS)
def task(request):
    """A head, or one for each image."""
    return TASKS[request.param]


@pytest.fixture
def networks(build, normalisation, weights):
    """Of one structure, in double precision, with running statistics of their own."""
    made = [build(normalisation=normalisation, weights=weights).double() for _ in range(NUM_SEEDS)]
    for seed, network in enumerate(made):
        for head in (0, 1):
            network(images(10 + seed)[:BATCH] * (1 + seed), head)
    return made


def images(seed=0):
    """Of all seeds, one after another: [R * B, C, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(NUM_SEEDS * BATCH, 3, 8, 8, generator=generator).double()


def one_by_one(networks, task):
    """The logits of every network for its own images."""
    tasks = task.chunk(NUM_SEEDS) if isinstance(task, torch.Tensor) else [task] * NUM_SEEDS
    return torch.cat(
        [network(*each) for network, *each in zip(networks, images().chunk(NUM_SEEDS), tasks, strict=True)]
    )


def equal(network, other):
    first, second = network.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)


def unsupported(networks, task):
    """In training these look for the examples of each head, whose number no stack of seeds can share."""
    per_head = type(networks[0].heads.normalisation).__name__ == "BatchNormPerHead"
    return per_head and isinstance(task, torch.Tensor)


def test_logits_gradients_and_running_statistics_are_those_of_each_network_alone(networks, task):
    stacked = StackedNetwork(networks)
    if unsupported(networks, task):
        with pytest.raises(ValueError, match=r"a batch must be of one head, .*; set training\.stacked=false"):
            stacked(images(), task)
        return
    logits, expected = stacked(images(), task), one_by_one(networks, task)
    torch.testing.assert_close(logits, expected, **ROUNDING)
    labels = torch.arange(len(logits)) % 3
    F.cross_entropy(logits, labels, reduction="sum").backward()
    F.cross_entropy(expected, labels, reduction="sum").backward()
    for name, parameter in stacked.template.named_parameters():
        wanted = [network.get_parameter(name).grad for network in networks]
        assert any(part is not None and part.any() for part in wanted)
        torch.testing.assert_close(parameter.grad, torch.stack(wanted), **ROUNDING)
    for name, buffer in stacked.template.named_buffers():
        wanted = torch.stack([network.get_buffer(name) for network in networks])
        torch.testing.assert_close(buffer, wanted, **ROUNDING)


def test_in_tests_the_logits_are_those_of_each_network_and_nothing_moves(networks, task):
    stacked = StackedNetwork(networks).eval()
    before = deepcopy(stacked)
    for network in networks:
        network.eval()
    torch.testing.assert_close(stacked(images(), task), one_by_one(networks, task), **ROUNDING)
    assert equal(stacked, before)


def test_one_network_of_the_stack_is_the_one_that_was_put_in_and_a_copy(networks):
    stacked = StackedNetwork(networks)
    for index, network in enumerate(networks):
        found = stacked.one(index)
        assert type(found) is type(network)
        assert equal(found, network)
    before = deepcopy(stacked)
    with torch.no_grad():
        for tensor in (*found.parameters(), *found.buffers()):
            tensor.zero_()
    assert equal(stacked, before)


def test_one_network_is_as_the_stack_is_now(networks):
    stacked = StackedNetwork(networks)
    with torch.no_grad():
        for parameter in stacked.parameters():
            parameter += torch.arange(1.0, 4.0).double().view(-1, *[1] * (parameter.dim() - 1))
    stacked(images(), 1)
    stacked.eval()
    logits = torch.cat([stacked.one(seed)(part, 0) for seed, part in enumerate(images().chunk(NUM_SEEDS))])
    torch.testing.assert_close(logits, stacked(images(), 0), **ROUNDING)


def test_the_networks_themselves_are_left_alone(networks):
    before = deepcopy(networks)
    stacked = StackedNetwork(networks)
    stacked(images(), 0).sum().backward()
    with torch.no_grad():
        for tensor in (*stacked.parameters(), *stacked.buffers()):
            tensor.zero_()
    assert all(map(equal, networks, before))
    assert not any(parameter.grad is not None for network in networks for parameter in network.parameters())


def test_a_stack_has_the_parameters_of_its_networks_with_a_leading_axis(networks):
    stacked = StackedNetwork(networks)
    assert stacked.num_seeds == NUM_SEEDS
    names = [name for name, _ in networks[0].named_parameters()]
    assert [name for name, _ in stacked.template.named_parameters()] == names
    for name, parameter in stacked.template.named_parameters():
        assert isinstance(parameter, nn.Parameter)
        assert parameter.equal(torch.stack([network.get_parameter(name) for network in networks]))


def test_a_stack_of_one_is_the_network(networks):
    stacked = StackedNetwork(networks[:1]).eval()
    networks[0].eval()
    torch.testing.assert_close(stacked(images(), 1), networks[0](images(), 1), **ROUNDING)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"normalisation": "batch"}),
        ({}, {"num_heads": 3}),
        ({}, {"num_classes": 4}),
        ({}, {"weights": "binary"}),
    ],
)
def test_networks_of_different_structure_are_an_error(build, first, second):
    with pytest.raises(ValueError, match="cannot stack 2 networks: they must have the same structure"):
        StackedNetwork([build(**first), build(**second)])


def test_no_network_at_all_is_an_error():
    with pytest.raises(ValueError, match="cannot stack 0 networks"):
        StackedNetwork([])
