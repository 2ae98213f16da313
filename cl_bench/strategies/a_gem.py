"""Averaged gradient episodic memory (A-GEM)."""

from typing import Any

from cl_bench.learner.claims import Claims
from cl_bench.learner.rehearsal import Rehearsal
from cl_bench.posteriors import a_gem
from cl_bench.validation import is_whole


class AGEM(Rehearsal):
    """Fine-tuning whose gradient g is projected where it points against that of remembered examples, g_ref.

        z = g - (g . g_ref / g_ref . g_ref) g_ref   where g . g_ref < 0

    From the second task on each step draws a batch from the memory, and takes the gradient of its loss at the
    present weights, each example on its own head. At the end of each task all its training examples are
    offered to the memory, each once. What the optimizer makes of z is the optimizer's own: the paper takes
    SGD, and the constraint holds for its steps alone.

    Source: Chaudhry et al. 2019, equation 11. Their memory holds equally many examples of each task.
    A step costs twice one of fine-tuning, as published.

    Args:
        buffer_batch_size: examples of the memory a step, or all where it holds fewer; 0 is fine-tuning.
    """

    stackable = True
    claims = Claims(first_task_is_finetuning=True, off={"buffer_batch_size": 0}, rehearses=True)

    def __init__(self, *, buffer_batch_size: int, **rehearsal: Any) -> None:
        if not is_whole(buffer_batch_size) or buffer_batch_size < 0:
            raise ValueError(
                f"buffer_batch_size must be a whole number, at least 0, got {buffer_batch_size=}"
            )
        super().__init__(**rehearsal)
        self.buffer_batch_size, self.rehearses = buffer_batch_size, buffer_batch_size > 0

    def project_gradients(self) -> None:
        super().project_gradients()
        if not self.rehearses or not len(self.memories[0]):
            return
        gradient = self.flat.gradients.clone()
        self.flat.zero_gradients()
        logits, labels = self.rehearse("labels", self.buffer_batch_size)
        loss = self.num_seeds * self._criterion(logits, labels)  # the sum over seeds of each one's mean
        loss.backward()
        self.flat.gradients.copy_(a_gem.project(gradient, self.flat.gradients))

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.offer_task()
