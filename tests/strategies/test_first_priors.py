"""First priors of Gaussian weights: around 0, and around 1 where a weight does nothing at 1."""

import math

import pytest
import torch
from torch import nn

from cl_bench.learner.gaussian_layers import GaussianLayer
from cl_bench.models.parameters import scales
from cl_bench.models.stacked import StackedNetwork
from cl_bench.posteriors import gaussian
from cl_bench.strategies import GVCL, IVON, MESU, TDVCL, VCL, CoVON, OnlineLaplace

CNN = ("model=cnn", "model.channels=[4,4]", "model.hidden=8")
METHODS = {
    "vcl": ("strategy=vcl", VCL),
    "gvcl": ("strategy=gvcl", GVCL),
    "td_vcl": ("strategy=td_vcl", TDVCL),
    "ivon": ("strategy=ivon", IVON),
    "covon": ("strategy=covon", CoVON),
    "mesu": ("strategy=mesu", MESU),
    "online_laplace": ("strategy=online_laplace", OnlineLaplace),
}
SPLIT = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1")


def named_scales(network: nn.Module) -> list[torch.Tensor]:
    """The scales as they are now, of plain layers and of Gaussian ones."""
    of_layers = [
        scale for layer in network.modules() if isinstance(layer, GaussianLayer) for scale in layer.scales
    ]
    return of_layers or scales(network)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("normalisation", ["group", "layer", "batch"])
def test_the_first_prior_is_around_1_for_scales_and_around_0_for_all_else(lab, name, normalisation):
    choice, kind = METHODS[name]
    strategy = lab.from_conf(choice, *CNN, *SPLIT, f"model.normalisation={normalisation}").strategy
    assert isinstance(strategy, kind)
    mean = strategy.first_prior().mean
    found = named_scales(strategy.network)
    assert len(found) == 3, "of two convolutions and a dense layer"
    places = {
        id(each): part for each, part in zip(strategy.flat.parameters, strategy.flat._parts, strict=True)
    }
    expected = torch.zeros_like(mean)
    for scale in found:
        expected[places[id(scale)]] = 1
    assert torch.equal(mean, expected)
    assert 0 < mean.sum() < len(mean)


@pytest.mark.parametrize("name", METHODS)
def test_without_normalisation_it_is_around_0(lab, name):
    strategy = lab.from_conf(METHODS[name][0], *CNN, *SPLIT, "model.normalisation=none").strategy
    assert not strategy.first_prior().mean.any()


def test_a_narrow_prior_no_longer_costs_a_scale_at_its_start():
    """It was 50 nats a scale at a variance of 0.01, and 0.5 at 1."""
    variance = torch.full((1,), 0.01).log()
    one, zero = (gaussian.Gaussian(torch.full((1,), value), variance) for value in (1.0, 0.0))
    assert gaussian.kl_divergence(one, zero).item() == pytest.approx(50)
    assert gaussian.kl_divergence(one, one).item() == 0


@pytest.mark.parametrize("name", ["vcl", "gvcl"])
def test_scales_at_their_start_cost_no_more_than_their_narrower_variance(lab, name):
    strategy = lab.from_conf(METHODS[name][0], *CNN, *SPLIT, "strategy.prior_variance=0.01").strategy
    at_scales = strategy.first_mean() == 1
    cost = strategy.kl_by_weight(strategy.prior)[at_scales]
    ratio = math.exp(strategy.initial_log_variance) / 0.01
    torch.testing.assert_close(cost, torch.full_like(cost, (ratio - 1 - math.log(ratio)) / 2))


def test_means_drawn_anew_start_around_the_prior_s(lab):
    strategy = lab.from_conf(METHODS["vcl"][0], *CNN, *SPLIT, "strategy.initial_mean_deviation=0.1").strategy
    distance = (strategy.posterior.mean - strategy.first_mean()).abs()
    assert distance.max() <= 0.2 + 1e-6
    assert (strategy.first_mean() == 1).any()


def test_mesu_forgets_towards_the_scale_that_does_nothing(lab):
    run = lab.from_conf("strategy=mesu", *CNN, *SPLIT, "strategy.prior_mean=0.25")
    strategy = run.strategy
    at_scales = strategy.flat.marked(scales(strategy.network)) == 1
    assert (strategy.prior_mean[at_scales] == 1.25).all()
    assert (strategy.prior_mean[~at_scales] == 0.25).all()


def test_the_scales_of_a_stack_are_those_of_each_network():
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.RMSNorm(4), nn.LayerNorm(4, bias=False))

    found = scales(StackedNetwork([network(), network()]).template)
    assert [tuple(each.shape) for each in found] == [(2, 4)] * 3
    assert scales(nn.Sequential(nn.BatchNorm1d(3, affine=False), nn.Linear(3, 2))) == []
