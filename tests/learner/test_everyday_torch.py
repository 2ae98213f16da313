"""What is usual in torch trains as it does in plain torch, or is refused with a reason."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from cl_bench.models import mlp
from cl_bench.strategies import L2, Finetune, Joint, StraightThrough

MOMENTS = (
    *("before_training_exp", "before_training_epoch", "before_training_iteration", "before_forward"),
    *("after_forward", "before_backward", "after_update", "after_training_iteration"),
    *("after_training_epoch", "after_training_exp"),
)


@pytest.fixture
def network(lab):
    return lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=3,
        num_heads=1,
        hidden=[6],
        normalisation="none",
        weights="real",
    )


@pytest.fixture
def make(lab, network):
    def make(cls: type = Finetune, **changes: Any) -> Any:
        return cls(model=network, **lab.settings(**{"optimizer": "sgd", "learning_rate": 0.1} | changes))

    return make


@pytest.fixture
def benchmark(lab):
    return lab.benchmark(lab.tasks(2))


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


def vector(model: nn.Module) -> torch.Tensor:
    return torch.cat([each.detach().reshape(-1) for each in model.parameters()])


class Does(SupervisedPlugin):
    """Something to the strategy at every moment of a kind."""

    def __init__(self, moment: str, what: Callable[[Any], object]) -> None:
        super().__init__()
        setattr(self, moment, lambda strategy, **kwargs: what(strategy))


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


# A user's own optimizer, schedule and model


class OwnOptimizer(Finetune):
    def new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)


class OfTheVector(Finetune):
    def new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.flat.values], lr=0.1, momentum=0.9, weight_decay=1e-2)


class OfNothing(Finetune):
    def new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)


class OfBoth(Finetune):
    def new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.flat.values, *self.model.parameters()], lr=0.1)


class OfSigns(StraightThrough):
    def new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.model.parameters(), lr=0.1)


def test_an_optimizer_of_the_models_parameters_trains_as_one_of_the_vector(lab, benchmark):
    ends = []
    for cls in (OwnOptimizer, OfTheVector):
        strategy = cls(model=lab.small_network(weights="real"), **lab.settings())
        strategy.train(benchmark.train_stream, eval_streams=[])
        ends.append(vector(strategy.model))
    torch.testing.assert_close(*ends, rtol=1e-6, atol=1e-7)
    assert not torch.equal(ends[0], vector(lab.small_network(weights="real")))


@pytest.mark.parametrize(
    ("cls", "kind", "reason"),
    [(OfNothing, "real", "neither"), (OfBoth, "real", "both"), (OfSigns, "binary", r"self\.optimized\(\)")],
)
def test_an_optimizer_that_moves_no_weight_of_the_network_is_refused(lab, benchmark, cls, kind, reason):
    strategy = cls(model=lab.small_network(weights=kind), **lab.settings())
    with pytest.raises(ValueError, match=reason):
        strategy.train(benchmark.train_stream, eval_streams=[])


class Halves(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 1, gamma=0.5)
        self.rates: list[float] = []

    def _after_training_epoch(self, **kwargs: Any) -> None:
        super()._after_training_epoch(**kwargs)
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        self.scheduler.step()


class HalvesTheFirst(Halves):
    def _before_training_exp(self, **kwargs: Any) -> None:
        if not hasattr(self, "scheduler"):
            Halves._before_training_exp(self, **kwargs)
        else:
            Finetune._before_training_exp(self, **kwargs)


def test_a_scheduler_of_the_tasks_optimizer_sets_its_step_size(make, benchmark):
    strategy = make(Halves, epochs=3)
    strategy.train(benchmark.train_stream, eval_streams=[])
    assert strategy.rates == [0.1, 0.05, 0.025]


def test_a_scheduler_of_an_optimizer_that_is_gone_is_refused(make, benchmark):
    with pytest.raises(ValueError, match=r"StepLR .* no longer used"):
        make(HalvesTheFirst).train(benchmark.train_stream, eval_streams=[])


def test_two_schedules_at_once_are_refused(make, benchmark):
    with pytest.raises(ValueError, match=r"training\.schedule=cosine .*=constant"):
        make(Halves, schedule="cosine").train(benchmark.train_stream, eval_streams=[])


def test_a_model_that_is_replaced_gives_the_network_its_weights(make, benchmark):
    strategy = make()
    initial = deepcopy(strategy.model)
    strategy.train(benchmark.train_stream, eval_streams=[])
    strategy.model = deepcopy(initial)
    assert torch.equal(strategy.flat.values.data, vector(initial))
    with pytest.raises(ValueError, match=r"structure alone.*Linear"):
        strategy.model = nn.Linear(2, 2)


def test_the_model_is_the_one_that_was_given(lab, benchmark):
    model = lab.seeded_model(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
    strategy = Finetune(model=model, **lab.settings())
    assert strategy.model is model
    before = vector(model)
    strategy.train(benchmark.train_stream, eval_streams=[])
    assert not torch.equal(vector(model), before)


# What cannot be done to a network that is laid out


def freeze(module: nn.Module) -> None:
    module.requires_grad_(False)


CHANGES = {
    "a wider layer": (lambda model: setattr(model.heads, "linear", nn.Linear(6, 5)), r"is now \(5, 6\)"),
    "one more layer": (lambda model: model.body.append(nn.Linear(6, 6)), "new: body.4.weight"),
    "one layer less": (lambda model: setattr(model.body[1], "bias", None), "gone: body.1.bias"),
    "double precision": (lambda model: model.double(), "body.1.weight is now .* of torch.float64"),
    "a parametrization": (lambda model: parametrizations.weight_norm(model.body[1]), "original0"),
    "pruning": (lambda model: prune.random_unstructured(model.body[1], "weight", 1), "weight_orig"),
    "another shape": (
        lambda model: setattr(model.body[1].bias, "data", torch.zeros(2)),
        r"body.1.bias is now \(2,\)",
    ),
}


@pytest.mark.parametrize("moment", ["before_training_exp", "after_training_iteration", "after_training_exp"])
@pytest.mark.parametrize("change", CHANGES)
def test_another_network_is_refused_with_the_names(make, benchmark, change, moment):
    act, reason = CHANGES[change]
    done: list[int] = []

    def once(strategy: Any) -> None:
        if not done:
            done.append(1)
            act(strategy.model)

    with pytest.raises(ValueError, match=reason):
        make(plugins=[Does(moment, once)]).train(benchmark.train_stream, eval_streams=[])


def test_a_parametrized_layer_of_the_start_is_trained(lab, benchmark):
    model = lab.seeded_model(
        lambda: nn.Sequential(nn.Flatten(), parametrizations.weight_norm(nn.Linear(4, 3)))
    )
    before = vector(model)
    strategy = Finetune(model=model, **lab.settings())
    strategy.train(benchmark.train_stream, eval_streams=[])
    assert parametrize.is_parametrized(model[1])
    assert (vector(model) != before).all()


# Freezing


def test_a_layer_may_be_frozen_between_tasks_and_then_stands_still(make, benchmark):
    """With momentum, which would carry it on."""
    first, second = benchmark.train_stream
    for cls in (OwnOptimizer, OfTheVector):
        strategy = make(cls, optimizer_state="kept")
        strategy.model.requires_grad_(True)
        strategy.train(first, eval_streams=[])
        body = vector(strategy.model.body)
        heads = vector(strategy.model.heads)
        strategy.model.body.requires_grad_(False)
        strategy.train(second, eval_streams=[])
        assert torch.equal(vector(strategy.model.body), body)
        assert not torch.equal(vector(strategy.model.heads), heads)
        strategy.model.requires_grad_(True)
        strategy.train(second, eval_streams=[])
        assert not torch.equal(vector(strategy.model.body), body)


def test_freezing_later_is_refused_where_numbers_of_every_weight_are_kept(lab, network, benchmark):
    first, second = benchmark.train_stream
    for cls, settings in ((L2, {"strength": 1.0}), (Joint, {"restart": True})):
        network.requires_grad_(True)
        strategy = cls(model=network, **settings, **lab.settings())
        strategy.train(first, eval_streams=[])
        freeze(network.body)
        with pytest.raises(ValueError, match=rf"{cls.__name__} .* body.1.weight"):
            strategy.train(second, eval_streams=[])


def test_what_was_frozen_at_the_start_cannot_be_trained_later(make, network, benchmark):
    freeze(network.body)
    strategy = make()
    network.requires_grad_(True)
    with pytest.raises(ValueError, match=r"body\.1\.weight.*freeze it then"):
        strategy.train(benchmark.train_stream, eval_streams=[])


def test_a_network_with_nothing_to_train_is_refused(make, network):
    freeze(network)
    with pytest.raises(ValueError, match="requires_grad=True"):
        make()
