"""The terms of dark experience replay against their definition and finite differences."""

import torch
from torch import Tensor

from cl_bench.posteriors import dark_experience


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_terms_equal_loops_over_examples():
    logits, remembered, labels = random(5, 3, seed=0), random(5, 3, seed=1), torch.tensor([0, 2, 1, 1, 0])
    squares = sum(float(x - z) ** 2 for x, z in zip(logits.flatten(), remembered.flatten(), strict=True))
    torch.testing.assert_close(dark_experience.distillation(logits, remembered).item(), squares / 15)
    entropies = [-float(row.log_softmax(0)[label]) for row, label in zip(logits, labels, strict=True)]
    torch.testing.assert_close(dark_experience.rehearsal(logits, labels).item(), sum(entropies) / 5)


def test_gradients_equal_finite_differences():
    remembered, labels = random(4, 3, seed=1), torch.tensor([0, 2, 1, 1])
    logits = random(4, 3, seed=0).requires_grad_()
    torch.autograd.gradcheck(lambda x: dark_experience.distillation(x, remembered), logits)
    torch.autograd.gradcheck(lambda x: dark_experience.rehearsal(x, labels), logits)
