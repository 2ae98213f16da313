"""Dropout: how many zeros, which mean, none in tests, and masks of each seed's own."""

from functools import partial

import pytest
import torch
from torch import nn

from cl_bench.learner.drawn_like import masks_of
from cl_bench.learner.noise import Noise
from cl_bench.models import Dropout, cnn, mlp
from cl_bench.models.stacked import StackedNetwork

SHAPES = {"input_shape": (1, 4, 4), "num_classes": 2, "num_heads": 2}
KIND = {"normalisation": "none", "weights": "real"}


def noise(*seeds, stacked=False):
    return Noise([torch.Generator().manual_seed(seed) for seed in seeds], stacked=stacked)


def test_the_share_of_zeros_is_p_and_the_mean_is_kept():
    layer = Dropout(0.3).train()
    masks_of(layer, lambda: noise(0))
    outputs = layer(torch.ones(200_000))
    assert float((outputs == 0).double().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(outputs.double().mean()) == pytest.approx(1.0, abs=0.01)
    assert set(outputs.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.7)}


def test_masks_are_those_of_the_generator_and_never_of_the_global_one():
    layer = Dropout(0.5).train()
    masks_of(layer, lambda: noise(3))
    before = torch.get_rng_state()
    outputs = layer(torch.ones(64))
    assert torch.equal(torch.get_rng_state(), before)
    drawn = torch.rand(64, generator=torch.Generator().manual_seed(3))
    assert torch.equal(outputs, 2.0 * (drawn >= 0.5))


def test_tests_have_none_and_p_of_0_draws_nothing():
    mine = noise(0)
    before = mine.state()
    for layer in (Dropout(0.5).eval(), Dropout(0.0).train()):
        masks_of(layer, lambda: mine)
        assert torch.equal(layer(torch.ones(9)), torch.ones(9))
    assert torch.equal(mine.state()[0], before[0])


def test_without_it_networks_are_what_they_were():
    for make in (lambda **d: mlp(**SHAPES, hidden=[5, 5], **KIND, **d), lambda **d: small_cnn(**d)):
        assert not any(isinstance(each, Dropout) for each in make().modules())
        assert list(make().state_dict()) == list(make(dropout=0.0).state_dict())
    assert (
        sum(isinstance(each, Dropout) for each in mlp(**SHAPES, hidden=[5, 5], **KIND, dropout=0.1).modules())
        == 2
    )
    assert sum(isinstance(each, Dropout) for each in small_cnn(dropout=0.1).modules()) == 1


def small_cnn(**settings):
    return cnn(**SHAPES, channels=[3, 3], hidden=5, **KIND, **settings)


@pytest.mark.parametrize("make", [small_cnn, lambda **d: mlp(**SHAPES, hidden=[6], **KIND, **d)])
def test_stacked_seeds_have_the_masks_that_they_have_alone(make):
    networks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        networks.append(make(dropout=0.4).train())
    stack = StackedNetwork(networks).train()
    masks_of(stack, lambda: noise(5, 6, stacked=True))
    images = torch.rand(6, 1, 4, 4)
    together = stack(images, 1)
    for index, network in enumerate(networks):
        masks_of(network, partial(noise, 5 + index))
        alone = network(images[3 * index : 3 * index + 3], 1)
        torch.testing.assert_close(together[3 * index : 3 * index + 3], alone)
        gradients = torch.autograd.grad(alone.sum(), list(network.parameters()))
        stacked = torch.autograd.grad(together.sum(), list(stack.parameters()), retain_graph=True)
        for mine, ours in zip(gradients, stacked, strict=True):
            torch.testing.assert_close(ours[index], mine)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan")])
def test_a_probability_out_of_range_is_refused(dropout):
    for make in (small_cnn, lambda **d: mlp(**SHAPES, hidden=[], **KIND, **d)):
        with pytest.raises(ValueError, match="dropout must be at least 0 and below 1"):
            make(dropout=dropout)


def test_seeds_at_once_cannot_have_dropout_of_torchs_own():
    with pytest.raises(ValueError, match=r"got 0 of Dropout2d: take cl_bench\.models\.Dropout"):
        StackedNetwork([nn.Sequential(nn.Dropout2d(0.5)) for _ in range(2)])


def test_a_plain_loop_in_torch_works_without_a_learner():
    network = nn.Sequential(Dropout(0.5)).train()
    torch.manual_seed(0)
    first = network(torch.ones(50))
    torch.manual_seed(0)
    assert torch.equal(network(torch.ones(50)), first)
