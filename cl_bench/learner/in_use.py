"""A learner in use: it predicts as in its tests, again and again, and its training stays as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.asked import asked
from cl_bench.models.modes import modes_restored

Predict = Callable[[Any, Tensor, int | Tensor], Tensor]


def as_in_tests(predict: Predict) -> Predict:
    """Let a learner's `predict` be as in its tests where its user calls it, and not its own training or test.

    Its layers are in eval mode then, and there is no gradient. It samples in every call what the first of the
    newest tests with that head sampled; before any test, `test_noise` goes on. Modes and generators are put
    back.
    """

    @wraps(predict)
    def predicted(learner: Any, images: Tensor, task: int | Tensor) -> Tensor:
        if not learner.in_use or learner.test_samples.in_test:
            return predict(learner, images, task)
        images, task = asked(images, task, input_shape=learner.input_shape, device=learner.device)
        with torch.no_grad(), modes_restored(learner.network), _samples_of_newest_test(learner, task):
            learner.network.eval()
            return predict(learner, images, task)

    return predicted


@contextmanager
def _samples_of_newest_test(learner: Any, task: int | Tensor) -> Iterator[None]:
    """Let `test_noise` stand where it stood before the newest test of a head, and afterwards as it does."""
    places = learner.tested_from
    if not places:
        yield
        return
    now = learner.test_noise.state()
    first = next(iter(places.values()))
    learner.test_noise.restore(first if isinstance(task, Tensor) else places.get(int(task), first))
    try:
        yield
    finally:
        learner.test_noise.restore(now)
