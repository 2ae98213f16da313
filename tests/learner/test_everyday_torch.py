"""What is usual in torch trains as it does in plain torch, or is refused with a reason."""

from typing import Any

import pytest
import torch
from everyday import Does, vector
from torch import nn

from cl_bench.models import mlp
from cl_bench.strategies import L2, Finetune

MOMENTS = (
    *("before_training_exp", "before_training_epoch", "before_training_iteration", "before_forward"),
    *("after_forward", "before_backward", "after_update", "after_training_iteration"),
    *("after_training_epoch", "after_training_exp"),
)


@pytest.fixture
def network(real_network):
    return real_network


@pytest.fixture
def make(make_finetune):
    return make_finetune


@pytest.fixture
def benchmark(two_tasks):
    return two_tasks


@pytest.fixture
def weights(lab, benchmark):
    """Those that plain fine-tuning ends at."""
    network = lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=3,
        num_heads=1,
        hidden=[6],
        normalisation="none",
        weights="real",
    )
    strategy = Finetune(model=network, **lab.settings(optimizer="sgd", learning_rate=0.1))
    strategy.train(benchmark.train_stream, eval_streams=[])
    return vector(strategy.model)


def other_gradients(strategy: Any) -> None:
    for parameter in strategy.model.parameters():
        parameter.grad = None if parameter.grad is None else parameter.grad.clone()


def other_memory(strategy: Any) -> None:
    for parameter in strategy.model.parameters():
        parameter.data = parameter.data.clone()


def other_memory_of_gradients(strategy: Any) -> None:
    for parameter in strategy.model.parameters():
        if parameter.grad is not None:
            parameter.grad.data = parameter.grad.data.clone()


def set_memory(strategy: Any) -> None:
    with torch.no_grad():
        for parameter in strategy.model.parameters():
            parameter.set_(parameter.clone())


def from_a_vector(strategy: Any) -> None:
    parameters = list(strategy.model.parameters())
    whole = nn.utils.parameters_to_vector(parameters).detach().clone()
    nn.utils.vector_to_parameters(whole, parameters)


def state(strategy: Any) -> dict:
    return {name: each.clone() for name, each in strategy.model.state_dict().items()}


def replaced_layer(strategy: Any) -> None:
    old = strategy.model.body[1]
    new = nn.Linear(old.in_features, old.out_features)
    new.load_state_dict(old.state_dict())
    strategy.model.body[1] = new


def vector_with_other_memory(strategy: Any) -> None:
    strategy.flat.values.data = strategy.flat.values.data.clone()


# none of these moves a weight or loses a gradient that a step needs
HARMLESS = {
    "other_gradients": other_gradients,
    "other_memory": other_memory,
    "other_memory_of_gradients": other_memory_of_gradients,
    "set_memory": set_memory,
    "from_a_vector": from_a_vector,
    "to_double_and_back": lambda strategy: strategy.model.double().float(),
    "load_state": lambda strategy: strategy.model.load_state_dict(state(strategy)),
    "load_state_assigned": lambda strategy: strategy.model.load_state_dict(state(strategy), assign=True),
    "replaced_layer": replaced_layer,
    "vector_with_other_memory": vector_with_other_memory,
}
# nor these, but between the backward pass and the step
CLEARING = {
    "zero_model": lambda strategy: strategy.model.zero_grad(),
    "zero_optimizer": lambda strategy: strategy.optimizer.zero_grad(),
    "gradients_of_none": lambda strategy: [
        setattr(each, "grad", None) for each in strategy.model.parameters()
    ],
}
STEP = ("after_forward", "before_backward", "after_backward", "before_update")


def _moments(idiom: str) -> list[str]:
    if idiom in ("load_state_assigned", "replaced_layer"):  # a new parameter has no gradient of its step
        return [moment for moment in MOMENTS if moment.endswith(("epoch", "exp"))]
    if idiom in ("set_memory", "load_state"):  # torch refuses to write between forward and backward passes
        return [moment for moment in (*MOMENTS, *STEP[2:]) if moment not in STEP[:2]]
    return [*MOMENTS, *STEP[2:]]


@pytest.mark.parametrize(("idiom", "moment"), [(each, at) for each in HARMLESS for at in _moments(each)])
def test_what_gives_parameters_other_memory_changes_nothing_in_training(
    make, benchmark, weights, idiom, moment
):
    strategy = make(plugins=[Does(moment, HARMLESS[idiom])])
    strategy.train(benchmark.train_stream, eval_streams=[])
    assert torch.equal(vector(strategy.model), weights)
    assert torch.equal(strategy.flat.values.data, weights)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("idiom", CLEARING)
def test_what_clears_gradients_clears_them_and_changes_nothing_else(make, benchmark, weights, idiom, moment):
    strategy = make(plugins=[Does(moment, CLEARING[idiom])])
    strategy.train(benchmark.train_stream, eval_streams=[])
    assert torch.equal(vector(strategy.model), weights)


@pytest.mark.parametrize("moment", ["after_backward", "before_update"])
@pytest.mark.parametrize("idiom", CLEARING)
def test_what_clears_the_gradients_of_a_step_keeps_it_from_moving(make, benchmark, idiom, moment):
    strategy = make(plugins=[Does(moment, CLEARING[idiom])])
    before = vector(strategy.model)
    strategy.train(benchmark.train_stream, eval_streams=[])
    assert torch.equal(vector(strategy.model), before)


def test_a_gradient_that_is_replaced_is_the_one_of_the_step(make, benchmark):
    def ones(strategy: Any) -> None:
        for parameter in strategy.model.parameters():
            parameter.grad = torch.ones_like(parameter)

    strategy = make(plugins=[Does("after_backward", ones)])
    before = vector(strategy.model)
    strategy.train(benchmark.train_stream, eval_streams=[])
    torch.testing.assert_close(vector(strategy.model), before - 0.1 * 12, rtol=0, atol=1e-5)


@pytest.mark.parametrize("idiom", CLEARING)
def test_a_penalty_added_by_hand_counts_where_gradients_were_cleared_before_it(
    lab, network, benchmark, idiom
):
    """L2 adds to the vector after a backward pass that has made gradients of their own."""
    ends = []
    for plugins in ([], [Does("before_backward", CLEARING[idiom])]):
        with torch.no_grad():
            nn.utils.vector_to_parameters(torch.linspace(-1, 1, len(vector(network))), network.parameters())
        strategy = L2(model=network, strength=1.0, plugins=plugins, **lab.settings(optimizer="sgd"))
        strategy.train(benchmark.train_stream, eval_streams=[])
        ends.append(vector(strategy.model))
    assert torch.equal(*ends)
