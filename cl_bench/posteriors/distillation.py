"""Distillation: a network is held to what an earlier copy of it says of the same images.

    T^2 KL(p || q),   p = softmax(teacher / T),   q = softmax(student / T)

Both softmaxes are over the classes that the teacher knows.

Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015, have T, and T^2, which keeps the
size of the gradient. Li, Hoiem, "Learning without forgetting", ECCV 2016, take T = 2, on the new task's
images. The papers write the cross-entropy of q under p: it differs by p's entropy, which has no gradient.
"""

from typing import Any

import torch
from torch import Tensor

from cl_bench.models.heads import present


def divergence(student: Tensor, teacher: Tensor, known: Tensor, *, temperature: float) -> Tensor:
    """How far a student's prediction is from its teacher's at temperature T, in nats, the mean over examples.

        T^2 KL(p || q),   p = softmax(teacher / T),   q = softmax(student / T)

    Both softmaxes are over known classes only. Sources: Hinton et al. 2015; Li, Hoiem 2016.

    Args:
        student, teacher: logits [B, K]; gradients flow to the student's.
        known: bool, [K] or one row an example [B, K]: the classes that count; the others have no part in
            either softmax.
        temperature: T.

    Returns:
        A scalar.

    >>> teacher = torch.tensor([[2.0, 0.0, 5.0]])
    >>> student = torch.tensor([[0.0, 0.0, 9.0]])
    >>> # the third class came after the teacher
    >>> known = torch.tensor([True, True, False])
    >>> distillation.divergence(student, teacher, known, temperature=1.0)
    tensor(0.3278)
    >>> distillation.divergence(teacher, teacher, known, temperature=2.0)
    tensor(0.)
    """
    return _Divergence.apply(student, teacher, known, temperature)


class _Divergence(torch.autograd.Function):
    """The divergence with the gradient T (q - p) / B, exactly 0 where the student has not moved yet.

    Autograd's would be rounding errors there, q sum(p) - p, which Adam divides by their own size. The first
    step of a task would move the old heads at random.
    """

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, known: Tensor, temperature: float) -> Tensor:
        log_p, log_q = (
            present(logits / temperature, known).log_softmax(dim=-1) for logits in (teacher, student)
        )
        ctx.save_for_backward(temperature / len(student) * (log_q.exp() - log_p.exp()))
        return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (by_student,) = ctx.saved_tensors
        return gradients[0] * by_student, None, None, None


def known_classes(labels: Tensor, num_classes: int) -> Tensor:
    """The classes that occur among labels, as a mask.

    Args:
        labels: int64 [N].

    Returns:
        bool [num_classes].

    >>> distillation.known_classes(torch.tensor([0, 2, 2]), num_classes=4)
    tensor([ True, False,  True, False])
    """
    return torch.zeros(num_classes, dtype=torch.bool, device=labels.device).index_fill(
        0, labels.unique(), True
    )
