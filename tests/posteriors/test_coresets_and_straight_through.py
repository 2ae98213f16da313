"""Coresets against brute force; the straight-through estimator against its definition."""

import torch

from cl_bench.posteriors import coresets, straight_through


def test_of_examples_alike_k_center_takes_each_once():
    for features in (torch.zeros(4, 1), torch.tensor([[0.0], [0.0], [1.0], [1.0]])):
        for number in (2, 3, 4):
            chosen = coresets.k_center(features, number, generator=torch.Generator()).tolist()
            assert len(set(chosen)) == number


def test_k_center_takes_the_farthest_example_in_turn():
    features = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    chosen = coresets.k_center(features, 6, generator=torch.Generator().manual_seed(1)).tolist()
    for count in range(1, 6):
        distance = torch.cdist(features, features[chosen[:count]]).min(dim=1).values
        assert chosen[count] == distance.argmax().item()


def test_coresets_hold_different_examples():
    features = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    for choose in (coresets.random, coresets.k_center):
        chosen = choose(features, 12, generator=torch.Generator().manual_seed(1))
        assert len(set(chosen.tolist())) == 12


def test_latent_weights_beyond_one_get_no_gradient():
    latent = torch.tensor([-1.5, -1.0, 0.0, 0.3, 1.2])
    gradient = torch.arange(1.0, 6.0)
    assert straight_through.latent_gradient(latent, gradient).tolist() == [0, 2, 3, 4, 0]
    assert straight_through.binarise(latent).tolist() == [-1, -1, 1, 1, 1]
    assert straight_through.clip(latent).tolist() == [-1, -1, 0, torch.tensor(0.3).item(), 1]
