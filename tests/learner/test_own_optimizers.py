"""A user's own optimizer, schedule, model and freezing train as in plain torch, or are refused."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from everyday import Does, OfTheVector, OwnOptimizer, vector
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from cl_bench.strategies import L2, Finetune, Joint, StraightThrough


@pytest.fixture
def network(real_network):
    return real_network


@pytest.fixture
def make(make_finetune):
    return make_finetune


@pytest.fixture
def benchmark(two_tasks):
    return two_tasks


# A user's own optimizer, schedule and model


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
