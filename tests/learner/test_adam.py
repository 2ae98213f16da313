"""One call of the kernel is torch's step, to the last bit."""

import copy

import pytest
import torch
from torch.optim.lr_scheduler import ExponentialLR

from cl_bench.learner.adam import adam_step

SETTINGS = [
    {},
    {"weight_decay": 0.1, "betas": (0.8, 0.9), "eps": 1e-3},
    {"maximize": True},
    {"amsgrad": True},
    {"fused": False},
    {"lr": torch.tensor(0.1)},
]


def trained(step, make, *, num_steps=4):
    vector = torch.nn.Parameter(torch.linspace(-1, 1, 37))
    optimizer = make(vector)
    for number in range(num_steps):
        vector.grad = torch.sin(vector.detach() * (number + 1))
        step(optimizer, vector)
    return vector.detach(), optimizer


def same(one, other):
    assert torch.equal(one[0], other[0])
    for left, right in zip(*(each[1].state_dict()["state"].values() for each in (one, other)), strict=True):
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_weights_and_averages_are_those_of_torchs_step(settings, kind):
    def make(vector):
        return kind([vector], **{"lr": 0.1, "fused": True} | copy.deepcopy(settings))

    same(trained(adam_step, make), trained(lambda optimizer, _: optimizer.step(), make))


def test_another_optimizer_takes_its_own_step():
    def make(vector):
        return torch.optim.SGD([vector], lr=0.1, momentum=0.9)

    same(trained(adam_step, make), trained(lambda optimizer, _: optimizer.step(), make))


def test_an_optimizer_that_wraps_another_one_needs_a_step_alone():
    class Wrapper:
        def __init__(self, inner):
            self.param_groups, self.step = inner.param_groups, inner.step

    def make(vector):
        return torch.optim.Adam([vector], lr=0.1, fused=True)

    found, _ = trained(lambda optimizer, vector: adam_step(Wrapper(optimizer), vector), make)
    assert torch.equal(found, trained(lambda optimizer, _: optimizer.step(), make)[0])


def test_the_first_step_makes_the_averages_and_the_others_take_the_short_way(monkeypatch):
    calls = []
    taken = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: (calls.append(1), taken(self)))
    trained(adam_step, lambda vector: torch.optim.Adam([vector], fused=True))
    assert len(calls) == 1


def test_hooks_and_schedulers_see_every_step():
    seen = []

    def make(vector):
        optimizer = torch.optim.Adam([vector], lr=0.1, fused=True)
        optimizer.register_step_post_hook(lambda *_: seen.append("hook"))
        return optimizer

    trained(adam_step, make)
    assert seen == ["hook"] * 4

    schedulers = []

    def scheduled(vector):
        optimizer = torch.optim.Adam([vector], lr=0.1, fused=True)
        schedulers.append(ExponentialLR(optimizer, 0.5))
        return optimizer

    _, optimizer = trained(adam_step, scheduled)
    assert optimizer._opt_called
    schedulers[0].step()  # would warn that no step came before it
