"""Divergences of whole posteriors and frozen weights, against torch's distributions and enumeration."""

import math

import pytest
import torch
from torch import distributions

from cl_bench.posteriors import beliefs
from cl_bench.posteriors.beliefs import FROZEN_RATIO, BinaryWeights
from cl_bench.posteriors.gaussian import Gaussian


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_divergence_of_gaussians_is_torchs_for_each_seed():
    now, before = (Gaussian(normal(2, 5, seed=seed), normal(2, 5, seed=seed + 1)) for seed in (0, 2))
    expected = distributions.kl_divergence(
        *(distributions.Normal(each.mean, (each.log_variance / 2).exp()) for each in (now, before))
    )
    torch.testing.assert_close(beliefs.divergence(now, before), expected.sum(dim=1))


def test_the_divergence_of_binary_weights_is_torchs_for_each_seed():
    now, before = (BinaryWeights(normal(2, 5, seed=seed)) for seed in (0, 2))
    expected = distributions.kl_divergence(
        *(distributions.Bernoulli(logits=2 * each.natural) for each in (now, before))
    )
    torch.testing.assert_close(beliefs.divergence(now, before), expected.sum(dim=1))


def test_beliefs_of_different_kinds_have_no_divergence():
    with pytest.raises(TypeError, match="of one kind, got Gaussian, BinaryWeights"):
        beliefs.divergence(Gaussian(normal(2), normal(2)), BinaryWeights(normal(2)))


def test_a_binary_weight_is_frozen_beyond_the_stated_mean():
    means = torch.tensor([-0.996, -0.994, 0.0, 0.994, 0.996], dtype=torch.float64)
    threshold = math.sqrt(1 - FROZEN_RATIO**2)
    assert 0.994 < threshold < 0.996
    belief = BinaryWeights(torch.stack([means.atanh(), torch.zeros(5, dtype=torch.float64)]))
    prior = BinaryWeights(torch.zeros(2, 5, dtype=torch.float64))
    assert beliefs.frozen_share(belief, prior).tolist() == [0.4, 0.0]


def test_a_binary_weight_stays_frozen_where_floats_round_its_mean_to_one():
    belief = BinaryWeights(torch.tensor([10.0, 1e9, -1e9, 0.0]))
    assert beliefs.frozen_share(belief, BinaryWeights(torch.zeros(4))) == 0.75


def test_a_gaussian_weight_is_frozen_when_its_precision_has_grown_a_hundred_times():
    precision = torch.tensor([1.0, 99.0, 101.0, 1e6])
    belief = Gaussian(torch.zeros(4), -(4 * precision).log())
    assert beliefs.frozen_share(belief, Gaussian(torch.zeros(4), torch.full((4,), -math.log(4)))) == 0.5


def test_weights_that_stand_where_they_started_have_the_prior():
    start = Gaussian(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, -1.0, -1.0]))
    now = Gaussian(torch.tensor([1.0, 2.5, 3.0]), torch.tensor([-1.0, -1.0, -2.0]))
    prior = Gaussian(torch.zeros(3), torch.zeros(3))
    found = beliefs.where_moved(now, start, prior)
    assert found.mean.tolist() == [0.0, 2.5, 3.0]
    assert found.log_variance.tolist() == [0.0, -1.0, -2.0]
