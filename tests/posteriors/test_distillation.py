"""Distillation against sums written out, finite differences, and its limits."""

import math

import pytest
import torch

from cl_bench.posteriors import distillation


def logits(seed: int, num_examples: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(num_examples, 5, generator=generator, dtype=torch.float64)


ALL = torch.ones(5, dtype=torch.bool)
SOME = torch.tensor([True, False, True, True, False])


@pytest.mark.parametrize("known", [ALL, SOME])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_it_is_the_kl_divergence_written_out(known, temperature):
    student, teacher = logits(0), logits(1)
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        columns = [k for k in range(5) if known[k]]
        p = [math.exp(t[k] / temperature) for k in columns]
        q = [math.exp(s[k] / temperature) for k in columns]
        total += sum(a / sum(p) * math.log((a / sum(p)) / (b / sum(q))) for a, b in zip(p, q, strict=True))
    found = distillation.divergence(student, teacher, known, temperature=temperature)
    assert float(found) == pytest.approx(temperature**2 * total / 4, rel=1e-12)


@pytest.mark.parametrize("known", [ALL, SOME, torch.stack([ALL, SOME, SOME, ALL])])
def test_its_gradient_equals_finite_differences_and_leaves_unknown_classes_alone(known):
    student, teacher = logits(0).requires_grad_(), logits(1).requires_grad_()
    distillation.divergence(student, teacher, known, temperature=2.0).backward()
    assert teacher.grad is None
    width = 1e-6
    for row in range(4):
        for column in range(5):
            shift = torch.zeros(4, 5, dtype=torch.float64)
            shift[row, column] = width
            up, down = (
                distillation.divergence(student.detach() + sign * shift, teacher, known, temperature=2.0)
                for sign in (1, -1)
            )
            assert float(student.grad[row, column]) == pytest.approx(float(up - down) / (2 * width), abs=1e-8)
    assert not student.grad[(~known).expand(4, 5)].any()
    # the closed form T (q - p) / B
    p = (teacher.detach() / 2).masked_fill(~known, -torch.inf).softmax(-1)
    q = (student.detach() / 2).masked_fill(~known, -torch.inf).softmax(-1)
    torch.testing.assert_close(student.grad, 2 * (q - p) / 4, rtol=1e-10, atol=1e-12)


def test_the_same_logits_cost_nothing_and_one_known_class_never_costs():
    student = logits(0).float().requires_grad_()
    same = distillation.divergence(student, student.detach(), ALL, temperature=2.0)
    assert float(same.detach()) == 0
    one = distillation.divergence(
        student, logits(1).float(), ALL.logical_not().index_fill(0, torch.tensor(2), True), temperature=2.0
    )
    same.backward()
    assert not student.grad.any(), "exactly 0: Adam would make a step of any rounding error"
    one.backward()
    assert float(one.detach()) == 0
    assert student.grad.abs().max() < 1e-7


@pytest.mark.parametrize("offset", [-2e4, 2e4])
def test_classes_that_are_not_known_have_no_part_however_low_the_others_are(offset):
    expected = distillation.divergence(logits(0), logits(1), SOME, temperature=2.0)
    found = distillation.divergence(
        logits(0) + offset * SOME, logits(1) + offset * SOME, SOME, temperature=2.0
    )
    torch.testing.assert_close(found, expected)


def test_at_high_temperature_it_is_half_the_squared_distance_of_centred_logits():
    """Hinton et al., section 2.1: T^2 KL -> |s - t|^2 / (2 K) for logits of mean 0."""
    student, teacher = (part - part.mean(dim=1, keepdim=True) for part in (logits(0), logits(1)))
    found = distillation.divergence(student, teacher, ALL, temperature=1e4)
    expected = (student - teacher).square().sum(dim=1).mean() / 10
    assert float(found) == pytest.approx(float(expected), rel=1e-3)


def test_known_classes_are_those_that_occur():
    assert distillation.known_classes(torch.tensor([3, 0, 3]), 5).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]
