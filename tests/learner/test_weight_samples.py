"""Samples of a test are drawn once and stay the same for all its batches."""

import torch

from cl_bench.learner import weight_samples as samples
from cl_bench.learner.noise import Noise
from cl_bench.learner.weight_samples import TestSamples


def drawing(size: int = 3) -> tuple[TestSamples, Noise, list[int], object]:
    """Samples, their noise, a growing list of draws, and the function that draws."""
    noise, calls = Noise([torch.Generator().manual_seed(0)]), []

    def draw() -> torch.Tensor:
        calls.append(1)
        return noise.normal_like(torch.zeros(size))

    return TestSamples(noise), noise, calls, draw


def test_every_batch_of_a_test_takes_the_same_samples_and_draws_them_once():
    taken, noise, calls, draw = drawing()
    with taken.one_test():
        batches = []
        for _ in range(3):
            taken.rewind()
            batches.append(torch.stack(list(taken.take(4, draw))))
        after_batches = noise.normal_like(torch.zeros(1))
    assert len(calls) == 4
    assert torch.equal(batches[0], batches[1])
    assert torch.equal(batches[0], batches[2])
    fresh = torch.Generator().manual_seed(0)
    assert torch.equal(batches[0], torch.stack([torch.randn(3, generator=fresh) for _ in range(4)]))
    assert torch.equal(after_batches, torch.randn(1, generator=fresh)), "the stream goes on after one batch's"


def test_samples_too_large_to_keep_are_drawn_again_and_are_the_same(monkeypatch):
    monkeypatch.setattr(samples, "KEPT_BYTES", 4 * 3 * 4 - 1)
    taken, _, calls, draw = drawing()
    with taken.one_test():
        batches = []
        for _ in range(2):
            taken.rewind()
            batches.append(torch.stack(list(taken.take(4, draw))))
    assert len(calls) == 8
    assert torch.equal(*batches)


def test_outside_a_test_and_in_the_next_one_samples_are_new():
    taken, _, calls, draw = drawing()
    first = list(taken.take(2, draw))
    second = list(taken.take(2, draw))
    assert not torch.equal(first[0], second[0])
    with taken.one_test():
        third = list(taken.take(2, draw))
    with taken.one_test():
        fourth = list(taken.take(2, draw))
    assert not torch.equal(third[0], fourth[0])
    assert len(calls) == 8
