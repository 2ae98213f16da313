"""The cross-entropy over some classes against loops over examples and finite differences."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.posteriors import asymmetric

LABELS = torch.tensor([0, 2, 1, 1, 3])
ALLOWED = torch.tensor(
    [[1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 1]], dtype=torch.bool
)  # of each example, its label too


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_classes_are_found_group_by_group():
    labels, groups = torch.tensor([1, 1, 0, 2]), torch.tensor([0, 2, 2, 0])
    found = asymmetric.present(labels, groups, num_groups=3, num_classes=4)
    assert [row.nonzero().flatten().tolist() for row in found] == [[1, 2], [], [0, 1]]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_it_is_the_softmax_over_the_allowed_classes_alone(smoothing):
    logits = random(5, 4, seed=0)
    found = asymmetric.cross_entropy(logits, LABELS, ALLOWED, smoothing=smoothing)
    for row, label, allowed, loss in zip(logits, LABELS, ALLOWED, found, strict=True):
        classes = allowed.nonzero().flatten().tolist()
        total = sum(math.exp(row[each]) for each in classes)
        terms = {each: -math.log(math.exp(row[each]) / total) for each in classes}
        uniform = sum(terms.values()) / len(classes)
        assert float(loss) == pytest.approx((1 - smoothing) * terms[int(label)] + smoothing * uniform)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_with_all_classes_it_is_torch_s(smoothing):
    logits = random(5, 4, seed=0)
    found = asymmetric.cross_entropy(logits, LABELS, torch.ones(5, 4, dtype=torch.bool), smoothing=smoothing)
    expected = F.cross_entropy(logits, LABELS, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradients_equal_finite_differences_and_are_0_outside(smoothing):
    logits = random(5, 4, seed=0).requires_grad_()

    def loss(logits: Tensor) -> Tensor:
        return asymmetric.cross_entropy(logits, LABELS, ALLOWED, smoothing=smoothing)

    torch.autograd.gradcheck(loss, logits)
    loss(logits).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[~ALLOWED] == 0).all()
    assert (logits.grad[ALLOWED] != 0).sum() == 10  # all, but where only the label is allowed
